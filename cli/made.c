/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/made.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/source.h"

#define MADE(id, ...) extern LB_MADE(id);
#include "cli/made.def"
#undef MADE

static const lb_head *const members[] = {
#define MADE(id, ...) (const lb_head *)&lb_made_##id,
#include "cli/made.def"
#undef MADE
};

static void describe(const lb_head *member, lb_buf *out) { lb_buf_format(out, "\nGives: `%s`\n", ((const lb_made *)member)->gives); }

const lb_family lb_mades = {.name = "made", .text = "made data sets that live in memory, as tensors", .def = "cli/made.def", .dir = "cli/made", .count = (int)LB_COUNT(members), .members = members, .describe = describe};

lb_status cli_made_open(cli_made **out, const lb_value *data, uint64_t seed) {
    lb_status st = LB_OK;
    const lb_head *head = NULL;
    cli_made *m = lb_calloc(1, sizeof *m);
    if (!m) return LB_E_NOMEM;
    LB_TRY(lb_value_only(data, "recipe: data", (const char *const[]){"made", "options", NULL}));
    LB_TRY(lb_family_find(&head, &lb_mades, lb_get_text(data, "made", "")));
    m->set = (const lb_made *)head;
    m->seed = seed;
    if (head->params_size && !(m->cfg = lb_calloc(1, head->params_size))) LB_TRY(LB_E_NOMEM);
    if (head->params) LB_TRY(lb_params_from_value(head->params, m->cfg, lb_get(data, "options")));
    if (m->set->table_size && !(m->table = lb_calloc(1, m->set->table_size))) LB_TRY(LB_E_NOMEM);
    lb_rng rng = lb_rng_of(seed, 0, "table");
    if (m->set->open) m->set->open(m, &rng);
    *out = m;
    m = NULL;
done:
    cli_made_close(m);
    return st;
}

void cli_made_close(cli_made *m) {
    if (!m) return;
    if (m->cfg) lb_params_free(m->set->params, m->cfg);
    lb_free(m->cfg);
    lb_free(m->table);
    lb_free(m);
}

/* "train#3" -> train, 3. */
static int client_of(char *dst, size_t cap, const char *stream) {
    const char *mark = strchr(stream, '#');
    snprintf(dst, cap, "%.*s", mark ? (int)(mark - stream) : (int)strlen(stream), stream);
    return mark ? atoi(mark + 1) : -1;
}

static int64_t rows_of(const cli_made *m, const char *stream, int client) { return m->set->rows ? m->set->rows(m, stream, client) : 0; }

/* Row `index` becomes row i of the batch. A set without an end has no keys. */
static void fill_row(const cli_made *m, const char *stream, int64_t index, int64_t i, lb_batch *out) {
    char base[96];
    int client = client_of(base, sizeof base, stream);
    cli_row r = {.made = m, .stream = base, .client = client, .index = index, .rng = lb_rng_of(m->seed, (uint64_t)index, stream), .batch = out, .at = i};
    m->set->row(&r);
    if (out->keys) out->keys[i] = lb_format_dup("%s/%lld", stream, (long long)index);
}

static lb_status finish(lb_batch *b) {
    bool whole = b->count > 0;
    for (int i = 0; i < b->count; i++) whole = whole && b->at[i].x;
    for (int64_t i = 0; i < b->rows && b->keys; i++) whole = whole && b->keys[i];
    if (!whole) cli_batch_release(b);
    return whole ? LB_OK : LB_E_NOMEM;
}

lb_status cli_made_batch(const cli_made *m, const char *stream, int64_t step, int64_t rows, lb_batch *out) {
    char base[96];
    int client = client_of(base, sizeof base, stream);
    int64_t limit = rows_of(m, base, client);
    lb_rng draw = lb_rng_of(m->seed, (uint64_t)step, stream);
    *out = (lb_batch){.rows = rows, .keys = limit > 0 ? lb_calloc((size_t)rows + 1, sizeof *out->keys) : NULL};
    for (int64_t i = 0; i < rows; i++) fill_row(m, stream, limit > 0 ? lb_rng_below(&draw, limit) : step * rows + i, i, out);
    return finish(out);
}

static lb_status source_span(void *ctx, const char *stream, int64_t at, int64_t n, lb_batch *out) {
    *out = (lb_batch){.rows = n, .keys = lb_calloc((size_t)n + 1, sizeof *out->keys)};
    for (int64_t i = 0; i < n; i++) fill_row(ctx, stream, at + i, i, out);
    return finish(out);
}

static lb_status source_key(void *ctx, const char *stream, int64_t item, char **out) {
    (void)ctx;
    *out = lb_format_dup("%s/%lld", stream, (long long)item);
    return *out ? LB_OK : LB_E_NOMEM;
}

