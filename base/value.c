/* SPDX-License-Identifier: Apache-2.0 */
#include "base/value.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/number.h"
#include "base/registry.h"
#include "base/utf8.h"
#include "base/value_make.h"

lb_value *lbi_value_new(lb_value_kind kind) {
    lb_value *v = lb_calloc(1, sizeof *v);
    if (v) v->kind = kind;
    return v;
}

lb_value *lbi_value_text(const char *text, size_t size) {
    lb_value *v = lbi_value_new(LB_V_TEXT);
    char *copy = v && size < SIZE_MAX ? lb_alloc(size + 1, 1) : NULL;
    if (!copy) {
        lb_free(v);
        return NULL;
    }
    if (size) memcpy(copy, text, size);
    copy[size] = 0;
    v->text = copy;
    v->text_size = size;
    return v;
}

void lb_value_free(lb_value *v) {
    if (!v) return;
    for (int64_t i = 0; i < v->count; i++) {
        lb_value_free(v->items[i]);
        if (v->keys) lb_free(v->keys[i]);
    }
    lb_free(v->items);
    lb_free(v->keys);
    lb_free(v->key_lines);
    lb_free(v->text);
    lb_free(v);
}

lb_value *lb_value_map(void) {
    return lbi_value_new(LB_V_MAP);
}

lb_value *lb_value_list(void) {
    return lbi_value_new(LB_V_LIST);
}

/* The arrays hold 4, 8, 16, ... entries, so their size follows from the count. */
static bool make_room(lb_value *v) {
    if (v->count > 0 && (v->count < 4 || (v->count & (v->count - 1)) != 0)) return true;
    size_t n = v->count > 0 ? 2 * (size_t)v->count : 4;
    lb_value **items = lb_realloc(v->items, n, sizeof *items);
    if (!items) return false;
    v->items = items;
    if (v->kind == LB_V_LIST) return true;
    char **keys = lb_realloc(v->keys, n, sizeof *keys);
    if (!keys) return false;
    v->keys = keys;
    int *lines = lb_realloc(v->key_lines, n, sizeof *lines);
    if (!lines) return false;
    v->key_lines = lines;
    return true;
}

void lbi_value_join(lb_value *container, char *take_key, int key_line, lb_value *take_v) {
    bool ok = container && take_v && container->kind == (take_key ? LB_V_MAP : LB_V_LIST) && make_room(container);
    if (!ok) {
        if (container) container->failed = true;
        lb_free(take_key);
        lb_value_free(take_v);
        return;
    }
    if (take_key) {
        container->keys[container->count] = take_key;
        container->key_lines[container->count] = key_line;
    }
    container->items[container->count++] = take_v;
    container->failed = container->failed || take_v->failed;
}

void lbi_value_append(lb_value *container, const char *key, int key_line, lb_value *take_v) {
    char *copy = key ? lb_strdup(key) : NULL;
    if (!key || copy) {
        lbi_value_join(container, copy, key_line, take_v);
        return;
    }
    if (container) container->failed = true;
    lb_value_free(take_v);
}

lb_value *lb_value_copy(const lb_value *v) {
    if (!v) return NULL;
    lb_value *c = v->kind == LB_V_TEXT ? lbi_value_text(v->text, v->text_size) : lbi_value_new(v->kind);
    if (!c) return NULL;
    c->line = v->line;
    c->boolean = v->boolean;
    c->integer = v->integer;
    c->real = v->real;
    for (int64_t i = 0; i < v->count && !c->failed; i++)
        lbi_value_append(c, v->keys ? v->keys[i] : NULL, v->keys ? v->key_lines[i] : 0, lb_value_copy(v->items[i]));
    if (!c->failed) return c;
    lb_value_free(c);
    return NULL;
}

bool lbi_value_broken(const lb_value *v) {
    if (!v || v->failed) return true;
    for (int64_t i = 0; i < v->count; i++)
        if (lbi_value_broken(v->items[i])) return true;
    return false;
}

static int64_t key_index(const lb_value *map, const char *key, size_t n) {
    for (int64_t i = 0; i < map->count; i++)
        if (strncmp(map->keys[i], key, n) == 0 && map->keys[i][n] == 0) return i;
    return -1;
}

