/* SPDX-License-Identifier: Apache-2.0 */
/* Colour emoji of the system's font with their Unicode names. The list is Unicode's emoji-test.txt, keywords are CLDR's English
 * annotations, pictures are the font's bitmaps (CBDT) found by shaping, since sequences (joined people, flags, keycaps) are one glyph. */
#include <ft2build.h>
#include FT_FREETYPE_H
#include <harfbuzz/hb-ft.h>
#include <harfbuzz/hb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "datasets/items_private.h"

enum { WIDTH = 136, HEIGHT = 128, CODES = 16, TONE_FIRST = 0x1F3FB, TONE_LAST = 0x1F3FF, SELECTOR = 0xFE0F };

typedef struct options {
    int64_t held_out, pairs, seed;
    bool skin_tones;
    const char *text, *background, *font, *list, *keywords;
} options;

static const lb_param params[] = {
    LB_PARAM(options, held_out, 400, 0, 100000, "items", "items of the split test; groups are kept together"),
    LB_PARAM(options, pairs, 400, 0, 100000, "items", "items of the split pairs; the rest is unpaired, or train when this is 0"),
    LB_PARAM(options, seed, 0, 0, 9007199254740992.0, "1", "of the order in which groups go to splits"),
    LB_PARAM_FLAG(options, skin_tones, 0, "skin tone variants too, in the group of the emoji without"),
    LB_PARAM_TEXT(options, text, "name", "name|name+keywords", "what an item's text is"),
    LB_PARAM_TEXT(options, background, "white", NULL, "colour behind the pictures: white, black or #rrggbb"),
    LB_PARAM_TEXT(options, font, "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf", NULL, "font with colour bitmaps (Debian: fonts-noto-color-emoji)"),
    LB_PARAM_TEXT(options, list, "/usr/share/unicode/emoji/emoji-test.txt", NULL, "Unicode's list (Debian: unicode-data)"),
    LB_PARAM_TEXT(options, keywords, "/usr/share/unicode/cldr/common", NULL, "CLDR's folder with annotations/en.xml (Debian: unicode-cldr-core)"),
    LB_PARAM_END,
};

/* ---- the font ---- */

/* A FreeType face may be used by one thread at a time: threads borrow one and give it back. */
typedef struct face {
    struct face *next;
    FT_Library library;
    FT_Face face;
} face;

typedef struct font {
    lb_mmap file;
    char *path;
    uint8_t background[3];
    pthread_mutex_t lock;
    face *idle;
} font;

typedef struct glyph {
    const lb_reader *reader;
    font *font;
    uint32_t index;
} glyph;

static lb_status font_error(const font *f, const char *what, int code) {
    return lb_fail(LB_E_FORMAT, "%s: %s: FreeType error %d (wanted a font with colour bitmaps, Debian's fonts-noto-color-emoji)", f->path, what, code);
}

static void close_face(face *a) {
    if (a->face) FT_Done_Face(a->face);
    if (a->library) FT_Done_FreeType(a->library);
    lb_free(a);
}

static lb_status open_face(face **out, const font *f) {
    lb_status st = LB_OK;
    face *a = lb_calloc(1, sizeof *a);
    if (!a) return LB_E_NOMEM;
    int code = FT_Init_FreeType(&a->library);
    if (code) LB_TRY(font_error(f, "cannot start", code));
    if ((code = FT_New_Memory_Face(a->library, f->file.data, (FT_Long)f->file.size, 0, &a->face))) LB_TRY(font_error(f, "cannot open", code));
    if (a->face->num_fixed_sizes < 1) LB_TRY(font_error(f, "holds no bitmaps", 0));
    if ((code = FT_Select_Size(a->face, 0))) LB_TRY(font_error(f, "cannot choose its bitmaps", code));
    *out = a;
    a = NULL;
done:
    if (a) close_face(a);
    return st;
}

static lb_status borrow(face **out, font *f) {
    pthread_mutex_lock(&f->lock);
    face *a = f->idle;
    if (a) f->idle = a->next;
    pthread_mutex_unlock(&f->lock);
    *out = a;
    return a ? LB_OK : open_face(out, f);
}

