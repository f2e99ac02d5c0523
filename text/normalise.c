/* SPDX-License-Identifier: Apache-2.0 */
#include "text/normalise.h"
#include <string.h>
#include "base/base64.h"
#include "text/unicode.h"

/* ---- reading ---- */

static lb_status set_content(lbi_norm *n, const lb_value *json, const char *key) {
    const lb_value *v = lb_get(json, key);
    if (!v || v->kind != LB_V_TEXT) return lb_fail(LB_E_FORMAT, "normalizer: %s must be a text", key);
    n->content = lb_strndup(v->text, v->text_size);
    n->size = v->text_size;
    return n->content ? LB_OK : LB_E_NOMEM;
}

static lb_status read_charsmap(lbi_norm *n, const lb_value *json) {
    const lb_value *v = lb_get(json, "precompiled_charsmap");
    lb_buf bytes = {0};
    if (!v || v->kind != LB_V_TEXT) return lb_fail(LB_E_FORMAT, "normalizer: precompiled_charsmap must be a text");
    lb_status st = lb_base64_decode(&bytes, v->text, v->text_size);
    if (st == LB_OK) st = lbi_charsmap_open(&n->map, &bytes);
    lb_buf_free(&bytes);
    return st == LB_OK ? LB_OK : lb_where(st, "normalizer");
}

static void read_bert(lbi_norm *n, const lb_value *json) {
    n->bert.clean = lb_get_bool(json, "clean_text", true);
    n->bert.chinese = lb_get_bool(json, "handle_chinese_chars", true);
    n->bert.lower = lb_get_bool(json, "lowercase", true);
    n->bert.strip = lb_get_bool(json, "strip_accents", n->bert.lower); /* null: as lowercase */
}

static lb_status read_one(lbi_norm *n, const lb_value *json, const char *type) {
    static const struct {
        const char *name;
        lbi_norm_kind kind;
    } kinds[] = {{"BertNormalizer", LBI_NORM_BERT}, {"NFC", LBI_NORM_NFC}, {"NFD", LBI_NORM_NFD}, {"NFKC", LBI_NORM_NFKC}, {"NFKD", LBI_NORM_NFKD},
                 {"Lowercase", LBI_NORM_LOWER}, {"Strip", LBI_NORM_STRIP}, {"StripAccents", LBI_NORM_ACCENTS}, {"Nmt", LBI_NORM_NMT},
                 {"Precompiled", LBI_NORM_CHARSMAP}, {"Replace", LBI_NORM_REPLACE}, {"Prepend", LBI_NORM_PREPEND}};
    size_t i = 0;
    while (i < LB_COUNT(kinds) && strcmp(kinds[i].name, type) != 0) i++;
    if (i == LB_COUNT(kinds)) return lb_fail(LB_E_UNSUPPORTED, "normalizer %s is not handled", type);
    n->kind = kinds[i].kind;
    switch (n->kind) {
    case LBI_NORM_BERT: read_bert(n, json); return LB_OK;
    case LBI_NORM_STRIP:
        n->left = lb_get_bool(json, "strip_left", true);
        n->right = lb_get_bool(json, "strip_right", true);
        return LB_OK;
    case LBI_NORM_CHARSMAP: return read_charsmap(n, json);
    case LBI_NORM_PREPEND: return set_content(n, json, "prepend");
    case LBI_NORM_REPLACE: {
        lb_status st = lbi_pattern_read(&n->pattern, lb_get(json, "pattern"));
        return st == LB_OK ? set_content(n, json, "content") : lb_where(st, "normalizer Replace");
    }
    case LBI_NORM_NFC: case LBI_NORM_NFD: case LBI_NORM_NFKC: case LBI_NORM_NFKD: case LBI_NORM_LOWER: case LBI_NORM_ACCENTS: case LBI_NORM_NMT: return LB_OK;
    }
    return LB_OK;
}

