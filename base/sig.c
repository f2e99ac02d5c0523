/* SPDX-License-Identifier: Apache-2.0 */
#include "base/sig.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/registry.h"

enum { WORD = 24, MAX_NAMES = 64, MAX_LETTERS = 48 };

/* times * letter + plus; letter "" = the number plus; "*" = any size. */
typedef struct dim {
    char letter[WORD];
    int64_t times, plus;
} dim;

typedef struct item {
    char *name;
    bool optional, any_shape, lead, many; /* any_shape: no bracket; lead: '...' first; many: a '*' in the name */
    lb_sig_type type;
    int rank;
    dim dims[LB_MAX_RANK];
} item;

typedef struct side {
    item *items;
    int count;
} side;

struct lb_sig {
    side in, out;
};

/* ---- parsing ---- */

typedef struct parser {
    const char *text, *p;
} parser;

static lb_status wrong(const parser *r, const char *what) {
    return lb_fail(LB_E_FORMAT, "signature '%s': %s at character %d", r->text, what, (int)(r->p - r->text) + 1);
}

static void skip_space(parser *r) {
    while (*r->p == ' ' || *r->p == '\n' || *r->p == '\t') r->p++;
}

static bool take(parser *r, const char *what) {
    size_t n = strlen(what);
    if (strncmp(r->p, what, n) != 0) return false;
    r->p += n;
    return true;
}

static lb_status take_number(parser *r, int64_t *out) {
    int64_t x = 0;
    if (!isdigit((unsigned char)*r->p)) return wrong(r, "expected a number");
    for (; isdigit((unsigned char)*r->p); r->p++) {
        x = 10 * x + (*r->p - '0');
        if (x > INT32_MAX) return wrong(r, "number too large");
    }
    *out = x;
    return LB_OK;
}

static lb_status take_letter(parser *r, dim *d) {
    int n = 0;
    while (isalnum((unsigned char)*r->p) || *r->p == '_') {
        if (n == WORD - 1) return wrong(r, "word too long");
        d->letter[n++] = *r->p++;
    }
    return LB_OK;
}

static lb_status parse_dim(parser *r, dim *d) {
    lb_status st = LB_OK;
    *d = (dim){.times = 1};
    if (take(r, "*")) {
        d->letter[0] = '*';
        return LB_OK;
    }
    bool number = isdigit((unsigned char)*r->p);
    if (number) LB_TRY(take_number(r, &d->times));
    if (isalpha((unsigned char)*r->p) || *r->p == '_') {
        if (d->times == 0) return wrong(r, "0 times a letter");
        LB_TRY(take_letter(r, d));
    } else if (number) {
        d->plus = d->times;
        return LB_OK;
    } else {
        return wrong(r, "expected a dimension");
    }
    if (*r->p == '+' || *r->p == '-') {
        int64_t sign = *r->p++ == '+' ? 1 : -1;
        LB_TRY(take_number(r, &d->plus));
        d->plus *= sign;
    }
done:
    return st;
}

static lb_status parse_dims(parser *r, item *it) {
    lb_status st = LB_OK;
    skip_space(r);
    if (take(r, "]")) return LB_OK;
    for (bool first = true;; first = false) {
        skip_space(r);
        if (first && take(r, "...")) {
            it->lead = true;
        } else {
            if (it->rank == LB_MAX_RANK) return wrong(r, "too many dimensions");
            LB_TRY(parse_dim(r, &it->dims[it->rank]));
            it->rank++;
        }
        skip_space(r);
        if (take(r, "]")) return LB_OK;
        if (!take(r, ",")) return wrong(r, "expected ',' or ']'");
    }
done:
    return st;
}

static bool is_name_char(char c) {
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '*' || c == '-' || c == '/';
}

