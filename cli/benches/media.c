/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures and shards on their way to a model. One thread where the name says so. The picture is a formula, so that other programs make the same. */
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/rng.h"
#include "base/threads.h"
#include "cli/bench.h"
#include "datasets/reader.h"
#include "io/image.h"
#include "io/tar.h"
#include "io/uri.h"
#include "vision/preprocess.h"

enum { WIDTH = 1024, HEIGHT = 768, SIDE = 224, MEMBERS = 2000, MEMBER = 40000, BLOCK = 1 << 20, MANY = 256, PAGE = 4096, HEAD = 512, STEP = HEAD + (MEMBER + HEAD - 1) / HEAD * HEAD };

typedef struct state {
    lb_image picture;
    lb_buf jpeg;
    lb_image_spec spec;
    float *tensor;
    char *shard;
    lb_items *items;
    int64_t bytes, count;
    int workers;
    uint8_t *block;
    uint64_t touched;
} state;

/* Waves with some noise: what a photograph costs. */
static lb_status draw(lb_image *out) {
    lb_status st = lb_image_new(out, WIDTH, HEIGHT, 3, 8);
    if (st != LB_OK) return st;
    uint8_t *p = out->pixels;
    for (uint32_t y = 0; y < HEIGHT; y++)
        for (uint32_t x = 0; x < WIDTH; x++)
            for (uint32_t c = 0; c < 3; c++) {
                uint32_t h = ((x * 73856093u) ^ (y * 19349663u) ^ (c * 83492791u)) * 2654435761u;
                double v = 127 + 60 * sin(x / 37.0 + c) + 50 * sin(y / 23.0 + 2 * c) + 20 * sin((x + y) / 5.0) + ((double)(h >> 24) - 128) * 0.1;
                *p++ = (uint8_t)fmin(fmax(v, 0), 255);
            }
    return LB_OK;
}

static lb_status decode(void *ctx) {
    state *s = ctx;
    lb_image img = {0};
    lb_status st = lb_image_decode_rgb(&img, (const uint8_t *)s->jpeg.data, s->jpeg.size, "picture", NULL);
    lb_image_free(&img);
    return st;
}

static lb_status resize(void *ctx) {
    state *s = ctx;
    lb_image img = {0};
    lb_status st = lb_image_resize(&img, &s->picture, SIDE, SIDE, LB_FILTER_BICUBIC);
    lb_image_free(&img);
    return st;
}

static lb_status to_tensor(const state *s, float *dst) {
    lb_image img = {0}, ready = {0};
    lb_fit fit;
    lb_status st = lb_image_spec_fit(&fit, &s->spec);
    if (st == LB_OK) st = lb_image_decode_rgb(&img, (const uint8_t *)s->jpeg.data, s->jpeg.size, "picture", &(lb_decode_options){.fit = &fit});
    if (st == LB_OK) st = lb_image_spec_rest(&ready, &img, &s->spec);
    if (st == LB_OK) lb_image_spec_normalise(dst, &ready, &s->spec);
    lb_image_free(&ready);
    return st;
}

static lb_status tensor(void *ctx) { return to_tensor(ctx, ((state *)ctx)->tensor); }

static lb_status work(void *ctx, int64_t i, void **result) {
    float *x = lb_alloc(3 * SIDE * SIDE, sizeof *x);
    lb_status st = x ? to_tensor(ctx, x) : LB_E_NOMEM;
    if (st == LB_OK) *result = x;
    else lb_free(x);
    return st;
}

static void drop(void *ctx, void *x) { lb_free(x); }

static lb_status many(void *ctx) {
    state *s = ctx;
    lb_flow *f = NULL;
    lb_status st = lb_flow_open(&f, &(lb_flow_spec){.count = MANY, .workers = s->workers, .work = work, .drop = drop, .ctx = s});
    for (bool end = false; st == LB_OK && !end;) {
        int64_t i;
        void *x = NULL;
        st = lb_flow_next(f, &i, &x, &end);
        lb_free(x);
    }
    lb_flow_close(f);
    return st;
}

/* ---- shards ---- */

static lb_status write_shard(state *s, cli_bench *b) {
    lb_buf out = {0};
    char name[32];
    lb_status st = LB_OK;
    lb_rng r = lb_rng_of(b->cli->seed, 0, "shard");
    uint8_t data[MEMBER];
    for (size_t i = 0; i < MEMBER; i++) data[i] = (uint8_t)lb_rng_u32(&r);
    for (int i = 0; i < MEMBERS && st == LB_OK; i++) {
        snprintf(name, sizeof name, "%06d.jpg", i);
        st = lbi_tar_head(&out, name, MEMBER);
        lb_buf_add(&out, data, MEMBER);
        lbi_tar_fill(&out, MEMBER);
    }
    lbi_tar_end(&out);
    if (st == LB_OK) st = lb_buf_status(&out);
    if (st == LB_OK) st = lb_file_write(s->shard, out.data, out.size);
    s->bytes = (int64_t)out.size;
    lb_buf_free(&out);
    return st;
}

