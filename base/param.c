/* SPDX-License-Identifier: Apache-2.0 */
#include "base/param.h"
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "base/number.h"
#include "base/registry.h"
#include "base/value.h"

static void *field(const lb_param *row, void *cfg) {
    return (char *)cfg + row->offset;
}

static const void *field_const(const lb_param *row, const void *cfg) {
    return (const char *)cfg + row->offset;
}

static char fold(char c) {
    return c == '-' ? '_' : c;
}

static bool same_name(const char *a, const char *b) {
    while (*a && fold(*a) == fold(*b)) a++, b++;
    return fold(*a) == fold(*b);
}

static bool is_number(lb_param_type type) {
    return type == LB_T_F32 || type == LB_T_F64 || type == LB_T_I32 || type == LB_T_I64;
}

/* What the row accepts, for messages. Without the heap, since it also serves when memory is short. */
static const char *expected(const lb_param *row, char *dst, size_t cap) {
    const char *word = row->type == LB_T_I32 || row->type == LB_T_I64 ? "a whole number" : "a number";
    bool from = row->min > -LB_NO_MAX, to = row->max < LB_NO_MAX, above = row->min == LB_ABOVE_0;
    if (row->type == LB_T_BOOL) snprintf(dst, cap, "true or false");
    else if (row->type == LB_T_LIST) snprintf(dst, cap, "a list of texts");
    else if (row->type == LB_T_TEXT) snprintf(dst, cap, row->choices ? "one of %s" : "a text", row->choices);
    else if (above && to) snprintf(dst, cap, "%s above 0 up to %.15g", word, row->max);
    else if (above) snprintf(dst, cap, "%s above 0", word);
    else if (from && to) snprintf(dst, cap, "%s from %.15g to %.15g", word, row->min, row->max);
    else if (from) snprintf(dst, cap, "%s of at least %.15g", word, row->min);
    else if (to) snprintf(dst, cap, "%s up to %.15g", word, row->max);
    else snprintf(dst, cap, "%s", word);
    return dst;
}

static lb_status refuse(const lb_param *row, const char *got) {
    char want[256];
    return lb_fail(LB_E_ARG, "%s: '%s' is not %s", row->name, got, expected(row, want, sizeof want));
}

static lb_status refuse_number(const lb_param *row, double got) {
    char text[40];
    lbi_format_real(text, got);
    return refuse(row, text);
}

static lb_status set_int(const lb_param *row, void *cfg, int64_t x) {
    bool fits = row->type == LB_T_I64 || (x >= INT_MIN && x <= INT_MAX);
    if (!fits || (double)x < row->min || (double)x > row->max) {
        char text[40];
        snprintf(text, sizeof text, "%lld", (long long)x);
        return refuse(row, text);
    }
    if (row->type == LB_T_I64) *(int64_t *)field(row, cfg) = x;
    else *(int *)field(row, cfg) = (int)x;
    return LB_OK;
}

static lb_status set_real(const lb_param *row, void *cfg, double x) {
    if (!(x >= row->min && x <= row->max)) return refuse_number(row, x);
    if (row->type == LB_T_F64) {
        *(double *)field(row, cfg) = x;
        return LB_OK;
    }
    /* A double within the range may still leave it as a float: 1e-60 is not above 0 then, 1e60 not finite. */
    if ((fabs(x) > FLT_MAX && !isinf(x)) || (x != 0 && (float)x == 0)) return refuse_number(row, x);
    *(float *)field(row, cfg) = (float)x;
    return LB_OK;
}

lb_status lb_param_set_number(const lb_param *row, void *cfg, double value) {
    switch (row->type) {
    case LB_T_F32:
    case LB_T_F64: return set_real(row, cfg, value);
    case LB_T_I32:
    case LB_T_I64:
        if (!(fabs(value) < 0x1p63) || floor(value) != value) return refuse_number(row, value);
        return set_int(row, cfg, (int64_t)value);
    case LB_T_BOOL:
        if (value != 0 && value != 1) return refuse_number(row, value);
        *(bool *)field(row, cfg) = value != 0;
        return LB_OK;
    case LB_T_TEXT:
    case LB_T_LIST:
    case LB_T_END: break;
    }
    return refuse_number(row, value);
}

