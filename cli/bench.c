/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/bench.h"
#include <string.h>
#include "base/rng.h"
#include "cli/models.h"

#define BENCH(id) extern LB_BENCH(id);
#include "cli/benches.def"
#undef BENCH

static const lb_head *const members[] = {
#define BENCH(id) (const lb_head *)&lb_bench_##id,
#include "cli/benches.def"
#undef BENCH
};

const lb_family lb_benches = {.name = "benches", .text = "groups of figures that bench measures", .def = "cli/benches.def", .dir = "cli/benches", .count = (int)LB_COUNT(members), .members = members};

bool cli_bench_wants(const cli_bench *b, const char *name) { return !b->only || strstr(name, b->only); }

lb_status cli_bench_best(cli_bench *b, double *seconds, int runs, int warm, lb_status (*once)(void *ctx), void *ctx) {
    double best = 0;
    for (int i = -warm; i < runs; i++) {
        if (lb_progress_stopped(&b->cli->progress)) return lb_fail(LB_E_CANCELLED, "bench: stopped");
        double start = lb_now();
        lb_status st = once(ctx);
        if (st != LB_OK) return st;
        double took = lb_now() - start;
        if (i == 0 || (i > 0 && took < best)) best = took;
    }
    *seconds = best;
    return LB_OK;
}

lb_status cli_bench_say(cli_bench *b, const char *name, const char *peer, double value, const char *unit) {
    if (!b->cli->json) {
        lb_status st = cli_print("%-40s %12.3f %-8s %s", name, value, unit, peer);
        return st == LB_OK ? cli_flush() : st;
    }
    lb_value *v = lb_value_map();
    lb_map_text(v, "name", name);
    lb_map_text(v, "peer", peer);
    lb_map_real(v, "value", value);
    lb_map_text(v, "unit", unit);
    lb_status st = cli_json(v);
    lb_value_free(v);
    return st;
}

lb_status cli_bench_model(cli_bench *b, lb_model **out, const char *arch, const char *params) {
    lb_status st = LB_OK;
    const lb_head *head = NULL;
    lb_value *v = NULL;
    lb_model *m = NULL;
    LB_TRY(lb_family_find(&head, &lb_archs, arch));
    LB_TRY(lb_json_parse(&v, params, strlen(params), arch));
    LB_TRY(lb_model_new(&m, (const lb_arch *)head, v));
    LB_TRY(lb_store_init(m->store, b->cli->seed));
    *out = m;
    m = NULL;
done:
    lb_value_free(v);
    lb_model_free(m);
    return st;
}

lb_status cli_bench_random(cli_bench *b, lb_tensor **out, const char *name, int rank, const int64_t *shape) {
    lb_status st = lb_tensor_new(out, LB_REAL, rank, shape);
    if (st != LB_OK) return st;
    lb_rng r = lb_rng_of(b->cli->seed, 0, name);
    lb_real *x = (*out)->data;
    for (int64_t i = 0, n = lb_numel(*out); i < n; i++) x[i] = (lb_real)lb_rng_normal(&r);
    return LB_OK;
}
