/* SPDX-License-Identifier: Apache-2.0 */
/* Parsers of readers from memory: tables, archives, annotations, runs, arrays. What a file is goes by its first bytes; all that fit are tried. */
#include <string.h>
#include "datasets/scan.h"
#include "datasets/table.h"
#include "io/npz.h"
#include "io/rle.h"
#include "io/tar.h"
#include "tests/fuzz/target.h"

static void table(const char *text, size_t size) {
    lbi_table t = {0};
    if (lbi_table_memory(&t, text, size, "fuzz", 0, true) == LB_OK)
        for (bool end = false; !end;)
            if (lbi_table_next(&t, &end) == LB_E_NOMEM) break;
    lbi_table_close(&t);
}

static void archive(const uint8_t *data, size_t size) {
    lbi_tar t = {.data = data, .size = size};
    lbi_tar_member m;
    volatile uint8_t last = 0;
    for (bool end = false; !end;) {
        lb_status st = lbi_tar_next(&m, &end, &t);
        if (st == LB_OK && !end && m.size) last = data[m.offset + m.size - 1];
        if (st == LB_E_NOMEM) break;
    }
    (void)last;
    lbi_tar_close(&t);
}

static void walk(lbi_scan *s, int depth) {
    const char *key = NULL;
    size_t n = 0;
    char c = lbi_scan_peek(s);
    if (depth < 20 && c == '{' && lbi_scan_enter(s, '{'))
        while (lbi_scan_key(s, &key, &n)) walk(s, depth + 1);
    else if (depth < 20 && c == '[' && lbi_scan_enter(s, '['))
        while (lbi_scan_more(s)) walk(s, depth + 1);
    else if (c == '-' || (c >= '0' && c <= '9')) (void)lbi_scan_number(s);
    else (void)lbi_scan_value(s, &key, &n);
}

static void annotations(const char *text, size_t size) {
    lbi_scan s = lbi_scan_make(text, size, "fuzz");
    walk(&s, 0);
    if (lbi_scan_status(&s) != LB_OK) (void)lbi_scan_line(&s);
}

static void runs(const char *text, size_t size) {
    lb_image map = {0};
    int64_t *counts = NULL, n = 0;
    double xy[32];
    if (size > 4096 || lb_image_new(&map, 19, 23, 1, 8) != LB_OK) return;
    if (lb_rle_unpack(&counts, &n, text, size) == LB_OK && lb_rle_paint(&map, counts, n, 3) != LB_OK) n = 0;
    lb_free(counts);
    for (size_t i = 0; i < 32; i++) xy[i] = i < size ? (double)(int8_t)text[i] * 0.7 : 0;
    if (lb_polygon_paint(&map, xy, size < 32 ? (int64_t)size / 2 : 16, 1) != LB_OK) n = 0;
    lb_image_free(&map);
}

static void arrays(const uint8_t *data, size_t size) {
    static const char *const names[] = {"imgs", "gts", "boxes", "image"};
    lbi_zip z = {0};
    lbi_array a = {0};
    lb_image img = {0};
    if (lbi_array_open(&a, data, size) == LB_OK && lbi_array_picture(&img, &a, -1, true, 1 << 20) == LB_OK) lb_image_free(&img);
    if (lbi_zip_open(&z, data, size) == LB_OK)
        for (size_t i = 0; i < LB_COUNT(names); i++) {
            uint8_t *memory = NULL;
            if (lbi_npz_head(&a, &z, names[i]) != LB_OK) continue;
            if (lbi_npz_read(&a, &memory, &z, names[i], 1 << 22) == LB_OK && lbi_array_picture(&img, &a, a.head.rank > 2 ? 0 : -1, i % 2, 1 << 20) == LB_OK) lb_image_free(&img);
            lb_free(memory);
        }
    lbi_zip_close(&z);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    table(text, size);
    archive(data, size);
    annotations(text, size);
    runs(text, size);
    arrays(data, size);
    return 0;
}
