/* SPDX-License-Identifier: Apache-2.0 */
#include "io/volume.h"
#include <math.h>
#include <nifti/nifti2_io.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>
#include "base/file.h"
#include "io/volume_private.h"

enum { HEADER_1 = 348, HEADER_2 = 540, DEFLATE_RATIO = 1032, MAX_OFFSET = 1 << 20 };

static bool is_gzip(const uint8_t *data, size_t size) { return size > 18 && data[0] == 0x1F && data[1] == 0x8B; }

lb_status lbi_nifti_bytes(uint8_t *dst, size_t n, size_t from, const uint8_t *data, size_t size) {
    if (!is_gzip(data, size)) {
        if (from > size || n > size - from) return lb_fail(LB_E_FORMAT, "NIfTI is truncated: %zu bytes, %zu wanted", size, from + n);
        memcpy(dst, data + from, n);
        return LB_OK;
    }
    uint8_t skipped[1 << 14];
    z_stream z = {.next_in = (Bytef *)(uintptr_t)data};
    if (inflateInit2(&z, 15 + 16) != Z_OK) return lb_fail(LB_E_NOMEM, "zlib got no memory");
    size_t left = size;
    int code = Z_OK;
    while ((from || n) && code == Z_OK) {
        size_t want = from ? (from < sizeof skipped ? from : sizeof skipped) : n;
        uInt room = want > 1u << 30 ? 1u << 30 : (uInt)want, given = left > 1u << 30 ? 1u << 30 : (uInt)left;
        z.next_out = from ? skipped : dst;
        z.avail_out = room;
        z.avail_in = given;
        code = inflate(&z, Z_NO_FLUSH);
        size_t made = room - z.avail_out, used = given - z.avail_in;
        left -= used;
        if (from) from -= made;
        else dst += made, n -= made;
        if (code == Z_OK && made == 0 && used == 0) code = Z_BUF_ERROR;
    }
    inflateEnd(&z);
    if (from || n) return lb_fail(LB_E_FORMAT, "NIfTI is %s: its compressed data ends early", code == Z_DATA_ERROR ? "damaged" : "truncated");
    return LB_OK;
}

static int version_of(const uint8_t *h, size_t n) {
    static const uint8_t tail[4] = {'\r', '\n', 0x1A, '\n'};
    if (n >= HEADER_1 && memcmp(h + 344, "n+1", 4) == 0) return 1;
    if (n >= HEADER_1 && memcmp(h + 344, "ni1", 4) == 0) return 1;
    if (n >= 12 && (memcmp(h + 4, "n+2", 4) == 0 || memcmp(h + 4, "ni2", 4) == 0) && memcmp(h + 8, tail, 4) == 0) return 2;
    return 0;
}

int lbi_nifti_version(const uint8_t *data, size_t size) {
    uint8_t head[HEADER_1];
    if (size < HEADER_1 && !is_gzip(data, size)) return version_of(data, size);
    if (lbi_nifti_bytes(head, sizeof head, 0, data, size) != LB_OK) {
        lb_error_clear();
        return 0;
    }
    return version_of(head, sizeof head);
}

/* What libnifti would complain about on stderr is refused before it is asked. */
static lb_status sane(int64_t rank, const int64_t *dim, int datatype, int64_t offset) {
    if (rank < 1 || rank > 7) return lb_fail(LB_E_FORMAT, "NIfTI of %lld dimensions: 1 to 7 are possible", (long long)rank);
    for (int64_t i = 1; i <= rank; i++)
        if (dim[i] < 1) return lb_fail(LB_E_FORMAT, "NIfTI of %lld values along dimension %lld", (long long)dim[i], (long long)i);
    if (!nifti_is_valid_datatype(datatype)) return lb_fail(LB_E_FORMAT, "NIfTI with data type %d", datatype);
    if (offset < 0 || offset > MAX_OFFSET) return lb_fail(LB_E_FORMAT, "NIfTI whose values begin at byte %lld", (long long)offset);
    return LB_OK;
}

