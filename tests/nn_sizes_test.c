/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes that layers work out by themselves, and means over what is no picture: against numbers worked out by hand. */
#include <stdio.h>
#include <stdlib.h>
#include "check.h"
#include "nn/conv.h"
#include "nn/sequence.h"

typedef struct setting {
    lb_store *s;
    lb_tape *t;
    lb_nn *m;
} setting;

static setting planned(void) {
    setting x = {0};
    if (!CHECK_OK(lb_store_new(&x.s)) || !CHECK_OK(lb_tape_new(&x.t))) exit(2);
    lb_tape_set_mode(x.t, LB_TAPE_SHAPES);
    if (!CHECK_OK(lb_nn_new(&x.m, x.t, x.s, true))) exit(2);
    return x;
}

static void close_setting(setting *x) {
    CHECK_OK(lb_tape_status(x->t));
    lb_nn_free(x->m);
    lb_tape_free(x->t);
    lb_store_free(x->s);
}

/* TensorFlow's rule (tf.nn.convolution, SAME): max((ceil(side / stride) - 1) stride + kernel - side, 0) zeros, the odd one behind. */
static void ceil_padding(void) {
    static const struct {
        int64_t h, w, kernel, stride, t, b, l, r;
    } cases[] = {{5, 6, 3, 2, 1, 1, 0, 1}, {6, 5, 3, 2, 0, 1, 1, 1}, {7, 8, 5, 2, 2, 2, 1, 2},
                 {4, 9, 3, 1, 1, 1, 1, 1}, {6, 5, 1, 2, 0, 0, 0, 0}, {9, 10, 2, 4, 0, 1, 0, 0}};
    setting x = planned();
    for (size_t k = 0; k < LB_COUNT(cases); k++) {
        lb_conv_spec s = lb_nn_conv_ceil(lb_zeros(x.t, 4, (int64_t[]){1, 1, cases[k].h, cases[k].w}), cases[k].kernel, cases[k].stride);
        if (!CHECK(s.pad_t == cases[k].t && s.pad_b == cases[k].b) || !CHECK(s.pad_l == cases[k].l && s.pad_r == cases[k].r)) printf("     case %d\n", (int)k);
    }
    close_setting(&x);
}

/* Numbers 0, 1, 2, ...: the mean of `each` of them from i each on is i each + (each - 1) / 2. */
static void pooled(void) {
    static const int64_t shapes[][5] = {{2, 3, 5}, {2, 3, 2, 4}, {2, 3, 2, 3, 4}, {2, 3}};
    static const int ranks[] = {3, 4, 5, 2};
    setting x = planned();
    lb_tape_set_mode(x.t, LB_TAPE_GRAD);
    for (size_t k = 0; k < LB_COUNT(ranks); k++) {
        int64_t n = 1;
        for (int d = 0; d < ranks[k]; d++) n *= shapes[k][d];
        lb_tensor *y = lb_nn_global_pool(x.m, lb_reshape(x.t, lb_to_real(x.t, lb_arange(x.t, n)), ranks[k], shapes[k]));
        if (!CHECK_OK(lb_tape_status(x.t)) || !CHECK(y->rank == 2 && y->shape[0] == 2 && y->shape[1] == 3)) continue;
        for (int64_t i = 0; i < 6; i++) CHECK_NEAR(lb_get_at(y, i), (double)(i * n / 6) + ((double)n / 6 - 1) / 2, 1e-12);
    }
    close_setting(&x);
}

static void check_bias(setting *x, const char *name, int64_t count, double fan) {
    const lb_param_tensor *p = lb_store_find(x->s, name);
    if (CHECK(p) && CHECK(p->x->rank == 1 && p->x->shape[0] == count && p->init == LB_INIT_KAIMING_UNIFORM)) CHECK_NEAR(p->init_arg, fan, 0);
}

