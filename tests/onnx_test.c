/* SPDX-License-Identifier: Apache-2.0 */
/* The conformance cases of ONNX (Debian's libonnx-testdata: node, pytorch-converted, pytorch-operator, simple), each run twice: as it stands, and folded
 * and fused. tests/data/onnx/excluded.txt lists those that are outside, with a reason; one that fails and is not listed fails here, and so
 * does one that is listed and passes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/memory.h"
#include "onnx/frames.h"
#include "tests/check.h"

enum { MOST = 64 };

static lb_buf excluded;

/* ---- comparing ---- */

/* As ONNX's own runner (onnx/backend/test/runner): relative 1e-3, absolute 1e-7; there because backends sum in different orders. */
static bool near(double got, double want) { return got == want || (got != got && want != want) || fabs(got - want) <= 1e-7 + 1e-3 * fabs(want); }

static lb_status compare(const lb_tensor *got, const lb_tensor *want) {
    char a[96], b[96];
    if (got->dtype != want->dtype || !lb_same_shape(got, want))
        return lb_fail(LB_E_MISMATCH, "%s %s, want %s %s", lb_dtype_name(got->dtype), lb_shape_text(a, sizeof a, got->rank, got->shape),
                       lb_dtype_name(want->dtype), lb_shape_text(b, sizeof b, want->rank, want->shape));
    for (int64_t i = 0, n = lb_numel(want); i < n; i++)
        if (!near(lb_get_at(got, i), lb_get_at(want, i))) return lb_fail(LB_E_MISMATCH, "element %lld is %.9g, want %.9g", (long long)i, lb_get_at(got, i), lb_get_at(want, i));
    return LB_OK;
}

/* ---- one case ---- */

typedef struct trial {
    lb_tensor *in[MOST], *want[MOST], *out[MOST];
    lb_named named[MOST];
    const char *names[MOST];
} trial;

static lb_status read_all(lb_tensor **to, int n, const char *folder, const char *what) {
    char path[600];
    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s_%d.pb", folder, what, i);
        lb_status st = lb_file_exists(path) ? lb_onnx_tensor_read(&to[i], path) : LB_OK;
        if (st != LB_OK) return st;
    }
    return LB_OK;
}

static lb_status run_set(const lb_onnx *m, const char *folder) {
    lb_status st = LB_OK;
    lb_tape *t = NULL;
    trial r = {0};
    int nin = lb_onnx_inputs(m), nout = lb_onnx_outputs(m), given = 0;
    LB_TRY(read_all(r.in, nin, folder, "input"));
    LB_TRY(read_all(r.want, nout, folder, "output"));
    for (int i = 0; i < nin; i++)
        if (r.in[i]) r.named[given++] = (lb_named){lb_onnx_input(m, i)->name, r.in[i]};
    /* The recorded files have numbers of type bf16 as u16, the same bits. */
    for (int i = 0; i < nin; i++)
        if (r.in[i] && r.in[i]->dtype == LB_U16 && lb_onnx_input(m, i)->dtype == LB_BF16) r.in[i]->dtype = LB_BF16;
    for (int k = 0; k < nout; k++)
        if (r.want[k] && r.want[k]->dtype == LB_U16 && lb_onnx_output(m, k)->dtype == LB_BF16) r.want[k]->dtype = LB_BF16;
    for (int k = 0; k < nout; k++) r.names[k] = lb_onnx_output(m, k)->name;
    LB_TRY(lb_tape_new(&t));
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    lb_onnx_run(m, t, given, r.named, nout, r.names, r.out);
    LB_TRY(lb_tape_status(t));
    for (int k = 0; k < nout; k++) {
        if (!r.want[k]) LB_TRY(lb_fail(LB_E_NOTFOUND, "no %s/output_%d.pb", folder, k));
        st = compare(r.out[k], r.want[k]);
        if (st != LB_OK) LB_TRY(lb_where(st, "%s", r.names[k]));
    }
done:
    lb_tape_free(t);
    for (int i = 0; i < MOST; i++) {
        lb_tensor_free(r.in[i]);
        lb_tensor_free(r.want[i]);
    }
    return st;
}

