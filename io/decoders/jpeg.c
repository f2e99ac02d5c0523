/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <jpeglib.h>
#include <jerror.h>
#include "io/decoder_private.h"
#include "io/exif.h"
#include "io/image.h"
#include "io/resize.h"

enum { MAX_SCANS = 500, STRIP = 512 << 10, STRIP_ROWS = 16, LINE = 64, OFF_LINE = 8 };

/* Everything that must survive a longjmp lives here. */
typedef struct job {
    struct jpeg_decompress_struct c;
    struct jpeg_error_mgr err;
    struct jpeg_source_mgr src;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    char text[JMSG_LENGTH_MAX];
    lb_decode_options o;
    bool starved;
    lb_image img;
    uint8_t *line; /* one CMYK row */
    uint8_t *strip; /* rows on their way to the resize */
    lbi_across across;
    bool upright;
} job;

static void on_error(j_common_ptr c) {
    job *j = c->client_data;
    c->err->format_message(c, j->text);
    longjmp(j->jump, 1);
}

static void on_message(j_common_ptr c) {
}

static void on_warning(j_common_ptr c, int level) {
    if (level < 0) c->err->num_warnings++;
}

/* Each scan of a progressive file costs a pass over all coefficients, whatever its length: a file of empty scans would take hours. */
static void on_progress(j_common_ptr c) {
    job *j = c->client_data;
    if (j->c.input_scan_number <= MAX_SCANS) return;
    snprintf(j->text, sizeof j->text, "more than %d scans", MAX_SCANS);
    longjmp(j->jump, 1);
}

static void src_nothing(j_decompress_ptr c) {
}

/* The data has ended: stop (FALSE suspends the decoder), or feed an end marker so that what is there is finished. */
static boolean src_fill(j_decompress_ptr c) {
    static const JOCTET end[2] = {0xFF, JPEG_EOI};
    job *j = c->client_data;
    j->starved = true;
    if (!j->o.partial) return FALSE;
    c->src->next_input_byte = end;
    c->src->bytes_in_buffer = sizeof end;
    return TRUE;
}

static void src_skip(j_decompress_ptr c, long n) {
    size_t have = c->src->bytes_in_buffer;
    size_t k = n < 0 ? 0 : (size_t)n < have ? (size_t)n : have;
    c->src->next_input_byte += k;
    c->src->bytes_in_buffer -= k;
}

static void begin(job *j, const uint8_t *data, size_t size) {
    j->c.err = jpeg_std_error(&j->err);
    j->err.error_exit = on_error;
    j->err.output_message = on_message;
    j->err.emit_message = on_warning;
    j->c.client_data = j;
    jpeg_create_decompress(&j->c);
    j->src = (struct jpeg_source_mgr){.next_input_byte = data, .bytes_in_buffer = size, .init_source = src_nothing, .fill_input_buffer = src_fill,
                                      .skip_input_data = src_skip, .resync_to_restart = jpeg_resync_to_restart, .term_source = src_nothing};
    j->c.src = &j->src;
    j->progress.progress_monitor = on_progress;
    j->c.progress = &j->progress;
}

static lb_status truncated(const job *j) {
    if (j->img.pixels || j->across.out.pixels) return lb_fail(LB_E_FORMAT, "JPEG is truncated: data ends in row %u of %u", j->c.output_scanline, j->c.output_height);
    return lb_fail(LB_E_FORMAT, "JPEG is truncated: data ends in the header");
}

/* Pillow's CMYK to RGB (Convert.c) after its inversion of CMYK files (JpegImagePlugin.py assumes Adobe's convention): with the stored,
 * inverted values c' = 255-c and k' = 255-k the result is k' - (255-c') k' / 255, rounded. */
static void from_cmyk(uint8_t *rgb, const uint8_t *cmyk, size_t n) {
    for (size_t i = 0; i < n; i++, rgb += 3, cmyk += 4)
        for (int c = 0; c < 3; c++) {
            int k = cmyk[3], product = (255 - cmyk[c]) * k + 128, ink = ((product >> 8) + product) >> 8;
            rgb[c] = (uint8_t)(k - ink < 0 ? 0 : k - ink);
        }
}

static lb_status header(job *j) {
    if (jpeg_read_header(&j->c, TRUE) == JPEG_SUSPENDED) return truncated(j);
    lb_status st = lbi_check_pixels("JPEG", j->c.image_width, j->c.image_height, 1, &j->o);
    if (st != LB_OK) return st;
    switch (j->c.num_components) {
    case 1: j->c.out_color_space = JCS_GRAYSCALE; break;
    case 3: j->c.out_color_space = JCS_RGB; break;
    case 4: j->c.out_color_space = JCS_CMYK; break;
    default: return lb_fail(LB_E_UNSUPPORTED, "JPEG of %d components: 1, 3 and 4 are handled", j->c.num_components);
    }
    return LB_OK;
}

