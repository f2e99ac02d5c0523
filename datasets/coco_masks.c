/* SPDX-License-Identifier: Apache-2.0 */
/* What COCO's annotations draw: polygons, runs, segments of panoptic PNGs. Parsed when a mask is asked. */
#include <math.h>
#include <string.h>
#include "base/value.h"
#include "datasets/coco.h"
#include "io/decoder.h"
#include "io/rle.h"

enum { IGNORED = 255 };

typedef lbi_coco set;
typedef lbi_coco_picture picture;
typedef lbi_coco_annotation annotation;
typedef lbi_coco_drawn drawn;

int64_t lbi_coco_category_at(const set *s, int64_t id) {
    for (int64_t i = 0; i < s->category_count; i++)
        if (s->categories[i].id == id) return i;
    return -1;
}

static int64_t value_of(const set *s, int64_t id, int64_t nth) {
    if (s->single) return 1;
    if (strcmp(s->value, "instance") == 0) return 1 + nth;
    return strcmp(s->value, "index") == 0 ? 1 + lbi_coco_category_at(s, id) : id;
}

lb_status lbi_coco_find_most(set *s) {
    int64_t most = 1;
    for (int64_t i = 0; i < s->category_count; i++) {
        int64_t v = value_of(s, s->categories[i].id, 0);
        most = v > most ? v : most;
        if (v < 0) return lb_fail(LB_E_UNSUPPORTED, "%s: category %lld cannot be a mask's value; take value=index", s->name, (long long)v);
    }
    if (strcmp(s->value, "instance") == 0)
        for (int64_t i = 0; i < s->picture_count; i++) most = s->pictures[i].count > most ? s->pictures[i].count : most;
    if (most > UINT16_MAX) return lb_fail(LB_E_LIMIT, "%s: mask values up to %lld, the limit is 65535", s->name, (long long)most);
    s->most = (uint16_t)most;
    return LB_OK;
}

static lb_status paint_runs(lb_image *map, const lb_value *v, uint16_t value) {
    const lb_value *size = lb_get(v, "size"), *counts = lb_get(v, "counts");
    int64_t *runs = NULL, n = 0;
    lb_status st = LB_OK;
    if (!size || size->kind != LB_V_LIST || size->count != 2 || !counts) return lb_fail(LB_E_FORMAT, "runs without size and counts");
    if (size->items[0]->integer != map->height || size->items[1]->integer != map->width)
        return lb_fail(LB_E_FORMAT, "runs for %lld x %lld pixels, the picture has %d x %d", (long long)size->items[1]->integer, (long long)size->items[0]->integer, map->width, map->height);
    if (counts->kind == LB_V_TEXT) st = lb_rle_unpack(&runs, &n, counts->text, counts->text_size);
    else if (counts->kind == LB_V_LIST && (runs = lb_alloc((size_t)counts->count, sizeof *runs)))
        for (; n < counts->count; n++) runs[n] = counts->items[n]->kind == LB_V_INT ? counts->items[n]->integer : -1;
    else st = counts->kind == LB_V_LIST ? LB_E_NOMEM : lb_fail(LB_E_FORMAT, "counts of runs are neither a text nor a list");
    if (st == LB_OK) st = lb_rle_paint(map, runs, n, value);
    lb_free(runs);
    return st;
}

static lb_status paint_polygons(lb_image *map, const lb_value *v, uint16_t value) {
    for (int64_t i = 0; i < v->count; i++) {
        const lb_value *p = v->items[i];
        if (p->kind != LB_V_LIST || p->count % 2) return lb_fail(LB_E_FORMAT, "polygon %lld is no list of x and y", (long long)i);
        double *xy = lb_alloc((size_t)p->count, sizeof *xy);
        if (!xy) return LB_E_NOMEM;
        for (int64_t k = 0; k < p->count; k++) xy[k] = p->items[k]->kind == LB_V_INT ? (double)p->items[k]->integer : p->items[k]->kind == LB_V_REAL ? p->items[k]->real : NAN;
        lb_status st = lb_polygon_paint(map, xy, p->count / 2, value);
        lb_free(xy);
        if (st != LB_OK) return st;
    }
    return LB_OK;
}

static lb_status paint(lb_image *map, const annotation *a, uint16_t value, const char *name) {
    lb_value *v = NULL;
    if (!a->shape) return lb_fail(LB_E_FORMAT, "has no segmentation");
    lb_status st = lb_json_parse(&v, a->shape, a->shape_size, name);
    if (st == LB_OK && v->kind == LB_V_MAP) st = paint_runs(map, v, value);
    else if (st == LB_OK && v->kind == LB_V_LIST) st = paint_polygons(map, v, value);
    else if (st == LB_OK) st = lb_fail(LB_E_FORMAT, "segmentation is neither polygons nor runs");
    lb_value_free(v);
    return st;
}

