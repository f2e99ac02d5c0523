/* SPDX-License-Identifier: Apache-2.0 */
#include "text/regex_set.h"
#include <string.h>

enum { ITEMS_MOST = 4096, NESTED = 8, LONG_S = 0x17F, KELVIN = 0x212A };

bool lbi_reads_text(lbi_reader *r, const char *text) {
    size_t n = strlen(text);
    if ((size_t)(r->end - r->at) < n || memcmp(r->at, text, n) != 0) return false;
    r->at += n;
    return true;
}

static bool read_character(lbi_reader *r, uint32_t *c) {
    size_t used = 0;
    if (r->at >= r->end) return false;
    *c = lbi_utf8_next(r->at, (size_t)(r->end - r->at), &used);
    r->at += used;
    return true;
}

/* ---- what a set has ---- */

/* Superscript digits and fractions of Latin-1 are \w to Oniguruma where it stands alone, and not in brackets. */
static bool is_small_number(uint32_t c) { return c == 0xB2 || c == 0xB3 || c == 0xB9 || (c >= 0xBC && c <= 0xBE); }

static bool item_has(const lbi_sets *s, const lbi_item *i, uint32_t c) {
    switch (i->kind) {
    case LBI_ITEM_RANGE: return (c >= i->first && c <= i->last) != i->negated;
    case LBI_ITEM_SPACE: return lbi_is_space(c) != i->negated;
    case LBI_ITEM_WORD: return (lbi_is_pattern_word(c) && !(i->first && is_small_number(c))) != i->negated;
    case LBI_ITEM_CATEGORY: return (i->first >> lbi_category(c) & 1) != i->negated;
    case LBI_ITEM_SCRIPT: return lbi_is_script(c, (int)i->first) != i->negated;
    case LBI_ITEM_SET: return lbi_set_has(s, (int)i->first, c) != i->negated;
    }
    return false;
}

bool lbi_set_slow(const lbi_sets *s, int set, uint32_t c) {
    const lbi_set *x = &s->at[set];
    bool found = false;
    for (int i = 0; i < x->count && !found; i++) found = item_has(s, &s->items[x->first + i], c);
    if (found && x->also >= 0) found = lbi_set_has(s, x->also, c);
    return found != x->negated;
}

uint32_t lbi_set_only(const lbi_sets *s, int set) {
    const lbi_set *x = &s->at[set];
    const lbi_item *i = &s->items[x->first];
    return x->count == 1 && !x->negated && x->also < 0 && i->kind == LBI_ITEM_RANGE && i->first == i->last && !i->negated ? i->first : 0;
}

/* ---- making them ---- */

static bool grow(void **at, int *room, int count, size_t size) {
    if (count < *room) return true;
    int more = *room ? 2 * *room : 16;
    void *p = lb_realloc(*at, (size_t)more, size);
    if (!p) return false;
    *at = p;
    *room = more;
    return true;
}

/* Items of a set that is being read: a set inside has its items stored before, so they are gathered here. */
typedef struct gathered {
    lbi_item *at;
    int count, room;
} gathered;

static bool add(lbi_sets *s, gathered *g, lbi_item item) {
    if (g->count >= ITEMS_MOST) return false;
    if (!grow((void **)&g->at, &g->room, g->count, sizeof *g->at)) {
        s->failed = true;
        return false;
    }
    g->at[g->count++] = item;
    return true;
}

static int finish(lbi_sets *s, const gathered *g, bool negated, int also) {
    for (int i = 0; i < g->count; i++) {
        if (!grow((void **)&s->items, &s->items_room, s->items_count + i, sizeof *s->items)) {
            s->failed = true;
            return -1;
        }
        s->items[s->items_count + i] = g->at[i];
    }
    if (!grow((void **)&s->at, &s->room, s->count, sizeof *s->at)) {
        s->failed = true;
        return -1;
    }
    lbi_set *x = &s->at[s->count];
    *x = (lbi_set){.negated = negated, .first = s->items_count, .count = g->count, .also = also};
    s->items_count += g->count;
    for (uint32_t c = 0; c < 128; c++)
        if (lbi_set_slow(s, s->count, c)) x->ascii[c >> 6] |= (uint64_t)1 << (c & 63);
    return s->count++;
}

