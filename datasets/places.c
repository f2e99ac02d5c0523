/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "datasets/scan.h"

static bool is_there(const char *folder, const char *name) {
    char *path = lb_path_join(folder, name);
    bool there = path && lb_file_exists(path);
    lb_free(path);
    return there;
}

/* flickr30k-images beside dataset_flickr30k.json: some folder or other holds it. NULL: none does. */
static char *in_any_folder(lb_items *items, const char *folder, const char *name) {
    char **names = NULL, *found = NULL;
    int64_t n = 0;
    if (*name && lb_list_folder(&names, &n, folder) != LB_OK) lb_error_clear();
    for (int64_t i = 0; i < n && !found; i++) {
        char *path = lb_path_join(folder, names[i]);
        if (path && lb_is_folder(path) && is_there(path, name)) found = lbi_items_text(items, path, strlen(path));
        lb_free(path);
    }
    lb_names_free(names, n);
    return found;
}

char *lbi_picture_root(lb_items *items, const char *file, const char *root, const char *name) {
    if (root) return lbi_items_text(items, root, strlen(root));
    static const char *const patterns[] = {"%s", "%s/%s", "%s/images", "%s/images/%s", "%s/../%s", "%s/../images/%s", "%s/../images", "%s/.."};
    char set[128];
    const char *stem = lb_path_name(file), *mark = strrchr(stem, '_');
    snprintf(set, sizeof set, "%s", mark ? mark + 1 : stem);
    set[strcspn(set, ".")] = 0;
    char *folder = lb_path_folder(file), *found = NULL;
    for (size_t i = 0; folder && i < LB_COUNT(patterns) && !found; i++) {
        char path[4096];
        snprintf(path, sizeof path, patterns[i], folder, set);
        if (is_there(path, name)) found = lbi_items_text(items, path, strlen(path));
    }
    if (!found && folder) found = in_any_folder(items, folder, name);
    if (!found && folder) found = lbi_items_text(items, folder, strlen(folder));
    lb_free(folder);
    return found;
}

/* The first of a file's list "images": file_name, or filename within filepath. */
static bool first_picture(lb_items *items, const lb_mmap *m, char *dst, size_t cap) {
    lbi_scan s = lbi_scan_make((const char *)m->data, m->size, "");
    const char *key, *file = NULL, *folder = NULL;
    size_t n;
    bool found = false;
    if (!m->size || !lbi_scan_enter(&s, '{')) return false;
    while (!found && lbi_scan_key(&s, &key, &n))
        if (lbi_scan_is(key, n, "images")) found = true;
        else if (!lbi_scan_value(&s, NULL, NULL)) break;
    if (!found || !lbi_scan_enter(&s, '[') || !lbi_scan_more(&s) || !lbi_scan_enter(&s, '{')) return false;
    while (lbi_scan_key(&s, &key, &n))
        if (lbi_scan_is(key, n, "file_name") || lbi_scan_is(key, n, "filename")) file = lbi_scan_text(&s, items);
        else if (lbi_scan_is(key, n, "filepath")) folder = lbi_scan_text(&s, items);
        else if (!lbi_scan_value(&s, NULL, NULL)) break;
    if (file) snprintf(dst, cap, "%s%s%s", folder ? folder : "", folder && *folder ? "/" : "", file);
    return file && *file;
}

bool lbi_has_pictures(lb_items *items, const char *file, const char *root) {
    char name[1024];
    lb_mmap m = {0};
    if (lb_mmap_open(&m, file) != LB_OK) lb_error_clear();
    const char *folder = first_picture(items, &m, name, sizeof name) ? lbi_picture_root(items, file, root, name) : NULL;
    lb_mmap_close(&m);
    return !folder || is_there(folder, name);
}

bool lbi_is_split(const char *s, size_t n) {
    static const char *const names[] = {"train", "val", "valid", "validation", "dev", "test"};
    for (size_t i = 0; i < LB_COUNT(names); i++)
        if (strlen(names[i]) == n && strncmp(names[i], s, n) == 0) return true;
    return false;
}