static lb_status run_case(const char *folder, bool plain) {
    lb_status st = LB_OK;
    char path[600];
    lb_onnx *m = NULL;
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    LB_TRY(lb_onnx_open(&m, path, &(lb_onnx_options){.plain = plain}));
    if (lb_onnx_inputs(m) > MOST || lb_onnx_outputs(m) > MOST) LB_TRY(lb_fail(LB_E_LIMIT, "too many values"));
    int sets = 0;
    for (;; sets++) {
        snprintf(path, sizeof path, "%s/test_data_set_%d", folder, sets);
        if (!lb_is_folder(path)) break;
        LB_TRY(run_set(m, path));
    }
    if (!sets) st = lb_fail(LB_E_NOTFOUND, "no test data");
done:
    lb_onnx_close(m);
    return st;
}

/* ---- suites ---- */

static bool listed(const char *name) {
    char line[160];
    snprintf(line, sizeof line, "\n%s ", name);
    return strstr(lb_buf_str(&excluded), line) != NULL;
}

static void suite(const char *root, const char *name, int *passed, int *count) {
    char path[600], **cases = NULL;
    int64_t n = 0;
    snprintf(path, sizeof path, "%s/%s", root, name);
    if (!CHECK_OK(lb_list_folder(&cases, &n, path))) return;
    for (int64_t i = 0; i < n; i++) {
        snprintf(path, sizeof path, "%s/%s/%s", root, name, cases[i]);
        lb_status st = run_case(path, true), fast = run_case(path, false);
        bool good = st == LB_OK && fast == LB_OK, out = listed(cases[i]);
        *passed += good;
        *count += !out;
        if (!good && !out) check_true(false, cases[i], st == LB_OK, lb_error_text());
        if (good && out) check_true(false, cases[i], 0, "is listed in excluded.txt, but passes");
        lb_error_clear();
    }
    lb_names_free(cases, n);
}

static void conformance(void) {
    const char *root = getenv("LB_ONNX_DATA") ? getenv("LB_ONNX_DATA") : "/usr/share/libonnx-testdata/data";
    static const char *const suites[] = {"node", "pytorch-converted", "pytorch-operator", "simple"};
    if (!lb_is_folder(root)) {
        check_skip("no %s: install libonnx-testdata, or set LB_ONNX_DATA", root);
        return;
    }
    if (!CHECK_OK(lb_file_read(&excluded, check_data("onnx/excluded.txt"), 0))) return;
    int passed = 0, count = 0;
    for (size_t i = 0; i < LB_COUNT(suites); i++) suite(root, suites[i], &passed, &count);
    CHECK(passed >= 900);
    lb_buf_free(&excluded);
}

/* ---- fusing: graphs whose values ONNX Runtime recorded (tests/data/onnx/make.py), and how many nodes are left of them ---- */

static void fused(void) {
    char **cases = NULL, path[600], root[400];
    int64_t n = 0;
    snprintf(root, sizeof root, "%s", check_data("onnx/cases"));
    if (!CHECK_OK(lb_list_folder(&cases, &n, root))) return;
    for (int64_t i = 0; i < n; i++) {
        lb_buf left = {0};
        lb_onnx *m = NULL;
        snprintf(path, sizeof path, "%s/%s", root, cases[i]);
        CHECK_OK(run_case(path, true));
        CHECK_OK(run_case(path, false));
        snprintf(path, sizeof path, "%s/%s/nodes", root, cases[i]);
        CHECK_OK(lb_file_read(&left, path, 0));
        snprintf(path, sizeof path, "%s/%s/model.onnx", root, cases[i]);
        if (CHECK_OK(lb_onnx_open(&m, path, NULL))) CHECK_INT(lb_onnx_nodes(m), atoi(lb_buf_str(&left)));
        lb_onnx_close(m);
        lb_buf_free(&left);
    }
    lb_names_free(cases, n);
}

/* ---- as a model: taps within ---- */