void lb_map_put(lb_value *map, const char *key, lb_value *take_v) {
    int64_t i = map && take_v && map->kind == LB_V_MAP ? key_index(map, key, strlen(key)) : -1;
    if (i < 0) {
        lbi_value_append(map, key, take_v ? take_v->line : 0, take_v);
        return;
    }
    lb_value_free(map->items[i]);
    map->items[i] = take_v;
    map->failed = map->failed || take_v->failed;
}

static lb_value *number(lb_value_kind kind, int64_t integer, double real) {
    lb_value *v = lbi_value_new(kind);
    if (!v) return NULL;
    v->integer = integer;
    v->real = real;
    return v;
}

static lb_value *text_or_null(const char *text) {
    return text ? lbi_value_text(text, strlen(text)) : lbi_value_new(LB_V_NULL);
}

void lb_map_text(lb_value *map, const char *key, const char *text) {
    lb_map_put(map, key, text_or_null(text));
}

void lb_map_bytes(lb_value *map, const char *key, const char *text, size_t size) {
    lb_map_put(map, key, lbi_value_text(text, size));
}

void lb_map_int(lb_value *map, const char *key, int64_t x) {
    lb_map_put(map, key, number(LB_V_INT, x, 0));
}

void lb_map_real(lb_value *map, const char *key, double x) {
    lb_map_put(map, key, number(LB_V_REAL, 0, x));
}

void lb_map_bool(lb_value *map, const char *key, bool x) {
    lb_value *v = lbi_value_new(LB_V_BOOL);
    if (v) v->boolean = x;
    lb_map_put(map, key, v);
}

void lb_list_put(lb_value *list, lb_value *take_v) {
    lbi_value_append(list, NULL, 0, take_v);
}

void lb_list_text(lb_value *list, const char *text) {
    lb_list_put(list, text_or_null(text));
}

void lb_list_int(lb_value *list, int64_t x) {
    lb_list_put(list, number(LB_V_INT, x, 0));
}

void lb_list_real(lb_value *list, double x) {
    lb_list_put(list, number(LB_V_REAL, 0, x));
}

/* The child under the first n bytes of key: a map's key or a list's index. -1 = none; for an index that is no number -2. */
static int64_t child_index(const lb_value *v, const char *key, size_t n) {
    if (v->kind == LB_V_MAP) return key_index(v, key, n);
    int64_t i = 0;
    if (v->kind != LB_V_LIST || n == 0 || n > 9) return -2;
    for (size_t k = 0; k < n; k++) {
        if (key[k] < '0' || key[k] > '9') return -2;
        i = 10 * i + (key[k] - '0');
    }
    return i < v->count ? i : -1;
}

/* A key that itself holds dots wins over a path. */
const lb_value *lb_get(const lb_value *map, const char *path) {
    const lb_value *v = map;
    while (v) {
        int64_t whole = child_index(v, path, strlen(path));
        if (whole >= 0) return v->items[whole];
        size_t n = strcspn(path, ".");
        if (!path[n]) return NULL;
        int64_t i = child_index(v, path, n);
        v = i >= 0 ? v->items[i] : NULL;
        path += n + 1;
    }
    return NULL;
}

const char *lb_get_text(const lb_value *map, const char *path, const char *fallback) {
    const lb_value *v = lb_get(map, path);
    return v && v->kind == LB_V_TEXT ? v->text : fallback;
}

double lb_get_real(const lb_value *map, const char *path, double fallback) {
    const lb_value *v = lb_get(map, path);
    if (v && v->kind == LB_V_INT) return (double)v->integer;
    return v && v->kind == LB_V_REAL ? v->real : fallback;
}

int64_t lb_get_int(const lb_value *map, const char *path, int64_t fallback) {
    const lb_value *v = lb_get(map, path);
    return v && v->kind == LB_V_INT ? v->integer : fallback;
}

bool lb_get_bool(const lb_value *map, const char *path, bool fallback) {
    const lb_value *v = lb_get(map, path);
    return v && v->kind == LB_V_BOOL ? v->boolean : fallback;
}

static bool is_empty(const lb_value *v) {
    return v->kind == LB_V_NULL;
}

