/* SPDX-License-Identifier: Apache-2.0 */
/* Published networks against recorded values of their own code (tests/data/reference/make.py), tap by tap, where their weights are on
 * this machine. LB_REFERENCE names a folder with the full files to check all of their pictures and numbers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "cli/models.h"
#include "io/hdf5.h"
#include "tests/check.h"

/* Asked for: no number is further off than this share of its tensor's rms; f32 against f64 gives some 1e-6. */
static const double agreement = 1e-4;

/* The kept numbers of a tap are every s-th, s = ceil(n / 4096), unless all are there. */
static void compare(const char *what, const lb_tensor *got, lb_h5 *f, const char *dataset) {
    lb_tensor *want = NULL;
    double square = 0, worst = 0;
    if (!CHECK_OK(lb_h5_read(&want, f, dataset, LB_F64))) return;
    int64_t n = lb_numel(got), kept = lb_numel(want), step = kept == n ? 1 : (n + 4095) / 4096;
    if (!CHECK_INT(kept, (n + step - 1) / step)) goto done;
    for (int64_t i = 0; i < kept; i++) {
        double w = ((double *)want->data)[i], off = fabs(lb_get_at(got, i * step) - w);
        square += w * w;
        if (!(off <= worst)) worst = off; /* NaN too */
    }
    worst /= sqrt(square / (double)kept);
    printf("  %-28s %9.2e of rms\n", what, worst);
    if (!(worst <= agreement)) check_near(worst, 0, agreement, __FILE__, __LINE__, what);
done:
    lb_tensor_free(want);
}

static const char *reference(const char *name) {
    static char path[1024];
    const char *folder = getenv("LB_REFERENCE");
    if (folder) snprintf(path, sizeof path, "%s/%s", folder, name);
    else snprintf(path, sizeof path, "%s/%s", check_data("reference"), name);
    return path;
}

/* A fetched model, or the test is skipped. */
static bool open_model(cli_model **m, const char *name) {
    char *home = lb_home(), *folder = home ? lb_path_join(home, name) : NULL;
    bool there = folder && lb_is_folder(folder);
    if (!there) check_skip("%s is not on this machine: limbeck fetch %s", folder, name);
    lb_free(home);
    lb_free(folder);
    return there && CHECK_OK(cli_model_open(m, name));
}

/* ---- EfficientNet-lite0 ---- */

static const char *const lite_taps[] = {"block.0", "block.2", "block.4", "block.10", "block.15", "features", "pooled", "logits"};

static void lite_picture(cli_model *m, lb_h5 *f, const char *picture, lb_tape_mode mode) {
    lb_tape *t = NULL;
    lb_tensor *pixels = NULL, *x = NULL, *out[LB_COUNT(lite_taps)];
    char path[128];
    snprintf(path, sizeof path, "%s/pixels", picture);
    if (!CHECK_OK(lb_h5_read(&pixels, f, path, LB_U8)) || !CHECK_OK(lb_tape_new(&t)) || !CHECK_OK(lb_tensor_new(&x, LB_F32, 4, (int64_t[]){1, 3, 224, 224}))) goto done;
    lb_image img = {.width = 224, .height = 224, .channels = 3, .bits = 8, .pixels = pixels->data};
    lb_image_spec_normalise(x->data, &img, &m->image);
    lb_tape_set_mode(t, mode);
    lb_model_run(m->model, t, 1, (lb_named[]){{"image", x}}, (int)LB_COUNT(lite_taps), lite_taps, out);
    if (!CHECK_OK(lb_tape_status(t))) goto done;
    for (size_t i = 0; i < LB_COUNT(lite_taps); i++) {
        snprintf(path, sizeof path, "%s/%s", picture, lite_taps[i]);
        compare(path, out[i], f, path);
    }
done:
    lb_tape_free(t);
    lb_tensor_free(x);
    lb_tensor_free(pixels);
}

