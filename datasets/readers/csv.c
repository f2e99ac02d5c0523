/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include "datasets/table.h"

typedef struct options {
    const char *key, *image, *audio, *video, *mask, *text, *label, *split, *domain, *group;
    const char *root, *delimiter;
    bool header;
} options;

static const lb_param params[] = {
    LB_PARAM_TEXT(options, key, NULL, NULL, "column of the key; none = the path, with :2, :3 ... where a path comes again"),
    LB_PARAM_TEXT(options, image, NULL, NULL, "column of the picture's path; none given = image, image_path, image_name, img, filepath, file_name, filename, file, path"),
    LB_PARAM_TEXT(options, audio, NULL, NULL, "column of the sound's path; none given = audio, audio_path, wav"),
    LB_PARAM_TEXT(options, video, NULL, NULL, "column of the video's path; none given = video, video_path"),
    LB_PARAM_TEXT(options, mask, NULL, NULL, "column of the mask's path; none given = mask, mask_path, segmentation"),
    LB_PARAM_TEXT(options, text, NULL, NULL, "column of the text; none given = text, caption, title, sentence, comment, description"),
    LB_PARAM_TEXT(options, label, NULL, NULL, "column of the label; none given = label, class, category, class_name, target"),
    LB_PARAM_TEXT(options, split, NULL, NULL, "column of the split; none given = split, set, subset"),
    LB_PARAM_TEXT(options, domain, NULL, NULL, "column of the domain; none given = domain"),
    LB_PARAM_TEXT(options, group, NULL, NULL, "column of the group; none given = group, patient, patient_id"),
    LB_PARAM_TEXT(options, root, NULL, NULL, "folder that relative paths begin in; none given = the list's own"),
    LB_PARAM_TEXT(options, delimiter, "auto", "auto|comma|tab|semicolon|bar", "between fields; auto = the most frequent of these in the first line"),
    LB_PARAM_FLAG(options, header, 1, "the first line names the columns; without it columns are named 1, 2, ..."),
    LB_PARAM_END,
};

enum { KEY, IMAGE, AUDIO, VIDEO, MASK, TEXT, LABEL, SPLIT, DOMAIN, GROUP, FIELDS, FIRST_PATH = IMAGE, LAST_PATH = MASK };
static const char *const usual[FIELDS] = {"key id", "image image_path image_name img filepath file_name filename file path", "audio audio_path wav", "video video_path",
                                          "mask mask_path segmentation", "text caption title sentence comment description", "label class category class_name target", "split set subset", "domain",
                                          "group patient patient_id"};

typedef struct job {
    lb_items *items;
    const options *o;
    lbi_table table;
    int64_t column[FIELDS];
    bool by_ending; /* the picture's column goes by the usual names: a sound or video may stand in it */
    const char *folder;
    lb_buf key;
} job;

static int probe(const char *path) {
    return (lb_ends_with(path, ".csv") || lb_ends_with(path, ".tsv")) && lb_file_exists(path) && !lb_is_folder(path) ? 90 : 0;
}

static int64_t usual_column(const lbi_table *t, const char *names) {
    char word[32];
    for (const char *p = names; *p;) {
        size_t n = strcspn(p, " ");
        snprintf(word, sizeof word, "%.*s", (int)n, p);
        int64_t column = t->head ? lbi_table_column(t, word) : -1;
        if (column >= 0) return column;
        p += n + (p[n] == ' ');
    }
    return -1;
}

static lb_status choose_columns(job *j) {
    const options *o = j->o;
    const char *const asked[FIELDS] = {o->key, o->image, o->audio, o->video, o->mask, o->text, o->label, o->split, o->domain, o->group};
    bool any = false;
    for (int i = 0; i < FIELDS; i++) {
        j->column[i] = asked[i] ? lbi_table_column(&j->table, asked[i]) : usual_column(&j->table, usual[i]);
        if (asked[i] && j->column[i] < 0) return lb_fail(LB_E_ARG, "%s: has no column '%s'", j->table.name, asked[i]);
        any = any || (j->column[i] >= 0 && (i == IMAGE || i == AUDIO || i == VIDEO || i == TEXT));
    }
    j->by_ending = !o->image;
    if (any) return LB_OK;
    return lb_fail(LB_E_FORMAT, "%s: no column is known to hold a picture, sound, video or text; name one (image=COLUMN, text=COLUMN%s)", j->table.name, j->table.head ? "" : ", numbered from 1");
}

