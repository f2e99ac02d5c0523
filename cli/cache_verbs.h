/* SPDX-License-Identifier: Apache-2.0 */
/* What `limbeck cache` does, a file each: shards and who makes them, the plan, checking, merging, exports, imports. */
#ifndef LB_CLI_CACHE_VERBS_H
#define LB_CLI_CACHE_VERBS_H
#include "cli/encode_options.h"

typedef struct cli_cache_options {
    cli_items items;
    cli_encode_options encode;
    const char *shard, *format, *keys;
    int64_t shard_size, epoch;
    double stale;
    bool dry_run, claim, virtual_sets;
} cli_cache_options;

/* ---- cache_shards.c ---- */
typedef struct cli_shards {
    int64_t size, total; /* items of one, how many */
    int64_t mine, of;    /* this process makes those whose number mod `of` is `mine` */
} cli_shards;
/** From --shard, or from what Slurm or an MPI launcher says about this process. */
LB_MUST_USE lb_status cli_shards_find(cli_shards *s, const cli_cache_options *o, int64_t count);
char *cli_shard_path(const char *folder, int64_t i, int64_t total);
/** "shard-00001-of-00003.h5" -> 1, 3. */
bool cli_shard_name(const char *name, long long *i, long long *total);
/** A folder whose shards are cut otherwise belongs to another run: LB_E_MISMATCH. */
LB_MUST_USE lb_status cli_shards_check(const char *folder, int64_t total);

/* ---- cache_claim.c: who of many processes on a shared folder makes a shard ---- */
typedef struct cli_claim cli_claim;
/** Claims the shard; *out NULL: a process that lives has it. A claim that was not renewed for `stale` seconds, or whose process on this
 *  machine is gone, is taken over. */
LB_MUST_USE lb_status cli_claim_take(cli_claim **out, const char *path, double stale, const volatile int *stop);
/** Set when the run is asked to stop, or the claim was lost. */
const volatile int *cli_claim_stop(const cli_claim *c);
bool cli_claim_lost(const cli_claim *c);
void cli_claim_give(cli_claim *c); /* removes it unless it was lost */
/** Of a finished shard: removes the claim of a process that finished it and died before giving the claim back. */
void cli_claim_tidy(const char *path, double stale);

/* ---- cache_plan.c ---- */
/** Fails when the disk cannot hold what is to come; warns when it may not. */
LB_MUST_USE lb_status cli_cache_room(const cli_encode_run *r, const cli_shards *s, const char *folder);
/** --dry-run: items, bytes, hours at the rate of a short trial, memory. */
LB_MUST_USE lb_status cli_cache_plan(const lb_cli *cli, const cli_encode_run *r, const cli_shards *s, const char *folder);

/* ---- cache_check.c, cache_merge.c, cache_export.c, cache_import.c ---- */
LB_MUST_USE lb_status cli_cache_check(lb_cli *cli, const char *path, bool repair);
LB_MUST_USE lb_status cli_cache_merge(lb_cli *cli, const char *folder, const cli_cache_options *o);
LB_MUST_USE lb_status cli_cache_export(lb_cli *cli, const char *from, const cli_cache_options *o);
LB_MUST_USE lb_status cli_cache_import(lb_cli *cli, const char *from, const cli_cache_options *o);

#endif
