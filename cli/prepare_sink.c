/* SPDX-License-Identifier: Apache-2.0 */
/* A prepared data set: files below a folder, or tar shards. Work goes by shards of consecutive items; each leaves a note of what it holds, written when
 * all of it is safe, so that a run that was stopped or killed goes on with the next one. At the end the notes become list.jsonl and stats.json. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/hash.h"
#include "base/threads.h"
#include "cli/prepare.h"
#include "io/tar.h"
#include "io/uri.h"
#include "lb_version.h"

enum { BUFFER = 1 << 20, STEP = 8 << 20 };

typedef struct shard {
    int64_t first, count; /* within sink.order */
    int split;            /* -1: none */
    bool done;
} shard;

typedef struct sink {
    prepare_job *job;
    bool tar;
    char *folder, *notes; /* of the list; of the shards' notes */
    int64_t *order;       /* rows that are kept, by split */
    int64_t n, shard_count;
    shard *shards;
    /* the shard in work */
    FILE *archive;
    char *part, *name;    /* of the archive: while it is written; relative to the folder */
    int64_t at, started;  /* bytes in it; those that are on their way to the disk */
    lb_buf note;
    lb_flow *flow;
    int64_t done;         /* items of finished shards */
} sink;

/* ---- plan ---- */

static bool is_dropped(const prepare_job *j, int64_t i) { return j->dedupe && strcmp(j->dedupe, "drop") == 0 && j->same[i] != i; }

static lb_status plan(sink *s) {
    prepare_job *j = s->job;
    int splits = j->nsplits ? j->nsplits : 1;
    s->order = lb_alloc((size_t)j->n + 1, sizeof *s->order);
    s->shards = lb_calloc((size_t)(j->n / j->shard + splits + 1), sizeof *s->shards);
    if (!s->order || !s->shards) return LB_E_NOMEM;
    for (int k = 0; k < splits; k++) {
        int64_t first = s->n;
        for (int64_t i = 0; i < j->n; i++)
            if (!is_dropped(j, i) && (!j->nsplits || j->split[i] == k)) s->order[s->n++] = i;
        for (int64_t at = first; at < s->n; at += j->shard)
            s->shards[s->shard_count++] = (shard){.first = at, .count = s->n - at < j->shard ? s->n - at : j->shard, .split = j->nsplits ? k : -1};
    }
    return LB_OK;
}

static char *note_path(const sink *s, int64_t i) { return lb_format_dup("%s/%06lld.jsonl", s->notes, (long long)i); }

/* The same items and options as before? */
static lb_status check_run(sink *s) {
    lb_buf before = {0};
    char *path = lb_path_join(s->notes, "run");
    lb_status st = LB_OK;
    if (!path) return LB_E_NOMEM;
    if (lb_file_exists(path)) {
        LB_TRY(lb_file_read(&before, path, 4096));
        if (before.size != 64 || memcmp(before.data, s->job->run, 64) != 0)
            st = lb_fail(LB_E_MISMATCH, "%s: holds the unfinished work of other items or options; take another name, or remove %s", s->job->out, s->notes);
    } else st = lb_file_write(path, s->job->run, 64);
done:
    lb_buf_free(&before);
    lb_free(path);
    return st;
}

/* Counts the lines of a note, two to an item at most. */
static lb_status find_done(sink *s) {
    for (int64_t i = 0; i < s->shard_count; i++) {
        char *path = note_path(s, i);
        if (!path) return LB_E_NOMEM;
        s->shards[i].done = lb_file_exists(path);
        if (s->shards[i].done) s->done += s->shards[i].count;
        lb_free(path);
    }
    return LB_OK;
}

static lb_status begin(sink *s) {
    const char *out = s->job->out;
    char mark[65];
    s->tar = lb_ends_with(out, ".tar");
    s->folder = s->tar ? lb_path_folder(out) : lb_strdup(out);
    lb_sha256_of(out, strlen(out), mark);
    mark[8] = 0;
    s->notes = s->folder ? (s->tar ? lb_format_dup("%s/.prepare-%s", s->folder, mark) : lb_format_dup("%s/.prepare", s->folder)) : NULL;
    if (!s->notes) return LB_E_NOMEM;
    lb_status st = plan(s);
    if (st == LB_OK) st = lb_make_folders(s->notes);
    if (st == LB_OK) st = check_run(s);
    return st == LB_OK ? find_done(s) : st;
}

/* ---- one shard ---- */

static const char *split_name(const sink *s, const shard *h) { return h->split >= 0 ? s->job->name[h->split] : NULL; }

