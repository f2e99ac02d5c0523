/* SPDX-License-Identifier: Apache-2.0 */
/* The tape's promises: sticky failures, modes, scopes, memory, gradients through shared parts. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "check.h"
#include "tensor/ops.h"

static lb_tensor *leaf(int rank, const int64_t *shape, double first, double step) {
    lb_tensor *x = NULL;
    if (!CHECK_OK(lb_tensor_new(&x, LB_REAL, rank, shape))) exit(2);
    for (int64_t i = 0; i < lb_numel(x); i++) ((lb_real *)x->data)[i] = (lb_real)(first + step * (double)i);
    x->requires_grad = true;
    return x;
}

static lb_tape *tape(void) {
    lb_tape *t = NULL;
    if (!CHECK_OK(lb_tape_new(&t))) exit(2);
    return t;
}

static void add_broadcasts(void) {
    lb_tape *t = tape();
    lb_tensor *a = leaf(2, (int64_t[]){2, 3}, 1, 1), *b = leaf(1, (int64_t[]){3}, 10, 10);
    lb_tensor *y = lb_add(t, a, b), *w = lb_full(t, 2, (int64_t[]){2, 3}, 2);
    double got[6];
    CHECK_OK(lb_tape_status(t));
    CHECK_OK(lb_read_f64(y, got, 6));
    CHECK_DOUBLES(got, ((double[]){11, 22, 33, 14, 25, 36}), 6, 0, 0); /* small integers: exact */
    lb_backward_from(t, 1, &y, &w, false);
    CHECK_OK(lb_tape_status(t));
    CHECK_OK(lb_read_f64(a->grad, got, 6));
    CHECK_DOUBLES(got, ((double[]){2, 2, 2, 2, 2, 2}), 6, 0, 0);
    CHECK_OK(lb_read_f64(b->grad, got, 3));
    CHECK_DOUBLES(got, ((double[]){4, 4, 4}), 3, 0, 0);
    lb_tape_free(t);
    lb_tensor_free(a);
    lb_tensor_free(b);
}

static void first_failure_stays(void) {
    lb_tape *t = tape();
    lb_tensor *a = leaf(2, (int64_t[]){2, 3}, 1, 1), *b = leaf(1, (int64_t[]){4}, 10, 10);
    lb_tensor *y = lb_add(t, a, b);
    CHECK(y == lb_inert(t));
    y = lb_add(t, y, a);
    CHECK(y == lb_inert(t));
    lb_tape_fail(t, LB_E_BUG, "a later failure");
    CHECK_FAILS(lb_tape_status(t), LB_E_SHAPE, "add(a[2,3], b[4]): ");
    CHECK_INT(isnan(lb_number(y)), 1);
    double got;
    CHECK_FAILS(lb_read_f64(y, &got, 1), LB_E_ARG, "inert");
    lb_backward(t, y);
    CHECK(!a->grad);
    lb_tape_reset(t);
    CHECK_OK(lb_tape_status(t));
    CHECK(lb_add(t, a, a) != lb_inert(t));
    lb_tape_free(t);
    lb_tensor_free(a);
    lb_tensor_free(b);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "tape", (check_test[]){
        {"add_broadcasts", add_broadcasts},
        {"first_failure_stays", first_failure_stays},
        {0}});
}