static void as_model(void) {
    lb_onnx *m = NULL;
    lb_model *model = NULL;
    lb_tape *t = NULL;
    lb_tensor *x = NULL, *out[3] = {NULL};
    if (!CHECK_OK(lb_onnx_tensor_read(&x, check_data("onnx/cases/conv/test_data_set_0/input_0.pb")))) return;
    if (CHECK_OK(lb_onnx_open(&m, check_data("onnx/cases/conv/model.onnx"), NULL)) && CHECK_OK(lb_onnx_model(&model, m)) && CHECK_OK(lb_tape_new(&t))) {
        for (int mode = 0; mode < 2; mode++) {
            lb_tape_set_mode(t, mode ? LB_TAPE_NO_GRAD : LB_TAPE_SHAPES);
            lb_model_run(model, t, 1, (lb_named[]){{"image", x}}, 3, (const char *[]){"output", "y", "b"}, out); /* b: within, fused away in the fast graph */
            if (!CHECK_OK(lb_tape_status(t))) break;
            CHECK_INT(out[0]->shape[0], 2);
            CHECK_INT(out[2]->shape[1], 8);
            for (int64_t i = 0; mode && i < lb_numel(out[0]); i++) CHECK(lb_get_at(out[0], i) == lb_get_at(out[1], i));
            lb_tape_reset(t);
        }
        lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
        lb_model_run(model, t, 1, (lb_named[]){{"image", x}}, 1, (const char *[]){"nothing"}, out);
        CHECK_FAILS(lb_tape_status(t), LB_E_NOTFOUND, "nothing");
    }
    lb_tape_free(t);
    lb_model_free(model);
    lb_onnx_close(m);
    lb_tensor_free(x);
}

/* ---- memory ---- */

/* Batches of 1 to 997 in any order, of which each value has its own size: after the first ones nothing grows. A new block for each size would be 4 MB a batch. */
static void steady(void) {
    lb_onnx *m = NULL;
    lb_tape *t = NULL;
    double before = 0;
    if (!CHECK_OK(lb_onnx_open(&m, check_data("onnx/cases/conv/model.onnx"), NULL)) || !CHECK_OK(lb_tape_new(&t))) return;
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    for (int i = 0; i < 60; i++) {
        lb_tensor *x = NULL, *y = NULL;
        if (!CHECK_OK(lb_tensor_new(&x, LB_F32, 4, (int64_t[]){i == 0 ? 997 : 1 + i * 331 % 997, 3, 9, 11}))) break;
        lb_onnx_run(m, t, 1, (lb_named[]){{"x", x}}, 1, (const char *[]){"y"}, &y);
        CHECK_OK(lb_tape_status(t));
        lb_tape_reset(t);
        lb_tensor_free(x);
        if (i == 10) before = (double)lb_memory_held(NULL);
    }
#ifndef __SANITIZE_ADDRESS__ /* keeps what was freed for a while */
    CHECK((double)lb_memory_held(NULL) - before < 8e6);
#endif
    lb_tape_free(t);
    lb_onnx_close(m);
}

/* ---- frames of sound ---- */

static void alike(const lb_tensor *got, const lb_tensor *want) {
    CHECK_INT(got->rank, want->rank);
    CHECK_INT(lb_numel(got), lb_numel(want));
    for (int64_t i = 0; i < lb_numel(want) && lb_numel(got) == lb_numel(want); i++) CHECK_NEAR(lb_get_at(got, i), lb_get_at(want, i), 1e-6);
}

