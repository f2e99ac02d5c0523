/* SPDX-License-Identifier: Apache-2.0 */
/* What a term may do that runs models by itself (lb_component.play), in training: a loss that wants the student at several inputs (a step of a
 * solver, a sub-network), or that asks who learns in this step (a round of a federation). All on the step's tape; inert after a failure. */
#ifndef LB_DISTILL_PLAY_H
#define LB_DISTILL_PLAY_H
#include "distill/method.h"
#include "nn/model.h"
LB_BEGIN

struct lbi_train;
struct lbi_env;
struct lb_objective;
struct lbi_inputs;
struct lbi_look;

typedef struct lb_play {
    lb_tape *tape;
    lb_rng *rng;               /* draws of this step; NULL on shapes */
    int64_t step, steps;
    int64_t round;             /* of a federation; 0 without one */
    bool server;               /* its server learns in this step, the student does not */
    lb_tensor *state[16];      /* lb_method.state, in its order: may be written */
    struct lbi_train *run;     /* the trainer's own */
    const struct lb_objective *term;
    const struct lbi_env *env;
    const struct lbi_inputs *inputs;
    struct lbi_look *look;     /* of lb_play_look */
} lb_play;

/** What the recipe binds to an input of the component; NULL when absent. */
LB_API lb_tensor *lb_play_input(const lb_play *p, const char *input);
/** Runs "student" or a teacher on the batch, with `in` in place of what has the same name there.
 *  Gradients flow into the student alone, and only when asked for. */
LB_API void lb_play_run(lb_play *p, const char *model, bool gradient, int nin, const lb_named *in, int ntaps, const char *const *taps, lb_tensor **out);
/** Weights of the one who learns whose names start so are constants in the runs that follow, or are trained again: all must be before the term returns.
 *  None of that name fails the tape. */
LB_API void lb_play_freeze(lb_play *p, bool on, const char *fmt, ...) LB_PRINTF(3, 4);
/** From here on to lb_play_back inputs and runs are of batch number `at` of another stream of the recipe: of items that no term learns from, say. */
LB_API void lb_play_look(lb_play *p, const char *stream, int64_t at);
LB_API void lb_play_back(lb_play *p);
/** Of a federation: taps of the step's items as their client sent them when the round began, before anybody learnt in it: each client of the round runs
 *  its model over all its items once, and what it says is kept (lb_train_spec.uploads). The same taps in all steps of a round, 8 at the most. Constants. */
LB_API void lb_play_uploads(lb_play *p, int ntaps, const char *const *taps, lb_tensor **out);
/** Another component of the method. */
LB_API lb_outs lb_play_call(lb_play *p, const void *cfg, const char *component, int nin, const char *const *names, lb_tensor *const *tensors);
/** A tensor that the term learns beside the student: "proj.<term>.<name>". */
LB_API lb_tensor *lb_play_learned(lb_play *p, const char *name, int rank, const int64_t *shape);

LB_END
#endif
