/* SPDX-License-Identifier: Apache-2.0 */
/* Texts of many lengths through a network: those of a batch run in order of length, so that little is padding; rows are kept beside their samples and go to the
 * file in the list's order. Which texts run together is a function of the list alone. */
#include <stdlib.h>
#include <string.h>
#include "cli/encode_private.h"

enum { BATCHES = 64, WIDE_BATCHES = 8, TOKENS = 8192, FEW = 2048 };
/* BATCHES: that are sorted together, WIDE_BATCHES where each token has a row to be kept; TOKENS: padding included, that run at once (a longer text runs alone); FEW: short texts run together until there are so
 * many, however many texts that is, unless --batch says how many */

int64_t encode_texts_batch(const encode_job *j, int64_t batch) {
    const encode_needs *n = &j->needs;
    bool alone = n->text && !n->image && !n->features && !n->audio && j->text_tap < 0 && j->spec->text_window == 0;
    bool wide = false;
    for (int k = 0; k < j->ntaps; k++) wide = wide || j->taps[k].ragged;
    return !alone ? batch : batch * (wide ? WIDE_BATCHES : BATCHES);
}

static int by_length(const void *a, const void *b, void *samples) {
    encode_sample *const *s = samples;
    int64_t i = *(const int64_t *)a, k = *(const int64_t *)b, x = s[i]->count, y = s[k]->count;
    return x < y ? -1 : x > y ? 1 : i < k ? -1 : 1;
}

/* Row i of y, as much of it as the sample's text is long. */
static lb_status keep_row(const encode_job *j, encode_sample *s, int tap, const lb_tensor *y, int64_t i) {
    int64_t size = lb_numel(y) / y->shape[0], used = size;
    if (j->taps[tap].ragged) used = size / y->shape[1] * s->count;
    if (!(s->made[tap] = lb_alloc((size_t)used + 1, sizeof(float)))) return LB_E_NOMEM;
    memcpy(s->made[tap], (const float *)y->data + i * size, (size_t)used * sizeof(float));
    s->made_count[tap] = s->count;
    return LB_OK;
}

static lb_status run_part(const encode_job *j, lb_tape *t, encode_batch *b, int64_t from, int64_t to) {
    lb_status st = LB_OK;
    lb_tensor *out[ENCODE_TAPS] = {0};
    LB_TRY(encode_inputs(j, b, from, to));
    encode_network(j, t, b->count, b->in, j->spec->ntaps, j->spec->taps, out);
    LB_TRY(lb_tape_status(t));
    for (int k = 0; k < j->spec->ntaps; k++) {
        lb_tensor *own = NULL;
        LB_TRY(lb_tensor_copy(&own, out[k], LB_F32));
        for (int64_t i = from; st == LB_OK && i < to; i++) st = keep_row(j, b->samples[i], k, own, i - from);
        lb_tensor_free(own);
        if (st != LB_OK) goto done;
    }
done:
    encode_inputs_free(b);
    lb_tape_reset(t);
    return st;
}

/* Does a text of that length run with `count` shorter ones? */
static bool joins(const encode_job *j, int64_t count, int64_t length) {
    int64_t tokens = (count + 1) * length;
    return count < j->batch ? tokens <= TOKENS : j->spec->batch == 0 && tokens <= FEW;
}

lb_status encode_texts_run(const encode_job *j, lb_tape *t, encode_batch *b) {
    lb_status st = LB_OK;
    int64_t n = 0, *order = lb_alloc((size_t)b->n + 1, sizeof *order);
    encode_batch sorted = {.first = b->first, .samples = lb_alloc((size_t)b->n + 1, sizeof *sorted.samples)};
    if (!order || !sorted.samples) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0; i < b->n; i++)
        if (b->samples[i]->status == LB_OK) order[n++] = i;
    qsort_r(order, (size_t)n, sizeof *order, by_length, b->samples);
    for (int64_t i = 0; i < n; i++) sorted.samples[i] = b->samples[order[i]];
    sorted.n = n;
    for (int64_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && joins(j, to - from, sorted.samples[to]->count);) to++;
        LB_TRY(run_part(j, t, &sorted, from, to));
    }
done:
    lb_free(order);
    lb_free(sorted.samples);
    return st;
}
