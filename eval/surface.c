/* SPDX-License-Identifier: Apache-2.0 */
#include "eval/surface.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "eval/surface_table.h"

/* ---- distance transform: one axis after the other ---- */

enum { LINES = 8 }; /* lines of a slow axis that are taken through the cache together */

typedef struct envelope {
    double *value;  /* [LINES][n] */
    double *cut;    /* [n + 1]: from where on a parabola is lowest */
    int64_t *root;  /* [n] */
} envelope;

/* Along the fastest axis values are 0 or infinite: two scans. */
static void scan(double *f, int64_t n, double step) {
    int64_t last = -1;
    for (int64_t i = 0; i < n; i++) {
        if (f[i] == 0) last = i;
        else if (last >= 0) f[i] = (double)(i - last) * step * ((double)(i - last) * step);
    }
    last = -1;
    for (int64_t i = n; i-- > 0;) {
        if (f[i] == 0) last = i;
        else if (last >= 0) {
            double d = (double)(last - i) * step * ((double)(last - i) * step);
            if (d < f[i]) f[i] = d;
        }
    }
}

/* f[i] = min over p of f[p] + ((i - p) step)^2, by the lower envelope of the parabolas. */
static void sink(double *f, int64_t n, double step, const envelope *e) {
    double square = step * step, *cut = e->cut;
    int64_t k = -1, *root = e->root;
    for (int64_t q = 0; q < n; q++) {
        if (isinf(f[q])) continue;
        double from = -INFINITY;
        for (; k >= 0; k--) {
            int64_t p = root[k];
            from = 0.5 * ((f[q] - f[p]) / ((double)(q - p) * square) + (double)(q + p));
            if (from > cut[k]) break;
            from = -INFINITY;
        }
        root[++k] = q;
        cut[k] = from;
    }
    if (k < 0) return;
    int64_t at = k;
    for (int64_t i = n; i-- > 0;) {
        while (at > 0 && cut[at] > (double)i) at--;
        e->value[i] = f[root[at]] + (double)(i - root[at]) * step * ((double)(i - root[at]) * step);
    }
    memcpy(f, e->value, (size_t)n * sizeof *f);
}

static void along(double *d, int64_t outer, int64_t n, int64_t inner, double step, const envelope *e, double *lines) {
    for (int64_t o = 0; o < outer; o++)
        for (int64_t first = 0; first < inner; first += LINES) {
            int64_t count = inner - first < LINES ? inner - first : LINES;
            double *at = d + o * n * inner + first;
            for (int64_t i = 0; i < n; i++)
                for (int64_t l = 0; l < count; l++) lines[l * n + i] = at[i * inner + l];
            for (int64_t l = 0; l < count; l++) sink(lines + l * n, n, step, e);
            for (int64_t i = 0; i < n; i++)
                for (int64_t l = 0; l < count; l++) at[i * inner + l] = lines[l * n + i];
        }
}

lb_status lb_distance_transform(double *out, const uint8_t *set, int rank, const int64_t *shape, const double *spacing) {
    int64_t total = 1, longest = 1;
    for (int d = 0; d < rank; d++) {
        total *= shape[d];
        if (shape[d] > longest) longest = shape[d];
    }
    double *lines = lb_alloc((size_t)longest * LINES, sizeof *lines);
    envelope e = {lb_alloc((size_t)longest, sizeof(double)), lb_alloc((size_t)longest + 1, sizeof(double)), lb_alloc((size_t)longest, sizeof(int64_t))};
    lb_status st = lines && e.value && e.cut && e.root ? LB_OK : LB_E_NOMEM;
    for (int64_t i = 0; st == LB_OK && i < total; i++) out[i] = set[i] ? 0 : INFINITY;
    int64_t inner = 1;
    for (int d = rank - 1; st == LB_OK && total > 0 && d >= 0; d--) {
        int64_t n = shape[d], outer = total / (n * inner);
        if (d == rank - 1)
            for (int64_t o = 0; o < outer; o++) scan(out + o * n, n, spacing[d]);
        else along(out, outer, n, inner, spacing[d], &e, lines);
        inner *= n;
    }
    lb_free(lines);
    lb_free(e.value);
    lb_free(e.cut);
    lb_free(e.root);
    return st;
}

