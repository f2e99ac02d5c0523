/* SPDX-License-Identifier: Apache-2.0 */
/* Weight files as their original libraries write them (tests/data/weights/make_originals.py): values are i / 2 - 3 of reals, i of whole numbers. All
 * comparisons are exact: the values are, in every type used. */
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "io/weights.h"
#include "tests/check.h"
#include "tests/weights_check.h"

static double whole(int64_t i) {
    return (double)i;
}

/* Rows whose first number makes the scale of 8 bits a power of two. */
static double gguf_rows(int64_t i) {
    return i % 32 == 0 ? -127 : (double)i - 31;
}
static double ct2_rows(int64_t i) {
    return i == 0 ? 127 : i == 32 ? -127 : (double)i - 31;
}
static double ct2_double_rows(int64_t i) {
    return 2 * ct2_rows(i);
}

/* ---- PyTorch, safetensors ---- */

static void torch_state(void) {
    static const char *const names[] = {"torch/state.pt", "torch/legacy.pth"};
    for (int k = 0; k < 2; k++) {
        check_begin("%s", names[k]);
        lb_weights *w = check_weights(names[k]);
        check_weight(w, "plain", LB_F32, "[4,6]", check_ramp);
        check_weight(w, "turned", LB_F32, "[6,4]", check_turned);
        check_weight(w, "part", LB_F32, "[2,3]", check_part);
        check_weight(w, "half", LB_F16, "[5]", check_ramp);
        check_weight(w, "bf", LB_BF16, "[5]", check_ramp);
        check_weight(w, "parameter", LB_F32, "[2,3]", check_ramp);
        check_weight(w, "buffer", LB_F32, "[3]", check_ramp);
        check_weight(w, "steps", LB_I64, "[]", check_minus_seven);
        check_weight(w, "flags", LB_BOOL, "[3]", check_odd_one);
        if (k == 0) check_weight(w, "u16", LB_U16, "[4]", whole);
        if (k == 0) check_weight(w, "u32", LB_U32, "[4]", whole);
        CHECK_INT(w ? w->count : 0, k == 0 ? 11 : 9);
        CHECK_TEXT(w ? w->format->id : "", "torch");
        lb_weights_close(w);
        check_end();
    }
}

static void torch_checkpoint(void) {
    lb_weights *w = check_weights("torch/checkpoint.pt");
    check_weight(w, "0.weight", LB_F32, "[2,1,3,3]", check_ramp);
    check_weight(w, "1.running_var", LB_F32, "[2]", check_ramp);
    check_weight(w, "1.num_batches_tracked", LB_I64, "[]", check_minus_seven);
    CHECK_INT(w ? w->count : 0, 7);
    lb_weights_close(w);
}

static void shards(void) {
    static const char *const names[] = {"torch/pytorch_model.bin.index.json", "safetensors/model.safetensors.index.json"};
    for (int k = 0; k < 2; k++) {
        lb_weights *w = check_weights(names[k]);
        check_weight(w, "a", LB_F32, "[2,3]", check_ramp);
        check_weight(w, "b", LB_F32, "[4]", check_ramp);
        CHECK_INT(w ? w->count : 0, 2);
        if (k == 1) CHECK_TEXT(w ? lb_get_text(w->metadata, "format", "") : "", "pt");
        lb_weights_close(w);
    }
}

static void safetensors(void) {
    lb_weights *w = check_weights("safetensors/torch.safetensors");
    check_weight(w, "a", LB_F32, "[2,3]", check_ramp);
    check_weight(w, "h", LB_F16, "[4]", check_ramp);
    check_weight(w, "b", LB_BF16, "[4]", check_ramp);
    check_weight(w, "n", LB_I64, "[]", check_minus_seven);
    check_weight(w, "none", LB_F32, "[0,4]", NULL);
    check_weight(w, "u", LB_U64, "[3]", whole);
    CHECK_INT(w ? w->count : 0, 6);
    lb_weights_close(w);
}

/* ---- NumPy ---- */

