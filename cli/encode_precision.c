/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>
#include "cli/encode_private.h"

lb_status encode_tape(lb_tape **out, const encode_job *j) {
    lb_status st = lb_tape_new(out);
    if (st != LB_OK) return st;
    lb_tape_set_mode(*out, LB_TAPE_NO_GRAD);
    lb_tape_set_precision(*out, j->spec->precision);
    return LB_OK;
}

/* Of rows of two tensors the cosine of each, as mean and least: items, or their tokens where the mask [N,L] (or NULL) counts those. Padding, and rows of zeros and of NaN,
 * are left out. @return how many were looked at */
static int64_t cosine(const lb_tensor *x, const lb_tensor *y, const lb_tensor *mask, double *mean, double *least) {
    int64_t rows = x->rank ? x->shape[0] : 1, count = 0;
    bool tokens = mask && mask->rank == 2 && mask->dtype == LB_I64 && lb_is_contiguous(mask) && x->rank >= 2 && x->shape[0] == mask->shape[0] && x->shape[1] == mask->shape[1];
    if (tokens) rows *= x->shape[1];
    int64_t size = rows ? lb_numel(x) / rows : 0;
    const float *a = x->data, *b = y->data;
    *mean = 0;
    *least = 1;
    for (int64_t i = 0; i < rows; i++, a += size, b += size) {
        double dot = 0, aa = 0, bb = 0;
        if (tokens && ((const int64_t *)mask->data)[i] == 0) continue;
        for (int64_t k = 0; k < size; k++) {
            dot += (double)a[k] * (double)b[k];
            aa += (double)a[k] * (double)a[k];
            bb += (double)b[k] * (double)b[k];
        }
        double c = dot / sqrt(aa * bb);
        if (!isfinite(c)) continue;
        *mean += c;
        *least = fmin(*least, c);
        count++;
    }
    if (count) *mean /= (double)count;
    return count;
}

/* What the wanted taps are in f32, as new tensors. */
static lb_status in_f32(const encode_job *j, lb_tape *t, int nin, const lb_named *in, int ntaps, const char *const *taps, lb_tensor **kept) {
    lb_tensor *out[ENCODE_TAPS + 1] = {0};
    lb_tape_set_precision(t, LB_PRECISION_F32);
    lb_model_run(j->m->model, t, nin, in, ntaps, taps, out);
    lb_status st = lb_tape_status(t);
    for (int i = 0; i < ntaps && st == LB_OK; i++)
        if (out[i]) st = lb_tensor_copy(&kept[i], out[i], LB_F32);
    lb_tape_reset(t);
    lb_tape_set_precision(t, j->spec->precision);
    return st;
}

static lb_status say(const encode_job *j, const char *tap, const lb_tensor *mask, const lb_tensor *kept, const lb_tensor *out) {
    lb_tensor *own = NULL;
    double mean, least;
    lb_status st = lb_tensor_copy(&own, out, LB_F32);
    if (st != LB_OK) return st;
    if (lb_numel(own) == lb_numel(kept)) {
        int64_t count = cosine(kept, own, mask, &mean, &least);
        lb_say(LB_LOG_INFO, "encode", "%s against f32, cosine of %s: mean %.6f, least %.6f of the first %lld", lb_precision_name(j->spec->precision), tap, mean, least, (long long)count);
    }
    lb_tensor_free(own);
    return LB_OK;
}

void encode_network(const encode_job *j, lb_tape *t, int nin, const lb_named *in, int ntaps, const char *const *taps, lb_tensor **out) {
    lb_tensor *kept[ENCODE_TAPS + 1] = {0};
    const lb_tensor *mask = NULL;
    bool compare = j->spec->precision != LB_PRECISION_F32 && !*j->compared;
    lb_status st = LB_OK;
    if (compare) st = in_f32(j, t, nin, in, ntaps, taps, kept);
    lb_model_run(j->m->model, t, nin, in, ntaps, taps, out);
    *j->compared = *j->compared || compare;
    for (int i = 0; i < nin; i++)
        if (strcmp(in[i].name, "mask") == 0) mask = in[i].x;
    for (int i = 0; i < ntaps && st == LB_OK && lb_tape_ok(t); i++)
        if (kept[i] && out[i]) st = say(j, taps[i], mask, kept[i], out[i]);
    if (st != LB_OK) lb_tape_fail_status(t, st);
    for (int i = 0; i < ntaps; i++) lb_tensor_free(kept[i]);
}
