/* SPDX-License-Identifier: Apache-2.0 */
/* HDF5 both ways with h5py (tests/data/cache/others.py writes what is read here). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "io/hdf5.h"
#include "tests/check.h"

static bool python(const char *script, const char *args) {
    char line[2048];
    if (system("/usr/bin/python3 -c 'import numpy, h5py' 2>/dev/null") != 0) {
        check_skip("no python3 with numpy and h5py");
        return false;
    }
    snprintf(line, sizeof line, "/usr/bin/python3 %s %s", script, args);
    return CHECK_INT(system(line), 0);
}

static void check_numbers(lb_h5 *f, const char *name, lb_dtype dtype, int64_t n, const double *want) {
    lb_tensor *x = NULL;
    if (!CHECK_OK(lb_h5_read(&x, f, name, dtype))) return;
    CHECK_INT(lb_numel(x), n);
    for (int64_t i = 0; i < n; i++) CHECK_NEAR(lb_get_at(x, i), want[i], 0); /* exactly representable values */
    lb_tensor_free(x);
}

static void reads_h5py(void) {
    const char *path = check_tmp("others.h5");
    lb_h5 *f = NULL;
    if (!python(check_data("cache/others.py"), path) || !CHECK_OK(lb_h5_open(&f, path))) return;
    check_numbers(f, "/numbers/half", LB_F32, 3, (double[]){1.5, -2.25, 65504});
    check_numbers(f, "numbers/big", LB_I64, 4, (double[]){1, -2, 3, 1 << 30});
    check_numbers(f, "/numbers/flags", LB_I64, 3, (double[]){1, 0, 1});
    check_numbers(f, "/numbers/bytes", LB_F32, 2, (double[]){0, 255});
    check_numbers(f, "/numbers/scalar", LB_F32, 1, (double[]){2.5});
    check_numbers(f, "/features/y", LB_F64, 3, (double[]){0.5, 1.5, 2.5});
    check_numbers(f, "/numbers/empty", LB_F32, 0, NULL);
    bool whole = false;
    CHECK_OK(lb_h5_is_integer(&whole, f, "/numbers/flags"));
    CHECK(whole);
    CHECK_OK(lb_h5_is_integer(&whole, f, "/numbers/half"));
    CHECK(!whole);
    CHECK(lb_h5_has(f, "/numbers/half") && lb_h5_has(f, "/") && !lb_h5_has(f, "/nothing/half"));

    char **names = NULL;
    int64_t count = 0;
    if (CHECK_OK(lb_h5_members(f, "/numbers", &names, &count)) && CHECK_INT(count, 6)) CHECK_TEXT(names[0], "big");
    lb_names_free(names, count);
    CHECK_OK(lb_h5_members(f, "/none", &names, &count));
    CHECK_INT(count, 0);
    if (CHECK_OK(lb_h5_read_texts(&names, &count, f, "/texts/fixed")) && CHECK_INT(count, 2)) {
        CHECK_TEXT(names[0], "abc");
        CHECK_TEXT(names[1], "de");
        lb_names_free(names, count);
    }
    if (CHECK_OK(lb_h5_read_texts(&names, &count, f, "/keys")) && CHECK_INT(count, 3)) {
        CHECK_TEXT(names[2], "\xc3\xbc");
        lb_names_free(names, count);
    }
    CHECK_OK(lb_h5_close(f));
}

static void reads_attributes(void) {
    const char *path = check_tmp("others.h5");
    lb_h5 *f = NULL;
    lb_h5_attr *a = NULL;
    int n = 0;
    if (!python(check_data("cache/others.py"), path) || !CHECK_OK(lb_h5_open(&f, path)) || !CHECK_OK(lb_h5_attrs(f, "/", &a, &n))) return;
    CHECK_INT(n, 5); /* the list is no scalar */
    for (int i = 0; i < n; i++) {
        if (strcmp(a[i].name, "name") == 0) CHECK_TEXT(a[i].text, "Gr\xc3\xbc\xc3\x9f" "e");
        else if (strcmp(a[i].name, "fixed") == 0) CHECK_TEXT(a[i].text, "abc");
        else if (strcmp(a[i].name, "yes") == 0) CHECK(a[i].kind == LB_H5_INT && a[i].integer == 1);
        else if (strcmp(a[i].name, "count") == 0) CHECK(a[i].kind == LB_H5_INT && a[i].integer == -7);
        else CHECK(strcmp(a[i].name, "rate") == 0 && a[i].kind == LB_H5_REAL && a[i].real == 0.25);
    }
    lb_h5_attrs_free(a, n);
    CHECK_OK(lb_h5_attrs(f, "/nowhere", &a, &n));
    CHECK_INT(n, 0);
    CHECK_OK(lb_h5_close(f));
}

