/* SPDX-License-Identifier: Apache-2.0 */
/* Labelled vectors for evaluations that judge classes. */
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "cli/eval.h"

enum { LABELS_LIMIT = 1 << 26 };

static lb_status read_lines(cli_eval_classes *c, const char *path) {
    lb_status st = LB_OK;
    LB_TRY(lb_file_read(&c->text, path, LABELS_LIMIT));
    int64_t lines = 1;
    for (size_t i = 0; i < c->text.size; i++) lines += c->text.data[i] == '\n';
    if (!(c->name = lb_alloc((size_t)lines, sizeof *c->name))) return LB_E_NOMEM;
    char *rest = NULL;
    for (char *line = c->text.data ? strtok_r(c->text.data, "\r\n", &rest) : NULL; line; line = strtok_r(NULL, "\r\n", &rest)) c->name[c->count++] = line;
    if (c->count == 0) st = lb_fail(LB_E_ARG, "%s names no classes, one a line is wanted", path);
done:
    return st;
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static lb_status distinct(cli_eval_classes *c, const lb_items *items) {
    if (!(c->name = lb_alloc((size_t)items->count + 1, sizeof *c->name))) return LB_E_NOMEM;
    int64_t n = 0;
    for (int64_t i = 0; i < items->count; i++)
        if (items->at[i].label) c->name[n++] = items->at[i].label;
    if (n == 0) return lb_fail(LB_E_ARG, "none of %lld items has a label", (long long)items->count);
    qsort(c->name, (size_t)n, sizeof *c->name, by_name);
    for (int64_t i = 0; i < n; i++)
        if (i == 0 || strcmp(c->name[i], c->name[c->count - 1]) != 0) c->name[c->count++] = c->name[i];
    return LB_OK;
}

lb_status cli_eval_classes_open(cli_eval_classes *c, const cli_eval_words *o, const lb_items *items) {
    memset(c, 0, sizeof *c);
    return o->labels ? read_lines(c, o->labels) : distinct(c, items);
}

void cli_eval_classes_close(cli_eval_classes *c) {
    lb_free(c->name);
    lb_buf_free(&c->text);
}

/* -1: no label; a label that is no class is an error. Classes in order of lines are not sorted. */
static lb_status class_of(int64_t *out, const cli_eval_classes *c, const lb_item *item) {
    *out = -1;
    if (!item->label) return LB_OK;
    for (int64_t k = 0; k < c->count; k++)
        if (strcmp(c->name[k], item->label) == 0) {
            *out = k;
            return LB_OK;
        }
    return lb_fail(LB_E_ARG, "item %s has the label '%s', which is none of the %lld classes", item->key, item->label, (long long)c->count);
}

static lb_status from_file(cli_eval_labelled *l, const cli_eval_classes *c, const lb_items *items, const int64_t *index, int64_t count, const char *word) {
    lb_status st = LB_OK;
    cli_eval_rows rows = {0};
    bool *wanted = lb_calloc((size_t)items->count + 1, sizeof *wanted);
    if (!wanted) return LB_E_NOMEM;
    for (int64_t i = 0; i < count; i++) wanted[index[i]] = true;
    LB_TRY(cli_eval_rows_open(&rows, word));
    l->width = rows.width;
    l->values = lb_alloc((size_t)(rows.n * rows.width) + 1, sizeof *l->values);
    l->label = lb_alloc((size_t)rows.n + 1, sizeof *l->label);
    if (!l->values || !l->label) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0; i < rows.n; i++) {
        int64_t at = lb_items_find(items, lb_cache_key(rows.cache, rows.row[i])), label = -1;
        if (at >= 0 && wanted[at]) LB_TRY(class_of(&label, c, &items->at[at]));
        else if (at >= 0) continue;
        if (label < 0) {
            l->left_out++;
            continue;
        }
        memcpy(l->values + l->n * l->width, rows.values + i * l->width, (size_t)l->width * sizeof *l->values);
        l->label[l->n++] = label;
    }
    if (l->n == 0) st = lb_fail(LB_E_ARG, "%s: none of its %lld rows belongs to an item with a label", word, (long long)rows.n);
done:
    lb_free(wanted);
    cli_eval_rows_close(&rows);
    return st;
}

