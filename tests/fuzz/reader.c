/* SPDX-License-Identifier: Apache-2.0 */
/* A reader of lists and archives, LB_FUZZ_ONLY by name, on a file of its kind; then masks and pictures of the first items. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "datasets/reader.h"
#include "io/image.h"
#include "tests/fuzz/target.h"

enum { ITEMS = 20 };

static const char *const endings[][2] = {{"coco", "json"}, {"csv", "csv"}, {"jsonl", "jsonl"}, {"karpathy", "json"}, {"npz", "npz"}, {"tar", "tar"}, {"text", "txt"}};
static char folder[64], path[96];

static void leave(void) {
    unlink(path);
    rmdir(folder);
}

static const char *reader(void) {
    const char *name = getenv("LB_FUZZ_ONLY");
    if (!name) name = "coco";
    if (folder[0]) return name;
    snprintf(folder, sizeof folder, "/tmp/limbeck-fuzz-XXXXXX");
    if (!mkdtemp(folder)) abort();
    for (size_t i = 0; i < LB_COUNT(endings); i++)
        if (strcmp(endings[i][0], name) == 0) snprintf(path, sizeof path, "%s/list.%s", folder, endings[i][1]);
    if (!path[0]) abort();
    atexit(leave);
    return name;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *name = reader(), *input = path;
    lb_items *items = NULL;
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(data, 1, size, f) != size || fclose(f) != 0) abort();
    const lb_reader *r = (const lb_reader *)lb_family_at(&lb_readers, name);
    if (!r) abort();
    if (r->probe(path) < 1) {
        lb_error_clear();
        return 0;
    }
    if (lb_items_open(&items, 1, &input, name, NULL) != LB_OK) return 0;
    for (int64_t i = 0; i < items->count && i < ITEMS; i++) {
        lb_image img = {0};
        if (lb_item_has_mask(&items->at[i]) && lb_item_mask(&img, items, &items->at[i]) == LB_OK) lb_image_free(&img);
        if (lb_item_has_image(&items->at[i]) && lb_item_image(&img, items, &items->at[i]) == LB_OK) lb_image_free(&img);
    }
    lb_items_free(items);
    return 0;
}
