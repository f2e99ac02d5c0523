/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of sounds described by a table: ESC-50 (meta/esc50.csv, audio/), UrbanSound8K (metadata/UrbanSound8K.csv, audio/fold1/ ...). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "datasets/table.h"

typedef struct options {
    const char *table;
    int64_t test_fold;
} options;

static const lb_param params[] = {
    LB_PARAM_TEXT(options, table, NULL, NULL, "the table, below the folder; none given = the first .csv of meta, metadata or the folder itself that names files"),
    LB_PARAM(options, test_fold, 0, 0, 1000, "1", "with a column fold: this fold is the split \"test\", the others \"train\"; 0 = the splits are named fold-1, fold-2, ..."),
    LB_PARAM_END,
};

typedef struct job {
    lb_items *items;
    const options *o;
    const char *folder;
    char **files; /* of the folder, as lb_list_files gives them */
    char **sounds; /* those that are sounds, by their last part */
    bool *used;
    int64_t file_count, sound_count;
    lbi_table table;
    int64_t file, label, split, fold, group, text;
} job;

static const char *last(const char *path) { return lb_path_name(path); }

static int by_last(const void *a, const void *b) {
    const char *x = *(const char *const *)a, *y = *(const char *const *)b;
    int order = strcmp(last(x), last(y));
    return order ? order : strcmp(x, y);
}

static bool is_sound(const char *name) {
    const char *kind = lbi_kind_of(name);
    return kind && strcmp(kind, "audio") == 0;
}

static int64_t column(const lbi_table *t, const char *const *names) {
    for (; *names; names++)
        if (lbi_table_column(t, *names) >= 0) return lbi_table_column(t, *names);
    return -1;
}

static void find_columns(job *j) {
    j->file = column(&j->table, (const char *const[]){"filename", "file_name", "slice_file_name", "fname", "file", "path", NULL});
    j->label = column(&j->table, (const char *const[]){"category", "class", "label", "class_name", "labels", "target", NULL});
    j->split = column(&j->table, (const char *const[]){"split", "set", NULL});
    j->fold = column(&j->table, (const char *const[]){"fold", NULL});
    j->group = column(&j->table, (const char *const[]){"src_file", "fsID", "group", "speaker", NULL});
    j->text = column(&j->table, (const char *const[]){"caption", "text", "transcription", "sentence", NULL});
}

/* Is it a .csv in one of the usual places? */
static bool may_be_table(const char *name) {
    const char *slash = strchr(name, '/');
    if (!lb_ends_with(name, ".csv") && !lb_ends_with(name, ".tsv")) return false;
    return !slash || (!strchr(slash + 1, '/') && (strncmp(name, "meta/", 5) == 0 || strncmp(name, "metadata/", 9) == 0));
}

static int probe(const char *path) {
    char **names = NULL;
    int64_t n = 0, sounds = 0, tables = 0, others = 0;
    if (!lb_is_folder(path)) return 0;
    if (lb_list_files(&names, &n, path) != LB_OK) lb_error_clear();
    for (int64_t i = 0; i < n; i++) {
        const char *kind = lbi_kind_of(names[i]);
        sounds += is_sound(names[i]);
        tables += may_be_table(names[i]);
        others += kind && strcmp(kind, "text") != 0 && !is_sound(names[i]);
    }
    lb_names_free(names, n);
    return sounds > 0 && tables > 0 && others < sounds ? 80 : 0;
}

static lb_status open_table(job *j, char **path) {
    for (int64_t i = 0; i < j->file_count || j->o->table; i++) {
        const char *name = j->o->table ? j->o->table : j->files[i];
        if (!j->o->table && !may_be_table(name)) continue;
        if (!(*path = lb_path_join(j->folder, name))) return LB_E_NOMEM;
        lb_status st = lbi_table_open(&j->table, *path, 0, true);
        if (st == LB_OK) find_columns(j);
        if (st == LB_OK && j->file >= 0) return LB_OK;
        if (j->o->table) return st != LB_OK ? st : lb_fail(LB_E_FORMAT, "%s: has no column of files (filename, file_name, slice_file_name, fname, file, path)", *path);
        if (st == LB_E_NOMEM) return st;
        lb_error_clear();
        lbi_table_close(&j->table);
        lb_free(*path);
        *path = NULL;
    }
    return lb_fail(LB_E_NOTFOUND, "%s: holds no table (.csv) with a column of files", j->folder);
}

