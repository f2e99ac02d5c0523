/* SPDX-License-Identifier: Apache-2.0 */
/* WebDataset shards. Members that follow each other and share their name up to the first dot of its last part are one sample; what comes after the dot
 * says what a member is. Pictures, sounds and videos stay in the archive: items name their bytes (io/uri.h). */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "datasets/items_private.h"
#include "io/tar.h"

enum { SHARDS_MAX = 1000000, UNKNOWN = 32, ENDING = 24 };

typedef struct options {
    const char *image, *mask, *text, *label, *split;
    bool shard_keys;
} options;

static const lb_param params[] = {
    LB_PARAM_TEXT(options, image, NULL, NULL, "ending of the picture where a sample has several (\"left.png\")"),
    LB_PARAM_TEXT(options, mask, NULL, NULL, "ending of the mask; none given = an ending that begins with mask, seg or labels (\"seg.png\")"),
    LB_PARAM_TEXT(options, text, NULL, NULL, "ending of the text, or \"json.FIELD\"; none given = txt, text, caption, cap, then caption or text of the json member"),
    LB_PARAM_TEXT(options, label, NULL, NULL, "ending of the label, or \"json.FIELD\"; none given = cls, label, then label, class or category of the json member"),
    LB_PARAM_TEXT(options, split, NULL, NULL, "split that the items are given"),
    LB_PARAM_FLAG(options, shard_keys, 0, "keys begin with the shard's name: for shards that number their samples anew"),
    LB_PARAM_END,
};

typedef struct sample {
    lb_buf key, image, audio, video, mask, text, label, json;
    bool has_text, has_label, has_json;
} sample;

typedef struct job {
    lb_items *items;
    const options *o;
    const char *shard;
    lb_mmap map;
    sample s;
    bool open; /* s holds a sample */
    char unknown[UNKNOWN][ENDING];
    int64_t unknown_count[UNKNOWN];
    int unknowns;
} job;

/* ---- shards ---- */

typedef struct shard_list {
    char **at;
    int64_t count, capacity;
} shard_list;

static lb_status add_shard(shard_list *l, const char *path) {
    if (l->count == SHARDS_MAX) return lb_fail(LB_E_LIMIT, "more than %d shards", SHARDS_MAX);
    if (l->count == l->capacity) {
        int64_t capacity = l->capacity ? 2 * l->capacity : 64;
        char **at = lb_realloc(l->at, (size_t)capacity, sizeof *at);
        if (!at) return LB_E_NOMEM;
        l->at = at;
        l->capacity = capacity;
    }
    if (!(l->at[l->count] = lb_strdup(path))) return LB_E_NOMEM;
    l->count++;
    return LB_OK;
}

/* "name-{000..123}.tar", "{train,val}-0.tar": the first braces, then the rest. */
static lb_status expand_braces(shard_list *l, const char *path) {
    const char *open = strchr(path, '{'), *close = open ? strchr(open, '}') : NULL;
    if (!close) return add_shard(l, path);
    lb_status st = LB_OK;
    const char *dots = strstr(open, ".."), *from = open + 1;
    int head = (int)(open - path);
    if (dots && dots < close) {
        char *end = NULL;
        long long first = strtoll(from, &end, 10), last = end == dots ? strtoll(dots + 2, &end, 10) : 0;
        int width = *from == '0' ? (int)(dots - from) : 0;
        if (end != close || first < 0 || last < first || last - first >= SHARDS_MAX) return lb_fail(LB_E_ARG, "%s: the range in braces is not NUMBER..NUMBER", path);
        for (long long i = first; st == LB_OK && i <= last; i++) {
            char *one = lb_format_dup("%.*s%0*lld%s", head, path, width, i, close + 1);
            st = one ? expand_braces(l, one) : LB_E_NOMEM;
            lb_free(one);
        }
        return st;
    }
    while (st == LB_OK && from <= close) {
        size_t n = strcspn(from, ",}");
        char *one = lb_format_dup("%.*s%.*s%s", head, path, (int)n, from, close + 1);
        st = one ? expand_braces(l, one) : LB_E_NOMEM;
        lb_free(one);
        from += n + 1;
    }
    return st;
}

static lb_status expand_glob(shard_list *l, const char *path) {
    glob_t g = {0};
    lb_status st = LB_OK;
    int code = glob(path, 0, NULL, &g);
    if (code == GLOB_NOSPACE) st = LB_E_NOMEM;
    else if (code != 0) st = lb_fail(LB_E_NOTFOUND, "%s: no file fits", path);
    for (size_t i = 0; st == LB_OK && i < g.gl_pathc; i++) st = add_shard(l, g.gl_pathv[i]);
    globfree(&g);
    return st;
}