static void give_back(font *f, face *a) {
    pthread_mutex_lock(&f->lock);
    a->next = f->idle;
    f->idle = a;
    pthread_mutex_unlock(&f->lock);
}

static void close_font(void *p) {
    font *f = p;
    for (face *a = f->idle; a;) {
        face *next = a->next;
        close_face(a);
        a = next;
    }
    pthread_mutex_destroy(&f->lock);
    lb_mmap_close(&f->file);
    lb_free(f->path);
    lb_free(f);
}

static lb_status parse_colour(uint8_t out[3], const char *text) {
    unsigned r, g, b;
    int end = 0;
    if (strcmp(text, "white") == 0) memset(out, 255, 3);
    else if (strcmp(text, "black") == 0) memset(out, 0, 3);
    else if (strlen(text) == 7 && strspn(text + 1, "0123456789abcdefABCDEF") == 6 && sscanf(text, "#%2x%2x%2x%n", &r, &g, &b, &end) == 3 && end == 7) {
        out[0] = (uint8_t)r, out[1] = (uint8_t)g, out[2] = (uint8_t)b;
    } else return lb_fail(LB_E_ARG, "background '%s': expected white, black or #rrggbb", text);
    return LB_OK;
}

/* The font, owned by the list. */
static lb_status open_font(font **out, lb_items *items, const options *o) {
    lb_status st = LB_OK;
    font *f = lb_calloc(1, sizeof *f);
    face *a = NULL;
    if (!f) return LB_E_NOMEM;
    pthread_mutex_init(&f->lock, NULL);
    LB_TRY(parse_colour(f->background, o->background));
    if (!(f->path = lb_strdup(o->font))) LB_TRY(LB_E_NOMEM);
    if (!lb_file_exists(o->font)) LB_TRY(lb_fail(LB_E_NOTFOUND, "%s: no such font; install Debian's fonts-noto-color-emoji", o->font));
    LB_TRY(lb_mmap_open(&f->file, o->font));
    LB_TRY(open_face(&a, f));
    give_back(f, a);
    *out = f;
    font *kept = f;
    f = NULL;
    LB_TRY(lbi_items_own(items, kept, close_font));
done:
    if (f) close_font(f);
    return st;
}

/* The glyph of a sequence; 0 when the font shows it as several or not at all. */
static uint32_t shape(hb_font_t *hb, hb_buffer_t *buffer, const uint32_t *codes, int n) {
    hb_buffer_clear_contents(buffer);
    hb_buffer_add_utf32(buffer, codes, n, 0, n);
    hb_buffer_set_direction(buffer, HB_DIRECTION_LTR);
    hb_buffer_set_script(buffer, HB_SCRIPT_COMMON);
    hb_buffer_set_flags(buffer, HB_BUFFER_FLAG_REMOVE_DEFAULT_IGNORABLES);
    hb_shape(hb, buffer, NULL, 0);
    unsigned count = 0;
    const hb_glyph_info_t *info = hb_buffer_get_glyph_infos(buffer, &count);
    return count == 1 ? info[0].codepoint : 0;
}

/* Premultiplied BGRA over the background, in the middle of WIDTH x HEIGHT. */
static lb_status composite(lb_image *out, const FT_Bitmap *b, const uint8_t background[3]) {
    lb_status st = lb_image_new(out, WIDTH, HEIGHT, 3, 8);
    if (st != LB_OK) return st;
    uint8_t *dst = out->pixels;
    int left = (WIDTH - (int)b->width) / 2, top = (HEIGHT - (int)b->rows) / 2;
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++, dst += 3) {
            bool inside = x >= left && y >= top && x - left < (int)b->width && y - top < (int)b->rows;
            const uint8_t *p = inside ? b->buffer + (y - top) * b->pitch + 4 * (x - left) : (const uint8_t[4]){0};
            for (int c = 0; c < 3; c++) {
                int v = p[2 - c] + (background[c] * (255 - p[3]) + 127) / 255;
                dst[c] = (uint8_t)(v > 255 ? 255 : v);
            }
        }
    return LB_OK;
}

