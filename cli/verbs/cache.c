/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck cache run|verify|repair|merge|export|stats`: features of many items, in shards. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include "base/file.h"
#include "base/progress.h"
#include "cli/encode_options.h"

typedef struct options {
    cli_items items;
    cli_encode_options encode;
    const char *shard;
    int64_t shard_size;
    bool dry_run;
} options;

static const lb_param params[] = {CLI_ITEMS_PARAMS(options), CLI_ENCODE_PARAMS(options),
                                  {.name = "shard", .type = LB_T_TEXT, .offset = offsetof(options, shard), .unit = "I/N", .text = "this process's part of N: shards whose number mod N is I (0 to N-1)"},
                                  LB_PARAM(options, shard_size, 10000, 1, 1e9, "items", "items of one shard"),
                                  LB_PARAM_FLAG(options, dry_run, 0, "says what would be done, and what it needs"),
                                  LB_PARAM_END};

/* ---- run ---- */

typedef struct shards {
    int64_t size, total;   /* items of one, how many */
    int64_t mine, of;      /* this process's */
} shards;

static lb_status find_shards(shards *s, const options *o, int64_t count) {
    long long i = 0, n = 1;
    char end;
    *s = (shards){.size = o->shard_size, .total = (count + o->shard_size - 1) / o->shard_size};
    if (o->shard && (sscanf(o->shard, "%lld/%lld%c", &i, &n, &end) != 2 || n < 1 || i < 0 || i >= n)) return cli_usage("--shard wants I/N with 0 <= I < N, got '%s'", o->shard);
    s->mine = i;
    s->of = n;
    return LB_OK;
}

static char *shard_path(const char *folder, int64_t i, int64_t total) { return lb_format_dup("%s/shard-%05lld-of-%05lld.h5", folder, (long long)i, (long long)total); }

/* "shard-00001-of-00003.h5" -> 1, 3. */
static bool shard_name(const char *name, long long *i, long long *total) {
    char end;
    return sscanf(name, "shard-%lld-of-%lld.h%c", i, total, &end) == 3 && lb_ends_with(name, ".h5");
}

/* A folder whose shards are cut otherwise belongs to another run. */
static lb_status check_folder(const char *folder, int64_t total) {
    char **names = NULL;
    int64_t count = 0;
    long long i, of;
    lb_status st = lb_is_folder(folder) ? lb_list_folder(&names, &count, folder) : LB_OK;
    for (int64_t k = 0; st == LB_OK && k < count; k++)
        if (shard_name(names[k], &i, &of) && of != total)
            st = lb_fail(LB_E_MISMATCH, "%s holds %s, but these items make %lld shards: remove it, write elsewhere, or give the same items and --shard-size", folder, names[k], (long long)total);
    lb_names_free(names, count);
    return st;
}

typedef struct need {
    int64_t done;        /* shards */
    int64_t least, most; /* bytes still to be written: texts of one token, of 64 */
    int64_t free;        /* on that disk; -1 = unknown */
} need;

/* Of the folder, or of the nearest one above it that is there; -1 = unknown. */
static int64_t free_bytes(const char *folder) {
    struct statvfs disk;
    char *at = lb_strdup(folder);
    while (at && !lb_is_folder(at) && strcmp(at, "/") != 0 && strcmp(at, ".") != 0) {
        char *above = lb_path_folder(at);
        lb_free(at);
        at = above;
    }
    int64_t bytes = at && statvfs(at, &disk) == 0 ? (int64_t)disk.f_bavail * (int64_t)disk.f_frsize : -1;
    lb_free(at);
    return bytes;
}

static int64_t begun_bytes(const char *path) {
    int64_t bytes = 0;
    char *part = lb_format_dup("%s.part", path);
    if (part && lb_file_exists(part) && lb_file_size(&bytes, part) != LB_OK) lb_error_clear();
    lb_free(part);
    return bytes;
}

/* While a shard is finished its rows are on the disk twice. */
static lb_status find_need(need *n, const cli_encode_run *r, const shards *s, const options *o) {
    lb_tap_spec taps[CLI_ENCODE_TAPS];
    lb_status st = cli_encode_plan(r->model, &r->spec, taps);
    int64_t left = 0, begun = 0;
    *n = (need){.free = -1};
    for (int64_t i = s->mine; st == LB_OK && i < s->total; i += s->of) {
        char *path = shard_path(o->encode.out, i, s->total);
        if (!path) return LB_E_NOMEM;
        int64_t items = i + 1 < s->total ? s->size : r->count - i * s->size;
        if (lb_file_exists(path)) n->done++;
        else left += items, begun += begun_bytes(path);
        lb_free(path);
    }
    if (st != LB_OK) return st;
    int64_t twice = left + (left < s->size ? left : s->size);
    n->least = cli_encode_bytes(twice, r->spec.ntaps, taps, 1) - begun;
    n->most = cli_encode_bytes(twice, r->spec.ntaps, taps, 64) - begun;
    if (n->least < 0) n->least = 0;
    if (n->most < n->least) n->most = n->least;
    n->free = free_bytes(o->encode.out);
    return LB_OK;
}

static lb_status say_plan(const lb_cli *cli, const cli_encode_run *r, const shards *s, const need *n) {
    int64_t mine = s->mine < s->total ? (s->total - s->mine - 1) / s->of + 1 : 0;
    if (!cli->json)
        return cli_print("%lld items in %lld shards, %lld of them here, %lld finished; up to %.1f MB to write, %.1f MB free", (long long)r->count, (long long)s->total, (long long)mine,
                         (long long)n->done, (double)n->most / 1e6, (double)n->free / 1e6);
    lb_value *v = lb_value_map();
    lb_map_int(v, "items", r->count);
    lb_map_int(v, "shards", s->total);
    lb_map_int(v, "mine", mine);
    lb_map_int(v, "finished", n->done);
    lb_map_int(v, "bytes", n->most);
    lb_map_int(v, "free", n->free);
    lb_status st = cli_json(v);
    lb_value_free(v);
    return st;
}

static lb_status run_shard(cli_encode_run *r, const shards *s, int64_t i, const char *folder, const int64_t *all) {
    cli_encode_spec spec = r->spec;
    char what[64];
    int64_t failed = 0, first = i * s->size;
    char *path = shard_path(folder, i, s->total);
    if (!path) return LB_E_NOMEM;
    snprintf(what, sizeof what, "shard %lld of %lld", (long long)i + 1, (long long)s->total);
    spec.what = what;
    spec.indices = all + first;
    spec.count = i + 1 < s->total ? s->size : r->count - first;
    lb_status st = cli_encode(r->model, &spec, path, &failed);
    lb_free(path);
    return st;
}

static lb_status encode_shards(cli_encode_run *r, const shards *s, const char *folder) {
    lb_status st = LB_OK;
    int64_t *all = r->indices, *own = NULL;
    if (!all) {
        if (!(own = lb_alloc((size_t)r->count, sizeof *own))) return LB_E_NOMEM;
        for (int64_t i = 0; i < r->count; i++) own[i] = i;
        all = own;
    }
    for (int64_t i = s->mine; i < s->total && st == LB_OK; i += s->of) st = run_shard(r, s, i, folder, all);
    lb_free(own);
    return st;
}

static lb_status cache_run(lb_cli *cli, const options *o) {
    cli_encode_run r;
    shards s;
    need n;
    int64_t failed = 0;
    double start = lb_now();
    if (o->encode.taps && strcmp(o->encode.taps, "list") == 0) return cli_print_taps(cli, &o->encode);
    if (!o->encode.out) return cli_usage("--out is missing: a folder");
    lb_status st = cli_encode_open(&r, cli, &o->items, &o->encode);
    if (st != LB_OK) return st;
    LB_TRY(find_shards(&s, o, r.count));
    LB_TRY(check_folder(o->encode.out, s.total));
    LB_TRY(find_need(&n, &r, &s, o));
    if (n.free >= 0 && n.least > n.free) {
        st = lb_fail(LB_E_IO, "%s: at least %.1f MB are needed, %.1f MB are free", o->encode.out, (double)n.least / 1e6, (double)n.free / 1e6);
        goto done;
    }
    if (n.free >= 0 && n.most > n.free) lb_say(LB_LOG_WARN, "cache", "%s: up to %.1f MB may be needed, %.1f MB are free", o->encode.out, (double)n.most / 1e6, (double)n.free / 1e6);
    if (o->dry_run) {
        st = say_plan(cli, &r, &s, &n);
        goto done;
    }
    LB_TRY(lb_make_folders(o->encode.out));
    LB_TRY(encode_shards(&r, &s, o->encode.out));
    if (s.mine < s.total) LB_TRY(cli_say_features(cli, o->encode.out, lb_now() - start, &failed));
    if (failed && (o->encode.strict || failed == r.count)) st = lb_fail(LB_E_FORMAT, "%lld of %lld items failed; limbeck cache stats %s tells why", (long long)failed, (long long)r.count, o->encode.out);
done:
    cli_encode_close(&r);
    return st;
}

/* ---- verify, repair ---- */

typedef struct findings {
    const lb_cli *cli;
    lb_status st;
    char **files; /* damaged ones, each once */
    int64_t count, room;
} findings;

static void on_problem(void *ctx, const char *file, const char *text) {
    findings *f = ctx;
    if (f->st != LB_OK) return;
    if (f->cli->json) {
        lb_value *v = lb_value_map();
        lb_map_text(v, "file", file);
        lb_map_text(v, "problem", text);
        f->st = cli_json(v);
        lb_value_free(v);
    } else {
        f->st = cli_print("%s: %s", file, text);
    }
    if (f->st != LB_OK || (f->count && strcmp(f->files[f->count - 1], file) == 0)) return;
    if (f->count == f->room) {
        int64_t room = 2 * f->room + 8;
        char **files = lb_realloc(f->files, (size_t)room, sizeof *files);
        if (!files) {
            f->st = LB_E_NOMEM;
            return;
        }
        f->files = files;
        f->room = room;
    }
    if (!(f->files[f->count] = lb_strdup(file))) f->st = LB_E_NOMEM;
    else f->count++;
}

/* Numbers that are missing between the shards that are there. */
static lb_status find_missing(findings *f, const char *folder, int64_t *missing) {
    char **names = NULL, text[96];
    int64_t count = 0, have = 0;
    long long i, of, total = 0;
    lb_status st = lb_list_folder(&names, &count, folder);
    for (int64_t k = 0; st == LB_OK && k < count; k++)
        if (shard_name(names[k], &i, &of)) have++, total = of;
    *missing = total > have ? total - have : 0;
    snprintf(text, sizeof text, "%lld of %lld shards are not there (not yet made, or lost)", (long long)*missing, total);
    if (st == LB_OK && *missing && !f->cli->json) st = cli_print("%s: %s", folder, text);
    lb_names_free(names, count);
    return st;
}

static lb_status move_aside(const findings *f) {
    lb_status st = LB_OK;
    for (int64_t i = 0; i < f->count && st == LB_OK; i++) {
        if (!lb_ends_with(f->files[i], ".h5")) continue;
        char *to = lb_format_dup("%s.damaged", f->files[i]);
        if (!to) return LB_E_NOMEM;
        if (rename(f->files[i], to) != 0) st = lb_fail(LB_E_IO, "%s: %s", f->files[i], strerror(errno));
        else st = cli_print("%s: moved aside; the same limbeck cache run makes it again", f->files[i]);
        lb_free(to);
    }
    return st;
}

static lb_status check(lb_cli *cli, const char *path, bool repair) {
    findings f = {.cli = cli};
    int64_t problems = 0, missing = 0;
    lb_status st = LB_OK;
    LB_TRY(lb_cache_verify(path, on_problem, &f, &problems));
    LB_TRY(f.st);
    if (lb_is_folder(path)) LB_TRY(find_missing(&f, path, &missing));
    if (problems && repair) LB_TRY(move_aside(&f));
    else if (problems) st = lb_fail(LB_E_FORMAT, "%s: %lld problems", path, (long long)problems);
    else if (missing) st = lb_fail(LB_E_NOTFOUND, "%s: %lld shards are missing", path, (long long)missing);
    else if (!cli->json) st = cli_print("%s: no problem found", path);
done:
    lb_names_free(f.files, f.count);
    return st;
}

/* ---- merge ---- */

static lb_status merge_row(lb_cache_writer *w, lb_cache *c, int64_t row) {
    float *values[CLI_ENCODE_TAPS] = {0};
    int64_t length[CLI_ENCODE_TAPS] = {0};
    lb_status st = LB_OK;
    int n = lb_cache_taps(c);
    if (lb_cache_row_status(c, row)) return lb_cache_failed_row(w, (lb_status)-lb_cache_row_status(c, row), lb_cache_row_message(c, row));
    for (int t = 0; t < n; t++) {
        const lb_cache_tap *tap = lb_cache_tap_at(c, t);
        int64_t width = 1;
        for (int d = 0; d < tap->rank; d++) width *= tap->shape[d];
        if (tap->ragged) LB_TRY(lb_cache_read_ragged(c, t, row, &values[t], &length[t]));
        else if (!(values[t] = lb_alloc((size_t)width, sizeof(float)))) st = LB_E_NOMEM;
        else st = lb_cache_read(c, t, 1, &row, values[t]);
        if (st != LB_OK) goto done;
    }
    st = lb_cache_row(w, (const float *const *)values, length);
done:
    for (int t = 0; t < n; t++) lb_free(values[t]);
    return st;
}

static lb_status merge(lb_cli *cli, const char *folder, const char *out) {
    lb_status st = LB_OK;
    lb_cache *c = NULL;
    lb_cache_writer *w = NULL;
    lb_tap_spec taps[CLI_ENCODE_TAPS] = {{0}};
    int64_t done = 0, failed = 0, n = 0;
    const char **keys = NULL;
    if (!out) return cli_usage("--out is missing: a name ending in .h5");
    LB_TRY(lb_cache_open(&c, folder));
    n = lb_cache_rows(c);
    if (lb_cache_taps(c) > CLI_ENCODE_TAPS) {
        st = lb_fail(LB_E_LIMIT, "%s: more than %d taps", folder, CLI_ENCODE_TAPS);
        goto done;
    }
    for (int t = 0; t < lb_cache_taps(c); t++) {
        const lb_cache_tap *from = lb_cache_tap_at(c, t);
        taps[t] = (lb_tap_spec){.name = from->name, .rank = from->rank, .ragged = from->ragged, .dtype = from->dtype};
        memcpy(taps[t].shape, from->shape, sizeof taps[t].shape);
    }
    if (!(keys = lb_alloc((size_t)n, sizeof *keys))) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0; i < n; i++) keys[i] = lb_cache_key(c, i);
    LB_TRY(lb_cache_begin(&w, &done, out, lb_cache_fingerprint(c), n, keys, lb_cache_taps(c), taps));
    lb_progress_begin(&cli->progress, "merge", "items", done, n);
    for (; done < n; done++) {
        LB_TRY(merge_row(w, c, done));
        LB_TRY(lb_progress_at(&cli->progress, done + 1, NULL));
    }
    LB_TRY(lb_cache_commit(&w));
    lb_progress_end(&cli->progress, NULL);
    LB_TRY(cli_say_features(cli, out, -1, &failed));
done:
    lb_cache_close_part(&w);
    lb_cache_close(c);
    lb_free(keys);
    return st;
}

static lb_status export_features(const lb_cli *cli, const char *from, const char *folder) {
    int64_t count = 0;
    if (!folder) return cli_usage("--out is missing: a folder");
    lb_status st = cli_export_features(from, folder, &count);
    if (st != LB_OK || cli->json) return st;
    return cli_print("%s: %lld rows", folder, (long long)count);
}

static lb_status run(lb_cli *cli, void *opts) {
    const options *o = opts;
    const char *what = cli->words[0];
    int64_t failed;
    if (strcmp(what, "run") == 0) return cli->nwords == 1 ? cache_run(cli, o) : cli_usage("cache run: unexpected '%s'", cli->words[1]);
    static const char *const known[] = {"verify", "repair", "merge", "export", "stats"};
    bool is_known = false;
    for (size_t i = 0; i < LB_COUNT(known); i++) is_known |= strcmp(what, known[i]) == 0;
    if (!is_known) return cli_usage("cache: '%s' is none of run, verify, repair, merge, export, stats", what);
    if (cli->nwords != 2) return cli_usage("cache %s wants a folder or a feature file", what);
    if (strcmp(what, "stats") == 0) return cli_say_features(cli, cli->words[1], -1, &failed);
    if (strcmp(what, "merge") == 0) return merge(cli, cli->words[1], o->encode.out);
    if (strcmp(what, "export") == 0) return export_features(cli, cli->words[1], o->encode.out);
    return check(cli, cli->words[1], strcmp(what, "repair") == 0);
}

LB_VERB(cache) = {.id = "cache", .title = "features of many items, in shards: makes, checks, joins and counts them", .source = "", .params = params, .params_size = sizeof(options),
                  .usage = "cache run --model ... --input ... --taps A,B --out FOLDER | cache verify|repair|merge|export|stats FOLDER", .min_words = 1, .max_words = 2,
                  .help = "run     as encode, into FOLDER in shards of --shard-size items; again: goes on, finished shards are left\n"
                          "verify  every byte, sums, NaN in items that say ok; exit 1 when something is wrong or missing\n"
                          "repair  moves damaged shards aside, so that the same run makes them again\n"
                          "merge   all shards into one file (--out X.h5)\n"
                          "export  each tap as a NumPy array with the keys beside (--out FOLDER), failed items left out\n"
                          "stats   items, failures by reason, taps, and what it was made from\n\n"
                          "Many machines: give each --shard I/N, with one FOLDER on a shared disk.",
                  .run = run};