static lb_status header_1(nifti_image **out, const uint8_t *raw) {
    nifti_1_header h;
    memcpy(&h, raw, sizeof h);
    if (h.sizeof_hdr != HEADER_1) swap_nifti_header(&h, 1);
    int64_t dim[8];
    for (int i = 0; i < 8; i++) dim[i] = h.dim[i];
    if (!isfinite(h.vox_offset)) h.vox_offset = -1;
    lb_status st = sane(dim[0], dim, h.datatype, h.vox_offset > MAX_OFFSET ? -1 : (int64_t)h.vox_offset);
    if (st != LB_OK) return st;
    memcpy(&h, raw, sizeof h); /* libnifti finds the byte order itself */
    *out = nifti_convert_n1hdr2nim(h, "volume.nii");
    return *out ? LB_OK : lb_fail(LB_E_FORMAT, "NIfTI header is damaged");
}

static lb_status header_2(nifti_image **out, const uint8_t *raw) {
    nifti_2_header h;
    memcpy(&h, raw, sizeof h);
    if (h.sizeof_hdr != HEADER_2) nifti_swap_as_nifti2(&h);
    lb_status st = sane(h.dim[0], h.dim, h.datatype, h.vox_offset);
    if (st != LB_OK) return st;
    memcpy(&h, raw, sizeof h);
    *out = nifti_convert_n2hdr2nim(h, "volume.nii");
    return *out ? LB_OK : lb_fail(LB_E_FORMAT, "NIfTI header is damaged");
}

static void place(lb_volume *v, const nifti_image *n) {
    static const char toward[] = " RLAPSI"; /* NIFTI_L2R = 1 grows to the right, ... */
    nifti_dmat44 m = n->sform_code > 0 ? n->sto_xyz : n->qto_xyz;
    double spacing[3] = {n->dx, n->dy, n->dz};
    int code[3] = {0};
    for (int i = 0; i < 3; i++) {
        v->spacing_mm[i] = fabs(spacing[i]);
        for (int k = 0; k < 4; k++) v->affine[i][k] = m.m[i][k];
    }
    nifti_dmat44_to_orientation(m, &code[0], &code[1], &code[2]);
    for (int i = 0; i < 3; i++) v->orientation[i] = toward[code[i] >= 0 && code[i] <= 6 ? code[i] : 0];
}

lb_status lbi_nifti_open(struct lbi_nifti *out, const uint8_t *data, size_t size) {
    uint8_t raw[HEADER_2] = {0};
    int version = lbi_nifti_version(data, size);
    if (!version) return lb_fail(LB_E_FORMAT, "NIfTI header is truncated or damaged");
    lb_status st = lbi_nifti_bytes(raw, version == 1 ? HEADER_1 : HEADER_2, 0, data, size);
    nifti_image *n = NULL;
    if (st == LB_OK) st = version == 1 ? header_1(&n, raw) : header_2(&n, raw);
    if (st != LB_OK) return st;
    struct lbi_nifti r = {.bytes = n->nbyper, .type = n->datatype, .version = version, .swap = n->byteorder != nifti_short_order()};
    r.pair = memcmp(raw + (version == 1 ? 344 : 4), "ni", 2) == 0;
    r.offset = r.pair ? (size_t)n->iname_offset : (size_t)(n->iname_offset > 0 ? n->iname_offset : version == 1 ? 352 : 544);
    r.slope = isfinite(n->scl_slope) && n->scl_slope != 0 ? n->scl_slope : 1;
    r.intercept = isfinite(n->scl_slope) && n->scl_slope != 0 && isfinite(n->scl_inter) ? n->scl_inter : 0;
    r.v = (lb_volume){.width = n->nx, .height = n->ny, .depth = n->nz, .count = 1};
    bool fits = true;
    for (int i = 4; i <= n->dim[0]; i++) fits = fits && lb_mul_i64(&r.v.count, r.v.count, n->dim[i]);
    place(&r.v, n);
    nifti_image_free(n);
    if (!fits) return lb_fail(LB_E_LIMIT, "NIfTI declares more volumes than can be counted");
    *out = r;
    return LB_OK;
}

