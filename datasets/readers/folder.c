/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "datasets/items_private.h"

enum { TEXT_LIMIT = 1 << 20 };

typedef struct options {
    bool splits, labels, captions;
} options;

static const lb_param params[] = {
    LB_PARAM_FLAG(options, splits, 1, "top folders all named train, val, valid, validation, dev or test are splits"),
    LB_PARAM_FLAG(options, labels, 1, "the first folder (below the split) is the label"),
    LB_PARAM_FLAG(options, captions, 0, "NAME.txt beside NAME.jpg (or other media) is its text, not an item of its own"),
    LB_PARAM_END,
};

typedef struct job {
    lb_items *items;
    const char *folder;
    const options *o;
    char **names;
    int64_t count;
    bool splits;
} job;

static int probe(const char *path) {
    return lb_is_folder(path) ? 50 : 0;
}

/* All files lie in folders, and all those folders are named as splits. */
static bool has_splits(const job *j) {
    for (int64_t i = 0; i < j->count; i++) {
        const char *slash = strchr(j->names[i], '/');
        if (!slash || !lbi_is_split(j->names[i], (size_t)(slash - j->names[i]))) return false;
    }
    return j->count > 0;
}

static lb_status read_text(lb_buf *out, lb_items *items, const char *path, const char *name, bool *ok) {
    lb_buf_clear(out);
    lb_status st = lb_file_read(out, path, TEXT_LIMIT);
    *ok = st == LB_OK;
    if (st == LB_E_NOMEM) return st;
    if (st != LB_OK) {
        lb_items_problem(items, "%s", lb_error_text());
        lb_error_clear();
        return LB_OK;
    }
    while (out->size > 0 && (out->data[out->size - 1] == '\n' || out->data[out->size - 1] == '\r')) out->data[--out->size] = 0;
    if (!lbi_is_utf8(lb_buf_str(out), out->size)) {
        lb_items_problem(items, "%s: is not UTF-8; left out", name);
        *ok = false;
    }
    return LB_OK;
}

/* Does NAME.<media> stand beside NAME.txt, or the other way round? The list is sorted, so both share all up to the last dot. */
static const char *partner(const job *j, int64_t i, bool want_text) {
    size_t n = strlen(j->names[i]) - strlen(lb_path_ending(j->names[i]));
    for (int step = -1; step <= 1; step += 2)
        for (int64_t k = i + step; k >= 0 && k < j->count && strncmp(j->names[k], j->names[i], n) == 0; k += step) {
            const char *kind = lbi_kind_of(j->names[k]);
            bool same = strlen(j->names[k]) - strlen(lb_path_ending(j->names[k])) == n;
            if (kind && same && (strcmp(kind, "text") == 0) == want_text) return j->names[k];
        }
    return NULL;
}

/* Fills label and split from the relative name; both are new strings. */
static lb_status place(lb_item *item, const job *j, const char *name) {
    const char *slash = strchr(name, '/');
    if (j->splits && slash) {
        if (!(item->split = lb_strndup(name, (size_t)(slash - name)))) return LB_E_NOMEM;
        name = slash + 1;
        slash = strchr(name, '/');
    }
    if (j->o->labels && slash && !(item->label = lb_strndup(name, (size_t)(slash - name)))) return LB_E_NOMEM;
    return LB_OK;
}

static lb_status add(job *j, int64_t i, const char *kind) {
    lb_status st = LB_OK;
    lb_buf text = {0};
    lb_item item = {.key = j->names[i]};
    char *path = lb_path_join(j->folder, j->names[i]), *beside = NULL;
    const char *caption = j->o->captions ? partner(j, i, true) : NULL;
    bool ok = true, is_text = strcmp(kind, "text") == 0;
    if (!path) return LB_E_NOMEM;
    if (is_text) LB_TRY(read_text(&text, j->items, path, j->names[i], &ok));
    else if (caption) {
        if (!(beside = lb_path_join(j->folder, caption))) LB_TRY(LB_E_NOMEM);
        LB_TRY(read_text(&text, j->items, beside, caption, &ok));
    }
    if (!ok && is_text) goto done;
    if (ok && (is_text || caption)) {
        item.text = (char *)lb_buf_str(&text);
        item.text_size = text.size;
    }
    if (strcmp(kind, "image") == 0) item.image = path;
    if (strcmp(kind, "audio") == 0) item.audio = path;
    if (strcmp(kind, "video") == 0) item.video = path;
    LB_TRY(place(&item, j, j->names[i]));
    LB_TRY(lb_items_add(j->items, &item));
done:
    lb_free(item.split);
    lb_free(item.label);
    lb_free(path);
    lb_free(beside);
    lb_buf_free(&text);
    return st;
}

static int by_ending(const void *a, const void *b) {
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    int c = strcmp(lb_path_ending(x), lb_path_ending(y));
    return c ? c : strcmp(x, y);
}

/* One line per unknown ending. */
static void say_unknown(job *j, const char **names, int64_t n) {
    if (n > 0) qsort(names, (size_t)n, sizeof *names, by_ending);
    for (int64_t i = 0; i < n;) {
        int64_t k = i + 1;
        const char *ending = lb_path_ending(names[i]);
        while (k < n && strcmp(lb_path_ending(names[k]), ending) == 0) k++;
        if (k - i == 1) lb_items_problem(j->items, "%s/%s: not media or text by its ending; left out", j->folder, names[i]);
        else lb_items_problem(j->items, "%s: %lld files ending in '%s' are not media or text; left out, the first is %s", j->folder, (long long)(k - i), ending, names[i]);
        i = k;
    }
}

static lb_status read(lb_items *items, const char *path, const void *cfg) {
    lb_status st = LB_OK;
    job j = {.items = items, .folder = path, .o = cfg};
    const char **unknown = NULL;
    int64_t n = 0;
    if (lb_file_exists(path) && !lb_is_folder(path)) return lb_fail(LB_E_ARG, "%s: is a file, reader folder wants a folder", path);
    LB_TRY(lb_list_files(&j.names, &j.count, path));
    LB_TRY(lbi_items_base(items, path));
    j.splits = j.o->splits && has_splits(&j);
    if (!(unknown = lb_alloc((size_t)j.count, sizeof *unknown))) LB_TRY(LB_E_NOMEM);
    for (int64_t i = 0; i < j.count; i++) {
        const char *kind = lbi_kind_of(j.names[i]);
        if (!lbi_is_utf8(j.names[i], strlen(j.names[i]))) lb_items_problem(items, "%s/%s: a name that is not UTF-8 cannot be a key; left out", path, j.names[i]);
        else if (!kind) unknown[n++] = j.names[i];
        else if (!(j.o->captions && strcmp(kind, "text") == 0 && partner(&j, i, false))) LB_TRY(add(&j, i, kind));
    }
    say_unknown(&j, unknown, n);
    if (j.count == 0) lb_items_problem(items, "%s: holds no files", path);
done:
    lb_free(unknown);
    lb_names_free(j.names, j.count);
    return st;
}

LB_READER(folder) = {.id = "folder", .title = "a folder of media and text files, flat or a folder per class", .source = "ImageFolder layout of torchvision: <split>/<class>/<file>", .params = params,
                     .params_size = sizeof(options), .fields = "image audio video text label split", .probe = probe, .read = read};
