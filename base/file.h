/* SPDX-License-Identifier: Apache-2.0 */
/* Files: whole reads, read-only maps, atomic writes, folders. Messages name the path and what the system said. */
#ifndef LB_BASE_FILE_H
#define LB_BASE_FILE_H
#include "base/alloc.h"
#include "base/buf.h"
LB_BEGIN

/** Reads a whole file, at most limit bytes (0 = 1 GiB; more is LB_E_LIMIT). Appends to out. "-" is standard input. */
LB_API LB_MUST_USE lb_status lb_file_read(lb_buf *out, const char *path, size_t limit);
/** Writes beside the name, syncs, renames: after a crash there is the old file or the new one. */
LB_API LB_MUST_USE lb_status lb_file_write(const char *path, const void *data, size_t size);
LB_API bool lb_file_exists(const char *path);
LB_API bool lb_is_folder(const char *path);
LB_API LB_MUST_USE lb_status lb_file_size(int64_t *out, const char *path);
LB_API LB_MUST_USE lb_status lb_make_folders(const char *path); /* mkdir -p */
LB_API LB_MUST_USE lb_status lb_sync_folder(const char *path);  /* fsync of the directory entry */
/** Removes a file or a folder with all it holds. A missing one is fine. */
LB_API LB_MUST_USE lb_status lb_remove_all(const char *path);

/** Takes the lock of a folder against other processes of this machine; *lock is given back by lb_unlock or by the end of the process.
 *  LB_E_IO when another process holds it. Where the file system knows no locks, nothing is locked. */
LB_API LB_MUST_USE lb_status lb_lock_folder(int *lock, const char *folder);
LB_API void lb_unlock(int lock);
/** Removes what lb_file_write left beside its names in a folder when it was killed. Only under the folder's lock. */
LB_API LB_MUST_USE lb_status lb_remove_unfinished(const char *folder);

/* The bytes of a file, mapped read-only; of a part up to 1 MiB, read. */
typedef struct lb_mmap {
    const uint8_t *data; /* NULL when size is 0 */
    size_t size;
    void *memory;        /* private: what was read */
} lb_mmap;
LB_API LB_MUST_USE lb_status lb_mmap_open(lb_mmap *out, const char *path);
/** The same, but its pages may be written: they become this process's own then, the file stays as it is. */
LB_API LB_MUST_USE lb_status lb_mmap_own(lb_mmap *out, const char *path);
/** Its pages leave this process until they are read again. */
LB_API void lb_mmap_rest(const lb_mmap *m);
/** The same of a file that is open already; path is for messages. LB_E_FORMAT when the file ends before these bytes. */
LB_API LB_MUST_USE lb_status lb_mmap_open_part(lb_mmap *out, int fd, const char *path, int64_t offset, int64_t size);
/** These bytes of a file. LB_E_FORMAT when the file ends before them. */
LB_API LB_MUST_USE lb_status lb_mmap_part(lb_mmap *out, const char *path, int64_t offset, int64_t size);
LB_API void lb_mmap_close(lb_mmap *m);

/** Regular files below a folder, recursively, as relative paths with '/', in byte order. Hidden ones are left out.
 *  Release with lb_names_free. */
LB_API LB_MUST_USE lb_status lb_list_files(char ***names, int64_t *count, const char *folder);
/** Entries of one folder (not recursive, files and folders), byte order. Hidden ones are left out. */
LB_API LB_MUST_USE lb_status lb_list_folder(char ***names, int64_t *count, const char *folder);
LB_API void lb_names_free(char **names, int64_t count);

LB_API char *lb_path_join(const char *folder, const char *name); /* a new string; an absolute name wins; NULL = no memory */
LB_API char *lb_path_folder(const char *path);                   /* dirname as a new string; "." when none */
LB_API const char *lb_path_name(const char *path);               /* after the last '/' */
LB_API const char *lb_path_ending(const char *path);             /* after the last '.' of the name, lower case not applied; "" when none */
LB_API bool lb_ends_with(const char *s, const char *ending);     /* ASCII case ignored */

/** $LIMBECK_HOME, or ~/.cache/limbeck, as a new string. NULL when memory is refused. */
LB_API char *lb_home(void);

LB_END
#endif
