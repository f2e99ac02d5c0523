/* SPDX-License-Identifier: Apache-2.0 */
/* Where the bytes of a medium are. A path, or a path with one of these endings:
 *   shard.tar#1536+20345/000001.jpg   20345 bytes from byte 1536 on: a member of an archive, read in place; its name is for people
 *   case.npz#imgs@12                  array `imgs`, index 12 of its first axis (without @12: the whole array)
 *   scan.nii.gz#k=12@3                slice 12 across k (or j, i) of volume 3 (without @3: of volume 0)
 *   moving.gif#frame=2                picture 2 (from 0) of an animation, a page of a TIFF; also behind a member of an archive
 * A '#' is part of the name when such a file is there or what follows has none of these forms. Thread-safe. */
#ifndef LB_IO_URI_H
#define LB_IO_URI_H
#include "base/file.h"
#include "io/decoder.h"
LB_BEGIN

typedef enum lb_uri_kind { LB_URI_FILE = 0, LB_URI_PART, LB_URI_ARRAY, LB_URI_SLICE } lb_uri_kind;

typedef struct lb_uri {
    lb_uri_kind kind;
    char *path;           /* of the file; owned */
    const char *name;     /* part: the member; array: its name. Within path's memory */
    int64_t offset, size; /* part */
    int64_t index;        /* array: along the first axis, -1 = the whole; slice: along the axis */
    int axis;             /* slice: 0 k, 1 j, 2 i */
    int64_t volume;       /* slice */
    bool framed;          /* file, part: picture `frame` of several is named */
    int64_t frame;
} lb_uri;
LB_API LB_MUST_USE lb_status lb_uri_parse(lb_uri *out, const char *uri);
LB_API void lb_uri_free(lb_uri *u);
LB_API bool lb_uri_exists(const char *uri); /* is the file there? */

/** A hint that a file or a part, of a longer one its beginning, is asked for soon: a disk may start on it. Costs one opening; nothing is told if it fails. */
LB_API void lb_uri_ahead(const char *uri);

/** The bytes of a file or of a part; of an array or slice: of their file. Released by lb_mmap_close. */
LB_API LB_MUST_USE lb_status lb_uri_map(lb_mmap *out, const char *uri);

/* Files that were decoded whole because their slices are asked one after the other, archives that stay open because their members are, animations that stay
 * open because their frames are; the least used is dropped beyond a limit. Locked inside; parts of one file may be asked by several threads. */
typedef struct lb_kept lb_kept;
LB_API LB_MUST_USE lb_status lb_kept_new(lb_kept **out, size_t bytes);
LB_API void lb_kept_free(lb_kept *k);

/** As lb_uri_map, an archive staying open; kept NULL: nothing is kept. */
LB_API LB_MUST_USE lb_status lb_uri_bytes(lb_mmap *out, const char *uri, lb_kept *kept);

/** The picture of a uri as 8-bit RGB (io/decoder.h); grey slices and arrays as Pillow's convert("RGB"). kept NULL: nothing is kept. */
LB_API LB_MUST_USE lb_status lb_uri_rgb(lb_image *out, const char *uri, const lb_decode_options *o, lb_kept *kept);
/** The picture of a uri as labels: one channel of whole numbers, 8 bits or 16. Palette indices, grey values and voxels as they are stored; of
 *  a colour picture with equal channels the first; LB_E_UNSUPPORTED for other colours. */
LB_API LB_MUST_USE lb_status lb_uri_labels(lb_image *out, const char *uri, const lb_decode_options *o, lb_kept *kept);

LB_END
#endif