/* By its path below the folder, else by its last part, where that is of one file only. */
static int64_t find_sound(const job *j, const char *name) {
    int64_t low = 0, high = j->sound_count;
    while (low < high) {
        int64_t mid = (low + high) / 2;
        if (strcmp(last(j->sounds[mid]), last(name)) < 0) low = mid + 1;
        else high = mid;
    }
    int64_t same = 0;
    while (low + same < j->sound_count && strcmp(last(j->sounds[low + same]), last(name)) == 0) same++;
    if (same == 1) return low;
    for (int64_t i = low; i < low + same; i++) {
        size_t n = strlen(j->sounds[i]), m = strlen(name);
        if (n >= m && strcmp(j->sounds[i] + n - m, name) == 0 && (n == m || j->sounds[i][n - m - 1] == '/')) return i;
    }
    return -1;
}

static lb_status add_row(void *ctx) {
    job *j = ctx;
    const char *name = lbi_table_field(&j->table, j->file), *fold = lbi_table_field(&j->table, j->fold);
    int64_t at = find_sound(j, name);
    char split[64];
    if (at < 0) {
        lb_items_problem(j->items, "%s:%lld: '%s' is no sound in %s; left out", j->table.name, (long long)j->table.line, name, j->folder);
        return LB_OK;
    }
    j->used[at] = true;
    lb_item item = {.key = j->sounds[at], .label = (char *)lbi_table_field(&j->table, j->label), .split = (char *)lbi_table_field(&j->table, j->split),
                    .group = (char *)lbi_table_field(&j->table, j->group), .text = (char *)lbi_table_field(&j->table, j->text), .line = j->table.line};
    char **texts[] = {&item.label, &item.split, &item.group, &item.text};
    for (size_t i = 0; i < LB_COUNT(texts); i++)
        if (!**texts[i]) *texts[i] = NULL;
    if (!item.split && *fold) {
        if (j->o->test_fold) snprintf(split, sizeof split, "%s", strtoll(fold, NULL, 10) == j->o->test_fold ? "test" : "train");
        else snprintf(split, sizeof split, "fold-%s", fold);
        item.split = split;
    }
    item.text_size = item.text ? strlen(item.text) : 0;
    if (!(item.audio = lb_path_join(j->folder, j->sounds[at]))) return LB_E_NOMEM;
    lb_status st = lb_items_add(j->items, &item);
    lb_free(item.audio);
    return st;
}

static lb_status read(lb_items *items, const char *path, const void *cfg) {
    job j = {.items = items, .o = cfg, .folder = path};
    lb_status st = LB_OK;
    char *table = NULL;
    int64_t unused = 0;
    if (!lb_is_folder(path)) return lb_fail(lb_file_exists(path) ? LB_E_ARG : LB_E_NOTFOUND, "%s: is no folder", path);
    LB_TRY(lbi_items_base(items, path));
    LB_TRY(lb_list_files(&j.files, &j.file_count, path));
    if (!(j.sounds = lb_alloc((size_t)j.file_count, sizeof *j.sounds)) || !(j.used = lb_calloc((size_t)j.file_count, sizeof *j.used))) LB_TRY(LB_E_NOMEM);
    for (int64_t i = 0; i < j.file_count; i++)
        if (is_sound(j.files[i]) && lbi_is_utf8(j.files[i], strlen(j.files[i]))) j.sounds[j.sound_count++] = j.files[i];
    if (j.sound_count > 1) qsort(j.sounds, (size_t)j.sound_count, sizeof *j.sounds, by_last);
    LB_TRY(open_table(&j, &table));
    LB_TRY(lbi_table_each(&j.table, items, add_row, &j));
    for (int64_t i = 0; i < j.sound_count; i++) unused += !j.used[i];
    if (unused) lb_items_problem(items, "%s: %lld sounds are not in %s; left out", path, (long long)unused, table);
done:
    lbi_table_close(&j.table);
    lb_names_free(j.files, j.file_count);
    lb_free(j.sounds);
    lb_free(j.used);
    lb_free(table);
    return st;
}

LB_READER(audio_folder) = {.id = "audio_folder",
                           .title = "a folder of sounds with a table of files, classes and folds",
                           .source = "ESC-50 (meta/esc50.csv), UrbanSound8K (metadata/UrbanSound8K.csv)",
                           .params = params,
                           .params_size = sizeof(options),
                           .fields = "audio text label split group",
                           .probe = probe,
                           .read = read};