static void npz(void) {
    static const char *const names[] = {"npz/stored.npz", "npz/deflated.npz"};
    for (int k = 0; k < 2; k++) {
        check_begin("%s", names[k]);
        lb_weights *w = check_weights(names[k]);
        static const struct {
            const char *name;
            lb_dtype dtype;
        } kinds[] = {{"i1", LB_I8}, {"i2", LB_I16}, {"i4", LB_I32}, {"i8", LB_I64}, {"u1", LB_U8}, {"u2", LB_U16}, {"u4", LB_U32}, {"u8", LB_U64}, {"big_i2", LB_I16}};
        for (size_t i = 0; i < LB_COUNT(kinds); i++) check_weight(w, kinds[i].name, kinds[i].dtype, "[2,3]", whole);
        check_weight(w, "f2", LB_F16, "[2,3]", check_ramp);
        check_weight(w, "f4", LB_F32, "[2,3]", check_ramp);
        check_weight(w, "f8", LB_F64, "[2,3]", check_ramp);
        check_weight(w, "big_f4", LB_F32, "[2,3]", check_ramp);
        check_weight(w, "fortran", LB_F32, "[2,3]", check_ramp);
        check_weight(w, "cube", LB_F32, "[2,3,4]", check_ramp);
        check_weight(w, "flags", LB_BOOL, "[3]", check_odd_one);
        check_weight(w, "scalar", LB_F64, "[]", check_minus_seven);
        check_weight(w, "none", LB_F32, "[0,4]", NULL);
        check_weight(w, "layer/weight", LB_F32, "[2,3]", check_ramp);
        CHECK_INT(w ? w->count : 0, 19);
        lb_weights_close(w);
        check_end();
    }
    lb_weights *tiles = check_weights("npz/tiles.npz"); /* turned by tiles, with rests on both sides */
    check_weight(tiles, "f2", LB_F16, "[35,21]", check_ramp);
    check_weight(tiles, "f4", LB_F32, "[37,53]", check_ramp);
    check_weight(tiles, "f8", LB_F64, "[19,34]", check_ramp);
    lb_weights_close(tiles);
    for (int k = 0; k < 2; k++) {
        lb_weights *w = check_weights(k ? "npz/version2.npy" : "npz/one.npy");
        check_weight(w, "array", LB_F32, "[2,3]", check_ramp);
        lb_weights_close(w);
    }
}

/* ---- GGUF ---- */

static void gguf(void) {
    static const char *const names[] = {"gguf/small.gguf", "gguf/aligned64.gguf", "gguf/version2.gguf"};
    for (int k = 0; k < 3; k++) {
        check_begin("%s", names[k]);
        lb_weights *w = check_weights(names[k]);
        check_weight(w, "f32", LB_F32, "[2,3]", check_ramp);
        check_weight(w, "f16", LB_F16, "[5]", check_ramp);
        check_weight(w, "bf16", LB_BF16, "[2,3]", check_ramp);
        check_weight(w, "f64", LB_F64, "[3]", check_ramp);
        check_weight(w, "i32", LB_I32, "[4]", whole);
        check_weight(w, "i8", LB_I8, "[5]", whole);
        check_weight(w, "q8_0", LB_F32, "[2,32]", gguf_rows);
        CHECK_INT(w ? w->count : 0, 7);
        const lb_value *m = w ? w->metadata : NULL;
        lb_buf json = {0};
        CHECK_OK(lb_json_write(&json, m, 0));
        CHECK_HAS(lb_buf_str(&json), "\"general.architecture\": \"limbeck-test\"");
        CHECK_HAS(lb_buf_str(&json), "\"limbeck-test.block_count\": 2, \"limbeck-test.eps\": 0.5, \"limbeck-test.causal\": true, \"limbeck-test.negative\": "
                                     "-7, \"limbeck-test.huge\": 1.8446744073709552e+19");
        CHECK_HAS(lb_buf_str(&json), "\"tokenizer.ggml.tokens\": [\"a\", \"b\u00e9\", \"\"], \"limbeck-test.sizes\": [1, 2, 3]");
        lb_buf_free(&json);
        lb_weights_close(w);
        check_end();
    }
}

/* ---- CTranslate2 ---- */

