/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of videos with captions: beside each (NAME.txt, a caption a line) or in one file (captions.json, captions.csv, captions.tsv, captions.txt). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "datasets/table.h"

enum { CAPTION_LIMIT = 1 << 20 };

typedef struct options {
    const char *captions;
    bool splits, labels, first;
} options;

static const lb_param params[] = {
    LB_PARAM_TEXT(options, captions, NULL, NULL, "file of captions, below the folder; none given = captions.json, .csv, .tsv or .txt"),
    LB_PARAM_FLAG(options, splits, 1, "a top folder named train, val, valid, validation, dev or test is a split"),
    LB_PARAM_FLAG(options, labels, 1, "the first folder (below the split) is the label"),
    LB_PARAM_FLAG(options, first, 0, "only the first caption of each video"),
    LB_PARAM_END,
};

typedef struct caption {
    const char *name, *text; /* in the list's memory */
    int64_t order;
} caption;

typedef struct job {
    lb_items *items;
    const options *o;
    const char *folder;
    char **files;
    int64_t file_count;
    caption *at;
    int64_t count, capacity;
    const lbi_table *table;
    lb_buf key;
} job;

static bool is_video(const char *name) {
    const char *kind = lbi_kind_of(name);
    return kind && strcmp(kind, "video") == 0;
}

static int probe(const char *path) {
    char **names = NULL;
    int64_t n = 0, videos = 0, others = 0;
    if (!lb_is_folder(path)) return 0;
    if (lb_list_files(&names, &n, path) != LB_OK) lb_error_clear();
    for (int64_t i = 0; i < n; i++) {
        const char *kind = lbi_kind_of(names[i]);
        videos += is_video(names[i]);
        others += kind && !is_video(names[i]) && strcmp(kind, "text") != 0;
    }
    lb_names_free(names, n);
    return videos > others ? 75 : 0;
}

/* ---- captions in one file ---- */

static lb_status keep(job *j, const char *name, const char *text, size_t size) {
    if (j->count == j->capacity) {
        int64_t capacity = j->capacity ? 2 * j->capacity : 256;
        caption *at = lb_realloc(j->at, (size_t)capacity, sizeof *at);
        if (!at) return LB_E_NOMEM;
        j->at = at;
        j->capacity = capacity;
    }
    caption c = {lbi_items_text(j->items, name, strlen(name)), lbi_items_text(j->items, text, size), j->count};
    if (!c.name || !c.text) return LB_E_NOMEM;
    j->at[j->count++] = c;
    return LB_OK;
}

/* {"name": "text", "name": ["text", ...]} */
static lb_status read_json(job *j, const char *path) {
    lb_value *v = NULL;
    lb_status st = lb_json_read(&v, path);
    if (st == LB_OK && v->kind != LB_V_MAP) st = lb_fail(LB_E_FORMAT, "%s: is no object of names and captions", path);
    for (int64_t i = 0; st == LB_OK && i < v->count; i++) {
        const lb_value *c = v->items[i];
        if (c->kind == LB_V_TEXT) st = keep(j, v->keys[i], c->text, c->text_size);
        for (int64_t k = 0; st == LB_OK && c->kind == LB_V_LIST && k < c->count; k++)
            if (c->items[k]->kind == LB_V_TEXT) st = keep(j, v->keys[i], c->items[k]->text, c->items[k]->text_size);
        if (c->kind != LB_V_TEXT && c->kind != LB_V_LIST) lb_items_problem(j->items, "%s: '%s' has no text; left out", path, v->keys[i]);
    }
    lb_value_free(v);
    return st;
}

/* Two columns: video, text. A first row with such names is a header. */
static lb_status keep_row(void *ctx) {
    job *j = ctx;
    const char *name = lbi_table_field(j->table, 0), *text = lbi_table_field(j->table, 1);
    bool head = j->table->line == 1 && !is_video(name) && (strcmp(text, "caption") == 0 || strcmp(text, "text") == 0 || strcmp(text, "sentence") == 0);
    return !head && *name && *text ? keep(j, name, text, strlen(text)) : LB_OK;
}

static lb_status read_table(job *j, const char *path) {
    lbi_table t = {0};
    lb_status st = lbi_table_open(&t, path, lb_ends_with(path, ".csv") ? 0 : '\t', false);
    j->table = &t;
    if (st == LB_OK) st = lbi_table_each(&t, j->items, keep_row, j);
    lbi_table_close(&t);
    return st;
}

static int by_name(const void *a, const void *b) {
    const caption *x = a, *y = b;
    int order = strcmp(x->name, y->name);
    return order ? order : (x->order > y->order) - (x->order < y->order);
}

static lb_status read_captions(job *j) {
    static const char *const names[] = {"captions.json", "captions.csv", "captions.tsv", "captions.txt"};
    lb_status st = LB_OK;
    for (size_t i = 0; st == LB_OK && i < LB_COUNT(names); i++) {
        char *path = lb_path_join(j->folder, j->o->captions ? j->o->captions : names[i]);
        if (!path) return LB_E_NOMEM;
        bool there = lb_file_exists(path);
        if (there) st = lb_ends_with(path, ".json") ? read_json(j, path) : read_table(j, path);
        else if (j->o->captions) st = lb_fail(LB_E_NOTFOUND, "%s: no such file of captions", path);
        lb_free(path);
        if (there) break;
    }
    if (j->count > 1) qsort(j->at, (size_t)j->count, sizeof *j->at, by_name);
    return st;
}

