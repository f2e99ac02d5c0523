/* SPDX-License-Identifier: Apache-2.0 */
/* Sounds and videos of a batch. */
#include <string.h>
#include "cli/source_private.h"
#include "io/audio.h"
#include "io/video.h"

/* ---- sound ---- */

static lb_status sound(float *dst, const lb_audio_prepare *p, const lb_item *item) {
    lb_audio a = {0};
    if (!item->audio) return lb_fail(LB_E_NOTFOUND, "item %s has no sound", item->key);
    lb_status st = lb_audio_read(&a, item->audio, &(lb_audio_options){.rate_hz = p->rate_hz, .channels = 1, .sixteen = p->sixteen});
    if (st == LB_OK && a.frames == 0) st = lb_fail(LB_E_FORMAT, "%s: sound without a sample", item->audio);
    if (st == LB_OK) st = lb_audio_prepare_run(dst, p, a.samples, a.frames < p->window ? a.frames : p->window);
    lb_audio_free(&a);
    return st == LB_OK ? st : lb_where(st, "item %s", item->key);
}

typedef struct part {
    const cli_source_spec *s;
    const int64_t *items;
    float *out;
    int64_t size, frames;
} part;

static lb_status one_sound(void *ctx, int64_t i, void **none) {
    const part *p = ctx;
    *none = NULL;
    return sound(p->out + i * p->size, p->s->audio, &p->s->items->at[p->items[i]]);
}

lb_status source_add_audio(const cli_source_spec *s, int hands, const int64_t *items, int64_t n, lb_batch *b, int64_t *bad) {
    int64_t shape[LB_MAX_RANK] = {n}, size = 1;
    int rank = 0;
    int64_t failed = 0;
    lb_tensor *x = NULL;
    lb_audio_prepare_shape(s->audio, s->audio->window, &rank, shape + 1);
    for (int d = 1; d <= rank; d++) size *= shape[d];
    lb_status st = source_add(b, "audio", LB_F32, rank + 1, shape, &x);
    if (st != LB_OK) return st;
    st = source_each(hands, n, one_sound, &(part){.s = s, .items = items, .out = x->data, .size = size}, &failed);
    if (st != LB_OK) *bad = items[failed];
    return st;
}

/* ---- video ---- */

static lb_status frame(float *dst, lb_video *v, int64_t i, const lb_image_spec *spec) {
    lb_image raw = {0}, ready = {0};
    lb_status st = lb_video_read(&raw, v, i);
    if (st == LB_OK) st = lb_image_spec_geometry(&ready, &raw, spec);
    if (st == LB_OK) lb_image_spec_normalise(dst, &ready, spec);
    lb_image_free(&raw);
    lb_image_free(&ready);
    return st;
}

static lb_status video(float *dst, int64_t frames, int64_t size, const lb_image_spec *spec, const lb_item *item) {
    lb_status st = LB_OK;
    lb_video *v = NULL;
    int64_t *which = NULL, count = 0;
    if (!item->video) return lb_fail(LB_E_NOTFOUND, "item %s has no video", item->key);
    LB_TRY(lb_video_open(&v, item->video, NULL));
    LB_TRY(lb_video_choose(&which, &count, v, "uniform", (double)frames));
    if (count < 1) LB_TRY(lb_fail(LB_E_FORMAT, "%s: video without a frame", item->video));
    for (int64_t i = 0; i < frames; i++) {
        if (i < count) LB_TRY(frame(dst + i * size, v, which[i], spec));
        else memcpy(dst + i * size, dst + (count - 1) * size, (size_t)size * sizeof *dst);
    }
done:
    lb_free(which);
    lb_video_close(v);
    return st == LB_OK ? st : lb_where(st, "item %s", item->key);
}

static lb_status one_video(void *ctx, int64_t i, void **none) {
    const part *p = ctx;
    *none = NULL;
    return video(p->out + i * p->frames * p->size, p->frames, p->size, p->s->image, &p->s->items->at[p->items[i]]);
}

lb_status source_add_video(const cli_source_spec *s, int hands, int64_t frames, const int64_t *items, int64_t n, lb_batch *b, int64_t *bad) {
    int32_t w, h;
    lb_tensor *x = NULL;
    lb_image_spec_size(s->image, s->image->size_w, s->image->size_h ? s->image->size_h : s->image->size_w, &w, &h);
    int64_t size = 3 * (int64_t)w * h, failed = 0;
    lb_status st = source_add(b, "video", LB_F32, 5, (int64_t[]){n, frames, 3, h, w}, &x);
    if (st != LB_OK) return st;
    st = source_each(hands, n, one_video, &(part){s, items, x->data, size, frames}, &failed);
    if (st != LB_OK) *bad = items[failed];
    return st;
}
