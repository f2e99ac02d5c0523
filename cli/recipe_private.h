/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by cli/recipe*.c only. */
#ifndef LB_CLI_RECIPE_PRIVATE_H
#define LB_CLI_RECIPE_PRIVATE_H
#include "cli/recipe.h"

/* Keys and kinds of values of one feature, stream or objective. */
LB_MUST_USE lb_status recipe_check_feature(const lb_value *v);
LB_MUST_USE lb_status recipe_check_stream(const lb_value *v);
LB_MUST_USE lb_status recipe_check_objective(const lb_value *v);
/* Has every tap of a student that a term binds beside `label` as many classes [N,K] as the items have labels? */
LB_MUST_USE lb_status recipe_check_classes(const cli_recipe *r, const lb_objective *o);
/* A further student: its keys, and a name that nothing else has. */
LB_MUST_USE lb_status recipe_check_student(const cli_recipe *r, const char *name, const lb_value *v);
/* Has the component an input of that name? */
LB_MUST_USE lb_status recipe_check_input(const lb_component *c, const char *name);
/* "student.<tap>", those of further students, "ema.<tap>" and "<teacher>.<tap>" are taps that are there; other names come with the batch and are found when it is made. */
LB_MUST_USE lb_status recipe_check_name(const cli_recipe *r, const char *name);

/* Students and shares of items of the clients of a federation; nothing without one. */
LB_MUST_USE lb_status recipe_open_clients(cli_recipe *r);

/* ---- recipe.c ---- */
/* LB_E_ARG: `where` wants the key. */
LB_MUST_USE lb_status recipe_absent(const char *where, const char *key);
/* The line of a key, for messages; 0 = unknown (set on the command line). */
int recipe_line_of(const lb_value *map, const char *key);
/* The failure with its line before it. */
LB_MUST_USE lb_status recipe_at_line(lb_status st, int line);

/* ---- recipe_students.c ---- */
LB_MUST_USE lb_status recipe_open_student(cli_recipe *r);
/* Further students: each is drawn from a seed of its own, so that twins differ. */
LB_MUST_USE lb_status recipe_open_others(cli_recipe *r);
LB_MUST_USE lb_status recipe_open_other_optimisers(cli_recipe *r);

#endif
