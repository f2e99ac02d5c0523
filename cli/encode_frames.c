/* SPDX-License-Identifier: Apache-2.0 */
/* Frames of a video, evenly over its length, through a network of pictures: a tap is [frames, ...]. A video with fewer frames gives its last one again. */
#include <string.h>
#include "cli/encode_private.h"
#include "io/image.h"
#include "io/video.h"

lb_status encode_frames_plan(encode_job *j) {
    if (!j->needs.image || j->needs.text || j->needs.features || j->spec->views) return lb_fail(LB_E_UNSUPPORTED, "--frames are of videos for a network of pictures alone, without --views");
    for (int i = 0; i < j->ntaps; i++) {
        lb_tap_spec *t = &j->taps[i];
        if (t->ragged || t->topk) return lb_fail(LB_E_UNSUPPORTED, "tap '%s' %s: it cannot have several frames", t->name, t->topk ? "keeps its largest logits" : "varies in length");
        if (t->rank + 1 > LB_MAX_RANK) return lb_fail(LB_E_SHAPE, "tap '%s' of rank %d has no room for frames", t->name, t->rank);
        memmove(t->shape + 1, t->shape, (size_t)t->rank * sizeof *t->shape);
        t->shape[0] = j->spec->frames;
        t->rank++;
    }
    j->views = j->spec->frames;
    return LB_OK;
}

/* Frame `which` as picture number i of the sample. */
static lb_status add_frame(const encode_job *j, const lb_item *item, encode_sample *s, lb_video *v, int64_t which, int64_t i) {
    lb_image raw = {0}, ready = {0};
    lb_status st = lb_video_read(&raw, v, which);
    if (st == LB_OK) st = lb_image_spec_geometry(&ready, &raw, &j->m->image);
    size_t size = 3 * (size_t)ready.width * (size_t)ready.height;
    if (st == LB_OK && !s->image) {
        s->width = ready.width;
        s->height = ready.height;
        if (!(s->image = lb_alloc((size_t)j->views * size, sizeof *s->image))) st = LB_E_NOMEM;
    }
    if (st == LB_OK && (ready.width != s->width || ready.height != s->height))
        st = lb_fail(LB_E_SHAPE, "item '%s': frames of %dx%d and %dx%d", item->key, s->width, s->height, ready.width, ready.height);
    if (st == LB_OK) lb_image_spec_normalise(s->image + (size_t)i * size, &ready, &j->m->image);
    lb_image_free(&raw);
    lb_image_free(&ready);
    return st;
}

lb_status encode_frames_prepare(const encode_job *j, const lb_item *item, encode_sample *s) {
    lb_status st = LB_OK;
    lb_video *v = NULL;
    int64_t *which = NULL, count = 0;
    double at = lb_now();
    if (!item->video) return lb_fail(LB_E_NOTFOUND, "item '%s' has no video: --frames are of videos", item->key);
    LB_TRY(lb_video_open(&v, item->video, NULL));
    LB_TRY(lb_video_choose(&which, &count, v, "uniform", (double)j->views));
    if (count < 1) LB_TRY(lb_fail(LB_E_FORMAT, "%s: video without a frame", item->video));
    for (int64_t i = 0; i < j->views; i++) {
        if (i < count) LB_TRY(add_frame(j, item, s, v, which[i], i));
        else {
            size_t size = 3 * (size_t)s->width * (size_t)s->height;
            memcpy(s->image + (size_t)i * size, s->image + (size_t)(count - 1) * size, size * sizeof *s->image);
        }
    }
    encode_lap(j, ENCODE_DECODE, at);
done:
    lb_free(which);
    lb_video_close(v);
    return st;
}
