/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "io/cache_private.h"

enum { AIM = 1 << 20, MOST = 4 << 20 }; /* bytes of a chunk */

/* Cuts one position from its first dimension on, so that every chunk is a run of consecutive bytes. */
static void cut_row(cache_grid *g, int64_t element) {
    int64_t bytes = g->row_bytes;
    for (int d = 1; d < g->rank && bytes > MOST; d++) {
        while (bytes > MOST && g->chunk[d] > 1) {
            g->chunk[d] = (g->chunk[d] + 1) / 2;
            bytes = cache_numel(g->rank - 1, g->chunk + 1) * element;
        }
        g->period = g->shape[d];
        g->step = g->chunk[d];
        g->inner = cache_numel(g->rank - d - 1, g->shape + d + 1) * element;
    }
    int64_t parts = g->row_bytes / (g->period * g->inner); /* what lies before dimension d */
    g->slabs = parts * ((g->period + g->step - 1) / g->step);
    g->chunk_bytes = bytes;
}

void cache_grid_make(cache_grid *g, const lb_tap_spec *tap, int64_t positions) {
    int skip = tap->ragged ? 1 : 0;
    int64_t element = (int64_t)lb_dtype_size(tap->dtype);
    *g = (cache_grid){.rank = 1 + tap->rank - skip, .slabs = 1};
    g->shape[0] = positions;
    for (int i = skip; i < tap->rank; i++) g->shape[1 + i - skip] = tap->shape[i];
    g->row_bytes = cache_numel(g->rank - 1, g->shape + 1) * element;
    memcpy(g->chunk, g->shape, sizeof g->chunk);
    int64_t rows = g->row_bytes ? AIM / g->row_bytes : 1;
    if (rows < 1) rows = 1;
    g->rows = positions > 0 && rows > positions ? positions : rows;
    g->chunk[0] = g->rows;
    g->chunk_bytes = g->rows * g->row_bytes;
    if (g->row_bytes > MOST) cut_row(g, element);
    g->blocks = g->row_bytes && positions > 0 ? (positions + g->rows - 1) / g->rows : 0;
}

void cache_grid_slab(const cache_grid *g, int64_t i, int64_t *offset, int64_t *bytes) {
    if (g->slabs == 1) {
        *offset = 0;
        *bytes = g->chunk_bytes;
        return;
    }
    int64_t across = (g->period + g->step - 1) / g->step, part = i / across, at = i % across * g->step;
    int64_t n = g->period - at < g->step ? g->period - at : g->step;
    *offset = (part * g->period + at) * g->inner;
    *bytes = n * g->inner;
}
