/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "io/av.h"
#include "io/image.h"

lb_status lbi_av_copy(AVPacket **out, const uint8_t *data, size_t size) {
    if (size > INT32_MAX - AV_INPUT_BUFFER_PADDING_SIZE) return lb_fail(LB_E_LIMIT, "a picture file of %zu bytes", size);
    lb_status st = lbi_av_load();
    if (st != LB_OK) return st;
    AVPacket *packet = lbi_ff.av_packet_alloc();
    if (!packet || lbi_ff.av_new_packet(packet, (int)size) < 0) {
        if (packet) lbi_ff.av_packet_free(&packet);
        return lb_fail(LB_E_NOMEM, "FFmpeg got no memory");
    }
    memcpy(packet->data, data, size);
    *out = packet;
    return LB_OK;
}

lb_status lbi_av_still_packet(AVFrame **out, enum AVCodecID codec, const AVPacket *packet) {
    AVCodecParameters *par = lbi_ff.avcodec_parameters_alloc();
    AVCodecContext *c = NULL;
    AVFrame *frame = lbi_ff.av_frame_alloc();
    lb_status st = par && frame ? LB_OK : lb_fail(LB_E_NOMEM, "FFmpeg got no memory");
    if (st != LB_OK) goto done;
    par->codec_type = AVMEDIA_TYPE_VIDEO;
    par->codec_id = codec;
    LB_TRY(lbi_av_decoder(&c, par, (AVRational){1, 1}, 1, 0));
    int code = lbi_ff.avcodec_send_packet(c, packet);
    if (code >= 0) code = lbi_ff.avcodec_receive_frame(c, frame);
    if (code == AVERROR(EAGAIN)) code = AVERROR_INVALIDDATA;
    if (code < 0) LB_TRY(lbi_av_fail(code, NULL, "decoding the picture"));
    *out = frame;
    frame = NULL;
done:
    if (c) lbi_ff.avcodec_free_context(&c);
    if (par) lbi_ff.avcodec_parameters_free(&par);
    if (frame) lbi_ff.av_frame_free(&frame);
    return st;
}

/* Colours that are not RGB, grey or a palette. */
static lb_status through_swscale(lb_image *out, const AVFrame *f) {
    lb_image img = {0};
    lb_status st = lb_image_new(&img, f->width, f->height, 3, 8);
    if (st != LB_OK) return st;
    struct SwsContext *s = lbi_ff.sws_getContext(f->width, f->height, (enum AVPixelFormat)f->format, f->width, f->height, AV_PIX_FMT_RGB24,
                                          SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP, NULL, NULL, NULL);
    AVFrame *rgb = lbi_ff.av_frame_alloc();
    if (rgb) rgb->format = AV_PIX_FMT_RGB24, rgb->width = f->width, rgb->height = f->height;
    if (!s || !rgb || lbi_ff.av_frame_get_buffer(rgb, 0) < 0) st = lb_fail(LB_E_UNSUPPORTED, "libswscale makes no RGB of %s", lbi_ff.av_get_pix_fmt_name((enum AVPixelFormat)f->format));
    else {
        lbi_ff.sws_scale(s, (const uint8_t *const *)f->data, f->linesize, 0, f->height, rgb->data, rgb->linesize);
        size_t row = (size_t)img.width * 3;
        for (int y = 0; y < img.height; y++) memcpy((uint8_t *)img.pixels + (size_t)y * row, rgb->data[0] + (ptrdiff_t)y * rgb->linesize[0], row);
    }
    lbi_ff.sws_freeContext(s);
    if (rgb) lbi_ff.av_frame_free(&rgb);
    if (st == LB_OK) *out = img;
    else lb_image_free(&img);
    return st;
}

