/* SPDX-License-Identifier: Apache-2.0 */
/* Several augmented pictures of each item, so that a student sees what its teacher saw: a tap is [views, ...], and the tap `augment` [views, numbers]
 * holds what was drawn (MobileCLIP's reinforced data sets, Vasu et al., arXiv:2311.17049). View v of an item is drawn from (seed, v, key). */
#include <stdio.h>
#include <string.h>
#include "cli/encode_private.h"
#include "datasets/augments.h"
#include "io/image.h"

static int64_t numbers(const encode_job *j) { return j->spec->chain ? lb_chain_numbers(j->spec->chain) : LB_AUGMENT_NUMBERS; }

lb_status encode_views_plan(encode_job *j) {
    int64_t views = j->spec->views;
    if (!j->needs.image || j->needs.text || j->needs.features) return lb_fail(LB_E_UNSUPPORTED, "--views are of pictures; these taps need something else too");
    for (int i = 0; i < j->ntaps; i++) {
        lb_tap_spec *t = &j->taps[i];
        if (t->ragged || t->topk) return lb_fail(LB_E_UNSUPPORTED, "tap '%s' %s: it cannot have several views", t->name, t->topk ? "keeps its largest logits" : "varies in length");
        if (t->rank + 2 > LB_MAX_RANK) return lb_fail(LB_E_SHAPE, "tap '%s' of rank %d has no room for views", t->name, t->rank);
        memmove(t->shape + 1, t->shape, (size_t)t->rank * sizeof *t->shape);
        t->shape[0] = views;
        t->rank++;
    }
    j->taps[j->ntaps++] = (lb_tap_spec){.name = "augment", .rank = 2, .shape = {views, numbers(j)}, .dtype = LB_F32, .deflate = j->spec->deflate};
    j->views = views;
    return LB_OK;
}

/* View v, and what was drawn for it; what is applied is read back from there, as training will. */
static lb_status make_view(lb_image *out, const encode_job *j, const lb_image *raw, int64_t v, const char *key, float *drawn) {
    const cli_encode_spec *s = j->spec;
    lb_status st = LB_OK;
    lb_scene scene = {.own = 1};
    lb_value *row = NULL, *stored = NULL;
    if (!s->chain) {
        lb_augment_draw draw = lb_augment_of(&s->augment, raw->width, raw->height, s->seed, (uint64_t)v, key), again;
        lb_augment_pack(drawn, &draw);
        st = lb_augment_unpack(&again, drawn, raw->width, raw->height);
        return st == LB_OK ? lb_augment_apply(out, raw, &again) : st;
    }
    LB_TRY(lb_chain_draw(&row, s->chain, raw->width, raw->height, s->seed, (uint64_t)v, key));
    LB_TRY(lb_chain_pack(drawn, s->chain, row));
    LB_TRY(lb_chain_unpack(&stored, s->chain, drawn));
    LB_TRY(lb_image_crop(&scene.image, raw, 0, 0, raw->width, raw->height, NULL)); /* a copy */
    LB_TRY(lb_chain_apply(&scene, NULL, true, s->chain, stored));
    *out = scene.image;
    scene.image = (lb_image){0};
done:
    lb_scene_free(&scene);
    lb_value_free(row);
    lb_value_free(stored);
    return st;
}

lb_status encode_views_prepare(const encode_job *j, const lb_item *item, encode_sample *s) {
    lb_status st = LB_OK;
    lb_image raw = {0}, changed = {0}, ready = {0};
    double at = lb_now();
    LB_TRY(lb_item_image(&raw, j->spec->items, item));
    at = encode_lap(j, ENCODE_DECODE, at);
    if (!(s->draws = lb_alloc((size_t)(j->views * numbers(j)), sizeof *s->draws))) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t v = 0; v < j->views; v++) {
        LB_TRY(make_view(&changed, j, &raw, v, item->key, s->draws + v * numbers(j)));
        LB_TRY(lb_image_spec_geometry(&ready, &changed, &j->m->image));
        size_t size = 3 * (size_t)ready.width * (size_t)ready.height;
        if (!s->image) {
            s->width = ready.width;
            s->height = ready.height;
            s->image = lb_alloc((size_t)j->views * size, sizeof *s->image);
        }
        if (!s->image) st = LB_E_NOMEM;
        else if (ready.width != s->width || ready.height != s->height)
            st = lb_fail(LB_E_SHAPE, "item '%s': views of %dx%d and %dx%d; several views want a model with pictures of one size", item->key, s->width,
                         s->height, ready.width, ready.height);
        if (st != LB_OK) goto done;
        lb_image_spec_normalise(s->image + (size_t)v * size, &ready, &j->m->image);
        lb_image_free(&changed);
        lb_image_free(&ready);
    }
    encode_lap(j, ENCODE_PREPARE, at);
done:
    lb_image_free(&raw);
    lb_image_free(&changed);
    lb_image_free(&ready);
    return st;
}

void encode_views_text(lb_buf *out, const cli_encode_spec *s) {
    lb_buf_format(out, "views %lld seed %llu", (long long)s->views, (unsigned long long)s->seed);
    lb_value *list = s->chain ? lb_chain_value(s->chain) : NULL;
    if (list) {
        lb_buf_text(out, " ");
        if (lb_json_write(out, list, 0) != LB_OK) out->failed = true;
        lb_value_free(list);
        return;
    }
    for (const lb_param *p = lb_augment_params; p->type != LB_T_END; p++) {
        lb_buf_format(out, " %s=", p->name);
        lb_param_format(p, &s->augment, out);
    }
}
