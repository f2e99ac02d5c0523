/* SPDX-License-Identifier: Apache-2.0 */
#include "io/av.h"
#include <libavutil/display.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { IO_BYTES = 1 << 16, MAX_STREAMS = 64 };
static const int64_t FREE_BYTES = 64 << 20, MAX_CODED_PIXELS = (int64_t)1 << 28;

static const char formats[] = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,h264,hevc,ivf,yuv4mpegpipe,flv,live_flv,asf,ogg,gif,"
                              "wav,w64,flac,mp3,aac,aiff,caf,au,ac3,eac3,amr,ape,wv,tta";

/* ---- messages ---- */

static _Thread_local char last[160];

static void on_log(void *ctx, int level, const char *fmt, va_list args) {
    if (level > AV_LOG_ERROR) return;
    vsnprintf(last, sizeof last, fmt, args);
    last[strcspn(last, "\n")] = 0;
}

static void quiet(void) { lbi_ff.av_log_set_callback(on_log); }

static lb_status start(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    lb_status st = lbi_av_load();
    if (st == LB_OK) pthread_once(&once, quiet);
    last[0] = 0;
    return st;
}

lb_status lbi_av_fail(int code, const lbi_av *a, const char *doing) {
    char text[AV_ERROR_MAX_STRING_SIZE] = "";
    if (code == AVERROR(ENOMEM)) return lb_fail(LB_E_NOMEM, "FFmpeg got no memory %s", doing);
    if (a && a->budget < 0) return lb_fail(LB_E_LIMIT, "stopped %s: more was read than a sound file of %zu bytes needs", doing, a->size);
    lbi_ff.av_strerror(code, text, sizeof text);
    lb_status st = code == AVERROR_DECODER_NOT_FOUND || code == AVERROR_DEMUXER_NOT_FOUND || code == AVERROR_PATCHWELCOME ? LB_E_UNSUPPORTED : LB_E_FORMAT;
    return lb_fail(st, "FFmpeg failed %s: %s%s%s", doing, text, last[0] ? ": " : "", last);
}

/* ---- bytes ---- */

static int on_read(void *ctx, uint8_t *dst, int n) {
    lbi_av *a = ctx;
    size_t left = a->size - a->at, k = (size_t)n < left ? (size_t)n : left;
    if (a->budget < 0) return AVERROR_EXIT;
    if (k == 0) return AVERROR_EOF;
    a->budget -= (int64_t)k;
    memcpy(dst, a->data + a->at, k);
    a->at += k;
    return (int)k;
}

static int64_t on_seek(void *ctx, int64_t offset, int whence) {
    lbi_av *a = ctx;
    if (whence & AVSEEK_SIZE) return (int64_t)a->size;
    whence &= ~AVSEEK_FORCE;
    int64_t to = whence == SEEK_SET ? offset : whence == SEEK_CUR ? (int64_t)a->at + offset : whence == SEEK_END ? (int64_t)a->size + offset : -1;
    if (to < 0 || to > (int64_t)a->size) return AVERROR(EINVAL);
    a->budget -= 64; /* seeks are work too */
    a->at = (size_t)to;
    return to;
}

static int on_interrupt(void *ctx) { return ((const lbi_av *)ctx)->budget < 0; }

void lbi_av_allow(lbi_av *a, int64_t times) {
    int64_t most;
    a->budget = lb_mul_i64(&most, (int64_t)a->size, times) && most < INT64_MAX - FREE_BYTES ? most + FREE_BYTES : INT64_MAX;
}

