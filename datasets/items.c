/* SPDX-License-Identifier: Apache-2.0 */
/* Lists in memory: adding, finding, asking. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "datasets/items_state.h"
#include "io/uri.h"

enum { BLOCK = 1 << 16, ALIGN = 16, FIRST_SLOTS = 64 };

struct lbi_block {
    struct lbi_block *next;
    size_t used, size;
};
typedef lbi_block block;
typedef lbi_items_state state;

struct lb_source {
    struct lb_source *next;
    void *p;
    void (*close)(void *p);
};

/* ---- memory ---- */

static size_t header(void) {
    return (sizeof(block) + ALIGN - 1) / ALIGN * ALIGN;
}

static void *take(lb_items *items, size_t bytes, size_t align) {
    state *s = items->arena;
    if (bytes > PTRDIFF_MAX / 2) bytes = PTRDIFF_MAX / 2;
    size_t at = s->blocks ? (s->blocks->used + align - 1) / align * align : 0;
    if (!s->blocks || at > s->blocks->size || s->blocks->size - at < bytes) {
        size_t size = header() + (bytes > BLOCK ? bytes : BLOCK);
        block *b = lb_alloc(size, 1);
        if (!b) return NULL;
        *b = (block){.next = s->blocks, .size = size};
        s->blocks = b;
        at = header();
    }
    char *p = (char *)s->blocks + at;
    s->blocks->used = at + bytes;
    memset(p, 0, bytes);
    return p;
}

void *lbi_items_alloc(lb_items *items, size_t bytes) { return take(items, bytes, ALIGN); }

char *lbi_items_text(lb_items *items, const char *text, size_t n) {
    char *p = take(items, n + 1, 1);
    if (p) memcpy(p, text, n);
    return p;
}

/* Was it made by lbi_items_text a moment ago? */
static bool is_ours(const state *s, const char *text) {
    const block *b = s->blocks;
    return b && (uintptr_t)text >= (uintptr_t)b + header() && (uintptr_t)text < (uintptr_t)b + b->used;
}

lb_status lbi_items_own(lb_items *items, void *take_p, void (*close)(void *p)) {
    struct lb_source *s = lbi_items_alloc(items, sizeof *s);
    if (!s) {
        close(take_p);
        return LB_E_NOMEM;
    }
    *s = (struct lb_source){.next = items->sources, .p = take_p, .close = close};
    items->sources = s;
    return LB_OK;
}

lb_status lbi_items_base(lb_items *items, const char *folder) {
    state *s = items->arena;
    s->base = 0;
    s->base_text = NULL;
    if (!folder) return LB_OK;
    size_t n = strlen(folder);
    s->base_text = lbi_items_text(items, folder, n);
    if (!s->base_text) return LB_E_NOMEM;
    s->base = n;
    return LB_OK;
}

/* ---- keys ---- */

static int64_t *slot_of(const lb_items *items, const char *key) {
    const state *s = items->arena;
    uint64_t mask = (uint64_t)s->slot_count - 1, i = lb_hash64(key, strlen(key), 0) & mask;
    while (s->slots[i] && strcmp(items->at[s->slots[i] - 1].key, key) != 0) i = (i + 1) & mask;
    return &s->slots[i];
}

static lb_status grow_table(lb_items *items) {
    state *s = items->arena;
    if (s->slot_count > 2 * items->count) return LB_OK;
    int64_t count = s->slot_count ? 4 * s->slot_count : FIRST_SLOTS, *slots = lb_calloc((size_t)count, sizeof *slots);
    if (!slots) return LB_E_NOMEM;
    lb_free(s->slots);
    s->slots = slots;
    s->slot_count = count;
    for (int64_t i = 0; i < items->count; i++) *slot_of(items, items->at[i].key) = i + 1;
    return LB_OK;
}

lb_status lbi_items_key(lb_buf *out, const lb_items *items, const char *base) {
    lb_buf_clear(out);
    lb_buf_text(out, base);
    for (int64_t n = 2; !out->failed && lb_items_find(items, lb_buf_str(out)) >= 0; n++) {
        lb_buf_clear(out);
        lb_buf_format(out, "%s:%lld", base, (long long)n);
    }
    return lb_buf_status(out);
}

