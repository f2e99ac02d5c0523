/* SPDX-License-Identifier: Apache-2.0 */
#include "datasets/sampler.h"
#include "base/rng.h"

lb_status lb_sampler_batch(int64_t *rows, int64_t *epoch, uint64_t seed, const char *stream, int64_t count, int64_t batch, int64_t step) {
    if (count < 1 || batch < 1 || step < 0) return lb_fail(LB_E_ARG, "stream %s: %lld items, batch %lld, step %lld", stream, (long long)count, (long long)batch, (long long)step);
    int64_t *order = lb_alloc((size_t)count, sizeof *order), at = step * batch, made = -1;
    if (!order) return LB_E_NOMEM;
    *epoch = at / count;
    for (int64_t i = 0; i < batch; i++, at++) {
        if (at / count != made) {
            made = at / count;
            lb_rng r = lb_rng_of(seed, (uint64_t)made, stream);
            lb_rng_permutation(&r, order, count);
        }
        rows[i] = order[at % count];
    }
    lb_free(order);
    return LB_OK;
}