lb_status lbi_av_open(lbi_av *a, const uint8_t *data, size_t size, const char *format) {
    *a = (lbi_av){.data = data, .size = size};
    lb_status st = start();
    if (st != LB_OK) return st;
    lbi_av_allow(a, 4);
    uint8_t *buffer = lbi_ff.av_malloc(IO_BYTES);
    a->io = buffer ? lbi_ff.avio_alloc_context(buffer, IO_BYTES, 0, a, on_read, NULL, on_seek) : NULL;
    if (!a->io) lbi_ff.av_free(buffer);
    a->format = a->io ? lbi_ff.avformat_alloc_context() : NULL;
    char *list = a->format ? lbi_ff.av_strdup(format ? format : formats) : NULL;
    if (!list) return lb_fail(LB_E_NOMEM, "FFmpeg got no memory");
    a->format->pb = a->io;
    a->format->flags |= AVFMT_FLAG_CUSTOM_IO;
    a->format->interrupt_callback = (AVIOInterruptCB){on_interrupt, a};
    a->format->format_whitelist = list;
    a->format->max_streams = MAX_STREAMS;
    int code = lbi_ff.avformat_open_input(&a->format, NULL, format ? lbi_ff.av_find_input_format(format) : NULL, NULL);
    if (code == AVERROR(EINVAL)) return lb_fail(LB_E_UNSUPPORTED, "no container of video or sound that Limbeck reads"); /* not on the list */
    if (code < 0) return lbi_av_fail(code, a, "opening the container");
    code = lbi_ff.avformat_find_stream_info(a->format, NULL);
    if (code < 0) return lbi_av_fail(code, a, "finding streams");
    return LB_OK;
}

void lbi_av_close(lbi_av *a) {
    if (!lbi_ff.ready) return;
    lbi_ff.avformat_close_input(&a->format);
    if (a->io) lbi_ff.av_freep(&a->io->buffer);
    lbi_ff.avio_context_free(&a->io);
}

lb_status lbi_av_packet(AVPacket *out, bool *end, lbi_av *a, int index) {
    for (;;) {
        int code = lbi_ff.av_read_frame(a->format, out);
        if (code == AVERROR_EOF && a->budget >= 0) {
            *end = true;
            return LB_OK;
        }
        if (code == AVERROR(EAGAIN)) {
            a->budget -= 64;
            if (a->budget >= 0) continue;
        }
        if (code < 0) return lbi_av_fail(code, a, "reading the container");
        if (out->stream_index == index) return LB_OK;
        a->budget -= 16; /* packets that cost no bytes may not run for ever */
        lbi_ff.av_packet_unref(out);
        if (a->budget < 0) return lbi_av_fail(AVERROR_EXIT, a, "reading the container");
    }
}

lb_status lbi_av_decoder(AVCodecContext **out, const AVCodecParameters *par, AVRational time_base, int threads, int64_t max_pixels) {
    lb_status st = start();
    if (st != LB_OK) return st;
    const AVCodec *codec = lbi_ff.avcodec_find_decoder(par->codec_id);
    if (!codec) return lb_fail(LB_E_UNSUPPORTED, "no decoder for %s", lbi_ff.avcodec_get_name(par->codec_id));
    AVCodecContext *c = lbi_ff.avcodec_alloc_context3(codec);
    if (!c) return lb_fail(LB_E_NOMEM, "FFmpeg got no memory");
    int code = lbi_ff.avcodec_parameters_to_context(c, par);
    c->pkt_timebase = time_base;
    c->thread_count = threads > 0 ? threads : 1;
    c->max_pixels = max_pixels > 0 ? max_pixels : MAX_CODED_PIXELS;
    if (code >= 0) code = lbi_ff.avcodec_open2(c, codec, NULL);
    if (code < 0) {
        if (c) lbi_ff.avcodec_free_context(&c);
        return lbi_av_fail(code, NULL, "opening the decoder");
    }
    *out = c;
    return LB_OK;
}

/* ---- what a container says ---- */

