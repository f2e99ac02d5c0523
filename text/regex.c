/* SPDX-License-Identifier: Apache-2.0 */
/* A program of few instructions and a stack of places to go back to. No group repeats, so every SPLIT is met once a try and the stack is never deeper than the
 * program is long. */
#include "text/regex.h"
#include <string.h>
#include "text/regex_set.h"

enum { CODE_MOST = 256, DEPTH = 24, NONE = -1 };

typedef enum code_kind { MATCH = 0, SET, SPLIT, JUMP, LOOK, BEHIND, ATOM, LINE_BEGIN, LINE_END, TEXT_BEGIN, TEXT_END, WORD_EDGE } code_kind;

/* `to` is relative: LOOK and ATOM run what follows up to a MATCH before `to`. */
typedef struct code {
    code_kind kind;
    int set, to;
    bool negated, possessive; /* ATOM has neither */
    int64_t least, most;
} code;

struct lbi_regex {
    lbi_sets sets;
    int count;
    code at[CODE_MOST];
    int first;            /* a set that a match begins with, NONE = others may */
    bool starts_with_run; /* X+ and more, one alternative: where a try fails, so does one from further inside the same run */
};

typedef struct subject {
    const lbi_regex *r;
    const uint8_t *text;
    size_t size;
} subject;

/* From instruction `pc` on at place `at`. @return does it fit? Then *end is the place behind */
static bool run_code(const subject *s, int pc, size_t at, size_t *end);

/* ---- compiling ---- */

typedef struct compiler {
    lbi_regex *r;
    lbi_reader in;
    const char *problem;
    int depth;
    uint32_t last; /* a letter before, where case does not matter */
} compiler;

static bool refuse(compiler *c, const char *why) {
    if (!c->problem) c->problem = why;
    return false;
}

static bool emit(compiler *c, code x) {
    if (c->r->count == CODE_MOST) return refuse(c, "it is too long");
    c->r->at[c->r->count++] = x;
    return true;
}

/* Instructions behind `place` move; none of them leads to what is before. */
static bool insert(compiler *c, int place, code x) {
    if (!emit(c, x)) return false;
    memmove(&c->r->at[place + 1], &c->r->at[place], (size_t)(c->r->count - 1 - place) * sizeof x);
    c->r->at[place] = x;
    return true;
}

static bool read_number(lbi_reader *r, int64_t *out) {
    const uint8_t *from = r->at;
    for (*out = 0; r->at < r->end && *r->at >= '0' && *r->at <= '9' && *out < 1000; r->at++) *out = *out * 10 + (*r->at - '0');
    return r->at > from;
}

/* {2}, {2,}, {2,3}, {,3} */
static bool read_braces(compiler *c, int64_t *least, int64_t *most) {
    lbi_reader *r = &c->in;
    if (!read_number(r, least)) *least = 0;
    *most = *least;
    if (lbi_reads(r, ',')) {
        *most = INT64_MAX;
        if (r->at < r->end && *r->at != '}') (void)read_number(r, most);
    }
    return (lbi_reads(r, '}') && *most >= *least && *most > 0) || refuse(c, "a count in braces");
}

/* What stands behind an atom. @return false where nothing does, or it is refused */
static bool read_count(compiler *c, int64_t *least, int64_t *most, bool *possessive) {
    lbi_reader *r = &c->in;
    bool braces = false;
    *possessive = false;
    if (lbi_reads(r, '?')) *least = 0, *most = 1;
    else if (lbi_reads(r, '*')) *least = 0, *most = INT64_MAX;
    else if (lbi_reads(r, '+')) *least = 1, *most = INT64_MAX;
    else if ((braces = lbi_reads(r, '{'))) {
        if (!read_braces(c, least, most)) return false;
    } else return false;
    if (lbi_reads(r, '?')) return refuse(c, "a lazy count");
    *possessive = lbi_reads(r, '+');
    if (r->at < r->end && strchr("*+?{", *r->at)) return refuse(c, "a count of a count");
    return !*possessive || !braces || refuse(c, "a count in braces with + behind it");
}

static bool alternatives(compiler *c);

/* LOOK and ATOM: their inside ends with a MATCH. */
static bool inside(compiler *c, code x) {
    int at = c->r->count;
    if (!emit(c, x) || !alternatives(c) || !emit(c, (code){.kind = MATCH})) return false;
    c->r->at[at].to = c->r->count - at;
    return true;
}

static bool look_behind(compiler *c, bool negated) {
    int set = lbi_set_read(&c->r->sets, &c->in);
    if (set < 0 || c->in.at >= c->in.end || *c->in.at != ')') return refuse(c, "more than one character behind");
    return emit(c, (code){.kind = BEHIND, .set = set, .negated = negated});
}

