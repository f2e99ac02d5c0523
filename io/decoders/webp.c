/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>
#include "io/decoder_private.h"
#include "io/exif.h"

enum { MAX_FRAMES = 100000 };

/* Orientation from the EXIF chunk, else from the XMP chunk. */
static int orientation_of(const WebPDemuxer *d) {
    WebPChunkIterator c;
    int found = 0;
    if (WebPDemuxGetChunk(d, "EXIF", 1, &c)) {
        size_t skip = c.chunk.size > 6 && memcmp(c.chunk.bytes, "Exif\0", 6) == 0 ? 6 : 0;
        found = lbi_exif_orientation(c.chunk.bytes + skip, c.chunk.size - skip);
        WebPDemuxReleaseChunkIterator(&c);
    }
    if (!found && WebPDemuxGetChunk(d, "XMP ", 1, &c)) {
        found = lbi_xmp_orientation(c.chunk.bytes, c.chunk.size);
        WebPDemuxReleaseChunkIterator(&c);
    }
    return found ? found : 1;
}

static lb_status status_of(VP8StatusCode code) {
    switch (code) {
    case VP8_STATUS_OUT_OF_MEMORY: return lb_fail(LB_E_NOMEM, "libwebp got no memory");
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED: return lb_fail(LB_E_FORMAT, "WebP is truncated");
    case VP8_STATUS_UNSUPPORTED_FEATURE: return lb_fail(LB_E_UNSUPPORTED, "WebP with a feature that libwebp does not know");
    default: return lb_fail(LB_E_FORMAT, "WebP is damaged");
    }
}

/* One picture; the incremental decoder shows how far a truncated file reaches. */
static lb_status still(lb_image *img, const uint8_t *data, size_t size, const WebPBitstreamFeatures *f, const lb_decode_options *o) {
    WebPDecoderConfig c;
    if (!WebPInitDecoderConfig(&c)) return lb_fail(LB_E_BUG, "libwebp is of another version than its headers");
    lb_status st = lb_image_new(img, f->width, f->height, f->has_alpha ? 4 : 3, 8);
    if (st != LB_OK) return st;
    size_t row = (size_t)img->width * (size_t)img->channels, all = row * (size_t)img->height;
    memset(img->pixels, 0, all);
    c.output.colorspace = f->has_alpha ? MODE_RGBA : MODE_RGB;
    c.output.is_external_memory = 1;
    c.output.u.RGBA = (WebPRGBABuffer){.rgba = img->pixels, .stride = (int)row, .size = all};
    if (!o || !o->partial) {
        VP8StatusCode code = WebPDecode(data, size, &c);
        return code == VP8_STATUS_OK ? LB_OK : status_of(code);
    }
    WebPIDecoder *d = WebPIDecode(NULL, 0, &c);
    if (!d) return lb_fail(LB_E_NOMEM, "libwebp got no memory");
    VP8StatusCode code = WebPIUpdate(d, data, size);
    int rows = 0;
    WebPIDecGetRGB(d, &rows, NULL, NULL, NULL);
    WebPIDelete(d);
    return code == VP8_STATUS_OK || (code == VP8_STATUS_SUSPENDED && rows > 0) ? LB_OK : status_of(code);
}

/* Header of a file that may be cut: *demux is NULL where only the first chunk can be read. */
static lb_status header(WebPBitstreamFeatures *f, WebPDemuxer **demux, int64_t *frames, const uint8_t *data, size_t size) {
    VP8StatusCode code = WebPGetFeatures(data, size, f);
    if (code != VP8_STATUS_OK) return status_of(code);
    WebPDemuxState state;
    *demux = WebPDemuxPartial(&(WebPData){data, size}, &state);
    *frames = *demux && f->has_animation ? WebPDemuxGetI(*demux, WEBP_FF_FRAME_COUNT) : 1;
    if (*frames < 1) return lb_fail(LB_E_FORMAT, "WebP animation is truncated: no frame");
    if (*frames > MAX_FRAMES) return lb_fail(LB_E_LIMIT, "WebP animation of %lld frames, the limit is %d", (long long)*frames, MAX_FRAMES);
    return LB_OK;
}

typedef struct animation {
    const uint8_t *data;
    size_t size;
    WebPBitstreamFeatures features;
    WebPDemuxer *demux;
    int64_t count, next; /* next: the frame that the walk gives next */
    WebPAnimDecoder *walk;
} animation;

static void end(void *state) {
    animation *f = state;
    if (!f) return;
    WebPAnimDecoderDelete(f->walk);
    WebPDemuxDelete(f->demux);
    lb_free(f);
}

