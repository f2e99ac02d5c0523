/* SPDX-License-Identifier: Apache-2.0 */
/* Weights of a file into the parameters of a network, whatever spelling the file has. */
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "base/pages.h"
#include "cli/models.h"

enum { LISTED = 24 }; /* names of each list that a message holds */

typedef struct listing {
    lb_buf text;
    int64_t count;
} listing;

static void list(listing *l, const char *fmt, const char *a, const char *b, const char *c) {
    if (++l->count > LISTED) return;
    lb_buf_text(&l->text, l->count > 1 ? ", " : "");
    lb_buf_text(&l->text, a);
    if (fmt) lb_buf_format(&l->text, fmt, b, c);
}

/* The names and how many more there are; "" for none. */
static const char *listed(listing *l) {
    if (l->count == 0) return "";
    if (l->count > LISTED) lb_buf_format(&l->text, " and %lld more", (long long)(l->count - LISTED));
    return lb_buf_str(&l->text);
}

/* One spelling of the names: which tensor of the file belongs to each parameter. */
typedef struct spelling {
    const lb_arch *arch;
    int variant;
} spelling;

static bool outside(char dst[512], const spelling *s, const char *name) {
    snprintf(dst, 512, "%s", name);
    return !s->arch->outside_name || s->arch->outside_name(dst, 512, name, s->variant);
}

/* A parameter may be several tensors of a file, stacked along the first axis, or one transposed: "a+b+c", "^a" (nn/outside.h). */
enum { TERMS = 8 };
typedef struct term {
    const lb_weight *w; /* NULL = missing */
    bool transposed;
} term;

/* Splits the outside name and finds each tensor; the missing ones are listed where a list is given. @return how many terms, -1 for too many */
static int find_terms(term terms[TERMS], const char *name, const lb_weights *w, listing *missing) {
    char one[512];
    int n = 0;
    for (const char *p = name; *p; n++) {
        if (n == TERMS) return -1;
        terms[n].transposed = *p == '^';
        p += terms[n].transposed;
        size_t size = strcspn(p, "+");
        snprintf(one, sizeof one, "%.*s", (int)size, p);
        terms[n].w = lb_weights_find(w, one);
        if (!terms[n].w && missing) list(missing, NULL, one, NULL, NULL);
        p += size + (p[size] == '+');
    }
    return n;
}

static bool all_there(const term *terms, int n) {
    for (int i = 0; i < n; i++)
        if (!terms[i].w) return false;
    return n > 0;
}

static int64_t count_found(lb_model *m, const lb_weights *w, const spelling *s) {
    int64_t found = 0;
    char name[512];
    term terms[TERMS];
    for (int64_t i = 0; i < lb_store_count(m->store); i++)
        if (outside(name, s, lb_store_at(m->store, i)->name) && all_there(terms, find_terms(terms, name, w, NULL))) found++;
    return found;
}

/* Sizes other than 1, which say nothing: [1,1,C] is [C], a 1x1 kernel a matrix. */
static int true_shape(int64_t out[LB_MAX_RANK], int rank, const int64_t *shape) {
    int n = 0;
    for (int i = 0; i < rank; i++)
        if (shape[i] != 1) out[n++] = shape[i];
    return n;
}

/* Do the terms together have the shape of x? */
static bool same_shape(const term *terms, int n, const lb_tensor *x) {
    int64_t want[LB_MAX_RANK], have[LB_MAX_RANK], rows = 0;
    if (n == 1 && !terms[0].transposed) {
        int rank = true_shape(want, x->rank, x->shape);
        return true_shape(have, terms[0].w->rank, terms[0].w->shape) == rank && memcmp(have, want, (size_t)rank * sizeof *want) == 0;
    }
    if (n == 1) return x->rank == 2 && terms[0].w->rank == 2 && terms[0].w->shape[0] == x->shape[1] && terms[0].w->shape[1] == x->shape[0];
    for (int i = 0; i < n; i++) {
        const lb_weight *w = terms[i].w;
        if (terms[i].transposed || w->rank != x->rank || w->rank < 1 || memcmp(w->shape + 1, x->shape + 1, (size_t)(x->rank - 1) * sizeof *w->shape) != 0) return false;
        rows += w->shape[0];
    }
    return rows == x->shape[0];
}

