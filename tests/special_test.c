/* SPDX-License-Identifier: Apache-2.0 */
/* Element-wise ops at NaN, infinities, zeros and kinks, in double, against PyTorch: values and gradients. tests/data/ops/special.json, made
 * by make_special.py, which says where Limbeck's rule is another one. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/value.h"
#include "check.h"
#include "tensor/op.h"

static double number_of(const lb_value *v) {
    return v->kind == LB_V_INT ? (double)v->integer : v->kind == LB_V_TEXT ? strtod(v->text, NULL) : v->real;
}

static lb_tensor *leaf_of(const lb_value *list) {
    lb_tensor *x = NULL;
    if (!CHECK_OK(lb_tensor_new(&x, LB_REAL, 1, &list->count))) return NULL;
    for (int64_t i = 0; i < list->count; i++) lb_r(x)[i] = number_of(list->items[i]);
    x->requires_grad = true;
    return x;
}

/* NaN matches NaN; else a few roundings apart: both computed in double, in other orders. */
static void same(const char *what, double got, const lb_value *list, int64_t i, const lb_value *in) {
    if (list->items[i]->kind == LB_V_NULL) return;
    double want = number_of(list->items[i]);
    bool alike = (isnan(got) && isnan(want)) || got == want || fabs(got - want) <= 1e-11 * fabs(want) + 1e-300;
    if (CHECK(alike)) return;
    printf("     %s is %g, expected %g, at %g", what, got, want, number_of(in->items[0]->items[i]));
    if (in->count > 1) printf(", %g", number_of(in->items[1]->items[i]));
    printf("\n");
}

static void one(const lb_value *entry, const lb_op *op) {
    const lb_value *in = lb_get(entry, "in"), *out = lb_get(entry, "out"), *grad = lb_get(entry, "grad"), *given = lb_get(entry, "params");
    lb_tensor *x[2] = {NULL}, *y, *ones;
    lb_real params[4] = {0};
    double values[128];
    lb_tape *t = NULL;
    if (!CHECK_OK(lb_tape_new(&t)) || !CHECK(out->count <= (int64_t)LB_COUNT(values))) return;
    for (int64_t i = 0; i < given->count; i++) params[i] = number_of(given->items[i]);
    CHECK_INT((int64_t)op->params_size, given->count * (int64_t)sizeof(lb_real));
    for (int64_t i = 0; i < in->count; i++) x[i] = leaf_of(in->items[i]);
    y = lb_apply(t, op, given->count > 0 ? params : NULL, op->params_size, (int)in->count, x);
    if (CHECK_OK(lb_read_f64(y, values, out->count)))
        for (int64_t i = 0; i < out->count; i++) same("value", values[i], out, i, in);
    ones = lb_full(t, 1, &out->count, 1);
    lb_backward_from(t, 1, &y, &ones, false);
    CHECK_OK(lb_tape_status(t));
    for (int64_t k = 0; k < in->count; k++)
        for (int64_t i = 0; i < out->count; i++) same("gradient", x[k]->grad ? lb_r(x[k]->grad)[i] : 0, grad->items[k], i, in);
    lb_tape_free(t);
    for (int64_t k = 0; k < in->count; k++) lb_tensor_free(x[k]);
}

static void special(void) {
    lb_value *all = NULL;
    if (!CHECK_OK(lb_json_read(&all, check_data("ops/special.json")))) return;
    CHECK(all->count > 60);
    for (int64_t e = 0; e < all->count; e++) {
        const char *id = lb_get_text(all->items[e], "op", "");
        const lb_op *op = (const lb_op *)lb_family_at(&lb_ops, id);
        check_begin("%s", id);
        if (CHECK(op)) one(all->items[e], op);
        check_end();
    }
    lb_value_free(all);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "special", (check_test[]){{"special", special}, {0}});
}