/* ---- surfaces ---- */

/* Both masks cut to what they have inside, with one voxel of outside around, as three axes (a picture has one plane). */
typedef struct room {
    int64_t shape[3], n;
    uint8_t *mask[2], *surface[2], *code[2];
    double *square;
} room;

static void room_free(room *r) {
    for (int k = 0; k < 2; k++) {
        lb_free(r->mask[k]);
        lb_free(r->surface[k]);
        lb_free(r->code[k]);
    }
    lb_free(r->square);
}

static bool bounds(const lb_mask_pair *m, const int64_t shape[3], int64_t lo[3], int64_t hi[3]) {
    for (int d = 0; d < 3; d++) {
        lo[d] = shape[d];
        hi[d] = -1;
    }
    for (int64_t z = 0; z < shape[0]; z++)
        for (int64_t y = 0; y < shape[1]; y++) {
            const uint8_t *a = m->truth + (z * shape[1] + y) * shape[2], *b = m->guess + (z * shape[1] + y) * shape[2];
            int64_t first = 0, last = shape[2] - 1;
            while (first <= last && !(a[first] | b[first])) first++;
            if (first > last) continue;
            while (!(a[last] | b[last])) last--;
            int64_t at[3] = {z, y, first}, to[3] = {z, y, last};
            for (int d = 0; d < 3; d++) {
                if (at[d] < lo[d]) lo[d] = at[d];
                if (to[d] > hi[d]) hi[d] = to[d];
            }
        }
    return hi[0] >= 0;
}

static lb_status enter(room *r, const lb_mask_pair *m) {
    int64_t shape[3] = {1, m->shape[0], m->shape[1]}, lo[3], hi[3];
    if (m->rank == 3) memcpy(shape, m->shape, sizeof shape);
    if (!bounds(m, shape, lo, hi)) return LB_OK;
    r->n = 1;
    for (int d = 0; d < 3; d++) r->n *= r->shape[d] = d == 0 && m->rank == 2 ? 1 : hi[d] - lo[d] + 3;
    for (int k = 0; k < 2; k++) {
        r->mask[k] = lb_calloc((size_t)r->n, 1);
        r->surface[k] = lb_calloc((size_t)r->n, 1);
        r->code[k] = lb_calloc((size_t)r->n, 1);
        if (!r->mask[k] || !r->surface[k] || !r->code[k]) return LB_E_NOMEM;
        const uint8_t *from = k == 0 ? m->truth : m->guess;
        for (int64_t z = lo[0]; z <= hi[0]; z++)
            for (int64_t y = lo[1]; y <= hi[1]; y++) {
                int64_t plane = m->rank == 2 ? 0 : z - lo[0] + 1;
                uint8_t *to = r->mask[k] + (plane * r->shape[1] + y - lo[1] + 1) * r->shape[2] + 1;
                const uint8_t *row = from + (z * shape[1] + y) * shape[2] + lo[2];
                for (int64_t x = 0; x <= hi[2] - lo[2]; x++) to[x] = row[x] != 0;
            }
    }
    return (r->square = lb_alloc((size_t)r->n, sizeof *r->square)) ? LB_OK : LB_E_NOMEM;
}

