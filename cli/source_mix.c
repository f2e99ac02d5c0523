/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/source_mix.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const double least_share = 1e-8;
enum { MIX_SEED = 0x6d6978 }; /* other draws than those of the members on one item */

lb_status cli_mix_part(lb_value **single, lb_value **pairs, const lb_value *list) {
    *single = lb_value_list();
    *pairs = lb_value_list();
    for (int64_t i = 0; i < list->count; i++) {
        const lb_value *one = list->items[i];
        const char *op = one->kind == LB_V_MAP ? lb_get_text(one, "op", "") : "";
        const lb_augment_member *m = (const lb_augment_member *)lb_family_at(&lb_augments, op);
        lb_list_put(m && strcmp(m->on, "pair") == 0 ? *pairs : *single, lb_value_copy(one));
    }
    if (*single && *pairs && !(*single)->failed && !(*pairs)->failed) {
        (*single)->line = list->line;
        return LB_OK;
    }
    lb_value_free(*single);
    lb_value_free(*pairs);
    *single = *pairs = NULL;
    return lb_fail(LB_E_NOMEM, "no memory for the list of augmentations");
}

static lb_tensor *find(const lb_batch *b, const char *name) {
    for (int i = 0; i < b->count; i++)
        if (strcmp(b->at[i].name, name) == 0) return b->at[i].x;
    return NULL;
}

static lb_status add(lb_batch *b, const char *name, int rank, const int64_t *shape, float **out) {
    lb_tensor *x = NULL;
    if (b->count == (int)LB_COUNT(b->at)) return lb_fail(LB_E_LIMIT, "a batch holds at most %d names", b->count);
    lb_status st = lb_tensor_new(&x, LB_F32, rank, shape);
    if (st != LB_OK) return st;
    snprintf(b->at[b->count].name, sizeof b->at[0].name, "%s", name);
    b->at[b->count++].x = x;
    *out = x->data;
    return LB_OK;
}

/* Every row with the one before it. From the last to the first, so that a partner is still what it was; the last itself is kept for the first. */
static lb_status mix_rows(const lb_batch *b, const cli_mix_spec *spec, lb_tensor *image, float *soft, float *own) {
    int64_t n = image->shape[0], w = image->shape[3], h = image->shape[2], size = image->shape[1] * w * h, area = w * h;
    lb_status st = LB_OK;
    float *planes = image->data, *last = lb_alloc((size_t)(size + area), sizeof *last);
    if (!last) return LB_E_NOMEM;
    memcpy(last, planes + (n - 1) * size, (size_t)size * sizeof *last);
    if (soft) memcpy(last + size, soft + (n - 1) * area, (size_t)area * sizeof *last);
    for (int64_t i = n - 1; i >= 0 && st == LB_OK; i--) {
        lb_value *row = NULL;
        lb_scene now = {.planes = planes + i * size, .plane_count = image->shape[1], .plane_width = w, .plane_height = h, .soft = soft ? soft + i * area : NULL, .soft_count = soft ? 1 : 0, .own = 1};
        lb_scene other = now;
        other.planes = i ? planes + (i - 1) * size : last;
        if (soft) other.soft = i ? soft + (i - 1) * area : last + size;
        st = lb_chain_draw(&row, spec->pairs, w, h, spec->seed ^ MIX_SEED, spec->epoch, b->keys[i]);
        if (st == LB_OK) st = lb_chain_apply(&now, &other, false, spec->pairs, row);
        lb_value_free(row);
        own[i] = (float)now.own;
    }
    lb_free(last);
    return st;
}

static lb_status mix_labels(lb_batch *b, const lb_tensor *label, const float *own, int64_t classes) {
    const int64_t *at = label->data, n = label->shape[0];
    float *share = NULL, *logits = NULL;
    lb_status st = add(b, "label_share", 2, (int64_t[]){n, classes}, &share);
    if (st == LB_OK) st = add(b, "label_logits", 2, (int64_t[]){n, classes}, &logits);
    if (st != LB_OK) return st;
    memset(share, 0, (size_t)(n * classes) * sizeof *share);
    for (int64_t i = 0; i < n; i++) {
        int64_t other = at[i ? i - 1 : n - 1];
        if (at[i] >= 0) share[i * classes + at[i]] += own[i];
        if (other >= 0) share[i * classes + other] += 1 - own[i];
    }
    for (int64_t i = 0; i < n * classes; i++) logits[i] = (float)log(fmax((double)share[i], least_share));
    return LB_OK;
}

/* Is any value of the shares no whole number? */
static bool is_mean(const float *soft, int64_t n) {
    for (int64_t i = 0; i < n; i++)
        if (soft[i] != rintf(soft[i])) return true;
    return false;
}

lb_status cli_mix_batch(lb_batch *b, const cli_mix_spec *spec) {
    lb_tensor *image = find(b, "image"), *mask = find(b, "true_mask"), *label = find(b, "label");
    float *soft = NULL, *own = NULL, *kept = NULL;
    lb_status st = LB_OK;
    if (!image) return lb_fail(LB_E_UNSUPPORTED, "mixed items without pictures");
    int64_t n = image->shape[0], cells = n * image->shape[2] * image->shape[3];
    LB_TRY(add(b, "mix_own", 1, &n, &own));
    if (mask && spec->mask_nonzero) LB_TRY(add(b, "true_mask_share", 4, (int64_t[]){n, 1, image->shape[2], image->shape[3]}, &soft));
    if (mask && !soft && !(soft = kept = lb_alloc((size_t)cells, sizeof *kept))) LB_TRY(LB_E_NOMEM);
    for (int64_t i = 0; soft && i < cells; i++) soft[i] = (float)((const int64_t *)mask->data)[i];
    LB_TRY(mix_rows(b, spec, image, soft, own));
    if (kept && is_mean(kept, cells)) LB_TRY(lb_fail(LB_E_UNSUPPORTED, "mixup of masks of several classes: shares are of the foreground, data.mask_nonzero makes it of them; cutmix pastes any"));
    for (int64_t i = 0; soft && i < cells; i++) ((int64_t *)mask->data)[i] = (int64_t)ceilf(soft[i] - 0.5f);
    if (label && spec->classes > 0) LB_TRY(mix_labels(b, label, own, spec->classes));
done:
    lb_free(kept);
    return st;
}
