/* SPDX-License-Identifier: Apache-2.0 */
/* The index of a video's frames, and choices made from it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "io/video_private.h"

static int by_pts(const void *a, const void *b) {
    const lbi_entry *x = a, *y = b;
    return (x->pts > y->pts) - (x->pts < y->pts);
}

int64_t lbi_video_locate(const lb_video *v, int64_t pts) {
    lbi_entry wanted = {.pts = pts};
    const lbi_entry *e = v->count > 0 && pts != AV_NOPTS_VALUE ? bsearch(&wanted, v->at, (size_t)v->count, sizeof *v->at, by_pts) : NULL;
    return e ? e - v->at : -1;
}

typedef struct list {
    lbi_entry *at;
    int64_t count, room;
} list;

static lb_status add(list *l, const lbi_entry *e, int64_t max) {
    if (l->count >= max) return lb_fail(LB_E_LIMIT, "more than %lld frames", (long long)max);
    if (l->count == l->room) {
        int64_t room = l->room ? 2 * l->room : 256;
        lbi_entry *more = lb_realloc(l->at, (size_t)room, sizeof *more);
        if (!more) return LB_E_NOMEM;
        l->at = more, l->room = room;
    }
    l->at[l->count++] = *e;
    return LB_OK;
}

/* Containers whose packets may hold a part of a frame, or frames that nobody can decode. */
static bool is_loose(const lb_video *v) {
    static const char *const names[] = {"mpegts", "mpeg", "h264", "hevc", "mpegvideo", "m4v"};
    for (size_t i = 0; i < LB_COUNT(names); i++)
        if (strcmp(v->av.format->iformat->name, names[i]) == 0) return true;
    return false;
}

/* From packets alone. *loose when they do not tell. */
static lb_status scan(list *l, lb_video *v, bool *loose) {
    for (;;) {
        bool end = false;
        lb_status st = lbi_av_packet(v->packet, &end, &v->av, v->stream);
        if (st != LB_OK || end) return st;
        const AVPacket *p = v->packet;
        lbi_entry e = {.pts = p->pts, .duration = p->duration, .key = p->flags & AV_PKT_FLAG_KEY};
        bool hidden = p->flags & AV_PKT_FLAG_DISCARD;
        lbi_ff.av_packet_unref(v->packet);
        if (e.pts == AV_NOPTS_VALUE || (l->count == 0 && !e.key)) *loose = true;
        if (*loose) return LB_OK;
        if (!hidden && (st = add(l, &e, v->o.max_frames)) != LB_OK) return st;
    }
}

/* From decoding all. */
static lb_status decode_all(list *l, lb_video *v) {
    for (;;) {
        bool end = false;
        lb_status st = lbi_video_step(v, &end, -1);
        if (st != LB_OK || end) return st;
        lbi_entry e = {.pts = v->time, .duration = v->frame->pkt_duration, .key = v->frame->key_frame};
        if ((st = add(l, &e, v->o.max_frames)) != LB_OK) return st;
    }
}

static lb_status check(const list *l, const lb_video *v) {
    if (l->count == 0) return lb_fail(LB_E_FORMAT, "no frames");
    double seconds = (double)(l->at[l->count - 1].pts - l->at[0].pts) * av_q2d(v->base);
    if (seconds > v->o.max_seconds) return lb_fail(LB_E_LIMIT, "frames over %.0f s, the limit is %.0f s", seconds, v->o.max_seconds);
    return LB_OK;
}

static bool repeats(const list *l) {
    for (int64_t i = 1; i < l->count; i++)
        if (l->at[i].pts == l->at[i - 1].pts) return true;
    return false;
}

lb_status lbi_video_index(lb_video *v) {
    if (v->count >= 0) return LB_OK;
    list l = {0};
    lb_status st = LB_OK;
    bool loose = is_loose(v);
    LB_TRY(lbi_video_rewind(v));
    lbi_av_allow(&v->av, v->o.max_reads);
    if (!loose) LB_TRY(scan(&l, v, &loose));
    if (l.count > 1) qsort(l.at, (size_t)l.count, sizeof *l.at, by_pts);
    if (loose || repeats(&l)) {
        loose = true, l.count = 0;
        LB_TRY(lbi_video_rewind(v));
        lbi_av_allow(&v->av, v->o.max_reads);
        LB_TRY(decode_all(&l, v));
        if (l.count > 1) qsort(l.at, (size_t)l.count, sizeof *l.at, by_pts);
        int64_t n = 0;
        for (int64_t i = 0; i < l.count; i++)
            if (i == 0 || l.at[i].pts != l.at[n - 1].pts) l.at[n++] = l.at[i];
        l.count = n;
    }
    LB_TRY(check(&l, v));
    LB_TRY(lbi_video_rewind(v));
    v->at = l.at, v->count = l.count, v->loose = loose;
    for (int64_t i = 0; i < v->count; i++) v->keys += v->at[i].key;
    return LB_OK;
done:
    lb_free(l.at);
    return st;
}