/* Biases begin within 1 / sqrt(inputs of an output), as torch.nn's; those of transposed convolutions count outputs of an input, as torch.nn's. */
static void biases(void) {
    setting x = planned();
    lb_tensor *row = lb_zeros(x.t, 3, (int64_t[]){1, 4, 9}), *picture = lb_zeros(x.t, 4, (int64_t[]){1, 4, 9, 9});
    lb_tensor *cube = lb_zeros(x.t, 5, (int64_t[]){1, 4, 5, 5, 5});
    const lb_conv_spec two = {.stride_h = 1, .stride_w = 1, .dilation_h = 1, .dilation_w = 1, .groups = 2};
    lb_nn_conv1d(x.m, row, "one", 6, 3, two, true);
    lb_nn_conv2d(x.m, picture, "two", 6, 3, two, true);
    lb_nn_conv2d_oblong(x.m, picture, "oblong", 6, 3, 5, two, true);
    lb_nn_conv2d_standard(x.m, picture, "standard", 6, 3, two, 1e-5, true);
    lb_nn_conv3d(x.m, cube, "three", 6, 3, (lb_conv3d_spec){.groups = 2}, true);
    lb_nn_conv_transpose1d(x.m, row, "back1", 6, 3, two, 0, true);
    lb_nn_conv_transpose2d(x.m, picture, "back2", 6, 3, two, 0, true);
    lb_nn_conv_transpose3d(x.m, cube, "back3", 6, 3, (lb_conv3d_spec){.groups = 2}, 0, true);
    check_bias(&x, "one.bias", 6, 2 * 3);
    check_bias(&x, "two.bias", 6, 2 * 3 * 3);
    check_bias(&x, "oblong.bias", 6, 2 * 3 * 5);
    check_bias(&x, "standard.bias", 6, 2 * 3 * 3);
    check_bias(&x, "three.bias", 6, 2 * 3 * 3 * 3);
    check_bias(&x, "back1.bias", 6, 3 * 3);
    check_bias(&x, "back2.bias", 6, 3 * 3 * 3);
    check_bias(&x, "back3.bias", 6, 3 * 3 * 3 * 3);
    close_setting(&x);
}

static void check_shape(setting *x, const char *name, int rank, const int64_t *shape) {
    const lb_param_tensor *p = lb_store_find(x->s, name);
    if (!CHECK(p) || !CHECK_INT(p->x->rank, rank)) return;
    for (int d = 0; d < rank; d++) CHECK_INT(p->x->shape[d], shape[d]);
}

/* Mamba's own: twice the width inside, 16 states (Mamba-2: 128), a convolution over 4 steps, a sixteenth of the width (rounded up) for the steps. */
static void mamba_sizes(void) {
    setting x = planned();
    lb_tensor *steps = lb_zeros(x.t, 3, (int64_t[]){1, 7, 20});
    lb_nn_in(x.m, "one");
    lb_nn_out(x.m, lb_nn_mamba(x.m, steps, &(lb_mamba_spec){0}, NULL));
    lb_nn_in(x.m, "two");
    lb_nn_out(x.m, lb_nn_mamba2(x.m, steps, &(lb_mamba_spec){.heads = 1}, NULL));
    check_shape(&x, "one.in_proj.weight", 2, (int64_t[]){80, 20});
    check_shape(&x, "one.conv1d.weight", 3, (int64_t[]){40, 1, 4});
    check_shape(&x, "one.x_proj.weight", 2, (int64_t[]){2 + 2 * 16, 40});
    check_shape(&x, "one.dt_proj.weight", 2, (int64_t[]){40, 2});
    check_shape(&x, "one.A_log", 2, (int64_t[]){40, 16});
    check_shape(&x, "two.in_proj.weight", 2, (int64_t[]){40 + 40 + 2 * 128 + 1, 20});
    check_shape(&x, "two.conv1d.weight", 3, (int64_t[]){40 + 2 * 128, 1, 4});
    check_shape(&x, "two.A_log", 1, (int64_t[]){1});
    check_shape(&x, "two.norm.weight", 1, (int64_t[]){40});
    close_setting(&x);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "nn-sizes",
                      (check_test[]){{"ceil padding", ceil_padding}, {"pooled", pooled}, {"biases", biases}, {"mamba's sizes", mamba_sizes}, {0}});
}