/* The archive's name: "data-%06d.tar" with the shard's number in it, and the split before that. */
static char *archive_name(const sink *s, int64_t i) {
    const char *pattern = lb_path_name(s->job->out), *percent = strchr(pattern, '%'), *split = split_name(s, &s->shards[i]);
    size_t digits = percent ? strspn(percent + 1, "0123456789") : 0;
    int width = percent ? (int)strtol(percent + 1, NULL, 10) : 6;
    int head = (int)(percent ? percent - pattern : (ptrdiff_t)strlen(pattern) - 4);
    const char *tail = percent ? percent + 1 + digits + (percent[1 + digits] == 'd') : ".tar";
    return lb_format_dup("%.*s%s%s%s%0*lld%s", head, pattern, percent ? "" : "-", split ? split : "", split ? "-" : "", width, (long long)i, tail);
}

static lb_status open_shard(sink *s, int64_t i) {
    lb_buf_clear(&s->note);
    s->at = 0;
    if (!s->tar) {
        const char *split = split_name(s, &s->shards[i]);
        s->name = lb_format_dup("%s%s%06lld", split ? split : "", split ? "/" : "", (long long)i);
        char *path = s->name ? lb_path_join(s->folder, s->name) : NULL;
        lb_status st = path ? lb_make_folders(path) : LB_E_NOMEM;
        lb_free(path);
        return st;
    }
    s->name = archive_name(s, i);
    s->part = s->name ? lb_format_dup("%s/%s.part", s->folder, s->name) : NULL;
    if (!s->part) return LB_E_NOMEM;
    s->archive = fopen(s->part, "wb");
    if (!s->archive) return lb_fail(LB_E_IO, "%s: %s", s->part, strerror(errno));
    (void)setvbuf(s->archive, NULL, _IOFBF, BUFFER);
    s->started = 0;
    return LB_OK;
}

/* Every few megabytes start for the disk while others come: else most of the time is the wait at the shard's end. */
static lb_status append(sink *s, const void *data, size_t size) {
    s->at += (int64_t)size;
    if (s->at - s->started >= STEP) {
        (void)sync_file_range(fileno(s->archive), s->started, s->at - s->started, SYNC_FILE_RANGE_WRITE);
        s->started = s->at - BUFFER;
    }
    return fwrite(data, 1, size, s->archive) == size ? LB_OK : lb_fail(LB_E_IO, "%s: %s", s->part, strerror(errno));
}

static lb_status write_plain(const char *path, const void *data, size_t size) {
    FILE *f = fopen(path, "wb");
    if (!f) return lb_fail(LB_E_IO, "%s: %s", path, strerror(errno));
    bool ok = fwrite(data, 1, size, f) == size;
    ok = fclose(f) == 0 && ok;
    return ok ? LB_OK : lb_fail(LB_E_IO, "%s: %s", path, strerror(errno));
}

/* A file or member; its uri, relative to the list, under `field` of the item's line. */
static lb_status put(sink *s, lb_value *line, const char *field, const char *stem, const char *ending, const void *data, size_t size) {
    char name[96], uri[512];
    lb_status st = LB_OK;
    snprintf(name, sizeof name, "%s.%s", stem, ending);
    if (!s->tar) {
        snprintf(uri, sizeof uri, "%s/%s", s->name, name);
        char *path = lb_path_join(s->folder, uri);
        st = path ? write_plain(path, data, size) : LB_E_NOMEM;
        lb_free(path);
    } else {
        lb_buf head = {0}, tail = {0};
        st = lbi_tar_head(&head, name, size);
        if (st == LB_OK) st = append(s, head.data, head.size);
        snprintf(uri, sizeof uri, "%s#%lld+%zu/%s", s->name, (long long)s->at, size, name);
        if (st == LB_OK) st = append(s, data, size);
        lbi_tar_fill(&tail, size);
        if (st == LB_OK && tail.size) st = append(s, tail.data, tail.size);
        lb_buf_free(&head);
        lb_buf_free(&tail);
    }
    if (st == LB_OK && field) lb_map_text(line, field, uri);
    return st;
}

/* Sounds and videos are taken over as they are. */
static lb_status put_copy(sink *s, lb_value *line, const char *field, const char *stem, const char *uri) {
    lb_mmap m = {0};
    const char *ending = lb_path_ending(uri);
    lb_status st = lb_uri_map(&m, uri);
    if (st == LB_OK) st = put(s, line, field, stem, *ending && strlen(ending) < 12 ? ending : field, m.data, m.size);
    lb_mmap_close(&m);
    return st;
}

