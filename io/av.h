/* SPDX-License-Identifier: Apache-2.0 */
/* FFmpeg behind one door: containers from memory only (no other file or address can be opened by what a file says), a watchdog on bytes
 * read, messages kept instead of printed. Private to io. */
#ifndef LB_IO_AV_H
#define LB_IO_AV_H
#include "io/av_late.h"
#include "io/decoder_private.h"
LB_BEGIN

typedef struct lbi_av {
    AVFormatContext *format;
    AVIOContext *io;
    const uint8_t *data;
    size_t size, at;
    int64_t budget; /* bytes that may still be read; below 0: the watchdog stopped it */
} lbi_av;

/* Opens a container; format NULL = told by its bytes among those that Limbeck reads. Stream parameters are filled. The struct may not
 * move afterwards; the data stays the caller's until lbi_av_close. */
LB_MUST_USE lb_status lbi_av_open(lbi_av *a, const uint8_t *data, size_t size, const char *format);
void lbi_av_close(lbi_av *a); /* also after a failed open */
/* A fresh allowance for the watchdog: `times` the file's size and some fixed part. */
void lbi_av_allow(lbi_av *a, int64_t times);
/* The packet of the next read of stream `index`, others dropped. *end at the end of the file. */
LB_MUST_USE lb_status lbi_av_packet(AVPacket *out, bool *end, lbi_av *a, int index);
/* An opened decoder for these parameters; frames of more than max_pixels are refused (0 = default limit). */
LB_MUST_USE lb_status lbi_av_decoder(AVCodecContext **out, const AVCodecParameters *par, AVRational time_base, int threads, int64_t max_pixels);
/* FFmpeg's error code and last message as a status. a may be NULL. */
LB_MUST_USE lb_status lbi_av_fail(int code, const lbi_av *a, const char *doing);

/* A frame in RGB, grey or palette colours in its own channels and depth: bits below 8 are spread as Pillow does (v * 255 / top), 9 to 16
 * become 16, which `keep_depth` keeps. Other colour spaces go through libswscale to RGB. */
LB_MUST_USE lb_status lbi_av_picture(lb_image *out, const AVFrame *f, bool keep_depth);
/* A file's bytes as a packet: a copy with the padding that decoders read over. */
LB_MUST_USE lb_status lbi_av_copy(AVPacket **out, const uint8_t *data, size_t size);
/* Decodes one picture that is the whole of a packet (BMP, TIFF). */
LB_MUST_USE lb_status lbi_av_still_packet(AVFrame **out, enum AVCodecID codec, const AVPacket *packet);
/* Decoding, size checks and orientation in one. */
LB_MUST_USE lb_status lbi_av_decode_packet(lb_image *out, enum AVCodecID codec, const AVPacket *packet, const lb_decode_options *o, const lb_media_info *info);
/* What a container says: kind "video" or "audio". */
LB_MUST_USE lb_status lbi_av_info(lb_media_info *out, const uint8_t *data, size_t size);
int lbi_av_orientation(const AVStream *s); /* EXIF 1..8 of the display matrix */

/* An animation whose frames are composited one after the other; going back begins anew. The data stay the caller's. */
typedef struct lbi_av_walk lbi_av_walk;
LB_MUST_USE lb_status lbi_av_walk_open(lbi_av_walk **out, const uint8_t *data, size_t size, const char *format, const char *name);
void lbi_av_walk_close(lbi_av_walk *w);
/* Frame i; the walk's until the next call. LB_E_FORMAT when the file ends before it. */
LB_MUST_USE lb_status lbi_av_walk_to(const AVFrame **out, lbi_av_walk *w, int64_t i);

LB_END
#endif
