/* SPDX-License-Identifier: Apache-2.0 */
/* Animations that stay open because their frames are asked one after the other, with the last pictures that were made on the way: several threads ask them
 * in nearly that order. Private to io. Locked inside. */
#ifndef LB_IO_URI_FRAMES_H
#define LB_IO_URI_FRAMES_H
#include "base/file.h"
#include "io/decoder.h"

typedef struct lbi_frames lbi_frames;
LB_MUST_USE lb_status lbi_frames_new(lbi_frames **out);
void lbi_frames_free(lbi_frames *f);
/* Picture o->frame of a file or part in its own channels by its decoder. The file's name in `uri` ends in "#frame=N". *m may be taken: it is empty then. */
LB_MUST_USE lb_status lbi_frames_picture(lb_image *out, lbi_frames *f, const lb_decoder *d, lb_mmap *m, const char *uri, const lb_decode_options *o);

#endif