/* A range, in both cases where the case does not matter: of English letters, and what else is one of them in another case. */
static bool add_range(lbi_sets *s, gathered *g, uint32_t first, uint32_t last, bool any_case) {
    if (!add(s, g, (lbi_item){.first = first, .last = last})) return false;
    if (!any_case) return true;
    if (last >= 0x80) return false;
    for (uint32_t c = first; c <= last; c++) {
        uint32_t fold = c | 0x20;
        if (fold < 'a' || fold > 'z') continue;
        if (!add(s, g, (lbi_item){.first = c ^ 0x20, .last = c ^ 0x20})) return false;
        if (fold == 's' && !add(s, g, (lbi_item){.first = LONG_S, .last = LONG_S})) return false;
        if (fold == 'k' && !add(s, g, (lbi_item){.first = KELVIN, .last = KELVIN})) return false;
    }
    return true;
}

/* ---- escapes and properties ---- */

static const struct {
    const char *name;
    uint32_t categories;
} properties[] = { /* numbers of categories as in lbi_category */
    {"L", 0x3E}, {"Lu", 1 << 1}, {"Ll", 1 << 2}, {"Lt", 1 << 3}, {"Lm", 1 << 4}, {"Lo", 1 << 5}, {"M", 0x1C0}, {"Mn", 1 << 6}, {"Mc", 1 << 7}, {"Me", 1 << 8}, {"N", 0xE00}, {"Nd", 1 << 9},
    {"Nl", 1 << 10}, {"No", 1 << 11}, {"P", 0x7F000}, {"Pc", 1 << 12}, {"Pd", 1 << 13}, {"Ps", 1 << 14}, {"Pe", 1 << 15}, {"Pi", 1 << 16}, {"Pf", 1 << 17}, {"Po", 1 << 18}, {"S", 0x780000},
    {"Sm", 1 << 19}, {"Sc", 1 << 20}, {"Sk", 1 << 21}, {"So", 1 << 22}, {"Z", 0x3800000}, {"Zs", 1 << 23}, {"Zl", 1 << 24}, {"Zp", 1 << 25}, {"C", 0x3C000001}, {"Cc", 1 << 26}, {"Cf", 1 << 27}};

/* Behind \p or \P: {Lu}, {^Lu}, {Han}. */
static bool read_property(lbi_reader *r, lbi_item *out, bool negated) {
    if (!lbi_reads(r, '{')) return false;
    negated ^= lbi_reads(r, '^');
    const uint8_t *close = memchr(r->at, '}', (size_t)(r->end - r->at));
    if (!close) return false;
    size_t n = (size_t)(close - r->at);
    const char *name = (const char *)r->at;
    int script = lbi_script_find(name, n);
    r->at = close + 1;
    *out = (lbi_item){.kind = LBI_ITEM_SCRIPT, .negated = negated, .first = (uint32_t)script};
    if (script >= 0) return true;
    for (size_t i = 0; i < LB_COUNT(properties); i++)
        if (strlen(properties[i].name) == n && memcmp(properties[i].name, name, n) == 0) {
            *out = (lbi_item){.kind = LBI_ITEM_CATEGORY, .negated = negated, .first = properties[i].categories};
            return true;
        }
    return false;
}

static bool read_hex(lbi_reader *r, uint32_t *c, int digits) {
    for (*c = 0; digits > 0; digits--, r->at++) {
        if (r->at >= r->end) return false;
        uint8_t d = *r->at | 0x20;
        if (d >= 'a' && d <= 'f') *c = *c * 16 + (uint32_t)(d - 'a') + 10;
        else if (*r->at >= '0' && *r->at <= '9') *c = *c * 16 + (uint32_t)(*r->at - '0');
        else return false;
    }
    return true;
}

/* \x41, \x{1F600} */
static bool read_code(lbi_reader *r, uint32_t *c) {
    if (!lbi_reads(r, '{')) return read_hex(r, c, 2);
    const uint8_t *close = memchr(r->at, '}', (size_t)(r->end - r->at));
    return close && close - r->at <= 6 && read_hex(r, c, (int)(close - r->at)) && *c <= 0x10FFFF && lbi_reads(r, '}');
}