static void frames(void) {
    lb_onnx *m = NULL;
    lb_model *model = NULL;
    lb_tape *t = NULL;
    lb_tensor *sound = NULL, *want[2] = {NULL}, *out[2] = {NULL};
    static const char *const taps[] = {"output", "stateN"};
    CHECK_OK(lb_onnx_tensor_read(&sound, check_data("onnx/frames/sound.pb")));
    CHECK_OK(lb_onnx_tensor_read(&want[0], check_data("onnx/frames/output.pb")));
    CHECK_OK(lb_onnx_tensor_read(&want[1], check_data("onnx/frames/state.pb")));
    if (CHECK_OK(lb_onnx_open(&m, check_data("onnx/frames/model.onnx"), NULL)) && CHECK(lb_onnx_hears_frames(m)) && CHECK_OK(lb_onnx_frames_model(&model, m)) && CHECK_OK(lb_tape_new(&t))) {
        lb_tape_set_mode(t, LB_TAPE_SHAPES);
        lb_model_run(model, t, 1, (lb_named[]){{"audio", sound}}, 2, taps, out);
        CHECK_OK(lb_tape_status(t));
        CHECK_INT(out[0]->shape[1], 2);
        CHECK_INT(out[1]->shape[0], 2);
        lb_tape_reset(t);
        lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
        lb_model_run(model, t, 1, (lb_named[]){{"audio", sound}}, 2, taps, out);
        if (CHECK_OK(lb_tape_status(t))) alike(out[0], want[0]), alike(out[1], want[1]);
    }
    lb_tape_free(t);
    lb_model_free(model);
    lb_onnx_close(m);
    lb_tensor_free(sound);
    lb_tensor_free(want[0]);
    lb_tensor_free(want[1]);
}

/* ---- damaged files: what is said ---- */

static void replace(lb_buf *b, const char *from, const char *to, size_t n) {
    for (size_t i = 0; i + n <= b->size; i++)
        if (memcmp(b->data + i, from, n) == 0) memcpy(b->data + i, to, n);
}

/* The graph of a file on zeros x [2,3,9,11]. */
static lb_status run_file(const char *path) {
    lb_status st = LB_OK;
    lb_onnx *m = NULL;
    lb_tape *t = NULL;
    lb_tensor *x = NULL, *out = NULL;
    LB_TRY(lb_onnx_open(&m, path, NULL));
    LB_TRY(lb_tensor_new(&x, LB_F32, 4, (int64_t[]){2, 3, 9, 11}));
    LB_TRY(lb_tape_new(&t));
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    lb_onnx_run(m, t, 1, (lb_named[]){{"x", x}}, 1, (const char *[]){"y"}, &out);
    st = lb_tape_status(t);
done:
    lb_tape_free(t);
    lb_tensor_free(x);
    lb_onnx_close(m);
    return st;
}

static lb_status open_and_run(const lb_buf *b, size_t size) {
    const char *path = check_tmp("damaged.onnx");
    lb_status st = lb_file_write(path, b->data, size);
    return st == LB_OK ? run_file(path) : st;
}

/* Nodes that cannot be run: told with the file, the node, its operator and what does not go together. */
static void refused(void) {
    static const struct {
        const char *name;
        lb_status code;
        const char *says;
    } cases[] = {
        {"strides", LB_E_SHAPE, "strides.onnx: node 'y' (Conv): strides has 1 numbers for 2 axes"},
        {"channels", LB_E_SHAPE,
         "node 'y' (Conv): conv2d(x[2,3,9,11], w[4,2,3,3]): conv2d: x [2,3,9,11], w [4,2,3,3], groups 1, output 7 x 9 do not go together"},
        {"kernel", LB_E_FORMAT, "node 'y' (Conv): input 1 is missing"},
        {"index", LB_E_ARG, "node 'y' (Gather): index 3 of 3 elements"},
        {"axis", LB_E_SHAPE, "node 'y' (Softmax): axis 4 of a tensor with 4"},
        {"sizes", LB_E_SHAPE, "node 'y' (Reshape): reshape(x[2,3,9,11]): cannot become [5,7]"},
        {"order", LB_E_SHAPE, "node 'y' (Transpose): permute(x[2,3,9,11]): an axis is named twice"},
        {"parts", LB_E_SHAPE, "node 'y' (Split): parts of 2 in all, the axis has 3"},
        {"products", LB_E_SHAPE, "node 'y' (MatMul): matmul(a[54,11], b[9,2]): matmul: [54,11] and [9,2] do not go together"},
        {"places", LB_E_SHAPE, "node 'y' (Pad): 3 paddings for 4 axes"},
        {"scales", LB_E_SHAPE, "node 'y' (Resize): 2 scales or sizes for 4 axes"},
        {"joined", LB_E_SHAPE, "node 'y' (Concat): concat(a[2,3,9,11], b[4,3,3,3]): input 1 does not fit the first beside axis 0"},
        {"window", LB_E_SHAPE, "node 'y' (MaxPool): max_pool(x[2,3,9,11]): 9 elements along axis 2, padded by 0 and 0, have no place for a window of 20"},
        {"far", LB_E_SHAPE, "node 'y' (Reshape): reshape(x[3,2,11,9]): cannot become [1099511627776,1099511627776,3]"},
        {"spread", LB_E_SHAPE, "node 'y' (Expand): shapes [2,3,9,11] and [2,3,9,5] do not go together"},
    };
    for (size_t i = 0; i < LB_COUNT(cases); i++) {
        char path[96];
        snprintf(path, sizeof path, "onnx/refused/%s.onnx", cases[i].name);
        check_begin("%s", cases[i].name);
        CHECK_FAILS(run_file(check_data(path)), cases[i].code, cases[i].says);
        check_end();
    }
}

