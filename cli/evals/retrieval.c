/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/eval.h"

static lb_status retrieval_of_files(lb_value *out, const cli_eval_words *o, lb_cli *cli) {
    lb_status st = LB_OK;
    cli_eval_rows a = {0}, b = {0};
    int64_t *ia = NULL, *ib = NULL;
    if (!o->image || !o->text) return cli_usage("eval retrieval wants --model with --input, or both --image and --text");
    LB_TRY(cli_eval_rows_open(&a, o->image));
    LB_TRY(cli_eval_rows_open(&b, o->text));
    ia = lb_alloc((size_t)a.n + 1, sizeof *ia);
    ib = lb_alloc((size_t)b.n + 1, sizeof *ib);
    if (!ia || !ib) {
        st = LB_E_NOMEM;
        goto done;
    }
    /* Ids are rows of the pictures' file; a text without its picture gets an id of its own and is nobody's positive. */
    for (int64_t i = 0; i < a.n; i++) ia[i] = a.row[i];
    for (int64_t i = 0; i < b.n; i++) {
        int64_t row = lb_cache_find(a.cache, lb_cache_key(b.cache, b.row[i]));
        ib[i] = row >= 0 ? row : -1 - i;
    }
    lb_tensor image = cli_eval_view(a.values, LB_F32, 2, (int64_t[]){a.n, a.width}), text = cli_eval_view(b.values, LB_F32, 2, (int64_t[]){b.n, b.width});
    lb_tensor image_id = cli_eval_view(ia, LB_I64, 1, &a.n), text_id = cli_eval_view(ib, LB_I64, 1, &b.n);
    LB_TRY(cli_eval_score(out, "retrieval", o, cli, 4, (lb_metric_input[]){{"image", &image}, {"text", &text}, {"image_id", &image_id}, {"text_id", &text_id}}));
done:
    lb_free(ia);
    lb_free(ib);
    cli_eval_rows_close(&a);
    cli_eval_rows_close(&b);
    return st;
}

static lb_status retrieval_of_model(lb_value *out, const cli_eval_words *o, lb_cli *cli) {
    lb_status st = LB_OK;
    cli_eval_session s = {0};
    float *image = NULL, *text = NULL;
    int64_t *id = NULL, wi = 0, wt = 0;
    LB_TRY(cli_eval_session_open(&s, o));
    LB_TRY(cli_source_embed(s.source, s.model->model, s.index, s.count, true, false, o->image_tap, &image, &wi));
    LB_TRY(cli_source_embed(s.source, s.model->model, s.index, s.count, false, true, o->text_tap, &text, &wt));
    if (!(id = lb_alloc((size_t)s.count, sizeof *id))) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0; i < s.count; i++) id[i] = i;
    lb_tensor a = cli_eval_view(image, LB_F32, 2, (int64_t[]){s.count, wi}), b = cli_eval_view(text, LB_F32, 2, (int64_t[]){s.count, wt}), ids = cli_eval_view(id, LB_I64, 1, &s.count);
    LB_TRY(cli_eval_score(out, "retrieval", o, cli, 4, (lb_metric_input[]){{"image", &a}, {"text", &b}, {"image_id", &ids}, {"text_id", &ids}}));
done:
    lb_free(id);
    lb_free(image);
    lb_free(text);
    cli_eval_session_close(&s);
    return st;
}

static lb_status run(lb_value *out, const cli_eval_words *o, lb_cli *cli) { return o->model ? retrieval_of_model(out, o, cli) : retrieval_of_files(out, o, cli); }

LB_EVAL(retrieval) = {.id = "retrieval",
                      .title = "R@1/5/10, mAP, median rank, both ways, with 95% intervals",
                      .source = "",
                      .usage = "retrieval --model MODEL --input ... | --image FILE:TAP --text FILE:TAP",
                      .run = run};
