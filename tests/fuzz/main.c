/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over files and folders, each file as it is, cut short, and with single bytes changed: an ordinary test. With a
 * fuzzing engine this file is left out: LLVMFuzzerTestOneInput is its entry. LB_FUZZ_ROUNDS=N changes each file N times (60); LB_FUZZ_SEED=N
 * changes it otherwise. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "tests/fuzz/target.h"

static uint64_t dice = 88172645463325252u;
static int rounds = 60;

static size_t draw(size_t n) { /* Marsaglia's xorshift64 */
    dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17;
    return (size_t)(dice >> 16) % n;
}

static void around(const uint8_t *data, size_t size) {
    LLVMFuzzerTestOneInput(data, size);
    for (int i = 0; i < rounds && size > 0; i++) {
        size_t n = i % 3 == 0 ? draw(size) : size;
        uint8_t *copy = malloc(n ? n : 1); /* of exactly n bytes, so that a sanitizer sees what is read beyond */
        if (!copy) exit(1);
        memcpy(copy, data, n);
        for (size_t k = 0; n && k < (i % 3 == 0 ? 0 : 1 + draw(4)); k++) copy[draw(n)] = (uint8_t)draw(256);
        LLVMFuzzerTestOneInput(copy, n);
        free(copy);
    }
}

static int run_file(const char *path) {
    lb_buf b = {0};
    if (lb_file_read(&b, path, 0) != LB_OK) {
        printf("FAIL %s\n", lb_error_text());
        return 1;
    }
    around((const uint8_t *)lb_buf_str(&b), b.size);
    lb_buf_free(&b);
    return 0;
}

static int run_folder(const char *path, int *count) {
    char **names = NULL;
    int64_t n = 0;
    int failed = 0;
    if (lb_list_files(&names, &n, path) != LB_OK) return 1;
    for (int64_t i = 0; i < n; i++, ++*count) {
        char *file = lb_path_join(path, names[i]);
        failed += !file || run_file(file);
        lb_free(file);
    }
    lb_names_free(names, n);
    return failed;
}

int main(int argc, char **argv) {
    int failed = 0, count = 0;
    if (getenv("LB_FUZZ_ROUNDS")) rounds = atoi(getenv("LB_FUZZ_ROUNDS"));
    if (getenv("LB_FUZZ_SEED")) dice += strtoull(getenv("LB_FUZZ_SEED"), NULL, 10) * 0x9E3779B97F4A7C15u;
    if (dice == 0) dice = 1;
    int64_t live = lb_alloc_live();
    for (int i = 1; i < argc; i++) {
        if (lb_is_folder(argv[i])) failed += run_folder(argv[i], &count);
        else failed += run_file(argv[i]), count++;
    }
    if (lb_alloc_live() != live) {
        printf("FAIL %lld blocks of memory are left\n", (long long)(lb_alloc_live() - live));
        failed++;
    }
    printf("%d passed, %d failed, 0 skipped\n", count - failed, failed);
    return failed || count == 0;
}