/* In a shard the item's fields are members too, so that other programs find them. */
static lb_status put_fields(sink *s, const lb_value *line, const lb_item *item, const char *stem) {
    lb_buf json = {0};
    lb_value *v = lb_value_map();
    static const char *const kept[] = {"key", "split", "domain", "group", "boxes"};
    lb_status st = LB_OK;
    for (size_t i = 0; i < LB_COUNT(kept); i++)
        if (lb_get(line, kept[i])) lb_map_put(v, kept[i], lb_value_copy(lb_get(line, kept[i])));
    if (item->text) LB_TRY(put(s, NULL, NULL, stem, "txt", item->text, item->text_size));
    if (item->label) LB_TRY(put(s, NULL, NULL, stem, "cls", item->label, strlen(item->label)));
    LB_TRY(lb_json_write(&json, v, 0));
    LB_TRY(put(s, NULL, NULL, stem, "json", json.data, json.size));
done:
    lb_value_free(v);
    lb_buf_free(&json);
    return st;
}

static lb_status note(sink *s, const char *kind, lb_value *take_v) {
    lb_value *line = lb_value_map();
    lb_map_put(line, kind, take_v);
    lb_status st = lb_json_write(&s->note, line, 0);
    lb_buf_text(&s->note, "\n");
    lb_value_free(line);
    return st;
}

static lb_status note_failure(sink *s, const lb_item *item, lb_status code, const char *why) {
    lb_say(LB_LOG_WARN, "prepare", "%s: %s; left out", item->key, why);
    lb_value *v = lb_value_map();
    lb_map_text(v, "key", item->key);
    lb_map_text(v, "status", lb_status_name(code));
    lb_map_text(v, "error", why);
    return note(s, "failed", v);
}

/* The item's own line, with the files that are written now in place of its old ones. */
static lb_value *line_of(const sink *s, const lb_item *item, const prepared *p, int split) {
    lb_item own = *item;
    own.image = own.audio = own.video = own.mask = NULL;
    if (split >= 0) own.split = (char *)(uintptr_t)s->job->name[split];
    if (p->boxes) own.boxes = p->boxes;
    return lb_item_value(&own);
}

static bool of_item(lb_status st) { return st == LB_E_NOTFOUND || st == LB_E_FORMAT || st == LB_E_UNSUPPORTED; }

static lb_status write_item(sink *s, int64_t position, int split, const prepared *p) {
    const lb_item *item = prepare_item(s->job, s->order[position]);
    char stem[32];
    lb_status st = LB_OK;
    if (p->status != LB_OK) return note_failure(s, item, p->status, p->why ? p->why : lb_status_name(p->status));
    snprintf(stem, sizeof stem, "%09lld", (long long)position);
    lb_value *line = line_of(s, item, p, split);
    const lb_mmap *file = &p->image_file, *labels = &p->mask_file;
    if (file->size) LB_TRY(put(s, line, "image", stem, p->ending, file->data, file->size));
    else if (p->image.size) LB_TRY(put(s, line, "image", stem, p->ending, p->image.data, p->image.size));
    if (item->audio) LB_TRY(put_copy(s, line, "audio", stem, item->audio));
    if (item->video) LB_TRY(put_copy(s, line, "video", stem, item->video));
    if (labels->size) LB_TRY(put(s, line, "mask", stem, "mask.png", labels->data, labels->size));
    else if (p->mask.size) LB_TRY(put(s, line, "mask", stem, "mask.png", p->mask.data, p->mask.size));
    if (s->tar) LB_TRY(put_fields(s, line, item, stem));
    lb_value *whole = line;
    line = NULL;
    LB_TRY(note(s, "item", whole));
done:
    lb_value_free(line);
    if (of_item(st)) { /* a sound or video that is not there */
        char why[512];
        snprintf(why, sizeof why, "%s", lb_error_text());
        lb_error_clear();
        return note_failure(s, item, st, why);
    }
    return st;
}

static lb_status close_archive(sink *s) {
    lb_buf tail = {0};
    lbi_tar_end(&tail);
    lb_status st = append(s, tail.data, tail.size);
    lb_buf_free(&tail);
    char *path = lb_path_join(s->folder, s->name);
    if (!path) st = LB_E_NOMEM;
    bool ok = fflush(s->archive) == 0 && fsync(fileno(s->archive)) == 0;
    ok = fclose(s->archive) == 0 && ok;
    s->archive = NULL;
    if (st == LB_OK && (!ok || rename(s->part, path) != 0)) st = lb_fail(LB_E_IO, "%s: %s", s->part, strerror(errno));
    lb_free(path);
    return st == LB_OK ? lb_sync_folder(s->folder) : st;
}

