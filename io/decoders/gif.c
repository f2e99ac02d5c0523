/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include "io/av.h"

enum { HEADER = 13, MAX_FRAMES = 100000 };

/* What the blocks of a file say (GIF89a specification, sections 18 to 26). */
typedef struct outline {
    int width, height, background;
    const uint8_t *palette; /* of the first frame: RGB triples, NULL = none */
    int colours, clear;     /* clear: transparent colour of the first frame, -1 = none */
    int64_t frames, centiseconds;
} outline;

static size_t past_blocks(const uint8_t *p, size_t size, size_t at) {
    while (at < size && p[at]) at += 1 + (size_t)p[at];
    return at < size ? at + 1 : size;
}

static size_t image_block(outline *o, const uint8_t *p, size_t size, size_t at, const uint8_t *global, int global_colours, int clear) {
    if (size - at < 10) return size;
    int flags = p[at + 9], colours = flags & 0x80 ? 2 << (flags & 7) : 0;
    const uint8_t *own = p + at + 10;
    at += 10 + 3 * (size_t)colours;
    if (at >= size) return size;
    if (o->frames++ == 0) {
        o->palette = colours ? own : global;
        o->colours = colours ? colours : global_colours;
        o->clear = clear;
    }
    return past_blocks(p, size, at + 1);
}

static lb_status walk(outline *out, const uint8_t *p, size_t size) {
    if (size < HEADER) return lb_fail(LB_E_FORMAT, "GIF is truncated: data ends in the header");
    outline o = {.width = p[6] | p[7] << 8, .height = p[8] | p[9] << 8, .background = p[11], .clear = -1};
    int colours = p[10] & 0x80 ? 2 << (p[10] & 7) : 0, clear = -1;
    const uint8_t *global = colours ? p + HEADER : NULL;
    size_t at = HEADER + 3 * (size_t)colours;
    while (at < size && p[at] != 0x3B) {
        if (p[at] == 0x21 && size - at >= 8 && p[at + 1] == 0xF9) {
            o.centiseconds += p[at + 4] | p[at + 5] << 8;
            clear = p[at + 3] & 1 ? p[at + 6] : -1;
        }
        if (p[at] == 0x21) at = past_blocks(p, size, at + 2);
        else if (p[at] == 0x2C) {
            at = image_block(&o, p, size, at, global, colours, clear);
            clear = -1;
        } else break;
    }
    if (o.frames == 0) return lb_fail(LB_E_FORMAT, "GIF is truncated or damaged: no frame");
    if (o.frames > MAX_FRAMES) return lb_fail(LB_E_LIMIT, "GIF of %lld frames, the limit is %d", (long long)o.frames, MAX_FRAMES);
    *out = o;
    return LB_OK;
}

/* FFmpeg leaves the untouched canvas white and clear; Pillow gives it the transparent colour's entry of the palette, or the background's. */
static void fill_clear(lb_image *img, const outline *o) {
    int entry = o->clear >= 0 ? o->clear : o->background;
    if (!o->palette || entry >= o->colours) return;
    uint8_t *p = img->pixels;
    size_t n = (size_t)img->width * (size_t)img->height;
    for (size_t i = 0; i < n; i++)
        if (p[4 * i + 3] == 0) memcpy(p + 4 * i, o->palette + 3 * entry, 3);
}

typedef struct animation {
    const uint8_t *data;
    size_t size;
    outline line;
    lbi_av_walk *walk;
} animation;

static lb_status begin(void **state, const uint8_t *data, size_t size) {
    outline line;
    lb_status st = walk(&line, data, size);
    animation *f = st == LB_OK ? lb_calloc(1, sizeof *f) : NULL;
    if (!f) return st == LB_OK ? LB_E_NOMEM : st;
    *f = (animation){.data = data, .size = size, .line = line};
    *state = f;
    return LB_OK;
}

static lb_status at(lb_image *out, void *state, const lb_decode_options *o) {
    animation *f = state;
    const AVFrame *frame = NULL;
    lb_status st = lbi_check_pixels("GIF", f->line.width, f->line.height, f->line.frames, o);
    if (st == LB_OK && !f->walk) st = lbi_av_walk_open(&f->walk, f->data, f->size, "gif", "GIF");
    if (st == LB_OK) st = lbi_av_walk_to(&frame, f->walk, o ? o->frame : 0);
    if (st == LB_OK) st = lbi_av_picture(out, frame, false);
    if (st == LB_OK && out->channels == 4) fill_clear(out, &f->line);
    return st;
}

static void end(void *state) {
    animation *f = state;
    if (f) lbi_av_walk_close(f->walk);
    lb_free(f);
}

LB_DECODER(gif);

static lb_status decode(lb_image *out, const uint8_t *data, size_t size, const lb_decode_options *o) { return lbi_decode_one(out, &lb_decoder_gif, data, size, o); }

static lb_status info(lb_media_info *out, const uint8_t *data, size_t size) {
    outline o;
    lb_status st = walk(&o, data, size);
    if (st != LB_OK) return st;
    *out = (lb_media_info){.kind = "image", .codec = "gif", .width = o.width, .height = o.height, .channels = o.clear >= 0 ? 4 : 3, .bits = 8, .orientation = 1, .frames = o.frames};
    if (o.frames > 1) out->duration_s = (double)o.centiseconds * 0.01;
    if (out->duration_s > 0) out->rate_hz = (double)o.frames / out->duration_s;
    snprintf(out->note, sizeof out->note, "palette of %d%s%s", o.colours, o.clear >= 0 ? " with a clear colour" : "", o.frames > 1 ? ", animated" : "");
    return LB_OK;
}

static int probe(const uint8_t *head, size_t size) { return size >= 6 && (memcmp(head, "GIF87a", 6) == 0 || memcmp(head, "GIF89a", 6) == 0) ? 100 : 0; }

LB_DECODER(gif) = {.id = "gif", .title = "GIF: still and animated", .source = "GIF89a specification, through FFmpeg; clear pixels as Pillow 13.0 gives them", .kind = "image",
                   .endings = "gif", .probe = probe, .info = info, .decode = decode, .begin = begin, .at = at, .end = end};