int lbi_av_orientation(const AVStream *s) {
    size_t size = 0;
    const int32_t *m = (const int32_t *)(const void *)lbi_ff.av_stream_get_side_data(s, AV_PKT_DATA_DISPLAYMATRIX, &size);
    if (!m || size < 9 * sizeof *m) return 1;
    /* x' = a x + c y, y' = b x + d y; only quarter turns and mirrors are told by EXIF's numbers. */
    int a = m[0] >> 15, b = m[1] >> 15, c = m[3] >> 15, d = m[4] >> 15;
    if (b == 0 && c == 0) return a < 0 ? (d < 0 ? 3 : 2) : d < 0 ? 4 : 1;
    if (a == 0 && d == 0) return b > 0 ? (c < 0 ? 6 : 5) : c > 0 ? 8 : 7;
    return 1;
}

static double seconds(int64_t n, AVRational base) { return n == AV_NOPTS_VALUE ? 0 : (double)n * av_q2d(base); }

static void say_video(lb_media_info *out, const lbi_av *a, const AVStream *s) {
    const AVCodecParameters *p = s->codecpar;
    const char *space = lbi_ff.av_get_pix_fmt_name((enum AVPixelFormat)p->format);
    snprintf(out->kind, sizeof out->kind, "video");
    out->width = p->width, out->height = p->height, out->channels = 3, out->bits = p->bits_per_raw_sample > 8 ? 16 : 8;
    out->orientation = lbi_av_orientation(s);
    out->frames = s->nb_frames;
    out->duration_s = s->duration != AV_NOPTS_VALUE ? seconds(s->duration, s->time_base) : seconds(a->format->duration, AV_TIME_BASE_Q);
    out->rate_hz = s->avg_frame_rate.den ? av_q2d(s->avg_frame_rate) : 0;
    snprintf(out->note, sizeof out->note, "%s%s%s", space ? space : "", p->color_space == AVCOL_SPC_UNSPECIFIED ? "" : ", ",
             p->color_space == AVCOL_SPC_UNSPECIFIED ? "" : lbi_ff.av_color_space_name(p->color_space));
}

static void say_audio(lb_media_info *out, const lbi_av *a, const AVStream *s) {
    const AVCodecParameters *p = s->codecpar;
    snprintf(out->kind, sizeof out->kind, "audio");
    out->channels = p->ch_layout.nb_channels, out->rate_hz = p->sample_rate, out->orientation = 1;
    out->bits = p->bits_per_raw_sample ? p->bits_per_raw_sample : lbi_ff.av_get_bits_per_sample(p->codec_id);
    out->duration_s = s->duration != AV_NOPTS_VALUE ? seconds(s->duration, s->time_base) : seconds(a->format->duration, AV_TIME_BASE_Q);
    out->frames = (int64_t)llround(out->duration_s * p->sample_rate);
}

lb_status lbi_av_info(lb_media_info *out, const uint8_t *data, size_t size) {
    lbi_av a;
    lb_status st = LB_OK;
    LB_TRY(lbi_av_open(&a, data, size, NULL));
    int video = lbi_ff.av_find_best_stream(a.format, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0), audio = lbi_ff.av_find_best_stream(a.format, AVMEDIA_TYPE_AUDIO, -1, -1, NULL, 0);
    if (video >= 0 && a.format->streams[video]->disposition & AV_DISPOSITION_ATTACHED_PIC) video = -1; /* the cover of an album */
    if (video < 0 && audio < 0) LB_TRY(lb_fail(LB_E_UNSUPPORTED, "a container without pictures or sound that FFmpeg decodes"));
    lb_media_info m = {0};
    if (video >= 0) say_video(&m, &a, a.format->streams[video]);
    else say_audio(&m, &a, a.format->streams[audio]);
    snprintf(m.codec, sizeof m.codec, "%s", lbi_ff.avcodec_get_name(a.format->streams[video >= 0 ? video : audio]->codecpar->codec_id));
    if (video >= 0 && audio >= 0) snprintf(m.sound, sizeof m.sound, "%s", lbi_ff.avcodec_get_name(a.format->streams[audio]->codecpar->codec_id));
    snprintf(m.container, sizeof m.container, "%s", a.format->iformat->name);
    *out = m;
done:
    lbi_av_close(&a);
    return st;
}