static lb_status begin(void **state, const uint8_t *data, size_t size) {
    animation *f = lb_calloc(1, sizeof *f);
    if (!f) return LB_E_NOMEM;
    *f = (animation){.data = data, .size = size, .count = 1};
    lb_status st = header(&f->features, &f->demux, &f->count, data, size);
    if (st == LB_OK) *state = f;
    else end(f);
    return st;
}

static lb_status start(animation *f) {
    WebPAnimDecoderOptions how;
    if (!WebPAnimDecoderOptionsInit(&how)) return lb_fail(LB_E_BUG, "libwebp is of another version than its headers");
    how.color_mode = MODE_RGBA;
    f->walk = WebPAnimDecoderNew(&(WebPData){f->data, f->size}, &how);
    return f->walk ? LB_OK : lb_fail(LB_E_FORMAT, "WebP animation is damaged");
}

/* Frame `wanted` of an animation on its canvas. */
static lb_status animated(lb_image *img, animation *f, int64_t wanted) {
    WebPAnimInfo info;
    uint8_t *canvas = NULL;
    int end_ms;
    lb_status st = f->walk ? LB_OK : start(f);
    if (st != LB_OK) return st;
    if (wanted < f->next) WebPAnimDecoderReset(f->walk), f->next = 0;
    int got = WebPAnimDecoderGetInfo(f->walk, &info);
    for (; got && f->next <= wanted; f->next++) got = WebPAnimDecoderGetNext(f->walk, &canvas, &end_ms);
    if (!got) f->next = f->count; /* begin anew whatever is asked next */
    st = got ? lb_image_new(img, (int32_t)info.canvas_width, (int32_t)info.canvas_height, 4, 8) : lb_fail(LB_E_FORMAT, "WebP animation is damaged");
    if (st == LB_OK) memcpy(img->pixels, canvas, (size_t)info.canvas_width * (size_t)info.canvas_height * 4);
    return st;
}

static lb_status at(lb_image *out, void *state, const lb_decode_options *o) {
    animation *f = state;
    lb_image img = {0};
    lb_status st = lbi_check_pixels("WebP", f->features.width, f->features.height, f->count, o);
    if (st == LB_OK) st = f->features.has_animation ? animated(&img, f, o ? o->frame : 0) : still(&img, f->data, f->size, &f->features, o);
    if (st == LB_OK) st = lbi_finish(out, &img, f->demux && !(o && o->keep_orientation) ? orientation_of(f->demux) : 1);
    lb_image_free(&img);
    return st;
}

LB_DECODER(webp);

static lb_status decode(lb_image *out, const uint8_t *data, size_t size, const lb_decode_options *o) { return lbi_decode_one(out, &lb_decoder_webp, data, size, o); }

static double seconds_of(const WebPDemuxer *d) {
    WebPIterator it;
    double sum = 0;
    if (!WebPDemuxGetFrame(d, 1, &it)) return 0;
    do sum += it.duration * 1e-3;
    while (WebPDemuxNextFrame(&it));
    WebPDemuxReleaseIterator(&it);
    return sum;
}

static lb_status info(lb_media_info *out, const uint8_t *data, size_t size) {
    WebPBitstreamFeatures f;
    WebPDemuxer *demux = NULL;
    int64_t frames = 1;
    lb_status st = header(&f, &demux, &frames, data, size);
    if (st == LB_OK) {
        static const char *const ways[] = {"mixed", "lossy", "lossless"};
        *out = (lb_media_info){.kind = "image", .codec = "webp", .width = f.width, .height = f.height, .channels = f.has_alpha ? 4 : 3, .bits = 8,
                               .orientation = demux ? orientation_of(demux) : 1, .frames = frames};
        if (f.has_animation && demux) out->duration_s = seconds_of(demux);
        if (out->duration_s > 0) out->rate_hz = (double)frames / out->duration_s;
        snprintf(out->note, sizeof out->note, "%s%s", f.format >= 0 && f.format < 3 ? ways[f.format] : "", f.has_animation ? ", animated" : "");
    }
    WebPDemuxDelete(demux);
    return st;
}

static int probe(const uint8_t *head, size_t size) {
    return size >= 12 && memcmp(head, "RIFF", 4) == 0 && memcmp(head + 8, "WEBP", 4) == 0 ? 100 : 0;
}

LB_DECODER(webp) = {.id = "webp", .title = "WebP: lossy, lossless, alpha, animations", .source = "WebP container specification through libwebp (fancy upsampling, as Pillow 13.0)",
                    .kind = "image", .endings = "webp", .probe = probe, .info = info, .decode = decode,
                    .begin = begin, .at = at, .end = end};