/* Code of an element: its neighbours' bits, the last voxel (the element's own index) bit 0, as correlate() of the reference gives. */
static void find_elements(room *r, int k, int rank) {
    const int64_t *s = r->shape;
    const uint8_t *m = r->mask[k];
    int full = rank == 2 ? 15 : 255;
    for (int64_t z = rank == 2 ? 0 : 1; z < s[0]; z++)
        for (int64_t y = 1; y < s[1]; y++)
            for (int64_t x = 1; x < s[2]; x++) {
                int64_t at = (z * s[1] + y) * s[2] + x;
                const uint8_t *p = m + at;
                int code = p[0] | p[-1] << 1 | p[-s[2]] << 2 | p[-s[2] - 1] << 3;
                if (rank == 3) {
                    const uint8_t *q = p - s[1] * s[2];
                    code |= q[0] << 4 | q[-1] << 5 | q[-s[2]] << 6 | q[-s[2] - 1] << 7;
                }
                r->code[k][at] = (uint8_t)code;
                r->surface[k][at] = code != 0 && code != full;
            }
}

static void find_edges(room *r, int k, int rank) {
    const int64_t *s = r->shape;
    int64_t plane = s[1] * s[2];
    for (int64_t z = 0; z < s[0]; z++)
        for (int64_t y = 1; y + 1 < s[1]; y++)
            for (int64_t x = 1; x + 1 < s[2]; x++) {
                const uint8_t *p = r->mask[k] + z * plane + y * s[2] + x;
                if (!p[0]) continue;
                bool kept = p[-1] && p[1] && p[-s[2]] && p[s[2]] && (rank == 2 || (p[-plane] && p[plane]));
                r->surface[k][p - r->mask[k]] = !kept;
            }
}

static void areas(double *out, int rank, const double *spacing) {
    if (rank == 2) {
        double diagonal = 0.5 * hypot(spacing[0], spacing[1]);
        for (int code = 0; code < 16; code++) {
            int bits = (code & 1) + (code >> 1 & 1) + (code >> 2 & 1) + (code >> 3 & 1);
            out[code] = bits == 1 || bits == 3 ? diagonal : code == 3 || code == 12 ? spacing[1] : code == 5 || code == 10 ? spacing[0] : code == 6 || code == 9 ? 2 * diagonal : 0;
        }
        return;
    }
    double face[3] = {spacing[1] * spacing[2], spacing[0] * spacing[2], spacing[0] * spacing[1]};
    for (int code = 0; code < 256; code++) {
        out[code] = 0;
        for (int t = 0; t < 4; t++) {
            double sum = 0;
            for (int d = 0; d < 3; d++) {
                double part = normals[code][t][d] / 8.0 * face[d];
                sum += part * part;
            }
            out[code] += sqrt(sum);
        }
    }
}

typedef struct element {
    double distance, area;
} element;

static int by_distance(const void *a, const void *b) {
    const element *x = a, *y = b;
    if (x->distance != y->distance) return x->distance < y->distance ? -1 : 1;
    return (x->area > y->area) - (x->area < y->area);
}

/* The elements of mask k with the distances that r->square holds. */
static lb_status collect(lb_surface *out, const room *r, int k, const double *area) {
    lb_status st = LB_OK;
    for (int64_t i = 0; i < r->n; i++) out->n += r->surface[k][i];
    element *all = lb_alloc((size_t)out->n + 1, sizeof *all);
    out->distance = lb_alloc((size_t)out->n + 1, sizeof(double));
    if (area) out->area = lb_alloc((size_t)out->n + 1, sizeof(double));
    if (!all || !out->distance || (area && !out->area)) st = LB_E_NOMEM;
    int64_t n = 0;
    for (int64_t i = 0; st == LB_OK && i < r->n; i++)
        if (r->surface[k][i]) all[n++] = (element){sqrt(r->square[i]), area ? area[r->code[k][i]] : 0};
    if (st == LB_OK) qsort(all, (size_t)n, sizeof *all, by_distance);
    for (int64_t i = 0; st == LB_OK && i < n; i++) {
        out->distance[i] = all[i].distance;
        if (area) out->area[i] = all[i].area;
    }
    lb_free(all);
    return st;
}

