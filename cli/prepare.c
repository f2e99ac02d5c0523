/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/prepare.h"
#include <stdio.h>
#include <string.h>
#include "io/image.h"
#include "io/uri.h"

const lb_item *prepare_item(const prepare_job *j, int64_t i) { return &j->items->at[j->rows[i]]; }

void prepare_drop(void *job, void *one) {
    prepared *p = one;
    (void)job;
    if (!p) return;
    lb_free(p->why);
    lb_buf_free(&p->image);
    lb_buf_free(&p->mask);
    lb_mmap_close(&p->image_file);
    lb_mmap_close(&p->mask_file);
    lb_image_free(&p->pixels);
    lb_free(p->input);
    lb_free(p->boxes);
    lb_free(p);
}

static double lap(prepare_job *j, int stage, double from) {
    double now = lb_now();
    cli_stages_add(&j->stages, stage, now - from);
    return now;
}

static bool keeps(const prepare_job *j) { return strcmp(j->format, "keep") == 0; }

static lb_status encode(lb_buf *out, const prepare_job *j, const lb_image *img) {
    return strcmp(j->format, "jpg") != 0 ? lb_png_encode(out, img) : lb_jpeg_encode(out, img, j->quality);
}

/* The bytes of a file or of a member of an archive, with what its decoder calls such files; empty where the uri names less than a file (a slice, a frame): that is
 * encoded. The header is read, pixels are not. */
static lb_status take_over(lb_mmap *out, char *ending, size_t cap, const prepare_job *j, const char *uri) {
    lb_uri u = {0};
    lb_mmap m = {0};
    lb_media_info info;
    const lb_decoder *d = NULL;
    lb_status st = lb_uri_parse(&u, uri);
    bool whole = !u.framed && (u.kind == LB_URI_FILE || u.kind == LB_URI_PART);
    lb_uri_free(&u);
    if (st != LB_OK || !whole) return st;
    LB_TRY(lb_uri_bytes(&m, uri, j->items->kept));
    LB_TRY(lb_decoder_for(&d, m.data, m.size, uri));
    if ((st = d->info(&info, m.data, m.size)) != LB_OK) LB_TRY(lb_where(st, "%s", uri));
    if (strcmp(d->kind, "image") != 0) goto done;
    snprintf(ending, cap, "%.*s", (int)strcspn(d->endings, " "), d->endings);
    *out = m;
    m = (lb_mmap){0};
done:
    lb_mmap_close(&m);
    return st;
}

static lb_status make_mask(prepare_job *j, const lb_item *item, prepared *p) {
    lb_image mask = {0}, ready = {0};
    lb_image_spec nearest = j->spec;
    nearest.filter = "nearest";
    double at = lb_now();
    char ending[8] = "";
    lb_status st = keeps(j) && item->mask ? take_over(&p->mask_file, ending, sizeof ending, j, item->mask) : LB_OK;
    if (st == LB_OK && strcmp(ending, "png") == 0) {
        lap(j, STAGE_DECODE, at);
        return st;
    }
    lb_mmap_close(&p->mask_file);
    if (st == LB_OK) st = lb_item_mask(&mask, j->items, item);
    at = lap(j, STAGE_DECODE, at);
    if (st == LB_OK && p->from_width && (mask.width != p->from_width || mask.height != p->from_height))
        st = lb_fail(LB_E_FORMAT, "the picture has %d x %d pixels, its mask %d x %d", p->from_width, p->from_height, mask.width, mask.height);
    if (st == LB_OK) st = lb_image_spec_geometry(&ready, &mask, &nearest);
    at = lap(j, STAGE_PREPARE, at);
    if (st == LB_OK) st = lb_png_encode(&p->mask, &ready);
    lap(j, STAGE_ENCODE, at);
    lb_image_free(&mask);
    lb_image_free(&ready);
    return st;
}