static double value_at(const void *p, int type, size_t i) {
    switch (type) {
    case DT_UINT8: return ((const uint8_t *)p)[i];
    case DT_INT8: return ((const int8_t *)p)[i];
    case DT_UINT16: return ((const uint16_t *)p)[i];
    case DT_INT16: return ((const int16_t *)p)[i];
    case DT_UINT32: return ((const uint32_t *)p)[i];
    case DT_INT32: return ((const int32_t *)p)[i];
    case DT_UINT64: return (double)((const uint64_t *)p)[i];
    case DT_INT64: return (double)((const int64_t *)p)[i];
    case DT_FLOAT32: return (double)((const float *)p)[i];
    default: return ((const double *)p)[i];
    }
}

static bool is_number(int type) {
    static const int types[] = {DT_UINT8, DT_INT8, DT_UINT16, DT_INT16, DT_UINT32, DT_INT32, DT_UINT64, DT_INT64, DT_FLOAT32, DT_FLOAT64};
    for (size_t i = 0; i < LB_COUNT(types); i++)
        if (types[i] == type) return true;
    return false;
}

/* Values of the volume from the file that holds them. */
static lb_status fill(struct lbi_nifti *n, const uint8_t *data, size_t size, int64_t index, int64_t max_voxels) {
    lb_volume *v = &n->v;
    int64_t voxels, all;
    if (!is_number(n->type)) return lb_fail(LB_E_UNSUPPORTED, "NIfTI of data type %s: real numbers are handled", nifti_datatype_string(n->type));
    if (!lb_mul_i64(&voxels, v->width, v->height) || !lb_mul_i64(&voxels, voxels, v->depth) || voxels > (max_voxels > 0 ? max_voxels : (int64_t)1 << 30))
        return lb_fail(LB_E_LIMIT, "NIfTI declares %lld x %lld x %lld voxels, the limit is %lld", (long long)v->width, (long long)v->height, (long long)v->depth,
                       (long long)(max_voxels > 0 ? max_voxels : (int64_t)1 << 30));
    if (index < 0 || index >= v->count) return lb_fail(LB_E_ARG, "volume %lld of %lld asked of NIfTI", (long long)index, (long long)v->count);
    if (!lb_mul_i64(&all, voxels * n->bytes, v->count) || all / DEFLATE_RATIO > (int64_t)size)
        return lb_fail(LB_E_FORMAT, "NIfTI is truncated: %zu bytes cannot hold %lld x %lld x %lld voxels", size, (long long)v->width, (long long)v->height, (long long)v->depth);
    size_t bytes = (size_t)voxels * (size_t)n->bytes;
    v->index = index;
    v->values = lb_alloc((size_t)voxels, sizeof *v->values);
    uint8_t *raw = v->values ? lb_alloc(bytes, 1) : NULL;
    if (!raw) return LB_E_NOMEM;
    lb_status st = lbi_nifti_bytes(raw, bytes, n->offset + (size_t)index * bytes, data, size);
    if (st == LB_OK) {
        if (n->swap && n->bytes > 1) nifti_swap_Nbytes(voxels, n->bytes, raw);
        v->whole = n->slope == 1 && n->intercept == 0;
        for (size_t i = 0; i < (size_t)voxels; i++) {
            double x = value_at(raw, n->type, i) * n->slope + n->intercept;
            v->whole = v->whole && x >= 0 && x < 65536 && x == floor(x);
            v->values[i] = (float)x;
        }
    }
    lb_free(raw);
    return st;
}

static void find_range(lb_volume *v) {
    int64_t n = v->width * v->height * v->depth;
    double a = INFINITY, b = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        double x = (double)v->values[i];
        if (!isfinite(x)) continue;
        if (x < a) a = x;
        if (x > b) b = x;
    }
    v->least = a, v->most = b;
}

lb_status lb_volume_decode(lb_volume *out, const uint8_t *data, size_t size, int64_t index, int64_t max_voxels) {
    struct lbi_nifti n = {0};
    lb_status st = lbi_nifti_open(&n, data, size);
    if (st != LB_OK) return st;
    st = n.pair ? lb_fail(LB_E_UNSUPPORTED, "NIfTI header of a pair: its values are in the .img file") : fill(&n, data, size, index, max_voxels);
    if (st == LB_OK) {
        find_range(&n.v);
        *out = n.v;
    } else lb_volume_free(&n.v);
    return st;
}

