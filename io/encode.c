/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdio.h>
#include <jpeglib.h>
#include <png.h>
#include <string.h>
#include "io/image.h"

/* ---- PNG ---- */

typedef struct png_job {
    png_structp png;
    png_infop info;
    lb_buf *out;
    char text[160];
} png_job;

static void png_failed(png_structp png, png_const_charp text) {
    png_job *j = png_get_error_ptr(png);
    snprintf(j->text, sizeof j->text, "%s", text);
    png_longjmp(png, 1);
}

static void png_warned(png_structp png, png_const_charp text) {
}

static void png_put(png_structp png, png_bytep bytes, png_size_t n) {
    lb_buf_add(((png_job *)png_get_io_ptr(png))->out, bytes, n);
}

static void png_flushed(png_structp png) {
}

static void png_run(png_job *j, const lb_image *img) {
    static const int colours[5] = {0, PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};
    png_set_write_fn(j->png, j, png_put, png_flushed);
    png_set_user_limits(j->png, 0x7FFFFFFF, 0x7FFFFFFF);
    png_set_IHDR(j->png, j->info, (png_uint_32)img->width, (png_uint_32)img->height, img->bits, colours[img->channels], PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(j->png, j->info);
    if (img->bits == 16) png_set_swap(j->png);
    size_t row = (size_t)img->width * (size_t)img->channels * (size_t)(img->bits / 8);
    for (int32_t y = 0; y < img->height; y++) png_write_row(j->png, (const uint8_t *)img->pixels + (size_t)y * row);
    png_write_end(j->png, NULL);
}

lb_status lb_png_encode(lb_buf *out, const lb_image *img) {
    if (img->channels < 1 || img->channels > 4 || (img->bits != 8 && img->bits != 16))
        return lb_fail(LB_E_ARG, "PNG takes 1 to 4 channels of 8 or 16 bits, not %d of %d", img->channels, img->bits);
    png_job *j = lb_calloc(1, sizeof *j);
    if (!j) return LB_E_NOMEM;
    j->out = out;
    j->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, j, png_failed, png_warned);
    j->info = j->png ? png_create_info_struct(j->png) : NULL;
    lb_status st = LB_OK;
    if (!j->info) st = lb_fail(LB_E_NOMEM, "libpng refused to start");
    else if (setjmp(png_jmpbuf(j->png)) == 0) png_run(j, img);
    else st = lb_fail(LB_E_BUG, "PNG encoding failed: %s", j->text);
    png_destroy_write_struct(&j->png, &j->info);
    lb_free(j);
    return st == LB_OK ? lb_buf_status(out) : st;
}

/* ---- JPEG ---- */

typedef struct jpeg_job {
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr err;
    struct jpeg_destination_mgr to;
    jmp_buf jump;
    char text[JMSG_LENGTH_MAX];
    lb_buf *out;
    JOCTET block[16384];
} jpeg_job;

static void jpeg_failed(j_common_ptr c) {
    jpeg_job *j = c->client_data;
    c->err->format_message(c, j->text);
    longjmp(j->jump, 1);
}

static void jpeg_silent(j_common_ptr c) {
}

static void to_begin(j_compress_ptr c) {
    jpeg_job *j = c->client_data;
    j->to.next_output_byte = j->block;
    j->to.free_in_buffer = sizeof j->block;
}

static boolean to_flush(j_compress_ptr c) {
    jpeg_job *j = c->client_data;
    lb_buf_add(j->out, j->block, sizeof j->block);
    to_begin(c);
    return TRUE;
}

static void to_end(j_compress_ptr c) {
    jpeg_job *j = c->client_data;
    lb_buf_add(j->out, j->block, sizeof j->block - j->to.free_in_buffer);
}

static void jpeg_run(jpeg_job *j, const lb_image *img, int quality) {
    jpeg_create_compress(&j->c);
    j->to = (struct jpeg_destination_mgr){.init_destination = to_begin, .empty_output_buffer = to_flush, .term_destination = to_end};
    j->c.dest = &j->to;
    j->c.image_width = (JDIMENSION)img->width;
    j->c.image_height = (JDIMENSION)img->height;
    j->c.input_components = img->channels;
    j->c.in_color_space = img->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&j->c);
    jpeg_set_quality(&j->c, quality, TRUE);
    j->c.dct_method = JDCT_ISLOW;
    jpeg_start_compress(&j->c, TRUE);
    size_t row = (size_t)img->width * (size_t)img->channels;
    while (j->c.next_scanline < j->c.image_height) {
        JSAMPROW line = (uint8_t *)img->pixels + (size_t)j->c.next_scanline * row;
        jpeg_write_scanlines(&j->c, &line, 1);
    }
    jpeg_finish_compress(&j->c);
}

lb_status lb_jpeg_encode(lb_buf *out, const lb_image *img, int quality) {
    if ((img->channels != 1 && img->channels != 3) || img->bits != 8)
        return lb_fail(LB_E_ARG, "JPEG takes 8-bit grey or RGB, not %d channels of %d bits", img->channels, img->bits);
    if (quality < 1 || quality > 100) return lb_fail(LB_E_ARG, "JPEG quality %d: 1 to 100 are possible", quality);
    jpeg_job *j = lb_calloc(1, sizeof *j);
    if (!j) return LB_E_NOMEM;
    lb_status st = LB_OK;
    j->out = out;
    j->c.err = jpeg_std_error(&j->err);
    j->err.error_exit = jpeg_failed;
    j->err.output_message = jpeg_silent;
    j->c.client_data = j;
    if (setjmp(j->jump) == 0) jpeg_run(j, img, quality);
    else st = lb_fail(LB_E_ARG, "JPEG encoding failed: %s", j->text);
    jpeg_destroy_compress(&j->c);
    lb_free(j);
    return st == LB_OK ? lb_buf_status(out) : st;
}