/* All files of a shard at once. */
static lb_status sync_files(const sink *s) {
    int fd = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    lb_status st = fd >= 0 && syncfs(fd) == 0 ? LB_OK : lb_fail(LB_E_IO, "%s: %s", s->folder, strerror(errno));
    if (fd >= 0) close(fd);
    return st;
}

static lb_status close_shard(sink *s, int64_t i) {
    char *path = note_path(s, i);
    lb_status st = path ? LB_OK : LB_E_NOMEM;
    double at = lb_now();
    if (st == LB_OK) st = s->tar ? close_archive(s) : sync_files(s);
    if (st == LB_OK) st = lb_file_write(path, lb_buf_str(&s->note), s->note.size);
    if (st == LB_OK) s->shards[i].done = true;
    cli_stages_add(&s->job->stages, STAGE_WRITE, lb_now() - at);
    lb_free(path);
    return st;
}

static void drop_shard(sink *s) {
    if (s->archive) fclose(s->archive);
    if (s->archive && s->part) unlink(s->part);
    s->archive = NULL;
    lb_free(s->part);
    lb_free(s->name);
    s->part = s->name = NULL;
}

/* ---- the whole ---- */

static lb_status work(void *ctx, int64_t i, void **result) {
    const sink *s = ctx;
    return prepare_one(s->job, s->order[i], false, (prepared **)result);
}

static int64_t held(void *ctx, const void *result) {
    const prepared *p = result;
    (void)ctx;
    return (int64_t)(p->image.size + p->mask.size + p->image_file.size + p->mask_file.size);
}

static lb_status open_flow(sink *s, int64_t first) {
    lb_flow_close(s->flow);
    s->flow = NULL;
    int workers = lb_threads();
    return lb_flow_open(&s->flow, &(lb_flow_spec){.first = first,
                                                  .count = s->n,
                                                  .workers = workers,
                                                  .depth = 8 * workers,
                                                  .work = work,
                                                  .drop = prepare_drop,
                                                  .ctx = s,
                                                  .bytes = held,
                                                  .memory = s->job->memory});
}

static lb_status run_shard(sink *s, int64_t i) {
    const shard *h = &s->shards[i];
    lb_status st = LB_OK;
    LB_TRY(open_shard(s, i));
    for (int64_t k = 0; k < h->count; k++) {
        int64_t position = 0;
        void *one = NULL;
        bool end = false;
        LB_TRY(lb_flow_next(s->flow, &position, &one, &end));
        double at = lb_now();
        st = end ? lb_fail(LB_E_BUG, "the flow of items ends early") : write_item(s, position, h->split, one);
        cli_stages_add(&s->job->stages, STAGE_WRITE, lb_now() - at);
        prepare_drop(NULL, one);
        if (st != LB_OK) goto done;
        LB_TRY(lb_progress_at(&s->job->cli->progress, s->done + k + 1, cli_stages_note(&s->job->stages)));
    }
    LB_TRY(close_shard(s, i));
    s->done += h->count;
done:
    drop_shard(s);
    return st;
}

static lb_status run_all(sink *s) {
    int64_t next = -1;
    lb_progress_begin(&s->job->cli->progress, "prepare", "items", s->done, s->n);
    for (int64_t i = 0; i < s->shard_count; i++) {
        if (s->shards[i].done) continue;
        lb_status st = next == s->shards[i].first ? LB_OK : open_flow(s, s->shards[i].first);
        if (st == LB_OK) st = run_shard(s, i);
        if (st != LB_OK) return st;
        next = s->shards[i].first + s->shards[i].count;
    }
    lb_progress_end(&s->job->cli->progress, cli_stages_note(&s->job->stages));
    return LB_OK;
}

/* ---- list and stats ---- */

typedef struct totals {
    int64_t items, failed;
    lb_value *splits, *reasons;
} totals;

static void count(lb_value *map, const char *name) { lb_map_int(map, name, lb_get_int(map, name, 0) + 1); }

