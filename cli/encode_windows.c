/* SPDX-License-Identifier: Apache-2.0 */
/* Texts longer than a model reads: in windows of tokens, of which a tap's value is the mean. */
#include <string.h>
#include "cli/encode_private.h"

lb_status encode_text_tensors(const encode_job *j, int64_t n, const int64_t *const *rows, const int64_t *counts, lb_tensor **ids, lb_tensor **mask) {
    bool whole = j->m->model->arch->whole_texts;
    int64_t longest = whole && j->m->max_tokens > 0 ? j->m->max_tokens : 1;
    for (int64_t i = 0; i < n; i++)
        if (counts[i] > longest) longest = counts[i];
    lb_status st = lb_tensor_new(ids, LB_I64, 2, (int64_t[]){n, longest});
    if (st == LB_OK && (st = lb_tensor_new(mask, LB_I64, 2, (int64_t[]){n, longest})) != LB_OK) {
        lb_tensor_free(*ids);
        *ids = NULL;
    }
    for (int64_t i = 0; st == LB_OK && i < n; i++)
        for (int64_t k = 0; k < longest; k++) {
            ((int64_t *)(*ids)->data)[i * longest + k] = k < counts[i] ? rows[i][k] : j->m->tokenizer->pad_id;
            ((int64_t *)(*mask)->data)[i * longest + k] = whole || k < counts[i] || (k == 0 && counts[i] == 0);
        }
    return st;
}

lb_status encode_text_plan(const encode_job *j) {
    int64_t n = j->spec->text_window;
    if (!j->needs.text || j->needs.image || j->needs.audio || j->needs.features) return lb_fail(LB_E_ARG, "windows of tokens are for taps of a text alone");
    if (j->text_tap >= 0) return lb_fail(LB_E_ARG, "windows of tokens: written text has no mean");
    if (j->m->max_tokens > 0 && n > j->m->max_tokens) return lb_fail(LB_E_ARG, "windows of %lld tokens: %s reads at most %lld", (long long)n, j->m->name, (long long)j->m->max_tokens);
    for (int t = 0; t < j->ntaps; t++)
        if (j->taps[t].ragged) return lb_fail(LB_E_ARG, "tap '%s' has a row for each token: windows have no mean of it", j->taps[t].name);
    return LB_OK;
}

lb_status encode_text_prepare(const encode_job *j, const lb_item *item, encode_sample *s) {
    lb_status st = lb_tokenize_windows(j->m->tokenizer, item->text, item->text_size, j->spec->text_window, &s->text_windows, &s->windows);
    for (int64_t i = 0; st == LB_OK && i < s->windows; i++) s->count += s->text_windows[i].count;
    return st;
}

encode_row *encode_rows(const encode_batch *b, int64_t *n) {
    int64_t count = 0;
    *n = 0;
    for (int64_t i = 0; i < b->n; i++) count += b->samples[i]->windows;
    encode_row *rows = lb_calloc((size_t)count + 1, sizeof *rows);
    for (int64_t i = 0; rows && i < b->n; i++)
        for (int64_t w = 0; b->samples[i]->status == LB_OK && w < b->samples[i]->windows; w++) rows[(*n)++] = (encode_row){b->samples[i], w};
    return rows;
}

/* Adds row i of a tap's values to its sample, a part of the mean each. */
static lb_status take(const encode_row *rows, int64_t n, int tap, const lb_tensor *y) {
    lb_tensor *own = NULL;
    lb_status st = lb_tensor_copy(&own, y, LB_F32);
    if (st != LB_OK) return st;
    int64_t size = lb_numel(own) / n;
    for (int64_t i = 0; i < n && st == LB_OK; i++) {
        encode_sample *s = rows[i].s;
        if (!s->made[tap] && !(s->made[tap] = lb_calloc((size_t)size, sizeof(float)))) st = LB_E_NOMEM;
        for (int64_t k = 0; k < size && st == LB_OK; k++) s->made[tap][k] += ((const float *)own->data)[i * size + k] / (float)s->windows;
        s->made_count[tap] = 1;
    }
    lb_tensor_free(own);
    return st;
}

static lb_status run_rows(const encode_job *j, lb_tape *t, const encode_row *rows, int64_t n) {
    lb_tensor *ids = NULL, *mask = NULL, *out[ENCODE_TAPS] = {0};
    int64_t *counts = lb_alloc((size_t)n, sizeof *counts);
    const int64_t **at = lb_alloc((size_t)n, sizeof *at);
    lb_status st = at && counts ? LB_OK : LB_E_NOMEM;
    LB_TRY(st);
    for (int64_t i = 0; i < n; i++) {
        at[i] = rows[i].s->text_windows[rows[i].window].ids;
        counts[i] = rows[i].s->text_windows[rows[i].window].count;
    }
    LB_TRY(encode_text_tensors(j, n, at, counts, &ids, &mask));
    encode_network(j, t, 2, (lb_named[]){{"ids", ids}, {"mask", mask}}, j->spec->ntaps, j->spec->taps, out);
    LB_TRY(lb_tape_status(t));
    for (int k = 0; k < j->spec->ntaps; k++) LB_TRY(take(rows, n, k, out[k]));
done:
    lb_tape_reset(t);
    lb_tensor_free(ids);
    lb_tensor_free(mask);
    lb_free(at);
    lb_free(counts);
    return st;
}

lb_status encode_text_run(const encode_job *j, lb_tape *t, encode_batch *b) {
    lb_status st = LB_OK;
    int64_t n = 0;
    encode_row *rows = encode_rows(b, &n);
    if (!rows) return LB_E_NOMEM;
    for (int64_t from = 0; from < n && st == LB_OK; from += j->batch) st = run_rows(j, t, rows + from, n - from < j->batch ? n - from : j->batch);
    lb_free(rows);
    return st;
}
