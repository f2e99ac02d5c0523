/* SPDX-License-Identifier: Apache-2.0 */
/* log.jsonl: one JSON object a line, written anew as a whole so that it never ends in half a line. */
#include <string.h>
#include "base/file.h"
#include "distill/train_private.h"

static lb_status add_line(lbi_train *r, const lb_value *v) {
    lb_status st = LB_OK;
    char *path = NULL;
    LB_TRY(lb_json_write(&r->log, v, 0));
    lb_buf_text(&r->log, "\n");
    LB_TRY(lb_buf_status(&r->log));
    if (r->spec->logged && lbi_rank(r) == 0) LB_TRY(r->spec->logged(r->spec->logged_ctx, v));
    if (!r->spec->folder || lbi_rank(r) > 0) goto done;
    if (!(path = lb_path_join(r->spec->folder, "log.jsonl"))) return LB_E_NOMEM;
    LB_TRY(lb_file_write(path, r->log.data, r->log.size));
done:
    lb_free(path);
    return st;
}

lb_status lbi_log_step(lbi_train *r, double loss, double norm, double seconds) {
    lb_value *v = lb_value_map(), *terms = lb_value_map();
    lb_map_int(v, "step", r->step);
    lb_map_real(v, "loss", loss);
    for (int i = 0; i < r->spec->nobjectives; i++) lb_map_real(terms, r->spec->objectives[i].name, r->term[i]);
    lb_map_put(v, "terms", terms);
    lb_map_real(v, "lr", lb_optim_lr(r->learners[0].optim, r->step));
    lb_map_real(v, "norm", norm);
    lb_map_real(v, "items_per_second", seconds > 0 ? (double)(r->rows * lbi_ranks(r)) / seconds : 0);
    lb_status st = add_line(r, v);
    lb_value_free(v);
    return st;
}

lb_status lbi_log_scores(lbi_train *r, const lb_value *scores) {
    lb_value *v = lb_value_map();
    lb_map_int(v, "step", r->step);
    lb_map_put(v, "scores", lb_value_copy(scores));
    lb_status st = add_line(r, v);
    lb_value_free(v);
    return st;
}

lb_status lbi_log_resume(lbi_train *r, int64_t step) {
    lb_status st = LB_OK;
    lb_buf old = {0};
    char *path = r->spec->folder ? lb_path_join(r->spec->folder, "log.jsonl") : NULL;
    if (!path || !lb_file_exists(path)) goto done;
    LB_TRY(lb_file_read(&old, path, 0));
    for (const char *line = lb_buf_str(&old); *line;) {
        const char *end = strchr(line, '\n');
        size_t n = end ? (size_t)(end - line) : strlen(line);
        lb_value *v = NULL;
        bool sound = lb_json_parse(&v, line, n, path) == LB_OK;
        if (sound && lb_get_int(v, "step", step) < step + (lb_get(v, "scores") != NULL)) { /* scores of a step stand before its checkpoint */
            lb_buf_add(&r->log, line, n);
            lb_buf_text(&r->log, "\n");
        } else lb_error_clear();
        lb_value_free(v);
        line += n + (end != NULL);
    }
    LB_TRY(lb_buf_status(&r->log));
done:
    lb_free(path);
    lb_buf_free(&old);
    return st;
}
