/* SPDX-License-Identifier: Apache-2.0 */
/* COCO's annotation files: captions, instances (polygons, runs) and panoptic. The file is walked through, never made a tree; what an annotation draws is
 * parsed when its mask is asked. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "datasets/scan.h"
#include "io/decoder.h"
#include "io/rle.h"

enum { HEAD = 65536, IGNORED = 255 };

typedef struct options {
    const char *root, *masks, *per, *value, *overlap, *split;
    bool crowds;
} options;

static const lb_param params[] = {
    LB_PARAM_TEXT(options, root, NULL, NULL, "folder of the pictures; none given = the usual places around the file"),
    LB_PARAM_TEXT(options, masks, NULL, NULL, "panoptic: folder of the PNG files; none given = named as the file, beside it"),
    LB_PARAM_TEXT(options, per, "image", "image|annotation", "what an item is: a picture with all it shows, or one instance of it; captions are always one item each"),
    LB_PARAM_TEXT(options, value, "category", "category|index|instance", "of a mask's pixels: the category's id, 1 + its place in the file's list, or 1 + the instance's place in the picture"),
    LB_PARAM_TEXT(options, overlap, "last", "last|ignore", "where instances overlap: the last one's value, or 255"),
    LB_PARAM_TEXT(options, split, NULL, NULL, "split that the items are given"),
    LB_PARAM_FLAG(options, crowds, 1, "annotations of crowds (iscrowd 1) count"),
    LB_PARAM_END,
};

typedef struct picture {
    int64_t id;
    char *file;
    int32_t width, height;
    int64_t first, count; /* its annotations, within set.order */
} picture;

typedef struct category {
    int64_t id;
    char *name;
} category;

typedef struct annotation {
    int64_t id, image, category; /* image: an id, then an index */
    const char *shape;  /* segmentation or segments_info, as JSON within the file */
    size_t shape_size;
    char *text, *file;  /* caption; panoptic PNG */
    float box[4];
    bool crowd, boxed;
} annotation;

typedef struct set {
    lb_mmap map;
    const char *name, *masks;
    options o; /* its texts live as long as the list */
    picture *pictures;
    category *categories;
    annotation *at;
    int64_t picture_count, picture_capacity, category_count, category_capacity, count, capacity;
    int64_t *order; /* annotations by picture, in the file's order */
    uint16_t most;  /* largest value of a mask */
} set;

/* The handle of an item. */
typedef struct drawn {
    const lb_reader *reader;
    const set *set;
    int64_t picture, first, count; /* annotations, within set.order */
} drawn;

static void close_set(void *p) {
    set *s = p;
    lb_mmap_close(&s->map);
    lb_free(s->pictures);
    lb_free(s->categories);
    lb_free(s->at);
    lb_free(s->order);
    lb_free(s);
}

static int probe(const char *path) {
    lb_mmap m = {0};
    int sure = 0;
    if (!lb_ends_with(path, ".json") || !lb_file_exists(path) || lb_is_folder(path)) return 0;
    if (lb_mmap_open(&m, path) != LB_OK) lb_error_clear();
    size_t n = m.size < HEAD ? m.size : HEAD;
    const char *p = (const char *)m.data;
    if (n && memmem(p, n, "\"images\"", 8)) sure = memmem(p, n, "\"sentences\"", 11) ? 30 : memmem(p, n, "\"file_name\"", 11) ? 90 : 50;
    else if (n && memmem(p, n, "\"annotations\"", 13) && memmem(p, n, "\"image_id\"", 10)) sure = 80;
    lb_mmap_close(&m);
    return sure;
}

/* ---- walking through the file ---- */

static void *grow(void *at, int64_t count, int64_t *capacity, size_t size) {
    if (count < *capacity) return at;
    int64_t wanted = *capacity ? 2 * *capacity : 256;
    void *more = lb_realloc(at, (size_t)wanted, size);
    if (more) *capacity = wanted;
    return more;
}