static void lite(lb_tape_mode mode) {
    cli_model *m = NULL;
    lb_h5 *f = NULL;
    char **pictures = NULL;
    int64_t count = 0;
    if (!open_model(&m, "efficientnet-lite0") || !CHECK_OK(lb_h5_open(&f, reference("image-efficientnet-lite0.h5")))) goto done;
    CHECK_OK(lb_h5_members(f, "/", &pictures, &count));
    CHECK(count > 0);
    for (int64_t i = 0; i < count; i++) lite_picture(m, f, pictures[i], mode);
done:
    lb_names_free(pictures, count);
    if (f) CHECK_OK(lb_h5_close(f));
    cli_model_close(m);
}

static void efficientnet_lite0(void) { lite(LB_TAPE_NO_GRAD); } /* norms folded into kernels */
static void efficientnet_lite0_unfolded(void) { lite(LB_TAPE_GRAD); }

/* ---- all-MiniLM-L6-v2 ---- */

/* ids and mask of texts first..first+n-1, padded to the longest. */
static void text_batch(lb_tensor *ids, lb_tensor *offsets, int64_t first, int64_t n, lb_tensor **x, lb_tensor **mask) {
    const int64_t *o = (int64_t *)offsets->data + first;
    int64_t longest = 0;
    for (int64_t i = 0; i < n; i++)
        if (o[i + 1] - o[i] > longest) longest = o[i + 1] - o[i];
    if (!CHECK_OK(lb_tensor_new(x, LB_I64, 2, (int64_t[]){n, longest})) || !CHECK_OK(lb_tensor_new(mask, LB_I64, 2, (int64_t[]){n, longest}))) return;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = 0; k < o[i + 1] - o[i]; k++) {
            ((int64_t *)(*x)->data)[i * longest + k] = ((int64_t *)ids->data)[o[i] + k];
            ((int64_t *)(*mask)->data)[i * longest + k] = 1;
        }
}

static void text_run(cli_model *m, lb_tensor *x, lb_tensor *mask, int ntaps, const char *const *taps, lb_h5 *f, const char *const *datasets) {
    lb_tape *t = NULL;
    lb_tensor *out[8];
    if (!CHECK_OK(lb_tape_new(&t))) return;
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    lb_model_run(m->model, t, 2, (lb_named[]){{"ids", x}, {"mask", mask}}, ntaps, taps, out);
    if (CHECK_OK(lb_tape_status(t)))
        for (int i = 0; i < ntaps; i++) compare(datasets[i], out[i], f, datasets[i]);
    lb_tape_free(t);
}

static void minilm_l6(void) {
    static const char *const taps[] = {"embeddings", "block.0", "block.1", "block.2", "block.3", "block.4", "tokens"}, *const embedding[] = {"embedding"};
    cli_model *m = NULL;
    lb_h5 *f = NULL;
    lb_tensor *ids = NULL, *offsets = NULL, *x = NULL, *mask = NULL;
    if (!open_model(&m, "minilm-l6") || !CHECK_OK(lb_h5_open(&f, reference("text-minilm-l6.h5")))) goto done;
    if (!CHECK_OK(lb_h5_read(&ids, f, "ids", LB_I64)) || !CHECK_OK(lb_h5_read(&offsets, f, "ids_offsets", LB_I64))) goto done;
    text_batch(ids, offsets, 0, lb_numel(offsets) - 1, &x, &mask);
    text_run(m, x, mask, 1, embedding, f, embedding);
    for (int item = 0; item < 2; item++) {
        char names[7][32];
        const char *datasets[7];
        lb_tensor_free(x);
        lb_tensor_free(mask);
        text_batch(ids, offsets, item, 1, &x, &mask);
        for (int k = 0; k < 7; k++) {
            snprintf(names[k], sizeof names[k], "item%d/hidden.%d", item, k);
            datasets[k] = names[k];
        }
        text_run(m, x, mask, 7, taps, f, datasets);
    }
done:
    lb_tensor_free(ids);
    lb_tensor_free(offsets);
    lb_tensor_free(x);
    lb_tensor_free(mask);
    if (f) CHECK_OK(lb_h5_close(f));
    cli_model_close(m);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "archs", (check_test[]){
        {"efficientnet-lite0", efficientnet_lite0},
        {"efficientnet-lite0 unfolded", efficientnet_lite0_unfolded},
        {"minilm-l6", minilm_l6},
        {0}});
}
