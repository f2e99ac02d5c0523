/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include "io/av.h"
#include "io/tiff_jpeg.h"

enum { MAX_PAGES = 10000, WIDTH = 256, HEIGHT = 257, BITS = 258, COMPRESSION = 259, ORIENTATION = 274, SAMPLES = 277 };

static uint32_t word(const uint8_t *p, bool little, int bytes) {
    uint32_t x = 0;
    for (int i = 0; i < bytes; i++) x |= (uint32_t)p[i] << (8 * (little ? i : bytes - 1 - i));
    return x;
}

/* A whole number of an entry: in place, or the first of an array that lies elsewhere. Types 1 BYTE, 3 SHORT, 4 LONG (TIFF 6.0, section 2). */
static uint32_t number(const uint8_t *data, size_t size, const uint8_t *entry, bool little) {
    uint32_t type = word(entry + 2, little, 2), count = word(entry + 4, little, 4);
    int bytes = type == 1 ? 1 : type == 3 ? 2 : type == 4 ? 4 : 0;
    if (!bytes) return 0;
    if (count <= 4u / (uint32_t)bytes) return word(entry + 8, little, bytes);
    uint32_t at = word(entry + 8, little, 4);
    return at <= size && size - at >= (size_t)bytes ? word(data + at, little, bytes) : 0;
}

static void take(lb_media_info *m, uint32_t tag, uint32_t v) {
    static const char *const ways[] = {[1] = "raw", [2] = "CCITT", [3] = "fax 3", [4] = "fax 4", [5] = "LZW", [6] = "old JPEG", [7] = "JPEG", [8] = "deflate"};
    if (tag == WIDTH) m->width = (int32_t)v;
    if (tag == HEIGHT) m->height = (int32_t)v;
    if (tag == BITS) m->bits = v > 8 ? 16 : 8;
    if (tag == SAMPLES) m->channels = (int32_t)v;
    if (tag == ORIENTATION && v >= 1 && v <= 8) m->orientation = (int)v;
    if (tag == COMPRESSION) snprintf(m->note, sizeof m->note, "%s", v < LB_COUNT(ways) && ways[v] ? ways[v] : v == 32773 ? "PackBits" : v == 32946 ? "deflate" : "");
}

/* Walks the chain of directories; each is one page. Gives where directory `page` begins, 0 if there is none. */
static lb_status walk(lb_media_info *out, size_t *directory, const uint8_t *data, size_t size, int64_t page) {
    if (size < 8) return lb_fail(LB_E_FORMAT, "TIFF is truncated: data ends in the header");
    bool little = data[0] == 'I';
    lb_media_info m = {.kind = "image", .codec = "tiff", .channels = 1, .bits = 8, .orientation = 1};
    *directory = 0;
    for (size_t at = word(data + 4, little, 4); at;) {
        if (at > size - 2 || m.frames == MAX_PAGES) break; /* cut, or a ring */
        size_t n = word(data + at, little, 2);
        if (size - at - 2 < 12 * n) break;
        if (m.frames == page) *directory = at;
        for (size_t i = 0; i < n && m.frames == page; i++) {
            const uint8_t *entry = data + at + 2 + 12 * i;
            take(&m, word(entry, little, 2), number(data, size, entry, little));
        }
        m.frames++;
        at += 2 + 12 * n;
        if (size - at < 4) break;
        at = word(data + at, little, 4);
    }
    if (m.frames == 0 || (*directory && (m.width < 1 || m.height < 1))) return lb_fail(LB_E_FORMAT, "TIFF is truncated or damaged: no directory with a size");
    *out = m;
    return LB_OK;
}

static lb_status info(lb_media_info *out, const uint8_t *data, size_t size) {
    size_t directory;
    return walk(out, &directory, data, size, 0);
}

/* FFmpeg decodes the first page; another one becomes the first by the offset in the header of a copy. */
typedef struct pages {
    const uint8_t *data;
    size_t size;
    AVPacket *copy;
} pages;

static lb_status begin(void **state, const uint8_t *data, size_t size) {
    pages *p = lb_calloc(1, sizeof *p);
    if (!p) return LB_E_NOMEM;
    *p = (pages){.data = data, .size = size};
    *state = p;
    return LB_OK;
}

static lb_status jpeg_page(lb_image *out, const pages *p, size_t directory, const lb_media_info *i, const lb_decode_options *o) {
    lb_image img = {0};
    lb_status st = lbi_tiff_jpeg(&img, p->data, p->size, directory, i, o);
    if (st == LB_OK) st = lbi_finish(out, &img, o && o->keep_orientation ? 1 : i->orientation);
    lb_image_free(&img);
    return st;
}

static lb_status at(lb_image *out, void *state, const lb_decode_options *o) {
    pages *p = state;
    lb_media_info i;
    size_t directory;
    lb_status st = walk(&i, &directory, p->data, p->size, o ? o->frame : 0);
    if (st == LB_OK) st = lbi_check_pixels("TIFF", i.width, i.height, i.frames, o);
    if (st == LB_OK && lbi_tiff_is_jpeg(p->data, p->size, directory)) return jpeg_page(out, p, directory, &i, o);
    if (st == LB_OK && !p->copy) st = lbi_av_copy(&p->copy, p->data, p->size);
    if (st != LB_OK) return st;
    for (size_t k = 0; k < 4; k++) p->copy->data[4 + k] = (uint8_t)(directory >> 8 * (p->data[0] == 'I' ? k : 3 - k));
    return lbi_av_decode_packet(out, AV_CODEC_ID_TIFF, p->copy, o, &i);
}

static void end(void *state) {
    pages *p = state;
    if (p && p->copy) lbi_ff.av_packet_free(&p->copy);
    lb_free(p);
}

LB_DECODER(tiff);

static lb_status decode(lb_image *out, const uint8_t *data, size_t size, const lb_decode_options *o) { return lbi_decode_one(out, &lb_decoder_tiff, data, size, o); }

static int probe(const uint8_t *head, size_t size) {
    return size >= 8 && (memcmp(head, "II*\0", 4) == 0 || memcmp(head, "MM\0*", 4) == 0) ? 90 : 0;
}

LB_DECODER(tiff) = {.id = "tiff",
                    .title = "TIFF: grey, palette, RGB, 8 and 16 bits, several pages",
                    .source = "TIFF 6.0, through FFmpeg; JPEG pages (Technical Note 2) through libjpeg-turbo",
                    .kind = "image",
                    .endings = "tif tiff",
                    .probe = probe,
                    .info = info,
                    .decode = decode,
                    .begin = begin,
                    .at = at,
                    .end = end};