/* A note's lines go to the list, or to the list of failures. */
static lb_status take_note(sink *s, int64_t i, FILE *list, lb_buf *failures, totals *t) {
    lb_buf text = {0}, line = {0};
    char *path = note_path(s, i), *rest = NULL;
    lb_status st = LB_OK;
    lb_value *v = NULL;
    if (!path) return LB_E_NOMEM;
    LB_TRY(lb_file_read(&text, path, 0));
    for (char *p = strtok_r(text.data, "\n", &rest); p; p = strtok_r(NULL, "\n", &rest)) {
        LB_TRY(lb_json_parse(&v, p, strlen(p), path));
        const lb_value *item = lb_get(v, "item"), *failed = lb_get(v, "failed");
        lb_buf_clear(&line);
        LB_TRY(lb_json_write(&line, item ? item : failed, 0));
        lb_buf_text(&line, "\n");
        if (item && fwrite(lb_buf_str(&line), 1, line.size, list) != line.size) LB_TRY(lb_fail(LB_E_IO, "%s: the list cannot be written: %s", s->folder, strerror(errno)));
        if (!item) lb_buf_add(failures, lb_buf_str(&line), line.size);
        t->items += item != NULL;
        t->failed += item == NULL;
        if (item && lb_get(item, "split")) count(t->splits, lb_get_text(item, "split", ""));
        if (!item) count(t->reasons, lb_get_text(failed, "status", "?"));
        lb_value_free(v);
        v = NULL;
    }
done:
    lb_value_free(v);
    lb_buf_free(&text);
    lb_buf_free(&line);
    lb_free(path);
    return st;
}

static lb_status write_list(sink *s, totals *t) {
    char *list = lb_path_join(s->folder, "list.jsonl"), *part = list ? lb_format_dup("%s.part", list) : NULL, *failed = lb_path_join(s->folder, "failed.jsonl");
    lb_buf failures = {0};
    lb_status st = LB_OK;
    FILE *f = part ? fopen(part, "wb") : NULL;
    if (!list || !part || !failed) LB_TRY(LB_E_NOMEM);
    if (!f) LB_TRY(lb_fail(LB_E_IO, "%s: %s", part, strerror(errno)));
    for (int64_t i = 0; i < s->shard_count; i++) LB_TRY(take_note(s, i, f, &failures, t));
    bool ok = fflush(f) == 0 && fsync(fileno(f)) == 0;
    ok = fclose(f) == 0 && ok;
    f = NULL;
    if (!ok || rename(part, list) != 0) LB_TRY(lb_fail(LB_E_IO, "%s: %s", list, strerror(errno)));
    if (failures.size) LB_TRY(lb_file_write(failed, failures.data, failures.size));
    else LB_TRY(lb_remove_all(failed));
done:
    if (f) fclose(f);
    lb_buf_free(&failures);
    lb_free(list);
    lb_free(part);
    lb_free(failed);
    return st;
}

static lb_status write_stats(sink *s, totals *t, lb_value *stats) {
    const prepare_job *j = s->job;
    int64_t dropped = j->n - s->n, duplicates = 0;
    for (int64_t i = 0; j->dedupe && i < j->n; i++) duplicates += j->same[i] != i;
    lb_map_text(stats, "format", "limbeck-prepared");
    lb_map_int(stats, "version", 1);
    lb_map_int(stats, "items", t->items);
    lb_map_int(stats, "failed", t->failed);
    lb_map_put(stats, "failed_by_reason", t->reasons);
    if (j->dedupe) lb_map_int(stats, "duplicates", duplicates), lb_map_int(stats, "dropped", dropped);
    lb_map_put(stats, "splits", t->splits);
    t->reasons = t->splits = NULL;
    lb_map_int(stats, "shards", s->shard_count);
    lb_map_put(stats, "preprocessing", lb_image_spec_value(&j->spec));
    lb_map_text(stats, "list_sha256", j->items->sha256);
    lb_map_text(stats, "program", "limbeck " LB_VERSION);
    lb_map_text(stats, "run", j->run);
    lb_map_put(stats, "time", cli_stages_value(&s->job->stages));
    char *path = lb_path_join(s->folder, "stats.json");
    lb_status st = path ? cli_json_file(path, stats) : LB_E_NOMEM;
    lb_free(path);
    return st;
}

lb_status prepare_sink(prepare_job *j, lb_value *stats, int64_t *failed) {
    sink s = {.job = j};
    totals t = {.splits = lb_value_map(), .reasons = lb_value_map()};
    lb_status st = LB_OK;
    LB_TRY(begin(&s));
    LB_TRY(run_all(&s));
    LB_TRY(write_list(&s, &t));
    *failed = t.failed;
    LB_TRY(write_stats(&s, &t, stats));
    LB_TRY(lb_remove_all(s.notes));
done:
    if (st == LB_E_CANCELLED) st = lb_fail(st, "%s: stopped after %lld of %lld items; the same command goes on", j->out, (long long)s.done, (long long)s.n);
    lb_flow_close(s.flow);
    lb_value_free(t.splits);
    lb_value_free(t.reasons);
    lb_buf_free(&s.note);
    lb_free(s.folder);
    lb_free(s.notes);
    lb_free(s.order);
    lb_free(s.shards);
    return st;
}
