/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/masks.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "io/image.h"

enum { BATCH = 16 };

/* ---- an item's mask ---- */

static lb_status as_image(lb_image *out, const lb_labels *l) {
    lb_status st = lb_image_new(out, (int32_t)l->shape[1], (int32_t)l->shape[0], 3, 8);
    uint8_t *p = out->pixels;
    for (int64_t i = 0, n = lb_labels_count(l); st == LB_OK && i < n; i++) p[3 * i] = p[3 * i + 1] = p[3 * i + 2] = l->at[i];
    return st;
}

static lb_status as_labels(lb_labels *out, const lb_image *img) {
    *out = (lb_labels){.rank = 2, .shape = {img->height, img->width}, .spacing = {1, 1}};
    int64_t n = lb_labels_count(out);
    const uint8_t *p = img->pixels;
    if (!(out->at = lb_alloc((size_t)n, 1))) return LB_E_NOMEM;
    for (int64_t i = 0; i < n; i++) out->at[i] = p[3 * i];
    return LB_OK;
}

lb_status cli_mask_prepare(lb_labels *out, const lb_item *item, const lb_image_spec *spec, const lb_augment_draw *draw, bool nonzero) {
    lb_status st = LB_OK;
    lb_labels l = {0};
    lb_image raw = {0}, cut = {0}, ready = {0};
    lb_image_spec nearest = *spec;
    nearest.filter = "nearest";
    if (!item->mask) return lb_fail(LB_E_NOTFOUND, "item %s has no mask", item->key);
    LB_TRY(lb_labels_read(&l, item->mask));
    if (l.rank != 2) {
        st = lb_fail(LB_E_UNSUPPORTED, "item %s: %s is a volume; slices are masks of pictures", item->key, item->mask);
        goto done;
    }
    for (int64_t i = 0, n = lb_labels_count(&l); nonzero && i < n; i++) l.at[i] = l.at[i] != 0;
    LB_TRY(as_image(&raw, &l));
    if (draw) {
        lb_augment_draw geometry = *draw;
        geometry.brightness = geometry.contrast = geometry.saturation = 1;
        LB_TRY(lb_augment_apply(&cut, &raw, &geometry));
    }
    LB_TRY(lb_image_spec_geometry(&ready, draw ? &cut : &raw, &nearest));
    st = as_labels(out, &ready);
done:
    lb_labels_free(&l);
    lb_image_free(&raw);
    lb_image_free(&cut);
    lb_image_free(&ready);
    return st == LB_OK ? st : lb_where(st, "item %s", item->key);
}

/* Class k in the colour of a wheel; class 0 is left as it is. */
static void colour_of(int k, uint8_t out[3]) {
    double hue = fmod(k * 0.618033988749895, 1) * 6;
    for (int c = 0; c < 3; c++) {
        double d = fabs(fmod(hue - 2 * c + 6 + 3, 6) - 3);
        out[c] = (uint8_t)(255 * fmax(0, fmin(1, 2 - d)));
    }
}

lb_status cli_mask_overlay(lb_image *rgb, const lb_labels *labels) {
    lb_labels fitting = {0};
    lb_status st = lb_labels_resize(&fitting, labels, rgb->height, rgb->width);
    uint8_t *p = rgb->pixels;
    for (int64_t i = 0, n = st == LB_OK ? lb_labels_count(&fitting) : 0; i < n; i++) {
        uint8_t colour[3];
        if (!fitting.at[i]) continue;
        colour_of(fitting.at[i], colour);
        for (int c = 0; c < 3; c++) p[3 * i + c] = (uint8_t)((p[3 * i + c] + colour[c]) / 2);
    }
    lb_labels_free(&fitting);
    return st;
}

/* ---- what a network says ---- */

/* Plane i of logits [N,K,H,W]. */
static void decide(lb_labels *l, const lb_tensor *y, int64_t i) {
    int64_t classes = y->shape[1], size = y->shape[2] * y->shape[3];
    for (int64_t p = 0; p < size; p++) {
        int64_t best = 0;
        double most = lb_get_at(y, i * classes * size + p);
        for (int64_t k = 1; k < classes; k++) {
            double v = lb_get_at(y, (i * classes + k) * size + p);
            if (v > most) most = v, best = k;
        }
        l->at[p] = classes == 1 ? most >= 0.5 : (uint8_t)best;
    }
}

static lb_status run_batch(const cli_mask_spec *m, lb_tape *t, const int64_t *items, int64_t n, lb_tensor **y) {
    lb_batch b = {0};
    lb_named in[LB_COUNT(b.at)];
    lb_status st = cli_source_pictures(m->source, items, n, &b);
    if (st != LB_OK) return st;
    for (int i = 0; i < b.count; i++) in[i] = (lb_named){b.at[i].name, b.at[i].x};
    lb_model_run(m->model, t, b.count, in, 1, &m->tap, y);
    st = lb_tape_status(t);
    if (st == LB_OK && (!*y || (*y)->rank != 4 || (*y)->shape[0] != n)) st = lb_fail(LB_E_SHAPE, "tap '%s' is no map [N,K,H,W]", m->tap);
    if (st == LB_OK && (*y)->shape[1] > 255) st = lb_fail(LB_E_LIMIT, "tap '%s' has %lld classes, masks hold 255", m->tap, (long long)(*y)->shape[1]);
    cli_batch_release(&b);
    return st;
}

