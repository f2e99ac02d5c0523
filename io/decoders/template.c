/* SPDX-License-Identifier: Apache-2.0 */
/* To copy: cp template.c mine.c, DECODER(mine) in io/decoders.def, a fuzz corpus in tests/data. Limits are checked before memory is taken;
 * nothing in the file is trusted. This one: binary greyscale PGM with 8 bits (netpbm's "P5"). */
#include <stdio.h>
#include <string.h>
#include "io/decoder_private.h"

enum { HEADER = 64 };

static int probe(const uint8_t *head, size_t size) { return size >= 3 && head[0] == 'P' && head[1] == '5' && head[2] <= ' ' ? 80 : 0; }

static lb_status header(int *width, int *height, size_t *begin, const uint8_t *data, size_t size) {
    char text[HEADER + 1] = {0};
    int most = 0, used = 0;
    memcpy(text, data, size < HEADER ? size : HEADER);
    if (sscanf(text, "P5 %9d %9d %9d%n", width, height, &most, &used) != 3 || *width < 1 || *height < 1) return lb_fail(LB_E_FORMAT, "header of a PGM picture is broken");
    if (most != 255) return lb_fail(LB_E_UNSUPPORTED, "PGM with values up to %d, 255 wanted", most);
    *begin = (size_t)used + 1;
    return LB_OK;
}

static lb_status info(lb_media_info *out, const uint8_t *data, size_t size) {
    int width, height;
    size_t begin;
    lb_status st = header(&width, &height, &begin, data, size);
    if (st) return st;
    *out = (lb_media_info){.kind = "image", .codec = "pgm", .width = width, .height = height, .channels = 1, .bits = 8, .orientation = 1, .frames = 1};
    return LB_OK;
}

static lb_status decode(lb_image *out, const uint8_t *data, size_t size, const lb_decode_options *o) {
    int width, height;
    size_t begin;
    lb_image img = {0};
    lb_status st = header(&width, &height, &begin, data, size);
    if (st) return st;
    int64_t pixels = (int64_t)width * height;
    if ((st = lbi_check_pixels("PGM", width, height, 1, o))) return st;
    if (size < begin || size - begin < (size_t)pixels) return lb_fail(LB_E_FORMAT, "picture is cut off: %zu of %lld pixels", size < begin ? 0 : size - begin, (long long)pixels);
    if ((st = lb_image_new(&img, width, height, 1, 8))) return st;
    memcpy(img.pixels, data + begin, (size_t)pixels);
    *out = img;
    return LB_OK;
}

LB_DECODER(template) = {.id = "template", .title = "binary greyscale PGM", .source = "netpbm's pgm(5)", .kind = "image", .endings = "pgm", .probe = probe, .info = info, .decode = decode};
