/* SPDX-License-Identifier: Apache-2.0 */
/* COCO's annotation files: captions, instances (polygons, runs) and panoptic. The file is walked through, never made a tree; what an annotation draws is
 * parsed when its mask is asked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "datasets/coco.h"
#include "datasets/scan.h"

typedef struct options {
    const char *root, *masks, *kind, *per, *value, *overlap, *split;
    bool crowds;
} options;

static const lb_param params[] = {
    LB_PARAM_TEXT(options, root, NULL, NULL, "folder of the pictures; none given = the usual places around the file"),
    LB_PARAM_TEXT(options, masks, NULL, NULL, "panoptic: folder of the PNG files; none given = named as the file, beside it"),
    LB_PARAM_TEXT(options, kind, NULL, NULL, "of a folder's annotations: captions, instances, panoptic, stuff or person_keypoints; none given = the first of these that is there"),
    LB_PARAM_TEXT(options, per, "image", "image|annotation", "what an item is: a picture with all it shows, or one instance of it; captions are always one item each"),
    LB_PARAM_TEXT(options, value, "category", "category|index|instance", "of a mask's pixels: the category's id, 1 + its place in the file's list, or 1 + the instance's place in the picture"),
    LB_PARAM_TEXT(options, overlap, "last", "last|ignore", "where instances overlap: the last one's value, or 255"),
    LB_PARAM_TEXT(options, split, NULL, NULL, "split that the items are given; none given = of a folder's files the one that they are named by"),
    LB_PARAM_FLAG(options, crowds, 1, "annotations of crowds (iscrowd 1) count"),
    LB_PARAM_END,
};

typedef lbi_coco set;
typedef lbi_coco_picture picture;
typedef lbi_coco_category category;
typedef lbi_coco_annotation annotation;

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
    lbi_coco_file *files = NULL;
    int64_t n = 0;
    if (!lb_is_folder(path)) return lbi_coco_sure(path);
    if (lbi_coco_files(&files, &n, path) != LB_OK) lb_error_clear();
    lbi_coco_files_free(files, n);
    return n > 0 ? 92 : 0;
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
    if (a.crowd && !s->crowds) return LB_OK;
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

/* ---- items ---- */

extern const lb_reader lb_reader_coco;