static lb_status image(lb_image *out, const lb_item *item) {
    const glyph *g = item->inner;
    face *a = NULL;
    lb_status st = borrow(&a, g->font);
    if (st != LB_OK) return st;
    int code = FT_Load_Glyph(a->face, g->index, FT_LOAD_COLOR);
    const FT_Bitmap *b = code ? NULL : &a->face->glyph->bitmap;
    if (!b || b->pixel_mode != FT_PIXEL_MODE_BGRA || b->pitch < 0) st = font_error(g->font, "no colour bitmap", code);
    else st = composite(out, b, g->font->background);
    give_back(g->font, a);
    return st == LB_OK ? st : lb_where(st, "emoji %s", item->key);
}

/* ---- the list ---- */

typedef struct entry {
    uint32_t codes[CODES];
    int count;
    bool toned;
    char *key, *name, *group, *subgroup, *split;
    const char *base;  /* key of the emoji whose variant this is */
    char *keywords;
    uint32_t glyph;
} entry;

typedef struct job {
    lb_items *items;
    const options *o;
    font *font;
    entry *at;
    int64_t count, capacity;
    char *group, *subgroup;
} job;

static lb_status keep(char **out, lb_items *items, const char *text, size_t n) {
    *out = lbi_items_text(items, text, n);
    return *out ? LB_OK : LB_E_NOMEM;
}

static lb_status grow(job *j) {
    if (j->count < j->capacity) return LB_OK;
    int64_t capacity = j->capacity ? 2 * j->capacity : 1024;
    entry *at = lb_realloc(j->at, (size_t)capacity, sizeof *at);
    if (!at) return LB_E_NOMEM;
    j->at = at;
    j->capacity = capacity;
    return LB_OK;
}

/* "1F600 FE0F ; fully-qualified # <emoji> E1.0 name" */
static lb_status parse_line(job *j, char *line, int64_t number) {
    lb_status st = LB_OK;
    entry e = {0};
    char *semicolon = strchr(line, ';'), *hash = strchr(line, '#'), key[CODES * 9] = "", *p = line;
    size_t used = 0;
    if (!semicolon || !hash || strncmp(semicolon + 1 + strspn(semicolon + 1, " "), "fully-qualified", 15) != 0) return LB_OK;
    while (p < semicolon && e.count < CODES) {
        char *end = NULL;
        unsigned long code = strtoul(p, &end, 16);
        if (end == p || code == 0 || code > 0x10FFFF) break;
        used += (size_t)snprintf(key + used, sizeof key - used, "%s%04lX", e.count ? "-" : "", code);
        e.toned = e.toned || (code >= TONE_FIRST && code <= TONE_LAST);
        e.codes[e.count++] = (uint32_t)code;
        p = end + strspn(end, " ");
    }
    char *version = strstr(hash, " E"), *name = version ? strchr(version + 1, ' ') : NULL;
    if (p != semicolon || e.count == 0 || !name) {
        lb_items_problem(j->items, "%s:%lld: is not 'code points ; status # emoji version name'; left out", j->o->list, (long long)number);
        return LB_OK;
    }
    if (e.toned && !j->o->skin_tones) return LB_OK;
    LB_TRY(grow(j));
    LB_TRY(keep(&e.key, j->items, key, used));
    LB_TRY(keep(&e.name, j->items, name + 1, strlen(name + 1)));
    e.group = j->group;
    e.subgroup = j->subgroup;
    j->at[j->count++] = e;
done:
    return st;
}

static lb_status read_list(job *j) {
    lb_status st = LB_OK;
    lb_buf data = {0};
    int64_t number = 0;
    if (!lb_file_exists(j->o->list)) return lb_fail(LB_E_NOTFOUND, "%s: no such list; install Debian's unicode-data", j->o->list);
    LB_TRY(lb_file_read(&data, j->o->list, 0));
    for (char *at = data.data, *next; at && *at; at = next) {
        size_t n = strcspn(at, "\r\n");
        next = at + n + (at[n] == '\r');
        if (*next == '\n') next++;
        at[n] = 0;
        number++;
        if (strncmp(at, "# group: ", 9) == 0) LB_TRY(keep(&j->group, j->items, at + 9, strlen(at + 9)));
        else if (strncmp(at, "# subgroup: ", 12) == 0) LB_TRY(keep(&j->subgroup, j->items, at + 12, strlen(at + 12)));
        else if (*at && *at != '#') LB_TRY(parse_line(j, at, number));
    }
    if (j->count == 0) st = lb_fail(LB_E_FORMAT, "%s: holds no fully-qualified emoji", j->o->list);
done:
    lb_buf_free(&data);
    return st;
}

