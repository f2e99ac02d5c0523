/* SPDX-License-Identifier: Apache-2.0 */
/* Runs of a model on a batch, part by part. */
#include <omp.h>
#include <stdatomic.h>
#include <string.h>
#include "nn/parts.h"
#include "tensor/hold.h"
#include "tensor/split.h"

typedef struct batch {
    lb_model *m;
    lb_tape *whole;
    const lb_model_call *call;
    bool split[LBI_INPUTS_MAX]; /* inputs whose first axis counts items */
    int64_t items, from; /* from: those before it are done */
    atomic_bool unfit;   /* a tap does not count them */
} batch;

/* The letter that an input's signature begins with: 'N' of "image[N,3,H,W]"; 0 = it begins with none. */
static char first_letter(const lb_arch *a, const char *input) {
    size_t n = strlen(input);
    for (const char *at = a->inputs; (at = strstr(at, input)); at += n)
        if ((at == a->inputs || at[-1] == ' ') && at[n] == '[') return at[n + 1] >= 'A' && at[n + 1] <= 'Z' ? at[n + 1] : 0;
    return 0;
}

/* The inputs that count items, and how many; 0 when they do not agree, or are of two kinds (N pictures, M texts). */
static int64_t count_items(batch *b, const lb_sig *sig) {
    int64_t items = 0;
    char letter = 0;
    for (int i = 0; i < lb_sig_inputs(sig) && i < LBI_INPUTS_MAX; i++) {
        const lb_tensor *x = b->call->in[i];
        char own = x && x->rank > 0 && x->data ? first_letter(b->m->arch, lb_sig_input_name(sig, i)) : 0;
        b->split[i] = own != 0;
        if (!own) continue;
        if (letter && (own != letter || x->shape[0] != items)) return 0;
        letter = own;
        items = x->shape[0];
    }
    return items;
}

static lb_tensor items_of(const lb_tensor *x, int64_t first, int64_t count) {
    lb_tensor part = *x;
    part.shape[0] = count;
    part.data = (char *)x->data + (size_t)(first * x->stride[0]) * lb_dtype_size(x->dtype);
    part.store = NULL; /* a leaf that somebody else keeps */
    part.node = NULL;
    part.grad = NULL;
    part.requires_grad = part.kept = false;
    part.id = 0;
    return part;
}

/* A part's result into its place of the whole one, which the first part to come makes. */
static void put(batch *b, int k, lb_tape *t, lb_tensor *y, int64_t first, int64_t count) {
    if (!lb_is_contiguous(y)) y = lb_contiguous(t, y);
    if (!lb_tape_ok(t)) return;
#pragma omp critical(lb_model_whole)
    if (y->rank == 0 || y->shape[0] != count) {
        b->unfit = true;
    } else if (b->call->out[k] == lb_inert(b->whole)) {
        int64_t shape[LB_MAX_RANK];
        memcpy(shape, y->shape, sizeof shape);
        shape[0] = b->items;
        b->call->out[k] = lb_keep(b->whole, lb_hold(b->whole, y->dtype, y->rank, shape));
    }
    lb_tensor *to = b->call->out[k];
    if (b->unfit || !to->data) return;
    size_t bytes = (size_t)lb_numel(y) * lb_dtype_size(y->dtype), item = bytes / (size_t)count;
    if (to->rank != y->rank || (size_t)lb_numel(to) * lb_dtype_size(to->dtype) != item * (size_t)b->items) b->unfit = true; /* ragged */
    else memcpy((char *)to->data + (size_t)first * item, y->data, bytes);
}

static void run_items(void *ctx, lb_tape *t, int64_t first, int64_t count) {
    batch *b = ctx;
    lb_nn *nn = NULL;
    first += b->from;
    lb_tensor parts[LBI_INPUTS_MAX], *in[LBI_INPUTS_MAX] = {0}, *out[LBI_TAPS_MAX];
    for (int i = 0; i < LBI_INPUTS_MAX; i++) {
        in[i] = b->call->in[i];
        if (!b->split[i]) continue;
        parts[i] = items_of(in[i], first, count);
        in[i] = &parts[i];
    }
    lb_model_call call = {.in = in, .ntaps = b->call->ntaps, .taps = b->call->taps, .out = out};
    lb_status st = lbi_model_whole(b->m, t, &nn, &call);
    if (st != LB_OK) lb_tape_fail_status(t, st);
    for (int k = 0; k < call.ntaps && lb_tape_ok(t); k++) put(b, k, t, out[k], first, count);
    lb_nn_free(nn);
}

static bool weights_stay(lb_store *s) { return lb_store_count(s) > 0 && lb_store_at(s, 0)->x->fixed; }

/* Items with so many numbers each (30 s of sound, pictures beyond 256 px) fill a thread's products alone: what stands between the layers then has the size of one. */
static bool large(const batch *b) {
    enum { NUMBERS = 200000 };
    int64_t most = 0;
    for (int i = 0; i < LBI_INPUTS_MAX; i++)
        if (b->split[i] && lb_numel(b->call->in[i]) / b->items > most) most = lb_numel(b->call->in[i]) / b->items;
    return most >= NUMBERS;
}

/* As many for each thread; what is left over is run by all threads together. */
bool lbi_model_in_parts(lb_model *m, lb_tape *t, const lb_sig *sig, const lb_model_call *call) {
    batch b = {.m = m, .whole = t, .call = call};
    int threads = omp_in_parallel() ? 1 : omp_get_max_threads();
    if (threads < 2 || !m->arch->apart || call->ntaps > LBI_TAPS_MAX || !lb_tape_splits(t) || !weights_stay(m->store)) return false;
    b.items = count_items(&b, sig);
    int64_t each = b.items / threads;
    if (each < 1) return false;
    lb_tape_split(t, each * threads, large(&b) ? 1 : each, run_items, &b);
    b.from = each * threads;
    if (b.from < b.items && !b.unfit) lb_tape_split(t, b.items - b.from, b.items - b.from, run_items, &b);
    if (!b.unfit || !lb_tape_ok(t)) return true;
    for (int k = 0; k < call->ntaps; k++) {
        lb_release(t, call->out[k]);
        call->out[k] = lb_inert(t);
    }
    return false;
}