lb_status cli_masks_predict(const cli_mask_spec *m, const int64_t *items, int64_t count, lb_status (*seen)(void *ctx, int64_t place, const lb_labels *labels), void *ctx) {
    lb_status st = LB_OK;
    lb_tape *t = NULL;
    lb_labels l = {.rank = 2, .spacing = {1, 1}};
    LB_TRY(lb_tape_new(&t));
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    for (int64_t at = 0; at < count; at += BATCH) {
        int64_t n = count - at < BATCH ? count - at : BATCH;
        lb_tensor *y = NULL;
        LB_TRY(run_batch(m, t, items + at, n, &y));
        l.shape[0] = y->shape[2];
        l.shape[1] = y->shape[3];
        lb_free(l.at);
        if (!(l.at = lb_alloc((size_t)lb_labels_count(&l), 1))) {
            st = LB_E_NOMEM;
            goto done;
        }
        for (int64_t i = 0; i < n; i++) {
            decide(&l, y, i);
            LB_TRY(seen(ctx, at + i, &l));
        }
        lb_tape_reset(t);
    }
done:
    lb_free(l.at);
    lb_tape_free(t);
    return st;
}

/* ---- scores ---- */

typedef struct scoring {
    const cli_mask_spec *m;
    const int64_t *items;
    lb_segmentation *all;
    lb_class_counts *counts;
    const char **domain;  /* distinct */
    lb_segmentation **of; /* per domain */
    int64_t ndomains;
    lb_segmentation_options o;
} scoring;

static lb_status domain_of(scoring *s, const char *name, lb_segmentation **out) {
    for (int64_t i = 0; i < s->ndomains; i++)
        if (strcmp(s->domain[i], name) == 0) {
            *out = s->of[i];
            return LB_OK;
        }
    const char **names = lb_realloc(s->domain, (size_t)s->ndomains + 1, sizeof *names);
    if (names) s->domain = names;
    lb_segmentation **of = names ? lb_realloc(s->of, (size_t)s->ndomains + 1, sizeof *of) : NULL;
    if (!of) return LB_E_NOMEM;
    s->of = of;
    lb_status st = lb_segmentation_new(out, &s->o);
    if (st != LB_OK) return st;
    s->of[s->ndomains] = *out;
    s->domain[s->ndomains++] = name;
    return LB_OK;
}

static lb_status score_one(void *ctx, int64_t place, const lb_labels *guess) {
    scoring *s = ctx;
    lb_status st = LB_OK;
    lb_segmentation *domain = NULL;
    lb_labels truth = {0}, fitting = {0};
    const lb_item *item = &s->m->items->at[s->items[place]];
    LB_TRY(cli_mask_prepare(&truth, item, s->m->image, NULL, s->m->nonzero));
    if (!lb_labels_same_shape(&truth, guess)) LB_TRY(lb_labels_resize(&fitting, guess, truth.shape[0], truth.shape[1]));
    lb_segmentation_case c = {.key = item->key, .truth = truth.at, .guess = fitting.at ? fitting.at : guess->at, .rank = 2, .shape = {truth.shape[0], truth.shape[1]}};
    LB_TRY(lb_segmentation_count(s->all, &c, s->counts));
    LB_TRY(lb_segmentation_add(s->all, item->key, s->counts));
    if (item->domain) {
        LB_TRY(domain_of(s, item->domain, &domain));
        LB_TRY(lb_segmentation_add(domain, item->key, s->counts));
    }
done:
    lb_labels_free(&truth);
    lb_labels_free(&fitting);
    return st;
}

lb_status cli_masks_score(lb_value *out, const cli_mask_spec *m, const int64_t *items, int64_t count, const lb_segmentation_options *o) {
    lb_status st = LB_OK;
    scoring s = {.m = m, .items = items, .o = *o};
    lb_value *domains = NULL;
    LB_TRY(lb_segmentation_new(&s.all, &s.o));
    if (!(s.counts = lb_alloc((size_t)s.o.classes, sizeof *s.counts))) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(cli_masks_predict(m, items, count, score_one, &s));
    LB_TRY(lb_segmentation_score(out, s.all, NULL));
    if (s.ndomains) {
        domains = lb_value_map();
        for (int64_t i = 0; i < s.ndomains && st == LB_OK; i++) {
            lb_value *v = lb_value_map();
            st = lb_segmentation_score(v, s.of[i], NULL);
            lb_map_put(domains, s.domain[i], v);
        }
        lb_map_put(out, "domains", domains);
    }
done:
    for (int64_t i = 0; i < s.ndomains; i++) lb_segmentation_free(s.of[i]);
    lb_free(s.of);
    lb_free(s.domain);
    lb_free(s.counts);
    lb_segmentation_free(s.all);
    return st;
}