/* One component of one row into every `step`-th sample. */
static void spread(lb_image *img, const uint16_t *row, int y, int channel, int depth, bool inverted, bool keep) {
    size_t at = (size_t)y * (size_t)img->width * (size_t)img->channels + (size_t)channel, step = (size_t)img->channels;
    unsigned top = (1u << depth) - 1;
    for (int x = 0; x < img->width; x++, at += step) {
        unsigned v = inverted ? top - row[x] : row[x];
        if (keep) ((uint16_t *)img->pixels)[at] = (uint16_t)v;
        else if (depth > 8) ((uint8_t *)img->pixels)[at] = (uint8_t)(img->channels == 1 ? (v > 255 ? 255 : v) : v >> (depth - 8)); /* as io/image.h states */
        else ((uint8_t *)img->pixels)[at] = (uint8_t)(v * 255 / top);
    }
}

/* Entries of a palette lie in memory as 0xAARRGGBB of this machine. */
static void look_up(lb_image *img, const uint16_t *row, int y, const uint8_t *palette) {
    uint8_t *to = (uint8_t *)img->pixels + (size_t)y * (size_t)img->width * 4;
    for (int x = 0; x < img->width; x++, to += 4) {
        uint32_t entry;
        memcpy(&entry, palette + 4 * (size_t)(row[x] & 255), sizeof entry);
        for (int c = 0; c < 4; c++) to[c] = (uint8_t)(entry >> (c < 3 ? 8 * (2 - c) : 24));
    }
}

lb_status lbi_av_picture(lb_image *out, const AVFrame *f, bool keep_depth) {
    enum AVPixelFormat format = (enum AVPixelFormat)f->format;
    const AVPixFmtDescriptor *d = lbi_ff.av_pix_fmt_desc_get(format);
    if (!d) return lb_fail(LB_E_UNSUPPORTED, "a picture in colours unknown to FFmpeg");
    bool palette = d->flags & AV_PIX_FMT_FLAG_PAL;
    int channels = palette ? 4 : d->nb_components, depth = palette ? 8 : d->comp[0].depth;
    bool plain = palette || d->flags & AV_PIX_FMT_FLAG_RGB || channels <= 2;
    if (!plain || d->flags & (AV_PIX_FMT_FLAG_FLOAT | AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BAYER) || depth > 16) return through_swscale(out, f);
    bool keep = keep_depth && depth > 8;
    lb_image img = {0};
    uint16_t *row = lb_alloc((size_t)f->width, sizeof *row);
    lb_status st = row ? lb_image_new(&img, f->width, f->height, channels, keep ? 16 : 8) : LB_E_NOMEM;
    const uint8_t *planes[4] = {f->data[0], f->data[1], f->data[2], f->data[3]};
    for (int y = 0; st == LB_OK && y < f->height; y++)
        for (int c = 0; c < (palette ? 1 : channels); c++) {
            lbi_ff.av_read_image_line(row, planes, f->linesize, d, 0, y, c, f->width, 0);
            if (palette) look_up(&img, row, y, f->data[1]);
            else spread(&img, row, y, c, d->comp[c].depth, format == AV_PIX_FMT_MONOWHITE, keep);
        }
    lb_free(row);
    if (st == LB_OK) *out = img;
    else lb_image_free(&img);
    return st;
}

lb_status lbi_av_decode_packet(lb_image *out, enum AVCodecID codec, const AVPacket *packet, const lb_decode_options *o, const lb_media_info *info) {
    AVFrame *frame = NULL;
    lb_image img = {0};
    lb_status st = LB_OK;
    LB_TRY(lbi_check_pixels(info->codec, info->width, info->height, info->frames, o));
    LB_TRY(lbi_av_still_packet(&frame, codec, packet));
    LB_TRY(lbi_check_pixels(info->codec, frame->width, frame->height, info->frames, o));
    LB_TRY(lbi_av_picture(&img, frame, o && o->keep_depth));
    LB_TRY(lbi_finish(out, &img, o && o->keep_orientation ? 1 : info->orientation));
done:
    if (frame) lbi_ff.av_frame_free(&frame);
    lb_image_free(&img);
    return st;
}