static lb_status expand_folder(shard_list *l, const char *path) {
    char **names = NULL;
    int64_t count = 0;
    lb_status st = lb_list_files(&names, &count, path);
    for (int64_t i = 0; st == LB_OK && i < count; i++) {
        char *file = lb_ends_with(names[i], ".tar") ? lb_path_join(path, names[i]) : NULL;
        if (file) st = add_shard(l, file);
        lb_free(file);
    }
    lb_names_free(names, count);
    if (st == LB_OK && l->count == 0) st = lb_fail(LB_E_NOTFOUND, "%s: holds no .tar file", path);
    return st;
}

static lb_status expand(shard_list *l, const char *path) {
    if (lb_is_folder(path)) return expand_folder(l, path);
    if (lb_file_exists(path)) return add_shard(l, path);
    if (strchr(path, '{')) return expand_braces(l, path);
    return expand_glob(l, path);
}

static bool only_shards(const char *folder) {
    char **names = NULL;
    int64_t count = 0, tars = 0, media = 0;
    if (lb_list_folder(&names, &count, folder) != LB_OK) {
        lb_error_clear();
        return false;
    }
    for (int64_t i = 0; i < count; i++) {
        tars += lb_ends_with(names[i], ".tar");
        media += lbi_kind_of(names[i]) != NULL;
    }
    lb_names_free(names, count);
    return tars > 0 && media == 0;
}

static int probe(const char *path) {
    bool packed = lb_ends_with(path, ".tar.gz") || lb_ends_with(path, ".tgz") || lb_ends_with(path, ".tar.zst") || lb_ends_with(path, ".tar.xz") || lb_ends_with(path, ".tar.bz2");
    if (lb_is_folder(path)) return only_shards(path) ? 85 : 0;
    if (lb_file_exists(path)) return lb_ends_with(path, ".tar") ? 95 : packed ? 60 : 0;
    return lb_ends_with(path, ".tar") && strpbrk(path, "{*?[") ? 95 : 0;
}

/* ---- samples ---- */

static void clear(sample *s) {
    lb_buf *all[] = {&s->key, &s->image, &s->audio, &s->video, &s->mask, &s->text, &s->label, &s->json};
    for (size_t i = 0; i < LB_COUNT(all); i++) lb_buf_clear(all[i]);
    s->has_text = s->has_label = s->has_json = false;
}

static void release(sample *s) {
    lb_buf *all[] = {&s->key, &s->image, &s->audio, &s->video, &s->mask, &s->text, &s->label, &s->json};
    for (size_t i = 0; i < LB_COUNT(all); i++) lb_buf_free(all[i]);
}

static lb_status failed(const sample *s) {
    const lb_buf *all[] = {&s->key, &s->image, &s->audio, &s->video, &s->mask, &s->text, &s->label, &s->json};
    for (size_t i = 0; i < LB_COUNT(all); i++)
        if (all[i]->failed) return lb_buf_status(all[i]);
    return LB_OK;
}

static void take_field(lb_buf *out, bool *has, const lb_value *json, const char *names) {
    char word[64];
    for (const char *p = names; *p && !*has;) {
        size_t n = strcspn(p, " ");
        snprintf(word, sizeof word, "%.*s", (int)n, p);
        const lb_value *v = lb_get(json, word);
        if (v && v->kind == LB_V_TEXT) lb_buf_add(out, v->text, v->text_size), *has = true;
        if (v && v->kind == LB_V_INT) lb_buf_format(out, "%lld", (long long)v->integer), *has = true;
        p += n + (p[n] == ' ');
    }
}

static const char *json_field(const char *option) { return option && strncmp(option, "json.", 5) == 0 ? option + 5 : NULL; }

/* Fields of the json member fill what the others left empty. */
static lb_status take_json(job *j, lb_buf *more) {
    sample *s = &j->s;
    lb_value *v = NULL;
    lb_status st = lb_json_parse(&v, lb_buf_str(&s->json), s->json.size, "json");
    if (st == LB_E_NOMEM) return st;
    if (st != LB_OK || v->kind != LB_V_MAP) {
        lb_items_problem(j->items, "%s: the json member of '%s' is no JSON object; ignored", j->shard, lb_buf_str(&s->key));
        lb_error_clear();
        lb_value_free(v);
        return LB_OK;
    }
    const char *text = json_field(j->o->text), *label = json_field(j->o->label);
    static const char *const names[4] = {"split", "domain", "group", "key"};
    if (text || !j->o->text) take_field(&s->text, &s->has_text, v, text ? text : "caption text");
    if (label || !j->o->label) take_field(&s->label, &s->has_label, v, label ? label : "label class category");
    for (int i = 0; i < 4; i++) {
        bool has = false;
        take_field(&more[i], &has, v, names[i]);
    }
    lb_value_free(v);
    return LB_OK;
}