/* '*' stands for a number. */
static lb_status check_stars(const parser *r, item *it) {
    for (const char *p = strchr(it->name, '*'); p; p = strchr(p + 1, '*')) {
        if (p == it->name || p[1] == '*' || isdigit((unsigned char)p[-1]) || isdigit((unsigned char)p[1])) return wrong(r, "'*' at the beginning of a name or beside another number");
        it->many = true;
    }
    return LB_OK;
}

static lb_status parse_item(parser *r, item *it) {
    lb_status st = LB_OK;
    const char *from = r->p;
    while (is_name_char(*r->p) && strncmp(r->p, "->", 2) != 0) r->p++;
    if (r->p == from) return wrong(r, "expected a name");
    it->name = lb_strndup(from, (size_t)(r->p - from));
    if (!it->name) return LB_E_NOMEM;
    LB_TRY(check_stars(r, it));
    it->any_shape = !take(r, "[");
    if (!it->any_shape) LB_TRY(parse_dims(r, it));
    if (take(r, ":")) {
        if (take(r, "i64")) it->type = LB_SIG_I64;
        else if (take(r, "u8")) it->type = LB_SIG_U8;
        else if (!take(r, "f32")) return wrong(r, "expected f32, i64 or u8");
    }
    it->optional = take(r, "?");
    if (*r->p && !isspace((unsigned char)*r->p)) return wrong(r, "expected a space");
done:
    return st;
}

static lb_status parse_side(parser *r, side *s) {
    lb_status st = LB_OK;
    s->items = lb_calloc(MAX_NAMES, sizeof *s->items);
    if (!s->items) return LB_E_NOMEM;
    for (skip_space(r); *r->p && strncmp(r->p, "->", 2) != 0; skip_space(r)) {
        if (s->count == MAX_NAMES) return wrong(r, "too many names");
        LB_TRY(parse_item(r, &s->items[s->count++]));
        for (int i = 0; i + 1 < s->count; i++)
            if (strcmp(s->items[i].name, s->items[s->count - 1].name) == 0) return wrong(r, "name given twice");
    }
done:
    return st;
}

lb_status lb_sig_parse(lb_sig **out, const char *text) {
    lb_status st = LB_OK;
    parser r = {text, text};
    lb_sig *s = lb_calloc(1, sizeof *s);
    if (!s) return LB_E_NOMEM;
    LB_TRY(parse_side(&r, &s->in));
    if (take(&r, "->")) {
        LB_TRY(parse_side(&r, &s->out));
        if (*r.p) LB_TRY(wrong(&r, "second '->'"));
    }
    *out = s;
    s = NULL;
done:
    lb_sig_free(s);
    return st;
}

static void free_side(side *s) {
    for (int i = 0; i < s->count; i++) lb_free(s->items[i].name);
    lb_free(s->items);
}

void lb_sig_free(lb_sig *s) {
    if (!s) return;
    free_side(&s->in);
    free_side(&s->out);
    lb_free(s);
}

/* ---- reading ---- */

int lb_sig_inputs(const lb_sig *s) {
    return s->in.count;
}

int lb_sig_outputs(const lb_sig *s) {
    return s->out.count;
}

const char *lb_sig_input_name(const lb_sig *s, int i) {
    return s->in.items[i].name;
}

const char *lb_sig_output_name(const lb_sig *s, int i) {
    return s->out.items[i].name;
}

bool lb_sig_input_optional(const lb_sig *s, int i) {
    return s->in.items[i].optional;
}

lb_sig_type lb_sig_input_type(const lb_sig *s, int i) {
    return s->in.items[i].type;
}

lb_sig_type lb_sig_output_type(const lb_sig *s, int i) {
    return s->out.items[i].type;
}

void lb_sig_item_at(const lb_sig *s, bool output, int i, lb_sig_item *out) {
    const item *it = output ? &s->out.items[i] : &s->in.items[i];
    *out = (lb_sig_item){it->type, it->optional, it->any_shape, it->lead, it->rank, {{NULL, 0, 0}}};
    for (int k = 0; k < it->rank; k++) {
        out->dims[k].letter = it->dims[k].letter;
        out->dims[k].times = it->dims[k].times;
        out->dims[k].plus = it->dims[k].plus;
    }
}