/* Behind a backslash. */
static bool read_escape(lbi_reader *r, lbi_item *out) {
    uint32_t c = 0;
    if (!read_character(r, &c)) return false;
    *out = (lbi_item){.first = c, .last = c};
    switch (c) {
    case 's': case 'S': *out = (lbi_item){.kind = LBI_ITEM_SPACE, .negated = c == 'S'}; return true;
    case 'w': case 'W': *out = (lbi_item){.kind = LBI_ITEM_WORD, .negated = c == 'W'}; return true;
    case 'd': case 'D': *out = (lbi_item){.kind = LBI_ITEM_CATEGORY, .negated = c == 'D', .first = 1 << 9}; return true;
    case 'p': case 'P': return read_property(r, out, c == 'P');
    case 'n': out->first = '\n'; break;
    case 'r': out->first = '\r'; break;
    case 't': out->first = '\t'; break;
    case 'f': out->first = '\f'; break;
    case 'v': out->first = '\v'; break;
    case 'x': if (!read_code(r, &out->first)) return false; break;
    case 'u': if (!read_hex(r, &out->first, 4)) return false; break;
    default: if (c < 0x80 && (lbi_is_letter(c) || lbi_is_number(c))) return false;
    }
    out->last = out->first;
    return true;
}

/* ---- [...] ---- */

static bool read_range(lbi_sets *s, lbi_reader *r, gathered *g) {
    lbi_item item, to;
    uint32_t c = 0;
    if (!read_character(r, &c)) return false;
    if (c == '[' || c == '&') return c == '&' && add(s, g, (lbi_item){.first = c, .last = c}); /* [[:alpha:]] is not known */
    item = to = (lbi_item){.first = c, .last = c};
    if (c == '\\' && !read_escape(r, &item)) return false;
    if (item.kind == LBI_ITEM_WORD) item.first = true;
    if (item.kind != LBI_ITEM_RANGE) return add(s, g, item);
    if (r->end - r->at > 1 && r->at[0] == '-' && r->at[1] != ']') {
        r->at++;
        if (!read_character(r, &c)) return false;
        to = (lbi_item){.first = c, .last = c};
        if (c == '[' || (c == '\\' && !read_escape(r, &to)) || to.kind != LBI_ITEM_RANGE || to.first < item.first) return false;
        item.last = to.first;
    }
    return add_range(s, g, item.first, item.last, r->any_case);
}

static int read_class(lbi_sets *s, lbi_reader *r, int depth);

/* Up to ] or &&. */
static bool read_items(lbi_sets *s, lbi_reader *r, gathered *g, int depth) {
    while (r->at < r->end && *r->at != ']') {
        if (r->end - r->at > 1 && r->at[0] == '&' && r->at[1] == '&') return true;
        if (r->end - r->at > 1 && r->at[0] == '[' && r->at[1] != ':') {
            r->at++;
            int inner = read_class(s, r, depth + 1);
            if (inner < 0 || !add(s, g, (lbi_item){.kind = LBI_ITEM_SET, .first = (uint32_t)inner})) return false;
        } else if (!read_range(s, r, g)) return false;
    }
    return true;
}

/* Behind the bracket. */
static int read_class(lbi_sets *s, lbi_reader *r, int depth) {
    gathered g = {0};
    bool negated = lbi_reads(r, '^'), fine = depth < NESTED && read_items(s, r, &g, depth) && g.count > 0;
    int also = -1;
    if (fine && lbi_reads_text(r, "&&")) { /* what is left of the class, as one more */
        gathered rest = {0};
        fine = read_items(s, r, &rest, depth) && rest.count > 0;
        also = fine ? finish(s, &rest, false, -1) : -1;
        fine = also >= 0;
        lb_free(rest.at);
    }
    fine = fine && lbi_reads(r, ']');
    int set = fine ? finish(s, &g, negated, also) : -1;
    lb_free(g.at);
    return set;
}

int lbi_set_read(lbi_sets *s, lbi_reader *r) {
    gathered g = {0};
    lbi_item item = {.first = '\n', .last = '\n'};
    uint32_t c = 0;
    bool negated = false;
    if (lbi_reads(r, '[')) return read_class(s, r, 0);
    if (!read_character(r, &c) || (c < 0x80 && c && strchr("](){}*+?|^$", (int)c))) return -1;
    if (c == '.') negated = true;
    else item = (lbi_item){.first = c, .last = c};
    bool fine = (c != '\\' || read_escape(r, &item)) && (item.kind == LBI_ITEM_RANGE ? add_range(s, &g, item.first, item.last, r->any_case) : add(s, &g, item));
    int set = fine ? finish(s, &g, negated, -1) : -1;
    lb_free(g.at);
    return set;
}

void lbi_sets_free(lbi_sets *s) {
    lb_free(s->at);
    lb_free(s->items);
}