static lb_status from_model(cli_eval_labelled *l, const cli_eval_classes *c, const lb_items *items, const int64_t *index, int64_t count, cli_eval_session *s, const char *tap) {
    lb_status st = LB_OK;
    int64_t *kept = lb_alloc((size_t)count + 1, sizeof *kept);
    if (!kept || !(l->label = lb_alloc((size_t)count + 1, sizeof *l->label))) {
        lb_free(kept);
        return LB_E_NOMEM;
    }
    for (int64_t i = 0; i < count; i++) {
        int64_t label;
        LB_TRY(class_of(&label, c, &items->at[index[i]]));
        if (label < 0) {
            l->left_out++;
            continue;
        }
        kept[l->n] = index[i];
        l->label[l->n++] = label;
    }
    if (l->n == 0) {
        st = lb_fail(LB_E_ARG, "none of %lld items has a label", (long long)count);
        goto done;
    }
    LB_TRY(cli_source_embed(s->source, s->model->model, kept, l->n, s->model->has_image, !s->model->has_image, tap, &l->values, &l->width));
done:
    lb_free(kept);
    return st;
}

lb_status cli_eval_labelled_open(cli_eval_labelled *l, const cli_eval_classes *c, const lb_items *items, const int64_t *index, int64_t count,
                                 const char *file_and_tap, cli_eval_session *s, const char *tap) {
    memset(l, 0, sizeof *l);
    return file_and_tap ? from_file(l, c, items, index, count, file_and_tap) : from_model(l, c, items, index, count, s, tap);
}

void cli_eval_labelled_close(cli_eval_labelled *l) {
    lb_free(l->values);
    lb_free(l->label);
}

void cli_eval_names(lb_value *out, const cli_eval_classes *c) {
    lb_value *names = lb_value_list();
    for (int64_t k = 0; k < c->count; k++) lb_list_text(names, c->name[k]);
    lb_map_put(out, "names", names);
}

/* Training and test items: by --train-split and --split of one list. */
lb_status cli_eval_fitted(lb_value *out, const char *metric, const cli_eval_words *o, lb_cli *cli) {
    lb_status st = LB_OK;
    cli_eval_session s = {0};
    cli_eval_classes c = {0};
    cli_eval_labelled train = {0}, test = {0};
    cli_items all = o->items;
    int64_t *rows[2] = {NULL, NULL}, count[2] = {0};
    const char *splits[2] = {o->train_split, o->items.split ? o->items.split : "test"};
    if (!o->model && !(o->train && o->test) && !o->rows) return cli_usage("eval %s wants --model, or --rows FILE:TAP, or --train and --test, and --input with labels", metric);
    all.split = NULL;
    if (o->model) {
        cli_eval_words open = *o;
        open.items = all;
        LB_TRY(cli_eval_session_open(&s, &open));
    } else LB_TRY(cli_items_open(&s.items, &s.index, &s.count, &all, 5));
    LB_TRY(cli_eval_classes_open(&c, o, s.items));
    for (int k = 0; k < 2; k++) {
        if (o->train && o->test) LB_TRY(lb_items_split(s.items, NULL, &rows[k], &count[k])); /* the files say which */
        else LB_TRY(lb_items_split(s.items, splits[k], &rows[k], &count[k]));
        if (count[k] == 0) {
            st = lb_fail(LB_E_ARG, "eval %s: no items of split '%s' (--train-split and --split name them)", metric, splits[k]);
            goto done;
        }
    }
    LB_TRY(cli_eval_labelled_open(&train, &c, s.items, rows[0], count[0], o->train && o->test ? o->train : o->rows, &s, o->tap ? o->tap : "pooled"));
    LB_TRY(cli_eval_labelled_open(&test, &c, s.items, rows[1], count[1], o->train && o->test ? o->test : o->rows, &s, o->tap ? o->tap : "pooled"));
    lb_tensor a = cli_eval_view(train.values, LB_F32, 2, (int64_t[]){train.n, train.width}), b = cli_eval_view(test.values, LB_F32, 2, (int64_t[]){test.n, test.width});
    lb_tensor al = cli_eval_view(train.label, LB_I64, 1, &train.n), bl = cli_eval_view(test.label, LB_I64, 1, &test.n);
    LB_TRY(cli_eval_score(out, metric, o, cli, 4, (lb_metric_input[]){{"train", &a}, {"train_label", &al}, {"test", &b}, {"test_label", &bl}}));
    lb_map_int(out, "left_out", train.left_out + test.left_out);
done:
    for (int k = 0; k < 2; k++) lb_free(rows[k]);
    cli_eval_labelled_close(&train);
    cli_eval_labelled_close(&test);
    cli_eval_classes_close(&c);
    cli_eval_session_close(&s);
    return st;
}
