/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck prepare --input ... --out X.h5|FOLDER|NAME-%06d.tar`: pictures as a model sees them, or a data set resized and encoded once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "base/threads.h"
#include "cli/models.h"
#include "cli/prepare.h"
#include "io/image.h"

typedef struct options {
    cli_items items;
    const char *out, *spec, *resize, *filter, *format, *group, *dedupe, *hash;
    int64_t longest, crop, quality, shard, distance, memory;
    bool pad;
} options;

static const lb_param params[] = {
    CLI_ITEMS_PARAMS(options), /* --split 0.8,0.1,0.1 makes splits: see divide_of */
    LB_PARAM_WORD(options, out, "PATH", "X.h5: arrays; a folder, or NAME-%06d.tar: a data set"),
    LB_PARAM_WORD(options, spec, "NAME|FOLDER|JSON", "preprocessing of a model; of a preprocessor_config.json; of a text {...}"),
    LB_PARAM_WORD(options, resize, "WxH|N", "to this size, or the shorter side to N"),
    LB_PARAM(options, longest, 0, 0, 65536, "px", "the longer side to this"),
    LB_PARAM_TEXT(options, filter, "bicubic", "bicubic|bilinear|lanczos|box|nearest|hamming", "of resizing; equal to Pillow's"),
    LB_PARAM(options, crop, 0, 0, 65536, "px", "centre square of this side"),
    LB_PARAM_FLAG(options, pad, 0, "with --longest: black to a square, right and below"),
    LB_PARAM_TEXT(options, format, "jpg", "jpg|png|keep", "of the pictures that are written; keep: their files' bytes as they are, where nothing is resized or cut"),
    LB_PARAM(options, quality, 95, 1, 100, "1", "of JPEG"),
    LB_PARAM(options, shard, 1000, 1, 10000000, "items", "items of a shard, and of what a stop loses at most"),
    LB_PARAM_TEXT(options, group, "group", NULL, "with shares as --split (0.8,0.1,0.1: train, val, test): field whose items stay together: group, label, domain, text, image; none there: the key"),
    LB_PARAM_TEXT(options, dedupe, NULL, "report|drop", "equal and near pictures: listed in duplicates.jsonl, and kept in one split; or all but the first left out"),
    LB_PARAM_TEXT(options, hash, "phash", "phash|dhash", "what near is measured by"),
    LB_PARAM(options, distance, 4, 0, 16, "bits", "pictures whose hashes differ in at most so many of 64 bits are near"),
    LB_PARAM(options, memory, 1024, 16, 1e6, "MiB", "prepared pictures waiting to be written hold at most this"),
    LB_PARAM_END};

static lb_status open_spec(prepare_job *j, const char *word) {
    lb_value *v = NULL;
    cli_model *m = NULL;
    lb_status st = LB_OK;
    char *file = lb_is_folder(word) ? lb_path_join(word, "preprocessor_config.json") : NULL;
    j->has_spec = true;
    if (word[0] == '{') st = lb_image_spec_parse(&j->spec, word);
    else if (lb_ends_with(word, ".json") || (file && lb_file_exists(file))) {
        st = lb_json_read(&v, file && lb_file_exists(file) ? file : word);
        if (st == LB_OK) st = lb_image_spec_from(&j->spec, v);
        if (st != LB_OK) st = lb_where(st, "%s", word);
    } else if ((st = cli_model_open(&m, word)) == LB_OK) {
        j->spec = m->image;
        if (!m->has_image || m->why_no_image) st = lb_fail(LB_E_ARG, "%s", m->why_no_image ? m->why_no_image : "the model takes no pictures");
    }
    cli_model_close(m);
    lb_value_free(v);
    lb_free(file);
    return st;
}

/* "224", "320x240" */
static lb_status read_resize(lb_image_spec *s, const char *word) {
    char *end = NULL;
    long w = strtol(word, &end, 10), h = 0;
    if (*end == 'x') h = strtol(end + 1, &end, 10);
    if (*end || w < 1 || w > 65536 || h < 0 || h > 65536 || (strchr(word, 'x') && h < 1)) return cli_usage("--resize wants N or WxH, got '%s'", word);
    s->mode = h ? "squash" : "shortest";
    s->size_w = (int)w;
    s->size_h = (int)(h ? h : w);
    return LB_OK;
}

static lb_status choose_spec(prepare_job *j, const options *o) {
    if (o->spec && (o->resize || o->longest || o->crop || o->pad)) return cli_usage("--spec goes without --resize, --longest, --crop and --pad");
    if (o->resize && o->longest) return cli_usage("--resize and --longest are two ways of saying the size: take one");
    if (o->pad && !o->longest) return cli_usage("--pad goes with --longest");
    if (strcmp(o->format, "keep") == 0 && (o->spec || o->resize || o->longest || o->crop))
        return cli_usage("--format keep takes files over as they are: it goes without --spec, --resize, --longest and --crop");
    if (o->spec) return open_spec(j, o->spec);
    lb_image_spec *s = &j->spec;
    *s = (lb_image_spec){.mode = "none", .filter = o->filter, .crop_rounding = "torchvision", .scale = 1.0 / 255, .std = {1, 1, 1}, .crop_w = (int)o->crop, .crop_h = (int)o->crop, .pad = o->pad};
    if (o->longest) s->mode = "longest", s->size_w = s->size_h = (int)o->longest;
    return o->resize ? read_resize(s, o->resize) : LB_OK;
}

/* "0.8,0.1,0.1" in place of a split's name: shares of new splits. */
static const char *divide_of(const options *o) { return o->items.split && strchr("0123456789.", o->items.split[0]) && strchr(o->items.split, ',') ? o->items.split : NULL; }

static lb_status read_ratios(prepare_job *j, const char *text) {
    static const char *const three[] = {"train", "val", "test"}, *const two[] = {"train", "test"};
    double sum = 0;
    for (const char *p = text; *p && j->nsplits < 3; j->nsplits++) {
        char *end = NULL;
        j->ratio[j->nsplits] = strtod(p, &end);
        if (end == p || (*end && *end != ',') || j->ratio[j->nsplits] < 0) return cli_usage("--split wants shares such as 0.8,0.1,0.1, got '%s'", text);
        sum += j->ratio[j->nsplits];
        p = *end ? end + 1 : end;
    }
    if (j->nsplits < 2 || sum < 0.999 || sum > 1.001) return cli_usage("--split wants two or three shares that add up to 1, got '%s'", text);
    for (int i = 0; i < j->nsplits; i++) snprintf(j->name[i], sizeof j->name[i], "%s", j->nsplits == 3 ? three[i] : two[i]);
    return LB_OK;
}

/* What the work of a run depends on. */
static lb_status find_run(prepare_job *j, const options *o) {
    lb_value *v = lb_value_map();
    lb_buf text = {0};
    lb_map_put(v, "spec", lb_image_spec_value(&j->spec));
    lb_map_text(v, "list", j->items->sha256);
    lb_map_text(v, "format", o->format);
    lb_map_text(v, "splits", divide_of(o));
    lb_map_text(v, "group", o->group);
    lb_map_text(v, "dedupe", o->dedupe);
    lb_map_text(v, "hash", o->hash);
    lb_map_int(v, "distance", o->distance);
    lb_map_int(v, "quality", o->quality);
    lb_map_int(v, "shard", o->shard);
    lb_map_int(v, "seed", (int64_t)j->cli->seed);
    lb_status st = lb_json_write(&text, v, 0);
    for (int64_t i = 0; i < j->n; i++) lb_buf_format(&text, "\n%s", prepare_item(j, i)->key);
    if (st == LB_OK) st = lb_buf_status(&text);
    lb_sha256_of(lb_buf_str(&text), text.size, j->run);
    lb_value_free(v);
    lb_buf_free(&text);
    return st;
}

static lb_status say(const prepare_job *j, const lb_value *stats, int64_t failed) {
    bool arrays = lb_ends_with(j->out, ".h5");
    if (j->cli->json) return cli_json(stats);
    if (arrays) return cli_print("%s: %lld items, %lld failed", j->out, (long long)j->n, (long long)failed);
    char *folder = lb_ends_with(j->out, ".tar") ? lb_path_folder(j->out) : lb_strdup(j->out);
    if (!folder) return LB_E_NOMEM;
    lb_status st = cli_print("%s: %lld items, %lld failed; limbeck list --input %s/list.jsonl", j->out, (long long)lb_get_int(stats, "items", 0), (long long)failed, folder);
    lb_free(folder);
    return st;
}

static lb_status make(prepare_job *j, const options *o, lb_value *stats, int64_t *failed) {
    static const char *const names[PREPARE_STAGES] = {"decode", "prepare", "encode", "write"};
    lb_status st = LB_OK;
    bool arrays = lb_ends_with(j->out, ".h5");
    if (arrays && (divide_of(o) || o->dedupe)) return cli_usage("shares of --split and --dedupe go with a folder or shards");
    LB_TRY(choose_spec(j, o));
    if (divide_of(o)) LB_TRY(read_ratios(j, divide_of(o)));
    LB_TRY(find_run(j, o));
    cli_stages_begin(&j->stages, names, PREPARE_STAGES, 3, lb_threads());
    if (arrays) {
        lb_progress_begin(&j->cli->progress, "prepare", "pictures", 0, j->n);
        LB_TRY(prepare_arrays(j, failed));
        lb_progress_end(&j->cli->progress, cli_stages_note(&j->stages));
        lb_map_int(stats, "items", j->n);
        lb_map_int(stats, "failed", *failed);
        lb_map_put(stats, "time", cli_stages_value(&j->stages));
        goto done;
    }
    bool finished = false;
    LB_TRY(prepare_begin(j, stats, &finished));
    *failed = lb_get_int(stats, "failed", 0);
    if (finished) goto done;
    if (st == LB_OK && o->dedupe) st = prepare_near(j);
    if (st == LB_OK && j->nsplits) st = prepare_split(j);
    if (st == LB_OK) st = prepare_sink(j, stats, failed);
done:
    return st;
}

static lb_status run(lb_cli *cli, void *opts) {
    const options *o = opts;
    lb_items *items = NULL;
    int64_t *rows = NULL, failed = 0;
    lb_value *stats = lb_value_map();
    prepare_job j = {.cli = cli,
                     .out = o->out,
                     .format = o->format,
                     .quality = (int)o->quality,
                     .shard = o->shard,
                     .memory = o->memory << 20,
                     .group = o->group,
                     .dedupe = o->dedupe,
                     .hash = o->hash,
                     .distance = (int)o->distance};
    lb_status st = LB_OK;
    if (!o->out) LB_TRY(cli_usage("prepare wants --out X.h5, a folder or NAME-%%06d.tar"));
    cli_items from = o->items;
    if (divide_of(o)) from.split = NULL;
    LB_TRY(cli_items_open(&items, &rows, &j.n, &from, 5));
    j.items = items;
    j.rows = rows;
    j.split = lb_alloc((size_t)j.n + 1, sizeof *j.split);
    j.same = lb_alloc((size_t)j.n + 1, sizeof *j.same);
    if (!j.split || !j.same) LB_TRY(LB_E_NOMEM);
    for (int64_t i = 0; i < j.n; i++) j.split[i] = -1, j.same[i] = i;
    LB_TRY(make(&j, o, stats, &failed));
    LB_TRY(say(&j, stats, failed));
    if (failed == j.n && j.n > 0) st = lb_fail(LB_E_FORMAT, "all %lld items failed", (long long)failed);
done:
    cli_stages_end(&j.stages);
    lb_value_free(stats);
    lb_free(j.split);
    lb_free(j.same);
    lb_free(rows);
    lb_items_free(items);
    return st;
}

LB_VERB(prepare) = {.id = "prepare", .title = "what a model would see, as arrays; or a data set resized and encoded once", .source = "", .params = params, .params_size = sizeof(options),
                    .usage = "prepare --input INPUT... --out X.h5|FOLDER|NAME-%06d.tar [--spec MODEL | --resize WxH|N | --longest N] [--crop N]",
                    .help = "X.h5 holds /keys, /pixels u8 [n,H,W,3] after geometry and, with --spec, /input f32 [n,3,H,W]: to compare with one's own program.\n"
                            "A folder or shards hold the pictures (masks as PNG, nearest; boxes moved), list.jsonl, stats.json, failed.jsonl. Stopped or killed, the same command goes on.\n"
                            "limbeck prepare --input coco/annotations/instances_val2017.json --resize 512 --out small\n"
                            "limbeck prepare --input photos --longest 1024 --split 0.8,0.1,0.1 --dedupe drop --out shards/photo-%06d.tar",
                    .run = run};