lb_status lb_video_count(int64_t *out, lb_video *v) {
    lb_status st = lbi_video_index(v);
    if (st != LB_OK) return lb_where(st, "%s", v->name);
    *out = v->count;
    return LB_OK;
}

static int64_t duration_of(const lb_video *v, int64_t i) {
    if (i + 1 < v->count) return v->at[i + 1].pts - v->at[i].pts;
    if (v->at[i].duration > 0) return v->at[i].duration;
    return i > 0 ? (v->at[i].pts - v->at[0].pts) / i : 0;
}

lb_status lb_video_at(lb_video_frame *out, lb_video *v, int64_t i) {
    lb_status st = lbi_video_index(v);
    if (st == LB_OK && (i < 0 || i >= v->count)) st = lb_fail(LB_E_ARG, "frame %lld of %lld", (long long)i, (long long)v->count);
    if (st != LB_OK) return lb_where(st, "%s", v->name);
    *out = (lb_video_frame){.index = i, .pts = v->at[i].pts, .time_us = lbi_video_us(v, v->at[i].pts), .duration_us = lbi_video_us(v, duration_of(v, i)), .key = v->at[i].key};
    return LB_OK;
}

/* The last entry that begins at or before a time in microseconds. */
static int64_t shown_at(const lb_video *v, double us) {
    int64_t low = 0, high = v->count;
    while (high - low > 1) {
        int64_t middle = (low + high) / 2;
        if ((double)v->at[middle].pts * av_q2d(v->base) * 1e6 <= us + 1e-3) low = middle; /* times are whole numbers of 1/den s: the slack only takes up rounding */
        else high = middle;
    }
    return low;
}

lb_status lb_video_find(int64_t *out, lb_video *v, int64_t time_us) {
    lb_status st = lbi_video_index(v);
    if (st != LB_OK) return lb_where(st, "%s", v->name);
    *out = shown_at(v, (double)time_us + 0.5); /* a time given in microseconds was rounded */
    return LB_OK;
}

static int64_t by_rate(int64_t *dst, const lb_video *v, double fps) {
    double first = (double)v->at[0].pts * av_q2d(v->base), end = (double)(v->at[v->count - 1].pts + duration_of(v, v->count - 1)) * av_q2d(v->base);
    int64_t n = 0, last = -1;
    for (int64_t k = 0;; k++) {
        double t = first + (double)k / fps;
        if (k > 0 && t >= end - 1e-9) break;
        int64_t i = shown_at(v, t * 1e6);
        if (i == last && fps > 1e4) break;
        if (dst && n < v->o.max_frames) dst[n] = i;
        last = i, n++;
        if (n >= v->o.max_frames) break;
    }
    return n;
}

static int64_t uniform(int64_t *dst, const int64_t *from, int64_t total, int64_t n) {
    if (n <= 0 || n > total) n = total;
    for (int64_t k = 0; dst && k < n; k++) {
        int64_t i = (2 * k + 1) * total / (2 * n);
        dst[k] = from ? from[i] : i;
    }
    return n;
}

lb_status lb_video_choose(int64_t **indices, int64_t *count, lb_video *v, const char *kind, double amount) {
    lb_status st = lbi_video_index(v);
    if (st != LB_OK) return lb_where(st, "%s", v->name);
    bool rate = strcmp(kind, "fps") == 0, key = strcmp(kind, "key") == 0, even = strcmp(kind, "uniform") == 0;
    if (!rate && !key && !even && strcmp(kind, "all") != 0) return lb_fail(LB_E_ARG, "frames chosen by '%s': all, uniform, fps and key are possible", kind);
    if ((rate || even) && !(amount > 0 && amount < 1e9)) return lb_fail(LB_E_ARG, "%g frames%s asked for", amount, rate ? " a second" : "");
    int64_t n = rate ? by_rate(NULL, v, amount) : key ? v->keys : v->count;
    int64_t *list_of = lb_alloc((size_t)n, sizeof *list_of), *keys = key ? lb_alloc((size_t)n, sizeof *keys) : NULL;
    if (!list_of || (key && !keys)) {
        lb_free(list_of), lb_free(keys);
        return LB_E_NOMEM;
    }
    for (int64_t i = 0, k = 0; key && i < v->count; i++)
        if (v->at[i].key) keys[k++] = i;
    n = rate ? by_rate(list_of, v, amount) : uniform(list_of, keys, n, key || even ? (int64_t)amount : n);
    lb_free(keys);
    *indices = list_of, *count = n;
    return LB_OK;
}
