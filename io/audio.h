/* SPDX-License-Identifier: Apache-2.0 */
/* Sound of any container and codec as f32 planes at a rate. Source: FFmpeg 5.1; libswresample with its defaults, so samples equal
 * `ffmpeg -i FILE -f f32le -ar RATE -ac CHANNELS`. Thread-safe. */
#ifndef LB_IO_AUDIO_H
#define LB_IO_AUDIO_H
#include "io/sample.h"
LB_BEGIN

typedef struct lb_audio_options {
    int rate_hz;        /* 0 = the file's own */
    int channels;       /* 0 = the file's own; 1 and 2 mix down or up as libswresample does */
    double start_s;     /* left out at the begin, counted from the first sample; sound is decoded from the begin, so that samples are the same */
    double length_s;    /* 0 = to the end; sound that ends earlier gives fewer samples */
    bool sixteen;       /* through 16-bit samples / 32768, as Whisper's loader (ffmpeg -f s16le) */
    double max_seconds; /* of what is decoded; 0 = 6 hours: LB_E_LIMIT beyond */
} lb_audio_options;

/** The first (best) sound track. NULL options = defaults. LB_E_UNSUPPORTED when there is none; a damaged packet costs its samples only, as in
 *  ffmpeg; LB_E_FORMAT when nothing can be decoded. *out untouched on failure. */
LB_API LB_MUST_USE lb_status lb_audio_read(lb_audio *out, const char *path, const lb_audio_options *o);
LB_API LB_MUST_USE lb_status lb_audio_decode(lb_audio *out, const uint8_t *data, size_t size, const char *name, const lb_audio_options *o);

LB_END
#endif
