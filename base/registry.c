/* SPDX-License-Identifier: Apache-2.0 */
#include "base/registry.h"
#include <stdio.h>
#include <string.h>

enum { NAME_MAX_LEN = 63, SHOWN = 3 };

static char fold(char c) {
    return c == '-' ? '_' : c;
}

static bool same_name(const char *a, const char *b) {
    while (*a && fold(*a) == fold(*b)) a++, b++;
    return fold(*a) == fold(*b);
}

const char *lb_public_name(char *dst, size_t cap, const char *id) {
    size_t i = 0;
    for (; id[i] && i + 1 < cap; i++) dst[i] = id[i] == '_' ? '-' : id[i];
    if (cap) dst[i] = 0;
    return dst;
}

int lb_name_distance(const char *a, const char *b) {
    int row[NAME_MAX_LEN + 1];
    int n = (int)strnlen(b, NAME_MAX_LEN), m = (int)strnlen(a, NAME_MAX_LEN);
    for (int j = 0; j <= n; j++) row[j] = j;
    for (int i = 1; i <= m; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int change = diagonal + (fold(a[i - 1]) != fold(b[j - 1]));
            int gap = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            diagonal = row[j];
            row[j] = change < gap ? change : gap;
        }
    }
    return row[n];
}

/* The few best candidates seen so far, nearest first. */
typedef struct nearest {
    const char *names[SHOWN];
    int distance[SHOWN], count;
} nearest;

static bool is_part(const char *part, const char *whole) {
    size_t n = strlen(part);
    if (n < 3) return false;
    for (; *whole; whole++) {
        size_t i = 0;
        while (i < n && whole[i] && fold(part[i]) == fold(whole[i])) i++;
        if (i == n) return true;
    }
    return false;
}

static void consider(nearest *s, const char *name, const char *candidate) {
    int distance = lb_name_distance(name, candidate), limit = 1 + (int)strnlen(name, NAME_MAX_LEN) / 4;
    if (distance > limit) {
        if (!is_part(name, candidate) && !is_part(candidate, name)) return;
        distance += NAME_MAX_LEN;
    }
    int at = s->count < SHOWN ? s->count++ : SHOWN;
    while (at > 0 && distance < s->distance[at - 1]) {
        if (at < SHOWN) {
            s->names[at] = s->names[at - 1];
            s->distance[at] = s->distance[at - 1];
        }
        at--;
    }
    if (at == SHOWN) return;
    s->names[at] = candidate;
    s->distance[at] = distance;
}

static void print_nearest(lb_buf *out, const nearest *s, bool public_names) {
    char name[NAME_MAX_LEN + 1];
    for (int i = 0; i < s->count; i++) {
        lb_buf_text(out, i == 0 ? " (did you mean " : ", ");
        lb_buf_text(out, public_names ? lb_public_name(name, sizeof name, s->names[i]) : s->names[i]);
    }
    if (s->count > 0) lb_buf_text(out, "?)");
}

void lb_nearest(lb_buf *out, const char *name, const char *const *candidates, int count) {
    nearest s = {0};
    for (int i = 0; i < count; i++) consider(&s, name, candidates[i]);
    print_nearest(out, &s, false);
}

const lb_head *lb_family_at(const lb_family *f, const char *name) {
    for (int i = 0; i < f->count; i++)
        if (same_name(f->members[i]->id, name)) return f->members[i];
    return NULL;
}

lb_status lb_family_find(const lb_head **out, const lb_family *f, const char *name) {
    if (!name) return lb_fail(LB_E_ARG, "%s: no name given", f->name);
    const lb_head *found = lb_family_at(f, name);
    if (found) {
        *out = found;
        return LB_OK;
    }
    lb_buf hint = {0};
    nearest s = {0};
    for (int i = 0; i < f->count; i++) consider(&s, name, f->members[i]->id);
    print_nearest(&hint, &s, true);
    lb_status st = lb_fail(LB_E_NOTFOUND, "%s: none is called '%s'%s", f->name, name, lb_buf_str(&hint));
    lb_buf_free(&hint);
    return st;
}

/* Inside a table cell '|' would end the cell. */
static void cell(lb_buf *out, const char *text) {
    lb_buf_text(out, " ");
    for (const char *p = text ? text : ""; *p; p++) {
        if (*p == '|') lb_buf_text(out, "\\");
        lb_buf_add(out, p, 1);
    }
    lb_buf_text(out, " |");
}

static const char *type_word(lb_param_type type) {
    switch (type) {
    case LB_T_F32:
    case LB_T_F64: return "number";
    case LB_T_I32:
    case LB_T_I64: return "integer";
    case LB_T_BOOL: return "true or false";
    case LB_T_TEXT: return "text";
    case LB_T_LIST: return "list";
    case LB_T_END: break;
    }
    return "";
}

static void describe_param(lb_buf *out, const lb_param *p) {
    char text[80] = "";
    bool number = p->type == LB_T_F32 || p->type == LB_T_F64 || p->type == LB_T_I32 || p->type == LB_T_I64;
    lb_buf_format(out, "| `%s` |", p->name);
    cell(out, p->choices ? p->choices : type_word(p->type));
    if (number) snprintf(text, sizeof text, "%g", p->def);
    else if (p->type == LB_T_BOOL) snprintf(text, sizeof text, "%s", p->def != 0 ? "true" : "false");
    cell(out, p->type == LB_T_TEXT ? p->def_text : text);
    text[0] = 0;
    if (number && p->min == LB_ABOVE_0) snprintf(text, sizeof text, "above 0");
    else if (number && p->min > -LB_NO_MAX) snprintf(text, sizeof text, "%g", p->min);
    if (number && p->max < LB_NO_MAX) snprintf(text + strlen(text), sizeof text - strlen(text), " to %g", p->max);
    else if (number && text[0] && p->min != LB_ABOVE_0) strcat(text, " and more");
    cell(out, text);
    cell(out, number ? p->unit : "");
    cell(out, p->text);
    lb_buf_text(out, "\n");
}

void lb_family_describe(const lb_family *f, const lb_head *member, lb_buf *out) {
    char name[NAME_MAX_LEN + 1];
    lb_buf_format(out, "# %s\n\n%s\n", lb_public_name(name, sizeof name, member->id), member->title);
    if (member->source && *member->source) lb_buf_format(out, "\nSource: %s\n", member->source);
    if (member->params && member->params->name) {
        lb_buf_text(out, "\n| parameter | type | default | range | unit | meaning |\n|---|---|---|---|---|---|\n");
        for (const lb_param *p = member->params; p->name; p++) describe_param(out, p);
    }
    if (f->describe) f->describe(member, out);
}
