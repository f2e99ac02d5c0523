/* SPDX-License-Identifier: Apache-2.0 */
#include <png.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include "io/av.h"
#include "io/exif.h"
#include "io/image.h"

enum { DEFLATE_RATIO = 1032, MAX_FRAMES = 100000, IHDR_END = 33 };
static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};

/* Everything that must survive a longjmp lives here. */
typedef struct job {
    png_structp png;
    png_infop info;
    const uint8_t *at;
    size_t left;
    size_t size;
    int64_t frames;
    lb_decode_options o;
    bool starved, started, clipped;
    char text[160];
    lb_image img;
    uint8_t **rows;
} job;

static void on_error(png_structp png, png_const_charp text) {
    job *j = png_get_error_ptr(png);
    snprintf(j->text, sizeof j->text, "%s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
}

static void on_read(png_structp png, png_bytep dst, png_size_t n) {
    job *j = png_get_io_ptr(png);
    if (n > j->left) {
        j->starved = true;
        png_error(png, "data ends");
    }
    memcpy(dst, j->at, n);
    j->at += n;
    j->left -= n;
}

static lb_status begin(job *j, const uint8_t *data, size_t size) {
    j->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, j, on_error, on_warning);
    if (!j->png) return lb_fail(LB_E_NOMEM, "libpng refused to start");
    j->info = png_create_info_struct(j->png);
    if (!j->info) return lb_fail(LB_E_NOMEM, "libpng refused to start");
    j->at = data;
    j->left = j->size = size;
    png_set_read_fn(j->png, j, on_read);
    png_set_user_limits(j->png, 0x7FFFFFFF, 0x7FFFFFFF);
    /* Chunks that cost memory and are not used. */
    static const png_byte skipped[] = "iCCP\0iTXt\0tEXt\0zTXt\0sPLT\0hIST\0eXIf";
    png_set_keep_unknown_chunks(j->png, PNG_HANDLE_CHUNK_NEVER, skipped, (int)(sizeof skipped / 5));
    png_set_keep_unknown_chunks(j->png, PNG_HANDLE_CHUNK_NEVER, NULL, 0);
    return LB_OK;
}

