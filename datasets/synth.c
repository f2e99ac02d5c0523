/* SPDX-License-Identifier: Apache-2.0 */
#include "datasets/synth.h"
#include <string.h>
#include "base/file.h"
#include "io/image.h"

#define SYNTH(id) extern const lb_synth lb_synth_##id;
#include "datasets/synths.def"
#undef SYNTH

static const lb_head *const members[] = {
#define SYNTH(id) (const lb_head *)&lb_synth_##id,
#include "datasets/synths.def"
#undef SYNTH
};
const lb_family lb_synths = {.name = "synths", .text = "made data sets", .def = "datasets/synths.def", .dir = "datasets/synths", .count = (int)LB_COUNT(members), .members = members};

struct lb_synth_out {
    void *state;
    const char *folder;
    double damage;
    uint64_t seed;
    lb_buf list;
    lb_status failed; /* of an item that could not be written to the list */
};

/* A third each: cut in half, empty, text in place of a picture. */
static void spoil(const lb_synth_out *out, const char *path, lb_buf *file) {
    lb_rng rng = lb_rng_of(out->seed, 1, path);
    if (lb_rng_uniform(&rng) >= out->damage) return;
    int64_t how = lb_rng_below(&rng, 3);
    if (how == 0) file->size /= 2;
    else if (how == 1) file->size = 0;
    else {
        lb_buf_clear(file);
        lb_buf_text(file, "this is not a picture\n");
    }
}

lb_status lb_synth_picture(lb_synth_out *out, const lb_image *img, const char *path) {
    lb_status st = LB_OK;
    lb_buf file = {0};
    char *full = lb_path_join(out->folder, path), *parent = full ? lb_path_folder(full) : NULL;
    if (!parent) st = LB_E_NOMEM;
    if (st == LB_OK) st = lb_make_folders(parent);
    if (st == LB_OK) st = lb_png_encode(&file, img);
    if (st == LB_OK && out->damage > 0) spoil(out, path, &file);
    if (st == LB_OK) st = lb_file_write(full, file.data, file.size);
    lb_buf_free(&file);
    lb_free(parent);
    lb_free(full);
    return st;
}

void lb_synth_item(lb_synth_out *out, lb_value *take_item) {
    if (out->failed == LB_OK) out->failed = lb_json_write(&out->list, take_item, 0);
    lb_buf_text(&out->list, "\n");
    lb_value_free(take_item);
}

void *lb_synth_state(const lb_synth_out *out) { return out->state; }

static lb_status make_items(lb_synth_out *out, const lb_synth *s, const void *cfg, lb_progress *progress, int64_t *count) {
    lb_status st = LB_OK;
    *count = s->count(cfg);
    lb_progress_begin(progress, "synth", "items", 0, *count);
    for (int64_t i = 0; i < *count; i++) {
        lb_rng rng = lb_rng_make(out->seed, (uint64_t)i);
        LB_TRY(s->make(out, cfg, i, &rng));
        LB_TRY(out->failed);
        LB_TRY(lb_progress_at(progress, i + 1, NULL));
    }
done:
    lb_progress_end(progress, NULL);
    return st;
}

lb_status lb_synth_make(const lb_synth *s, const char *folder, const lb_value *options, uint64_t seed, double damage, lb_progress *progress, int64_t *count) {
    lb_status st = LB_OK;
    lb_synth_out out = {.folder = folder, .damage = damage, .seed = seed};
    bool filled = false;
    char *list = lb_path_join(folder, "list.jsonl");
    void *cfg = lb_calloc(1, s->params_size + 1);
    if (!list || !cfg) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(lb_params_from_value(s->params, cfg, options));
    filled = true;
    LB_TRY(lb_make_folders(folder));
    if (s->open) LB_TRY(s->open(&out.state, cfg));
    LB_TRY(make_items(&out, s, cfg, progress, count));
    LB_TRY(lb_buf_status(&out.list));
    LB_TRY(lb_file_write(list, out.list.data, out.list.size));
done:
    if (s->close && out.state) s->close(out.state);
    if (filled) lb_params_free(s->params, cfg);
    lb_free(cfg);
    lb_free(list);
    lb_buf_free(&out.list);
    return st;
}