static lb_status surfaces(lb_surface out[2], const lb_mask_pair *m, bool elements) {
    lb_status st = LB_OK;
    room r = {0};
    double area[256];
    int rank = m->rank;
    memset(out, 0, 2 * sizeof *out);
    if (rank != 2 && rank != 3) return lb_fail(LB_E_SHAPE, "surfaces: masks of two or three dimensions wanted, got %d", rank);
    for (int d = 0; d < rank; d++)
        if (!(m->spacing[d] > 0) || isinf(m->spacing[d])) return lb_fail(LB_E_ARG, "surfaces: spacing %g of axis %d is not above 0", m->spacing[d], d);
    LB_TRY(enter(&r, m));
    areas(area, rank, m->spacing);
    for (int k = 0; k < 2 && r.n > 0; k++) (elements ? find_elements : find_edges)(&r, k, rank);
    for (int k = 0; k < 2 && r.n > 0; k++) {
        LB_TRY(lb_distance_transform(r.square, r.surface[1 - k], rank, r.shape + 3 - rank, m->spacing));
        LB_TRY(collect(&out[k], &r, k, elements ? area : NULL));
    }
done:
    room_free(&r);
    if (st != LB_OK) lb_surfaces_free(out);
    return st;
}

lb_status lb_surface_elements(lb_surface out[2], const lb_mask_pair *m) { return surfaces(out, m, true); }

lb_status lb_surface_edges(lb_surface out[2], const lb_mask_pair *m) { return surfaces(out, m, false); }

void lb_surfaces_free(lb_surface s[2]) {
    for (int k = 0; k < 2; k++) {
        lb_free(s[k].distance);
        lb_free(s[k].area);
    }
    memset(s, 0, 2 * sizeof *s);
}

/* ---- what is said of them ---- */

double lb_surface_dice(const lb_surface s[2], double tolerance) {
    double near = 0, all = 0;
    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; i < s[k].n; i++) {
            all += s[k].area[i];
            if (s[k].distance[i] <= tolerance) near += s[k].area[i];
        }
    return all > 0 ? near / all : NAN;
}

static double quantile(const double *x, int64_t n, double percentile) {
    double at = percentile / 100 * (double)(n - 1);
    int64_t low = (int64_t)at;
    if (low + 1 >= n || isinf(x[low + 1])) return x[low + 1 < n ? low + 1 : n - 1];
    return x[low] + (at - (double)low) * (x[low + 1] - x[low]);
}

/* One mask without a surface: NaN when both are, infinite when one is; 0 when both have one. */
static double missing(const lb_surface s[2]) {
    if (s[0].n > 0 && s[1].n > 0) return 0;
    return s[0].n == 0 && s[1].n == 0 ? NAN : INFINITY;
}

double lb_hausdorff(const lb_surface s[2], double percentile) {
    double none = missing(s);
    return none != 0 ? none : fmax(quantile(s[0].distance, s[0].n, percentile), quantile(s[1].distance, s[1].n, percentile));
}

static double weighted_quantile(const lb_surface *s, double percentile) {
    double all = 0, sum = 0;
    for (int64_t i = 0; i < s->n; i++) all += s->area[i];
    for (int64_t i = 0; i < s->n; i++) {
        sum += s->area[i];
        if (sum / all >= percentile / 100) return s->distance[i];
    }
    return s->distance[s->n - 1];
}

double lb_robust_hausdorff(const lb_surface s[2], double percentile) {
    double none = missing(s);
    return none != 0 ? none : fmax(weighted_quantile(&s[0], percentile), weighted_quantile(&s[1], percentile));
}

double lb_mean_surface_distance(const lb_surface s[2]) {
    double sum = 0, none = missing(s);
    if (none != 0) return none;
    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; i < s[k].n; i++) sum += s[k].distance[i];
    return sum / (double)(s[0].n + s[1].n);
}
