/* SPDX-License-Identifier: Apache-2.0 */
/* What a run will need, before it begins. */
#include <string.h>
#include <sys/statvfs.h>
#include "base/file.h"
#include "cli/cache_verbs.h"

enum { TRIAL_SECONDS = 3 };

typedef struct need {
    int64_t mine, finished; /* shards */
    int64_t left;           /* items of unfinished ones */
    int64_t twice;          /* the largest shard's items: its journal may hold them a second time */
    int64_t begun;          /* bytes of unfinished work */
    int64_t free;           /* on that disk; -1 = unknown */
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
    static const char *const endings[] = {"part", "chunks"};
    int64_t all = 0;
    for (size_t i = 0; i < LB_COUNT(endings); i++) {
        int64_t bytes = 0;
        char *name = lb_format_dup("%s.%s", path, endings[i]);
        if (name && lb_file_exists(name) && lb_file_size(&bytes, name) != LB_OK) lb_error_clear();
        all += bytes;
        lb_free(name);
    }
    return all;
}

static lb_status find_need(need *n, const cli_encode_run *r, const cli_shards *s, const char *folder) {
    *n = (need){.free = free_bytes(folder)};
    for (int64_t i = s->mine; i < s->total; i += s->of, n->mine++) {
        char *path = cli_shard_path(folder, i, s->total);
        if (!path) return LB_E_NOMEM;
        int64_t items = i + 1 < s->total ? s->size : r->count - i * s->size;
        if (lb_file_exists(path)) n->finished++;
        else {
            n->left += items;
            n->begun += begun_bytes(path);
            if (items > n->twice) n->twice = items;
        }
        lb_free(path);
    }
    return LB_OK;
}

static int64_t bytes_of(const need *n, const cli_encode_run *r, const lb_tap_spec *taps, double each) {
    int64_t bytes = cli_encode_bytes(n->left + n->twice, r->spec.ntaps, taps, each) - n->begun;
    return bytes < 0 ? 0 : bytes;
}

lb_status cli_cache_room(const cli_encode_run *r, const cli_shards *s, const char *folder) {
    lb_tap_spec taps[CLI_ENCODE_TAPS];
    need n;
    lb_status st = cli_encode_plan(r->model, &r->spec, taps);
    if (st == LB_OK) st = find_need(&n, r, s, folder);
    if (st != LB_OK || n.free < 0) return st;
    int64_t least = r->spec.deflate ? 0 : bytes_of(&n, r, taps, 1), most = bytes_of(&n, r, taps, 64);
    char want[24], have[24];
    cli_bytes(have, n.free);
    if (least > n.free) return lb_fail(LB_E_IO, "%s: at least %s are needed, %s are free", folder, cli_bytes(want, least), have);
    if (most > n.free) lb_say(LB_LOG_WARN, "cache", "%s: up to %s may be needed, %s are free", folder, cli_bytes(want, most), have);
    return LB_OK;
}

static lb_status say(const lb_cli *cli, const cli_encode_run *r, const cli_shards *s, const need *n, const cli_encode_trial *t, int64_t bytes) {
    double hours = t->items > 0 ? (double)n->left / t->items * t->seconds / 3600 : 0;
    char want[24], have[24], memory[24];
    if (!cli->json) {
        lb_status st = cli_print("%lld items in %lld shards, %lld of them here, %lld finished", (long long)r->count, (long long)s->total, (long long)n->mine, (long long)n->finished);
        if (st == LB_OK) st = cli_print("to write: up to %s%s; free: %s", cli_bytes(want, bytes), r->spec.deflate ? " before deflating" : "", cli_bytes(have, n->free));
        if (st == LB_OK && n->left)
            st = cli_print("time: %.2f hours for %lld items at %.1f items/s (%lld tried); memory: %s", hours, (long long)n->left, t->items / t->seconds,
                           (long long)t->items, cli_bytes(memory, t->memory));
        return st;
    }
    lb_value *v = lb_value_map();
    lb_map_int(v, "items", r->count);
    lb_map_int(v, "shards", s->total);
    lb_map_int(v, "mine", n->mine);
    lb_map_int(v, "finished", n->finished);
    lb_map_int(v, "left", n->left);
    lb_map_int(v, "bytes", bytes);
    lb_map_int(v, "free", n->free);
    lb_map_real(v, "items_per_second", t->seconds > 0 ? t->items / t->seconds : 0);
    lb_map_real(v, "hours", hours);
    lb_map_int(v, "memory", t->memory);
    lb_status st = cli_json(v);
    lb_value_free(v);
    return st;
}

lb_status cli_cache_plan(const lb_cli *cli, const cli_encode_run *r, const cli_shards *s, const char *folder) {
    lb_tap_spec taps[CLI_ENCODE_TAPS];
    cli_encode_trial t = {0};
    need n;
    lb_status st = cli_encode_plan(r->model, &r->spec, taps);
    if (st == LB_OK) st = find_need(&n, r, s, folder);
    if (st == LB_OK && n.left) st = cli_encode_try(r->model, &r->spec, TRIAL_SECONDS, &t);
    if (st != LB_OK) return st;
    int64_t bytes = bytes_of(&n, r, taps, t.positions > 0 ? t.positions : 1);
    st = say(cli, r, s, &n, &t, bytes);
    char want[24], have[24];
    if (st != LB_OK || n.free < 0 || bytes <= n.free || r->spec.deflate) return st;
    return lb_fail(LB_E_IO, "%s: %s are needed, %s are free", folder, cli_bytes(want, bytes), cli_bytes(have, n.free));
}