static void ctranslate2(void) {
    static const struct {
        const char *name;
        lb_dtype dtype, rows; /* of plain tensors; of those that int8 and int16 quantise */
    } files[] = {{"float32", LB_F32, LB_F32}, {"float16", LB_F16, LB_F16}, {"bfloat16", LB_BF16, LB_BF16}, {"int8", LB_F32, LB_F32}, {"int16", LB_F32, LB_F32}, {"int8_float16", LB_F16, LB_F32}};
    for (size_t k = 0; k < LB_COUNT(files); k++) {
        char path[64];
        snprintf(path, sizeof path, "ctranslate2/%s.bin", files[k].name);
        check_begin("%s", path);
        lb_weights *w = check_weights(path);
        bool exact = strcmp(files[k].name, "int16") != 0; /* its scale is no power of two here */
        check_weight(w, "inner/linear/weight", files[k].rows, "[2,32]", exact ? ct2_rows : NULL);
        check_weight(w, "inner/embeddings/weight", files[k].rows, "[2,32]", exact ? ct2_double_rows : NULL);
        check_weight(w, "tied/weight", files[k].rows, "[2,32]", exact ? ct2_double_rows : NULL);
        check_weight(w, "inner/linear/bias", files[k].dtype, "[2]", check_ramp);
        check_weight(w, "inner/norm/gamma", files[k].dtype, "[4]", check_ramp);
        check_weight(w, "inner/conv/weight", files[k].rows, "[2,3,2]", strncmp(files[k].name, "int", 3) == 0 ? NULL : check_ramp);
        const lb_weight *t = w ? lb_weights_find(w, "inner/linear/weight") : NULL;
        for (int i = 0; t && !exact && i < 64; i++) CHECK_NEAR(((const float *)t->data)[i], ct2_rows(i), 127.0 / 1024); /* half a step of 10 bits for the largest */
        CHECK(w && !lb_weights_find(w, "inner/linear/weight_scale"));
        CHECK_TEXT(w ? lb_get_text(w->metadata, "specification", "") : "", "SmallSpec");
        CHECK_INT(w ? lb_get_int(w->metadata, "revision", 0) : 0, 3);
        lb_weights_close(w);
        check_end();
    }
}

/* ---- what is refused, and how it is said ---- */

static void refuses(void) {
    static const struct {
        const char *name;
        lb_status want;
        const char *check_part;
    } bad[] = {
        {"torch/complex.pt", LB_E_UNSUPPORTED, "torch.ComplexFloatStorage"},
        {"torch/float8.pt", LB_E_UNSUPPORTED, "torch.float8_e4m3fn"},
        {"torch/sparse.pt", LB_E_UNSUPPORTED, "_rebuild_sparse_tensor"},
        {"torch/whole-model.pt", LB_E_UNSUPPORTED, "torch.nn.modules.container.Sequential"},
        {"npz/objects.npz", LB_E_UNSUPPORTED, "'|O'"},
        {"npz/complex.npz", LB_E_UNSUPPORTED, "'<c8'"},
        {"npz/texts.npz", LB_E_UNSUPPORTED, "'<U1'"},
        {"npz/records.npz", LB_E_UNSUPPORTED, "records"},
        {"gguf/q4.gguf", LB_E_UNSUPPORTED, "'q4_0': type q4_0"},
    };
    int64_t live = lb_alloc_live();
    for (size_t k = 0; k < LB_COUNT(bad); k++) {
        char path[96];
        snprintf(path, sizeof path, "weights/%s", bad[k].name);
        check_begin("bad %s", bad[k].name);
        lb_weights *w = NULL;
        CHECK_FAILS(lb_weights_open(&w, check_data(path)), bad[k].want, bad[k].check_part);
        CHECK_HAS(lb_error_text(), bad[k].name);
        check_end();
    }
    CHECK_INT(lb_alloc_live(), live);
}

/* A file with `size` bytes at `at` replaced. */
static void changed(const char *name, const char *before, const char *bytes, size_t size, lb_status want, const char *part_of_text) {
    char path[96];
    snprintf(path, sizeof path, "weights/%s", name);
    lb_buf b = {0};
    lb_weights *w = NULL;
    CHECK_OK(lb_file_read(&b, check_data(path), 0));
    char *at = b.data ? memmem(b.data, b.size, before, strlen(before)) : NULL;
    if (CHECK(at != NULL)) {
        memcpy(at + strlen(before), bytes, size);
        const char *tmp = check_tmp("changed.bin");
        CHECK_OK(lb_file_write(tmp, b.data, b.size));
        CHECK_FAILS(lb_weights_open(&w, tmp), want, part_of_text);
    }
    lb_weights_close(w);
    lb_buf_free(&b);
}