static lb_status grow_items(lb_items *items) {
    state *s = items->arena;
    if (items->count < s->capacity) return LB_OK;
    int64_t capacity = s->capacity ? 2 * s->capacity : 32;
    lb_item *at = lb_realloc(items->at, (size_t)capacity, sizeof *at);
    if (!at) return LB_E_NOMEM;
    items->at = at;
    const char **origin = lb_realloc(s->origin, (size_t)capacity, sizeof *origin);
    if (!origin) return LB_E_NOMEM;
    s->origin = origin;
    s->capacity = capacity;
    return LB_OK;
}

static void place(char *dst, size_t cap, const char *input, int64_t line) {
    if (line > 0) snprintf(dst, cap, "%s:%lld", input, (long long)line);
    else snprintf(dst, cap, "%s", input);
}

static lb_status equal_keys(const lb_items *items, int64_t first, const lb_item *second) {
    const state *s = items->arena;
    char a[512], b[512];
    place(a, sizeof a, s->origin[first], items->at[first].line);
    place(b, sizeof b, s->input, second->line);
    return lb_fail(LB_E_ARG, "two items have the key '%s': %s and %s", second->key, a, b);
}

/* ---- adding ---- */

void lbi_hash_text(lb_sha256 *h, const char *text, size_t n) {
    uint8_t head[9] = {text != NULL};
    for (int i = 0; i < 8; i++) head[i + 1] = (uint8_t)((uint64_t)n >> (8 * i));
    lb_sha256_add(h, head, sizeof head);
    if (text) lb_sha256_add(h, text, n);
}

static void hash_path(state *s, const char *path) {
    if (path && s->base && strncmp(path, s->base_text, s->base) == 0 && (path[s->base] == '/' || s->base_text[s->base - 1] == '/')) {
        path += s->base;
        while (*path == '/') path++;
    }
    lbi_hash_text(&s->hash, path, path ? strlen(path) : 0);
}

static void hash_item(state *s, const lb_item *item) {
    lbi_hash_text(&s->hash, item->key, strlen(item->key));
    lbi_hash_text(&s->hash, item->text, item->text ? item->text_size : 0);
    hash_path(s, item->image);
    hash_path(s, item->audio);
    hash_path(s, item->video);
    hash_path(s, item->mask);
    lbi_hash_text(&s->hash, item->label, item->label ? strlen(item->label) : 0);
}

/* A list of 100,000 items is held while it is worked on: what the item before said of itself, or this one as its key, is kept once. */
static lb_status keep_texts(lb_items *items, lb_item *own) {
    const state *s = items->arena;
    const lb_item none = {0}, *last = items->count ? &items->at[items->count - 1] : &none;
    char **texts[] = {&own->key, &own->image, &own->audio, &own->video, &own->mask, &own->label, &own->split, &own->domain, &own->group};
    char *const before[] = {NULL, last->image, last->audio, last->video, last->mask, last->label, last->split, last->domain, last->group};
    for (size_t i = 0; i < LB_COUNT(texts); i++) {
        char *text = *texts[i];
        if (!text || is_ours(s, text)) continue;
        if (before[i] && strcmp(text, before[i]) == 0) *texts[i] = before[i];
        else if (i > 0 && strcmp(text, own->key) == 0) *texts[i] = own->key;
        else if (!(*texts[i] = lbi_items_text(items, text, strlen(text)))) return LB_E_NOMEM;
    }
    if (own->text && !is_ours(s, own->text) && !(own->text = lbi_items_text(items, own->text, own->text_size))) return LB_E_NOMEM;
    if (!own->text) own->text_size = 0;
    return LB_OK;
}

static lb_status add(lb_items *items, const lb_item *item) {
    state *s = items->arena;
    lb_status st = LB_OK;
    if (!item->key || !item->key[0]) return lb_fail(LB_E_ARG, "%s: line %lld: an item without a key", s->input, (long long)item->line);
    LB_TRY(grow_table(items));
    LB_TRY(grow_items(items));
    int64_t *slot = slot_of(items, item->key);
    if (*slot) return equal_keys(items, *slot - 1, item);
    lb_item own = *item;
    LB_TRY(keep_texts(items, &own));
    if (own.box_count > 0) {
        float *boxes = lbi_items_alloc(items, (size_t)own.box_count * 4 * sizeof *boxes);
        if (!boxes) return LB_E_NOMEM;
        memcpy(boxes, own.boxes, (size_t)own.box_count * 4 * sizeof *boxes);
        own.boxes = boxes;
    } else own.boxes = NULL;
    hash_item(s, &own);
    s->origin[items->count] = s->input;
    items->at[items->count++] = own;
    *slot = items->count;
done:
    return st;
}