/* ---- variants ---- */

/* Code points without skin tones and presentation selectors: what a variant shares with its base. */
static int bare(uint32_t out[CODES], const entry *e) {
    int n = 0;
    for (int i = 0; i < e->count; i++)
        if (e->codes[i] != SELECTOR && !(e->codes[i] >= TONE_FIRST && e->codes[i] <= TONE_LAST)) out[n++] = e->codes[i];
    return n;
}

/* The base has the same code points; or (mixed pairs, "handshake: light skin tone, dark skin tone") the name before the colon. */
static const char *base_of(const job *j, const entry *e) {
    uint32_t mine[CODES], other[CODES];
    int n = bare(mine, e);
    if (!e->toned) return e->key;
    for (int64_t i = 0; i < j->count; i++)
        if (!j->at[i].toned && bare(other, &j->at[i]) == n && memcmp(mine, other, (size_t)n * sizeof *mine) == 0) return j->at[i].key;
    size_t stem = strcspn(e->name, ":");
    for (int64_t i = 0; i < j->count; i++)
        if (!j->at[i].toned && strlen(j->at[i].name) == stem && strncmp(j->at[i].name, e->name, stem) == 0) return j->at[i].key;
    return e->key;
}

/* ---- splits ---- */

typedef struct group {
    const char *key;
    uint64_t order;
    int64_t first, size; /* of members */
} group;

typedef struct member {
    const char *base;
    int64_t entry;
} member;

static int by_base(const void *a, const void *b) {
    const member *x = a, *y = b;
    int c = strcmp(x->base, y->base);
    return c ? c : x->entry < y->entry ? -1 : x->entry > y->entry;
}

static int by_order(const void *a, const void *b) {
    const group *x = a, *y = b;
    return x->order != y->order ? x->order < y->order ? -1 : 1 : strcmp(x->key, y->key);
}

/* Gives the first groups that fit to a split, until it holds `want` items. */
static int64_t fill_split(job *j, const group *groups, int64_t n, const member *members, int64_t want, char *name) {
    int64_t have = 0;
    for (int64_t g = 0; g < n && have < want; g++) {
        if (j->at[members[groups[g].first].entry].split || groups[g].size > want - have) continue;
        for (int64_t i = 0; i < groups[g].size; i++) j->at[members[groups[g].first + i].entry].split = name;
        have += groups[g].size;
    }
    if (have < want) lb_items_problem(j->items, "emoji: split %s holds %lld items, %lld were asked for", name, (long long)have, (long long)want);
    return have;
}

static lb_status give_splits(job *j) {
    static char test[] = "test", pairs[] = "pairs", unpaired[] = "unpaired", train[] = "train";
    member *members = lb_alloc((size_t)j->count, sizeof *members);
    group *groups = lb_alloc((size_t)j->count, sizeof *groups);
    int64_t n = 0;
    lb_status st = members && groups ? LB_OK : LB_E_NOMEM;
    if (st != LB_OK) goto done;
    for (int64_t i = 0; i < j->count; i++) members[i] = (member){j->at[i].base, i};
    if (j->count > 0) qsort(members, (size_t)j->count, sizeof *members, by_base);
    for (int64_t i = 0; i < j->count; i++) {
        if (n == 0 || strcmp(groups[n - 1].key, members[i].base) != 0)
            groups[n++] = (group){members[i].base, lb_hash64(members[i].base, strlen(members[i].base), (uint64_t)j->o->seed), i, 0};
        groups[n - 1].size++;
    }
    if (n > 0) qsort(groups, (size_t)n, sizeof *groups, by_order);
    fill_split(j, groups, n, members, j->o->held_out, test);
    fill_split(j, groups, n, members, j->o->pairs, pairs);
    for (int64_t i = 0; i < j->count; i++)
        if (!j->at[i].split) j->at[i].split = j->o->pairs > 0 ? unpaired : train;
done:
    lb_free(members);
    lb_free(groups);
    return st;
}