/* The number that stands where the pattern's first '*' is goes to *index (-1 = the pattern has none). */
static bool covers(const char *pattern, const char *name, int64_t *index) {
    *index = -1;
    while (*pattern) {
        if (*pattern != '*') {
            if (*pattern++ != *name++) return false;
            continue;
        }
        int64_t x = 0;
        const char *from = name;
        for (; isdigit((unsigned char)*name); name++) {
            if (name - from == 9) return false;
            x = 10 * x + (*name - '0');
        }
        if (name == from || (*from == '0' && name - from > 1)) return false;
        if (*index < 0) *index = x;
        pattern++;
    }
    return *name == 0;
}

static int find(const side *s, const char *name) {
    int64_t index;
    for (int i = 0; i < s->count; i++)
        if (strcmp(s->items[i].name, name) == 0) return i;
    for (int i = 0; i < s->count; i++)
        if (s->items[i].many && covers(s->items[i].name, name, &index)) return i;
    return -1;
}

bool lb_sig_input_matches(const lb_sig *s, int i, const char *name) {
    return find(&s->in, name) == i;
}

int lb_sig_input_find(const lb_sig *s, const char *name) {
    return find(&s->in, name);
}

int lb_sig_output_find(const lb_sig *s, const char *name) {
    return find(&s->out, name);
}

/* ---- letters ---- */

void lb_sig_dims_init(lb_sig_dims *d) {
    d->count = 0;
    d->lead_rank = -1;
}

static bool bind(lb_sig_dims *d, const char *letter, int64_t value) {
    int i = 0;
    while (i < d->count && strcmp(d->at[i].name, letter) != 0) i++;
    if (i == MAX_LETTERS || strlen(letter) >= WORD) return false;
    if (i == d->count) {
        memcpy(d->at[i].name, letter, strlen(letter) + 1);
        d->count++;
    }
    d->at[i].value = value;
    return true;
}

void lb_sig_dims_set(lb_sig_dims *d, const char *letter, int64_t value) {
    bool kept = bind(d, letter, value);
    (void)kept;
}

bool lb_sig_dims_get(const lb_sig_dims *d, const char *letter, int64_t *value) {
    for (int i = 0; i < d->count; i++) {
        if (strcmp(d->at[i].name, letter) != 0) continue;
        *value = d->at[i].value;
        return true;
    }
    return false;
}

/* ---- messages: built in fixed strings, cut when too long ---- */

typedef struct line {
    char text[400];
    size_t size;
} line;

static void put(line *l, const char *fmt, ...) LB_PRINTF(2, 3);
static void put(line *l, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(l->text + l->size, sizeof l->text - l->size, fmt, args);
    va_end(args);
    if (n > 0) l->size += (size_t)n;
    if (l->size >= sizeof l->text) l->size = sizeof l->text - 1;
}

static const char *type_name(lb_sig_type type) {
    switch (type) {
    case LB_SIG_F32: return "f32";
    case LB_SIG_I64: return "i64";
    case LB_SIG_U8: return "u8";
    }
    return "?";
}

static const char *put_shape(line *l, int rank, const int64_t *shape) {
    put(l, "[");
    for (int i = 0; i < rank; i++) put(l, "%s%lld", i ? "," : "", (long long)shape[i]);
    put(l, "]");
    return l->text;
}

static void put_dim(line *l, const dim *d) {
    if (!d->letter[0]) {
        put(l, "%lld", (long long)d->plus);
        return;
    }
    if (d->times != 1) put(l, "%lld", (long long)d->times);
    put(l, "%s", d->letter);
    if (d->plus != 0) put(l, "%+lld", (long long)d->plus);
}