/* The .img (or .img.gz) beside a .hdr. */
static lb_status open_values(lb_mmap *m, const char *path) {
    size_t n = strlen(path);
    const char *gz = lb_ends_with(path, ".gz") ? ".gz" : "";
    n -= strlen(gz);
    if (n < 4 || strncasecmp(path + n - 4, ".hdr", 4) != 0) return lb_fail(LB_E_FORMAT, "NIfTI header of a pair whose name does not end in .hdr");
    char *name = lb_format_dup("%.*s.img%s", (int)(n - 4), path, gz);
    lb_status st = name ? lb_mmap_open(m, name) : LB_E_NOMEM;
    lb_free(name);
    return st;
}

lb_status lb_volume_read(lb_volume *out, const char *path, int64_t index, int64_t max_voxels) {
    struct lbi_nifti n = {0};
    lb_mmap m = {0}, values = {0};
    lb_status st = LB_OK;
    LB_TRY(lb_mmap_open(&m, path));
    LB_TRY(lbi_nifti_open(&n, m.data, m.size));
    if (n.pair) LB_TRY(open_values(&values, path));
    LB_TRY(fill(&n, n.pair ? values.data : m.data, n.pair ? values.size : m.size, index, max_voxels));
    find_range(&n.v);
    *out = n.v;
    n.v.values = NULL;
done:
    lb_volume_free(&n.v);
    lb_mmap_close(&m);
    lb_mmap_close(&values);
    return st == LB_OK || st == LB_E_NOTFOUND ? st : lb_where(st, "%s", path);
}

lb_status lb_volume_size(lb_volume *out, const char *path) {
    struct lbi_nifti n = {0};
    lb_mmap m = {0};
    lb_status st = lb_mmap_open(&m, path);
    if (st != LB_OK) return st;
    st = lbi_nifti_open(&n, m.data, m.size);
    lb_mmap_close(&m);
    if (st != LB_OK) return lb_where(st, "%s", path);
    *out = n.v;
    return LB_OK;
}

lb_status lb_volume_slice(lb_image *out, const lb_volume *v, int axis, int64_t at, int bits, double low, double high) {
    if (axis < 0 || axis > 2) return lb_fail(LB_E_ARG, "axis %d of a volume: 0 to 2 are possible", axis);
    const int64_t size[3] = {v->width, v->height, v->depth}, step[3] = {1, v->width, v->width * v->height};
    int across = 2 - axis, column = axis == 2 ? 1 : 0, row = axis == 0 ? 1 : 2;
    if (at < 0 || at >= size[across]) return lb_fail(LB_E_ARG, "slice %lld of %lld", (long long)at, (long long)size[across]);
    double top = bits == 16 ? 65535 : 255;
    bool kept = v->whole && v->most <= top && !(low < high);
    if (!(low < high)) low = v->least, high = v->most;
    lb_image img = {0};
    if (size[column] > INT32_MAX || size[row] > INT32_MAX) return lb_fail(LB_E_LIMIT, "slice of %lld x %lld voxels", (long long)size[column], (long long)size[row]);
    lb_status st = lb_image_new(&img, (int32_t)size[column], (int32_t)size[row], 1, bits);
    if (st != LB_OK) return st;
    double scale = kept ? 1 : high > low ? top / (high - low) : 0, from = kept ? 0 : low;
    for (int64_t y = 0, i = 0; y < size[row]; y++)
        for (int64_t x = 0; x < size[column]; x++, i++) {
            double value = ((double)v->values[x * step[column] + y * step[row] + at * step[across]] - from) * scale + 0.5;
            value = value >= top ? top : value >= 0 ? value : 0;
            if (bits == 16) ((uint16_t *)img.pixels)[i] = (uint16_t)value;
            else ((uint8_t *)img.pixels)[i] = (uint8_t)value;
        }
    *out = img;
    return LB_OK;
}
