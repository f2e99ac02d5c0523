/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/archs.h"
#include <stdarg.h>
#include <stdio.h>

void cli_part_put(cli_parts *p, lb_tensor *x, const char *fmt, ...) {
    va_list args;
    if (!x || p->count == CLI_PARTS_MAX) return;
    va_start(args, fmt);
    vsnprintf(p->names[p->count], sizeof p->names[0], fmt, args);
    va_end(args);
    p->x[p->count++] = x;
}

void cli_part_linear(cli_parts *p, const char *name, const char *weight, const char *bias, int64_t out, int64_t in) {
    char full[64];
    snprintf(full, sizeof full, "%s%s", name, weight);
    cli_part_put(p, lb_nn_param(p->nn, full, 2, (int64_t[]){out, in}, LB_INIT_KAIMING_UNIFORM, 0), "%s", full);
    snprintf(full, sizeof full, "%s%s", name, bias);
    cli_part_put(p, lb_nn_param(p->nn, full, 1, &out, LB_INIT_ZEROS, 0), "%s", full);
}

lb_outs cli_part_call(cli_parts *p, const char *method, const char *component, const lb_value *take_params) {
    lb_tape *t = lb_nn_tape(p->nn);
    lb_outs out = {0};
    const lb_head *head = NULL;
    const lb_component *c = NULL;
    const char *names[CLI_PARTS_MAX];
    void *cfg = NULL;
    lb_status st = lb_family_find(&head, &lb_methods, method);
    const lb_method *m = (const lb_method *)head;
    for (int i = 0; i < p->count; i++) names[i] = p->names[i];
    if (st == LB_OK) st = lb_component_find(&c, m, component);
    if (st == LB_OK) st = lb_component_config(&cfg, m, c, take_params);
    if (st == LB_OK) {
        lb_component_run(t, m, c, cfg, p->count, names, p->x, &out);
        lb_params_free(m->params, cfg);
        lb_free(cfg);
    } else (void)lb_tape_fail_status(t, st);
    lb_value_free((lb_value *)take_params);
    for (int i = 0; i < LB_OUTS_MAX && !lb_tape_ok(t); i++) out.at[i] = lb_inert(t);
    return out;
}