/* The map or list in which the last part of the path lives, made if needed; *path moves to that part. */
static lb_status descend(lb_value **v, const char **path) {
    for (size_t n = strcspn(*path, "."); (*path)[n]; n = strcspn(*path, ".")) {
        int64_t i = child_index(*v, *path, n);
        if (i == -2 || (i == -1 && (*v)->kind == LB_V_LIST))
            return lb_fail(LB_E_ARG, "no part '%.*s' in a %s", (int)n, *path,
                           (*v)->kind == LB_V_LIST ? "list of this length" : "single value");
        if (i < 0) {
            char *key = lb_strndup(*path, n);
            if (key) lbi_value_append(*v, key, 0, lb_value_map());
            lb_free(key);
            if (!key || (*v)->failed) return lb_fail(LB_E_NOMEM, "out of memory for a value");
            i = (*v)->count - 1;
        }
        if (is_empty((*v)->items[i])) (*v)->items[i]->kind = LB_V_MAP;
        *v = (*v)->items[i];
        *path += n + 1;
    }
    return LB_OK;
}

static lb_status place(lb_value *v, const char *key, lb_value *take_x) {
    int64_t i = child_index(v, key, strlen(key));
    if (i == -2) {
        lb_value_free(take_x);
        return lb_fail(LB_E_ARG, "no part '%s' in a %s", key, v->kind == LB_V_LIST ? "list" : "single value");
    }
    if (i >= 0) {
        lb_value_free(v->items[i]);
        v->items[i] = take_x;
        return LB_OK;
    }
    if (v->kind == LB_V_LIST && strtoll(key, NULL, 10) != v->count) {
        lb_value_free(take_x);
        return lb_fail(LB_E_ARG, "index %s in a list of %lld", key, (long long)v->count);
    }
    lbi_value_append(v, v->kind == LB_V_MAP ? key : NULL, 0, take_x);
    return v->failed ? lb_fail(LB_E_NOMEM, "out of memory for a value") : LB_OK;
}

static lb_status word_value(lb_value **out, const char *word) {
    if (word[0] && strchr("[{\"'", word[0])) return lb_yaml_parse(out, word, strlen(word), "value");
    *out = lbi_yaml_plain(word, strlen(word));
    return *out ? LB_OK : lb_fail(LB_E_NOMEM, "out of memory for a value");
}

/* The value has no line of its own file. */
static void forget_lines(lb_value *v) {
    v->line = 0;
    for (int64_t i = 0; i < v->count; i++) {
        if (v->key_lines) v->key_lines[i] = 0;
        forget_lines(v->items[i]);
    }
}

lb_status lb_value_set(lb_value *root, const char *path, const char *word) {
    const char *rest = path;
    lb_value *v = root, *x = NULL;
    if (!root || root->kind != LB_V_MAP) return lb_fail(LB_E_ARG, "%s: the root is not a map", path);
    if (!path[0] || path[0] == '.' || path[strlen(path) - 1] == '.' || strstr(path, ".."))
        return lb_fail(LB_E_ARG, "'%s' is not a dotted name", path);
    lb_status st = word_value(&x, word);
    if (st != LB_OK) return lb_where(st, "%s", path);
    forget_lines(x);
    st = descend(&v, &rest);
    if (st == LB_OK) st = place(v, rest, x);
    else lb_value_free(x);
    return st == LB_OK ? st : lb_where(st, "%s", path);
}

lb_status lb_value_only(const lb_value *map, const char *where, const char *const *known) {
    int count = 0;
    if (!map) return LB_OK;
    if (map->kind != LB_V_MAP) return lb_fail(LB_E_ARG, "%s: line %d: expected a map", where, map->line);
    while (known[count]) count++;
    for (int64_t i = 0; i < map->count; i++) {
        int k = 0;
        while (k < count && strcmp(known[k], map->keys[i]) != 0) k++;
        if (k < count) continue;
        lb_buf hint = {0};
        lb_nearest(&hint, map->keys[i], known, count);
        lb_status st = lb_fail(LB_E_ARG, "unknown key '%s'%s", map->keys[i], lb_buf_str(&hint));
        lb_buf_free(&hint);
        if (map->key_lines[i] > 0) st = lb_where(st, "line %d", map->key_lines[i]);
        return lb_where(st, "%s", where);
    }
    return LB_OK;
}