static lb_status read_picture(lb_items *items, set *s, lbi_scan *scan) {
    picture p = {.id = INT64_MIN};
    const char *key;
    size_t n;
    if (!lbi_scan_enter(scan, '{')) return LB_OK;
    while (lbi_scan_key(scan, &key, &n)) {
        if (lbi_scan_is(key, n, "id")) p.id = (int64_t)lbi_scan_number(scan);
        else if (lbi_scan_is(key, n, "file_name")) p.file = lbi_scan_text(scan, items);
        else if (lbi_scan_is(key, n, "width")) p.width = (int32_t)lbi_scan_number(scan);
        else if (lbi_scan_is(key, n, "height")) p.height = (int32_t)lbi_scan_number(scan);
        else if (!lbi_scan_value(scan, NULL, NULL)) break;
    }
    if (scan->fault) return LB_OK;
    if (p.id == INT64_MIN || !p.file || !p.file[0]) {
        lb_items_problem(items, "%s:%lld: a picture without id or file_name; left out", s->name, (long long)lbi_scan_line(scan));
        return LB_OK;
    }
    picture *all = grow(s->pictures, s->picture_count, &s->picture_capacity, sizeof *all);
    if (!all) return LB_E_NOMEM;
    s->pictures = all;
    all[s->picture_count++] = p;
    return LB_OK;
}

static lb_status read_category(lb_items *items, set *s, lbi_scan *scan) {
    category c = {.id = INT64_MIN};
    const char *key;
    size_t n;
    if (!lbi_scan_enter(scan, '{')) return LB_OK;
    while (lbi_scan_key(scan, &key, &n)) {
        if (lbi_scan_is(key, n, "id")) c.id = (int64_t)lbi_scan_number(scan);
        else if (lbi_scan_is(key, n, "name")) c.name = lbi_scan_text(scan, items);
        else if (!lbi_scan_value(scan, NULL, NULL)) break;
    }
    if (scan->fault || c.id == INT64_MIN) return LB_OK;
    category *all = grow(s->categories, s->category_count, &s->category_capacity, sizeof *all);
    if (!all) return LB_E_NOMEM;
    s->categories = all;
    all[s->category_count++] = c;
    return LB_OK;
}

/* "bbox": x y width height */
static void read_box(annotation *a, lbi_scan *scan) {
    int n = 0;
    if (!lbi_scan_enter(scan, '[')) return;
    for (; lbi_scan_more(scan); n++) {
        float x = (float)lbi_scan_number(scan);
        if (n < 4) a->box[n] = n < 2 ? x : a->box[n - 2] + x;
    }
    a->boxed = n == 4;
}

static lb_status read_annotation(lb_items *items, set *s, lbi_scan *scan) {
    annotation a = {.id = -1, .image = INT64_MIN, .category = INT64_MIN};
    const char *key;
    size_t n;
    if (!lbi_scan_enter(scan, '{')) return LB_OK;
    while (lbi_scan_key(scan, &key, &n)) {
        if (lbi_scan_is(key, n, "id")) a.id = (int64_t)lbi_scan_number(scan);
        else if (lbi_scan_is(key, n, "image_id")) a.image = (int64_t)lbi_scan_number(scan);
        else if (lbi_scan_is(key, n, "category_id")) a.category = (int64_t)lbi_scan_number(scan);
        else if (lbi_scan_is(key, n, "iscrowd")) a.crowd = lbi_scan_number(scan) != 0;
        else if (lbi_scan_is(key, n, "bbox") && lbi_scan_peek(scan) == '[') read_box(&a, scan);
        else if (lbi_scan_is(key, n, "caption") && lbi_scan_peek(scan) == '"') a.text = lbi_scan_text(scan, items);
        else if (lbi_scan_is(key, n, "file_name") && lbi_scan_peek(scan) == '"') a.file = lbi_scan_text(scan, items);
        else if (lbi_scan_is(key, n, "segmentation") || lbi_scan_is(key, n, "segments_info")) lbi_scan_value(scan, &a.shape, &a.shape_size);
        else if (!lbi_scan_value(scan, NULL, NULL)) break;
    }
    if (scan->fault) return LB_OK;
    if (a.image == INT64_MIN) {
        lb_items_problem(items, "%s:%lld: an annotation without image_id; left out", s->name, (long long)lbi_scan_line(scan));
        return LB_OK;
    }
    if (a.crowd && !s->o.crowds) return LB_OK;
    annotation *all = grow(s->at, s->count, &s->capacity, sizeof *all);
    if (!all) return LB_E_NOMEM;
    s->at = all;
    all[s->count++] = a;
    return LB_OK;
}