static lb_status make_image(prepare_job *j, const lb_item *item, bool arrays, prepared *p) {
    lb_image raw = {0};
    double at = lb_now();
    lb_fit fit;
    lb_status st = keeps(j) && item->image ? take_over(&p->image_file, p->ending, sizeof p->ending, j, item->image) : LB_OK;
    if (st != LB_OK || p->image_file.data) {
        lap(j, STAGE_DECODE, at);
        return st;
    }
    st = lb_image_spec_fit(&fit, &j->spec);
    if (st == LB_OK) st = lb_item_image_fit(&raw, j->items, item, &fit);
    at = lap(j, STAGE_DECODE, at);
    if (st != LB_OK) return st;
    p->from_width = fit.width, p->from_height = fit.height;
    st = lb_image_spec_rest(&p->pixels, &raw, &j->spec);
    if (st == LB_OK && item->box_count) {
        if ((p->boxes = lb_alloc((size_t)item->box_count, 4 * sizeof *p->boxes))) {
            memcpy(p->boxes, item->boxes, (size_t)item->box_count * 4 * sizeof *p->boxes);
            lb_image_spec_boxes(&j->spec, fit.width, fit.height, p->boxes, item->box_count);
        } else st = LB_E_NOMEM;
    }
    if (st != LB_OK) return st;
    p->width = p->pixels.width, p->height = p->pixels.height;
    if (arrays && j->has_spec) {
        if (!(p->input = lb_alloc((size_t)p->width * (size_t)p->height, 3 * sizeof *p->input))) return LB_E_NOMEM;
        lb_image_spec_normalise(p->input, &p->pixels, &j->spec);
    }
    at = lap(j, STAGE_PREPARE, at);
    if (arrays) return LB_OK;
    snprintf(p->ending, sizeof p->ending, "%s", keeps(j) ? "png" : j->format);
    st = encode(&p->image, j, &p->pixels);
    lb_image_free(&p->pixels);
    lap(j, STAGE_ENCODE, at);
    return st;
}

lb_status prepare_one(prepare_job *j, int64_t i, bool arrays, prepared **out) {
    const lb_item *item = prepare_item(j, i);
    prepared *p = lb_calloc(1, sizeof *p);
    if (!p) return LB_E_NOMEM;
    lb_status st = LB_OK;
    if (lb_item_has_image(item)) st = make_image(j, item, arrays, p);
    else if (arrays) st = lb_fail(LB_E_NOTFOUND, "item %s has no picture", item->key);
    if (st == LB_OK && !arrays && lb_item_has_mask(item)) st = make_mask(j, item, p);
    if (st == LB_E_NOMEM) {
        prepare_drop(NULL, p);
        return st;
    }
    if (st != LB_OK) {
        p->status = st;
        p->why = lb_strdup(lb_error_text());
        lb_error_clear();
    }
    *out = p;
    return LB_OK;
}

/* A finished set: of this run, then nothing is to be done; of another, then it is not touched. */
static lb_status find_finished(const prepare_job *j, lb_value *stats, bool *finished) {
    lb_value *v = NULL;
    char *folder = lb_ends_with(j->out, ".tar") ? lb_path_folder(j->out) : lb_strdup(j->out), *path = folder ? lb_path_join(folder, "stats.json") : NULL;
    lb_status st = path ? LB_OK : LB_E_NOMEM;
    *finished = false;
    if (st == LB_OK && lb_file_exists(path)) {
        st = lb_json_read(&v, path);
        if (st == LB_OK && strcmp(lb_get_text(v, "run", ""), j->run) != 0) st = lb_fail(LB_E_MISMATCH, "%s: is of other items or options; take another folder, or remove it", path);
        for (int64_t i = 0; st == LB_OK && i < v->count; i++) lb_map_put(stats, v->keys[i], lb_value_copy(v->items[i]));
        *finished = st == LB_OK;
    }
    lb_value_free(v);
    lb_free(folder);
    lb_free(path);
    return st;
}

lb_status prepare_begin(prepare_job *j, lb_value *stats, bool *finished) {
    char *folder = lb_ends_with(j->out, ".tar") ? lb_path_folder(j->out) : lb_strdup(j->out);
    lb_status st = folder ? lb_make_folders(folder) : LB_E_NOMEM;
    lb_free(folder);
    return st == LB_OK ? find_finished(j, stats, finished) : st;
}