static bool is_choice(const char *choices, const char *text) {
    size_t n = strlen(text);
    for (const char *p = choices; p; p = strchr(p, '|') ? strchr(p, '|') + 1 : NULL)
        if (strncmp(p, text, n) == 0 && (p[n] == '|' || p[n] == 0)) return true;
    return false;
}

static lb_status list_add(lb_text_list *list, const char *word) {
    char *copy = lb_strdup(word);
    char **items = copy ? lb_realloc(list->items, (size_t)list->count + 1, sizeof *items) : NULL;
    if (!items) {
        lb_free(copy);
        return LB_E_NOMEM;
    }
    items[list->count++] = copy;
    list->items = items;
    return LB_OK;
}

static void list_free(lb_text_list *list) {
    for (int64_t i = 0; i < list->count; i++) lb_free(list->items[i]);
    lb_free(list->items);
    *list = (lb_text_list){0};
}

/* NULL = none given. The owned string is a const char * to its readers. */
static lb_status replace_text(const lb_param *row, void *cfg, const char *text) {
    char **slot = (char **)field(row, cfg);
    char *copy = text ? lb_strdup(text) : NULL;
    if (text && !copy) return LB_E_NOMEM;
    lb_free(*slot);
    *slot = copy;
    return LB_OK;
}

lb_status lb_param_set_text(const lb_param *row, void *cfg, const char *text) {
    if (row->type == LB_T_LIST) return text ? list_add(field(row, cfg), text) : refuse(row, "null");
    if (row->type != LB_T_TEXT) return refuse(row, text ? text : "null");
    if (text && row->choices && !is_choice(row->choices, text)) return refuse(row, text);
    return replace_text(row, cfg, text);
}

static lb_status set_bool_word(const lb_param *row, void *cfg, const char *word) {
    static const char *const yes[] = {"true", "yes", "on", "1"}, *const no[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < LB_COUNT(yes); i++) {
        bool is_yes = strcmp(word, yes[i]) == 0;
        if (!is_yes && strcmp(word, no[i]) != 0) continue;
        *(bool *)field(row, cfg) = is_yes;
        return LB_OK;
    }
    return refuse(row, word);
}

lb_status lb_param_set_word(const lb_param *row, void *cfg, const char *word) {
    double x;
    int64_t i;
    if (!word) return lb_fail(LB_E_ARG, "%s: no value given", row->name);
    switch (row->type) {
    case LB_T_F32:
    case LB_T_F64: return lbi_parse_real(word, &x) ? set_real(row, cfg, x) : refuse(row, word);
    case LB_T_I32:
    case LB_T_I64:
        if (lbi_parse_int(word, &i)) return set_int(row, cfg, i);
        /* "1e6" is a whole number too. */
        if (lbi_parse_real(word, &x) && fabs(x) < 0x1p53 && floor(x) == x) return set_int(row, cfg, (int64_t)x);
        return refuse(row, word);
    case LB_T_BOOL: return set_bool_word(row, cfg, word);
    case LB_T_TEXT:
    case LB_T_LIST: return lb_param_set_text(row, cfg, word);
    case LB_T_END: break;
    }
    return refuse(row, word);
}

/* Makes cfg safe for lb_params_free. */
static void clear_owned(const lb_param *table, void *cfg) {
    for (const lb_param *p = table; p && p->name; p++) {
        if (p->type == LB_T_TEXT) *(char **)field(p, cfg) = NULL;
        if (p->type == LB_T_LIST) *(lb_text_list *)field(p, cfg) = (lb_text_list){0};
    }
}