static lb_status rows(job *j) {
    bool cmyk = j->c.num_components == 4;
    size_t row = (size_t)j->img.width * (size_t)j->img.channels;
    while (j->c.output_scanline < j->c.output_height) {
        uint8_t *at = (uint8_t *)j->img.pixels + (size_t)j->c.output_scanline * row;
        JSAMPROW to[4] = {at, at + row, at + 2 * row, at + 3 * row};
        JDIMENSION left = j->c.output_height - j->c.output_scanline;
        if (cmyk) to[0] = j->line;
        if (jpeg_read_scanlines(&j->c, to, cmyk ? 1 : left < 4 ? left : 4) == 0) return truncated(j);
        if (cmyk) from_cmyk(at, j->line, (size_t)j->img.width);
    }
    return LB_OK;
}

/* Bytes from a row of the strip to the next. libjpeg-turbo writes rows that begin at a multiple of 16 or 32 past the cache (jdcolext-*.asm), where
 * the resize would have to fetch them from memory; so none does. */
static size_t strip_row(const job *j) { return ((size_t)j->c.output_width * 3 + LINE - 1) / LINE * LINE; }

/* As many as a cache of the second level holds beside the rest, since each change between decoding and resizing costs some microseconds. */
static JDIMENSION strip_rows(const job *j) {
    size_t rows = STRIP / strip_row(j);
    return rows < STRIP_ROWS ? STRIP_ROWS : rows < j->c.output_height ? (JDIMENSION)rows : j->c.output_height;
}

/* Rows that are resized while the cache holds them. */
static lb_status rows_across(job *j) {
    size_t row = strip_row(j);
    uint8_t *strip = j->strip + OFF_LINE;
    JDIMENSION filled = 0, most = strip_rows(j);
    while (j->c.output_scanline < j->c.output_height) {
        uint8_t *at = strip + filled * row;
        JSAMPROW to[4] = {at, at + row, at + 2 * row, at + 3 * row};
        JDIMENSION room = most - filled, got = jpeg_read_scanlines(&j->c, to, room < 4 ? room : 4);
        if (got == 0) return truncated(j);
        filled += got;
        if (filled < most && j->c.output_scanline < j->c.output_height) continue;
        lbi_across_rows(&j->across, strip, row, (int32_t)filled);
        filled = 0;
    }
    return LB_OK;
}

/* Back from a smaller scale: what is resized behind must know the picture's own size. */
static void unshrink(job *j) {
    j->c.scale_num = j->c.scale_denom = 1;
    jpeg_calc_output_dimensions(&j->c);
}

/* Decodes straight into a smaller picture where the resize begins with its horizontal pass; *done false: nothing was done. */
static lb_status fit(job *j, bool *done) {
    lb_fit *f = j->o.fit;
    int32_t w = (int32_t)j->c.output_width, h = (int32_t)j->c.output_height, width = w, height = h;
    if (!f) return LB_OK;
    f->size(f->ctx, w, h, &width, &height);
    bool can = j->upright && !j->o.partial && j->c.num_components == 3 && width > 0 && height > 0 && lbi_resize_is_across_first(w, h, width, height, f->filter);
    if (!can) {
        unshrink(j);
        return LB_OK;
    }
    *done = true;
    lb_status st = lbi_across_begin(&j->across, w, h, 3, width, f->filter, lbi_resize_best());
    if (st == LB_OK && !(j->strip = lb_alloc_aligned(strip_row(j) * strip_rows(j) + LINE))) st = LB_E_NOMEM;
    if (st == LB_OK && !jpeg_start_decompress(&j->c)) st = truncated(j);
    if (st == LB_OK) st = rows_across(j);
    if (st == LB_OK) st = lb_image_resize(&j->img, &j->across.out, width, height, f->filter);
    if (st == LB_OK) f->width = (int32_t)j->c.image_width, f->height = (int32_t)j->c.image_height;
    return st;
}

/* The smallest of 1/1, 1/2, 1/4, 1/8 that keeps the shorter side. */
static void shrink(job *j) {
    JDIMENSION side = j->c.image_width < j->c.image_height ? j->c.image_width : j->c.image_height;
    j->c.scale_num = j->c.scale_denom = 1;
    while (j->o.at_least > 0 && j->c.scale_denom < 8 && (side + 2 * j->c.scale_denom - 1) / (2 * j->c.scale_denom) >= (JDIMENSION)j->o.at_least) j->c.scale_denom *= 2;
    j->c.dct_method = JDCT_ISLOW;
    j->c.do_fancy_upsampling = TRUE;
    jpeg_calc_output_dimensions(&j->c);
}

/* Everything between create and destroy; may leave through a longjmp to the caller. */
static lb_status run(job *j) {
    lb_status st = header(j);
    if (st != LB_OK) return st;
    shrink(j);
    bool done = false;
    st = fit(j, &done);
    if (st != LB_OK || done) return st;
    st = lb_image_new(&j->img, (int32_t)j->c.output_width, (int32_t)j->c.output_height, j->c.num_components == 1 ? 1 : 3, 8);
    if (st != LB_OK) return st;
    if (j->o.partial) memset(j->img.pixels, 0, (size_t)j->img.width * (size_t)j->img.height * (size_t)j->img.channels);
    if (j->c.num_components == 4 && !(j->line = lb_alloc((size_t)j->img.width, 4))) return LB_E_NOMEM;
    if (!jpeg_start_decompress(&j->c)) return truncated(j);
    return rows(j);
}

