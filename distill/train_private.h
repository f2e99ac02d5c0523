/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the training loop. Private to distill/. */
#ifndef LB_DISTILL_TRAIN_PRIVATE_H
#define LB_DISTILL_TRAIN_PRIVATE_H
#include "base/sig.h"
#include "distill/trainer.h"
#include "tensor/op.h"

enum { LBI_STREAMS_MAX = 16, LBI_NAMES_MAX = 96, LBI_INPUTS_MAX = 64, LBI_STATE_MAX = 16, LBI_STUDENTS_MAX = 33, LBI_UPLOADS_MAX = 8 };

/* What a stream's step holds by name: the batch, the student's and the teachers' taps. */
typedef struct lbi_env {
    int64_t rows; /* of the batch, of this process */
    char **keys;  /* the batch's */
    int count;
    struct { char name[96]; lb_tensor *x; } at[LBI_NAMES_MAX];
} lbi_env;

/* What a term is called with. */
typedef struct lbi_inputs {
    int count;
    const char *names[LBI_INPUTS_MAX];
    lb_tensor *x[LBI_INPUTS_MAX];
} lbi_inputs;

/* A student in the loop; the first is the run's. */
typedef struct lbi_learner {
    const char *name;
    lb_model *model;
    lb_optim *optim;
    lb_store *ema; /* NULL = none */
} lbi_learner;

/* Whose turn a step of a federation is. */
typedef struct lbi_seat {
    int64_t round;
    bool server;
    int client;
    bool first, last; /* of the round */
} lbi_seat;

typedef struct lbi_train {
    const lb_train_spec *spec;
    lb_tape *tape;
    lbi_learner learners[LBI_STUDENTS_MAX];
    int nlearners;
    lb_optim *projector_optim;
    lb_store *projectors;   /* "proj.<objective>.<name>": maps between unequal widths, weights of methods */
    lb_value *adapters;     /* what joins student and teacher: maps of term, input, by */
    int64_t adapters_said;
    lb_store *state;        /* "state.<objective>.<name>": what methods keep between steps */
    const char *streams[LBI_STREAMS_MAX];
    int nstreams;
    int64_t step, start_step;
    lbi_seat seat;
    lb_rng draws; /* of the terms: the same in all processes */
    double best_score;
    int64_t best_step;
    double *term;           /* [nobjectives]: last values */
    double *term_sum;       /* sum of |value| since the start, for the zero check */
    int64_t *term_epoch;    /* steps of an epoch of its stream */
    int failed;             /* the term that the last forward pass failed in; -1 = none */
    int64_t rows;           /* items seen by this process */
    void (*watch)(void *ctx, const lb_call *call); /* of the students' calls and the terms' (lb_tape_watch); NULL = nobody */
    void *watch_ctx;
    lb_buf log;             /* lines of log.jsonl */
} lbi_train;

/** The forward pass of batch number `part` (the step, unless a step takes several) on the tape: every stream, every term. Returns the weighted loss (inert when the tape failed); fills
 *  the terms' tensors. Batches are released by lbi_release. */
lb_tensor *lbi_train_forward(lbi_train *r, int64_t part, lb_batch batches[LBI_STREAMS_MAX], lb_tensor **terms);
/** What a step of a stream holds by name: the batch, the students' taps and the teachers' that terms on `stream` name. */
void lbi_fill_env(lbi_train *r, lbi_env *e, const lb_batch *b, const char *stream);
/** The inputs of a term that runs models itself, from such names. */
lb_status lbi_bind(lbi_train *r, const lb_objective *o, const lbi_env *e, lbi_inputs *in);
/** One term on what the stream holds: its first output. */
lb_tensor *lbi_run_term(lbi_train *r, const lb_objective *o, const lbi_env *e);
/** A tensor that a term learns beside the student: "proj.<term>.<what>", drawn by its name when it is not there. Inert after a failure. */
lb_tensor *lbi_learned(lbi_train *r, const lb_objective *o, const char *what, int rank, const int64_t *shape);
/** Joins what the term binds where student and teacher differ in width, length, grid or form (distill/adapters.c), and notes how. */
void lbi_adapt(lbi_train *r, const lb_objective *o, const lb_sig *sig, lbi_inputs *in);
/** The methods' hooks around a step (lb_method); r->term holds the values after it. */
lb_status lbi_before_step(lbi_train *r);
lb_status lbi_after_step(lbi_train *r);
void lbi_release(lbi_train *r, lb_batch batches[LBI_STREAMS_MAX]);
/** Weight of a term at a step, with start and warm-up. */
double lbi_term_weight(const lb_objective *o, int64_t step);

/** What a run holds beside its spec; closed after a failure too. */
lb_status lbi_train_open(lbi_train *r, const lb_train_spec *spec);
void lbi_train_close(lbi_train *r);
/** Step number r->step: batches, terms, gradients, optimisers, hooks. */
lb_status lbi_train_step(lbi_train *r, double *loss_value, double *norm);
/** LB_E_NOMEM when what a first step would hold does not fit into memory, told from shapes; whatever else is wrong is left to that step to tell. */
lb_status lbi_train_foresee(const lb_train_spec *spec);
/** LB_E_NOMEM when weights, gradients, optimiser and so many bytes of activations do not fit into memory. */
lb_status lbi_train_fits(const lbi_train *r, int64_t activations);

/* ---- several processes (distill/ranks.c); alone they do nothing ---- */

int lbi_rank(const lbi_train *r);
int lbi_ranks(const lbi_train *r);
/** The rows of all processes of x [rows, ...], in order; gradients flow to this process's. */
lb_tensor *lbi_rows_of_all(lbi_train *r, lb_tensor *x);
/** Gradients become their sums over processes, running statistics their means. */
lb_status lbi_sum_gradients(lbi_train *r);
/** Is it so for any process? */
lb_status lbi_any(lbi_train *r, bool *flag);
/** The first process's number. */
lb_status lbi_from_first(lbi_train *r, double *x);

/* ---- a federation (distill/federation.c); without one they do nothing ---- */

/** Who learns in this step: the student, or a client. */
lbi_learner *lbi_learning(const lbi_train *r);
lb_status lbi_federation_begin(lbi_train *r);
void lbi_take_seat(lbi_train *r);
void lbi_federation_after(lbi_train *r);
/** Once last.safetensors is there: earlier rounds are not gone back to. */
lb_status lbi_federation_saved(lbi_train *r);
/** Clients of a round. @return how many */
int64_t lbi_participants(const lbi_train *r, int64_t round, int64_t who[LBI_STUDENTS_MAX]);
/** "<stream>#<client>". */
void lbi_client_stream(char *dst, size_t cap, const char *stream, int client);
lb_status lbi_copy_store(lb_store **out, lb_store *from);
void lbi_copy_weights(lb_store *to, lb_store *from);

lb_status lbi_checkpoint_save(lbi_train *r, const char *name);
/** What is learned beside the student, in a file of its own; nothing when there is nothing. */
lb_status lbi_checkpoint_adapters(lbi_train *r, const char *name);
/** Loads last.safetensors when it is there; *found says. LB_E_MISMATCH names the field and both values. */
lb_status lbi_checkpoint_load(lbi_train *r, bool *found);
/** Puts the averaged weights in place of the students', or back. */
void lbi_swap_ema(lbi_train *r);

lb_status lbi_log_step(lbi_train *r, double loss, double norm, double seconds);
lb_status lbi_log_scores(lbi_train *r, const lb_value *scores);
/** Keeps the lines of an earlier run up to a step. */
lb_status lbi_log_resume(lbi_train *r, int64_t step);

#endif
