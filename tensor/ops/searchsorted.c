/* SPDX-License-Identifier: Apache-2.0 */
/* y = how many elements of the ascending row are below x (right: not above it): where x would go. NaN goes to the end. */
#include "tensor/calls.h"
#include "tensor/loops.h"

static void search(const void *ctx, int64_t first, int64_t last) {
    const lb_call *c = ctx;
    bool right = ((const lb_searchsorted_params *)c->params)->after;
    int64_t n = c->in[0]->shape[c->in[0]->rank - 1], m = c->in[1]->shape[c->in[1]->rank - 1];
    for (int64_t i = first; i < last; i++) {
        const lb_real *row = lb_r(c->in[0]) + i / m * n;
        lb_real x = lb_r(c->in[1])[i];
        int64_t low = 0, high = n;
        while (low < high) {
            int64_t middle = low + (high - low) / 2;
            bool before = x != x || (right ? row[middle] <= x : row[middle] < x);
            if (before) low = middle + 1;
            else high = middle;
        }
        lb_i(c->out[0])[i] = low;
    }
}

static void forward(lb_call *c) {
    lbi_split(lb_numel(c->in[1]), 32, search, c);
}

static void ascending(void *const *data, const int64_t *numel) {
    lb_real *row = data[0], *x = data[1];
    for (int64_t i = 0; i < numel[0]; i++) row[i] = (lb_real)(i % 7 / 2) - 1;
    for (int64_t i = 0; i + 1 < numel[1]; i += 2) x[i] = (lb_real)(i % 5) - 1; /* some equal ones */
}

static const lb_searchsorted_params left = {false}, right = {true};
static const lb_op_case cases[] = {
    {.name = "left", .rank = {1, 1}, .shape = {{7}, {9}}, .params = &left, .fill = ascending},
    {.name = "right", .rank = {2, 2}, .shape = {{2, 7}, {2, 6}}, .params = &right, .fill = ascending},
    {.name = "nothing", .rank = {1, 1}, .shape = {{0}, {3}}, .params = &left},
    {.name = "large", .rank = {2, 2}, .shape = {{130, 300}, {130, 290}}, .params = &left, .fill = ascending},
};

LB_OP(searchsorted) = {.id = "searchsorted", .title = "where numbers go in ascending rows", .source = "torch.searchsorted",
                       .sig = "sorted[...,N] x[...,M] -> y[...,M]:i64", .math = "y = #{i : sorted_i < x}",
                       .params_size = sizeof(lb_searchsorted_params), .forward = forward, .no_grad = "a place does not change smoothly",
                       .cases = cases, .case_count = LB_COUNT(cases)};

lb_tensor *lb_searchsorted(lb_tape *t, lb_tensor *sorted, lb_tensor *x, bool after) {
    return lb_apply(t, &lb_op_searchsorted, &(lb_searchsorted_params){after}, sizeof(lb_searchsorted_params), 2, (lb_tensor *[]){sorted, x});
}
