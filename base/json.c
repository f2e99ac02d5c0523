/* SPDX-License-Identifier: Apache-2.0 */
#include <jansson.h>
#include <string.h>
#include "base/file.h"
#include "base/value_make.h"

static lb_value *from_json(const json_t *j);

static lb_value *list_from_json(const json_t *j) {
    lb_value *v = lb_value_list();
    for (size_t i = 0; v && !v->failed && i < json_array_size(j); i++) lb_list_put(v, from_json(json_array_get(j, i)));
    return v;
}

/* The parser has refused equal keys already. */
static lb_value *map_from_json(const json_t *j) {
    lb_value *v = lb_value_map();
    json_t *object = (json_t *)(uintptr_t)j;
    for (void *it = json_object_iter(object); v && !v->failed && it; it = json_object_iter_next(object, it))
        lbi_value_append(v, json_object_iter_key(it), 0, from_json(json_object_iter_value(it)));
    return v;
}

static lb_value *from_json(const json_t *j) {
    lb_value *v = NULL;
    switch (json_typeof(j)) {
    case JSON_NULL: return lbi_value_new(LB_V_NULL);
    case JSON_TRUE:
    case JSON_FALSE:
        v = lbi_value_new(LB_V_BOOL);
        if (v) v->boolean = json_is_true(j);
        return v;
    case JSON_INTEGER:
        v = lbi_value_new(LB_V_INT);
        if (v) v->integer = json_integer_value(j);
        return v;
    case JSON_REAL:
        v = lbi_value_new(LB_V_REAL);
        if (v) v->real = json_real_value(j);
        return v;
    case JSON_STRING: return lbi_value_text(json_string_value(j), json_string_length(j));
    case JSON_ARRAY: return list_from_json(j);
    case JSON_OBJECT: return map_from_json(j);
    }
    return v;
}

/* By jansson, which says what is wrong. */
static lb_status parse_slowly(lb_value **out, const char *text, size_t size, const char *name) {
    json_error_t e;
    json_t *j = json_loadb(text ? text : "", size, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY, &e);
    if (!j) {
        if (json_error_code(&e) == json_error_out_of_memory) return lb_fail(LB_E_NOMEM, "%s: out of memory", name);
        return lb_fail(LB_E_FORMAT, "%s:%d:%d: %s", name, e.line, e.column, e.text);
    }
    lb_value *v = from_json(j);
    json_decref(j);
    if (lbi_value_broken(v)) {
        lb_value_free(v);
        return lb_fail(LB_E_NOMEM, "%s: out of memory", name);
    }
    *out = v;
    return LB_OK;
}

/* A part of a tree that has everything, as a text of its own. */
static lb_status write_part(lb_json_part *part, const lb_value *tree) {
    const lb_value *v = *part->path ? lb_get(tree, part->path) : tree;
    if (!v || (v->kind != LB_V_LIST && v->kind != LB_V_MAP)) return LB_OK;
    lb_status st = lb_json_write(&part->own, v, 0);
    part->text = part->own.data;
    part->size = part->own.size;
    part->count = v->count;
    return st;
}

lb_status lb_json_parse_parts(lb_value **out, const char *text, size_t size, const char *name, int n, lb_json_part *parts) {
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        text += 3;
        size -= 3;
    }
    bool refused = false;
    lb_value *tree = size > 0 ? lbi_json_fast(text, size, n, parts, &refused) : NULL;
    if (refused) return lb_fail(LB_E_NOMEM, "%s: out of memory", name);
    lb_status st = LB_OK;
    if (!tree) {
        for (int i = 0; i < n; i++) parts[i].text = NULL;
        st = parse_slowly(&tree, text, size, name);
        for (int i = 0; i < n && st == LB_OK; i++) st = write_part(&parts[i], tree);
    }
    if (st == LB_OK) *out = tree;
    else lb_value_free(tree);
    return st;
}

void lb_json_parts_free(int n, lb_json_part *parts) {
    for (int i = 0; i < n; i++) lb_buf_free(&parts[i].own);
}

lb_status lb_json_parse(lb_value **out, const char *text, size_t size, const char *name) { return lb_json_parse_parts(out, text, size, name, 0, NULL); }

lb_status lb_json_read(lb_value **out, const char *path) {
    lb_buf text = {0};
    lb_status st = lb_file_read(&text, path, 0);
    if (st == LB_OK) st = lb_json_parse(out, lb_buf_str(&text), text.size, path);
    lb_buf_free(&text);
    return st;
}

static void line_break(lb_buf *out, int indent, int level) {
    static const char spaces[] = "                ";
    if (indent <= 0) return;
    lb_buf_text(out, "\n");
    for (int n = indent * level; n > 0; n -= 16) lb_buf_add(out, spaces, n < 16 ? (size_t)n : 16);
}

static void put(lb_buf *out, const lb_value *v, int indent, int level) {
    bool map = v->kind == LB_V_MAP;
    switch (v->kind) {
    case LB_V_NULL: lb_buf_text(out, "null"); return;
    case LB_V_BOOL: lb_buf_text(out, v->boolean ? "true" : "false"); return;
    case LB_V_INT: lb_buf_format(out, "%lld", (long long)v->integer); return;
    case LB_V_REAL: lbi_put_real(out, v->real); return;
    case LB_V_TEXT: lbi_quote(out, v->text, v->text_size); return;
    case LB_V_LIST:
    case LB_V_MAP: break;
    }
    lb_buf_text(out, map ? "{" : "[");
    for (int64_t i = 0; i < v->count; i++) {
        if (i > 0) lb_buf_text(out, indent > 0 ? "," : ", ");
        line_break(out, indent, level + 1);
        if (map) {
            lbi_quote(out, v->keys[i], strlen(v->keys[i]));
            lb_buf_text(out, ": ");
        }
        put(out, v->items[i], indent, level + 1);
    }
    if (v->count > 0) line_break(out, indent, level);
    lb_buf_text(out, map ? "}" : "]");
}

lb_status lb_json_write(lb_buf *out, const lb_value *v, int indent) {
    if (lbi_value_broken(v)) return lb_fail(LB_E_NOMEM, "out of memory while a value was built");
    put(out, v, indent, 0);
    if (indent > 0) lb_buf_text(out, "\n");
    return lb_buf_status(out);
}
