/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "cli/cache_verbs.h"
#include "cli/crew.h"

static bool number(const char *name, long long *out) {
    const char *word = getenv(name);
    char end;
    return word && sscanf(word, "%lld%c", out, &end) == 1;
}

/* An array of jobs, each of several tasks: I = task of the array x tasks + task. */
static void from_launchers(cli_shards *s) {
    long long i = 0, n = 1, first = 0, step = 1;
    s->mine = 0;
    s->of = 1;
    if (number("SLURM_ARRAY_TASK_ID", &i) && number("SLURM_ARRAY_TASK_COUNT", &n)) {
        (void)number("SLURM_ARRAY_TASK_MIN", &first);
        (void)number("SLURM_ARRAY_TASK_STEP", &step);
        if (step > 0 && n > 0 && (i - first) / step >= 0 && (i - first) / step < n) s->mine = (i - first) / step, s->of = n;
    }
    int64_t rank, count;
    if (cli_launched(&rank, &count)) {
        s->mine = s->mine * count + rank;
        s->of *= count;
    }
    if (s->of > 1) lb_say(LB_LOG_INFO, "cache", "part %lld of %lld (from Slurm or MPI; --shard says otherwise)", (long long)s->mine, (long long)s->of);
}

lb_status cli_shards_find(cli_shards *s, const cli_cache_options *o, int64_t count) {
    long long i = 0, n = 1;
    char end;
    *s = (cli_shards){.size = o->shard_size, .total = (count + o->shard_size - 1) / o->shard_size, .of = 1};
    if (!o->shard) {
        if (!o->claim) from_launchers(s);
        return LB_OK;
    }
    if (o->claim) return cli_usage("--claim shares the shards out by itself: leave --shard away");
    if (sscanf(o->shard, "%lld/%lld%c", &i, &n, &end) != 2 || n < 1 || i < 0 || i >= n) return cli_usage("--shard wants I/N with 0 <= I < N, got '%s'", o->shard);
    s->mine = i;
    s->of = n;
    return LB_OK;
}

char *cli_shard_path(const char *folder, int64_t i, int64_t total) { return lb_format_dup("%s/shard-%05lld-of-%05lld.h5", folder, (long long)i, (long long)total); }

bool cli_shard_name(const char *name, long long *i, long long *total) {
    char end;
    return sscanf(name, "shard-%lld-of-%lld.h%c", i, total, &end) == 3 && lb_ends_with(name, ".h5");
}

lb_status cli_shards_check(const char *folder, int64_t total) {
    char **names = NULL;
    int64_t count = 0;
    long long i, of;
    lb_status st = lb_is_folder(folder) ? lb_list_folder(&names, &count, folder) : LB_OK;
    for (int64_t k = 0; st == LB_OK && k < count; k++)
        if (cli_shard_name(names[k], &i, &of) && of != total)
            st = lb_fail(LB_E_MISMATCH, "%s holds %s, but these items make %lld shards: remove it, write elsewhere, or give the same items and --shard-size", folder, names[k], (long long)total);
    lb_names_free(names, count);
    return st;
}