/* "[N,3D] with N=4", so that the reader sees what was bound before. */
static const char *put_expected(line *l, const item *it, const lb_sig_dims *dims) {
    int64_t value;
    const char *with = " with ";
    if (it->any_shape) put(l, "any shape");
    else put(l, "[%s", it->lead ? "..." : "");
    for (int i = 0; i < it->rank; i++) {
        if (i || it->lead) put(l, ",");
        put_dim(l, &it->dims[i]);
    }
    if (!it->any_shape) put(l, "]");
    if (it->lead && dims->lead_rank >= 0) {
        put(l, "%s...=", with);
        put_shape(l, dims->lead_rank, dims->lead);
        with = " ";
    }
    for (int i = 0; i < it->rank; i++) {
        bool again = false;
        for (int j = 0; j < i; j++) again = again || strcmp(it->dims[i].letter, it->dims[j].letter) == 0;
        if (again || !lb_sig_dims_get(dims, it->dims[i].letter, &value)) continue;
        put(l, "%s%s=%lld", with, it->dims[i].letter, (long long)value);
        with = " ";
    }
    return l->text;
}

/* ---- matching ---- */

static bool fits_dim(const dim *d, lb_sig_dims *dims, int64_t size) {
    int64_t value, product;
    if (d->letter[0] == '*') return true;
    if (!d->letter[0]) return size == d->plus;
    if (lb_sig_dims_get(dims, d->letter, &value))
        return lb_mul_i64(&product, d->times, value) && product <= INT64_MAX - INT32_MAX && product + d->plus == size;
    int64_t rest = size - d->plus;
    return rest >= 0 && rest % d->times == 0 && bind(dims, d->letter, rest / d->times);
}

static bool fits(const item *it, lb_sig_dims *dims, const lb_sig_shape *x) {
    if (it->any_shape) return true;
    int lead = x->rank - it->rank;
    if (lead < 0 || (lead > 0 && !it->lead)) return false;
    if (it->lead && dims->lead_rank < 0) {
        dims->lead_rank = lead;
        for (int i = 0; i < lead; i++) dims->lead[i] = x->shape[i];
    }
    if (it->lead && dims->lead_rank != lead) return false;
    for (int i = 0; i < lead; i++)
        if (dims->lead[i] != x->shape[i]) return false;
    for (int i = 0; i < it->rank; i++)
        if (!fits_dim(&it->dims[i], dims, x->shape[lead + i])) return false;
    return true;
}

static lb_status check(const item *it, lb_sig_dims *dims, const lb_sig_shape *x) {
    line got = {0}, want = {0};
    if (x->rank < 0 || x->rank > LB_MAX_RANK)
        return lb_fail(LB_E_ARG, "%s: rank %d is outside 0 to %d", x->name, x->rank, LB_MAX_RANK);
    if (x->type != it->type)
        return lb_fail(LB_E_SHAPE, "%s is %s, expected %s", x->name, type_name(x->type), type_name(it->type));
    lb_sig_dims before = *dims;
    if (fits(it, dims, x)) return LB_OK;
    return lb_fail(LB_E_SHAPE, "%s is %s, expected %s", x->name, put_shape(&got, x->rank, x->shape),
                   put_expected(&want, it, &before));
}

static lb_status unknown(const side *s, const char *name) {
    const char *names[MAX_NAMES];
    lb_buf hint = {0};
    for (int i = 0; i < s->count; i++) names[i] = s->items[i].name;
    lb_nearest(&hint, name, names, s->count);
    lb_status st = lb_fail(LB_E_NOTFOUND, "no input is called '%s'%s", name, lb_buf_str(&hint));
    lb_buf_free(&hint);
    return st;
}

static int stars(const char *name) {
    int n = 0;
    for (; *name; name++) n += *name == '*';
    return n;
}

