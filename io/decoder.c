/* SPDX-License-Identifier: Apache-2.0 */
#include "io/decoder.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "io/decoder_private.h"
#include "io/image.h"
#include "io/uri.h"

enum { SHOWN = 8, DEFAULT_PIXELS = 178956970 };

lb_status lbi_check_pixels(const char *what, int64_t width, int64_t height, int64_t frames, const lb_decode_options *o) {
    int64_t limit = o && o->max_pixels ? o->max_pixels : DEFAULT_PIXELS, pixels;
    if (o && (o->frame < 0 || o->frame >= frames)) return lb_fail(LB_E_ARG, "frame %lld of %lld asked of %s", (long long)o->frame, (long long)frames, what);
    if (width < 1 || height < 1 || width > INT32_MAX || height > INT32_MAX)
        return lb_fail(LB_E_FORMAT, "%s declares %lld x %lld pixels", what, (long long)width, (long long)height);
    if (!lb_mul_i64(&pixels, width, height) || pixels > limit)
        return lb_fail(LB_E_LIMIT, "%s declares %lld x %lld pixels, the limit is %lld in all", what, (long long)width, (long long)height, (long long)limit);
    return LB_OK;
}

lb_status lbi_finish(lb_image *out, lb_image *take_own, int orientation) {
    if (orientation <= 1) {
        *out = *take_own;
        *take_own = (lb_image){0};
        return LB_OK;
    }
    return lb_image_orient(out, take_own, orientation);
}

/* Is `ending` one of the words of `list`? ASCII case ignored. */
static bool is_word(const char *list, const char *ending) {
    size_t n = strlen(ending);
    for (const char *p = list; n && *p;) {
        size_t m = strcspn(p, " ");
        if (m == n && strncasecmp(p, ending, n) == 0) return true;
        p += m + (p[m] == ' ');
    }
    return false;
}

static const lb_decoder *by_ending(const char *name) {
    const char *ending = name ? lb_path_ending(name) : "";
    for (int i = 0; i < lb_decoders.count; i++) {
        const lb_decoder *d = (const lb_decoder *)lb_decoders.members[i];
        if (is_word(d->endings, ending)) return d;
    }
    return NULL;
}

lb_status lb_decoder_for(const lb_decoder **out, const uint8_t *data, size_t size, const char *name) {
    const char *shown = name ? name : "data";
    if (size == 0) return lb_fail(LB_E_FORMAT, "%s: is empty", shown);
    const lb_decoder *best = NULL;
    int most = 0;
    for (int i = 0; i < lb_decoders.count; i++) {
        const lb_decoder *d = (const lb_decoder *)lb_decoders.members[i];
        int score = d->probe(data, size);
        if (score > most) most = score, best = d;
    }
    if (best) {
        *out = best;
        return LB_OK;
    }
    char bytes[SHOWN * 3 + 1] = "", text[SHOWN + 1] = "";
    for (size_t i = 0; i < SHOWN && i < size; i++) {
        snprintf(bytes + 3 * i, 4, "%02x ", data[i]);
        text[i] = data[i] >= ' ' && data[i] < 127 ? (char)data[i] : '.';
    }
    const lb_decoder *promised = by_ending(name);
    if (promised)
        return lb_fail(LB_E_UNSUPPORTED, "%s: is no %s although its name ends so: first bytes %s\"%s\"", shown, promised->id, bytes, text);
    return lb_fail(LB_E_UNSUPPORTED, "%s: no decoder knows it: first bytes %s\"%s\"", shown, bytes, text);
}

lb_status lbi_decode_one(lb_image *out, const lb_decoder *d, const uint8_t *data, size_t size, const lb_decode_options *o) {
    void *state = NULL;
    lb_status st = d->begin(&state, data, size);
    if (st == LB_OK) st = d->at(out, state, o);
    d->end(state);
    return st;
}

lb_status lbi_image_rgb(lb_image *img, lb_fit *fit) {
    lb_image rgb = {0};
    lb_status st = LB_OK;
    if (img->channels != 3 || img->bits != 8) {
        st = lb_image_to_rgb(&rgb, img);
        lb_image_free(img);
        *img = rgb;
    }
    if (st == LB_OK) st = lb_image_fit(img, fit);
    return st;
}

lb_status lb_image_decode_rgb(lb_image *out, const uint8_t *data, size_t size, const char *name, const lb_decode_options *o) {
    const lb_decoder *d = NULL;
    lb_status st = lb_decoder_for(&d, data, size, name);
    if (st != LB_OK) return st;
    const char *shown = name ? name : "data";
    if (!d->decode) return lb_fail(LB_E_UNSUPPORTED, "%s: is %s, not a picture", shown, d->kind);
    lb_decode_options eight = o ? *o : (lb_decode_options){0};
    eight.keep_depth = false;
    if (eight.fit) eight.fit->width = eight.fit->height = 0;
    lb_image own = {0};
    st = d->decode(&own, data, size, &eight);
    if (st == LB_OK) st = lbi_image_rgb(&own, eight.fit);
    if (st == LB_OK) *out = own;
    else lb_image_free(&own);
    return st == LB_OK ? st : lb_where(st, "%s", shown);
}

lb_status lb_image_read_rgb(lb_image *out, const char *path, const lb_decode_options *o) {
    return lb_uri_rgb(out, path, o, NULL);
}

lb_status lb_media_probe(lb_media_info *out, const char *path) {
    lb_mmap m = {0};
    const lb_decoder *d = NULL;
    lb_status st = lb_uri_map(&m, path);
    if (st != LB_OK) return st;
    st = lb_decoder_for(&d, m.data, m.size, path);
    if (st == LB_OK) {
        st = d->info(out, m.data, m.size);
        if (st != LB_OK) st = lb_where(st, "%s", path);
    }
    lb_mmap_close(&m);
    return st;
}