lb_status lb_params_default(const lb_param *table, void *cfg) {
    lb_status st = LB_OK;
    clear_owned(table, cfg);
    for (const lb_param *p = table; p && p->name; p++) {
        if (p->type == LB_T_LIST) continue;
        LB_TRY(p->type == LB_T_TEXT ? lb_param_set_text(p, cfg, p->def_text) : lb_param_set_number(p, cfg, p->def));
    }
done:
    if (st != LB_OK) lb_params_free(table, cfg);
    return st;
}

void lb_params_free(const lb_param *table, void *cfg) {
    if (!cfg) return;
    for (const lb_param *p = table; p && p->name; p++) {
        if (p->type == LB_T_TEXT) lb_free(*(char **)field(p, cfg));
        if (p->type == LB_T_LIST) list_free(field(p, cfg));
    }
    clear_owned(table, cfg);
}

const lb_param *lb_param_find(const lb_param *table, const char *name) {
    for (const lb_param *p = table; p && p->name; p++)
        if (same_name(p->name, name)) return p;
    return NULL;
}

static lb_status unknown(const lb_param *table, const char *name) {
    lb_buf hint = {0};
    int count = 0;
    for (const lb_param *p = table; p && p->name; p++) count++;
    const char **names = lb_alloc((size_t)count, sizeof *names);
    if (!names) return LB_E_NOMEM;
    for (int i = 0; i < count; i++) names[i] = table[i].name;
    lb_nearest(&hint, name, names, count);
    lb_status st = lb_fail(LB_E_ARG, "unknown parameter '%s'%s", name, lb_buf_str(&hint));
    lb_buf_free(&hint);
    lb_free(names);
    return st;
}

lb_status lb_param_get(const lb_param **out, const lb_param *table, const char *name) {
    const lb_param *row = lb_param_find(table, name);
    if (!row) return unknown(table, name);
    *out = row;
    return LB_OK;
}

void lb_param_format(const lb_param *row, const void *cfg, lb_buf *out) {
    const void *at = field_const(row, cfg);
    char number[40] = "";
    switch (row->type) {
    case LB_T_F32: lbi_format_float(number, *(const float *)at); break;
    case LB_T_F64: lbi_format_real(number, *(const double *)at); break;
    case LB_T_I32: snprintf(number, sizeof number, "%d", *(const int *)at); break;
    case LB_T_I64: snprintf(number, sizeof number, "%lld", (long long)*(const int64_t *)at); break;
    case LB_T_BOOL: snprintf(number, sizeof number, "%s", *(const bool *)at ? "true" : "false"); break;
    case LB_T_TEXT: lb_buf_text(out, *(char *const *)at ? *(char *const *)at : ""); break;
    case LB_T_LIST: {
        const lb_text_list *list = at;
        for (int64_t i = 0; i < list->count; i++) lb_buf_format(out, "%s%s", i ? " " : "", list->items[i]);
        break;
    }
    case LB_T_END: break;
    }
    lb_buf_text(out, number);
}

static lb_status text_from_scalar(const lb_param *row, void *cfg, const lb_value *v) {
    char text[40];
    switch (v->kind) {
    case LB_V_TEXT:
        if (strlen(v->text) != v->text_size) return lb_fail(LB_E_ARG, "%s: a NUL inside the text", row->name);
        return lb_param_set_text(row, cfg, v->text);
    case LB_V_NULL: return lb_param_set_text(row, cfg, NULL);
    case LB_V_BOOL: return lb_param_set_text(row, cfg, v->boolean ? "true" : "false");
    case LB_V_INT:
        snprintf(text, sizeof text, "%lld", (long long)v->integer);
        return lb_param_set_text(row, cfg, text);
    case LB_V_REAL:
        lbi_format_real(text, v->real);
        return lb_param_set_text(row, cfg, text);
    case LB_V_LIST: return refuse(row, "a list");
    case LB_V_MAP: return refuse(row, "a map");
    }
    return refuse(row, "?");
}

