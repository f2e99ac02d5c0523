/* SPDX-License-Identifier: Apache-2.0 */
/* The members of a tar archive in memory, one after the other, nothing copied. Source: POSIX.1-2017 pax (ustar and pax headers); GNU tar manual,
 * "Basic Tar Format" (long names, base-256 sizes). Private to io and to readers. */
#ifndef LB_IO_TAR_H
#define LB_IO_TAR_H
#include "base/buf.h"
LB_BEGIN

typedef struct lbi_tar {
    const uint8_t *data; /* the caller fills these two */
    size_t size;
    size_t at;    /* private: next header */
    lb_buf name;  /* private */
    bool named;   /* private: a long name waits for its member */
    int64_t long_size; /* private: size from a pax header, -1 = none */
    bool resized;
} lbi_tar;

typedef struct lbi_tar_member {
    const char *name; /* until the next call; a leading "./" is left out */
    size_t offset, size;
} lbi_tar_member;

/* The next regular file; *end after the last. LB_E_FORMAT for a damaged header, a sparse file or a member that the archive's end cuts off, with
 * the byte where: the reading goes on behind it at the next call. */
LB_MUST_USE lb_status lbi_tar_next(lbi_tar_member *out, bool *end, lbi_tar *t);
void lbi_tar_close(lbi_tar *t);

/* The header of a regular file of `size` bytes (ustar; names beyond 100 bytes are LB_E_ARG), and the zeros that fill a block behind its data. */
LB_MUST_USE lb_status lbi_tar_head(lb_buf *out, const char *name, size_t size);
void lbi_tar_fill(lb_buf *out, size_t size);
void lbi_tar_end(lb_buf *out); /* of the archive: two blocks of zeros */

LB_END
#endif
