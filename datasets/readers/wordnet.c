/* SPDX-License-Identifier: Apache-2.0 */
/* Glosses of WordNet as texts: "dog: a member of the genus Canis". Source of the format: wndb(5WN) of WordNet 3.0; names of the
 * lexicographer files: lexnames(5WN). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "datasets/items_private.h"

typedef struct options {
    const char *pos, *split, *folder;
    int64_t limit, seed;
} options;

static const lb_param params[] = {
    LB_PARAM_TEXT(options, pos, "all", "all|noun|verb|adj|adv", "part of speech"),
    LB_PARAM(options, limit, 0, 0, 1e9, "items", "take only this many, chosen by a hash of the key; 0 = all"),
    LB_PARAM(options, seed, 0, 0, 9007199254740992.0, "1", "of that choice"),
    LB_PARAM_TEXT(options, split, NULL, NULL, "split that the items are given"),
    LB_PARAM_TEXT(options, folder, "/usr/share/wordnet", NULL, "folder of data.noun and the others (Debian: wordnet-base)"),
    LB_PARAM_END,
};

static const char *const lexnames[] = {
    "adj.all",         "adj.pert",        "adv.all",         "noun.Tops",      "noun.act",           "noun.animal",      "noun.artifact",  "noun.attribute",   "noun.body",
    "noun.cognition",  "noun.communication", "noun.event",   "noun.feeling",   "noun.food",          "noun.group",       "noun.location",  "noun.motive",      "noun.object",
    "noun.person",     "noun.phenomenon", "noun.plant",      "noun.possession", "noun.process",      "noun.quantity",    "noun.relation",  "noun.shape",       "noun.state",
    "noun.substance",  "noun.time",       "verb.body",       "verb.change",    "verb.cognition",     "verb.communication", "verb.competition", "verb.consumption", "verb.contact",
    "verb.creation",   "verb.emotion",    "verb.motion",     "verb.perception", "verb.possession",   "verb.social",      "verb.stative",   "verb.weather",     "adj.ppl",
};

static const struct {
    const char *pos, letter;
} files[] = {{"noun", 'n'}, {"verb", 'v'}, {"adj", 'a'}, {"adv", 'r'}};

/* One synset, its texts within the file's bytes. */
typedef struct synset {
    char key[16];
    uint64_t order;
    const char *word, *gloss;
    size_t word_size, gloss_size;
    const char *pos;
    int lex;
    int64_t line;
} synset;

typedef struct job {
    const options *o;
    lb_buf data[LB_COUNT(files)];
    synset *at;
    int64_t count, capacity;
} job;

static int probe(const char *path) {
    return strcmp(path, "wordnet") == 0 ? 100 : 0;
}

/* Up to the first example: `; "...` */
static size_t without_examples(const char *gloss, size_t n) {
    for (size_t i = 1; i < n; i++) {
        size_t k = i + 1;
        while (k < n && gloss[k] == ' ') k++;
        if (gloss[i] == ';' && k < n && gloss[k] == '"') return i;
    }
    return n;
}

/* "offset lex type w_cnt word lex_id ... | gloss" */
static bool parse(synset *s, const char *line, size_t n, size_t file) {
    char head[32];
    int lex = 0, at = 0;
    size_t m = n < sizeof head - 1 ? n : sizeof head - 1;
    memcpy(head, line, m);
    head[m] = 0;
    long offset = 0;
    unsigned words = 0;
    char type = 0;
    if (sscanf(head, "%8ld %2d %c %2x %n", &offset, &lex, &type, &words, &at) != 4 || at <= 0 || words == 0 || lex < 0 || lex >= (int)LB_COUNT(lexnames)) return false;
    const char *word = line + at, *bar = memchr(line, '|', n);
    if (!bar || (size_t)at >= n) return false;
    const char *gloss = bar + 1, *end = line + n;
    while (gloss < end && *gloss == ' ') gloss++;
    while (end > gloss && (end[-1] == ' ' || end[-1] == '\r')) end--;
    *s = (synset){.word = word, .word_size = strcspn(word, " ("), .gloss = gloss, .pos = files[file].pos, .lex = lex};
    s->gloss_size = without_examples(gloss, (size_t)(end - gloss));
    snprintf(s->key, sizeof s->key, "%08ld-%c", offset, files[file].letter);
    return s->word_size > 0 && s->gloss_size > 0;
}

