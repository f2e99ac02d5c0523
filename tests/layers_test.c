/* SPDX-License-Identifier: Apache-2.0 */
/* The tree: the direction of dependencies, every #include "folder/file.h" against tests/layers.txt; and its size. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "tests/check.h"

static lb_buf rules;

static bool word_in(const char *line, const char *word) {
    size_t n = strlen(word);
    for (const char *p = strstr(line, word); p; p = strstr(p + 1, word))
        if (p > line && p[-1] == ' ' && (p[n] == ' ' || p[n] == 0)) return true;
    return false;
}

/* The line of a folder, without its name; NULL for a folder without rules. */
static const char *rule_of(const char *folder, char *dst, size_t cap) {
    char head[64];
    snprintf(head, sizeof head, "\n%s:", folder);
    const char *at = strstr(lb_buf_str(&rules), head);
    if (!at) return NULL;
    at += strlen(head);
    snprintf(dst, cap, "%.*s", (int)strcspn(at, "\n"), at);
    return dst;
}

static void check_line(const char *folder, const char *rule, const char *path, int number, const char *line) {
    const char *at = strstr(line, "#include \"");
    if (!at || at != line) return;
    char header[128], from[64];
    snprintf(header, sizeof header, "%.*s", (int)strcspn(at + 10, "\""), at + 10);
    const char *slash = strchr(header, '/');
    if (!slash) {
        if (strcmp(header, "lb_version.h") != 0) check_true(false, path, number, "includes are written \"folder/file.h\"");
        return;
    }
    snprintf(from, sizeof from, "%.*s", (int)(slash - header), header);
    if (strcmp(from, folder) == 0 || word_in(rule, from) || word_in(rule, header)) return;
    char text[256];
    snprintf(text, sizeof text, "%s may not include %s (tests/layers.txt)", folder, header);
    check_true(false, path, number, text);
}

static void check_file(const char *root, const char *folder, const char *rule, const char *name) {
    if (!lb_ends_with(name, ".c") && !lb_ends_with(name, ".h") && !lb_ends_with(name, ".inc")) return;
    char path[512];
    snprintf(path, sizeof path, "%s/%s/%s", root, folder, name);
    lb_buf text = {0};
    if (CHECK_OK(lb_file_read(&text, path, 0))) {
        CHECK_HAS(lb_buf_str(&text), "SPDX-License-Identifier: Apache-2.0");
        int number = 0;
        for (char *line = text.data; line; ) {
            char *end = strchr(line, '\n');
            if (end) *end = 0;
            check_line(folder, rule, path, ++number, line);
            line = end ? end + 1 : NULL;
        }
    }
    lb_buf_free(&text);
}

/* What a clone brings along: tests/data, 20 MB in all. */
static void check_size(const char *root) {
    enum { MOST = 20000000 };
    char path[512];
    char **names = NULL;
    int64_t count = 0, all = 0;
    snprintf(path, sizeof path, "%s/tests/data", root);
    if (CHECK_OK(lb_list_files(&names, &count, path)))
        for (int64_t i = 0; i < count; i++) {
            char *file = lb_path_join(path, names[i]);
            int64_t size = 0;
            if (CHECK(file) && CHECK_OK(lb_file_size(&size, file)) && !strstr(names[i], "__pycache__")) all += size;
            lb_free(file);
        }
    printf("  tests/data: %lld files, %.2f MB\n", (long long)count, (double)all / 1e6);
    CHECK(count > 100 && all < MOST); /* tests/data/pack.py */
    lb_names_free(names, count);
}

int main(int argc, char **argv) {
    const char *root = getenv("LB_SOURCE") ? getenv("LB_SOURCE") : ".";
    static const char *const folders[] = {"base", "tensor", "nn", "io", "onnx", "vision", "text", "audio", "fusion", "distill", "datasets", "eval", "cli"};
    char path[512], rule[512];
    static const check_test none[] = {{0}};
    snprintf(path, sizeof path, "%s/tests/layers.txt", root);
    if (lb_file_read(&rules, path, 0) != LB_OK) {
        fprintf(stderr, "%s\n", lb_error_text());
        return 1;
    }
    for (size_t i = 0; i < LB_COUNT(folders); i++) {
        check_begin("layers %s", folders[i]);
        char **names = NULL;
        int64_t count = 0;
        snprintf(path, sizeof path, "%s/%s", root, folders[i]);
        if (CHECK(rule_of(folders[i], rule, sizeof rule) != NULL) && lb_is_folder(path) && CHECK_OK(lb_list_files(&names, &count, path)))
            for (int64_t k = 0; k < count; k++) check_file(root, folders[i], rule, names[k]);
        lb_names_free(names, count);
        check_end();
    }
    check_begin("size of tests/data");
    check_size(root);
    check_end();
    lb_buf_free(&rules);
    return check_main(argc, argv, "layers", none);
}