/* ---- comparing ---- */

static bool is_number(const lb_value *v) { return v->kind == LB_V_INT || v->kind == LB_V_REAL; }

static double as_real(const lb_value *v) { return v->kind == LB_V_INT ? (double)v->integer : v->real; }

static bool same_scalar(const lb_value *a, const lb_value *b) {
    if (is_number(a) && is_number(b)) return as_real(a) == as_real(b) && (a->kind != b->kind || a->integer == b->integer);
    if (a->kind != b->kind) return false;
    if (a->kind == LB_V_BOOL) return a->boolean == b->boolean;
    return a->kind == LB_V_NULL || (a->text_size == b->text_size && memcmp(a->text, b->text, a->text_size) == 0);
}

static void say_value(lb_buf *out, const lb_value *v) {
    if (!v) lb_buf_text(out, "nothing");
    else if (lb_json_write(out, v, 0) != LB_OK) lb_error_clear();
}

static const lb_value *child_of(const lb_value *map, const char *key) {
    int64_t i = key_index(map, key, strlen(key));
    return i < 0 ? NULL : map->items[i];
}

/* out holds the path of a and b; given back as it was when they are equal. */
static bool differ(lb_buf *out, const lb_value *a, const lb_value *b) {
    size_t at = out->size;
    bool deep = a && b && a->kind == b->kind && (a->kind == LB_V_MAP || (a->kind == LB_V_LIST && a->count == b->count));
    if (!deep) {
        if (a && b && a->kind < LB_V_LIST && b->kind < LB_V_LIST && same_scalar(a, b)) return false;
        lb_buf_text(out, ": ");
        say_value(out, a);
        lb_buf_text(out, " and ");
        say_value(out, b);
        return true;
    }
    for (int64_t i = 0; i < a->count; i++) {
        if (a->kind == LB_V_MAP) lb_buf_format(out, "%s%s", at ? "." : "", a->keys[i]);
        else lb_buf_format(out, "%s%lld", at ? "." : "", (long long)i);
        if (differ(out, a->items[i], a->kind == LB_V_MAP ? child_of(b, a->keys[i]) : b->items[i])) return true;
        out->size = at;
    }
    for (int64_t i = 0; a->kind == LB_V_MAP && i < b->count; i++) {
        if (child_of(a, b->keys[i])) continue;
        lb_buf_format(out, "%s%s", at ? "." : "", b->keys[i]);
        return differ(out, NULL, b->items[i]);
    }
    return false;
}

bool lb_value_differ(lb_buf *out, const lb_value *a, const lb_value *b) { return differ(out, a, b); }

/* ---- text shared by the writers ---- */

void lbi_quote(lb_buf *out, const char *text, size_t size) {
    static const char special[] = "\b\f\n\r\t\"\\", letter[] = "bfnrt\"\\";
    const unsigned char *p = (const unsigned char *)text, *end = p + size;
    lb_buf_add(out, "\"", 1);
    while (p < end) {
        size_t left = (size_t)(end - p), n = lbi_utf8_size(p, left), used;
        uint32_t c = n ? lbi_utf8_next(p, left, &used) : LBI_NOT_A_CHARACTER;
        const char *found = c > 0 && c < 128 ? strchr(special, (int)c) : NULL;
        if (found) lb_buf_format(out, "\\%c", letter[found - special]);
        else if (n == 0 || c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || c == 0xfeff ||
                 c == 0xfffe || c == 0xffff)
            lb_buf_format(out, "\\u%04x", (unsigned)c);
        else lb_buf_add(out, p, n);
        p += n ? n : 1;
    }
    lb_buf_add(out, "\"", 1);
}

void lbi_put_real(lb_buf *out, double x) {
    char text[40];
    if (!isfinite(x)) {
        lb_buf_text(out, "null");
        return;
    }
    lbi_format_real(text, x);
    size_t n = strcspn(text, "e");
    lb_buf_add(out, text, n);
    if (!strchr(text, '.')) lb_buf_text(out, ".0");
    lb_buf_text(out, text + n);
}