/* ---- keywords ---- */

/* A sequence as CLDR writes its cp attribute: UTF-8 without presentation selectors. */
typedef struct named {
    char cp[CODES * 4 + 16];
    entry *e;
} named;

static int by_cp(const void *a, const void *b) {
    return strcmp(((const named *)a)->cp, ((const named *)b)->cp);
}

static void write_cp(char *out, size_t cap, const entry *e) {
    size_t used = 0;
    out[0] = 0;
    for (int i = 0; i < e->count && used + 10 < cap; i++) {
        uint32_t c = e->codes[i];
        if (c == SELECTOR) continue;
        if (c < 0x80) out[used++] = (char)c;
        else if (c < 0x800) out[used++] = (char)(0xC0 | c >> 6), out[used++] = (char)(0x80 | (c & 63));
        else if (c < 0x10000) out[used++] = (char)(0xE0 | c >> 12), out[used++] = (char)(0x80 | (c >> 6 & 63)), out[used++] = (char)(0x80 | (c & 63));
        else out[used++] = (char)(0xF0 | c >> 18), out[used++] = (char)(0x80 | (c >> 12 & 63)), out[used++] = (char)(0x80 | (c >> 6 & 63)), out[used++] = (char)(0x80 | (c & 63));
        out[used] = 0;
    }
}