/* ---- files of several pictures ---- */

/* 1 where it cannot be told (the item then fails with its reason when it is decoded) and where the uri names one of them already. */
static int64_t pictures_of(const char *uri) {
    lb_uri u = {0};
    lb_media_info info = {0};
    bool one = lb_uri_parse(&u, uri) == LB_OK && (u.framed || u.kind == LB_URI_ARRAY || u.kind == LB_URI_SLICE);
    lb_uri_free(&u);
    if (one || lb_media_probe(&info, uri) != LB_OK || strcmp(info.kind, "image") != 0) info.frames = 1;
    lb_error_clear();
    return info.frames;
}

/* Masks of as many pictures go along; one mask is that of all. */
static lb_status add_frames(lb_items *items, const lb_item *item) {
    int64_t n = pictures_of(item->image), masks = n > 1 && item->mask ? pictures_of(item->mask) : 1;
    if (n <= 1) return add(items, item);
    if (masks != 1 && masks != n) {
        lb_items_problem(items, "%s: holds %lld pictures, its mask %s %lld; left out", item->image, (long long)n, item->mask, (long long)masks);
        return LB_OK;
    }
    lb_buf key = {0}, image = {0}, mask = {0};
    lb_status st = LB_OK;
    for (int64_t i = 0; i < n && st == LB_OK; i++) {
        lb_item one = *item;
        lb_buf_clear(&key), lb_buf_clear(&image), lb_buf_clear(&mask);
        lb_buf_format(&key, "%s/%03lld", item->key, (long long)i);
        lb_buf_format(&image, "%s#frame=%lld", item->image, (long long)i);
        if (masks == n) lb_buf_format(&mask, "%s#frame=%lld", item->mask, (long long)i);
        if (key.failed || image.failed || mask.failed) st = LB_E_NOMEM;
        one.key = key.data;
        one.image = image.data;
        if (masks == n) one.mask = mask.data;
        if (!one.group) one.group = item->key;
        if (st == LB_OK) st = add(items, &one);
    }
    lb_buf_free(&key);
    lb_buf_free(&image);
    lb_buf_free(&mask);
    return st;
}

lb_status lb_items_add(lb_items *items, const lb_item *item) {
    const state *s = items->arena;
    return s->frames && item->image && item->key ? add_frames(items, item) : add(items, item);
}

void lb_items_problem(lb_items *items, const char *fmt, ...) {
    state *s = items->arena;
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    for (char *p = text; *p; p++)
        if (*p == '\n') *p = ' ';
    if (items->problem_count == s->problem_capacity) {
        int64_t capacity = s->problem_capacity ? 2 * s->problem_capacity : 16;
        char **problems = lb_realloc(items->problems, (size_t)capacity, sizeof *problems);
        if (!problems) goto refused;
        items->problems = problems;
        s->problem_capacity = capacity;
    }
    char *own = lbi_items_text(items, text, strlen(text));
    if (!own) goto refused;
    items->problems[items->problem_count++] = own;
    return;
refused:
    s->failed = true;
}

void lb_items_free(lb_items *items) {
    if (!items) return;
    state *s = items->arena;
    for (struct lb_source *o = items->sources; o; o = o->next) o->close(o->p);
    lb_kept_free(items->kept);
    for (block *b = s ? s->blocks : NULL; b;) {
        block *next = b->next;
        lb_free(b);
        b = next;
    }
    if (s) {
        lb_free(s->slots);
        lb_free(s->origin);
    }
    lb_free(s);
    lb_free(items->at);
    lb_free(items->problems);
    lb_free(items);
}

/* ---- asking ---- */

/* Is `split` one of the words of "a|b"? */
static bool is_chosen(const char *words, const char *split) {
    size_t n = split ? strlen(split) : 0;
    for (const char *p = words; *p;) {
        size_t m = strcspn(p, "|");
        if (split && m == n && strncmp(p, split, n) == 0) return true;
        p += m + (p[m] == '|');
    }
    return false;
}

