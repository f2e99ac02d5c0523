/* SPDX-License-Identifier: Apache-2.0 */
/* Weight files made by CPython's pickle, zipfile and the safetensors package (tests/data/weights/make.py): values are i / 2 - 3. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "base/pages.h"
#include "io/weights.h"
#include "tests/check.h"
#include "tests/weights_check.h"


static double bytes(int64_t i) {
    return i ? 255 : 1;
}
static double nines(int64_t i) {
    return i % 2 ? -9 : 9;
}

static void state_is_right(const lb_weights *w) {
    check_weight(w, "plain", LB_F32, "[4,6]", check_ramp);
    check_weight(w, "turned", LB_F32, "[6,4]", check_turned);
    check_weight(w, "part", LB_F32, "[2,3]", check_part);
    check_weight(w, "block.0.weight", LB_F64, "[2,3]", check_ramp);
    check_weight(w, "half", LB_F16, "[5]", check_ramp);
    check_weight(w, "bf", LB_BF16, "[5]", check_ramp);
    check_weight(w, "steps", LB_I64, "[]", check_minus_seven);
    check_weight(w, "flags", LB_BOOL, "[3]", check_odd_one);
    check_weight(w, "bytes", LB_U8, "[2]", bytes);
    check_weight(w, "empty", LB_I32, "[0,3]", NULL);
    check_weight(w, "spread", LB_I16, "[3,2]", nines);
    CHECK_INT(w ? w->count : 0, 11);
    CHECK_TEXT(w ? w->at[0].name : "", "plain");
    CHECK(w && !lb_weights_find(w, "absent"));
}

static void torch_archives(void) {
    static const char *const names[] = {"zip.pth", "zip-protocol4.pth", "stream.pth", "checkpoint.pt"};
    for (size_t i = 0; i < LB_COUNT(names); i++) {
        check_begin("torch-%s", names[i]);
        lb_weights *w = check_weights(names[i]);
        state_is_right(w);
        lb_weights_close(w);
        check_end();
    }
}

static void torch_containers(void) {
    lb_weights *w = check_weights("nested.pt");
    check_weight(w, "a.0", LB_F32, "[2]", check_ramp);
    check_weight(w, "a.1.b", LB_F32, "[2]", check_ramp);
    CHECK_INT(w ? w->count : 0, 2);
    lb_weights_close(w);
    w = check_weights("one.pt");
    check_weight(w, "tensor", LB_F32, "[2]", check_ramp);
    lb_weights_close(w);
}

static void bad(const char *name, lb_status want, const char *part_of_text) {
    char path[96];
    snprintf(path, sizeof path, "weights/%s", name);
    check_begin("bad-%s", name);
    lb_weights *w = NULL;
    CHECK_FAILS(lb_weights_open(&w, check_data(path)), want, part_of_text);
    CHECK_HAS(lb_error_text(), name);
    CHECK(!w);
    check_end();
}

static void torch_refuses(void) {
    int64_t live = lb_alloc_live();
    bad("evil-reduce.pt", LB_E_UNSUPPORTED, "os.system");
    bad("evil-stack.pt", LB_E_UNSUPPORTED, "posix.system");
    bad("evil-inst.pt", LB_E_UNSUPPORTED, "os.system");
    bad("evil-eval.pt", LB_E_UNSUPPORTED, "builtins.eval");
    bad("evil-bare.pkl", LB_E_UNSUPPORTED, "subprocess.Popen");
    bad("deflated.pt", LB_E_UNSUPPORTED, "compressed");
    bad("big-endian.pt", LB_E_UNSUPPORTED, "big");
    bad("bad-crc.pt", LB_E_FORMAT, "archive/data/1");
    bad("no-storage.pt", LB_E_FORMAT, "'block.0.weight': its storage '1'");
    bad("bad-reach.pt", LB_E_FORMAT, "tensor 'w': reaches element 5");
    bad("bad-offset.pt", LB_E_FORMAT, "reaches element 4");
    bad("bad-overflow.pt", LB_E_FORMAT, "overflows");
    bad("bad-spread.pt", LB_E_LIMIT, "'w'");
    bad("bad-rank.pt", LB_E_UNSUPPORTED, "rank 9");
    bad("bad-negative.pt", LB_E_FORMAT, "'w'");
    bad("bad-short.pt", LB_E_FORMAT, "should hold 4 elements");
    bad("bad-loop.pt", LB_E_LIMIT, "nested");
    bad("bad-doubling.pt", LB_E_LIMIT, "times"); /* of 2^50 names for one tensor, the first few reach a limit */
    bad("bad-twice.pt", LB_E_FORMAT, "'w' is there twice");
    CHECK_INT(lb_alloc_live(), live);
}

