/* SPDX-License-Identifier: Apache-2.0 */
#include "io/video.h"
#include <string.h>
#include "io/uri.h"
#include "io/video_private.h"

enum { MAX_FRAMES = 1000000, NEAR = 16, JUMPS = 2 };
static const double MAX_SECONDS = 86400;

int64_t lbi_video_us(const lb_video *v, int64_t pts) { return lbi_ff.av_rescale_q(pts, v->base, (AVRational){1, 1000000}); }

static void close_container(lb_video *v) {
    if (v->codec) lbi_ff.avcodec_free_context(&v->codec);
    if (v->open) lbi_av_close(&v->av);
    v->open = false;
}

static lb_status open_container(lb_video *v) {
    v->open = true;
    lb_status st = lbi_av_open(&v->av, v->data, v->size, NULL);
    if (st != LB_OK) return st;
    v->stream = lbi_ff.av_find_best_stream(v->av.format, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
    if (v->stream < 0 || v->av.format->streams[v->stream]->disposition & AV_DISPOSITION_ATTACHED_PIC) return lb_fail(LB_E_UNSUPPORTED, "no video stream");
    for (unsigned i = 0; i < v->av.format->nb_streams; i++)
        if ((int)i != v->stream) v->av.format->streams[i]->discard = AVDISCARD_ALL;
    const AVStream *s = v->av.format->streams[v->stream];
    v->base = s->time_base;
    v->shown = -1, v->fed = INT64_MIN, v->time = AV_NOPTS_VALUE, v->ending = v->cut = false;
    return lbi_av_decoder(&v->codec, s->codecpar, s->time_base, v->o.threads, v->o.max_pixels);
}

lb_status lbi_video_rewind(lb_video *v) {
    for (int64_t i = 0; i < v->count; i++) v->at[i].dropped = false;
    close_container(v);
    return open_container(v);
}

static lb_status open_data(lb_video *v) {
    lb_status st = lbi_av_info(&v->info, v->data, v->size);
    if (st != LB_OK) return st;
    if ((st = open_container(v)) != LB_OK) return st;
    v->packet = lbi_ff.av_packet_alloc(), v->frame = lbi_ff.av_frame_alloc();
    return v->packet && v->frame ? LB_OK : lb_fail(LB_E_NOMEM, "FFmpeg got no memory");
}

static lb_status new_video(lb_video **out, const char *name, const lb_video_options *o) {
    lb_video *v = lb_calloc(1, sizeof *v);
    if (!v) return LB_E_NOMEM;
    if (o) v->o = *o;
    if (v->o.max_frames <= 0) v->o.max_frames = MAX_FRAMES;
    if (!(v->o.max_seconds > 0)) v->o.max_seconds = MAX_SECONDS;
    if (v->o.max_reads <= 0) v->o.max_reads = 8;
    v->count = v->nchosen = -1;
    v->name = lb_strdup(name ? name : "data");
    *out = v;
    return v->name ? LB_OK : LB_E_NOMEM;
}

lb_status lb_video_open_memory(lb_video **out, const uint8_t *data, size_t size, const char *name, const lb_video_options *o) {
    lb_video *v = NULL;
    lb_status st = new_video(&v, name, o);
    if (st == LB_OK) {
        v->data = data, v->size = size;
        st = open_data(v);
        if (st != LB_OK) st = lb_where(st, "%s", v->name);
    }
    if (st == LB_OK) *out = v;
    else lb_video_close(v);
    return st;
}

lb_status lb_video_open(lb_video **out, const char *path, const lb_video_options *o) {
    lb_video *v = NULL;
    lb_status st = LB_OK;
    LB_TRY(new_video(&v, path, o));
    LB_TRY(lb_uri_map(&v->map, path));
    v->data = v->map.data, v->size = v->map.size;
    if ((st = open_data(v)) != LB_OK) st = lb_where(st, "%s", path);
done:
    if (st == LB_OK) *out = v;
    else lb_video_close(v);
    return st;
}

void lb_video_close(lb_video *v) {
    if (!v) return;
    close_container(v);
    if (v->packet) lbi_ff.av_packet_free(&v->packet);
    if (v->frame) lbi_ff.av_frame_free(&v->frame);
    if (v->rgb) lbi_ff.av_frame_free(&v->rgb);
    if (v->sws) lbi_ff.sws_freeContext(v->sws);
    lb_mmap_close(&v->map);
    lb_free(v->at);
    lb_free(v->chosen);
    lb_free(v->name);
    lb_free(v);
}

const lb_media_info *lb_video_info(const lb_video *v) { return &v->info; }

void lb_video_time_base(const lb_video *v, int *num, int *den) { *num = v->base.num, *den = v->base.den; }

/* ---- decoding ---- */

/* A decoder holds frames back until others, fed later, are decoded. Where frames are asked at random places the one wanted is the last that counts: the
 * decoder is emptied behind it, and those others are never decoded. */
static bool is_last(const lb_video *v, int64_t fed, int64_t wanted) { return wanted >= 0 && fed == wanted && v->jumps >= JUMPS && v->nchosen < 0; }

static lb_status feed(lb_video *v, int64_t wanted) {
    bool end = v->cut;
    lb_status st = end ? LB_OK : lbi_av_packet(v->packet, &end, &v->av, v->stream);
    if (st != LB_OK) return st;
    bool needless = false;
    if (!end && !v->loose && v->count > 0) {
        int64_t i = lbi_video_locate(v, v->packet->pts);
        v->cut = is_last(v, i, wanted);
        needless = wanted >= 0 && i >= 0 && i != wanted && !v->at[i].wanted && !v->at[i].key;
        if (i >= 0) v->at[i].dropped = needless;
        if (v->packet->flags & AV_PKT_FLAG_KEY && v->packet->pts != AV_NOPTS_VALUE && v->packet->pts > v->fed) v->fed = v->packet->pts;
    }
    v->codec->skip_frame = needless ? AVDISCARD_NONREF : AVDISCARD_DEFAULT;
    int code = lbi_ff.avcodec_send_packet(v->codec, end ? NULL : v->packet);
    lbi_ff.av_packet_unref(v->packet);
    v->ending = v->ending || end;
    if (code == AVERROR(ENOMEM)) return lbi_av_fail(code, &v->av, "decoding");
    return LB_OK; /* a damaged packet costs its frame only, as in ffmpeg */
}

lb_status lbi_video_step(lb_video *v, bool *end, int64_t wanted) {
    for (;;) {
        int code = lbi_ff.avcodec_receive_frame(v->codec, v->frame);
        if (code >= 0) {
            int64_t told = v->frame->best_effort_timestamp, step = v->frame->pkt_duration > 0 ? v->frame->pkt_duration : 1;
            v->time = told != AV_NOPTS_VALUE ? told : v->time != AV_NOPTS_VALUE ? v->time + step : 0;
            if (v->count >= 0) {
                int64_t i = lbi_video_locate(v, v->time);
                if (i >= 0) v->shown = i;
            }
            return LB_OK;
        }
        if (code == AVERROR_EOF) {
            *end = true;
            return LB_OK;
        }
        if (code != AVERROR(EAGAIN)) {
            if (code == AVERROR(ENOMEM)) return lbi_av_fail(code, &v->av, "decoding");
            v->av.budget -= 4096;
            if (v->ending || v->av.budget < 0) return lbi_av_fail(code, &v->av, "decoding");
        }
        lb_status st = feed(v, wanted);
        if (st != LB_OK) return st;
    }
}

static const int *matrix_of(const AVFrame *f) {
    switch (f->colorspace) {
    case AVCOL_SPC_BT709: return lbi_ff.sws_getCoefficients(SWS_CS_ITU709);
    case AVCOL_SPC_FCC: return lbi_ff.sws_getCoefficients(SWS_CS_FCC);
    case AVCOL_SPC_SMPTE240M: return lbi_ff.sws_getCoefficients(SWS_CS_SMPTE240M);
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL: return lbi_ff.sws_getCoefficients(SWS_CS_BT2020);
    default: return lbi_ff.sws_getCoefficients(SWS_CS_DEFAULT);
    }
}

/* The buffer that libswscale writes: its rows are aligned, those of a picture are not. */
static lb_status ready(lb_video *v, int width, int height) {
    if (v->rgb && v->rgb->width == width && v->rgb->height == height) return LB_OK;
    if (v->rgb) lbi_ff.av_frame_free(&v->rgb);
    if (!(v->rgb = lbi_ff.av_frame_alloc())) return lb_fail(LB_E_NOMEM, "FFmpeg got no memory");
    v->rgb->format = AV_PIX_FMT_RGB24, v->rgb->width = width, v->rgb->height = height;
    return lbi_ff.av_frame_get_buffer(v->rgb, 0) < 0 ? lb_fail(LB_E_NOMEM, "FFmpeg got no memory") : LB_OK;
}

lb_status lbi_video_picture(lb_image *out, lb_video *v) {
    const AVFrame *f = v->frame;
    enum AVPixelFormat format = (enum AVPixelFormat)f->format;
    int flags = SWS_BICUBIC | (v->o.accurate ? SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP : 0);
    lb_status st = ready(v, f->width, f->height);
    if (st != LB_OK) return st;
    v->sws = lbi_ff.sws_getCachedContext(v->sws, f->width, f->height, format, f->width, f->height, AV_PIX_FMT_RGB24, flags, NULL, NULL, NULL);
    if (!v->sws) return lb_fail(LB_E_UNSUPPORTED, "libswscale makes no RGB of %s", lbi_ff.av_get_pix_fmt_name(format));
    const int *unused_in, *unused_out;
    int range_in, range_out, brightness, contrast, saturation;
    if (lbi_ff.sws_getColorspaceDetails(v->sws, (int **)&unused_in, &range_in, (int **)&unused_out, &range_out, &brightness, &contrast, &saturation) >= 0) {
        if (f->color_range != AVCOL_RANGE_UNSPECIFIED) range_in = f->color_range == AVCOL_RANGE_JPEG;
        (void)lbi_ff.sws_setColorspaceDetails(v->sws, matrix_of(f), range_in, lbi_ff.sws_getCoefficients(SWS_CS_DEFAULT), 1, brightness, contrast, saturation);
    }
    lb_image img = {0};
    if ((st = lb_image_new(&img, f->width, f->height, 3, 8)) != LB_OK) return st;
    lbi_ff.sws_scale(v->sws, (const uint8_t *const *)f->data, f->linesize, 0, f->height, v->rgb->data, v->rgb->linesize);
    lbi_ff.av_image_copy_plane(img.pixels, img.width * 3, v->rgb->data[0], v->rgb->linesize[0], img.width * 3, img.height);
    st = lbi_finish(out, &img, v->o.keep_orientation ? 1 : v->info.orientation);
    lb_image_free(&img);
    return st;
}

/* ---- frames by index ---- */

/* The key frame from which frame i can be decoded: the last one shown at or before it. */
static int64_t key_before(const lb_video *v, int64_t i) {
    while (i > 0 && !v->at[i].key) i--;
    return i;
}

/* Puts the decoder at the packet of key frame k; from the file's begin where the container's seek overshoots or refuses. */
static lb_status seek(lb_video *v, int64_t k) {
    if (k > 0 && !v->loose && lbi_ff.av_seek_frame(v->av.format, v->stream, v->at[k].pts, AVSEEK_FLAG_BACKWARD) >= 0) {
        lbi_ff.avcodec_flush_buffers(v->codec);
        for (int64_t i = 0; i < v->count; i++) v->at[i].dropped = false;
        v->shown = -1, v->fed = INT64_MIN, v->time = AV_NOPTS_VALUE, v->ending = v->cut = false;
        return LB_OK;
    }
    lb_status st = lbi_video_rewind(v);
    lbi_av_allow(&v->av, v->o.max_reads);
    return st;
}

/* Decodes until frame i is in v->frame. */
static lb_status forward(lb_video *v, int64_t i, bool *missed) {
    int64_t wanted = v->shown >= 0 && i == v->shown + 1 ? -1 : i;
    for (;;) {
        bool end = false;
        lb_status st = lbi_video_step(v, &end, wanted);
        if (st != LB_OK) return st;
        int64_t got = end ? -1 : lbi_video_locate(v, v->time);
        if (got == i) return LB_OK;
        if (end || got > i) {
            *missed = true;
            return LB_OK;
        }
    }
}

static lb_status reach(lb_video *v, int64_t i) {
    int64_t k = key_before(v, i);
    bool behind = v->shown < 0 || i <= v->shown || v->ending || v->at[i].dropped;
    bool far = !behind && k > v->shown + NEAR && v->at[k].pts > v->fed;
    bool missed = false;
    lb_status st = LB_OK;
    lbi_av_allow(&v->av, v->o.max_reads);
    if (i == v->shown && v->frame->buf[0] && lbi_video_locate(v, v->time) == i) return LB_OK;
    if (v->ending && i > v->shown && v->shown >= 0 && !v->at[i].dropped) behind = false;
    bool jump = behind || far || v->cut, ahead = v->shown >= 0 && i > v->shown && k <= v->shown;
    v->jumps = jump && !ahead ? v->jumps + (v->jumps < JUMPS) : 0;
    if (jump) LB_TRY(seek(v, k));
    LB_TRY(forward(v, i, &missed));
    if (!missed) return LB_OK;
    missed = false;
    v->jumps = 0;
    LB_TRY(lbi_video_rewind(v)); /* the container's seek landed beyond it */
    lbi_av_allow(&v->av, v->o.max_reads);
    LB_TRY(forward(v, i, &missed));
    if (missed) return lb_fail(LB_E_FORMAT, "frame %lld at %.3f s cannot be decoded", (long long)i, (double)lbi_video_us(v, v->at[i].pts) * 1e-6);
done:
    return st;
}

lb_status lb_video_read(lb_image *out, lb_video *v, int64_t i) {
    lb_status st = lbi_video_index(v);
    if (st == LB_OK && (i < 0 || i >= v->count)) st = lb_fail(LB_E_ARG, "frame %lld of %lld", (long long)i, (long long)v->count);
    if (st == LB_OK) st = reach(v, i);
    if (st == LB_OK) st = lbi_video_picture(out, v);
    return st == LB_OK ? st : lb_where(st, "%s", v->name);
}

lb_status lb_video_select(lb_video *v, const int64_t *indices, int64_t count) {
    lb_free(v->chosen);
    v->chosen = NULL, v->nchosen = -1, v->given = 0;
    if (count < 0) return lbi_video_rewind(v);
    lb_status st = lbi_video_index(v);
    if (st != LB_OK) return st;
    for (int64_t i = 0; i < v->count; i++) v->at[i].wanted = false;
    for (int64_t i = 0; i < count; i++) {
        if (indices[i] < 0 || indices[i] >= v->count) return lb_fail(LB_E_ARG, "%s: frame %lld of %lld", v->name, (long long)indices[i], (long long)v->count);
        if (i > 0 && indices[i] <= indices[i - 1]) return lb_fail(LB_E_ARG, "%s: chosen frames must rise: %lld after %lld", v->name, (long long)indices[i], (long long)indices[i - 1]);
    }
    if (!(v->chosen = lb_alloc((size_t)count, sizeof *v->chosen))) return LB_E_NOMEM;
    for (int64_t i = 0; i < count; i++) v->at[indices[i]].wanted = true, v->chosen[i] = indices[i];
    v->nchosen = count;
    return LB_OK;
}

static lb_status next_chosen(lb_video_frame *frame, lb_image *img, bool *end, lb_video *v) {
    if (v->given >= v->nchosen) {
        *end = true;
        return LB_OK;
    }
    int64_t i = v->chosen[v->given++];
    lb_status st = reach(v, i);
    if (st == LB_OK && img) st = lbi_video_picture(img, v);
    return st == LB_OK && frame ? lb_video_at(frame, v, i) : st;
}

/* The frame behind the last one, in whatever order that was read. */
static lb_status go_on(lb_video *v, bool *over) {
    if (!v->cut) return lbi_video_step(v, over, -1);
    *over = v->shown + 1 >= v->count;
    v->jumps = 0;
    return *over ? LB_OK : reach(v, v->shown + 1);
}

static lb_status next_any(lb_video_frame *frame, lb_image *img, bool *end, lb_video *v) {
    bool over = false;
    lbi_av_allow(&v->av, v->o.max_reads);
    lb_status st = go_on(v, &over);
    if (st != LB_OK || over) {
        *end = over;
        return st;
    }
    if (v->given >= v->o.max_frames) return lb_fail(LB_E_LIMIT, "more than %lld frames", (long long)v->o.max_frames);
    if (img && (st = lbi_video_picture(img, v)) != LB_OK) return st;
    const AVFrame *f = v->frame;
    if (frame) *frame = (lb_video_frame){.index = v->given, .pts = v->time, .time_us = lbi_video_us(v, v->time),
                                         .duration_us = lbi_video_us(v, f->pkt_duration), .key = f->key_frame};
    v->given++;
    return LB_OK;
}

lb_status lb_video_next(lb_video_frame *frame, lb_image *img, bool *end, lb_video *v) {
    *end = false;
    lb_status st = v->nchosen >= 0 ? next_chosen(frame, img, end, v) : next_any(frame, img, end, v);
    return st == LB_OK ? st : lb_where(st, "%s", v->name);
}