lb_status lb_items_split(const lb_items *items, const char *split, int64_t **indices, int64_t *count) {
    int64_t *at = lb_alloc((size_t)items->count, sizeof *at), n = 0;
    if (!at) return LB_E_NOMEM;
    for (int64_t i = 0; i < items->count; i++)
        if (!split || !*split || is_chosen(split, items->at[i].split)) at[n++] = i;
    *indices = at;
    *count = n;
    return LB_OK;
}

int64_t lb_items_find(const lb_items *items, const char *key) {
    const state *s = items->arena;
    return s->slot_count ? *slot_of(items, key) - 1 : -1;
}

static const lb_reader *maker(const lb_item *item) { return item->inner ? *(const lb_reader *const *)item->inner : NULL; }

bool lb_item_has_image(const lb_item *item) { return item->image || (maker(item) && maker(item)->image); }

bool lb_item_has_mask(const lb_item *item) { return item->mask || (maker(item) && maker(item)->mask); }

const char *lb_items_missing(const lb_items *items, int64_t i, char *where, size_t cap) {
    const state *s = items->arena;
    const lb_item *item = &items->at[i];
    const char *const files[] = {item->image, item->audio, item->video, item->mask};
    place(where, cap, s->origin[i], item->line);
    for (size_t k = 0; k < LB_COUNT(files); k++)
        if (files[k] && !lb_uri_exists(files[k])) return files[k];
    return NULL;
}

/* Of a list made by hand, which has no state: the defaults. */
static lb_decode_options decoding_of(const lb_items *items) {
    const state *s = items->arena;
    return s ? s->decode : (lb_decode_options){0};
}

lb_status lb_item_image_fit(lb_image *out, const lb_items *items, const lb_item *item, lb_fit *fit) {
    if (item->image) {
        lb_decode_options o = decoding_of(items);
        o.fit = fit;
        if (!fit) o.at_least = 0;
        return lb_uri_rgb(out, item->image, &o, items->kept);
    }
    if (!maker(item) || !maker(item)->image) return lb_fail(LB_E_NOTFOUND, "item %s has no picture", item->key);
    if (fit) fit->width = 0;
    lb_image own = {0};
    lb_status st = maker(item)->image(&own, item);
    if (st == LB_OK) st = lb_image_fit(&own, fit);
    if (st == LB_OK) *out = own;
    else lb_image_free(&own);
    return st;
}

lb_status lb_item_image(lb_image *out, const lb_items *items, const lb_item *item) { return lb_item_image_fit(out, items, item, NULL); }

lb_status lb_item_mask(lb_image *out, const lb_items *items, const lb_item *item) {
    if (!item->mask && maker(item) && maker(item)->mask) return maker(item)->mask(out, item);
    if (!item->mask) return lb_fail(LB_E_NOTFOUND, "item %s has no mask", item->key);
    return lb_uri_labels(out, item->mask, &(lb_decode_options){.keep_orientation = decoding_of(items).keep_orientation}, items->kept);
}

static lb_value *boxes_value(const lb_item *item) {
    lb_value *list = lb_value_list();
    for (int64_t i = 0; i < item->box_count; i++) {
        lb_value *box = lb_value_list();
        for (int k = 0; k < 4; k++) lb_list_real(box, (double)item->boxes[4 * i + k]);
        lb_list_put(list, box);
    }
    return list;
}

lb_value *lb_item_value(const lb_item *item) {
    lb_value *v = lb_value_map();
    lb_map_text(v, "key", item->key);
    const struct {
        const char *name, *text;
    } fields[] = {{"image", item->image}, {"audio", item->audio}, {"video", item->video}, {"mask", item->mask}, {"label", item->label}, {"split", item->split},
                  {"domain", item->domain}, {"group", item->group}};
    for (size_t i = 0; i < LB_COUNT(fields); i++) {
        if (fields[i].text) lb_map_text(v, fields[i].name, fields[i].text);
        if (i == 2 && item->text) lb_map_bytes(v, "text", item->text, item->text_size);
    }
    if (item->box_count) lb_map_put(v, "boxes", boxes_value(item));
    return v;
}