static void damaged(void) {
    static const struct {
        const char *from, *to;
        size_t size;
        lb_status code;
        const char *says;
    } cases[] = {
        {"BatchNormalization", "BatchNormalisation", 18, LB_E_UNSUPPORTED, "no operator BatchNormalisation"},
        {"group\x18\x08", "group\x18\x07", 7, LB_E_SHAPE, "(Conv)"},
        {"pads@\x01", "pads@\xff", 6, LB_E_FORMAT, "node '' (Conv)"},
        {"\x0a\x01" "e\x0a\x01" "f", "\x0a\x01" "e\x0a\x01" "?", 6, LB_E_FORMAT, "node '' (Mul): input '?' is made by no node before it"},
    };
    const char *path = check_data("onnx/cases/conv/model.onnx");
    lb_buf whole = {0};
    if (!CHECK_OK(lb_file_read(&whole, path, 0))) return;
    for (size_t i = 0; i < LB_COUNT(cases); i++) {
        lb_buf b = {0};
        lb_buf_add(&b, whole.data, whole.size);
        replace(&b, cases[i].from, cases[i].to, cases[i].size);
        CHECK_FAILS(open_and_run(&b, b.size), cases[i].code, cases[i].says);
        lb_buf_free(&b);
    }
    CHECK_OK(open_and_run(&whole, whole.size));
    CHECK_FAILS(open_and_run(&whole, whole.size / 2), LB_E_FORMAT, "runs over the end of its message");
    CHECK_FAILS(open_and_run(&whole, 0), LB_E_FORMAT, "no graph in it");
    lb_buf_free(&whole);
}

/* docs/onnx.md names every operator (but those that fusing makes), in its line of the table. */
static void documented(void) {
    char path[600], name[64];
    lb_buf text = {0}, all = {0};
    snprintf(path, sizeof path, "%s/docs/onnx.md", getenv("LB_SOURCE") ? getenv("LB_SOURCE") : ".");
    if (!CHECK_OK(lb_file_read(&text, path, 0))) return;
    for (int i = 0; i < lb_onnx_operators.count; i++) lb_family_describe(&lb_onnx_operators, lb_onnx_operators.members[i], &all);
    for (const char *p = strstr(lb_buf_str(&all), "\n| "); p; p = strstr(p + 1, "\n| ")) {
        snprintf(name, sizeof name, "\n| %.*s |", (int)strcspn(p + 3, " "), p + 3);
        if (strstr(name, "Limbeck") || strstr(name, "operator")) continue;
        CHECK_HAS(lb_buf_str(&text), name);
    }
    lb_buf_free(&text);
    lb_buf_free(&all);
}

int main(int argc, char **argv) {
    static const check_test tests[] = {{"conformance", conformance}, {"fused", fused},     {"as_model", as_model}, {"steady", steady},
                                       {"frames", frames},           {"damaged", damaged}, {"refused", refused},   {"documented", documented},
                                       {0}};
    return check_main(argc, argv, "onnx", tests);
}