static uint32_t be32(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Orientation from an eXIf chunk, else from an XMP text. */
static int orientation_of(const uint8_t *p, size_t size) {
    static const char xmp_id[] = "XML:com.adobe.xmp\0\0\0\0"; /* uncompressed, no language, no translation */
    int exif = 0, xmp = 0;
    for (size_t at = 8; size >= 12 && at <= size - 12;) {
        size_t n = be32(p + at);
        if (n > size - at - 12) break;
        const uint8_t *body = p + at + 8;
        if (memcmp(p + at + 4, "eXIf", 4) == 0 && !exif) exif = lbi_exif_orientation(body, n);
        if (memcmp(p + at + 4, "iTXt", 4) == 0 && n > sizeof xmp_id && memcmp(body, xmp_id, sizeof xmp_id) == 0 && !xmp)
            xmp = lbi_xmp_orientation(body + sizeof xmp_id, n - sizeof xmp_id);
        at += 12 + n;
    }
    return exif ? exif : xmp ? xmp : 1;
}

/* Frames as Pillow counts them: those that acTL (before the pixels) declares, and the picture that other programs show where that is none of them (no fcTL
 * before the pixels). W3C PNG, third edition, 11.3.6. */
static int64_t frames_of(const uint8_t *p, size_t size, bool *apart) {
    int64_t declared = 0;
    *apart = true;
    for (size_t at = 8; size >= 12 && at <= size - 12;) {
        size_t n = be32(p + at);
        if (n > size - at - 12 || memcmp(p + at + 4, "IDAT", 4) == 0) break;
        if (memcmp(p + at + 4, "acTL", 4) == 0 && n == 8) declared = be32(p + at + 8);
        if (memcmp(p + at + 4, "fcTL", 4) == 0) *apart = false;
        at += 12 + n;
    }
    if (declared < 1 || declared > MAX_FRAMES) return 1;
    return declared + *apart;
}

/* Limits before anything is allocated: declared pixels, and more data than deflate could possibly expand to (1032:1). */
static lb_status check_size(const job *j) {
    uint32_t w = png_get_image_width(j->png, j->info), h = png_get_image_height(j->png, j->info);
    lb_status st = lbi_check_pixels("PNG", w, h, j->frames, &j->o);
    if (st != LB_OK) return st;
    uint64_t bytes = ((uint64_t)w * png_get_channels(j->png, j->info) * png_get_bit_depth(j->png, j->info) + 7) / 8 * h;
    if (!j->o.partial && bytes / DEFLATE_RATIO > j->size) return lb_fail(LB_E_FORMAT, "PNG is truncated: %zu bytes cannot hold %u x %u pixels", j->size, w, h);
    return LB_OK;
}

static void transforms(job *j) {
    int colour = png_get_color_type(j->png, j->info), depth = png_get_bit_depth(j->png, j->info);
    j->clipped = colour == PNG_COLOR_TYPE_GRAY;
    bool indices = colour == PNG_COLOR_TYPE_PALETTE && j->o.keep_palette;
    if (indices) png_set_packing(j->png);
    else if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(j->png);
    if (colour == PNG_COLOR_TYPE_GRAY && depth < 8) {
        if (j->o.keep_palette) png_set_packing(j->png);
        else png_set_expand_gray_1_2_4_to_8(j->png);
    }
    if (!indices && png_get_valid(j->png, j->info, PNG_INFO_tRNS)) png_set_tRNS_to_alpha(j->png);
    if (depth == 16) png_set_swap(j->png);
    (void)png_set_interlace_handling(j->png);
    png_read_update_info(j->png, j->info);
}

/* 16 bits to 8 as Pillow 13.0 opens such files: grey is clipped at 255 (mode I;16), the rest keeps the high byte. */
static lb_status reduce(lb_image *img, bool clipped) {
    lb_image small = {0};
    lb_status st = lb_image_new(&small, img->width, img->height, img->channels, 8);
    if (st != LB_OK) return st;
    const uint16_t *src = img->pixels;
    uint8_t *dst = small.pixels;
    size_t n = (size_t)img->width * (size_t)img->height * (size_t)img->channels, step = (size_t)img->channels;
    for (size_t i = 0; i < n; i++) dst[i] = clipped && i % step == 0 ? (src[i] > 255 ? 255 : (uint8_t)src[i]) : (uint8_t)(src[i] >> 8);
    lb_image_free(img);
    *img = small;
    return LB_OK;
}

static lb_status run(job *j) {
    png_read_info(j->png, j->info);
    lb_status st = check_size(j);
    if (st != LB_OK) return st;
    transforms(j);
    st = lb_image_new(&j->img, (int32_t)png_get_image_width(j->png, j->info), (int32_t)png_get_image_height(j->png, j->info), png_get_channels(j->png, j->info),
                      png_get_bit_depth(j->png, j->info));
    if (st != LB_OK) return st;
    size_t row = png_get_rowbytes(j->png, j->info), height = (size_t)j->img.height;
    if (row != (size_t)j->img.width * (size_t)j->img.channels * (size_t)(j->img.bits / 8)) return lb_fail(LB_E_BUG, "PNG rows of %zu bytes", row);
    memset(j->img.pixels, 0, row * height); /* libpng leaves rows untouched that a damaged file does not fill */
    if (!(j->rows = lb_alloc(height, sizeof *j->rows))) return LB_E_NOMEM;
    for (size_t y = 0; y < height; y++) j->rows[y] = (uint8_t *)j->img.pixels + y * row;
    j->started = true;
    png_read_image(j->png, j->rows);
    return LB_OK;
}

static lb_status damaged(const job *j) {
    if (j->starved) return lb_fail(LB_E_FORMAT, "PNG is truncated: data ends %s", j->started ? "in the pixels" : "in the header");
    return lb_fail(LB_E_FORMAT, "PNG is damaged: %s", j->text);
}

static void finish(job *j) {
    png_destroy_read_struct(&j->png, &j->info, NULL);
    lb_free(j->rows);
    lb_image_free(&j->img);
    lb_free(j);
}

static lb_status header(job *j) {
    png_read_info(j->png, j->info);
    return LB_OK;
}

/* Work under a setjmp; what it made is in j. */
static lb_status guarded(job *j, lb_status (*work)(job *j)) {
    if (setjmp(png_jmpbuf(j->png)) == 0) return work(j);
    return j->o.partial && j->started ? LB_OK : damaged(j);
}

/* The picture that every program shows. */
static lb_status first(lb_image *out, const uint8_t *data, size_t size, int64_t frames, const lb_decode_options *o) {
    job *j = lb_calloc(1, sizeof *j);
    if (!j) return LB_E_NOMEM;
    if (o) j->o = *o;
    j->frames = frames;
    lb_status st = LB_OK;
    LB_TRY(begin(j, data, size));
    LB_TRY(guarded(j, run));
    if (j->img.bits == 16 && !j->o.keep_depth) LB_TRY(reduce(&j->img, j->clipped));
    LB_TRY(lbi_finish(out, &j->img, j->o.keep_orientation ? 1 : orientation_of(data, size)));
done:
    finish(j);
    return st;
}

typedef struct animation {
    const uint8_t *data;
    size_t size;
    int64_t count;
    bool apart; /* frame 0 is none of the animation's */
    lbi_av_walk *walk;
} animation;

static lb_status start(void **state, const uint8_t *data, size_t size) {
    animation *a = lb_calloc(1, sizeof *a);
    if (!a) return LB_E_NOMEM;
    *a = (animation){.data = data, .size = size};
    a->count = frames_of(data, size, &a->apart);
    *state = a;
    return LB_OK;
}

static lb_status at(lb_image *out, void *state, const lb_decode_options *o) {
    animation *a = state;
    const AVFrame *frame = NULL;
    lb_image img = {0};
    int64_t i = o ? o->frame : 0;
    if (i == 0 || i >= a->count) return first(out, a->data, a->size, a->count, o);
    lb_status st = a->size < IHDR_END ? lb_fail(LB_E_FORMAT, "PNG is truncated: data ends in the header") : lbi_check_pixels("PNG", be32(a->data + 16), be32(a->data + 20), a->count, o);
    if (st == LB_OK && !a->walk) st = lbi_av_walk_open(&a->walk, a->data, a->size, "apng", "PNG animation");
    if (st == LB_OK) st = lbi_av_walk_to(&frame, a->walk, i - a->apart);
    if (st == LB_OK) st = lbi_av_picture(&img, frame, o->keep_depth);
    if (st == LB_OK) st = lbi_finish(out, &img, o->keep_orientation ? 1 : orientation_of(a->data, a->size));
    lb_image_free(&img);
    return st;
}

static void end(void *state) {
    animation *a = state;
    if (a) lbi_av_walk_close(a->walk);
    lb_free(a);
}

LB_DECODER(png);

static lb_status decode(lb_image *out, const uint8_t *data, size_t size, const lb_decode_options *o) { return lbi_decode_one(out, &lb_decoder_png, data, size, o); }

static lb_status info(lb_media_info *out, const uint8_t *data, size_t size) {
    job *j = lb_calloc(1, sizeof *j);
    if (!j) return LB_E_NOMEM;
    lb_status st = LB_OK;
    bool apart;
    LB_TRY(begin(j, data, size));
    LB_TRY(guarded(j, header));
    int colour = png_get_color_type(j->png, j->info);
    bool palette = colour == PNG_COLOR_TYPE_PALETTE, clear = png_get_valid(j->png, j->info, PNG_INFO_tRNS) != 0;
    int channels = palette ? 3 : png_get_channels(j->png, j->info);
    *out = (lb_media_info){.kind = "image", .codec = "png", .width = (int32_t)png_get_image_width(j->png, j->info),
                           .height = (int32_t)png_get_image_height(j->png, j->info), .channels = channels + clear,
                           .bits = png_get_bit_depth(j->png, j->info) == 16 ? 16 : 8, .orientation = orientation_of(data, size), .frames = frames_of(data, size, &apart)};
    const char *parts[4] = {png_get_interlace_type(j->png, j->info) ? "interlaced" : NULL, palette ? "palette" : NULL, clear ? "transparent colour" : NULL, out->frames > 1 ? "animated" : NULL};
    if (palette && clear) parts[1] = "palette with transparency", parts[2] = NULL;
    for (int i = 0; i < 4; i++) {
        size_t n = strlen(out->note);
        if (parts[i]) snprintf(out->note + n, sizeof out->note - n, "%s%s", n ? ", " : "", parts[i]);
    }
done:
    finish(j);
    return st;
}

static int probe(const uint8_t *head, size_t size) {
    return size >= sizeof signature && memcmp(head, signature, sizeof signature) == 0 ? 100 : 0;
}

LB_DECODER(png) = {.id = "png", .title = "PNG: all colour types and depths, interlaced, palette, transparency, animations",
                   .source = "W3C PNG, second edition, through libpng; depths reduced as Pillow 13.0; animations through FFmpeg", .kind = "image", .endings = "png apng",
                   .probe = probe, .info = info, .decode = decode, .begin = start, .at = at, .end = end};