static lb_status add(lb_items *items, set *s, int64_t at, int64_t first, int64_t count, const char *root, lb_buf *key) {
    const picture *p = &s->pictures[at];
    const annotation *one = count == 1 ? &s->at[s->order[first]] : NULL;
    bool single = s->single, caption = one && one->text;
    lb_status st = LB_OK;
    float *boxes = NULL;
    char *path = lb_path_join(root, p->file);
    lbi_coco_drawn *d = lbi_items_alloc(items, sizeof *d);
    if (!path || !d) LB_TRY(LB_E_NOMEM);
    *d = (lbi_coco_drawn){&lb_reader_coco, s, at, first, count};
    if (single && !caption && one) lb_buf_clear(key), lb_buf_format(key, "%s:%lld", p->file, (long long)one->id);
    else LB_TRY(lbi_items_key(key, items, p->file));
    LB_TRY(lb_buf_status(key));
    lb_item item = {.key = key->data, .image = path, .split = (char *)s->split, .group = single || caption ? p->file : NULL};
    if (caption) item.text = one->text, item.text_size = strlen(one->text);
    else item.inner = d;
    if (single && one && lbi_coco_category_at(s, one->category) >= 0) item.label = s->categories[lbi_coco_category_at(s, one->category)].name;
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
    bool captions = false, single = s->single;
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

static lb_status new_set(set **out, lb_items *items, const char *path, const options *o, const char *split) {
    set *s = lb_calloc(1, sizeof *s);
    if (!s) return LB_E_NOMEM;
    lb_status st = lbi_items_own(items, s, close_set);
    if (st != LB_OK) return st;
    size_t stem = strlen(path) - (lb_ends_with(path, ".json") ? 5 : 0);
    const char **to[] = {&s->name, &s->masks, &s->value, &s->overlap, &s->split}, *from[] = {path, o->masks, o->value, o->overlap, split};
    for (size_t i = 0; i < LB_COUNT(to); i++)
        if (from[i] && !(*to[i] = lbi_items_text(items, from[i], strlen(from[i])))) return LB_E_NOMEM;
    if (!s->masks && !(s->masks = lbi_items_text(items, path, stem))) return LB_E_NOMEM;
    s->crowds = o->crowds;
    s->single = strcmp(o->per, "annotation") == 0;
    *out = s;
    return LB_OK;
}

static lb_status read_file(lb_items *items, const char *path, const options *o, const char *split) {
    set *s = NULL;
    lb_status st = LB_OK;
    LB_TRY(new_set(&s, items, path, o, split));
    LB_TRY(lb_mmap_open(&s->map, path));
    LB_TRY(walk(items, s));
    LB_TRY(sort_annotations(items, s));
    LB_TRY(lbi_coco_find_most(s));
    const char *root = lbi_picture_root(items, path, o->root, s->picture_count ? s->pictures[0].file : "");
    if (!root) LB_TRY(LB_E_NOMEM);
    LB_TRY(lbi_items_base(items, root));
    LB_TRY(emit(items, s, root));
done:
    return st;
}

/* Which kind of a folder's annotations is read; the others are told. */
static lb_status choose_kind(const char **out, lb_items *items, const char *folder, const lbi_coco_file *files, int64_t n, const char *asked) {
    static const char *const kinds[] = {"captions", "instances", "panoptic", "stuff", "person_keypoints"};
    char others[128] = "";
    const char *chosen = NULL;
    for (size_t k = 0; k < LB_COUNT(kinds); k++) {
        bool there = false;
        for (int64_t i = 0; i < n; i++) there = there || strcmp(files[i].kind, kinds[k]) == 0;
        if (there && !chosen && (!asked || strcmp(asked, kinds[k]) == 0)) chosen = kinds[k];
        else if (there) snprintf(others + strlen(others), sizeof others - strlen(others), "%s%s", *others ? ", " : "", kinds[k]);
    }
    if (!chosen) return lb_fail(LB_E_NOTFOUND, "%s: holds no COCO annotations%s%s%s%s", folder, asked ? " of kind " : "", asked ? asked : "", *others ? ", but " : "", others);
    if (!asked && *others) lb_items_problem(items, "%s: read are its %s; it holds %s too (kind=NAME)", folder, chosen, others);
    *out = chosen;
    return LB_OK;
}

/* Sets whose pictures were not fetched are left out, unless no set's were. */
static lb_status read_folder(lb_items *items, const char *folder, const options *o) {
    lbi_coco_file *files = NULL;
    int64_t n = 0, used = 0;
    const char *kind = NULL;
    bool any = false;
    lb_status st = LB_OK;
    LB_TRY(lbi_coco_files(&files, &n, folder));
    LB_TRY(choose_kind(&kind, items, folder, files, n, o->kind));
    for (int64_t i = 0; i < n; i++)
        if (strcmp(files[i].kind, kind) == 0) files[used] = files[i], files[i].path = i == used ? files[i].path : NULL, used++;
        else lb_free(files[i].path), files[i].path = NULL;
    n = used;
    for (int64_t i = 0; i < n; i++) any = any || lbi_has_pictures(items, files[i].path, o->root);
    for (int64_t i = 0; i < n; i++)
        if (any && !lbi_has_pictures(items, files[i].path, o->root)) lb_items_problem(items, "%s: its pictures are not there; left out", files[i].path);
        else LB_TRY(read_file(items, files[i].path, o, o->split ? o->split : *files[i].split ? files[i].split : NULL));
done:
    lbi_coco_files_free(files, n);
    return st;
}

static lb_status read(lb_items *items, const char *path, const void *cfg) {
    const options *o = cfg;
    return lb_is_folder(path) ? read_folder(items, path, o) : read_file(items, path, o, o->split);
}

LB_READER(coco) = {.id = "coco",
                   .title = "COCO annotations, a file or a folder of them: captions, instances to masks and boxes, panoptic",
                   .source = "cocodataset.org, format-data; masks as pycocotools' (maskApi.c)",
                   .params = params,
                   .params_size = sizeof(options),
                   .fields = "image text mask boxes label split group",
                   .probe = probe,
                   .read = read,
                   .mask = lbi_coco_mask};
