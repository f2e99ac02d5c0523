/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include "base/file.h"
#include "datasets/items_private.h"

enum { UNKNOWN = 64, STEP = 1 << 20 };
static const size_t size_limit = (size_t)16 << 30;
static const char list_name[] = "list.jsonl"; /* makes a folder a dataset */

typedef struct job {
    lb_items *items;
    const char *name;   /* of the list, for messages */
    char *folder;       /* that paths are relative to */
    int64_t line;
    char *unknown[UNKNOWN];
    int unknown_count;
    bool crowded, refused;
} job;

/* One line on its way to an item; texts are owned. */
typedef struct row {
    lb_item item;
    char *path[4]; /* image audio video mask, joined */
    char number[24];
    float *boxes;
    bool bad;
} row;

static char *in_folder(const char *folder) {
    return lb_path_join(folder, list_name);
}

static int probe(const char *path) {
    if (strcmp(path, "-") == 0) return 100;
    if (lb_is_folder(path)) {
        char *list = in_folder(path);
        int sure = list && lb_file_exists(list) ? 90 : 0;
        lb_free(list);
        return sure;
    }
    return (lb_ends_with(path, ".jsonl") || lb_ends_with(path, ".ndjson")) && lb_file_exists(path) ? 100 : 0;
}

static void bad_line(job *j, row *r, const char *fmt, const char *a, const char *b) {
    char text[256];
    snprintf(text, sizeof text, fmt, a, b);
    lb_items_problem(j->items, "%s:%lld: %s; left out", j->name, (long long)j->line, text);
    r->bad = true;
}

static void unknown_field(job *j, const char *name) {
    for (int i = 0; i < j->unknown_count; i++)
        if (strcmp(j->unknown[i], name) == 0) return;
    if (j->unknown_count == UNKNOWN) {
        if (!j->crowded) lb_items_problem(j->items, "%s:%lld: more unknown fields, no longer named; ignored", j->name, (long long)j->line);
        j->crowded = true;
        return;
    }
    char *own = lbi_items_text(j->items, name, strlen(name));
    if (own) j->unknown[j->unknown_count++] = own;
    else j->refused = true;
    lb_items_problem(j->items, "%s:%lld: field '%.80s' is not known; ignored", j->name, (long long)j->line, name);
}

static char **field_of(lb_item *item, const char *name) {
    struct {
        const char *name;
        char **at;
    } fields[] = {{"key", &item->key}, {"image", &item->image}, {"audio", &item->audio}, {"video", &item->video}, {"mask", &item->mask}, {"text", &item->text},
                  {"label", &item->label}, {"split", &item->split}, {"domain", &item->domain}, {"group", &item->group}};
    for (size_t i = 0; i < LB_COUNT(fields); i++)
        if (strcmp(fields[i].name, name) == 0) return fields[i].at;
    return NULL;
}

/* [[x0, y0, x1, y1], ...] */
static void take_boxes(job *j, row *r, const lb_value *v) {
    bool ok = v->kind == LB_V_LIST;
    if (!ok || !(r->boxes = lb_alloc((size_t)v->count, 4 * sizeof *r->boxes))) {
        if (ok) j->refused = true;
        else bad_line(j, r, "field 'boxes' is no list%s%s", "", "");
        return;
    }
    for (int64_t i = 0; ok && i < v->count; i++) {
        const lb_value *box = v->items[i];
        ok = box->kind == LB_V_LIST && box->count == 4;
        for (int k = 0; ok && k < 4; k++) {
            const lb_value *x = box->items[k];
            ok = x->kind == LB_V_INT || x->kind == LB_V_REAL;
            if (ok) r->boxes[4 * i + k] = (float)(x->kind == LB_V_INT ? (double)x->integer : x->real);
        }
    }
    r->item.boxes = r->boxes;
    r->item.box_count = v->count;
    if (!ok) bad_line(j, r, "field 'boxes' is no list of [x0, y0, x1, y1]%s%s", "", "");
}

/* Texts; whole numbers too where a name is meant (label 3). */
static void take_field(job *j, row *r, const char *name, const lb_value *v) {
    char **at = field_of(&r->item, name);
    if (!at && strcmp(name, "boxes") == 0 && v->kind != LB_V_NULL) {
        take_boxes(j, r, v);
        return;
    }
    if (!at) {
        unknown_field(j, name);
        return;
    }
    if (v->kind == LB_V_NULL) return;
    bool is_text = at == &r->item.text, is_name = at == &r->item.label || at == &r->item.key || at == &r->item.domain || at == &r->item.group || at == &r->item.split;
    if (v->kind == LB_V_INT && is_name) {
        char number[24];
        snprintf(number, sizeof number, "%lld", (long long)v->integer);
        if (!(*at = lbi_items_text(j->items, number, strlen(number)))) j->refused = true;
    } else if (v->kind != LB_V_TEXT) bad_line(j, r, "field '%s' is not a text%s", name, is_name ? " or a whole number" : "");
    else if (is_text) {
        r->item.text = v->text;
        r->item.text_size = v->text_size;
    } else if (strlen(v->text) != v->text_size) bad_line(j, r, "field '%s' holds a NUL%s", name, "");
    else if (!v->text[0] && at != &r->item.label) bad_line(j, r, "field '%s' is empty%s", name, "");
    else *at = v->text;
}

