/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures of a batch: decoded, augmented, prepared, with their masks. */
#include <stdio.h>
#include <string.h>
#include "base/rng.h"
#include "cli/masks.h"
#include "cli/source_private.h"
#include "io/decoder.h"
#include "io/image.h"

lb_status source_mark_broken(cli_source *s, int64_t item, lb_status st) {
    if (st != LB_E_FORMAT && st != LB_E_UNSUPPORTED && st != LB_E_LIMIT && st != LB_E_NOTFOUND) return st;
    pthread_mutex_lock(&s->lock);
    bool known = s->broken[item];
    s->broken[item] = 1;
    pthread_mutex_unlock(&s->lock);
    if (!known) lb_say(LB_LOG_WARN, "data", "%s; left out", lb_error_text());
    return st;
}

bool source_is_broken(cli_source *s, int64_t item) {
    pthread_mutex_lock(&s->lock);
    bool broken = s->broken[item];
    pthread_mutex_unlock(&s->lock);
    return broken;
}

int64_t cli_source_keep_whole(cli_source *s, int64_t *items, int64_t count) {
    int64_t kept = 0;
    for (int64_t i = 0; i < count; i++)
        if (!source_is_broken(s, items[i])) items[kept++] = items[i];
    return kept;
}

/* Decoded pictures are kept while they fit in the memory given. */
static lb_status kept_picture(cli_source *s, int64_t item, lb_image *out, bool *borrowed) {
    pthread_mutex_lock(&s->lock);
    lb_image have = s->kept[item];
    pthread_mutex_unlock(&s->lock);
    if (have.pixels) {
        *out = have;
        *borrowed = true;
        return LB_OK;
    }
    lb_status st = lb_item_image(out, s->spec.items, &s->spec.items->at[item]);
    if (st != LB_OK) return source_mark_broken(s, item, lb_where(st, "item %s", s->spec.items->at[item].key));
    *borrowed = false;
    int64_t bytes = (int64_t)out->width * out->height * out->channels;
    pthread_mutex_lock(&s->lock);
    if (!s->kept[item].pixels && s->kept_bytes + bytes <= s->spec.memory) {
        s->kept[item] = *out;
        s->kept_bytes += bytes;
        *borrowed = true;
    }
    pthread_mutex_unlock(&s->lock);
    return LB_OK;
}

int64_t source_view(const cli_source *s, int64_t item, uint64_t epoch) {
    lb_rng r = lb_rng_of(s->spec.seed ^ 0x76696577, epoch, s->spec.items->at[item].key);
    return lb_rng_below(&r, s->spec.features[s->viewed].views);
}

/* What was drawn for the view that this epoch sees; new, lb_free. */
static lb_status stored_draw(cli_source *s, int64_t item, uint64_t epoch, int64_t numbers, float **out) {
    const cli_feature *f = &s->spec.features[s->viewed];
    int64_t row = s->rows[s->viewed][item], width = lb_cache_tap_at(f->cache, f->draws)->shape[1];
    if (width != numbers) return lb_fail(LB_E_MISMATCH, "feature '%s': its views were drawn from another list of augmentations than the recipe's", f->name);
    float *draws = lb_alloc((size_t)(f->views * numbers), sizeof *draws);
    if (!draws) return LB_E_NOMEM;
    lb_status st = lb_cache_read(f->cache, f->draws, 1, &row, draws);
    memmove(draws, draws + source_view(s, item, epoch) * numbers, (size_t)numbers * sizeof *draws);
    if (st == LB_OK) *out = draws;
    else lb_free(draws);
    return st;
}

/* The augmentation that the teacher saw, or one drawn now. */
static lb_status draw_of(cli_source *s, int64_t item, uint64_t epoch, int32_t width, int32_t height, lb_augment_draw *out) {
    float *drawn = NULL;
    const char *key = s->spec.items->at[item].key;
    if (s->viewed < 0) {
        *out = lb_augment_of(&s->spec.augment, width, height, s->spec.seed, epoch, key);
        return LB_OK;
    }
    lb_status st = stored_draw(s, item, epoch, LB_AUGMENT_NUMBERS, &drawn);
    if (st == LB_OK) st = lb_augment_unpack(out, drawn, width, height);
    lb_free(drawn);
    return st == LB_OK ? st : lb_where(st, "item %s, feature '%s'", key, s->spec.features[s->viewed].name);
}

static lb_status row_of(cli_source *s, int64_t item, uint64_t epoch, int32_t width, int32_t height, lb_value **out) {
    float *drawn = NULL;
    const char *key = s->spec.items->at[item].key;
    if (s->viewed < 0) return lb_chain_draw(out, s->spec.chain, width, height, s->spec.seed, epoch, key);
    lb_status st = stored_draw(s, item, epoch, lb_chain_numbers(s->spec.chain), &drawn);
    if (st == LB_OK) st = lb_chain_unpack(out, s->spec.chain, drawn);
    lb_free(drawn);
    return st == LB_OK ? st : lb_where(st, "item %s, feature '%s'", key, s->spec.features[s->viewed].name);
}

