/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck list --input ...`: the items of folders and lists as JSONL. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cli/cli.h"
#include "cli/items.h"

typedef struct options {
    cli_items items;
    bool check, labels;
} options;

static const lb_param params[] = {
    CLI_ITEMS_PARAMS(options),
    LB_PARAM_FLAG(options, check, 0, "decode every picture and mask and say which cannot be read"),
    LB_PARAM_FLAG(options, labels, 0, "not the items, but each of their labels once, as an item whose key and text it is"),
    LB_PARAM_END};

static int by_text(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "split: test 400, train 1470"; nothing when no item has the field. */
static lb_status say_counts(const lb_items *items, const char *name, size_t offset) {
    lb_buf out = {0};
    int64_t n = 0, kinds = 0;
    const char **texts = lb_alloc((size_t)items->count, sizeof *texts);
    if (!texts) return LB_E_NOMEM;
    for (int64_t i = 0; i < items->count; i++) {
        const char *text = *(char *const *)((const char *)&items->at[i] + offset);
        if (text) texts[n++] = text;
    }
    if (n > 0) qsort(texts, (size_t)n, sizeof *texts, by_text);
    for (int64_t i = 0, k; i < n; i = k) {
        for (k = i + 1; k < n && strcmp(texts[i], texts[k]) == 0;) k++;
        if (kinds++ < 24) lb_buf_format(&out, "%s%s %lld", kinds > 1 ? ", " : "", texts[i], (long long)(k - i));
    }
    if (kinds > 24) lb_buf_format(&out, " and %lld more", (long long)(kinds - 24));
    if (n > 0) lb_say(LB_LOG_INFO, "list", "%s: %s", name, lb_buf_str(&out));
    lb_status st = lb_buf_status(&out);
    lb_buf_free(&out);
    lb_free(texts);
    return st;
}

static lb_status summary(const lb_items *items) {
    int64_t pictures = 0, texts = 0, sounds = 0, videos = 0, masks = 0, boxes = 0;
    char more[64] = "";
    lb_status st = LB_OK;
    for (int64_t i = 0; i < items->count; i++) {
        const lb_item *m = &items->at[i];
        pictures += lb_item_has_image(m);
        texts += m->text != NULL;
        sounds += m->audio != NULL;
        videos += m->video != NULL;
        masks += lb_item_has_mask(m);
        boxes += m->box_count > 0;
    }
    if (masks) snprintf(more, sizeof more, ", %lld with masks", (long long)masks);
    if (boxes) snprintf(more + strlen(more), sizeof more - strlen(more), ", %lld with boxes", (long long)boxes);
    lb_say(LB_LOG_INFO, "list", "%lld items: %lld with pictures, %lld with text, %lld with sound, %lld with video%s; %lld problems; sha256 %.16s", (long long)items->count, (long long)pictures,
           (long long)texts, (long long)sounds, (long long)videos, more, (long long)items->problem_count, items->sha256);
    LB_TRY(say_counts(items, "splits", offsetof(lb_item, split)));
    LB_TRY(say_counts(items, "labels", offsetof(lb_item, label)));
    LB_TRY(say_counts(items, "domains", offsetof(lb_item, domain)));
done:
    return st;
}

/* Files that items name and that are not there: the items stay (a run gives them their reason), the list says so. */
static void say_missing(const lb_items *items, const int64_t *rows, int64_t n) {
    char where[512];
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        const char *file = lb_items_missing(items, rows[i], where, sizeof where);
        if (!file) continue;
        if (count++ < 100) lb_say(LB_LOG_WARN, "list", "%s: item '%s': %s: No such file or directory", where, items->at[rows[i]].key, file);
    }
    if (count) lb_say(LB_LOG_WARN, "list", "%lld items name a file that is not there", (long long)count);
}

static lb_status check_pictures(lb_cli *cli, const lb_items *items, const int64_t *rows, int64_t n) {
    lb_status st = LB_OK;
    int64_t bad = 0;
    lb_progress_begin(&cli->progress, "check pictures", "items", 0, n);
    for (int64_t i = 0; i < n; i++) {
        const lb_item *item = &items->at[rows[i]];
        lb_image img = {0}, mask = {0};
        lb_status one = lb_item_has_image(item) ? lb_item_image(&img, items, item) : LB_OK;
        if (one == LB_OK && lb_item_has_mask(item)) one = lb_item_mask(&mask, items, item);
        if (one == LB_OK && img.pixels && mask.pixels && (img.width != mask.width || img.height != mask.height))
            one = lb_fail(LB_E_FORMAT, "the picture has %d x %d pixels, its mask %d x %d", img.width, img.height, mask.width, mask.height);
        if (one != LB_OK) {
            lb_say(LB_LOG_WARN, "list", "%s: %s", item->key, lb_error_text());
            lb_error_clear();
            bad++;
        }
        lb_image_free(&img);
        lb_image_free(&mask);
        LB_TRY(lb_progress_at(&cli->progress, i + 1, NULL));
    }
    lb_say(LB_LOG_INFO, "list", "%lld of %lld pictures cannot be read", (long long)bad, (long long)n);
done:
    lb_progress_end(&cli->progress, NULL);
    return st;
}

static lb_status print_labels(const lb_items *items, const int64_t *rows, int64_t n) {
    char **labels = NULL;
    int64_t count = 0;
    lb_status st = cli_items_labels(&labels, &count, items, rows, n);
    for (int64_t i = 0; st == LB_OK && i < count; i++) {
        lb_value *v = lb_value_map();
        lb_map_text(v, "key", labels[i]);
        lb_map_text(v, "text", labels[i]);
        st = cli_json(v);
        lb_value_free(v);
    }
    lb_free(labels);
    return st;
}

static lb_status run(lb_cli *cli, void *opts) {
    const options *o = opts;
    lb_status st = LB_OK;
    lb_items *items = NULL;
    int64_t *rows = NULL, n = 0;
    LB_TRY(cli_items_open(&items, &rows, &n, &o->items, INT64_MAX));
    if (o->labels) LB_TRY(print_labels(items, rows, n));
    for (int64_t i = 0; i < n && !o->labels; i++) {
        lb_value *v = lb_item_value(&items->at[rows[i]]);
        st = cli_json(v);
        lb_value_free(v);
        if (st != LB_OK) goto done;
    }
    LB_TRY(summary(items));
    say_missing(items, rows, n);
    if (o->check) LB_TRY(check_pictures(cli, items, rows, n));
done:
    lb_free(rows);
    lb_items_free(items);
    return st;
}

LB_VERB(list) = {.id = "list", .title = "items of folders and lists as JSONL, with counts, splits and problems", .source = "", .params = params, .params_size = sizeof(options),
                 .usage = "list --input INPUT... [--reader NAME] [--option NAME=VALUE...]", 
                 .help = "Items go to stdout, counts and problems to stderr. A list of one run is an input of another: limbeck list --input a b | limbeck list --input -", .run = run};