/* n elements of w as those of x from `at` on. */
static lb_status take(lb_tensor *x, int64_t at, const lb_weight *w) {
    int64_t n = 1;
    for (int i = 0; i < w->rank; i++) n *= w->shape[i];
    size_t size = lb_dtype_size(w->dtype);
    void *to = (char *)x->data + (size_t)at * lb_dtype_size(x->dtype);
    if ((uintptr_t)w->data % size == 0) {
        lb_convert(to, x->dtype, w->data, w->dtype, n);
        lb_pages_forget(w->data, (size_t)n * size);
        return LB_OK;
    }
    void *aligned = lb_alloc_aligned((size_t)n * size);
    if (!aligned) return LB_E_NOMEM;
    memcpy(aligned, w->data, (size_t)n * size);
    lb_convert(to, x->dtype, aligned, w->dtype, n);
    lb_free(aligned);
    return LB_OK;
}

static lb_status take_transposed(lb_tensor *x, const lb_weight *w) {
    lb_tensor *whole = NULL;
    lb_status st = lb_tensor_new(&whole, x->dtype, 2, w->shape);
    if (st == LB_OK) st = take(whole, 0, w);
    size_t size = lb_dtype_size(x->dtype);
    int64_t rows = w->shape[0], columns = w->shape[1];
    for (int64_t i = 0; st == LB_OK && i < rows; i++)
        for (int64_t k = 0; k < columns; k++) memcpy((char *)x->data + (size_t)(k * rows + i) * size, (const char *)whole->data + (size_t)(i * columns + k) * size, size);
    lb_tensor_free(whole);
    return st;
}

/* Is the tensor of the file what x is to be, number for number? */
static bool is_it(const lb_tensor *x, const term *terms, int n) {
    return n == 1 && !terms[0].transposed && terms[0].w->dtype == x->dtype && (uintptr_t)terms[0].w->data % lb_dtype_size(x->dtype) == 0;
}

static lb_status take_terms(lb_param_tensor *p, const term *terms, int n) {
    if (is_it(p->x, terms, n)) {
        lb_tensor_lend(p->x, (void *)(uintptr_t)terms[0].w->data);
        return LB_OK;
    }
    lb_status st = lb_param_claim(p);
    if (st != LB_OK) return st;
    lb_tensor *x = p->x;
    int64_t at = 0, each = 1;
    if (terms[0].transposed) return take_transposed(x, terms[0].w);
    for (int d = 1; d < x->rank; d++) each *= x->shape[d];
    for (int i = 0; i < n && st == LB_OK; i++) {
        st = take(x, at, terms[i].w);
        if (i + 1 < n) at += terms[i].w->shape[0] * each;
    }
    return st;
}

static lb_status report(listing *missing, listing *shapes, listing *extra, const char *file, const lb_model *m, int64_t count) {
    if (missing->count + shapes->count == 0) {
        if (extra->count) lb_say(LB_LOG_INFO, "model", "%s: %lld tensors are not used: %s", file, (long long)extra->count, listed(extra));
        return LB_OK;
    }
    const char *lists[] = {listed(missing), listed(shapes), listed(extra)};
    if (missing->text.failed || shapes->text.failed || extra->text.failed) return LB_E_NOMEM;
    return lb_fail(LB_E_FORMAT, "%s: weights do not fit %s: of %lld tensors, %lld missing%s%s; %lld of another shape%s%s; %lld in the file unused%s%s", file, m->arch->id, (long long)count,
                   (long long)missing->count, missing->count ? ": " : "", lists[0], (long long)shapes->count, shapes->count ? ": " : "", lists[1], (long long)extra->count,
                   extra->count ? ": " : "", lists[2]);
}

/* Does what a network computes stay the same without this tensor? Buffers that it makes anew, and maps to another text that is not there. */
static bool may_be_left(const lb_weight *w) {
    static const char *const buffers[] = {"num_batches_tracked", "position_ids", "relative_position_index", "relative_coords_table", "attn_mask", "attention_bias_idxs", "inv_freq", "masked_bias"};
    for (size_t i = 0; i < LB_COUNT(buffers); i++)
        if (lb_ends_with(w->name, buffers[i])) return true;
    return (w->rank == 4 && lb_ends_with(w->name, ".attn.bias")) || strstr(w->name, "crossattention.") || strstr(w->name, ".ln_cross_attn."); /* GPT-2's causal mask; decoders */
}