typedef struct segments {
    int orientation;
    bool adobe;
} segments;

/* Walks the marker segments up to the first scan (ISO/IEC 10918-1 B.1) for EXIF and XMP. EXIF wins. */
static segments read_segments(const uint8_t *p, size_t size) {
    static const char xmp_id[] = "http://ns.adobe.com/xap/1.0/";
    segments s = {0};
    int exif = 0, xmp = 0;
    for (size_t at = 2; at + 4 <= size && p[at] == 0xFF;) {
        int marker = p[at + 1];
        if (marker == 0xFF) {
            at++;
            continue;
        }
        if (marker == 0x01 || (marker >= 0xD0 && marker <= 0xD8)) {
            at += 2;
            continue;
        }
        if (marker == 0xD9 || marker == 0xDA) break;
        size_t n = (size_t)p[at + 2] << 8 | p[at + 3];
        if (n < 2 || n > size - at - 2) break;
        const uint8_t *body = p + at + 4;
        n -= 2;
        if (marker == 0xE1 && n > 6 && memcmp(body, "Exif\0", 6) == 0 && !exif) exif = lbi_exif_orientation(body + 6, n - 6);
        if (marker == 0xE1 && n > sizeof xmp_id && memcmp(body, xmp_id, sizeof xmp_id) == 0 && !xmp) xmp = lbi_xmp_orientation(body + sizeof xmp_id, n - sizeof xmp_id);
        if (marker == 0xEE && n >= 12 && memcmp(body, "Adobe", 5) == 0) s.adobe = true;
        at += 4 + n;
    }
    s.orientation = exif ? exif : xmp ? xmp : 1;
    return s;
}

/* Work under a setjmp; what it made is in j. */
static lb_status guarded(job *j, lb_status (*work)(job *j), const uint8_t *data, size_t size) {
    if (setjmp(j->jump) == 0) {
        begin(j, data, size);
        return work(j);
    }
    if (j->o.partial && j->img.pixels && j->c.output_scanline > 0) return LB_OK;
    if (j->err.msg_code == JERR_BAD_PRECISION || j->err.msg_code == JERR_SOF_UNSUPPORTED) return lb_fail(LB_E_UNSUPPORTED, "JPEG that libjpeg-turbo does not decode: %s", j->text);
    return lb_fail(LB_E_FORMAT, "JPEG is damaged: %s", j->text);
}

static lb_status decode(lb_image *out, const uint8_t *data, size_t size, const lb_decode_options *o) {
    job *j = lb_calloc(1, sizeof *j);
    if (!j) return LB_E_NOMEM;
    if (o) j->o = *o;
    lb_status st = LB_OK;
    int orientation = j->o.keep_orientation ? 1 : read_segments(data, size).orientation;
    j->upright = orientation <= 1;
    LB_TRY(guarded(j, run, data, size));
    LB_TRY(lbi_finish(out, &j->img, orientation));
done:
    lbi_across_free(&j->across);
    lb_free(j->strip);
    jpeg_destroy_decompress(&j->c);
    lb_image_free(&j->img);
    lb_free(j->line);
    lb_free(j);
    return st;
}

static lb_status info(lb_media_info *out, const uint8_t *data, size_t size) {
    job *j = lb_calloc(1, sizeof *j);
    if (!j) return LB_E_NOMEM;
    j->o.max_pixels = INT64_MAX;
    lb_status st = LB_OK;
    LB_TRY(guarded(j, header, data, size));
    segments s = read_segments(data, size);
    *out = (lb_media_info){.kind = "image", .codec = "jpeg", .width = (int32_t)j->c.image_width, .height = (int32_t)j->c.image_height,
                           .channels = j->c.num_components == 1 ? 1 : 3, .bits = 8, .orientation = s.orientation, .frames = 1};
    const char *ink = j->c.jpeg_color_space == JCS_YCCK ? "YCCK" : j->c.jpeg_color_space == JCS_CMYK ? "CMYK" : j->c.num_components == 1 ? "grey" : "";
    const char *way = j->c.progressive_mode ? "progressive" : "";
    snprintf(out->note, sizeof out->note, "%s%s%s%s", way, *way && *ink ? ", " : "", ink, j->c.num_components == 4 && s.adobe ? " (Adobe)" : "");
done:
    jpeg_destroy_decompress(&j->c);
    lb_free(j);
    return st;
}

static int probe(const uint8_t *head, size_t size) {
    return size >= 3 && head[0] == 0xFF && head[1] == 0xD8 && head[2] == 0xFF ? 100 : 0;
}

LB_DECODER(jpeg) = {.id = "jpeg", .title = "JPEG: baseline and progressive; grey, YCbCr, RGB, CMYK and YCCK",
                    .source = "ISO/IEC 10918-1 through libjpeg-turbo (slow integer DCT, fancy upsampling); colours as Pillow 13.0",
                    .kind = "image", .endings = "jpg jpeg jpe jfif", .probe = probe, .info = info, .decode = decode};
