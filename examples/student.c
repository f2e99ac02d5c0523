/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a trained student on pictures: the folder RUN/model, or what `limbeck export` wrote, opened with the library alone.
 *
 *   cc student.c $(pkg-config --cflags --libs limbeck) -o student && ./student runs/student/model logits photo.jpg ...
 *
 * Prints the tap's numbers, a line a picture. */
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "io/decoder.h"
#include "io/weights.h"
#include "nn/model.h"
#include "vision/archs.h"
#include "vision/preprocess.h"

typedef struct student {
    lb_model *model;
    lb_image_spec image; /* how pictures are prepared */
} student;

/* Every parameter from the file's tensor of its name. */
static lb_status load(lb_model *m, const char *path) {
    lb_status st = LB_OK;
    lb_weights *w = NULL;
    LB_TRY(lb_weights_open(&w, path));
    for (int64_t i = 0; i < lb_store_count(m->store); i++) {
        lb_param_tensor *p = lb_store_at(m->store, i);
        const lb_weight *from = lb_weights_find(w, p->name);
        if (!from || from->rank != p->x->rank || memcmp(from->shape, p->x->shape, sizeof *from->shape * (size_t)from->rank) != 0) {
            st = lb_fail(LB_E_FORMAT, "%s: no tensor '%s' of the right shape", path, p->name);
            break;
        }
        lb_convert(p->x->data, LB_F32, from->data, from->dtype, lb_numel(p->x));
    }
done:
    lb_weights_close(w);
    return st;
}

static lb_status open_student(student *s, const char *folder) {
    lb_status st = LB_OK;
    const lb_head *arch = NULL;
    lb_value *config = NULL;
    char *json = lb_path_join(folder, "config.json"), *weights = lb_path_join(folder, "model.safetensors");
    if (!json || !weights) LB_TRY(LB_E_NOMEM);
    LB_TRY(lb_json_read(&config, json));
    LB_TRY(lb_family_find(&arch, &lb_vision_archs, lb_get_text(config, "limbeck.arch", "")));
    LB_TRY(lb_model_new(&s->model, (const lb_arch *)arch, lb_get(config, "limbeck.params")));
    LB_TRY(load(s->model, weights));
    LB_TRY(lb_image_spec_from(&s->image, lb_get(config, "preprocess")));
done:
    lb_value_free(config);
    lb_free(json);
    lb_free(weights);
    return st;
}

/* File -> upright RGB -> geometry -> [1,3,H,W] on the tape. */
static lb_status picture(lb_tensor **out, lb_tape *t, const student *s, const char *path) {
    lb_status st = LB_OK;
    lb_image raw = {0}, ready = {0};
    LB_TRY(lb_image_read_rgb(&raw, path, NULL));
    LB_TRY(lb_image_spec_geometry(&ready, &raw, &s->image));
    *out = lb_zeros(t, 4, (int64_t[]){1, 3, ready.height, ready.width});
    LB_TRY(lb_tape_status(t));
    lb_image_spec_normalise((*out)->data, &ready, &s->image);
done:
    lb_image_free(&raw);
    lb_image_free(&ready);
    return st;
}

static lb_status run(int argc, char **argv) {
    lb_status st = LB_OK;
    student s = {0};
    lb_tape *t = NULL;
    LB_TRY(open_student(&s, argv[1]));
    LB_TRY(lb_tape_new(&t));
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    for (int i = 3; i < argc; i++) {
        lb_tensor *x = NULL, *y = NULL;
        LB_TRY(picture(&x, t, &s, argv[i]));
        lb_model_run(s.model, t, 1, (lb_named[]){{"image", x}}, 1, (const char *const *)&argv[2], &y);
        LB_TRY(lb_tape_status(t));
        printf("%s", argv[i]);
        for (int64_t k = 0; k < lb_numel(y); k++) printf(" %.9g", lb_get_at(y, k));
        printf("\n");
        lb_tape_reset(t);
    }
done:
    lb_tape_free(t);
    lb_model_free(s.model);
    return st;
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: %s FOLDER TAP PICTURE...\n", argv[0]);
        return 2;
    }
    if (run(argc, argv) == LB_OK) return 0;
    fprintf(stderr, "%s: %s\n", argv[0], lb_error_text());
    return 1;
}