/* Stands it in a block ("layers.3.") of which other tensors are used? */
static bool inside_used_block(const lb_weights *w, const bool *used, const char *name) {
    for (const char *p = strchr(name, '.'); p; p = strchr(p + 1, '.')) {
        size_t digits = strspn(p + 1, "0123456789"), size = (size_t)(p - name) + digits + 2;
        if (digits == 0 || p[1 + digits] != '.') continue;
        for (int64_t i = 0; i < w->count; i++)
            if (used[i] && strncmp(w->at[i].name, name, size) == 0) return true;
    }
    return false;
}

/* A block with parts that the network does not have is another network's, though all that was looked for is there. */
static lb_status check_blocks(const lb_weights *w, const bool *used, const char *file, const lb_model *m) {
    listing foreign = {0};
    for (int64_t i = 0; i < w->count; i++)
        if (!used[i] && !may_be_left(&w->at[i]) && inside_used_block(w, used, w->at[i].name)) list(&foreign, NULL, w->at[i].name, NULL, NULL);
    lb_status st = foreign.count == 0 ? LB_OK
                                      : lb_fail(LB_E_UNSUPPORTED, "%s: not %s as it is known here: its blocks have %lld tensors that would not be used: %s",
                                                file, m->arch->id, (long long)foreign.count, listed(&foreign));
    lb_buf_free(&foreign.text);
    return st;
}

static spelling best_spelling(lb_model *m, const lb_weights *w) {
    int variants = m->arch->outside_name && m->arch->outside_variants > 1 ? m->arch->outside_variants : 1;
    spelling best = {m->arch, 0};
    int64_t most = -1;
    for (int v = 0; v < variants; v++) {
        spelling s = {m->arch, v};
        int64_t n = count_found(m, w, &s);
        if (n > most) most = n, best = s;
    }
    static const lb_arch plain = {0};
    spelling own = {&plain, 0}; /* a file of ours */
    return m->arch->outside_name && count_found(m, w, &own) > most ? own : best;
}

lb_status cli_load_weights(lb_model *m, const lb_weights *w, const char *file) {
    lb_status st = LB_OK;
    listing missing = {0}, shapes = {0}, extra = {0};
    char name[512], a[96], b[96];
    spelling s = best_spelling(m, w);
    int64_t count = lb_store_count(m->store);
    bool *used = lb_calloc((size_t)w->count + 1, sizeof *used);
    if (!used) return LB_E_NOMEM;
    for (int64_t i = 0; i < count; i++) {
        lb_param_tensor *p = lb_store_at(m->store, i);
        term terms[TERMS];
        if (!outside(name, &s, p->name)) continue;
        int n = find_terms(terms, name, w, &missing);
        for (int k = 0; k < n; k++)
            if (terms[k].w) used[terms[k].w - w->at] = true;
        if (!all_there(terms, n)) continue;
        if (same_shape(terms, n, p->x)) {
            if (!p->idle) LB_TRY(take_terms(p, terms, n));
        } else list(&shapes, " %s, want %s", name, lb_shape_text(a, sizeof a, terms[0].w->rank, terms[0].w->shape), lb_shape_text(b, sizeof b, p->x->rank, p->x->shape));
    }
    for (int64_t i = 0; i < w->count; i++) /* PyTorch's counters of batches are no weights */
        if (!used[i] && !lb_ends_with(w->at[i].name, "num_batches_tracked")) list(&extra, NULL, w->at[i].name, NULL, NULL);
    LB_TRY(report(&missing, &shapes, &extra, file, m, count));
    LB_TRY(check_blocks(w, used, file, m));
    for (int64_t i = 0; i < count; i++) /* those that such files lack */
        if (!lb_store_at(m->store, i)->idle) LB_TRY(lb_param_claim(lb_store_at(m->store, i)));
done:
    lb_free(used);
    lb_buf_free(&missing.text);
    lb_buf_free(&shapes.text);
    lb_buf_free(&extra.text);
    return st;
}
