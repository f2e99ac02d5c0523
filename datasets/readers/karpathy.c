/* SPDX-License-Identifier: Apache-2.0 */
/* Karpathy's lists of Flickr8k, Flickr30k and COCO: pictures with their sentences and split. */
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "datasets/scan.h"

enum { HEAD = 65536, LISTS = 64 };

typedef struct options {
    const char *root, *restval;
    bool first;
} options;

static const lb_param params[] = {
    LB_PARAM_TEXT(options, root, NULL, NULL, "folder of the pictures; none given = the usual places around the file"),
    LB_PARAM_TEXT(options, restval, "train", NULL, "split that COCO's \"restval\" becomes"),
    LB_PARAM_FLAG(options, first, 0, "only the first sentence of each picture"),
    LB_PARAM_END,
};

typedef struct job {
    lb_items *items;
    const options *o;
    const char *name, *root;
    lb_buf key;
} job;

static int probe_file(const char *path) {
    lb_mmap m = {0};
    if (!lb_ends_with(path, ".json") || !lb_file_exists(path) || lb_is_folder(path)) return 0;
    if (lb_mmap_open(&m, path) != LB_OK) lb_error_clear();
    size_t n = m.size < HEAD ? m.size : HEAD;
    const char *p = (const char *)m.data;
    bool mine = n && memmem(p, n, "\"images\"", 8) && memmem(p, n, "\"sentences\"", 11) && memmem(p, n, "\"raw\"", 5);
    lb_mmap_close(&m);
    return mine ? 95 : 0;
}

/* The first of the folder's lists whose first picture is there, else the first; NULL: there is none. The others are told, if `items` is given. */
static char *list_in(lb_items *items, const char *folder, const char *root) {
    char **names = NULL, *found = NULL;
    int64_t n = 0, more = 0;
    bool there = false;
    if (lb_list_folder(&names, &n, folder) != LB_OK) lb_error_clear();
    for (int64_t i = 0, looked = 0; i < n && looked < LISTS; i++) {
        char *path = lb_ends_with(names[i], ".json") ? lb_path_join(folder, names[i]) : NULL;
        looked += path != NULL;
        if (path && probe_file(path) > 0) {
            bool better = !found || (items && !there && lbi_has_pictures(items, path, root));
            more += found != NULL;
            if (better) {
                there = items && lbi_has_pictures(items, path, root);
                lb_free(found);
                found = path;
                path = NULL;
            }
        }
        lb_free(path);
    }
    if (more && items) lb_items_problem(items, "%s: read is %s; it holds %lld lists more (give one as input)", folder, found, (long long)more);
    lb_names_free(names, n);
    return found;
}

static int probe(const char *path) {
    if (!lb_is_folder(path)) return probe_file(path);
    char *list = list_in(NULL, path, NULL);
    lb_free(list);
    return list ? 93 : 0;
}

static lb_status add(job *j, const char *file, const char *split, const lb_value *sentence, int64_t line) {
    lb_status st = LB_OK;
    const lb_value *raw = lb_get(sentence, "raw");
    if (!raw || raw->kind != LB_V_TEXT) {
        lb_items_problem(j->items, "%s:%lld: a sentence of '%s' has no raw text; left out", j->name, (long long)line, file);
        return LB_OK;
    }
    char *path = lb_path_join(j->root, file);
    if (!path) return LB_E_NOMEM;
    LB_TRY(lbi_items_key(&j->key, j->items, file));
    lb_item item = {.key = j->key.data, .image = path, .text = raw->text, .text_size = raw->text_size, .split = (char *)split, .group = (char *)file, .line = line};
    LB_TRY(lb_items_add(j->items, &item));
done:
    lb_free(path);
    return st;
}

