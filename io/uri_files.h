/* SPDX-License-Identifier: Apache-2.0 */
/* Archives that stay open while their members are read one after the other; the least used is closed when there are too many. Locked inside; the reading
 * itself is not. Private to io. */
#ifndef LB_IO_URI_FILES_H
#define LB_IO_URI_FILES_H
#include "base/file.h"
LB_BEGIN

typedef struct lbi_files lbi_files;
LB_MUST_USE lb_status lbi_files_new(lbi_files **out);
void lbi_files_free(lbi_files *f);
/* Is the file of these `length` bytes of a path open? */
bool lbi_files_know(lbi_files *f, const char *path, size_t length);
/* Bytes of a file, which is opened if it is not yet and then stays so. */
LB_MUST_USE lb_status lbi_files_read(lb_mmap *out, lbi_files *f, const char *path, size_t length, int64_t offset, int64_t size);

LB_END
#endif
