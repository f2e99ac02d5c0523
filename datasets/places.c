/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "datasets/items_private.h"

static bool is_there(const char *folder, const char *name) {
    char *path = lb_path_join(folder, name);
    bool there = path && lb_file_exists(path);
    lb_free(path);
    return there;
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
    if (!found && folder) found = lbi_items_text(items, folder, strlen(folder));
    lb_free(folder);
    return found;
}

bool lbi_is_split(const char *s, size_t n) {
    static const char *const names[] = {"train", "val", "valid", "validation", "dev", "test"};
    for (size_t i = 0; i < LB_COUNT(names); i++)
        if (strlen(names[i]) == n && strncmp(names[i], s, n) == 0) return true;
    return false;
}
