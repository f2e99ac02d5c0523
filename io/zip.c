/* SPDX-License-Identifier: Apache-2.0 */
/* Source of the layout: PKWARE APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16 and 4.5.3. */
#include "io/zip.h"
#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { END_SIZE = 22, END64_SIZE = 56, LOCATOR_SIZE = 20, CENTRAL_SIZE = 46, LOCAL_SIZE = 30, COMMENT_MAX = 65535, EXTRA_ZIP64 = 1, STORED = 0, DEFLATED = 8 };
enum { DEFLATE_MOST = 1032 }; /* bytes that one byte can stand for */
enum { END = 0x06054b50, END64 = 0x06064b50, LOCATOR = 0x07064b50, CENTRAL = 0x02014b50, LOCAL = 0x04034b50 };

typedef struct reader {
    const uint8_t *data;
    size_t size;
} reader;

static uint64_t number(const uint8_t *p, int bytes) {
    uint64_t x = 0;
    for (int i = 0; i < bytes; i++) x |= (uint64_t)p[i] << (8 * i);
    return x;
}

static int by_name(const void *a, const void *b) {
    const lbi_zip_entry *x = a, *y = b;
    size_t n = x->name_size < y->name_size ? x->name_size : y->name_size;
    int order = memcmp(x->name, y->name, n);
    return order ? order : (x->name_size > y->name_size) - (x->name_size < y->name_size);
}

static const uint8_t *find_end(const reader *r) {
    if (r->size < END_SIZE) return NULL;
    size_t first = r->size > END_SIZE + COMMENT_MAX ? r->size - END_SIZE - COMMENT_MAX : 0;
    for (size_t at = r->size - END_SIZE + 1; at-- > first;)
        if (number(r->data + at, 4) == END && number(r->data + at + 20, 2) <= r->size - at - END_SIZE) return r->data + at;
    return NULL;
}

/* Where the central directory is and how many entries it has. */
static lb_status find_directory(const reader *r, uint64_t *offset, uint64_t *bytes, uint64_t *count) {
    const uint8_t *end = find_end(r);
    if (!end) return lb_fail(LB_E_FORMAT, "ZIP archive without its directory: truncated?");
    size_t at = (size_t)(end - r->data);
    *count = number(end + 10, 2);
    *bytes = number(end + 12, 4);
    *offset = number(end + 16, 4);
    if (at >= LOCATOR_SIZE && number(end - LOCATOR_SIZE, 4) == LOCATOR) {
        uint64_t where = number(end - LOCATOR_SIZE + 8, 8);
        if (r->size < END64_SIZE || where > r->size - END64_SIZE || number(r->data + where, 4) != END64) return lb_fail(LB_E_FORMAT, "ZIP64 directory record is not where it should be");
        *count = number(r->data + where + 32, 8);
        *bytes = number(r->data + where + 40, 8);
        *offset = number(r->data + where + 48, 8);
    }
    if (*offset > at || *bytes > at - *offset || *count > *bytes / CENTRAL_SIZE) return lb_fail(LB_E_FORMAT, "ZIP directory does not fit into the file: truncated?");
    return LB_OK;
}

/* Sizes and offset of 0xFFFFFFFF stand in the ZIP64 extra field, in this order, only those that are needed. */
static bool read_extra(const uint8_t *p, size_t size, uint64_t *full, uint64_t *packed, uint64_t *offset) {
    uint64_t *want[3] = {full, packed, offset};
    while (size >= 4) {
        size_t id = number(p, 2), n = number(p + 2, 2);
        if (n > size - 4) return false;
        const uint8_t *q = p + 4;
        size_t left = n;
        for (int i = 0; i < 3 && id == EXTRA_ZIP64; i++) {
            if (*want[i] != 0xFFFFFFFF) continue;
            if (left < 8) return false;
            *want[i] = number(q, 8);
            q += 8;
            left -= 8;
        }
        p += 4 + n;
        size -= 4 + n;
    }
    return true;
}

/* Reads one central header at p (left bytes remain); *used = its size. */
static lb_status read_entry(const reader *r, const uint8_t *p, size_t left, lbi_zip_entry *e, size_t *used) {
    if (left < CENTRAL_SIZE || number(p, 4) != CENTRAL) return lb_fail(LB_E_FORMAT, "ZIP directory is damaged");
    size_t name = number(p + 28, 2), extra = number(p + 30, 2), comment = number(p + 32, 2);
    if (name + extra + comment > left - CENTRAL_SIZE) return lb_fail(LB_E_FORMAT, "ZIP directory is damaged");
    *used = CENTRAL_SIZE + name + extra + comment;
    *e = (lbi_zip_entry){.name = (const char *)p + CENTRAL_SIZE, .name_size = name, .crc = (uint32_t)number(p + 16, 4)};
    int shown = (int)(name < 200 ? name : 200);
    uint64_t flags = number(p + 8, 2), method = number(p + 10, 2), packed = number(p + 20, 4), full = number(p + 24, 4), offset = number(p + 42, 4);
    if (!read_extra(p + CENTRAL_SIZE + name, extra, &full, &packed, &offset)) return lb_fail(LB_E_FORMAT, "ZIP entry '%.*s': its extra field is damaged", shown, e->name);
    if (flags & 1) return lb_fail(LB_E_UNSUPPORTED, "ZIP entry '%.*s' is encrypted", shown, e->name);
    if (method != STORED && method != DEFLATED) return lb_fail(LB_E_UNSUPPORTED, "ZIP entry '%.*s' is packed by method %d; stored and deflated ones are read", shown, e->name, (int)method);
    e->deflated = method == DEFLATED;
    if (e->deflated ? full / DEFLATE_MOST > packed : full != packed)
        return lb_fail(LB_E_FORMAT, "ZIP entry '%.*s': %llu bytes cannot be %llu unpacked", shown, e->name, (unsigned long long)packed, (unsigned long long)full);
    if (r->size < LOCAL_SIZE || offset > r->size - LOCAL_SIZE || number(r->data + offset, 4) != LOCAL)
        return lb_fail(LB_E_FORMAT, "ZIP entry '%.*s' is not where the directory says", shown, e->name);
    uint64_t begin = offset + LOCAL_SIZE + number(r->data + offset + 26, 2) + number(r->data + offset + 28, 2);
    if (begin > r->size || packed > r->size - begin)
        return lb_fail(LB_E_FORMAT, "ZIP entry '%.*s' of %llu bytes does not fit into the file of %zu: truncated?", shown, e->name, (unsigned long long)packed, r->size);
    e->data = r->data + begin;
    e->size = packed;
    e->full = full;
    return LB_OK;
}

