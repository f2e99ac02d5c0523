/* SPDX-License-Identifier: Apache-2.0 */
/* What a model would see, to compare with one's own program: /keys, /pixels u8 [n,H,W,3] after geometry, /input f32 [n,3,H,W], /status, /message. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/threads.h"
#include "cli/prepare.h"
#include "io/hdf5.h"

typedef struct arrays {
    prepare_job *job;
    lb_h5 *file;
    lb_h5_data *pixels, *input;
    int32_t width, height;
    uint8_t *status;
    char **why;
} arrays;

static lb_status work(void *ctx, int64_t i, void **result) { return prepare_one(ctx, i, true, (prepared **)result); }

static int64_t held(void *ctx, const void *result) {
    const prepared *p = result;
    (void)ctx;
    return (int64_t)p->width * p->height * (p->input ? 15 : 3);
}

/* The first picture says the size. */
static lb_status begin(arrays *a, const prepared *p) {
    const int64_t shape[4] = {a->job->n, p->height, p->width, 3}, planes[4] = {a->job->n, 3, p->height, p->width};
    a->width = p->width, a->height = p->height;
    lb_status st = lb_h5_data_create(&a->pixels, a->file, "/pixels", LB_U8, 4, shape, NULL);
    return st == LB_OK && p->input ? lb_h5_data_create(&a->input, a->file, "/input", LB_F32, 4, planes, NULL) : st;
}

static lb_status put(arrays *a, int64_t i, const prepared *p) {
    lb_status st = p->status;
    char text[160];
    const char *why = p->why;
    if (st == LB_OK && !a->pixels && (st = begin(a, p)) != LB_OK) return st;
    if (st == LB_OK && (p->width != a->width || p->height != a->height)) {
        snprintf(text, sizeof text, "%d x %d pixels, the first has %d x %d: arrays hold one size", p->width, p->height, a->width, a->height);
        st = LB_E_SHAPE, why = text;
    }
    if (st != LB_OK) {
        lb_say(LB_LOG_WARN, "prepare", "%s: %s", prepare_item(a->job, i)->key, why ? why : lb_status_name(st));
        a->status[i] = (uint8_t)-st;
        return (a->why[i] = lb_strdup(why ? why : lb_status_name(st))) ? LB_OK : LB_E_NOMEM;
    }
    st = lb_h5_data_write(a->pixels, i, 1, p->pixels.pixels);
    return st == LB_OK && a->input ? lb_h5_data_write(a->input, i, 1, p->input) : st;
}

static lb_status run(arrays *a) {
    prepare_job *j = a->job;
    lb_flow *flow = NULL;
    lb_status st = lb_flow_open(&flow, &(lb_flow_spec){.count = j->n, .workers = lb_threads(), .work = work, .drop = prepare_drop, .ctx = j, .bytes = held, .memory = j->memory});
    for (bool end = false; st == LB_OK && !end;) {
        int64_t i = 0;
        void *one = NULL;
        if ((st = lb_flow_next(flow, &i, &one, &end)) != LB_OK || end) break;
        double at = lb_now();
        st = put(a, i, one);
        cli_stages_add(&j->stages, STAGE_WRITE, lb_now() - at);
        prepare_drop(NULL, one);
        if (st == LB_OK) st = lb_progress_at(&j->cli->progress, i + 1, cli_stages_note(&j->stages));
    }
    lb_flow_close(flow);
    return st;
}

static lb_status write_rest(arrays *a) {
    prepare_job *j = a->job;
    lb_status st = LB_OK;
    lb_h5_data *d = NULL;
    lb_buf spec = {0};
    const char **keys = lb_alloc((size_t)j->n + 1, sizeof *keys);
    lb_value *v = lb_image_spec_value(&j->spec);
    if (!keys) LB_TRY(LB_E_NOMEM);
    for (int64_t i = 0; i < j->n; i++) keys[i] = prepare_item(j, i)->key;
    LB_TRY(lb_h5_write_texts(a->file, "/keys", j->n, keys));
    for (int64_t i = 0; i < j->n; i++) keys[i] = a->why[i] ? a->why[i] : "";
    LB_TRY(lb_h5_write_texts(a->file, "/message", j->n, keys));
    LB_TRY(lb_h5_data_create(&d, a->file, "/status", LB_U8, 1, &j->n, NULL));
    LB_TRY(lb_h5_data_write(d, 0, j->n, a->status));
    LB_TRY(lb_h5_set_text(a->file, "/", "format", "limbeck-prepared"));
    LB_TRY(lb_h5_set_int(a->file, "/", "version", 1));
    LB_TRY(lb_json_write(&spec, v, 0));
    LB_TRY(lb_h5_set_text(a->file, "/", "preprocessing", lb_buf_str(&spec)));
    LB_TRY(lb_h5_set_text(a->file, "/", "list", j->items->sha256));
done:
    if (d) {
        lb_status closed = lb_h5_data_close(d);
        if (st == LB_OK) st = closed;
    }
    lb_value_free(v);
    lb_buf_free(&spec);
    lb_free(keys);
    return st;
}

static lb_status close_all(arrays *a, lb_status st) {
    lb_status pixels = lb_h5_data_close(a->pixels), input = lb_h5_data_close(a->input), file = a->file ? lb_h5_close(a->file) : LB_OK;
    return st != LB_OK ? st : pixels != LB_OK ? pixels : input != LB_OK ? input : file;
}

lb_status prepare_arrays(prepare_job *j, int64_t *failed) {
    arrays a = {.job = j};
    lb_status st = LB_OK;
    char *part = lb_format_dup("%s.part", j->out), *folder = lb_path_folder(j->out);
    a.status = lb_calloc((size_t)j->n + 1, 1);
    a.why = lb_calloc((size_t)j->n + 1, sizeof *a.why);
    if (!part || !folder || !a.status || !a.why) st = LB_E_NOMEM;
    if (st == LB_OK) st = lb_h5_create(&a.file, part);
    if (st == LB_OK) st = run(&a);
    if (st == LB_OK) st = write_rest(&a);
    st = close_all(&a, st);
    if (st == LB_OK && rename(part, j->out) != 0) st = lb_fail(LB_E_IO, "%s: cannot be renamed to %s", part, j->out);
    if (st == LB_OK) st = lb_sync_folder(folder);
    if (st != LB_OK && part) unlink(part);
    if (st == LB_E_CANCELLED) st = lb_fail(st, "%s: stopped, nothing is kept; the same command begins again", j->out);
    *failed = 0;
    for (int64_t i = 0; a.status && i < j->n; i++) *failed += a.status[i] != 0;
    for (int64_t i = 0; a.why && i < j->n; i++) lb_free(a.why[i]);
    lb_free(a.why);
    lb_free(a.status);
    lb_free(part);
    lb_free(folder);
    return st;
}