static int64_t source_rows(void *ctx, const char *stream) {
    char base[96];
    int client = client_of(base, sizeof base, stream);
    int64_t rows = rows_of(ctx, base, client);
    return rows > 0 ? rows : 100000;
}

static lb_status source_batch(void *ctx, const char *stream, int64_t step, lb_batch *out) {
    const cli_made *m = ctx;
    char base[96];
    (void)client_of(base, sizeof base, stream);
    for (int i = 0; i < m->nstreams; i++)
        if (strcmp(m->streams[i], base) == 0) return cli_made_batch(m, stream, step, m->batch[i], out);
    return lb_fail(LB_E_NOTFOUND, "no stream '%s'", base);
}

static void source_release(void *ctx, lb_batch *b) {
    (void)ctx;
    cli_batch_release(b);
}

lb_batch_source cli_made_batches(cli_made *m) { return (lb_batch_source){m, source_rows, source_batch, source_release, source_span, source_key}; }

/* ---- for members ---- */

const lb_tensor *cli_batch_find(const lb_batch *b, const char *name) {
    for (int i = 0; i < b->count; i++)
        if (strcmp(b->at[i].name, name) == 0) return b->at[i].x;
    return NULL;
}

/* Numbers of one row of a tensor [rows, ...shape]. Where there is no memory, a scrap that nobody reads; the batch fails. */
static void *row_data(cli_row *r, const char *name, int rank, const int64_t *shape, lb_dtype dtype) {
    static _Thread_local double scrap[8192]; /* no row is longer */
    lb_tensor *x = (lb_tensor *)(uintptr_t)cli_batch_find(r->batch, name);
    int64_t full[LB_MAX_RANK] = {r->batch->rows}, each = 1;
    for (int i = 0; i < rank; i++) each *= full[1 + i] = shape[i];
    if (!x && r->at == 0 && r->batch->count < (int)LB_COUNT(r->batch->at)) {
        if (lb_tensor_new(&x, dtype, rank + 1, full) != LB_OK) x = NULL;
        snprintf(r->batch->at[r->batch->count].name, sizeof r->batch->at[0].name, "%s", name);
        r->batch->at[r->batch->count++].x = x;
    }
    return x ? (char *)x->data + (size_t)(r->at * each) * lb_dtype_size(dtype) : (void *)scrap;
}

lb_real *cli_row_reals(cli_row *r, const char *name, int rank, const int64_t *shape) { return row_data(r, name, rank, shape, LB_REAL); }
int64_t *cli_row_numbers(cli_row *r, const char *name, int rank, const int64_t *shape) { return row_data(r, name, rank, shape, LB_I64); }

lb_status cli_made_run(lb_model *model, const lb_batch *b, int nin, const lb_named *in, const char *tap, double **out, int64_t *count) {
    lb_status st = LB_OK;
    lb_tape *t = NULL;
    lb_tensor *y = NULL;
    lb_named all[48];
    int n = 0;
    for (; n < nin && n < 16; n++) all[n] = in[n];
    for (int i = 0; b && i < b->count; i++) all[n++] = (lb_named){b->at[i].name, b->at[i].x};
    *out = NULL;
    LB_TRY(lb_tape_new(&t));
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    lb_model_run(model, t, n, all, 1, &tap, &y);
    LB_TRY(lb_tape_status(t));
    *count = lb_numel(y);
    if (!(*out = lb_alloc((size_t)*count + 1, sizeof **out))) LB_TRY(LB_E_NOMEM);
    st = lb_read_f64(y, *out, *count);
done:
    lb_tape_free(t);
    return st;
}

double cli_made_top1(const double *logits, const lb_tensor *labels, int64_t n, int64_t k) {
    int64_t right = 0;
    for (int64_t i = 0; i < n; i++) {
        int64_t best = 0;
        for (int64_t c = 1; c < k; c++)
            if (logits[i * k + c] > logits[i * k + best]) best = c;
        right += best == (int64_t)lb_get_at(labels, i);
    }
    return 100 * (double)right / (double)n;
}

lb_status cli_made_score_top1(const cli_made *m, lb_model *student, const char *stream, int64_t n, lb_value *scores, double *key) {
    lb_status st = LB_OK;
    lb_batch b = {0};
    double *logits = NULL;
    int64_t count = 0;
    LB_TRY(cli_made_batch(m, stream, 0, n, &b));
    LB_TRY(cli_made_run(student, &b, 0, NULL, "logits", &logits, &count));
    lb_map_real(scores, "top1", *key = cli_made_top1(logits, cli_batch_find(&b, "label"), n, count / n));
done:
    cli_batch_release(&b);
    lb_free(logits);
    return st;
}

void cli_made_chain(lb_rng *rng, int symbols, int next, int *follow, double *share) {
    for (int i = 0; i < symbols * symbols * next; i++) {
        follow[i] = (int)lb_rng_below(rng, symbols);
        share[i] = lb_rng_exponential(rng);
    }
}