static lb_status walk(lb_items *items, set *s) {
    lbi_scan scan = lbi_scan_make((const char *)s->map.data, s->map.size, s->name);
    const char *key;
    size_t n;
    bool pictures = false;
    if (s->map.size == 0) return lb_fail(LB_E_FORMAT, "%s: is empty", s->name);
    if (!lbi_scan_enter(&scan, '{')) return lbi_scan_status(&scan);
    while (lbi_scan_key(&scan, &key, &n)) {
        bool p = lbi_scan_is(key, n, "images"), a = lbi_scan_is(key, n, "annotations"), c = lbi_scan_is(key, n, "categories");
        pictures = pictures || p;
        if (!(p || a || c)) {
            if (!lbi_scan_value(&scan, NULL, NULL)) break;
            continue;
        }
        if (!lbi_scan_enter(&scan, '[')) break;
        while (lbi_scan_more(&scan)) {
            lb_status st = p ? read_picture(items, s, &scan) : a ? read_annotation(items, s, &scan) : read_category(items, s, &scan);
            if (st != LB_OK) return st;
        }
    }
    /* A file that ends in the middle lacks annotations of pictures that it names: no mask of it can be trusted. */
    lb_status st = lbi_scan_status(&scan);
    return st != LB_OK || pictures ? st : lb_fail(LB_E_FORMAT, "%s: holds no list of images", s->name);
}

/* ---- annotations by picture ---- */

static int by_id(const void *a, const void *b) {
    const picture *x = *(const picture *const *)a, *y = *(const picture *const *)b;
    return x->id != y->id ? x->id < y->id ? -1 : 1 : x < y ? -1 : x > y;
}

static lb_status sort_annotations(lb_items *items, set *s) {
    lb_status st = LB_OK;
    int64_t lost = 0, at = 0;
    picture **sorted = lb_alloc((size_t)s->picture_count, sizeof *sorted);
    if (!sorted || !(s->order = lb_alloc((size_t)s->count, sizeof *s->order))) LB_TRY(LB_E_NOMEM);
    for (int64_t i = 0; i < s->picture_count; i++) sorted[i] = &s->pictures[i];
    if (s->picture_count > 1) qsort(sorted, (size_t)s->picture_count, sizeof *sorted, by_id);
    for (int64_t i = 0; i < s->count; i++) {
        annotation *a = &s->at[i];
        int64_t low = 0, high = s->picture_count;
        while (low < high) {
            int64_t mid = (low + high) / 2;
            if (sorted[mid]->id < a->image) low = mid + 1;
            else high = mid;
        }
        bool found = low < s->picture_count && sorted[low]->id == a->image;
        if (!found && lost++ < 20) lb_items_problem(items, "%s: annotation %lld is of picture %lld, which is not listed; left out", s->name, (long long)a->id, (long long)a->image);
        a->image = found ? sorted[low] - s->pictures : -1;
        if (found) sorted[low]->count++;
    }
    if (lost > 20) lb_items_problem(items, "%s: %lld annotations are of pictures that are not listed; left out", s->name, (long long)lost);
    for (int64_t i = 0; i < s->picture_count; i++) {
        s->pictures[i].first = at;
        at += s->pictures[i].count;
        s->pictures[i].count = 0;
    }
    for (int64_t i = 0; i < s->count; i++)
        if (s->at[i].image >= 0) s->order[s->pictures[s->at[i].image].first + s->pictures[s->at[i].image].count++] = i;
done:
    lb_free(sorted);
    return st;
}

static int64_t category_at(const set *s, int64_t id) {
    for (int64_t i = 0; i < s->category_count; i++)
        if (s->categories[i].id == id) return i;
    return -1;
}

/* ---- masks ---- */

static int64_t value_of(const set *s, int64_t id, int64_t nth) {
    if (strcmp(s->o.per, "annotation") == 0) return 1;
    if (strcmp(s->o.value, "instance") == 0) return 1 + nth;
    return strcmp(s->o.value, "index") == 0 ? 1 + category_at(s, id) : id;
}

