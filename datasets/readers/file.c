/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "base/file.h"
#include "datasets/items_private.h"
#include "io/decoder.h"

/* What the bytes say, for names that say nothing. */
static const char *kind_by_bytes(const char *path) {
    lb_mmap m = {0};
    const lb_decoder *d = NULL;
    const char *kind = NULL;
    if (lb_is_folder(path)) return NULL;
    if (lb_mmap_open(&m, path) == LB_OK && lb_decoder_for(&d, m.data, m.size, path) == LB_OK) kind = d->kind;
    else lb_error_clear();
    lb_mmap_close(&m);
    return kind;
}

static int probe(const char *path) {
    const char *kind = lbi_kind_of(path);
    if (!lb_file_exists(path) || lb_is_folder(path)) return 0;
    if (kind) return strcmp(kind, "text") == 0 ? 0 : 60;
    return kind_by_bytes(path) ? 40 : 0;
}

static lb_status read(lb_items *items, const char *path, const void *cfg) {
    (void)cfg;
    const char *kind = lbi_kind_of(path);
    if (!lb_file_exists(path)) return lb_fail(LB_E_NOTFOUND, "%s: no such file", path);
    if (lb_is_folder(path)) return lb_fail(LB_E_ARG, "%s: is a folder, reader file wants a media file", path);
    if (!kind || strcmp(kind, "text") == 0) kind = kind_by_bytes(path);
    if (!kind) return lb_fail(LB_E_UNSUPPORTED, "%s: is no picture, video or sound that Limbeck knows", path);
    if (!lbi_is_utf8(path, strlen(path))) return lb_fail(LB_E_FORMAT, "%s: a name that is not UTF-8 cannot be a key", path);
    lb_item item = {.key = (char *)path};
    *(strcmp(kind, "video") == 0 ? &item.video : strcmp(kind, "audio") == 0 ? &item.audio : &item.image) = (char *)path; /* a volume: its slices */
    return lb_items_add(items, &item);
}

LB_READER(file) = {.id = "file", .title = "one picture, volume, video or sound; its key is its path as written", .source = "", .fields = "image audio video", .probe = probe, .read = read};