static char *or_null(const lb_buf *b) { return b->size ? b->data : NULL; }

static lb_status finish(job *j) {
    sample *s = &j->s;
    lb_status st = LB_OK;
    lb_buf more[4] = {{0}}, key = {0};
    if (!j->open) return LB_OK;
    j->open = false;
    if (s->has_json) LB_TRY(take_json(j, more));
    LB_TRY(failed(s));
    if (!s->image.size && !s->audio.size && !s->video.size && !s->has_text) {
        lb_items_problem(j->items, "%s: sample '%s' has no picture, sound, video or text; left out", j->shard, lb_buf_str(&s->key));
        goto done;
    }
    if (s->has_text && !lbi_is_utf8(lb_buf_str(&s->text), s->text.size)) {
        lb_items_problem(j->items, "%s: the text of sample '%s' is not UTF-8; left out", j->shard, lb_buf_str(&s->key));
        goto done;
    }
    if (j->o->shard_keys) lb_buf_format(&key, "%s/", lb_path_name(j->shard));
    lb_buf_text(&key, more[3].size ? lb_buf_str(&more[3]) : lb_buf_str(&s->key));
    LB_TRY(lb_buf_status(&key));
    lb_item item = {.key = key.data, .image = or_null(&s->image), .audio = or_null(&s->audio), .video = or_null(&s->video), .mask = or_null(&s->mask),
                    .text = s->has_text ? (char *)lb_buf_str(&s->text) : NULL, .text_size = s->text.size, .label = or_null(&s->label), .split = or_null(&more[0]), .domain = or_null(&more[1]),
                    .group = or_null(&more[2])};
    if (j->o->split) item.split = (char *)j->o->split;
    LB_TRY(lb_items_add(j->items, &item));
done:
    for (int i = 0; i < 4; i++) lb_buf_free(&more[i]);
    lb_buf_free(&key);
    clear(s);
    return st;
}

/* ---- members ---- */

static bool is_word(const char *words, const char *ending) {
    char word[ENDING + 2];
    snprintf(word, sizeof word, " %.*s ", ENDING - 1, ending);
    return strstr(words, word) != NULL;
}

static bool is_mask(const job *j, const char *ending, const char *kind) {
    if (j->o->mask) return strcmp(ending, j->o->mask) == 0;
    return kind && strcmp(kind, "image") == 0 && strchr(ending, '.') && (strncmp(ending, "mask", 4) == 0 || strncmp(ending, "seg", 3) == 0 || strncmp(ending, "label", 5) == 0);
}

static lb_buf *medium(job *j, const char *ending, const char *kind) {
    sample *s = &j->s;
    if (is_mask(j, ending, kind)) return &s->mask;
    if (j->o->image && strcmp(ending, j->o->image) == 0) return &s->image;
    if (!kind || strcmp(kind, "text") == 0) return NULL;
    if (strcmp(kind, "image") == 0) return j->o->image ? NULL : &s->image;
    return strcmp(kind, "audio") == 0 ? &s->audio : &s->video;
}

static void note_unknown(job *j, const char *ending) {
    char word[ENDING];
    snprintf(word, sizeof word, "%.*s", ENDING - 1, ending);
    for (int i = 0; i < j->unknowns; i++)
        if (strcmp(j->unknown[i], word) == 0) {
            j->unknown_count[i]++;
            return;
        }
    if (j->unknowns == UNKNOWN) return;
    memcpy(j->unknown[j->unknowns], word, sizeof word);
    j->unknown_count[j->unknowns++] = 1;
}

static void take_text(lb_buf *out, bool *has, const char *p, size_t n) {
    while (n > 0 && (p[n - 1] == '\n' || p[n - 1] == '\r')) n--;
    lb_buf_add(out, p, n);
    *has = true;
}