static lb_status read_nested(lbi_norms *out, const lb_value *json, int depth) {
    if (!json || json->kind == LB_V_NULL) return LB_OK;
    const char *type = lb_get_text(json, "type", "?");
    if (strcmp(type, "Sequence") == 0) {
        const lb_value *list = lb_get(json, "normalizers");
        if (!list || list->kind != LB_V_LIST || depth > 4) return lb_fail(LB_E_FORMAT, "normalizer Sequence must hold a list of normalizers");
        for (int64_t i = 0; i < list->count; i++) {
            lb_status st = read_nested(out, list->items[i], depth + 1);
            if (st != LB_OK) return st;
        }
        return LB_OK;
    }
    if (out->count == LBI_NORMS_MAX) return lb_fail(LB_E_UNSUPPORTED, "more than %d normalizers", LBI_NORMS_MAX);
    return read_one(&out->at[out->count++], json, type);
}

lb_status lbi_norms_read(lbi_norms *out, const lb_value *json) { return read_nested(out, json, 0); }

void lbi_norms_free(lbi_norms *n) {
    for (int i = 0; i < n->count; i++) {
        lbi_charsmap_close(&n->at[i].map);
        lbi_pattern_free(&n->at[i].pattern);
        lb_free(n->at[i].content);
    }
    *n = (lbi_norms){0};
}

/* ---- steps over characters ---- */

static uint32_t next(const lbi_edit *e) {
    size_t used = 0;
    return lbi_utf8_next(e->in->at + e->at, e->in->size - e->at, &used);
}
static bool more(const lbi_edit *e) { return e->at < e->in->size && !e->out->failed; }

static void lower(lbi_edit *e) {
    uint32_t low[2];
    while (more(e)) {
        int n = lbi_lower(low, next(e));
        lbi_edit_put(e, low[0], 0);
        if (n > 1) lbi_edit_put(e, low[1], 1);
    }
}

/* Drops what `drop` takes and maps the rest. */
static void filter(lbi_edit *e, bool (*drop)(uint32_t), uint32_t (*map)(uint32_t)) {
    while (more(e)) {
        uint32_t c = next(e);
        if (drop(c)) lbi_edit_skip(e, 1);
        else lbi_edit_put(e, map ? map(c) : c, 0);
    }
}

static uint32_t unblank(uint32_t c) { return lbi_is_blank(c) ? ' ' : c; }