static void unescape(char *s) {
    static const struct {
        const char *name;
        char c;
    } names[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    char *out = s;
    while (*s) {
        size_t skip = 1;
        char c = *s;
        for (size_t i = 0; c == '&' && i < LB_COUNT(names); i++)
            if (strncmp(s, names[i].name, strlen(names[i].name)) == 0) {
                c = names[i].c;
                skip = strlen(names[i].name);
                break;
            }
        *out++ = c;
        s += skip;
    }
    *out = 0;
}

/* "grin | face | grinning face" -> "grin, face", the name left out. */
static lb_status join_keywords(entry *e, lb_items *items, char *words) {
    lb_buf out = {0};
    for (char *p = words; p && *p;) {
        char *end = strstr(p, " | ");
        size_t n = end ? (size_t)(end - p) : strlen(p);
        if (!(strlen(e->name) == n && strncmp(e->name, p, n) == 0)) {
            if (out.size) lb_buf_text(&out, ", ");
            lb_buf_add(&out, p, n);
        }
        p = end ? end + 3 : NULL;
    }
    lb_status st = lb_buf_status(&out);
    if (st == LB_OK && out.size) st = keep(&e->keywords, items, out.data, out.size);
    lb_buf_free(&out);
    return st;
}

/* <annotation cp="X">a | b</annotation>; those with type="tts" are names. */
static lb_status scan_annotations(job *j, char *data, const named *names) {
    named wanted = {0};
    lb_status st = LB_OK;
    for (char *at = data; (at = strstr(at, "<annotation cp=\"")) != NULL;) {
        char *cp = at + 16, *quote = strchr(cp, '"'), *open = quote ? strchr(quote, '>') : NULL, *close = open ? strchr(open, '<') : NULL;
        if (!close) break;
        at = close;
        if (open != quote + 1) continue;
        *quote = *close = 0;
        unescape(cp);
        unescape(open + 1);
        snprintf(wanted.cp, sizeof wanted.cp, "%s", cp);
        const named *found = bsearch(&wanted, names, (size_t)j->count, sizeof *names, by_cp);
        if (found && !found->e->keywords) LB_TRY(join_keywords(found->e, j->items, open + 1));
        at++;
    }
done:
    return st;
}

static lb_status read_keywords(job *j) {
    static const char *const files[] = {"annotations/en.xml", "annotationsDerived/en.xml"};
    lb_status st = LB_OK;
    lb_buf data = {0};
    char *path = NULL;
    named *names = lb_alloc((size_t)j->count, sizeof *names);
    if (!names) LB_TRY(LB_E_NOMEM);
    for (int64_t i = 0; i < j->count; i++) {
        names[i].e = &j->at[i];
        write_cp(names[i].cp, sizeof names[i].cp, &j->at[i]);
    }
    qsort(names, (size_t)j->count, sizeof *names, by_cp);
    for (size_t f = 0; f < LB_COUNT(files); f++) {
        lb_free(path);
        if (!(path = lb_path_join(j->o->keywords, files[f]))) LB_TRY(LB_E_NOMEM);
        if (!lb_file_exists(path)) {
            lb_items_problem(j->items, "%s: no such file, so texts lack its keywords; install Debian's unicode-cldr-core", path);
            continue;
        }
        lb_buf_clear(&data);
        LB_TRY(lb_file_read(&data, path, 0));
        if (data.data) LB_TRY(scan_annotations(j, data.data, names));
    }
done:
    lb_buf_free(&data);
    lb_free(path);
    lb_free(names);
    return st;
}

/* ---- items ---- */

/* Leaves out what the font cannot show. */
static lb_status find_glyphs(job *j) {
    lb_status st = LB_OK;
    face *a = NULL;
    int64_t kept = 0;
    LB_TRY(borrow(&a, j->font));
    hb_font_t *hb = hb_ft_font_create(a->face, NULL);
    hb_buffer_t *buffer = hb_buffer_create();
    for (int64_t i = 0; i < j->count; i++) {
        entry e = j->at[i];
        e.glyph = shape(hb, buffer, e.codes, e.count);
        if (e.glyph) j->at[kept++] = e;
        else lb_items_problem(j->items, "emoji %s (%s): %s does not show it; left out", e.key, e.name, j->o->font);
    }
    if (!hb_buffer_allocation_successful(buffer)) st = lb_fail(LB_E_NOMEM, "no memory for shaping");
    hb_buffer_destroy(buffer);
    hb_font_destroy(hb);
    give_back(j->font, a);
    j->count = kept;
done:
    return st;
}

static lb_status add(job *j, const entry *e) {
    lb_buf text = {0};
    lb_status st = LB_OK;
    glyph *g = lbi_items_alloc(j->items, sizeof *g);
    if (!g) return LB_E_NOMEM;
    extern const lb_reader lb_reader_emoji;
    *g = (glyph){&lb_reader_emoji, j->font, e->glyph};
    lb_buf_text(&text, e->name);
    if (e->keywords) lb_buf_format(&text, ": %s", e->keywords);
    LB_TRY(lb_buf_status(&text));
    LB_TRY(lb_items_add(j->items, &(lb_item){.key = e->key, .text = text.data, .text_size = text.size, .label = e->group, .domain = e->subgroup, .split = e->split,
                                             .group = (char *)e->base, .inner = g}));
done:
    lb_buf_free(&text);
    return st;
}

static int probe(const char *path) {
    return strcmp(path, "emoji") == 0 ? 100 : 0;
}

static lb_status read(lb_items *items, const char *path, const void *cfg) {
    lb_status st = LB_OK;
    job j = {.items = items, .o = cfg};
    if (!probe(path)) return lb_fail(LB_E_ARG, "%s: the input of reader emoji is the word emoji", path);
    LB_TRY(open_font(&j.font, items, j.o));
    LB_TRY(read_list(&j));
    for (int64_t i = 0; i < j.count; i++) j.at[i].base = base_of(&j, &j.at[i]);
    LB_TRY(find_glyphs(&j));
    LB_TRY(give_splits(&j));
    if (strcmp(j.o->text, "name+keywords") == 0 && j.count > 0) LB_TRY(read_keywords(&j));
    for (int64_t i = 0; i < j.count; i++) LB_TRY(add(&j, &j.at[i]));
done:
    lb_free(j.at);
    return st;
}

LB_READER(emoji) = {.id = "emoji", .title = "colour emoji of the system's font with their Unicode names, 136 x 128 pixels",
                    .source = "Unicode UTS #51 emoji-test.txt; CLDR annotations; OpenType CBDT through FreeType and HarfBuzz", .params = params, .params_size = sizeof(options),
                    .fields = "image text label split domain group", .probe = probe, .read = read, .image = image};