static lb_status list(void *ctx) {
    state *s = ctx;
    lb_items_free(s->items);
    s->items = NULL;
    return lb_items_open(&s->items, 1, (const char *const[]){s->shard}, "tar", NULL);
}

/* Every member's bytes in memory, as a decoder would find them: of a map each page would be touched. */
static lb_status read_members(void *ctx) {
    state *s = ctx;
    for (int64_t i = 0; i < s->items->count; i++) {
        lb_mmap m = {0};
        lb_status st = lb_uri_bytes(&m, s->items->at[i].image, s->items->kept);
        if (st != LB_OK) return st;
        for (size_t at = 0; at < m.size; at += PAGE) s->touched += m.data[at];
        lb_mmap_close(&m);
    }
    return LB_OK;
}

static lb_status read_plain(void *ctx) {
    state *s = ctx;
    int fd = open(s->shard, O_RDONLY);
    if (fd < 0) return lb_fail(LB_E_IO, "%s: cannot be opened", s->shard);
    while (read(fd, s->block, BLOCK) > 0) {}
    close(fd);
    return LB_OK;
}

/* The least a program can do for them: one call each, into memory that stays. */
static lb_status read_each(void *ctx) {
    state *s = ctx;
    int fd = open(s->shard, O_RDONLY);
    if (fd < 0) return lb_fail(LB_E_IO, "%s: cannot be opened", s->shard);
    for (int i = 0; i < MEMBERS; i++) {
        if (pread(fd, s->block, MEMBER, HEAD + i * (int64_t)STEP) != MEMBER) break;
        for (size_t at = 0; at < MEMBER; at += PAGE) s->touched += s->block[at];
    }
    close(fd);
    return LB_OK;
}

/* ---- figures ---- */

static lb_status figure(cli_bench *b, state *s, const char *name, const char *peer, double amount, const char *unit, int runs, lb_status (*once)(void *ctx)) {
    double seconds = 0;
    if (!cli_bench_wants(b, name)) return LB_OK;
    lb_status st = cli_bench_best(b, &seconds, runs, 2, once, s);
    return st == LB_OK ? cli_bench_say(b, name, peer, amount / seconds, unit) : st;
}

static lb_status pictures(cli_bench *b, state *s) {
    lb_status st = LB_OK;
    LB_TRY(draw(&s->picture));
    LB_TRY(lb_jpeg_encode(&s->jpeg, &s->picture, 90));
    LB_TRY(lb_image_spec_parse(&s->spec, "{\"mode\": \"squash\", \"size_w\": 224, \"size_h\": 224, \"filter\": \"bicubic\", \"mean\": [0.5, 0.5, 0.5], \"std\": [0.25, 0.25, 0.25]}"));
    if (!(s->tensor = lb_alloc(3 * SIDE * SIDE, sizeof *s->tensor))) LB_TRY(LB_E_NOMEM);
    LB_TRY(figure(b, s, "jpeg-decode-1024x768-1thread", "limbeck", 1, "img/s", 20, decode));
    LB_TRY(figure(b, s, "resize-bicubic-to-224-1thread", "limbeck", 1, "img/s", 20, resize));
    LB_TRY(figure(b, s, "jpeg-to-tensor-1thread", "limbeck", 1, "img/s", 20, tensor));
    for (s->workers = 1; s->workers <= 2; s->workers++) LB_TRY(figure(b, s, s->workers == 1 ? "jpeg-to-tensor-flow-1" : "jpeg-to-tensor-flow-2", "limbeck", MANY, "img/s", 3, many));
done:
    return st;
}

static lb_status shards(cli_bench *b, state *s) {
    lb_status st = LB_OK;
    if (!cli_bench_wants(b, "tar-list-2000") && !cli_bench_wants(b, "tar-read-80MB")) return LB_OK;
    s->shard = lb_format_dup("%s/limbeck-bench-%ld.tar", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (long)getpid());
    if (!s->shard || !(s->block = lb_alloc(BLOCK, 1))) LB_TRY(LB_E_NOMEM);
    LB_TRY(write_shard(s, b));
    LB_TRY(list(s));
    LB_TRY(figure(b, s, "tar-list-2000", "limbeck", MEMBERS, "items/s", 5, list));
    LB_TRY(figure(b, s, "tar-read-80MB", "limbeck", (double)s->bytes / 1e6, "MB/s", 20, read_members));
    LB_TRY(figure(b, s, "tar-read-80MB", "pread()", (double)s->bytes / 1e6, "MB/s", 20, read_each));
    LB_TRY(figure(b, s, "tar-read-80MB", "read()", (double)s->bytes / 1e6, "MB/s", 20, read_plain));
done:
    if (s->shard) unlink(s->shard);
    return st;
}

static lb_status run(cli_bench *b) {
    state s = {0};
    lb_status st = pictures(b, &s);
    if (st == LB_OK) st = shards(b, &s);
    lb_image_free(&s.picture);
    lb_buf_free(&s.jpeg);
    lb_free(s.tensor);
    lb_free(s.shard);
    lb_free(s.block);
    lb_items_free(s.items);
    return st;
}

LB_BENCH(media) = {.id = "media", .title = "decoding, resizing, reading of shards", .source = "", .run = run};