/* Every required input is there; "a.*.b" is there for 0, 1, ... without a hole (names with several '*': at least one). */
static lb_status check_present(const lb_sig *s, const lb_sig_shape *in, int count) {
    for (int i = 0; i < s->in.count; i++) {
        const item *it = &s->in.items[i];
        line want = {0};
        lb_sig_dims none;
        int64_t index, seen = 0, last = -1;
        for (int j = 0; j < count; j++) {
            if (find(&s->in, in[j].name) != i) continue;
            seen++;
            if (covers(it->name, in[j].name, &index) && index > last) last = index;
        }
        lb_sig_dims_init(&none);
        if (seen == 0 && !it->optional)
            return lb_fail(LB_E_NOTFOUND, "%s %s is missing", it->name, put_expected(&want, it, &none));
        if (stars(it->name) == 1 && last + 1 != seen)
            return lb_fail(LB_E_NOTFOUND, "%s: %lld given, but the last is number %lld", it->name, (long long)seen,
                           (long long)last);
    }
    return LB_OK;
}

lb_status lb_sig_match(const lb_sig *s, lb_sig_dims *dims, const lb_sig_shape *in, int count) {
    lb_status st = LB_OK;
    lb_sig_dims d;
    if (dims) d = *dims;
    else lb_sig_dims_init(&d);
    for (int j = 0; j < count; j++) {
        if (find(&s->in, in[j].name) < 0) return unknown(&s->in, in[j].name);
        for (int k = 0; k < j; k++)
            if (strcmp(in[k].name, in[j].name) == 0) return lb_fail(LB_E_ARG, "input %s is given twice", in[j].name);
    }
    LB_TRY(check_present(s, in, count));
    /* In the order of the signature, so that the message does not depend on the order of the inputs. */
    for (int i = 0; i < s->in.count; i++)
        for (int j = 0; j < count; j++)
            if (find(&s->in, in[j].name) == i) LB_TRY(check(&s->in.items[i], &d, &in[j]));
    if (dims) *dims = d;
done:
    return st;
}

lb_status lb_sig_check_output(const lb_sig *s, lb_sig_dims *dims, int i, const lb_sig_shape *out) {
    if (i < 0 || i >= s->out.count) return lb_fail(LB_E_ARG, "the signature has no output number %d", i);
    lb_sig_dims d = *dims;
    lb_status st = check(&s->out.items[i], &d, out);
    if (st == LB_OK) *dims = d;
    return st;
}

lb_status lb_sig_shape_of(const lb_sig *s, const lb_sig_dims *dims, bool output, int i, int64_t shape[LB_MAX_RANK],
                          int *rank) {
    const side *from = output ? &s->out : &s->in;
    if (i < 0 || i >= from->count) return lb_fail(LB_E_ARG, "the signature has no such name: number %d", i);
    const item *it = &from->items[i];
    int64_t result[LB_MAX_RANK], value;
    if (it->any_shape) return lb_fail(LB_E_SHAPE, "%s may have any shape", it->name);
    if (it->lead && dims->lead_rank < 0) return lb_fail(LB_E_SHAPE, "%s: '...' is not bound", it->name);
    int n = 0, lead = it->lead ? dims->lead_rank : 0;
    if (lead + it->rank > LB_MAX_RANK) return lb_fail(LB_E_SHAPE, "%s: rank above %d", it->name, LB_MAX_RANK);
    for (; n < lead; n++) result[n] = dims->lead[n];
    for (int k = 0; k < it->rank; k++) {
        const dim *d = &it->dims[k];
        result[n] = d->plus;
        if (d->letter[0]) {
            if (!lb_sig_dims_get(dims, d->letter, &value))
                return lb_fail(LB_E_SHAPE, "%s: size %s is not bound", it->name, d->letter);
            if (!lb_mul_i64(&value, value, d->times) || value > INT64_MAX - INT32_MAX)
                return lb_fail(LB_E_SHAPE, "%s: size overflows", it->name);
            result[n] = value + d->plus;
        }
        n++;
    }
    memcpy(shape, result, (size_t)n * sizeof *result);
    *rank = n;
    return LB_OK;
}