static lb_status put_mask(int64_t *dst, const lb_image *ready, const lb_image *picture, const lb_item *item, bool nonzero) {
    if (ready->width != picture->width || ready->height != picture->height)
        return lb_fail(LB_E_SHAPE, "item %s: its mask is %dx%d where its picture is %dx%d", item->key, ready->width, ready->height, picture->width, picture->height);
    for (int64_t i = 0, n = (int64_t)ready->width * ready->height; i < n; i++) {
        int64_t v = ready->bits == 16 ? ((const uint16_t *)ready->pixels)[i] : ((const uint8_t *)ready->pixels)[i];
        dst[i] = nonzero ? v != 0 : v;
    }
    return LB_OK;
}

/* The picture, and its mask with it, through the list of augmentations. */
static lb_status chained(cli_source *s, int64_t item, const lb_image *raw, uint64_t epoch, float *dst, int64_t *mask) {
    const lb_item *it = &s->spec.items->at[item];
    lb_scene scene = {.own = 1};
    lb_image ready = {0}, labels = {0};
    lb_image_spec nearest = *s->spec.image;
    lb_value *row = NULL;
    lb_status st = LB_OK;
    nearest.filter = "nearest";
    LB_TRY(row_of(s, item, epoch, raw->width, raw->height, &row));
    LB_TRY(lb_image_crop(&scene.image, raw, 0, 0, raw->width, raw->height, NULL)); /* a copy */
    if (mask) LB_TRY(lb_item_mask(&scene.mask, s->spec.items, it));
    LB_TRY(lb_chain_apply(&scene, NULL, true, s->spec.chain, row));
    LB_TRY(lb_image_spec_geometry(&ready, &scene.image, s->spec.image));
    lb_image_spec_normalise(dst, &ready, s->spec.image);
    if (mask) LB_TRY(lb_image_spec_geometry(&labels, &scene.mask, &nearest));
    if (mask) st = put_mask(mask, &labels, &ready, it, s->spec.mask_nonzero);
done:
    lb_scene_free(&scene);
    lb_image_free(&ready);
    lb_image_free(&labels);
    lb_value_free(row);
    return st == LB_OK ? st : lb_where(st, "item %s", it->key);
}

static lb_status picture(cli_source *s, int64_t item, const cli_stream *stream, uint64_t epoch, float *dst, int64_t *mask) {
    lb_status st = LB_OK;
    lb_augment_draw draw;
    lb_labels labels = {0};
    bool augmented = stream && stream->augment;
    lb_image raw = {0}, changed = {0}, ready = {0};
    bool borrowed = false;
    st = kept_picture(s, item, &raw, &borrowed);
    if (st != LB_OK) return st;
    if (augmented && s->spec.chain) {
        st = chained(s, item, &raw, epoch, dst, mask);
        goto done;
    }
    if (augmented) {
        LB_TRY(draw_of(s, item, epoch, raw.width, raw.height, &draw));
        LB_TRY(lb_augment_apply(&changed, &raw, &draw));
    }
    LB_TRY(lb_image_spec_geometry(&ready, changed.pixels ? &changed : &raw, s->spec.image));
    lb_image_spec_normalise(dst, &ready, s->spec.image);
    if (mask) {
        LB_TRY(cli_mask_prepare(&labels, &s->spec.items->at[item], s->spec.image, augmented ? &draw : NULL, s->spec.mask_nonzero));
        if (labels.shape[0] != ready.height || labels.shape[1] != ready.width) {
            st = lb_fail(LB_E_SHAPE, "item %s: its mask is %lldx%lld where its picture is %dx%d", s->spec.items->at[item].key, (long long)labels.shape[1],
                         (long long)labels.shape[0], ready.width, ready.height);
            goto done;
        }
        for (int64_t i = 0, n = lb_labels_count(&labels); i < n; i++) mask[i] = labels.at[i];
    }
done:
    lb_labels_free(&labels);
    lb_image_free(&ready);
    lb_image_free(&changed);
    if (!borrowed) lb_image_free(&raw);
    return st;
}

typedef struct pictures {
    cli_source *s;
    const cli_stream *stream;
    const int64_t *items;
    uint64_t epoch;
    float *out;
    int64_t *masks; /* NULL: none are wanted */
    int64_t pixels;
} pictures;

static lb_status one_picture(void *ctx, int64_t i, void **none) {
    const pictures *p = ctx;
    *none = NULL;
    return picture(p->s, p->items[i], p->stream, p->epoch, p->out + i * 3 * p->pixels, p->masks ? p->masks + i * p->pixels : NULL);
}

lb_status source_add_pictures(cli_source *s, int hands, const cli_stream *stream, const int64_t *items, int64_t n, uint64_t epoch, lb_batch *b) {
    int32_t w, h;
    int64_t failed = 0;
    lb_tensor *x = NULL, *mask = NULL;
    lb_image_spec_size(s->spec.image, s->spec.image->size_w, s->spec.image->size_h ? s->spec.image->size_h : s->spec.image->size_w, &w, &h);
    lb_status st = source_add(b, "image", LB_F32, 4, (int64_t[]){n, 3, h, w}, &x);
    if (st == LB_OK && stream->mask) st = source_add(b, "true_mask", LB_I64, 3, (int64_t[]){n, h, w}, &mask);
    if (st != LB_OK) return st;
    return source_each(hands, n, one_picture, &(pictures){s, stream, items, epoch, x->data, mask ? mask->data : NULL, (int64_t)w * h}, &failed);
}
