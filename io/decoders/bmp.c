/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "io/av.h"

static uint32_t le(const uint8_t *p, int bytes) {
    uint32_t x = 0;
    for (int i = 0; i < bytes; i++) x |= (uint32_t)p[i] << (8 * i);
    return x;
}

/* BITMAPCOREHEADER (12 bytes) has 16-bit sizes; all later headers begin alike. A negative height means rows from the top. */
static lb_status info(lb_media_info *out, const uint8_t *data, size_t size) {
    if (size < 30) return lb_fail(LB_E_FORMAT, "BMP is truncated: data ends in the header");
    bool core = le(data + 14, 4) == 12;
    int64_t width = core ? (int64_t)le(data + 18, 2) : (int32_t)le(data + 18, 4), height = core ? (int64_t)le(data + 20, 2) : llabs((int32_t)le(data + 22, 4));
    int bits = (int)le(data + (core ? 24 : 28), 2);
    if (width < 1 || height < 1 || width > INT32_MAX || height > INT32_MAX) return lb_fail(LB_E_FORMAT, "BMP declares %lld x %lld pixels", (long long)width, (long long)height);
    *out = (lb_media_info){.kind = "image", .codec = "bmp", .width = (int32_t)width, .height = (int32_t)height, .channels = 3, .bits = 8, .orientation = 1, .frames = 1};
    snprintf(out->note, sizeof out->note, "%d bits a pixel%s", bits, bits <= 8 ? ", palette" : "");
    return LB_OK;
}

static lb_status decode(lb_image *out, const uint8_t *data, size_t size, const lb_decode_options *o) {
    lb_media_info i;
    AVPacket *packet = NULL;
    lb_status st = info(&i, data, size);
    if (st == LB_OK) st = lbi_check_pixels("BMP", i.width, i.height, 1, o);
    if (st == LB_OK) st = lbi_av_copy(&packet, data, size);
    if (st == LB_OK) st = lbi_av_decode_packet(out, AV_CODEC_ID_BMP, packet, o, &i);
    if (packet) lbi_ff.av_packet_free(&packet);
    return st;
}

static int probe(const uint8_t *head, size_t size) {
    return size >= 18 && head[0] == 'B' && head[1] == 'M' && le(head + 14, 4) >= 12 && le(head + 14, 4) <= 256 ? 80 : 0;
}

LB_DECODER(bmp) = {.id = "bmp", .title = "Windows bitmaps of 1 to 32 bits a pixel", .source = "BITMAPINFOHEADER and kin, through FFmpeg", .kind = "image",
                   .endings = "bmp dib", .probe = probe, .info = info, .decode = decode};