static void lies(void) {
    changed("gguf/small.gguf", "GGUF", "\4", 1, LB_E_UNSUPPORTED, "version 4");
    changed("gguf/small.gguf", "GGUF", "\0\0\0\3", 4, LB_E_UNSUPPORTED, "big-endian");
    changed("gguf/small.gguf", "general.name", "\x2a", 1, LB_E_UNSUPPORTED, "type 42");
    changed("npz/one.npy", "'descr': '<", "f9", 2, LB_E_UNSUPPORTED, "'<f9'");
    changed("npz/one.npy", "'shape': (", "9", 1, LB_E_FORMAT, "24 bytes of numbers, want 108");
    changed("npz/one.npy", "'shape': (", "1", 1, LB_E_FORMAT, "12 bytes behind the numbers");
    changed("npz/one.npy", "'shape': (", "-", 1, LB_E_FORMAT, "shape");
    changed("npz/one.npy", "NUMPY", "\7", 1, LB_E_UNSUPPORTED, "version 7");
    changed("ctranslate2/float32.bin", "inner/linear/weight", "\0\2\x40", 3, LB_E_FORMAT, "'inner/linear/weight': [64,32] of f32 does not take 256 bytes");
    changed("ctranslate2/float32.bin", "inner/linear/weight", "\0\2\2\0\0\0\x20\0\0\0\x9", 11, LB_E_UNSUPPORTED, "type 9");
}

static void version_of_ct2(void) {
    lb_buf b = {0};
    lb_weights *w = NULL;
    CHECK_OK(lb_file_read(&b, check_data("weights/ctranslate2/float32.bin"), 0));
    if (b.data) b.data[0] = 5;
    const char *tmp = check_tmp("version.bin");
    CHECK_OK(lb_file_write(tmp, b.data, b.size));
    CHECK_FAILS(lb_weights_open(&w, tmp), LB_E_UNSUPPORTED, "format 5; 6 is handled");
    lb_buf_free(&b);
}

/* Every file cut short is refused with a reason; none is taken, but for what follows the last byte that is needed. */
static void cut_short(void) {
    static const char *const names[] = {"torch/state.pt", "torch/legacy.pth", "safetensors/torch.safetensors", "npz/stored.npz", "npz/deflated.npz", "npz/one.npy", "gguf/small.gguf",
                                        "ctranslate2/float32.bin", "ctranslate2/int8.bin"};
    int64_t live = lb_alloc_live();
    for (size_t k = 0; k < LB_COUNT(names); k++) {
        char path[96];
        lb_buf b = {0};
        snprintf(path, sizeof path, "weights/%s", names[k]);
        check_begin("cut %s", names[k]);
        CHECK_OK(lb_file_read(&b, check_data(path), 0));
        size_t padding = strncmp(names[k], "gguf", 4) == 0 ? 31 : 0;
        for (size_t n = 0; n + padding < b.size; n += n < 300 ? 1 : 41) {
            lb_weights *w = NULL;
            const char *tmp = check_tmp("cut.bin");
            CHECK_OK(lb_file_write(tmp, b.data, n));
            lb_status st = lb_weights_open(&w, tmp);
            if (st == LB_OK || !lb_error_text()[0]) check_true(false, names[k], 0, "a file cut short is refused with a reason");
            lb_weights_close(w);
        }
        lb_buf_free(&b);
        check_end();
    }
    CHECK_INT(lb_alloc_live(), live);
}

static void memory(void) {
    check_weights_memory(4, (const char *const[]){"weights/torch/state.pt", "weights/npz/deflated.npz", "weights/gguf/small.gguf", "weights/ctranslate2/int8.bin"});
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "weights-formats",
                      (check_test[]){{"torch", torch_state}, {"checkpoint", torch_checkpoint}, {"shards", shards}, {"safetensors", safetensors}, {"npz", npz}, {"gguf", gguf},
                                     {"ctranslate2", ctranslate2}, {"refuses", refuses}, {"lies", lies}, {"ct2-version", version_of_ct2}, {"cut", cut_short}, {"memory", memory}, {0}});
}