lb_status lbi_zip_open(lbi_zip *out, const uint8_t *data, size_t size) {
    reader r = {data, size};
    lbi_zip z = {0};
    uint64_t offset = 0, bytes = 0, count = 0;
    size_t room = size; /* entries that share bytes would unpack to any size */
    lb_status st = LB_OK;
    LB_TRY(find_directory(&r, &offset, &bytes, &count));
    if (!(z.at = lb_alloc(count, sizeof *z.at))) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (uint64_t i = 0; i < count; i++) {
        lbi_zip_entry e;
        size_t used = 0;
        LB_TRY(read_entry(&r, data + offset, bytes, &e, &used));
        if (e.size > room) {
            st = lb_fail(LB_E_FORMAT, "ZIP entries overlap: together they are larger than the file of %zu bytes", size);
            goto done;
        }
        room -= e.size;
        if (e.name_size > 0 && e.name[e.name_size - 1] != '/') z.at[z.count++] = e;
        offset += used;
        bytes -= used;
    }
    qsort(z.at, (size_t)z.count, sizeof *z.at, by_name);
    for (int64_t i = 1; i < z.count; i++)
        if (by_name(&z.at[i - 1], &z.at[i]) == 0) {
            st = lb_fail(LB_E_FORMAT, "ZIP entry '%.*s' is there twice", (int)z.at[i].name_size, z.at[i].name);
            goto done;
        }
    *out = z;
    z.at = NULL;
done:
    lb_free(z.at);
    return st;
}

void lbi_zip_close(lbi_zip *z) {
    lb_free(z->at);
    *z = (lbi_zip){0};
}

const lbi_zip_entry *lbi_zip_find(const lbi_zip *z, const char *name, size_t name_size) {
    lbi_zip_entry key = {.name = name, .name_size = name_size};
    return bsearch(&key, z->at, (size_t)z->count, sizeof *z->at, by_name);
}

static lb_status damaged(const lbi_zip_entry *e, const char *why) {
    return lb_fail(LB_E_FORMAT, "ZIP entry '%.*s' is damaged: %s", (int)(e->name_size < 200 ? e->name_size : 200), e->name, why);
}

lb_status lbi_zip_check(const lbi_zip_entry *e) {
    return libdeflate_crc32(0, e->data, e->size) == e->crc ? LB_OK : damaged(e, "its checksum is wrong");
}

lb_status lbi_zip_inflate(const lbi_zip_entry *e, uint8_t *to) {
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    if (!d) return LB_E_NOMEM;
    bool good = libdeflate_deflate_decompress(d, e->data, e->size, to, e->full, NULL) == LIBDEFLATE_SUCCESS;
    libdeflate_free_decompressor(d);
    if (!good) return damaged(e, "it does not unpack to its size");
    return libdeflate_crc32(0, to, e->full) == e->crc ? LB_OK : damaged(e, "its checksum is wrong");
}

lb_status lbi_zip_read(uint8_t **out, const lbi_zip_entry *e, size_t limit) {
    if (e->full > limit) return lb_fail(LB_E_LIMIT, "ZIP entry '%.*s' of %zu bytes, the limit is %zu", (int)(e->name_size < 200 ? e->name_size : 200), e->name, e->full, limit);
    uint8_t *data = lb_alloc(e->full, 1);
    if (!data) return LB_E_NOMEM;
    if (!e->deflated && e->size) memcpy(data, e->data, e->size);
    lb_status st = e->deflated ? lbi_zip_inflate(e, data) : lbi_zip_check(e);
    if (st == LB_OK) *out = data;
    else lb_free(data);
    return st;
}

lb_status lbi_zip_peek(uint8_t *dst, size_t cap, size_t *size, const lbi_zip_entry *e) {
    *size = e->full < cap ? e->full : cap;
    if (!e->deflated) {
        if (*size) memcpy(dst, e->data, *size);
        return LB_OK;
    }
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)e->data, .avail_in = e->size < UINT32_MAX ? (uInt)e->size : UINT32_MAX, .next_out = dst, .avail_out = (uInt)*size};
    if (inflateInit2(&z, -MAX_WBITS) != Z_OK) return lb_fail(LB_E_NOMEM, "no memory to unpack a ZIP entry");
    int code = inflate(&z, Z_SYNC_FLUSH);
    inflateEnd(&z);
    return (code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR) && z.avail_out == 0 ? LB_OK : damaged(e, "it does not unpack");
}