static lb_status list_from_value(const lb_param *row, void *cfg, const lb_value *v) {
    lb_status st = LB_OK;
    list_free(field(row, cfg));
    if (v->kind == LB_V_NULL) return LB_OK;
    if (v->kind != LB_V_LIST) return text_from_scalar(row, cfg, v);
    for (int64_t i = 0; i < v->count; i++) LB_TRY(text_from_scalar(row, cfg, v->items[i]));
done:
    return st;
}

static lb_status number_from_value(const lb_param *row, void *cfg, const lb_value *v) {
    switch (v->kind) {
    case LB_V_INT:
        if (row->type == LB_T_I32 || row->type == LB_T_I64) return set_int(row, cfg, v->integer);
        return lb_param_set_number(row, cfg, (double)v->integer);
    case LB_V_REAL: return lb_param_set_number(row, cfg, v->real);
    case LB_V_BOOL:
        if (is_number(row->type)) return refuse(row, v->boolean ? "true" : "false");
        *(bool *)field(row, cfg) = v->boolean;
        return LB_OK;
    case LB_V_NULL: return refuse(row, "null");
    case LB_V_TEXT: return refuse(row, v->text);
    case LB_V_LIST: return refuse(row, "a list");
    case LB_V_MAP: return refuse(row, "a map");
    }
    return refuse(row, "?");
}

static lb_status set_from_value(const lb_param *table, void *cfg, const char *key, const lb_value *v) {
    const lb_param *row = lb_param_find(table, key);
    if (!row) return unknown(table, key);
    if (row->type == LB_T_TEXT) return text_from_scalar(row, cfg, v);
    if (row->type == LB_T_LIST) return list_from_value(row, cfg, v);
    return number_from_value(row, cfg, v);
}

lb_status lb_params_from_value(const lb_param *table, void *cfg, const lb_value *map) {
    lb_status st = lb_params_default(table, cfg);
    if (st != LB_OK || !map || map->kind == LB_V_NULL) return st;
    if (map->kind != LB_V_MAP) LB_TRY(lb_fail(LB_E_ARG, "expected a map of parameters"));
    for (int64_t i = 0; i < map->count; i++) {
        st = set_from_value(table, cfg, map->keys[i], map->items[i]);
        if (st == LB_E_ARG && map->key_lines[i] > 0) st = lb_where(st, "line %d", map->key_lines[i]);
        if (st != LB_OK) goto done;
    }
done:
    if (st != LB_OK) lb_params_free(table, cfg);
    return st;
}

static void row_to_value(lb_value *map, const lb_param *row, const void *cfg) {
    const void *at = field_const(row, cfg);
    switch (row->type) {
    case LB_T_F32: {
        /* Through its shortest text: 0.1f is to be read as 0.1, not 0.10000000149011612. */
        char text[40];
        double x = (double)*(const float *)at;
        lbi_format_float(text, *(const float *)at);
        lb_map_real(map, row->name, lbi_parse_real(text, &x) ? x : (double)*(const float *)at);
        break;
    }
    case LB_T_F64: lb_map_real(map, row->name, *(const double *)at); break;
    case LB_T_I32: lb_map_int(map, row->name, *(const int *)at); break;
    case LB_T_I64: lb_map_int(map, row->name, *(const int64_t *)at); break;
    case LB_T_BOOL: lb_map_bool(map, row->name, *(const bool *)at); break;
    case LB_T_TEXT: lb_map_text(map, row->name, *(char *const *)at); break;
    case LB_T_LIST: {
        const lb_text_list *list = at;
        lb_value *items = lb_value_list();
        for (int64_t i = 0; i < list->count; i++) lb_list_text(items, list->items[i]);
        lb_map_put(map, row->name, items);
        break;
    }
    case LB_T_END: break;
    }
}

lb_value *lb_params_to_value(const lb_param *table, const void *cfg) {
    lb_value *map = lb_value_map();
    for (const lb_param *p = table; p && p->name; p++) row_to_value(map, p, cfg);
    if (!map || !map->failed) return map;
    lb_value_free(map);
    return NULL;
}
