/* SPDX-License-Identifier: Apache-2.0 */
/* COCO's folders: annotations/captions_train2017.json and kin, or _annotations.coco.json in each folder of a split. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "datasets/coco.h"

enum { HEAD = 65536, FILES_MOST = 64, SURE = 80 };

static bool has(const char *text, size_t size, const char *word) { return memmem(text, size, word, strlen(word)) != NULL; }

int lbi_coco_sure(const char *path) {
    lb_mmap m = {0};
    int sure = 0;
    if (!lb_ends_with(path, ".json") || !lb_file_exists(path) || lb_is_folder(path)) return 0;
    if (lb_mmap_open(&m, path) != LB_OK) lb_error_clear();
    size_t n = m.size < HEAD ? m.size : HEAD;
    const char *p = (const char *)m.data;
    if (n && has(p, n, "\"images\"")) sure = has(p, n, "\"sentences\"") ? 30 : has(p, n, "\"file_name\"") ? 90 : 50;
    else if (n && has(p, n, "\"annotations\"") && has(p, n, "\"image_id\"")) sure = SURE;
    lb_mmap_close(&m);
    return sure;
}

/* By the name that COCO's own files have, else by what stands at the begin or the end; NULL: lists pictures only. */
static const char *kind_of(const char *path) {
    static const char *const kinds[] = {"captions", "instances", "panoptic", "stuff", "person_keypoints"};
    const char *name = lb_path_name(path), *kind = "instances";
    lb_mmap m = {0};
    for (size_t i = 0; i < LB_COUNT(kinds); i++)
        if (strncmp(name, kinds[i], strlen(kinds[i])) == 0 && name[strlen(kinds[i])] == '_') return kinds[i];
    if (strncmp(name, "image_info_", 11) == 0 || lb_mmap_open(&m, path) != LB_OK) {
        lb_error_clear();
        return NULL;
    }
    size_t n = m.size < HEAD ? m.size : HEAD;
    const char *head = (const char *)m.data, *tail = head + m.size - n;
    if (has(head, n, "\"segments_info\"") || has(tail, n, "\"segments_info\"")) kind = "panoptic";
    else if (has(head, n, "\"caption\"") || has(tail, n, "\"caption\"")) kind = "captions";
    lb_mmap_close(&m);
    return kind;
}

/* "train" of captions_train2017.json, else the folder's name. */
static void find_split(lbi_coco_file *f) {
    char set[32], *folder = lb_path_folder(f->path);
    const char *name = lb_path_name(f->path), *mark = strrchr(name, '_');
    snprintf(set, sizeof set, "%s", mark ? mark + 1 : name);
    size_t n = 0;
    while (isalpha((unsigned char)set[n])) n++;
    const char *from = lbi_is_split(set, n) ? set : folder ? lb_path_name(folder) : "";
    if (from != set) n = strlen(from);
    if (n < sizeof f->split && lbi_is_split(from, n)) snprintf(f->split, sizeof f->split, "%.*s", (int)n, from);
    lb_free(folder);
}

static lb_status look_in(lbi_coco_file *files, int64_t *count, const char *folder) {
    char **names = NULL;
    int64_t n = 0, looked = 0;
    lb_status st = lb_list_folder(&names, &n, folder);
    for (int64_t i = 0; st == LB_OK && i < n && looked < FILES_MOST && *count < FILES_MOST; i++) {
        if (!lb_ends_with(names[i], ".json")) continue;
        looked++;
        lbi_coco_file f = {.path = lb_path_join(folder, names[i])};
        if (!f.path) st = LB_E_NOMEM;
        else if (lbi_coco_sure(f.path) >= SURE && (f.kind = kind_of(f.path))) {
            find_split(&f);
            files[(*count)++] = f;
        } else lb_free(f.path);
    }
    lb_names_free(names, n);
    return st;
}

lb_status lbi_coco_files(lbi_coco_file **out, int64_t *count, const char *folder) {
    static const char *const below[] = {"", "annotations", "train", "val", "valid", "validation", "dev", "test"};
    lbi_coco_file *files = lb_calloc(FILES_MOST, sizeof *files);
    lb_status st = files ? LB_OK : LB_E_NOMEM;
    int64_t n = 0;
    for (size_t i = 0; st == LB_OK && i < LB_COUNT(below); i++) {
        char *path = *below[i] ? lb_path_join(folder, below[i]) : lb_strdup(folder);
        if (!path) st = LB_E_NOMEM;
        else if (lb_is_folder(path)) st = look_in(files, &n, path);
        lb_free(path);
    }
    if (st == LB_OK) *out = files, *count = n;
    else lbi_coco_files_free(files, n);
    return st;
}

void lbi_coco_files_free(lbi_coco_file *files, int64_t count) {
    for (int64_t i = 0; files && i < count; i++) lb_free(files[i].path);
    lb_free(files);
}
