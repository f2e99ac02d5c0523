/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of a video by index, by time, or one after the other, with exact times. Source: FFmpeg 5.1.
 *
 * The index comes from a scan of the whole file, never from the container's own counts: packets are read and their times sorted; where packets
 * have no times of their own, every frame is decoded once. A seek lands on the asked frame: decoding starts at the key frame before it.
 * Colours: libswscale from the stream's matrix and range (unspecified: BT.601, limited) to RGB with the flags of ffmpeg's own conversion,
 * SWS_BICUBIC, so pixels equal `ffmpeg -i FILE -pix_fmt rgb24`; `accurate` adds SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP.
 * One thread at a time per lb_video. */
#ifndef LB_IO_VIDEO_H
#define LB_IO_VIDEO_H
#include "io/sample.h"
LB_BEGIN

typedef struct lb_video lb_video;

typedef struct lb_video_options {
    int threads;           /* of the decoder; 0 = 1 */
    bool keep_orientation; /* leave a turned video as it is stored */
    bool accurate;         /* chroma interpolated and rounded exactly; slower */
    int64_t max_pixels;    /* of a frame; 0 = 2^28 */
    int64_t max_frames;    /* 0 = 1,000,000; more is LB_E_LIMIT when the index is made or frames are read */
    double max_seconds;    /* from the first to the last frame; 0 = 24 hours */
    int64_t max_reads;     /* watchdog: bytes read for one call, in sizes of the file; 0 = 8 */
} lb_video_options;

typedef struct lb_video_frame {
    int64_t index;                /* in order of time, from 0 */
    int64_t pts;                  /* in units of lb_video_time_base */
    int64_t time_us, duration_us; /* duration: until the next frame; of the last, what the file says, else the mean */
    bool key;
} lb_video_frame;

/** Opens a file, or bytes in memory that stay the caller's until close. NULL options = defaults. */
LB_API LB_MUST_USE lb_status lb_video_open(lb_video **out, const char *path, const lb_video_options *o);
LB_API LB_MUST_USE lb_status lb_video_open_memory(lb_video **out, const uint8_t *data, size_t size, const char *name, const lb_video_options *o);
LB_API void lb_video_close(lb_video *v);
LB_API const lb_media_info *lb_video_info(const lb_video *v);
LB_API void lb_video_time_base(const lb_video *v, int *num, int *den); /* seconds of one pts = num / den */

/** The number of frames; makes the index at the first call. */
LB_API LB_MUST_USE lb_status lb_video_count(int64_t *out, lb_video *v);
/** What the index says of frame i; LB_E_ARG beyond the last. */
LB_API LB_MUST_USE lb_status lb_video_at(lb_video_frame *out, lb_video *v, int64_t i);
/** The frame that is shown at a time: the last one that begins at or before it; the first one for earlier times. */
LB_API LB_MUST_USE lb_status lb_video_find(int64_t *out, lb_video *v, int64_t time_us);

/** Chooses frames, as a new array in order of time. kind: "all"; "uniform" (amount n: the middles of n equal parts, floor((2k+1) N / 2n); all when
 *  n >= N); "fps" (amount f: what is shown at first + k/f seconds while that is before the end); "key" (key frames; amount n > 0: n of them, uniformly). */
LB_API LB_MUST_USE lb_status lb_video_choose(int64_t **indices, int64_t *count, lb_video *v, const char *kind, double amount);

/** Frame i as RGB u8. LB_E_FORMAT when it cannot be decoded. Decoding goes on from the last frame read where that is nearer than a key frame. */
LB_API LB_MUST_USE lb_status lb_video_read(lb_image *out, lb_video *v, int64_t i);
/** Restricts lb_video_next to these frames (indices that rise; copied); count < 0: all frames. The reading starts again. */
LB_API LB_MUST_USE lb_status lb_video_select(lb_video *v, const int64_t *indices, int64_t count);
/** The next frame; *end after the last. frame and img may be NULL: decoded, not converted. Without lb_video_select no index is needed: then
 *  frame->index counts what was given, and the duration is what the file says. */
LB_API LB_MUST_USE lb_status lb_video_next(lb_video_frame *frame, lb_image *img, bool *end, lb_video *v);

LB_END
#endif