/* The first caption of that name; NULL when there is none. */
static const caption *find(const job *j, const char *name) {
    int64_t low = 0, high = j->count;
    while (low < high) {
        int64_t mid = (low + high) / 2;
        if (strcmp(j->at[mid].name, name) < 0) low = mid + 1;
        else high = mid;
    }
    return low < j->count && strcmp(j->at[low].name, name) == 0 ? &j->at[low] : NULL;
}

/* By path, last part, and either without its ending. */
static const caption *captions_of(const job *j, const char *name) {
    char stem[4096];
    const char *forms[2] = {name, lb_path_name(name)};
    for (int i = 0; i < 2; i++) {
        const caption *c = find(j, forms[i]);
        snprintf(stem, sizeof stem, "%.*s", (int)(strlen(forms[i]) - strlen(lb_path_ending(forms[i])) - 1), forms[i]);
        if (c || (c = find(j, stem))) return c;
    }
    return NULL;
}

/* ---- items ---- */

static lb_status add(job *j, lb_item *item, const char *text, size_t size) {
    lb_status st = lbi_items_key(&j->key, j->items, item->group);
    if (st != LB_OK) return st;
    lb_item one = *item;
    one.key = j->key.data;
    one.text = (char *)text;
    one.text_size = size;
    return lb_items_add(j->items, &one);
}

/* NAME.txt beside it, a caption a line. */
static lb_status add_beside(job *j, lb_item *item, bool *any) {
    lb_buf text = {0};
    char *path = lb_format_dup("%.*s.txt", (int)(strlen(item->video) - strlen(lb_path_ending(item->video)) - 1), item->video);
    lb_status st = path ? LB_OK : LB_E_NOMEM;
    *any = false;
    if (st == LB_OK && lb_file_exists(path)) {
        st = lb_file_read(&text, path, CAPTION_LIMIT);
        if (st == LB_E_NOMEM) goto done;
        if (st != LB_OK || !lbi_is_utf8(lb_buf_str(&text), text.size)) {
            lb_items_problem(j->items, st == LB_OK ? "%s: is not UTF-8; ignored" : "%s: cannot be read; ignored", path);
            lb_error_clear();
            st = LB_OK;
            goto done;
        }
        const char *at = lb_buf_str(&text);
        for (size_t n; *at && st == LB_OK && !(*any && j->o->first); at += n + (at[n] == '\n')) {
            n = strcspn(at, "\n");
            size_t used = n && at[n - 1] == '\r' ? n - 1 : n;
            if (used) st = add(j, item, at, used), *any = true;
        }
    }
done:
    lb_free(path);
    lb_buf_free(&text);
    return st;
}

static lb_status add_video(job *j, const char *name) {
    lb_status st = LB_OK;
    char *split = NULL, *label = NULL;
    const char *rest = name, *slash = strchr(name, '/');
    lb_item item = {.group = (char *)name, .video = lb_path_join(j->folder, name)};
    bool any = false;
    if (!item.video) return LB_E_NOMEM;
    if (j->o->splits && slash && lbi_is_split(name, (size_t)(slash - name))) {
        if (!(split = lb_strndup(name, (size_t)(slash - name)))) LB_TRY(LB_E_NOMEM);
        rest = slash + 1;
        slash = strchr(rest, '/');
    }
    if (j->o->labels && slash && !(label = lb_strndup(rest, (size_t)(slash - rest)))) LB_TRY(LB_E_NOMEM);
    item.split = split;
    item.label = label;
    const caption *c = captions_of(j, name), *end = j->at + j->count;
    if (c)
        for (const caption *k = c; k < end && strcmp(k->name, c->name) == 0 && !(j->o->first && k > c); k++) LB_TRY(add(j, &item, k->text, strlen(k->text)));
    else LB_TRY(add_beside(j, &item, &any));
    if (!c && !any) LB_TRY(add(j, &item, NULL, 0));
done:
    lb_free(split);
    lb_free(label);
    lb_free(item.video);
    return st;
}

static lb_status read(lb_items *items, const char *path, const void *cfg) {
    job j = {.items = items, .o = cfg, .folder = path};
    lb_status st = LB_OK;
    int64_t videos = 0;
    if (!lb_is_folder(path)) return lb_fail(lb_file_exists(path) ? LB_E_ARG : LB_E_NOTFOUND, "%s: is no folder", path);
    LB_TRY(lbi_items_base(items, path));
    LB_TRY(lb_list_files(&j.files, &j.file_count, path));
    LB_TRY(read_captions(&j));
    for (int64_t i = 0; i < j.file_count; i++) {
        if (!is_video(j.files[i])) continue;
        if (!lbi_is_utf8(j.files[i], strlen(j.files[i]))) lb_items_problem(items, "%s/%s: a name that is not UTF-8 cannot be a key; left out", path, j.files[i]);
        else LB_TRY(add_video(&j, j.files[i]));
        videos++;
    }
    if (videos == 0) lb_items_problem(items, "%s: holds no videos", path);
done:
    lb_names_free(j.files, j.file_count);
    lb_free(j.at);
    lb_buf_free(&j.key);
    return st;
}

LB_READER(video_folder) = {.id = "video_folder",
                           .title = "a folder of videos with captions beside them or in one file",
                           .source = "layouts of MSVD, MSR-VTT and WebVid as they are unpacked",
                           .params = params,
                           .params_size = sizeof(options),
                           .fields = "video text label split group",
                           .probe = probe,
                           .read = read};