static lb_status add_row(void *ctx) {
    job *j = ctx;
    char *texts[FIELDS], *joined[FIELDS] = {0};
    lb_status st = LB_OK;
    for (int i = 0; i < FIELDS; i++) {
        const char *field = lbi_table_field(&j->table, j->column[i]);
        texts[i] = j->column[i] >= 0 && *field ? (char *)field : NULL;
    }
    const char *kind = j->by_ending && texts[IMAGE] ? lbi_kind_of(texts[IMAGE]) : NULL;
    int real = kind && strcmp(kind, "audio") == 0 ? AUDIO : kind && strcmp(kind, "video") == 0 ? VIDEO : IMAGE;
    if (real != IMAGE && !texts[real]) texts[real] = texts[IMAGE], texts[IMAGE] = NULL;
    const char *base = texts[KEY] ? texts[KEY] : texts[IMAGE] ? texts[IMAGE] : texts[AUDIO] ? texts[AUDIO] : texts[VIDEO];
    char number[24];
    snprintf(number, sizeof number, "line-%06lld", (long long)j->table.line);
    if (!base && !texts[TEXT]) {
        lb_items_problem(j->items, "%s:%lld: names no picture, sound, video or text; left out", j->table.name, (long long)j->table.line);
        return LB_OK;
    }
    if (texts[KEY]) lb_buf_clear(&j->key), lb_buf_text(&j->key, base);
    else LB_TRY(lbi_items_key(&j->key, j->items, base ? base : number));
    for (int i = FIRST_PATH; i <= LAST_PATH && j->folder; i++)
        if (texts[i] && !(texts[i] = joined[i] = lb_path_join(j->folder, texts[i]))) LB_TRY(LB_E_NOMEM);
    lb_item item = {.key = (char *)lb_buf_str(&j->key), .image = texts[IMAGE], .audio = texts[AUDIO], .video = texts[VIDEO], .mask = texts[MASK], .text = texts[TEXT],
                    .text_size = texts[TEXT] ? strlen(texts[TEXT]) : 0, .label = texts[LABEL], .split = texts[SPLIT], .domain = texts[DOMAIN], .group = texts[GROUP], .line = j->table.line};
    LB_TRY(lb_items_add(j->items, &item));
done:
    for (int i = 0; i < FIELDS; i++) lb_free(joined[i]);
    return st;
}

static char delimiter_of(const char *word) {
    static const struct {
        const char *word;
        char c;
    } known[] = {{"comma", ','}, {"tab", '\t'}, {"semicolon", ';'}, {"bar", '|'}};
    for (size_t i = 0; i < LB_COUNT(known); i++)
        if (strcmp(word, known[i].word) == 0) return known[i].c;
    return 0;
}

static lb_status read(lb_items *items, const char *path, const void *cfg) {
    lb_status st = LB_OK;
    job j = {.items = items, .o = cfg};
    int64_t before = items->count;
    char *own = lb_path_folder(path);
    if (!own) return LB_E_NOMEM;
    j.folder = j.o->root ? j.o->root : strcmp(own, ".") == 0 && strncmp(path, "./", 2) != 0 ? NULL : own;
    LB_TRY(lbi_items_base(items, j.o->root ? j.o->root : own));
    LB_TRY(lbi_table_open(&j.table, path, delimiter_of(j.o->delimiter), j.o->header));
    if (j.table.size == j.table.at) lb_items_problem(items, "%s: holds no rows", path);
    else {
        LB_TRY(choose_columns(&j));
        LB_TRY(lbi_table_each(&j.table, items, add_row, &j));
        if (items->count == before) lb_items_problem(items, "%s: holds no items", path);
    }
done:
    lbi_table_close(&j.table);
    lb_buf_free(&j.key);
    lb_free(own);
    return st;
}

LB_READER(csv) = {.id = "csv",
                  .title = "a table, comma or tab separated, with the usual names of columns or given ones",
                  .source = "RFC 4180; column names of open_clip (filepath, title) and Flickr30k (image_name, comment)",
                  .params = params,
                  .params_size = sizeof(options),
                  .fields = "key image audio video text mask label split domain group",
                  .probe = probe,
                  .read = read};