static bool nmt_drops(uint32_t c) { return (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F || c == 0x9F; }
static uint32_t nmt_maps(uint32_t c) {
    bool space = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 || (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
    return space ? ' ' : c;
}

static void spread_chinese(lbi_edit *e) {
    while (more(e)) {
        uint32_t c = next(e);
        if (!lbi_is_chinese(c)) {
            lbi_edit_put(e, c, 0);
            continue;
        }
        lbi_edit_put(e, ' ', 0);
        lbi_edit_put(e, c, 1);
        lbi_edit_put(e, ' ', 1);
    }
}

static void strip(lbi_edit *e, bool left, bool right) {
    const lbi_line *in = e->in;
    size_t end = in->size, at = 0;
    if (right)
        while (end > 0 && lbi_is_space(lbi_utf8_before(in->at, end, &at))) end = at;
    while (left && e->at < end && lbi_is_space(next(e))) lbi_edit_skip(e, 1);
    if (e->at < end) lbi_line_copy(e->out, in, e->at, end);
}

static void prepend(lbi_edit *e, const char *content, size_t size) {
    lbi_span first = e->in->tracked && e->in->size ? e->in->from[0] : (lbi_span){0};
    if (e->in->size) lbi_line_add(e->out, content, size, first);
    lbi_line_copy(e->out, e->in, 0, e->in->size);
}

static void replace(lbi_edit *e, const lbi_pattern *p, const char *content, size_t size) {
    const lbi_line *in = e->in;
    size_t at = 0, begin = 0, end = 0;
    for (; lbi_pattern_next(p, in->at, in->size, at, &begin, &end) && !e->out->failed; at = end) {
        lbi_line_copy(e->out, in, at, begin);
        lbi_line_add(e->out, content, size, in->tracked ? in->from[end - 1] : (lbi_span){0});
    }
    lbi_line_copy(e->out, in, at, in->size);
}

/* The last character is held back: a part that maps to nothing is dropped behind it. */
typedef struct mapping {
    lbi_edit *e;
    size_t at;  /* next byte that is mapped */
    bool held;
    uint32_t c;
    int64_t change;
} mapping;

static void put(mapping *z, uint32_t c, int64_t change) {
    if (z->held) lbi_edit_put(z->e, z->c, z->change);
    z->held = true;
    z->c = c;
    z->change = change;
}

static int64_t characters(const uint8_t *p, size_t n) {
    int64_t count = 0;
    for (size_t at = 0, used = 0; at < n; at += used, count++) lbi_utf8_next(p + at, n - at, &used);
    return count;
}

/* What a part becomes: the first characters replace, further ones are added, missing ones are dropped behind the last. */
static void put_mapped(mapping *z, const uint8_t *part, size_t n, const char *text, size_t size) {
    const uint8_t *p = (const uint8_t *)text;
    int64_t old = characters(part, n), new = characters(p, size), i = 0;
    for (size_t at = 0, used = 0; at < size; at += used, i++) put(z, lbi_utf8_next(p + at, size - at, &used), i >= old);
    if (new < old && z->held) z->change += new - old;
}

static void charsmap(lbi_edit *e, const lbi_charsmap *m) {
    mapping z = {.e = e};
    while (z.at < e->in->size && !e->out->failed) {
        const uint8_t *p = e->in->at + z.at;
        size_t left = e->in->size - z.at, size = 0, used = 0;
        if (p[0] < 0x80 && p[0] != '\r' && m->plain[p[0]] && (left == 1 || p[1] < 0x80)) {
            put(&z, p[0], 0);
            z.at++;
            continue;
        }
        size_t n = lbi_cluster(p, left);
        const char *text = n < 6 ? lbi_charsmap_find(m, p, n, &size) : NULL;
        if (text) put_mapped(&z, p, n, text, size);
        for (size_t at = text ? n : 0; at < n; at += used) {
            uint32_t c = lbi_utf8_next(p + at, n - at, &used);
            text = lbi_charsmap_find(m, p + at, used, &size);
            if (text) put_mapped(&z, p + at, used, text, size);
            else put(&z, c, 0);
        }
        z.at += n;
    }
    if (z.held) lbi_edit_put(e, z.c, z.change);
}

/* ---- canonical order and composition ---- */

/* A character with its change; a run of marks waits here until a starter comes. */
typedef struct mark {
    uint32_t c;
    int32_t change;
    int class;
} mark;

typedef struct composer {
    lbi_edit *e;
    bool compose;
    mark *at; /* marks that wait for their order */
    int64_t count, capacity;
    mark base; /* what composes with what follows */
    bool has_base;
    mark *behind; /* marks between the base and what follows */
    int64_t behinds, behind_capacity;
} composer;

static bool grow(composer *z, mark **at, int64_t *capacity, int64_t count) {
    if (count < *capacity) return true;
    int64_t cap = *capacity ? 2 * *capacity : 32;
    mark *m = lb_realloc(*at, (size_t)cap, sizeof *m);
    if (!m) {
        z->e->out->failed = true;
        return false;
    }
    *at = m;
    *capacity = cap;
    return true;
}

static void end_base(composer *z) {
    if (z->has_base) lbi_edit_put(z->e, z->base.c, z->base.change);
    for (int64_t i = 0; i < z->behinds; i++) lbi_edit_put(z->e, z->behind[i].c, z->behind[i].change);
    z->has_base = false;
    z->behinds = 0;
}

/* One character in canonical order. Unicode 15, section 3.11, D117: it composes unless a mark of its class or a higher one stands between. */
static void compose(composer *z, mark m) {
    if (!z->compose || (!z->has_base && m.class)) {
        lbi_edit_put(z->e, m.c, m.change);
        return;
    }
    if (!z->has_base) {
        z->base = m;
        z->has_base = true;
        return;
    }
    bool blocked = z->behinds && z->behind[z->behinds - 1].class >= m.class;
    uint32_t c = blocked ? 0 : lbi_compose(z->base.c, m.c);
    if (c) {
        z->base.c = c;
        z->base.change += m.change - 1;
    } else if (m.class == 0) {
        end_base(z);
        z->base = m;
        z->has_base = true;
    } else if (grow(z, &z->behind, &z->behind_capacity, z->behinds)) {
        z->behind[z->behinds++] = m;
    }
}

/* The waiting marks by class; equal classes keep their order. Each pass takes one class, and there are few. */
static void flush(composer *z) {
    for (int k = 1, following; z->count && k < 256; k = following) {
        following = 256;
        for (int64_t i = 0; i < z->count; i++) {
            if (z->at[i].class == k) compose(z, z->at[i]);
            else if (z->at[i].class > k && z->at[i].class < following) following = z->at[i].class;
        }
    }
    z->count = 0;
}

static void unicode_form(lbi_edit *e, bool compat, bool composed) {
    composer z = {.e = e, .compose = composed};
    uint32_t parts[LBI_DECOMPOSED_MAX];
    size_t used = 0;
    for (size_t at = 0; at < e->in->size && !e->out->failed; at += used) {
        int n = lbi_decompose(parts, lbi_utf8_next(e->in->at + at, e->in->size - at, &used), compat);
        for (int i = 0; i < n; i++) {
            mark m = {parts[i], i > 0, lbi_combining_class(parts[i])};
            if (m.class) {
                if (grow(&z, &z.at, &z.capacity, z.count)) z.at[z.count++] = m;
                continue;
            }
            if (z.count) flush(&z);
            compose(&z, m);
        }
    }
    flush(&z);
    end_base(&z);
    lb_free(z.at);
    lb_free(z.behind);
}

/* ---- all ---- */

static void swap(lbi_line *a, lbi_line *b) {
    lbi_line t = *a;
    *a = *b;
    *b = t;
    a->failed = a->failed || b->failed;
}

/* Does it leave ASCII characters alone? */
static bool spares_ascii(lbi_norm_kind k) { return k == LBI_NORM_NFC || k == LBI_NORM_NFD || k == LBI_NORM_NFKC || k == LBI_NORM_NFKD || k == LBI_NORM_ACCENTS; }

static bool is_ascii(const lbi_line *l) {
    for (size_t i = 0; i < l->size; i++)
        if (l->at[i] >= 0x80) return false;
    return true;
}

static void one(const lbi_norm *n, lbi_line *line, lbi_line *spare, void (*step)(lbi_edit *)) {
    lbi_line_start(spare, line->tracked);
    lbi_edit e = {line, spare, 0};
    switch (n->kind) {
    case LBI_NORM_NFC: unicode_form(&e, false, true); break;
    case LBI_NORM_NFD: unicode_form(&e, false, false); break;
    case LBI_NORM_NFKC: unicode_form(&e, true, true); break;
    case LBI_NORM_NFKD: unicode_form(&e, true, false); break;
    case LBI_NORM_LOWER: lower(&e); break;
    case LBI_NORM_STRIP: strip(&e, n->left, n->right); break;
    case LBI_NORM_ACCENTS: filter(&e, lbi_is_combining, NULL); break;
    case LBI_NORM_NMT: filter(&e, nmt_drops, nmt_maps); break;
    case LBI_NORM_CHARSMAP: charsmap(&e, &n->map); break;
    case LBI_NORM_REPLACE: replace(&e, &n->pattern, n->content, n->size); break;
    case LBI_NORM_PREPEND: prepend(&e, n->content, n->size); break;
    case LBI_NORM_BERT: step(&e); break;
    }
    swap(line, spare);
}

static void clean(lbi_edit *e) { filter(e, lbi_is_control, unblank); }
static void strip_marks(lbi_edit *e) { filter(e, lbi_is_nonspacing, NULL); }

static void bert(const lbi_norm *n, lbi_line *line, lbi_line *spare) {
    if (!line->tracked) {
        lb_buf out = {0};
        lbi_bert_normalise(&out, line->at, line->size, &n->bert);
        lbi_line_start(line, false);
        lbi_line_add(line, lb_buf_str(&out), out.size, (lbi_span){0});
        line->failed = line->failed || out.failed;
        lb_buf_free(&out);
        return;
    }
    if (n->bert.clean) one(n, line, spare, clean);
    if (n->bert.chinese) one(n, line, spare, spread_chinese);
    if (n->bert.strip) {
        one(&(lbi_norm){.kind = LBI_NORM_NFD}, line, spare, NULL);
        one(n, line, spare, strip_marks);
    }
    if (n->bert.lower) one(n, line, spare, lower);
}

void lbi_normalise(const lbi_norms *n, lbi_line *line, lbi_line *spare) {
    for (int i = 0; i < n->count && !line->failed; i++) {
        if (n->at[i].kind == LBI_NORM_BERT) bert(&n->at[i], line, spare);
        else if (!spares_ascii(n->at[i].kind) || !is_ascii(line)) one(&n->at[i], line, spare, NULL);
    }
}