static bool group(compiler *c) {
    lbi_reader *r = &c->in;
    bool any_case = r->any_case, fine = true;
    if (++c->depth > DEPTH) return refuse(c, "groups inside groups");
    if (lbi_reads_text(r, "?=")) fine = inside(c, (code){.kind = LOOK});
    else if (lbi_reads_text(r, "?!")) fine = inside(c, (code){.kind = LOOK, .negated = true});
    else if (lbi_reads_text(r, "?>")) fine = inside(c, (code){.kind = ATOM});
    else if (lbi_reads_text(r, "?<=")) fine = look_behind(c, false);
    else if (lbi_reads_text(r, "?<!")) fine = look_behind(c, true);
    else {
        if (lbi_reads_text(r, "?i:")) r->any_case = true;
        else if (!lbi_reads_text(r, "?:") && r->at < r->end && *r->at == '?') return refuse(c, "a group of this kind");
        fine = alternatives(c);
    }
    r->any_case = any_case;
    c->depth--;
    return fine && (lbi_reads(r, ')') || refuse(c, "a group without end"));
}

/* A count behind a group: there or not. */
static bool group_count(compiler *c, int from) {
    int64_t least = 1, most = 1;
    bool possessive = false;
    if (!read_count(c, &least, &most, &possessive)) return !c->problem;
    if (least == 1 && most == 1) return true;
    if (least != 0 || most != 1) return refuse(c, "a group that repeats");
    if (!insert(c, from, (code){.kind = SPLIT, .to = c->r->count - from + 1})) return false;
    if (!possessive) return true;
    if (!insert(c, from, (code){.kind = ATOM}) || !emit(c, (code){.kind = MATCH})) return false;
    c->r->at[from].to = c->r->count - from;
    return true;
}

/* Two letters that are one in another case, such as ss and the sharp s, are not looked for. */
static bool single(compiler *c, int set) {
    uint32_t now = c->in.any_case ? c->r->sets.items[c->r->sets.at[set].first].first | 0x20 : 0;
    bool joined = now && ((c->last == 's' && (now == 's' || now == 't')) || (c->last == 'f' && (now == 'f' || now == 'i' || now == 'l')));
    c->last = now;
    return !joined || refuse(c, "letters that are one letter in another case");
}

static bool characters(compiler *c) {
    code x = {.kind = SET, .set = lbi_set_read(&c->r->sets, &c->in), .least = 1, .most = 1};
    if (x.set < 0) return refuse(c, "a character or class of this kind");
    if (!single(c, x.set)) return false;
    if (!read_count(c, &x.least, &x.most, &x.possessive) && c->problem) return false;
    return emit(c, x);
}

static bool edge(compiler *c, bool *found) {
    static const struct {
        const char *text;
        code_kind kind;
        bool negated;
    } edges[] = {{"^", LINE_BEGIN, false}, {"$", LINE_END, false}, {"\\b", WORD_EDGE, false}, {"\\B", WORD_EDGE, true}, {"\\A", TEXT_BEGIN, false}, {"\\z", TEXT_END, false}};
    for (size_t i = 0; i < LB_COUNT(edges); i++)
        if ((*found = lbi_reads_text(&c->in, edges[i].text))) return emit(c, (code){.kind = edges[i].kind, .negated = edges[i].negated});
    return true;
}

static bool sequence(compiler *c) {
    while (c->in.at < c->in.end && *c->in.at != '|' && *c->in.at != ')') {
        bool found = false;
        int from = c->r->count;
        if (!edge(c, &found)) return false;
        if (found) continue;
        if (lbi_reads(&c->in, '(')) {
            c->last = 0;
            if (!group(c) || !group_count(c, from)) return false;
        } else if (!characters(c)) return false;
    }
    return true;
}

static bool alternatives(compiler *c) {
    int from = c->r->count;
    c->last = 0;
    if (!sequence(c)) return false;
    if (!lbi_reads(&c->in, '|')) return true;
    if (!insert(c, from, (code){.kind = SPLIT, .to = c->r->count - from + 2})) return false;
    int jump = c->r->count;
    if (!emit(c, (code){.kind = JUMP}) || ++c->depth > 4 * DEPTH || !alternatives(c)) return refuse(c, "too many alternatives");
    c->depth--;
    c->r->at[jump].to = c->r->count - jump;
    return true;
}

static void find_begin(lbi_regex *r) {
    const code *x = &r->at[0];
    r->first = x->kind == SET && x->least > 0 ? x->set : NONE;
    r->starts_with_run = r->first != NONE && x->most == INT64_MAX;
}