static void round_trip(void) {
    const char *path = check_tmp("own.h5"), *texts[] = {"", "b", "\xe2\x82\xac"};
    static const double values[] = {0, 1, -2.5, 1024, 0.125, 3};
    lb_h5 *f = NULL;
    lb_tensor *x = NULL, *y = NULL;
    CHECK_OK(lb_tensor_new(&x, LB_F64, 2, (int64_t[]){2, 3}));
    memcpy(x->data, values, sizeof values);
    CHECK_OK(lb_h5_create(&f, path));
    static const lb_dtype types[] = {LB_F64, LB_F32, LB_F16, LB_BF16};
    static const char *names[] = {"/g/a/f64", "/g/f32", "/g/f16", "/g/bf16"};
    for (int i = 0; i < 4; i++) {
        CHECK_OK(lb_tensor_copy(&y, x, types[i]));
        CHECK_OK(lb_h5_write(f, names[i], y));
        lb_tensor_free(y);
    }
    CHECK_OK(lb_h5_write_texts(f, "/t", 3, texts));
    CHECK_OK(lb_h5_set_text(f, "/g", "note", "first"));
    CHECK_OK(lb_h5_set_text(f, "/g", "note", "second"));
    CHECK_OK(lb_h5_set_int(f, "/", "n", 1LL << 40));
    CHECK_OK(lb_h5_set_real(f, "/", "x", 0.1));
    CHECK_FAILS(lb_h5_write(f, "/g/f32", x), LB_E_IO, "/g/f32"); /* there already */
    CHECK_OK(lb_h5_close(f));
    CHECK_OK(lb_h5_open(&f, path));
    for (int i = 0; i < 4; i++) check_numbers(f, names[i], LB_F64, 6, values);
    CHECK_FAILS(lb_h5_read(&y, f, "/g/none", LB_F32), LB_E_NOTFOUND, "/g/none");
    CHECK_FAILS(lb_h5_read(&y, f, "/t", LB_F32), LB_E_FORMAT, "does not hold numbers");
    lb_h5_attr *a = NULL;
    int n = 0;
    if (CHECK_OK(lb_h5_attrs(f, "/g", &a, &n)) && CHECK_INT(n, 1)) CHECK_TEXT(a[0].text, "second");
    lb_h5_attrs_free(a, n);
    CHECK_OK(lb_h5_close(f));
    lb_tensor_free(x);
}

/* Pieces of 65,536 without a text take no room, and read as empty. */
static void few_texts(void) {
    const char *path = check_tmp("texts.h5");
    enum { N = 140000, AT = 70000 };
    const char **texts = lb_calloc(N, sizeof *texts);
    char **got = NULL;
    lb_h5 *f = NULL;
    int64_t count = 0, size = 0, filled = 0;
    for (int i = 0; i < N; i++) texts[i] = "";
    texts[AT] = "broken";
    CHECK_OK(lb_h5_create(&f, path));
    CHECK_OK(lb_h5_write_texts(f, "/t", N, texts));
    CHECK_OK(lb_h5_close(f));
    CHECK_OK(lb_file_size(&size, path));
    CHECK(size < 100000);
    CHECK_OK(lb_h5_open(&f, path));
    if (CHECK_OK(lb_h5_read_texts(&got, &count, f, "/t")) && CHECK_INT(count, N)) CHECK_TEXT(got[AT], "broken");
    for (int64_t i = 0; i < count; i++) filled += got[i][0] != '\0';
    CHECK_INT(filled, 1);
    CHECK_OK(lb_h5_close(f));
    lb_names_free(got, count);
    lb_free(texts);
}

static void by_rows(void) {
    const char *path = check_tmp("rows.h5");
    lb_h5 *f = NULL;
    lb_h5_data *d = NULL;
    int32_t rows[5][2] = {{0, 1}, {2, 3}, {4, 5}, {6, 7}, {8, 9}}, got[2][2];
    CHECK_OK(lb_h5_create(&f, path));
    CHECK_OK(lb_h5_data_create(&d, f, "/a/b", LB_I32, 2, (int64_t[]){6, 2}, (int64_t[]){4, 2}));
    CHECK_OK(lb_h5_data_write(d, 0, 3, rows));
    CHECK_OK(lb_h5_data_write(d, 3, 2, rows + 3));
    CHECK_FAILS(lb_h5_data_write(d, 5, 2, rows), LB_E_NOTFOUND, "has 6 rows");
    CHECK_OK(lb_h5_data_close(d));
    CHECK_OK(lb_h5_data_open(&d, f, "/a/b"));
    CHECK_INT(d->chunk[0], 4);
    CHECK_INT(d->row, 2);
    CHECK_OK(lb_h5_data_read(d, 3, 2, got));
    CHECK(memcmp(got, rows + 3, sizeof got) == 0);
    CHECK_OK(lb_h5_data_read(d, 5, 1, got));
    CHECK_INT(got[0][0], 0); /* never written */
    CHECK_OK(lb_h5_data_close(d));
    CHECK_OK(lb_h5_close(f));
}

static void names_what_is_wrong(void) {
    const char *path = check_tmp("not.h5");
    lb_h5 *f = NULL;
    CHECK_FAILS(lb_h5_open(&f, check_tmp("none.h5")), LB_E_NOTFOUND, "none.h5");
    CHECK_OK(lb_file_write(path, "plain text, no HDF5", 19));
    CHECK_FAILS(lb_h5_open(&f, path), LB_E_FORMAT, "not an HDF5 file");
    CHECK_FAILS(lb_h5_create(&f, check_tmp("none/x.h5")), LB_E_IO, "No such file");
    CHECK_OK(lb_h5_create(&f, path));
    CHECK_OK(lb_h5_write_texts(f, "/t", 1, (const char *const[]){"x"}));
    CHECK_OK(lb_h5_close(f));
    lb_buf b = {0};
    CHECK_OK(lb_file_read(&b, path, 0));
    CHECK_OK(lb_file_write(path, b.data, b.size / 2));
    CHECK_FAILS(lb_h5_open(&f, path), LB_E_FORMAT, "truncated");
    lb_buf_free(&b);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "hdf5",
                      (check_test[]){{"reads_h5py", reads_h5py},
                                     {"reads_attributes", reads_attributes},
                                     {"round_trip", round_trip},
                                     {"few_texts", few_texts},
                                     {"by_rows", by_rows},
                                     {"names_what_is_wrong", names_what_is_wrong},
                                     {0}});
}
