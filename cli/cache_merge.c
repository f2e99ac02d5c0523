/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck cache merge`: the shards of a folder as one file, copied or referred to. */
#include <string.h>
#include "base/file.h"
#include "cli/cache_verbs.h"

static void plan(lb_tap_spec *taps, const lb_cache *c, const cli_cache_options *o) {
    for (int t = 0; t < lb_cache_taps(c); t++) {
        const lb_cache_tap *from = lb_cache_tap_at(c, t);
        taps[t] = (lb_tap_spec){.name = from->name, .rank = from->rank, .ragged = from->ragged, .dtype = from->dtype, .classes = from->classes, .deflate = o->encode.deflate};
        memcpy(taps[t].shape, from->shape, sizeof taps[t].shape);
    }
}

static lb_status copy(lb_cli *cli, lb_cache *c, const char *const *keys, const cli_cache_options *o) {
    lb_status st = LB_OK;
    lb_cache_writer *w = NULL;
    lb_tap_spec taps[CLI_ENCODE_TAPS] = {{0}};
    int64_t done = 0, n = lb_cache_rows(c);
    plan(taps, c, o);
    LB_TRY(lb_cache_begin(&w, &done, o->encode.out, lb_cache_fingerprint(c), n, keys, lb_cache_taps(c), taps));
    lb_progress_begin(&cli->progress, "merge", "items", done, n);
    for (; done < n; done++) {
        LB_TRY(lb_cache_copy_row(w, c, done));
        if (done % 256 == 255) LB_TRY(lb_progress_at(&cli->progress, done + 1, NULL));
    }
    LB_TRY(lb_cache_commit(&w));
    lb_progress_end(&cli->progress, NULL);
done:
    lb_cache_close_part(&w);
    return st;
}

lb_status cli_cache_merge(lb_cli *cli, const char *folder, const cli_cache_options *o) {
    lb_status st = LB_OK;
    lb_cache *c = NULL;
    const char **keys = NULL;
    int64_t failed = 0;
    if (!o->encode.out) return cli_usage("--out is missing: a name ending in .h5");
    if (o->virtual_sets) return lb_cache_link(o->encode.out, folder);
    LB_TRY(lb_cache_open(&c, folder));
    LB_TRY(lb_cache_load_keys(c));
    if (lb_cache_taps(c) > CLI_ENCODE_TAPS) {
        st = lb_fail(LB_E_LIMIT, "%s: more than %d taps", folder, CLI_ENCODE_TAPS);
        goto done;
    }
    if (!(keys = lb_alloc((size_t)lb_cache_rows(c), sizeof *keys))) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0; i < lb_cache_rows(c); i++) keys[i] = lb_cache_key(c, i);
    LB_TRY(copy(cli, c, keys, o));
    LB_TRY(cli_say_features(cli, o->encode.out, -1, false, &failed));
done:
    lb_cache_close(c);
    lb_free(keys);
    return st;
}