lb_status lbi_regex_compile(lbi_regex **out, const char *expression, size_t size) {
    lbi_regex *r = lb_calloc(1, sizeof *r);
    if (!r) return LB_E_NOMEM;
    compiler c = {.r = r, .in = {(const uint8_t *)expression, (const uint8_t *)expression + size, false}};
    bool fine = alternatives(&c) && (c.in.at == c.in.end || refuse(&c, "a bracket too many")) && emit(&c, (code){.kind = MATCH});
    size_t end = 0;
    if (fine && run_code(&(subject){r, (const uint8_t *)"", 0}, 0, 0, &end)) fine = refuse(&c, "a match of nothing");
    lb_status st = fine             ? LB_OK
                   : r->sets.failed ? LB_E_NOMEM
                                    : lb_fail(LB_E_UNSUPPORTED, "the regular expression '%s' is not handled: %s before '%.*s'", expression,
                                              c.problem ? c.problem : "", (int)(c.in.end - c.in.at), (const char *)c.in.at);
    if (fine) find_begin(r);
    if (fine) *out = r;
    else lbi_regex_free(r);
    return st;
}

void lbi_regex_free(lbi_regex *r) {
    if (!r) return;
    lbi_sets_free(&r->sets);
    lb_free(r);
}

/* ---- matching ---- */

/* Where to go on when a way fails: at `place`, or, for the SET before it, at one of the ends of a character above `low`. */
typedef struct way {
    int pc;
    size_t place, low;
} way;

static bool word_at(const subject *s, size_t at) {
    size_t used = 0;
    return at < s->size && lbi_is_pattern_word(lbi_utf8_next(s->text + at, s->size - at, &used));
}

static bool behind(const subject *s, size_t at, uint32_t *c) {
    size_t begin = 0;
    if (at == 0) return false;
    *c = lbi_utf8_before(s->text, at, &begin);
    return true;
}

static bool edge_holds(const subject *s, const code *x, size_t at) {
    uint32_t c = 0;
    bool before = behind(s, at, &c);
    switch (x->kind) {
    case LINE_BEGIN: return !before || (c == '\n' && at < s->size);
    case LINE_END: return at == s->size || s->text[at] == '\n';
    case TEXT_BEGIN: return at == 0;
    case TEXT_END: return at == s->size;
    case BEHIND: return (before && lbi_set_has(&s->r->sets, x->set, c)) != x->negated;
    case WORD_EDGE: return ((before && lbi_is_pattern_word(c)) != word_at(s, at)) != x->negated;
    default: return false;
    }
}

/* Characters of the set from *at on, as many as may be; *low: the place behind the fewest. */
static bool run_set(const subject *s, const code *x, size_t *at, size_t *low) {
    size_t p = *at, used = 0;
    int64_t count = 0;
    *low = p;
    for (; p < s->size && count < x->most; p += used) {
        uint32_t c = s->text[p];
        used = 1;
        if (c >= 0x80) c = lbi_utf8_next(s->text + p, s->size - p, &used);
        if (!lbi_set_has(&s->r->sets, x->set, c)) break;
        if (++count <= x->least) *low = p + used;
    }
    *at = p;
    return count >= x->least;
}

static size_t step_back(const subject *s, size_t at) {
    size_t begin = 0;
    lbi_utf8_before(s->text, at, &begin);
    return begin;
}

/* One instruction. @return false where this way ends */
static bool step(const subject *s, int *pc, size_t *at, way *ways, int *count) {
    const code *x = &s->r->at[*pc];
    size_t low = 0, end = 0;
    switch (x->kind) {
    case SET:
        if (!run_set(s, x, at, &low)) return false;
        if (!x->possessive && *at > low) ways[(*count)++] = (way){*pc + 1, *at, low};
        break;
    case SPLIT: ways[(*count)++] = (way){*pc + x->to, *at, *at}; break;
    case JUMP: *pc += x->to; return true;
    case LOOK:
        if (run_code(s, *pc + 1, *at, &end) == x->negated) return false;
        *pc += x->to;
        return true;
    case ATOM:
        if (!run_code(s, *pc + 1, *at, &end)) return false;
        *at = end;
        *pc += x->to;
        return true;
    default:
        if (!edge_holds(s, x, *at)) return false;
    }
    ++*pc;
    return true;
}

static bool run_code(const subject *s, int pc, size_t at, size_t *end) {
    way ways[CODE_MOST + 1];
    int count = 0;
    while (s->r->at[pc].kind != MATCH) {
        if (step(s, &pc, &at, ways, &count)) continue;
        if (count == 0) return false;
        way *w = &ways[count - 1];
        pc = w->pc;
        if (w->place > w->low) w->place = step_back(s, w->place);
        at = w->place;
        if (w->place <= w->low) count--;
    }
    *end = at;
    return true;
}

bool lbi_regex_next(const lbi_regex *r, const uint8_t *text, size_t size, size_t at, size_t *begin, size_t *end) {
    subject s = {r, text, size};
    for (size_t used = 0; at < size; at += used) {
        size_t low = 0, stop = at;
        uint32_t c = lbi_utf8_next(text + at, size - at, &used);
        if (r->first != NONE && !lbi_set_has(&r->sets, r->first, c)) continue;
        if (run_code(&s, 0, at, end) && *end > at) {
            *begin = at;
            return true;
        }
        if (r->starts_with_run && run_set(&s, &r->at[0], &stop, &low)) used = stop - at;
    }
    return false;
}
