/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/eval.h"

static lb_status run(lb_value *out, const cli_eval_words *o, lb_cli *cli) {
    lb_status st = LB_OK;
    cli_eval_session s = {0};
    cli_eval_classes c = {0};
    cli_eval_labelled l = {0};
    if (!o->model && !o->rows) return cli_usage("eval classify wants --model or --rows FILE:TAP, and --input with labels");
    if (o->model) LB_TRY(cli_eval_session_open(&s, o));
    else LB_TRY(cli_items_open(&s.items, &s.index, &s.count, &o->items, 5));
    LB_TRY(cli_eval_classes_open(&c, o, s.items));
    LB_TRY(cli_eval_labelled_open(&l, &c, s.items, s.index, s.count, o->rows, &s, o->tap ? o->tap : "logits"));
    if (l.width != c.count) {
        st = lb_fail(LB_E_SHAPE, "eval classify: %lld scores an item for %lld classes; --labels FILE names them all, a line each in the scores' order", (long long)l.width, (long long)c.count);
        goto done;
    }
    lb_tensor scores = cli_eval_view(l.values, LB_F32, 2, (int64_t[]){l.n, l.width}), label = cli_eval_view(l.label, LB_I64, 1, &l.n);
    LB_TRY(cli_eval_score(out, "classify", o, cli, 2, (lb_metric_input[]){{"scores", &scores}, {"label", &label}}));
    lb_map_int(out, "left_out", l.left_out);
    cli_eval_names(out, &c);
done:
    cli_eval_labelled_close(&l);
    cli_eval_classes_close(&c);
    cli_eval_session_close(&s);
    return st;
}

LB_EVAL(classify) = {.id = "classify",
                     .title = "logits against labels: top-k, F1, calibration, confusion",
                     .source = "",
                     .usage = "classify --input ... --model MODEL | --rows FILE:TAP [--labels FILE]",
                     .run = run};
