/* SPDX-License-Identifier: Apache-2.0 */
#include <libheif/heif.h>
#include <stdio.h>
#include <string.h>
#include "io/decoder_private.h"

typedef struct job {
    struct heif_context *context;
    struct heif_image_handle *handle;
    struct heif_image *image;
    struct heif_decoding_options *how;
    heif_item_id *ids;
    int64_t frames;
} job;

static void end(job *j) {
    if (j->image) heif_image_release(j->image);
    if (j->handle) heif_image_handle_release(j->handle);
    if (j->how) heif_decoding_options_free(j->how);
    if (j->context) heif_context_free(j->context);
    lb_free(j->ids);
}

static lb_status status_of(struct heif_error e) {
    switch (e.code) {
    case heif_error_Ok: return LB_OK;
    case heif_error_Memory_allocation_error:
        if (e.subcode == heif_suberror_Security_limit_exceeded) return lb_fail(LB_E_LIMIT, "HEIF beyond libheif's limits: %s", e.message);
        return lb_fail(LB_E_NOMEM, "libheif got no memory");
    case heif_error_Unsupported_feature:
    case heif_error_Unsupported_filetype: return lb_fail(LB_E_UNSUPPORTED, "HEIF: %s", e.message);
    default: return lb_fail(LB_E_FORMAT, "HEIF is truncated or damaged: %s", e.message);
    }
}

/* Opens picture `frame`: 0 is the primary one, the others follow in the file's order. */
static lb_status begin(job *j, const uint8_t *data, size_t size, int64_t frame) {
    j->context = heif_context_alloc();
    j->how = heif_decoding_options_alloc();
    if (!j->context || !j->how) return lb_fail(LB_E_NOMEM, "libheif got no memory");
    lb_status st = status_of(heif_context_read_from_memory_without_copy(j->context, data, size, NULL));
    if (st != LB_OK) return st;
    heif_item_id primary;
    int count = heif_context_get_number_of_top_level_images(j->context), used = 1;
    j->frames = count > 0 ? count : 1;
    if ((st = status_of(heif_context_get_primary_image_ID(j->context, &primary))) != LB_OK) return st;
    if (frame < 0 || frame >= j->frames) return lb_fail(LB_E_ARG, "frame %lld of %lld asked of HEIF", (long long)frame, (long long)j->frames);
    if (!(j->ids = lb_alloc((size_t)j->frames + 1, 2 * sizeof *j->ids))) return LB_E_NOMEM;
    heif_item_id *all = j->ids + j->frames + 1;
    count = heif_context_get_list_of_top_level_image_IDs(j->context, all, (int)j->frames);
    j->ids[0] = primary;
    for (int i = 0; i < count; i++)
        if (all[i] != primary) j->ids[used++] = all[i];
    if (frame >= used) return lb_fail(LB_E_FORMAT, "HEIF is damaged: %d pictures, %lld declared", used, (long long)j->frames);
    return status_of(heif_context_get_image_handle(j->context, j->ids[frame], &j->handle));
}

/* Copies an interleaved plane; samples of more than 8 bits become full-range 16-bit ones, 10-bit 1023 -> 65535 (bits repeated). */
static lb_status copy(lb_image *img, const struct heif_image *from, int channels, int depth) {
    int stride = 0, width = heif_image_get_width(from, heif_channel_interleaved), height = heif_image_get_height(from, heif_channel_interleaved);
    const uint8_t *plane = heif_image_get_plane_readonly(from, heif_channel_interleaved, &stride);
    if (!plane || width < 1 || height < 1) return lb_fail(LB_E_FORMAT, "HEIF picture is empty");
    lb_status st = lb_image_new(img, width, height, channels, depth > 8 ? 16 : 8);
    if (st != LB_OK) return st;
    size_t samples = (size_t)width * (size_t)channels, row = samples * (size_t)(img->bits / 8);
    for (int y = 0; y < height; y++) {
        uint8_t *to = (uint8_t *)img->pixels + (size_t)y * row;
        memcpy(to, plane + (size_t)y * (size_t)stride, row);
        for (size_t i = 0; depth > 8 && i < samples; i++) {
            uint16_t *v = (uint16_t *)(void *)to + i;
            *v = (uint16_t)(*v << (16 - depth) | *v >> (2 * depth - 16));
        }
    }
    return LB_OK;
}

