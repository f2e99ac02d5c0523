/* SPDX-License-Identifier: Apache-2.0 */
/* State of an open video. Private to io. */
#ifndef LB_IO_VIDEO_PRIVATE_H
#define LB_IO_VIDEO_PRIVATE_H
#include "base/file.h"
#include "io/av.h"
#include "io/video.h"
LB_BEGIN

struct SwsContext;

typedef struct lbi_entry {
    int64_t pts, duration;
    bool key;
    bool dropped; /* was given to the decoder as one that nobody wants */
    bool wanted;  /* chosen by lb_video_select */
} lbi_entry;

struct lb_video {
    lb_video_options o;
    lb_mmap map;
    const uint8_t *data;
    size_t size;
    char *name;
    lbi_av av;
    bool open;
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame, *rgb;
    struct SwsContext *sws;
    int stream;
    lb_media_info info;
    AVRational base;
    /* the index */
    lbi_entry *at;
    int64_t count; /* -1 = not made yet */
    int64_t keys;
    bool loose;    /* packets do not tell the frames' times */
    /* where decoding is */
    int64_t shown;   /* index of the last frame that came out; -1 = none */
    int64_t time;    /* pts of that frame; where the file tells none: the one before it and its duration */
    int64_t fed;     /* pts of the latest key packet given to the decoder */
    int64_t given;   /* frames given out by lb_video_next since its start */
    int64_t *chosen;
    int64_t nchosen; /* -1 = all */
    bool ending;     /* the decoder is being emptied */
    int jumps;       /* frames asked one after the other that wanted a seek each */
    bool cut;        /* the decoder was emptied behind a frame in the middle: only a seek makes it go on */
};

/* The entry with this pts, or -1. */
int64_t lbi_video_locate(const lb_video *v, int64_t pts);
LB_MUST_USE lb_status lbi_video_rewind(lb_video *v);
/* Decodes until the next frame; *end after the last. wanted >= 0: frames that hold up nothing else and are not this one may be skipped. */
LB_MUST_USE lb_status lbi_video_step(lb_video *v, bool *end, int64_t wanted);
LB_MUST_USE lb_status lbi_video_index(lb_video *v);
LB_MUST_USE lb_status lbi_video_picture(lb_image *out, lb_video *v);
int64_t lbi_video_us(const lb_video *v, int64_t pts);

LB_END
#endif
