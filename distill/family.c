/* SPDX-License-Identifier: Apache-2.0 */
#include "distill/method.h"

#define METHOD(id) extern const lb_method lb_method_##id;
#include "distill/methods.def"
#undef METHOD
static const lb_head *const members[] = {
#define METHOD(id) (const lb_head *)&lb_method_##id,
#include "distill/methods.def"
#undef METHOD
};

static void describe(const lb_head *member, lb_buf *out) {
    static const char *const verified[] = {"against the paper's equations", "against the authors' code", "on made data only"};
    const lb_method *m = (const lb_method *)member;
    lb_buf_format(out, "\nGroup: %s. Checked %s.\n", m->group ? m->group : "", verified[m->verified]);
    if (m->needs) lb_buf_format(out, "\nNeeds: `%s`\n", m->needs);
    if (m->weights) lb_buf_format(out, "\nLearnable: `%s`\n", m->weights);
    if (m->state) lb_buf_format(out, "\nState: `%s`\n", m->state);
    lb_buf_text(out, "\n| component | signature | what |\n|---|---|---|\n");
    for (const lb_component *c = m->components; c->name; c++) {
        lb_buf_format(out, "| `%s` | `%s` | %s", c->name, c->sig, c->text ? c->text : "");
        for (const lb_default *d = c->defaults; d && d->param; d++) {
            if (d->text) lb_buf_format(out, "; `%s` = %s", d->param, d->text);
            else lb_buf_format(out, "; `%s` = %g", d->param, d->value);
        }
        lb_buf_text(out, " |\n");
    }
}

const lb_family lb_methods = {.name = "methods", .text = "distillation methods: parameters and components", .def = "distill/methods.def", .dir = "distill/methods", .count = (int)LB_COUNT(members), .members = members, .describe = describe};
