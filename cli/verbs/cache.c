/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck cache run|verify|repair|merge|export|import|stats`: features of many items, in shards. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/file.h"
#include "base/hash.h"
#include "base/progress.h"
#include "cli/cache_verbs.h"

static const lb_param params[] = {
    CLI_ITEMS_PARAMS(cli_cache_options), CLI_ENCODE_PARAMS(cli_cache_options),
    LB_PARAM_TEXT(cli_cache_options, shard, NULL, NULL, "I/N: this process's part of N, the shards whose number mod N is I (0 to N-1); absent: as Slurm or MPI say, else all"),
    LB_PARAM(cli_cache_options, shard_size, 10000, 1, 1e9, "items", "items of one shard"),
    LB_PARAM_FLAG(cli_cache_options, claim, 0, "several processes share the folder: each takes shards that no other has"),
    LB_PARAM(cli_cache_options, stale, 300, 1, 1e6, "s", "a claim that was not renewed for so long is taken over"),
    LB_PARAM_FLAG(cli_cache_options, dry_run, 0, "says what would be done, and what it needs in disk, time and memory"),
    {.name = "virtual", .type = LB_T_BOOL, .offset = offsetof(cli_cache_options, virtual_sets), .min = 0, .max = 1, .unit = "", .text = "merge: refer to the shards instead of copying them"},
    LB_PARAM_TEXT(cli_cache_options, format, "npy", "npy|npz|safetensors|clip-retrieval|tinyvit", "export: how"),
    LB_PARAM_TEXT(cli_cache_options, keys, NULL, NULL, "import: a text file with a key a line, or a list"),
    LB_PARAM(cli_cache_options, epoch, 0, 0, 1e6, "1", "export as tinyvit: the epoch in the folder's name"),
    LB_PARAM_END};

/* ---- run ---- */

static lb_status run_shard(cli_encode_run *r, const cli_shards *s, int64_t i, const char *path, const int64_t *all, lb_progress *progress) {
    cli_encode_spec spec = r->spec;
    char what[64];
    int64_t failed = 0, first = i * s->size;
    snprintf(what, sizeof what, "shard %lld of %lld", (long long)i + 1, (long long)s->total);
    spec.what = what;
    spec.progress = progress;
    spec.indices = all + first;
    spec.count = i + 1 < s->total ? s->size : r->count - first;
    return cli_encode(r->model, &spec, path, &failed);
}

static lb_status own_shards(cli_encode_run *r, const cli_shards *s, const char *folder, const int64_t *all) {
    lb_status st = LB_OK;
    for (int64_t i = s->mine; i < s->total && st == LB_OK; i += s->of) {
        char *path = cli_shard_path(folder, i, s->total);
        st = path ? run_shard(r, s, i, path, all, r->spec.progress) : LB_E_NOMEM;
        lb_free(path);
    }
    return st;
}

/* *busy: another process has it. */
static lb_status claimed_shard(cli_encode_run *r, const cli_shards *s, int64_t i, const char *path, const int64_t *all, double stale, bool *busy) {
    cli_claim *claim = NULL;
    lb_progress progress = *r->spec.progress;
    *busy = false;
    if (lb_file_exists(path)) {
        cli_claim_tidy(path, stale);
        return run_shard(r, s, i, path, all, &progress); /* finished: is it of this run? */
    }
    lb_status st = cli_claim_take(&claim, path, stale, progress.stop);
    if (st != LB_OK) return st;
    *busy = !claim || lb_cache_in_use(path); /* its holder is late with its sign of life, but lives: it sees the new claim and stops */
    if (*busy) {
        cli_claim_give(claim);
        return LB_OK;
    }
    progress.stop = cli_claim_stop(claim);
    st = run_shard(r, s, i, path, all, &progress);
    if (st != LB_OK && (cli_claim_lost(claim) || lb_cache_in_use(path)) && !lb_progress_stopped(r->spec.progress)) {
        *busy = true;
        st = LB_OK;
        lb_error_clear();
    }
    cli_claim_give(claim);
    return st;
}

/* Where a process begins to look, so that many do not all ask for the first. */
static int64_t first_look(int64_t total) {
    char host[256] = "";
    (void)gethostname(host, sizeof host - 1);
    return (int64_t)(lb_hash64(host, strlen(host), (uint64_t)getpid()) % (uint64_t)total);
}

/* Until all shards are finished, by whomever: those of a process that dies come free. */
static lb_status claimed_shards(cli_encode_run *r, const cli_shards *s, const char *folder, const int64_t *all, double stale) {
    int64_t start = first_look(s->total);
    for (;;) {
        bool waits = false, made = false;
        for (int64_t k = 0; k < s->total; k++) {
            bool busy = false;
            char *path = cli_shard_path(folder, (start + k) % s->total, s->total);
            if (!path) return LB_E_NOMEM;
            bool finished = lb_file_exists(path);
            lb_status st = claimed_shard(r, s, (start + k) % s->total, path, all, stale, &busy);
            lb_free(path);
            if (st != LB_OK) return st;
            waits |= busy;
            made |= !busy && !finished;
        }
        if (!waits) return LB_OK;
        if (lb_progress_stopped(r->spec.progress)) return lb_fail(LB_E_CANCELLED, "stopped while other processes were making the last shards; the same command goes on");
        if (!made) nanosleep(&(struct timespec){.tv_nsec = 200 * 1000 * 1000}, NULL);
    }
}

static lb_status encode_shards(cli_encode_run *r, const cli_shards *s, const cli_cache_options *o) {
    int64_t *all = r->indices, *own = NULL;
    if (!all) {
        if (!(own = lb_alloc((size_t)r->count, sizeof *own))) return LB_E_NOMEM;
        for (int64_t i = 0; i < r->count; i++) own[i] = i;
        all = own;
    }
    lb_status st = o->claim ? claimed_shards(r, s, o->encode.out, all, o->stale) : own_shards(r, s, o->encode.out, all);
    lb_free(own);
    return st;
}

static lb_status cache_run(lb_cli *cli, const cli_cache_options *o) {
    cli_encode_run r;
    cli_shards s;
    int64_t failed = 0;
    double start = lb_now();
    if (o->encode.taps && strcmp(o->encode.taps, "list") == 0) return cli_print_taps(cli, &o->encode);
    if (!o->encode.out) return cli_usage("--out is missing: a folder");
    lb_status st = cli_encode_open(&r, cli, &o->items, &o->encode);
    if (st != LB_OK) return st;
    LB_TRY(cli_shards_find(&s, o, r.count));
    LB_TRY(cli_shards_check(o->encode.out, s.total));
    if (o->dry_run) {
        st = cli_cache_plan(cli, &r, &s, o->encode.out);
        goto done;
    }
    LB_TRY(cli_cache_room(&r, &s, o->encode.out));
    LB_TRY(lb_make_folders(o->encode.out));
    LB_TRY(encode_shards(&r, &s, o));
    if (s.mine < s.total) LB_TRY(cli_say_features(cli, o->encode.out, lb_now() - start, false, &failed));
    if (failed && (o->encode.strict || failed == r.count))
        st = lb_fail(LB_E_FORMAT, "%lld of %lld items failed; limbeck cache stats %s tells why", (long long)failed, (long long)r.count, o->encode.out);
done:
    cli_encode_close(&r);
    return st;
}

static lb_status stats(lb_cli *cli, const char *path) {
    int64_t failed;
    return cli_say_features(cli, path, -1, true, &failed);
}

static lb_status run(lb_cli *cli, void *opts) {
    const cli_cache_options *o = opts;
    static const char *const known[] = {"verify", "repair", "merge", "export", "import", "stats"};
    const char *what = cli->words[0], *path = cli->nwords > 1 ? cli->words[1] : NULL;
    bool is_known = false;
    if (strcmp(what, "run") == 0) return cli->nwords == 1 ? cache_run(cli, o) : cli_usage("cache run: unexpected '%s'", path);
    for (size_t i = 0; i < LB_COUNT(known); i++) is_known |= strcmp(what, known[i]) == 0;
    if (!is_known) return cli_usage("cache: '%s' is none of run, verify, repair, merge, export, import, stats", what);
    if (cli->nwords != 2) return cli_usage("cache %s wants %s", what, strcmp(what, "import") == 0 ? "a .npy file" : "a folder or a feature file");
    if (strcmp(what, "stats") == 0) return stats(cli, path);
    if (strcmp(what, "merge") == 0) return cli_cache_merge(cli, path, o);
    if (strcmp(what, "export") == 0) return cli_cache_export(cli, path, o);
    if (strcmp(what, "import") == 0) return cli_cache_import(cli, path, o);
    return cli_cache_check(cli, path, strcmp(what, "repair") == 0);
}

LB_VERB(cache) = {.id = "cache", .title = "features of many items, in shards: makes, checks, joins and counts them", .source = "", .params = params, .params_size = sizeof(cli_cache_options),
                  .usage = "cache run --model ... --input ... --taps A,B --out FOLDER | cache verify|repair|merge|export|import|stats PATH", .min_words = 1, .max_words = 2,
                  .help = "run     as encode, into FOLDER in shards of --shard-size items; again: goes on, finished shards are left\n"
                          "verify  every byte, sums, NaN in items that say ok; exit 1 when something is wrong or missing\n"
                          "repair  moves damaged shards aside; the same run takes over what is whole in them and makes the rest again\n"
                          "merge   all shards into one file (--out X.h5), or one that refers to them (--virtual)\n"
                          "export  each tap as arrays for other programs (--format, --out FOLDER), failed items left out\n"
                          "import  rows of a NumPy file made elsewhere (X.npy --keys FILE --taps NAME --out X.h5)\n"
                          "stats   items, failures by reason, ranges and norms of the taps, and what it was made from\n\n"
                          "Many machines: --shard I/N, or in Slurm arrays and under MPI without it; or --claim on a shared disk (docs/caching.md).",
                  .run = run};