/* ---- safetensors ---- */

static const char *write_tmp(const char *name, const void *data, size_t size) {
    const char *path = check_tmp(name);
    CHECK_OK(lb_file_write(path, data, size));
    return path;
}

/* A file of this header and n bytes of data. */
static const char *with_header(const char *header, size_t n) {
    lb_buf b = {0};
    uint8_t length[8] = {0}, zero = 0;
    for (int i = 0; i < 4; i++) length[i] = (uint8_t)(strlen(header) >> (8 * i));
    lb_buf_add(&b, length, 8);
    lb_buf_text(&b, header);
    for (size_t i = 0; i < n; i++) lb_buf_add(&b, &zero, 1);
    const char *path = write_tmp("x.safetensors", b.data, b.size);
    lb_buf_free(&b);
    return path;
}

static void header_fails(const char *header, size_t n, lb_status want, const char *part_of_text) {
    lb_weights *w = NULL;
    if (!CHECK_FAILS(lb_weights_open(&w, with_header(header, n)), want, part_of_text)) printf("     header %s\n", header);
    CHECK_HAS(lb_error_text(), "x.safetensors");
}

static void safetensors_good(void) {
    lb_weights *w = check_weights("good.safetensors");
    check_weight(w, "a", LB_F32, "[2,3]", check_ramp);
    check_weight(w, "h", LB_F16, "[4]", check_ramp);
    check_weight(w, "n", LB_I64, "[]", check_minus_seven);
    check_weight(w, "m", LB_BOOL, "[3]", check_odd_one);
    check_weight(w, "none", LB_F32, "[0,4]", NULL);
    check_weight(w, "d", LB_F64, "[3]", check_ramp);
    CHECK_TEXT(w ? lb_get_text(w->metadata, "made by", "") : "", "safetensors");
    char sha[65], got[65] = "";
    CHECK_OK(lb_sha256_file(check_data("weights/good.safetensors"), sha));
    if (w) CHECK_OK(lb_weights_sha256(w, got));
    CHECK_TEXT(got, sha);
    lb_weights_close(w);
    lb_weights *p = NULL; /* spaces after the header, no tensor at all: valid */
    CHECK_OK(lb_weights_open(&p, with_header("{}      ", 0)));
    CHECK_INT(p ? p->count : -1, 0);
    lb_weights_close(p);
}