static lb_status keep(job *j, synset s) {
    if (j->count == j->capacity) {
        int64_t capacity = j->capacity ? 2 * j->capacity : 4096;
        synset *at = lb_realloc(j->at, (size_t)capacity, sizeof *at);
        if (!at) return LB_E_NOMEM;
        j->at = at;
        j->capacity = capacity;
    }
    s.order = lb_hash64(s.key, strlen(s.key), (uint64_t)j->o->seed);
    j->at[j->count++] = s;
    return LB_OK;
}

static lb_status read_file(job *j, lb_items *items, size_t file) {
    lb_status st = LB_OK;
    char *path = lb_format_dup("%s/data.%s", j->o->folder, files[file].pos);
    int64_t number = 0;
    if (!path) return LB_E_NOMEM;
    if (!lb_file_exists(path)) LB_TRY(lb_fail(LB_E_NOTFOUND, "%s: no such file; install Debian's wordnet-base", path));
    LB_TRY(lb_file_read(&j->data[file], path, 0));
    for (const char *at = lb_buf_str(&j->data[file]), *next; *at; at = next) {
        size_t n = strcspn(at, "\n");
        next = at + n + (at[n] == '\n');
        number++;
        synset s;
        if (n == 0 || at[0] == ' ') continue; /* the licence */
        if (parse(&s, at, n, file)) {
            s.line = number;
            LB_TRY(keep(j, s));
        } else lb_items_problem(items, "%s:%lld: is no synset with a gloss; left out", path, (long long)number);
    }
done:
    lb_free(path);
    return st;
}

static int by_order(const void *a, const void *b) {
    const synset *x = a, *y = b;
    return x->order != y->order ? x->order < y->order ? -1 : 1 : strcmp(x->key, y->key);
}

static int by_place(const void *a, const void *b) {
    const synset *x = a, *y = b;
    return x->word < y->word ? -1 : x->word > y->word;
}

static lb_status add(lb_items *items, const synset *s, const options *o) {
    lb_buf text = {0};
    lb_buf_add(&text, s->word, s->word_size);
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '_') text.data[i] = ' ';
    lb_buf_text(&text, ": ");
    lb_buf_add(&text, s->gloss, s->gloss_size);
    lb_status st = lb_buf_status(&text);
    lb_item item = {.key = (char *)s->key, .text = text.data, .text_size = text.size, .label = (char *)s->pos, .domain = (char *)lexnames[s->lex], .split = (char *)o->split, .line = s->line};
    if (st == LB_OK) st = lb_items_add(items, &item);
    lb_buf_free(&text);
    return st;
}

static lb_status read(lb_items *items, const char *path, const void *cfg) {
    lb_status st = LB_OK;
    job j = {.o = cfg};
    if (!probe(path)) return lb_fail(LB_E_ARG, "%s: the input of reader wordnet is the word wordnet", path);
    for (size_t f = 0; f < LB_COUNT(files); f++) {
        int64_t first = j.count;
        if (strcmp(j.o->pos, "all") != 0 && strcmp(j.o->pos, files[f].pos) != 0) continue;
        LB_TRY(read_file(&j, items, f));
        if (j.count == first) lb_items_problem(items, "%s/data.%s: holds no synsets", j.o->folder, files[f].pos);
    }
    if (j.o->limit > 0 && j.o->limit < j.count) {
        qsort(j.at, (size_t)j.count, sizeof *j.at, by_order);
        j.count = j.o->limit;
        /* Back to the order of the files: the bytes of each lie together. */
        qsort(j.at, (size_t)j.count, sizeof *j.at, by_place);
    }
    for (size_t f = 0; f < LB_COUNT(files); f++)
        for (int64_t i = 0; i < j.count; i++)
            if (j.at[i].pos == files[f].pos) LB_TRY(add(items, &j.at[i], j.o));
done:
    for (size_t f = 0; f < LB_COUNT(files); f++) lb_buf_free(&j.data[f]);
    lb_free(j.at);
    return st;
}

LB_READER(wordnet) = {.id = "wordnet", .title = "WordNet's glosses as texts: word: gloss, without examples", .source = "WordNet 3.0, wndb(5WN)", .params = params, .params_size = sizeof(options),
                      .fields = "text label split domain", .probe = probe, .read = read};
