/* SPDX-License-Identifier: Apache-2.0 */
#include "io/av.h"

struct lbi_av_walk {
    lbi_av a;
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame;
    const uint8_t *data;
    size_t size;
    const char *format, *name;
    int64_t shown; /* frame in `frame`, -1 = none yet */
};

static void stop(lbi_av_walk *w) {
    if (w->codec) lbi_ff.avcodec_free_context(&w->codec);
    lbi_av_close(&w->a);
}

static lb_status start(lbi_av_walk *w) {
    stop(w);
    w->shown = -1;
    lb_status st = lbi_av_open(&w->a, w->data, w->size, w->format);
    if (st != LB_OK) return st;
    if (w->a.format->nb_streams < 1) return lb_fail(LB_E_FORMAT, "%s is damaged: no stream of pictures", w->name);
    return lbi_av_decoder(&w->codec, w->a.format->streams[0]->codecpar, w->a.format->streams[0]->time_base, 1, 0);
}

lb_status lbi_av_walk_open(lbi_av_walk **out, const uint8_t *data, size_t size, const char *format, const char *name) {
    lb_status st = lbi_av_load();
    lbi_av_walk *w = st == LB_OK ? lb_calloc(1, sizeof *w) : NULL;
    if (!w) return st == LB_OK ? LB_E_NOMEM : st;
    *w = (lbi_av_walk){.data = data, .size = size, .format = format, .name = name, .packet = lbi_ff.av_packet_alloc(), .frame = lbi_ff.av_frame_alloc()};
    st = w->packet && w->frame ? start(w) : lb_fail(LB_E_NOMEM, "FFmpeg got no memory");
    if (st == LB_OK) *out = w;
    else lbi_av_walk_close(w);
    return st;
}

void lbi_av_walk_close(lbi_av_walk *w) {
    if (!w) return;
    stop(w);
    if (w->packet) lbi_ff.av_packet_free(&w->packet);
    if (w->frame) lbi_ff.av_frame_free(&w->frame);
    lb_free(w);
}

lb_status lbi_av_walk_to(const AVFrame **out, lbi_av_walk *w, int64_t i) {
    lb_status st = i < w->shown ? start(w) : LB_OK;
    bool end = false;
    lbi_av_allow(&w->a, 4);
    while (st == LB_OK && w->shown < i) {
        int code = lbi_ff.avcodec_receive_frame(w->codec, w->frame);
        if (code >= 0) {
            w->shown++;
            continue;
        }
        if (code == AVERROR_EOF) return lb_fail(LB_E_FORMAT, "%s is truncated: frame %lld is missing", w->name, (long long)i);
        if (code != AVERROR(EAGAIN)) return lbi_av_fail(code, &w->a, "decoding an animation");
        if ((st = lbi_av_packet(w->packet, &end, &w->a, 0)) != LB_OK) return st;
        code = lbi_ff.avcodec_send_packet(w->codec, end ? NULL : w->packet);
        lbi_ff.av_packet_unref(w->packet);
        if (code < 0 && code != AVERROR_EOF) return lbi_av_fail(code, &w->a, "decoding an animation");
    }
    *out = w->frame;
    return st;
}
