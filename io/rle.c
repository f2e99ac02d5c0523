/* SPDX-License-Identifier: Apache-2.0 */
#include "io/rle.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FINE = 5 }; /* steps of a pixel in which an outline is walked */
static const int64_t most_steps = (int64_t)1 << 26;

/* Pixels from..to-1, counted down the columns. */
static void paint_run(lb_image *map, int64_t from, int64_t to, uint16_t value) {
    int64_t h = map->height, x = from / h, y = from % h;
    for (int64_t i = from; i < to; i++) {
        int64_t at = y * map->width + x;
        if (map->bits == 16) ((uint16_t *)map->pixels)[at] = value;
        else ((uint8_t *)map->pixels)[at] = (uint8_t)value;
        if (++y == h) y = 0, x++;
    }
}

lb_status lb_rle_paint(lb_image *map, const int64_t *counts, int64_t n, uint16_t value) {
    int64_t size = (int64_t)map->width * map->height, at = 0;
    for (int64_t i = 0; i < n; i++) {
        if (counts[i] < 0 || counts[i] > size - at) return lb_fail(LB_E_FORMAT, "runs of a mask go beyond its %d x %d pixels", map->width, map->height);
        at += counts[i];
    }
    if (at != size) return lb_fail(LB_E_FORMAT, "runs of a mask cover %lld of its %d x %d pixels", (long long)at, map->width, map->height);
    at = 0;
    for (int64_t i = 0; i < n; at += counts[i++])
        if (i % 2) paint_run(map, at, at + counts[i], value);
    return LB_OK;
}

/* A count is written in groups of five bits, lowest first, bit 5 = more follow, bit 4 of the last = sign; from the fourth on it is the difference
 * to the count two before. */
lb_status lb_rle_unpack(int64_t **counts, int64_t *n, const char *text, size_t size) {
    int64_t *out = lb_alloc(size, sizeof *out), count = 0;
    if (!out) return LB_E_NOMEM;
    for (size_t i = 0; i < size;) {
        int64_t x = 0;
        int shift = 0, group;
        do {
            group = i < size ? text[i++] - 48 : -1;
            if (group < 0 || group > 63 || shift > 50) {
                lb_free(out);
                return lb_fail(LB_E_FORMAT, "compressed runs of a mask are damaged at character %zu", i);
            }
            x |= (int64_t)(group & 31) << shift;
            shift += 5;
        } while (group & 32);
        if (group & 16) x -= (int64_t)1 << shift;
        if (count > 2) x += out[count - 2];
        if (x < 0 || x > INT32_MAX) {
            lb_free(out);
            return lb_fail(LB_E_FORMAT, "compressed runs of a mask hold a run of %lld", (long long)x);
        }
        out[count++] = x;
    }
    *counts = out;
    *n = count;
    return LB_OK;
}

/* ---- polygons ---- */

typedef struct outline {
    int64_t *at; /* where runs change, counted down the columns */
    int64_t count, capacity;
    int64_t width, height;
    int64_t x, y; /* last point */
    bool begun, refused;
} outline;

/* A step to a fine point. Where it changes the column of pixel centres, the runs of that column change at the first centre not above it. */
static void step(outline *o, int64_t x, int64_t y) {
    int64_t from_x = o->x, from_y = o->y;
    bool first = !o->begun;
    o->x = x, o->y = y, o->begun = true;
    if (first || x == from_x) return;
    double column = ((double)(x < from_x ? x : x - 1) + 0.5) / FINE - 0.5, row = ((double)(y < from_y ? y : from_y) + 0.5) / FINE - 0.5;
    if (floor(column) != column || column < 0 || column > (double)(o->width - 1)) return;
    row = ceil(row < 0 ? 0 : row > (double)o->height ? (double)o->height : row);
    if (o->count == o->capacity) {
        int64_t capacity = o->capacity ? 2 * o->capacity : 256;
        int64_t *at = lb_realloc(o->at, (size_t)capacity, sizeof *at);
        if (!at) {
            o->refused = true;
            return;
        }
        o->at = at;
        o->capacity = capacity;
    }
    o->at[o->count++] = (int64_t)column * o->height + (int64_t)row;
}

/* All fine points of an edge, along its longer side; always computed from its lesser end, so that both directions give the same points. */
static void walk(outline *o, int64_t x0, int64_t y0, int64_t x1, int64_t y1) {
    int64_t dx = llabs(x1 - x0), dy = llabs(y1 - y0), n = dx >= dy ? dx : dy;
    bool wide = dx >= dy, back = wide ? x0 > x1 : y0 > y1;
    if (back) {
        int64_t x = x0, y = y0;
        x0 = x1, y0 = y1, x1 = x, y1 = y;
    }
    double slope = n == 0 ? 0 : wide ? (double)(y1 - y0) / (double)dx : (double)(x1 - x0) / (double)dy;
    for (int64_t i = 0; i <= n; i++) {
        int64_t t = back ? n - i : i;
        if (wide) step(o, x0 + t, (int64_t)((double)y0 + slope * (double)t + 0.5));
        else step(o, (int64_t)((double)x0 + slope * (double)t + 0.5), y0 + t);
    }
}

static int by_value(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

lb_status lb_polygon_paint(lb_image *map, const double *xy, int64_t corners, uint16_t value) {
    outline o = {.width = map->width, .height = map->height};
    int64_t steps = 0;
    if (corners < 3) return lb_fail(LB_E_FORMAT, "a polygon of %lld corners", (long long)corners);
    for (int64_t i = 0; i < 2 * corners; i++)
        if (!(fabs(xy[i]) <= 1e6)) return lb_fail(LB_E_FORMAT, "a polygon's corner lies at %g", xy[i]);
    for (int64_t i = 0; i < corners; i++) {
        int64_t k = (i + 1) % corners;
        steps += (int64_t)(FINE * fmax(fabs(xy[2 * k] - xy[2 * i]), fabs(xy[2 * k + 1] - xy[2 * i + 1]))) + 2;
    }
    if (steps > most_steps) return lb_fail(LB_E_LIMIT, "a polygon whose outline is %lld pixels long", (long long)(steps / FINE));
    for (int64_t i = 0; i < corners; i++) {
        int64_t k = (i + 1) % corners;
        walk(&o, (int64_t)(FINE * xy[2 * i] + 0.5), (int64_t)(FINE * xy[2 * i + 1] + 0.5), (int64_t)(FINE * xy[2 * k] + 0.5), (int64_t)(FINE * xy[2 * k + 1] + 0.5));
    }
    lb_status st = o.refused ? LB_E_NOMEM : LB_OK;
    if (st == LB_OK && o.count) {
        qsort(o.at, (size_t)o.count, sizeof *o.at, by_value);
        for (int64_t i = 0; i < o.count; i += 2) paint_run(map, o.at[i], i + 1 < o.count ? o.at[i + 1] : o.width * o.height, value);
    }
    lb_free(o.at);
    return st;
}