static lb_status decode(lb_image *out, const uint8_t *data, size_t size, const lb_decode_options *o) {
    job j = {0};
    lb_image img = {0};
    lb_status st = LB_OK;
    LB_TRY(begin(&j, data, size, o ? o->frame : 0));
    LB_TRY(lbi_check_pixels("HEIF", heif_image_handle_get_width(j.handle), heif_image_handle_get_height(j.handle), j.frames, o));
    bool alpha = heif_image_handle_has_alpha_channel(j.handle);
    int depth = heif_image_handle_get_luma_bits_per_pixel(j.handle), channels = alpha ? 4 : 3;
    if (!o || !o->keep_depth || depth < 9 || depth > 16) depth = 8;
    j.how->ignore_transformations = o && o->keep_orientation;
    j.how->convert_hdr_to_8bit = depth == 8;
    j.how->decoder_id = "aom"; /* AVIF by libaom: dav1d prints what is wrong with a file; HEVC goes its way all the same */
    enum heif_chroma layout = depth == 8 ? (alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB)
                                         : (alpha ? heif_chroma_interleaved_RRGGBBAA_LE : heif_chroma_interleaved_RRGGBB_LE);
    LB_TRY(status_of(heif_decode_image(j.handle, &j.image, heif_colorspace_RGB, layout, j.how)));
    LB_TRY(copy(&img, j.image, channels, depth));
    *out = img;
done:
    end(&j);
    return st;
}

/* The major brand, and whether it is one of pictures. */
static const char *codec_of(const uint8_t *head, size_t size) {
    static const char *const brands[] = {"heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1", "avif", "avis"};
    if (size < 12 || memcmp(head + 4, "ftyp", 4) != 0) return NULL;
    for (size_t i = 0; i < LB_COUNT(brands); i++)
        if (memcmp(head + 8, brands[i], 4) == 0) return memcmp(brands[i], "av", 2) == 0 ? "avif" : "heic";
    return NULL;
}

/* mif1 says pictures of any codec; the compatible brands tell which. */
static bool has_brand(const uint8_t *data, size_t size, const char *brand) {
    size_t box = size >= 16 ? (size_t)data[2] << 8 | data[3] : 0;
    for (size_t at = 16; at + 4 <= box && at + 4 <= size; at += 4)
        if (memcmp(data + at, brand, 4) == 0) return true;
    return false;
}

static lb_status info(lb_media_info *out, const uint8_t *data, size_t size) {
    job j = {0};
    lb_status st = begin(&j, data, size, 0);
    if (st == LB_OK) {
        int w = heif_image_handle_get_width(j.handle), h = heif_image_handle_get_height(j.handle), bits = heif_image_handle_get_luma_bits_per_pixel(j.handle);
        int stored_w = heif_image_handle_get_ispe_width(j.handle), stored_h = heif_image_handle_get_ispe_height(j.handle);
        *out = (lb_media_info){.kind = "image", .width = w, .height = h, .channels = heif_image_handle_has_alpha_channel(j.handle) ? 4 : 3, .bits = bits > 8 ? 16 : 8,
                               .orientation = 1, .frames = j.frames};
        snprintf(out->codec, sizeof out->codec, "%s", has_brand(data, size, "avif") ? "avif" : codec_of(data, size));
        if (stored_w != w || stored_h != h) snprintf(out->note, sizeof out->note, "stored as %d x %d, turned or cut when decoded", stored_w, stored_h);
        else if (bits > 8) snprintf(out->note, sizeof out->note, "%d bits", bits);
    }
    end(&j);
    return st;
}

static int probe(const uint8_t *head, size_t size) { return codec_of(head, size) ? 100 : 0; }

LB_DECODER(heif) = {.id = "heif", .title = "HEIC and AVIF: 8 to 16 bits, alpha, several pictures",
                    .source = "ISO/IEC 23008-12 through libheif; turned and cut as the file says (not when the orientation is kept)", .kind = "image",
                    .endings = "heic heif avif hif", .probe = probe, .info = info, .decode = decode};
