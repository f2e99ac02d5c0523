/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/weights_check.h"
#include <stdint.h>
#include <stdio.h>
#include "tests/check.h"

lb_weights *check_weights(const char *name) {
    char path[96];
    snprintf(path, sizeof path, "weights/%s", name);
    lb_weights *w = NULL;
    CHECK_OK(lb_weights_open(&w, check_data(path)));
    return w;
}

void check_weight(const lb_weights *w, const char *name, lb_dtype dtype, const char *shape, double (*want)(int64_t i)) {
    const lb_weight *t = w ? lb_weights_find(w, name) : NULL;
    char text[96];
    double got[2048];
    if (!t) {
        check_true(false, name, 0, "is a tensor of the file");
        return;
    }
    CHECK_TEXT(lb_dtype_name(t->dtype), lb_dtype_name(dtype));
    CHECK_TEXT(lb_shape_text(text, sizeof text, t->rank, t->shape), shape);
    int64_t n = (int64_t)(t->bytes / lb_dtype_size(t->dtype));
    CHECK_INT((int64_t)((uintptr_t)t->data % lb_dtype_size(t->dtype)), 0);
    if (!CHECK(n <= 2048)) return;
    lb_convert(got, LB_F64, t->data, t->dtype, n);
    for (int64_t i = 0; want && i < n; i++)
        if (got[i] != want(i)) {
            char what[160];
            snprintf(what, sizeof what, "%s[%lld] is %g, want %g", name, (long long)i, got[i], want(i));
            check_true(false, what, 0, "equal values");
            break;
        }
}

double check_ramp(int64_t i) {
    return (double)i * 0.5 - 3;
}

double check_turned(int64_t i) {
    return check_ramp(i % 4 * 6 + i / 4);
}

double check_part(int64_t i) {
    return check_ramp(7 + i / 3 * 6 + i % 3);
}

double check_minus_seven(int64_t i) {
    return -7;
}

double check_odd_one(int64_t i) {
    return i % 2 == 0;
}

void check_weights_memory(int n_files, const char *const *names) {
    for (int k = 0; k < n_files; k++) {
        const char *path = check_data(names[k]);
        int64_t live = lb_alloc_live(), n = 1;
        lb_status st = LB_E_NOMEM;
        for (; n < 2000 && st != LB_OK; n++) {
            lb_weights *w = NULL;
            lb_alloc_fail_at(n);
            st = lb_weights_open(&w, path);
            lb_alloc_fail_at(0);
            if (st != LB_OK) CHECK_INT(st, LB_E_NOMEM);
            lb_weights_close(w);
        }
        CHECK(st == LB_OK && n > 5);
        CHECK_INT(lb_alloc_live(), live);
    }
}