static void take_member(job *j, const lbi_tar_member *m, const char *ending) {
    const char *kind = lbi_kind_of(m->name), *data = (const char *)j->map.data + m->offset;
    sample *s = &j->s;
    lb_buf *to = medium(j, ending, kind);
    if (to) {
        if (to->size) lb_items_problem(j->items, "%s: sample '%s' has a second %s '%s'; ignored", j->shard, lb_buf_str(&s->key), to == &s->mask ? "mask" : kind ? kind : "picture", m->name);
        else lb_buf_format(to, "%s#%zu+%zu/%s", j->shard, m->offset, m->size, m->name);
    } else if (j->o->text ? strcmp(ending, j->o->text) == 0 : is_word(" txt text caption cap ", ending)) {
        if (!s->has_text) take_text(&s->text, &s->has_text, data, m->size);
    } else if (j->o->label ? strcmp(ending, j->o->label) == 0 : is_word(" cls label ", ending)) {
        if (!s->has_label) take_text(&s->label, &s->has_label, data, m->size);
    } else if (strcmp(ending, "json") == 0) {
        lb_buf_clear(&s->json);
        lb_buf_add(&s->json, data, m->size);
        s->has_json = true;
    } else if (!kind) note_unknown(j, ending);
}

/* The key: up to the first dot of the last part. Hidden members and those named __x__ are of no sample. */
static lb_status member(job *j, const lbi_tar_member *m) {
    const char *last = lb_path_name(m->name), *dot = strchr(last, '.');
    lb_status st = LB_OK;
    if (last[0] == '.' || strncmp(last, "__", 2) == 0) return LB_OK;
    if (!lbi_is_utf8(m->name, strlen(m->name))) {
        lb_items_problem(j->items, "%s: byte %zu: a name that is not UTF-8 cannot be a key; left out", j->shard, m->offset);
        return LB_OK;
    }
    if (!dot) {
        note_unknown(j, "");
        return LB_OK;
    }
    size_t n = (size_t)(dot - m->name);
    bool same = j->open && j->s.key.size == n && memcmp(j->s.key.data, m->name, n) == 0;
    if (!same) {
        if ((st = finish(j)) != LB_OK) return st;
        lb_buf_add(&j->s.key, m->name, n);
        j->open = true;
    }
    take_member(j, m, dot + 1);
    return failed(&j->s);
}

static lb_status read_shard(job *j) {
    lb_status st = LB_OK;
    lbi_tar t = {0};
    lbi_tar_member m;
    if (!lb_ends_with(j->shard, ".tar")) return lb_fail(LB_E_UNSUPPORTED, "%s: a compressed archive cannot be read in place; unpack it to .tar first (gunzip, zstd -d)", j->shard);
    if (!lb_file_exists(j->shard)) {
        lb_items_problem(j->items, "%s: no such shard; left out", j->shard);
        return LB_OK;
    }
    LB_TRY(lb_mmap_open(&j->map, j->shard));
    t.data = j->map.data, t.size = j->map.size;
    for (bool end = false;;) {
        st = lbi_tar_next(&m, &end, &t);
        if (st == LB_E_FORMAT || st == LB_E_UNSUPPORTED) {
            lb_items_problem(j->items, "%s: %s", j->shard, lb_error_text());
            lb_error_clear();
            continue;
        }
        if (st != LB_OK || end) break;
        LB_TRY(member(j, &m));
    }
    if (st == LB_OK) st = finish(j);
done:
    lbi_tar_close(&t);
    lb_mmap_close(&j->map);
    return st;
}

static lb_status read(lb_items *items, const char *path, const void *cfg) {
    lb_status st = LB_OK;
    shard_list l = {0};
    job j = {.items = items, .o = cfg};
    int64_t before = items->count;
    char *folder = lb_is_folder(path) ? lb_strdup(path) : lb_path_folder(path);
    if (!folder) return LB_E_NOMEM;
    LB_TRY(lbi_items_base(items, folder));
    LB_TRY(expand(&l, path));
    for (int64_t i = 0; i < l.count; i++) {
        j.shard = l.at[i];
        LB_TRY(read_shard(&j));
    }
    for (int i = 0; i < j.unknowns; i++)
        lb_items_problem(items, "%s: %lld members ending in '%s' are not media or text; ignored", path, (long long)j.unknown_count[i], j.unknown[i]);
    if (items->count == before) lb_items_problem(items, "%s: holds no samples", path);
done:
    release(&j.s);
    for (int64_t i = 0; i < l.count; i++) lb_free(l.at[i]);
    lb_free(l.at);
    lb_free(folder);
    return st;
}

LB_READER(tar) = {.id = "tar",
                  .title = "WebDataset shards: one .tar, a pattern (name-{000..123}.tar, *.tar) or a folder of them; members are read in place",
                  .source = "webdataset, README.md; img2dataset, README.md",
                  .params = params,
                  .params_size = sizeof(options),
                  .fields = "image audio video text mask label split domain group",
                  .probe = probe,
                  .read = read};