static lb_status find_most(set *s) {
    int64_t most = 1;
    for (int64_t i = 0; i < s->category_count; i++) {
        int64_t v = value_of(s, s->categories[i].id, 0);
        most = v > most ? v : most;
        if (v < 0) return lb_fail(LB_E_UNSUPPORTED, "%s: category %lld cannot be a mask's value; take value=index", s->name, (long long)v);
    }
    if (strcmp(s->o.value, "instance") == 0)
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
    bool ignore = strcmp(s->o.overlap, "ignore") == 0 && d->count > 1;
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

static lb_status mask(lb_image *out, const lb_item *item) {
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

/* ---- items ---- */

extern const lb_reader lb_reader_coco;

static lb_status add(lb_items *items, set *s, int64_t at, int64_t first, int64_t count, const char *root, lb_buf *key) {
    const picture *p = &s->pictures[at];
    const annotation *one = count == 1 ? &s->at[s->order[first]] : NULL;
    bool single = strcmp(s->o.per, "annotation") == 0, caption = one && one->text;
    lb_status st = LB_OK;
    float *boxes = NULL;
    char *path = lb_path_join(root, p->file);
    drawn *d = lbi_items_alloc(items, sizeof *d);
    if (!path || !d) LB_TRY(LB_E_NOMEM);
    *d = (drawn){&lb_reader_coco, s, at, first, count};
    if (single && !caption && one) lb_buf_clear(key), lb_buf_format(key, "%s:%lld", p->file, (long long)one->id);
    else LB_TRY(lbi_items_key(key, items, p->file));
    LB_TRY(lb_buf_status(key));
    lb_item item = {.key = key->data, .image = path, .split = (char *)s->o.split, .group = single || caption ? p->file : NULL};
    if (caption) item.text = one->text, item.text_size = strlen(one->text);
    else item.inner = d;
    if (single && one && category_at(s, one->category) >= 0) item.label = s->categories[category_at(s, one->category)].name;
    if (!(boxes = lb_alloc((size_t)count, 4 * sizeof *boxes))) LB_TRY(LB_E_NOMEM);
    for (int64_t i = 0; i < count; i++) {
        const annotation *a = &s->at[s->order[first + i]];
        if (a->boxed) memcpy(boxes + 4 * item.box_count++, a->box, sizeof a->box);
    }
    item.boxes = boxes;
    LB_TRY(lb_items_add(items, &item));
done:
    lb_free(boxes);
    lb_free(path);
    return st;
}

static lb_status emit(lb_items *items, set *s, const char *root) {
    lb_buf key = {0};
    lb_status st = LB_OK;
    bool captions = false, single = strcmp(s->o.per, "annotation") == 0;
    int64_t bare = 0;
    for (int64_t i = 0; i < s->count; i++) captions = captions || s->at[i].text;
    for (int64_t i = 0; i < s->picture_count; i++) {
        const picture *p = &s->pictures[i];
        if (!captions && !single) {
            LB_TRY(add(items, s, i, p->first, p->count, root, &key));
            continue;
        }
        bare += p->count == 0;
        for (int64_t k = 0; k < p->count; k++) LB_TRY(add(items, s, i, p->first + k, 1, root, &key));
    }
    if (bare) lb_items_problem(items, "%s: %lld pictures have no %s; left out", s->name, (long long)bare, captions ? "caption" : "annotation");
    if (s->picture_count == 0) lb_items_problem(items, "%s: holds no pictures", s->name);
done:
    lb_buf_free(&key);
    return st;
}

static lb_status read(lb_items *items, const char *path, const void *cfg) {
    const options *o = cfg;
    lb_status st = LB_OK;
    set *s = lb_calloc(1, sizeof *s);
    if (!s) return LB_E_NOMEM;
    st = lbi_items_own(items, s, close_set);
    if (st != LB_OK) return st;
    const char *const texts[] = {o->per, o->value, o->overlap, o->split ? o->split : ""};
    char *own[LB_COUNT(texts)];
    for (size_t i = 0; i < LB_COUNT(texts); i++)
        if (!(own[i] = lbi_items_text(items, texts[i], strlen(texts[i])))) return LB_E_NOMEM;
    s->o = (options){.per = own[0], .value = own[1], .overlap = own[2], .split = o->split ? own[3] : NULL, .crowds = o->crowds};
    if (!(s->name = lbi_items_text(items, path, strlen(path)))) return LB_E_NOMEM;
    size_t stem = strlen(path) - (lb_ends_with(path, ".json") ? 5 : 0);
    s->masks = o->masks ? lbi_items_text(items, o->masks, strlen(o->masks)) : lbi_items_text(items, path, stem);
    if (!s->masks) return LB_E_NOMEM;
    if ((st = lb_mmap_open(&s->map, path)) != LB_OK || (st = walk(items, s)) != LB_OK || (st = sort_annotations(items, s)) != LB_OK || (st = find_most(s)) != LB_OK) return st;
    const char *root = lbi_picture_root(items, path, o->root, s->picture_count ? s->pictures[0].file : "");
    if (!root) return LB_E_NOMEM;
    if ((st = lbi_items_base(items, root)) != LB_OK) return st;
    return emit(items, s, root);
}

LB_READER(coco) = {.id = "coco", .title = "COCO annotations: captions, instances to masks and boxes, panoptic", .source = "cocodataset.org, format-data; masks as pycocotools' (maskApi.c)", .params = params,
                   .params_size = sizeof(options), .fields = "image text mask boxes label split group", .probe = probe, .read = read, .mask = mask};
