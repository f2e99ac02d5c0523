/* SPDX-License-Identifier: Apache-2.0 */
/* A video file of one's own (--file): all frames decoded, all frames as RGB, frames at random places as RGB, with one thread. bench/peers.py video measures ffmpeg
 * and PyAV on the same frames. */
#include <stdlib.h>
#include <string.h>
#include "base/rng.h"
#include "cli/bench.h"
#include "io/image.h"
#include "io/video.h"

enum { PLACES = 40 };

typedef struct state {
    const char *file;
    int64_t count, places[PLACES];
    bool pictures;
} state;

static lb_status all(void *ctx) {
    const state *s = ctx;
    lb_video *v = NULL;
    lb_status st = lb_video_open(&v, s->file, NULL);
    for (bool end = false; st == LB_OK && !end;) {
        lb_image img = {0};
        st = lb_video_next(NULL, s->pictures ? &img : NULL, &end, v);
        lb_image_free(&img);
    }
    lb_video_close(v);
    return st;
}

static lb_status some(void *ctx) {
    const state *s = ctx;
    lb_video *v = NULL;
    lb_status st = lb_video_open(&v, s->file, NULL);
    for (int i = 0; st == LB_OK && i < PLACES; i++) {
        lb_image img = {0};
        st = lb_video_read(&img, v, s->places[i]);
        lb_image_free(&img);
    }
    lb_video_close(v);
    return st;
}

static int by_place(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The same frames asked for together: in order of time, each stretch between key frames is decoded once. */
static lb_status together(void *ctx) {
    const state *s = ctx;
    lb_video *v = NULL;
    int64_t rising[PLACES], n = 0;
    memcpy(rising, s->places, sizeof rising);
    qsort(rising, PLACES, sizeof *rising, by_place);
    for (int i = 0; i < PLACES; i++)
        if (n == 0 || rising[n - 1] != rising[i]) rising[n++] = rising[i];
    lb_status st = lb_video_open(&v, s->file, NULL);
    if (st == LB_OK) st = lb_video_select(v, rising, n);
    for (bool end = false; st == LB_OK && !end;) {
        lb_image img = {0};
        st = lb_video_next(NULL, &img, &end, v);
        lb_image_free(&img);
    }
    lb_video_close(v);
    return st;
}

static lb_status run(cli_bench *b) {
    state s = {.file = b->file};
    lb_video *v = NULL;
    double seconds = 0;
    lb_status st = LB_OK;
    if (!b->file) return LB_OK;
    LB_TRY(lb_video_open(&v, b->file, NULL));
    LB_TRY(lb_video_count(&s.count, v));
    /* the places of bench/peers.py: a generator that both write down in a line */
    uint64_t x = 1;
    for (int i = 0; i < PLACES; i++) {
        x = (x * 16807) % 2147483647;
        s.places[i] = (int64_t)(x % (uint64_t)s.count);
    }
    for (int k = 0; k < 2; k++) {
        const char *name = k ? "video-rgb-1thread" : "video-decode-1thread";
        s.pictures = k;
        if (!cli_bench_wants(b, name)) continue;
        LB_TRY(cli_bench_best(b, &seconds, 3, 1, all, &s));
        LB_TRY(cli_bench_say(b, name, "limbeck", (double)s.count / seconds, "frames/s"));
    }
    if (cli_bench_wants(b, "video-random-1thread")) {
        LB_TRY(cli_bench_best(b, &seconds, 3, 1, some, &s));
        LB_TRY(cli_bench_say(b, "video-random-1thread", "limbeck", PLACES / seconds, "frames/s"));
    }
    if (cli_bench_wants(b, "video-random-batch-1thread")) {
        LB_TRY(cli_bench_best(b, &seconds, 3, 1, together, &s));
        LB_TRY(cli_bench_say(b, "video-random-batch-1thread", "limbeck", PLACES / seconds, "frames/s"));
    }
done:
    lb_video_close(v);
    return st;
}

LB_BENCH(video) = {.id = "video", .title = "decoding of a video file, in order and at random places (--file)", .source = "", .run = run};
