/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "datasets/items_private.h"

static const size_t size_limit = (size_t)16 << 30;

typedef struct options {
    bool keys;
    const char *split;
} options;

static const lb_param params[] = {
    LB_PARAM_FLAG(options, keys, 0, "a line is key<TAB>text"),
    LB_PARAM_TEXT(options, split, NULL, NULL, "split that the items are given"),
    LB_PARAM_END,
};

static int probe(const char *path) {
    const char *kind = lbi_kind_of(path);
    return kind && strcmp(kind, "text") == 0 && lb_file_exists(path) && !lb_is_folder(path) ? 80 : 0;
}

static lb_status add_line(lb_items *items, const char *path, int64_t line, const char *at, size_t n, const options *o) {
    char number[24], *key = NULL;
    lb_item item = {.key = number, .text = (char *)at, .text_size = n, .line = line, .split = (char *)o->split};
    snprintf(number, sizeof number, "line-%06lld", (long long)line);
    if (!lbi_is_utf8(at, n)) {
        lb_items_problem(items, "%s:%lld: is not UTF-8; left out", path, (long long)line);
        return LB_OK;
    }
    if (o->keys) {
        const char *tab = memchr(at, '\t', n);
        size_t m = tab ? (size_t)(tab - at) : 0;
        if (!tab || m == 0 || memchr(at, 0, m)) {
            lb_items_problem(items, "%s:%lld: is not key<TAB>text; left out", path, (long long)line);
            return LB_OK;
        }
        if (!(item.key = key = lb_strndup(at, m))) return LB_E_NOMEM;
        item.text = (char *)tab + 1;
        item.text_size = n - m - 1;
    }
    lb_status st = lb_items_add(items, &item);
    lb_free(key);
    return st;
}

static lb_status read(lb_items *items, const char *path, const void *cfg) {
    lb_status st = LB_OK;
    lb_buf data = {0};
    int64_t line = 0;
    LB_TRY(lb_file_read(&data, path, size_limit));
    const char *at = lb_buf_str(&data);
    size_t left = data.size;
    if (left >= 3 && memcmp(at, "\xEF\xBB\xBF", 3) == 0) at += 3, left -= 3;
    while (left > 0) {
        const char *end = memchr(at, '\n', left);
        size_t n = end ? (size_t)(end - at) : left, used = n + (end != NULL);
        if (n > 0 && at[n - 1] == '\r') n--;
        LB_TRY(add_line(items, path, ++line, at, n, cfg));
        at += used;
        left -= used;
    }
    if (line == 0) lb_items_problem(items, "%s: holds no lines", path);
done:
    lb_buf_free(&data);
    return st;
}

LB_READER(text) = {.id = "text",
                   .title = "a text file, an item a line; keys line-NNNNNN",
                   .source = "",
                   .params = params,
                   .params_size = sizeof(options),
                   .fields = "text split",
                   .probe = probe,
                   .read = read};