/* "filepath" (COCO: val2014) before "filename". */
static lb_status add_picture(job *j, const lb_value *v, int64_t line) {
    const char *name = lb_get_text(v, "filename", NULL), *folder = lb_get_text(v, "filepath", NULL), *split = lb_get_text(v, "split", NULL);
    const lb_value *sentences = lb_get(v, "sentences");
    if (!name || !*name || !sentences || sentences->kind != LB_V_LIST || sentences->count == 0) {
        lb_items_problem(j->items, "%s:%lld: a picture without filename or sentences; left out", j->name, (long long)line);
        return LB_OK;
    }
    char *file = folder && *folder ? lb_path_join(folder, name) : lb_strdup(name);
    if (!file) return LB_E_NOMEM;
    lb_status st = LB_OK;
    if (split && strcmp(split, "restval") == 0) split = j->o->restval;
    if (!j->root && !(j->root = lbi_picture_root(j->items, j->name, j->o->root, file))) LB_TRY(LB_E_NOMEM);
    LB_TRY(lbi_items_base(j->items, j->root));
    for (int64_t i = 0; i < sentences->count && !(j->o->first && i > 0); i++) LB_TRY(add(j, file, split, sentences->items[i], line));
done:
    lb_free(file);
    return st;
}

static lb_status walk(job *j, lbi_scan *s) {
    const char *key, *from;
    size_t n;
    bool found = false;
    if (!lbi_scan_enter(s, '{')) return LB_OK;
    while (lbi_scan_key(s, &key, &n)) {
        if (!lbi_scan_is(key, n, "images")) {
            if (!lbi_scan_value(s, NULL, NULL)) break;
            continue;
        }
        found = true;
        if (!lbi_scan_enter(s, '[')) break;
        while (lbi_scan_more(s)) {
            lb_value *v = NULL;
            lbi_scan_peek(s);
            int64_t line = lbi_scan_line(s);
            if (!lbi_scan_value(s, &from, &n)) break;
            lb_status st = lb_json_parse(&v, from, n, j->name);
            if (st == LB_E_NOMEM) return st;
            if (st != LB_OK) {
                lb_items_problem(j->items, "%s:%lld: a picture is damaged; left out", j->name, (long long)line);
                lb_error_clear();
                continue;
            }
            st = add_picture(j, v, line);
            lb_value_free(v);
            if (st != LB_OK) return st;
        }
    }
    return s->fault || found ? LB_OK : lb_fail(LB_E_FORMAT, "%s: holds no list of images", j->name);
}

static lb_status read_list(lb_items *items, const char *path, const options *cfg) {
    job j = {.items = items, .o = cfg, .name = path};
    lb_mmap m = {0};
    lb_status st = lb_mmap_open(&m, path);
    if (st != LB_OK) return st;
    lbi_scan s = lbi_scan_make((const char *)m.data, m.size, path);
    st = walk(&j, &s);
    if (st == LB_OK && s.fault) { /* what was read until there is whole */
        st = lbi_scan_status(&s);
        lb_items_problem(items, "%s; what comes after it is left out", lb_error_text());
        if (items->count > 0) st = LB_OK, lb_error_clear();
    }
    lb_mmap_close(&m);
    lb_buf_free(&j.key);
    return st;
}

static lb_status read(lb_items *items, const char *path, const void *cfg) {
    const options *o = cfg;
    if (!lb_is_folder(path)) return read_list(items, path, o);
    char *list = list_in(items, path, o->root);
    lb_status st = list ? read_list(items, list, o) : lb_fail(LB_E_NOTFOUND, "%s: holds no list of Karpathy's (dataset*.json)", path);
    lb_free(list);
    return st;
}

LB_READER(karpathy) = {.id = "karpathy",
                       .title = "Karpathy's lists of Flickr8k, Flickr30k and COCO: an item a sentence, with splits",
                       .source = "cs.stanford.edu/people/karpathy/deepimagesent: dataset.json, dataset_coco.json",
                       .params = params,
                       .params_size = sizeof(options),
                       .fields = "image text split group",
                       .probe = probe,
                       .read = read};
