/* SPDX-License-Identifier: Apache-2.0 */
/* What files of nn share. Private to nn/. */
#ifndef LB_NN_PARTS_H
#define LB_NN_PARTS_H
#include "base/sig.h"
#include "nn/model.h"
#include "nn/nn.h"
LB_BEGIN

/* Size of an axis from the end; 0 on a failed tape, where layers do nothing. */
static inline int64_t lbi_size(const lb_tensor *x, int from_end) { return x->rank > from_end ? x->shape[x->rank - 1 - from_end] : 0; }
/* Channels of [N,C,...]; 0 on a failed tape. */
static inline int64_t lbi_channels(const lb_tensor *x) { return x->rank >= 2 ? x->shape[1] : 0; }
/* Parameter <name>.<part>. */
lb_tensor *lbi_named(lb_nn *m, const char *name, const char *part, int rank, const int64_t *shape, lb_init init, double arg);
/* Buffer <name>.<part> [n]. */
lb_tensor *lbi_named_buffer(lb_nn *m, const char *name, const char *part, int64_t n, double value);
/* A convolution without bias and the batch norm behind it, without gradient: kernels, and what running statistics make of the norm. */
lb_scaled_map lbi_folded_conv(lb_nn *m, const char *conv, const char *norm, int64_t out, int64_t in, int64_t kernel, double eps);
/* lb_nn_linear with or without bias. */
lb_tensor *lbi_linear(lb_nn *m, lb_tensor *x, const char *name, int64_t out, lb_act act, bool bias);
/* The same where another such map alone reads the result, which may then be rounded to bf16 (tensor/rounded.h). */
lb_tensor *lbi_linear_before(lb_nn *m, lb_tensor *x, const char *name, int64_t out, lb_act act, bool bias);
/* The same; numbers from..to-1 of its bias get the gradient 0. */
lb_tensor *lbi_linear_still(lb_nn *m, lb_tensor *x, const char *name, int64_t out, lb_act act, bool bias, int64_t from, int64_t to);
/* b [n] (or NULL) whose numbers from..to-1 get the gradient 0. */
lb_tensor *lbi_still(lb_tape *t, lb_tensor *b, int64_t from, int64_t to);
/* Parameters that are asked for from now on are not idle. */
void lbi_nn_mark(lb_nn *m);
/* nn/adapt.c: does the linear of that name have a low-rank addition? y with it. */
bool lbi_lora_chosen(const lb_nn *m, const char *name);
lb_tensor *lbi_lora_add(lb_nn *m, lb_tensor *y, lb_tensor *x, const char *name, int64_t out);
/* Takes the i-th parameter out of the store; those behind move up. */
void lbi_store_remove(lb_store *s, int64_t i);
/* Draws the values of a parameter from its initialiser, by (seed, name). */
void lbi_store_fill(lb_param_tensor *p, uint64_t seed);

/* ---- runs of a model ---- */

enum { LBI_INPUTS_MAX = 16, LBI_TAPS_MAX = 256 };
typedef struct lb_model_call {
    lb_tensor **in; /* in the order of the arch's inputs, LBI_INPUTS_MAX of them; NULL = absent */
    int ntaps;
    const char *const *taps;
    lb_tensor **out; /* one per tap */
} lb_model_call;
/* All items at once. *nn is the caller's to free. */
lb_status lbi_model_whole(lb_model *m, lb_tape *t, lb_nn **nn, const lb_model_call *call);
/* nn/batch.c: part by part, where that gives the same. @return false: it does not, nothing was done. Failures go to t. */
bool lbi_model_in_parts(lb_model *m, lb_tape *t, const lb_sig *sig, const lb_model_call *call);

LB_END
#endif