static int64_t get(const lb_image *m, int64_t i) { return m->bits == 16 ? ((const uint16_t *)m->pixels)[i] : ((const uint8_t *)m->pixels)[i]; }

static void put(lb_image *m, int64_t i, int64_t v) {
    if (m->bits == 16) ((uint16_t *)m->pixels)[i] = (uint16_t)v;
    else ((uint8_t *)m->pixels)[i] = (uint8_t)v;
}

/* What `one` draws into `map`: overlaps become 255. */
static void merge(lb_image *map, lb_image *one) {
    for (int64_t i = 0, n = (int64_t)map->width * map->height; i < n; i++) {
        int64_t v = get(one, i);
        if (v) put(map, i, get(map, i) ? IGNORED : v);
        put(one, i, 0);
    }
}

static lb_status draw_instances(lb_image *map, const drawn *d) {
    const set *s = d->set;
    bool ignore = strcmp(s->overlap, "ignore") == 0 && d->count > 1;
    lb_image one = {0};
    lb_status st = LB_OK;
    if (ignore) {
        LB_TRY(lb_image_new(&one, map->width, map->height, 1, map->bits));
        memset(one.pixels, 0, (size_t)map->width * (size_t)map->height * (size_t)(map->bits / 8));
    }
    for (int64_t i = 0; i < d->count; i++) {
        const annotation *a = &s->at[s->order[d->first + i]];
        st = paint(ignore ? &one : map, a, (uint16_t)value_of(s, a->category, i), s->name);
        if (st != LB_OK) {
            st = lb_where(st, "%s: annotation %lld", s->name, (long long)a->id);
            goto done;
        }
        if (ignore) merge(map, &one);
    }
done:
    lb_image_free(&one);
    return st;
}

/* Pixels of the PNG are ids of segments, R + 256 G + 65536 B; 0 is of none. */
static lb_status draw_panoptic(lb_image *map, const set *s, const annotation *a) {
    lb_image rgb = {0};
    lb_value *v = NULL;
    lb_status st = LB_OK;
    char *path = lb_path_join(s->masks, a->file);
    if (!path) return LB_E_NOMEM;
    LB_TRY(lb_image_read_rgb(&rgb, path, NULL));
    LB_TRY(lb_json_parse(&v, a->shape ? a->shape : "[]", a->shape ? a->shape_size : 2, s->name));
    if (rgb.width != map->width || rgb.height != map->height) LB_TRY(lb_fail(LB_E_FORMAT, "%s: %d x %d pixels, the picture has %d x %d", path, rgb.width, rgb.height, map->width, map->height));
    const uint8_t *p = rgb.pixels;
    int64_t last = 0, value = 0;
    for (int64_t i = 0, n = (int64_t)rgb.width * rgb.height; i < n; i++, p += 3) {
        int64_t id = p[0] | p[1] << 8 | p[2] << 16, k = 0;
        if (id != last) {
            while (id && k < v->count && lb_get_int(v->items[k], "id", -1) != id) k++;
            if (id && k == v->count) LB_TRY(lb_fail(LB_E_FORMAT, "%s: pixel %lld is of segment %lld, which %s does not list", path, (long long)i, (long long)id, s->name));
            value = id ? value_of(s, lb_get_int(v->items[k], "category_id", 0), k) : 0;
            last = id;
        }
        put(map, i, value);
    }
done:
    lb_value_free(v);
    lb_image_free(&rgb);
    lb_free(path);
    return st;
}

lb_status lbi_coco_mask(lb_image *out, const lb_item *item) {
    const drawn *d = item->inner;
    const set *s = d->set;
    const picture *p = &s->pictures[d->picture];
    lb_image map = {0};
    if (p->width < 1 || p->height < 1) return lb_fail(LB_E_FORMAT, "%s: picture %lld has no width and height", s->name, (long long)p->id);
    lb_status st = lb_image_new(&map, p->width, p->height, 1, s->most > 255 ? 16 : 8);
    if (st != LB_OK) return st;
    memset(map.pixels, 0, (size_t)map.width * (size_t)map.height * (size_t)(map.bits / 8));
    const annotation *a = d->count ? &s->at[s->order[d->first]] : NULL;
    if (a && a->file) st = draw_panoptic(&map, s, a);
    else st = draw_instances(&map, d);
    if (st == LB_OK) *out = map;
    else lb_image_free(&map);
    return st;
}