static void safetensors_refuses(void) {
    int64_t live = lb_alloc_live();
    header_fails("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, LB_E_FORMAT, "belong to none");
    header_fails("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8, LB_E_FORMAT, "4 bytes after the last tensor");
    header_fails("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 3, LB_E_FORMAT, "'a': bytes 0 to 4, the file has 3");
    header_fails("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[2,6]}}", 6, LB_E_FORMAT, "overlaps that of 'a'");
    header_fails("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, LB_E_FORMAT, "duplicate");
    header_fails("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4, LB_E_FORMAT, "takes 8 bytes");
    header_fails("{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", 0, LB_E_FORMAT, "overflows");
    header_fails("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, LB_E_FORMAT, "0 or more");
    header_fails("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}", 4, LB_E_FORMAT, "whole numbers");
    header_fails("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 4, LB_E_FORMAT, "bytes 4 to 0");
    header_fails("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,99999999999999999999]}}", 4, LB_E_FORMAT, "integer");
    header_fails("{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, LB_E_FORMAT, "data_offsets");
    header_fails("{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[4],\"data_offsets\":[0,4]}}", 4, LB_E_UNSUPPORTED, "F8_E4M3");
    header_fails("{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,1]}}", 1, LB_E_UNSUPPORTED, "rank 9");
    header_fails("{\"__metadata__\":{\"x\":1}}", 0, LB_E_FORMAT, "must be a text");
    header_fails("{\"a\":[1,2]}", 0, LB_E_FORMAT, "'a'");
    header_fails("{\"a\":{\"dtype\"", 0, LB_E_FORMAT, "header");
    header_fails(" {}     ", 0, LB_E_UNSUPPORTED, "no weight file");
    lb_weights *w = NULL;
    CHECK_FAILS(lb_weights_open(&w, write_tmp("long.safetensors", "\377\377\377\377\0\0\0\0{}", 10)), LB_E_LIMIT, "header of 4294967295");
    CHECK_FAILS(lb_weights_open(&w, write_tmp("cut.safetensors", "\377\0\0\0\0\0\0\0{}", 10)), LB_E_FORMAT, "truncated");
    CHECK_FAILS(lb_weights_open(&w, write_tmp("empty.safetensors", "", 0)), LB_E_FORMAT, "empty");
    CHECK_FAILS(lb_weights_open(&w, check_tmp("absent.safetensors")), LB_E_NOTFOUND, "absent");
    CHECK_INT(lb_alloc_live(), live);
}

static void safetensors_round_trip(void) {
    int64_t shape[2] = {2, 3}, turned_shape[2] = {3, 2};
    lb_tensor *a = NULL, *t = NULL;
    lb_value *meta = lb_value_map();
    lb_map_text(meta, "format", "limbeck \"test\"");
    CHECK_OK(lb_tensor_new(&a, LB_F32, 2, shape));
    for (int i = 0; i < 6; i++) ((float *)a->data)[i] = (float)check_ramp(i);
    CHECK_OK(lb_tensor_borrow(&t, LB_F32, 2, turned_shape, a->data));
    t->stride[0] = 1;
    t->stride[1] = 3;
    const char *names[] = {"weight", "a \"quoted\" name"};
    const lb_tensor *tensors[] = {a, t};
    const char *path = check_tmp("round.safetensors");
    CHECK_OK(lb_safetensors_write(path, 2, names, tensors, meta));
    lb_weights *w = NULL;
    if (CHECK_OK(lb_weights_open(&w, path))) {
        check_weight(w, "weight", LB_F32, "[2,3]", check_ramp);
        const lb_weight *x = lb_weights_find(w, names[1]);
        float want[6] = {-3, -1.5f, -2.5f, -1, -2, -0.5f}, got[6] = {0};
        if (CHECK(x && x->bytes == 24)) memcpy(got, x->data, 24);
        CHECK_FLOATS(got, want, 6, 0, 0);
        CHECK_TEXT(lb_get_text(w->metadata, "format", ""), "limbeck \"test\"");
        CHECK_INT(((uintptr_t)w->at[0].data) % 8, 0);
    }
    lb_weights_close(w);
    names[1] = "weight";
    CHECK_FAILS(lb_safetensors_write(path, 2, names, tensors, NULL), LB_E_ARG, "'weight'");
    lb_tensor_free(a);
    lb_tensor_free(t);
    lb_value_free(meta);
}

static const char *write_index(const char *map) {
    lb_buf b = {0};
    lb_buf_format(&b, "{\"metadata\":{\"total_size\":8},\"weight_map\":%s}", map);
    const char *path = write_tmp("model.safetensors.index.json", b.data, b.size);
    lb_buf_free(&b);
    return path;
}

static void sharded(void) {
    float one = 1.5f, two = 2.5f;
    int64_t shape[1] = {1};
    lb_tensor *a = NULL, *b = NULL;
    CHECK_OK(lb_tensor_borrow(&a, LB_F32, 1, shape, &one));
    CHECK_OK(lb_tensor_borrow(&b, LB_F32, 1, shape, &two));
    const char *na = "a", *nb = "b";
    CHECK_OK(lb_safetensors_write(check_tmp("m-1.safetensors"), 1, &na, (const lb_tensor *const *)&a, NULL));
    CHECK_OK(lb_safetensors_write(check_tmp("m-2.safetensors"), 1, &nb, (const lb_tensor *const *)&b, NULL));
    lb_weights *w = NULL;
    if (CHECK_OK(lb_weights_open(&w, write_index("{\"b\":\"m-2.safetensors\",\"a\":\"m-1.safetensors\"}")))) {
        const lb_weight *x = lb_weights_find(w, "b");
        CHECK(x && memcmp(x->data, &two, 4) == 0);
        CHECK_INT(w->count, 2);
        char h[2][65], sum[65], joined[129];
        CHECK_OK(lb_sha256_file(check_tmp("m-1.safetensors"), h[0]));
        CHECK_OK(lb_sha256_file(check_tmp("m-2.safetensors"), h[1]));
        bool order = strcmp(h[0], h[1]) < 0;
        snprintf(joined, sizeof joined, "%s%s", order ? h[0] : h[1], order ? h[1] : h[0]);
        lb_sha256_of(joined, 128, sum);
        char got[65] = "";
        CHECK_OK(lb_weights_sha256(w, got));
        CHECK_TEXT(got, sum);
    }
    lb_weights_close(w);
    w = NULL;
    CHECK_FAILS(lb_weights_open(&w, write_index("{\"a\":\"m-1.safetensors\",\"c\":\"m-2.safetensors\"}")), LB_E_FORMAT, "'c' is not in m-2");
    CHECK_FAILS(lb_weights_open(&w, write_index("{\"a\":\"m-2.safetensors\",\"b\":\"m-1.safetensors\"}")), LB_E_FORMAT, "'a' is not in m-2");
    CHECK_FAILS(lb_weights_open(&w, write_index("{\"a\":\"../m-1.safetensors\"}")), LB_E_FORMAT, "same folder");
    CHECK_FAILS(lb_weights_open(&w, write_index("{\"a\":\"m-9.safetensors\"}")), LB_E_NOTFOUND, "m-9");
    CHECK_FAILS(lb_weights_open(&w, write_index("[]")), LB_E_FORMAT, "weight_map");
    lb_tensor_free(a);
    lb_tensor_free(b);
}

/* ---- damage ---- */

static void open_any(const void *data, size_t size) {
    lb_weights *w = NULL;
    lb_status st = lb_weights_open(&w, write_tmp("any.bin", data, size));
    if (st == LB_OK) {
        uint64_t sum = 0; /* reach every byte that is given out */
        for (int64_t i = 0; i < w->count; i++) sum ^= lb_hash64(w->at[i].data, w->at[i].bytes, 0);
        CHECK(sum != 1);
    } else {
        CHECK(lb_error_text()[0] && !w);
    }
    lb_weights_close(w);
}

static void damage(void) {
    static const char *const names[] = {"zip.pth", "stream.pth", "good.safetensors", "bad-twice.pt"};
    int64_t live = lb_alloc_live();
    uint64_t dice = 88172645463325252u;
    for (size_t k = 0; k < LB_COUNT(names); k++) {
        char path[96];
        snprintf(path, sizeof path, "weights/%s", names[k]);
        lb_buf b = {0};
        CHECK_OK(lb_file_read(&b, check_data(path), 0));
        for (size_t n = 0; n < b.size; n += n < 200 ? 1 : 37) open_any(b.data, n);
        for (int i = 0; i < 400; i++) {
            dice ^= dice << 13, dice ^= dice >> 7, dice ^= dice << 17; /* Marsaglia's xorshift64 */
            size_t at = (size_t)(dice >> 20) % b.size;
            char old = b.data[at];
            b.data[at] = (char)(dice & 1 ? (char)dice : old ^ (1 << (dice >> 8 & 7)));
            open_any(b.data, b.size);
            b.data[at] = old;
        }
        lb_buf_free(&b);
    }
    CHECK_INT(lb_alloc_live(), live);
}

static void memory(void) {
    check_weights_memory(3, (const char *const[]){"weights/zip.pth", "weights/stream.pth", "weights/good.safetensors"});
}

/* KiB of this process that mirror files. */
static int64_t mirrored(void) {
    char text[4096] = "";
    FILE *f = fopen("/proc/self/status", "r");
    size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f) fclose(f);
    text[n] = 0;
    const char *at = strstr(text, "RssFile:");
    return at ? strtoll(at + 8, NULL, 10) : 0;
}

/* Pages of a mapped file that were only read leave the process, one that was written stays as it was written, and all read the same as before; so does memory of no file. */
static void forgotten_pages(void) {
    enum { N = 8 << 20, AT = 3 << 20 };
    uint8_t *own = lb_alloc_aligned(N);
    if (!CHECK(own)) return;
    for (int64_t i = 0; i < N; i++) own[i] = (uint8_t)(i * 7 + (i >> 13));
    lb_mmap m;
    if (!CHECK_OK(lb_mmap_own(&m, write_tmp("pages.bin", own, N)))) return;
    uint8_t *data = (uint8_t *)(uintptr_t)m.data;
    CHECK(memcmp(data, own, N) == 0);
    data[AT] = own[AT] = 99;
    int64_t before = mirrored();
    lb_pages_forget(data + 1, N - 1);
    lb_pages_forget(own, N);
    int64_t after = mirrored();
    CHECK(before - after > N / 1024 / 2);
    CHECK(memcmp(data, own, N) == 0);
    CHECK_INT(data[AT], 99);
    lb_mmap_close(&m);
    lb_free(own);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "weights",
                      (check_test[]){{"torch", torch_archives}, {"containers", torch_containers}, {"torch-refuses", torch_refuses}, {"safetensors", safetensors_good},
                                     {"safetensors-refuses", safetensors_refuses}, {"round-trip", safetensors_round_trip}, {"sharded", sharded}, {"damage", damage},
                                     {"memory", memory}, {"forgotten pages", forgotten_pages}, {0}});
}