static void default_key(const job *j, row *r) {
    lb_item *item = &r->item;
    if (item->key) return;
    item->key = item->image ? item->image : item->audio ? item->audio : item->video;
    if (item->key) return;
    snprintf(r->number, sizeof r->number, "line-%06lld", (long long)j->line);
    item->key = r->number;
}

static lb_status join_paths(job *j, row *r) {
    char **at[] = {&r->item.image, &r->item.audio, &r->item.video, &r->item.mask};
    for (size_t i = 0; i < LB_COUNT(at); i++) {
        if (!*at[i] || !j->folder) continue;
        if (!(r->path[i] = lb_path_join(j->folder, *at[i]))) return LB_E_NOMEM;
        *at[i] = r->path[i];
    }
    return LB_OK;
}

static lb_status read_line(job *j, const char *text, size_t n) {
    lb_status st = LB_OK;
    row r = {.item.line = j->line};
    lb_value *v = NULL;
    st = lb_json_parse(&v, text, n, j->name);
    if (st == LB_E_NOMEM) return st;
    if (st != LB_OK) {
        /* The parser's place is within the line: only its text after the name is kept. */
        const char *why = strncmp(lb_error_text(), j->name, strlen(j->name)) == 0 ? lb_error_text() + strlen(j->name) : lb_error_text();
        lb_items_problem(j->items, "%s:%lld: is not JSON (%s); left out", j->name, (long long)j->line, why + strspn(why, ": "));
        lb_error_clear();
        return LB_OK;
    }
    if (v->kind != LB_V_MAP) bad_line(j, &r, "is not a JSON object%s%s", "", "");
    else if (v->count == 0) bad_line(j, &r, "is an empty object%s%s", "", "");
    for (int64_t i = 0; v->kind == LB_V_MAP && i < v->count && !r.bad; i++) take_field(j, &r, v->keys[i], v->items[i]);
    if (j->refused) LB_TRY(LB_E_NOMEM);
    if (r.bad) goto done;
    default_key(j, &r);
    LB_TRY(join_paths(j, &r));
    LB_TRY(lb_items_add(j->items, &r.item));
done:
    for (size_t i = 0; i < LB_COUNT(r.path); i++) lb_free(r.path[i]);
    lb_free(r.boxes);
    lb_value_free(v);
    return st;
}

static bool is_blank(const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (s[i] != ' ' && s[i] != '\t' && s[i] != '\r') return false;
    return true;
}

/* What was read of a mapped list is not held while the rest is read. */
static lb_status read_lines(job *j, const char *at, size_t left, const lb_mmap *map) {
    lb_status st = LB_OK;
    size_t read = 0;
    if (left >= 3 && memcmp(at, "\xEF\xBB\xBF", 3) == 0) at += 3, left -= 3;
    while (left > 0 && st == LB_OK) {
        const char *end = memchr(at, '\n', left);
        size_t n = end ? (size_t)(end - at) : left, used = n + (end != NULL);
        j->line++;
        if (!is_blank(at, n)) st = read_line(j, at, n);
        at += used;
        left -= used;
        if ((read += used) >= STEP && map) lb_mmap_rest(map), read = 0;
    }
    return st;
}

/* A file is mapped, anything else (standard input, a pipe) taken into memory. */
static lb_status read_list(job *j, const char *list) {
    lb_buf data = {0};
    lb_mmap map = {0};
    struct stat info;
    bool mapped = strcmp(list, "-") != 0 && stat(list, &info) == 0 && S_ISREG(info.st_mode);
    lb_status st = mapped ? lb_mmap_open(&map, list) : lb_file_read(&data, list, size_limit);
    if (st == LB_OK) st = mapped ? read_lines(j, (const char *)map.data, map.size, &map) : read_lines(j, lb_buf_str(&data), data.size, NULL);
    lb_mmap_close(&map);
    lb_buf_free(&data);
    return st;
}

static lb_status read(lb_items *items, const char *path, const void *cfg) {
    (void)cfg;
    lb_status st = LB_OK;
    bool standard = strcmp(path, "-") == 0;
    char *list = !standard && lb_is_folder(path) ? in_folder(path) : lb_strdup(path);
    job j = {.items = items, .name = standard ? "standard input" : list};
    if (!list) return LB_E_NOMEM;
    if (!standard) {
        if (!(j.folder = lb_path_folder(list))) LB_TRY(LB_E_NOMEM);
        LB_TRY(lbi_items_base(items, j.folder));
        /* Paths stay as written where the list lies in the working folder. */
        if (strcmp(j.folder, ".") == 0 && strncmp(list, "./", 2) != 0) {
            lb_free(j.folder);
            j.folder = NULL;
        }
    }
    LB_TRY(read_list(&j, list));
    if (items->count == 0 && items->problem_count == 0) lb_items_problem(items, "%s: holds no items", j.name);
done:
    lb_free(j.folder);
    lb_free(list);
    return st;
}

LB_READER(jsonl) = {.id = "jsonl", .title = "a list with a JSON object a line; - is standard input; a folder with list.jsonl is one too", .source = "JSON Lines 1.0, https://jsonlines.org",
                    .fields = "key image audio video text mask label split domain group boxes", .probe = probe, .read = read};
