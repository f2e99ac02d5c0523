/* SPDX-License-Identifier: Apache-2.0 */
/* The directory of a ZIP archive in memory: stored and deflated entries as views. Private to io and to readers. */
#ifndef LB_IO_ZIP_H
#define LB_IO_ZIP_H
#include "base/alloc.h"
LB_BEGIN

typedef struct lbi_zip_entry {
    const char *name; /* name_size bytes of the archive */
    size_t name_size;
    const uint8_t *data;
    size_t size, full; /* bytes in the archive, and unpacked */
    bool deflated;     /* else size == full */
    uint32_t crc;
} lbi_zip_entry;

typedef struct lbi_zip {
    lbi_zip_entry *at; /* byte order of names */
    int64_t count;
} lbi_zip;

/* Reads the central directory (APPNOTE.TXT 4.3, ZIP64 too) and checks that each entry lies in the file, that no bytes belong to two, and that none unpacks
 * to more than deflate can. Folders are left out. Entries that are encrypted or packed by another method are LB_E_UNSUPPORTED. */
LB_MUST_USE lb_status lbi_zip_open(lbi_zip *out, const uint8_t *data, size_t size);
void lbi_zip_close(lbi_zip *z);
/* NULL when absent. */
const lbi_zip_entry *lbi_zip_find(const lbi_zip *z, const char *name, size_t name_size);
/* Of a stored entry: is the checksum right? LB_E_FORMAT naming the entry. */
LB_MUST_USE lb_status lbi_zip_check(const lbi_zip_entry *e);
/* Unpacks a deflated entry into `full` bytes; LB_E_FORMAT when it is damaged or its checksum is wrong. */
LB_MUST_USE lb_status lbi_zip_inflate(const lbi_zip_entry *e, uint8_t *to);

/* The bytes of an entry in new memory (lb_free), unpacked and checked; more than `limit` bytes are LB_E_LIMIT. */
LB_MUST_USE lb_status lbi_zip_read(uint8_t **out, const lbi_zip_entry *e, size_t limit);
/* The first bytes of an entry, unpacked, at most cap; checksum not looked at. LB_E_FORMAT when they cannot be unpacked. */
LB_MUST_USE lb_status lbi_zip_peek(uint8_t *dst, size_t cap, size_t *size, const lbi_zip_entry *e);

LB_END
#endif
