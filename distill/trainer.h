/* SPDX-License-Identifier: Apache-2.0 */
/* The one training loop. It sees named tensors only: a batch source gives them (the command makes it from readers, tokenizers and
 * caches), the student is a model, teachers are names in the batch (`teacher.<tap>`) or frozen models run on them, objectives are
 * components of methods bound to names. So a run is checked without media.
 *
 * Several students may learn in the same steps from the same batches, each by its own optimiser; the others' taps are `<name>.<tap>` too, so a term
 * may set one against another (no gradient flows into what a component takes as constant). `ema.<tap>` is the student with its averaged weights.
 *
 * Streams: a step draws one batch from each stream (paired items, pictures only, texts only, ...). In a stream named s the student's
 * taps are `student.<tap>`, a teacher's `<teacher>.<tap>`, and what the source gives keeps its name. An objective names its stream. */
#ifndef LB_DISTILL_TRAINER_H
#define LB_DISTILL_TRAINER_H
#include "base/progress.h"
#include "base/value.h"
#include "distill/method.h"
#include "nn/model.h"
#include "nn/optim.h"
#include "tensor/precision.h"
LB_BEGIN

/* A batch: named plain tensors (leaves, owned by the batch) of one stream. */
typedef struct lb_batch {
    int64_t rows;
    int count;
    struct { char name[64]; lb_tensor *x; } at[32];
    char **keys; /* [rows], for messages */
} lb_batch;

/* Where batches come from; handed in by the command. */
typedef struct lb_batch_source {
    void *ctx;
    int64_t (*rows)(void *ctx, const char *stream);                 /* items in a stream */
    /* Fills the batch of (stream, step): a pure function of (seed, step), so a resumed run sees the same. */
    lb_status (*batch)(void *ctx, const char *stream, int64_t step, lb_batch *out);
    void (*release)(void *ctx, lb_batch *b);
    /* For what is asked of every item once: n items from number `at` of a stream, in its own order and without augmentation; and an item's key, new
     * (lb_free). NULL where there is no end of items. */
    lb_status (*span)(void *ctx, const char *stream, int64_t at, int64_t n, lb_batch *out);
    lb_status (*key)(void *ctx, const char *stream, int64_t item, char **out);
} lb_batch_source;

/* A frozen model run on the batch of a stream under no-grad; its taps are named "<name>.<tap>". */
typedef struct lb_teacher {
    const char *name;
    lb_model *model;
} lb_teacher;

/* A further student. */
typedef struct lb_student {
    const char *name;
    lb_model *model;
    const lb_optim_config *optim; /* NULL = the run's */
} lb_student;

/* One term of the loss, from the recipe. */
typedef struct lb_objective {
    const char *name;       /* shown: "kl.images" */
    const lb_method *method;
    const lb_component *component;
    void *cfg;
    const char *stream;
    double weight;          /* after warm-up */
    int64_t warmup;         /* steps of linear growth of the weight from 0 */
    int64_t start;          /* first step at which it counts */
    bool allow_zero;        /* it may be exactly 0 for an epoch */
    const char *adapt;      /* features of student and teacher that differ: "auto" (NULL too) joins them, "sequence" takes tokens for no grid, "none" leaves them */
    int nbind;
    const char **inputs;    /* component input <- */
    const char **names;     /* name in the stream: "student.image_embed"; "name.T" is not known: transposes are components' own */
} lb_objective;

/* Processes that train together, each with its share of every batch: the source gives batch number `rank` of `count` parts of equal rows, in
 * order. Calls are made by all in the same order. */
typedef struct lb_crew {
    int rank, count;
    void *ctx;
    /* The bytes of every process, by rank, into all [count * bytes]. */
    lb_status (*gather)(void *ctx, const void *mine, size_t bytes, void *all);
    /* x becomes the sum of every process's x, the same bytes everywhere. */
    lb_status (*sum)(void *ctx, lb_real *x, int64_t n);
} lb_crew;

/* Students that learn apart, in rounds (distill/federation.c): further student k is client k, the student is their mean. A stream named s is asked
 * for as "s#k", the share of client k. Momentum is each client's own; steps are counted over all, so SGD goes well with it. */
typedef struct lb_federation {
    int64_t clients, local_steps, server_steps;
    double ratio, dirichlet;
    const char *share;
} lb_federation;
extern LB_API const lb_param lb_federation_params[];

/* Where what clients send is kept until the round is over (distill/uploads.c): the command keeps it in feature files. One thread at a time. */
typedef struct lb_uploads {
    void *ctx;
    /* Is everything there that was sent in this round? */
    lb_status (*find)(void *ctx, int64_t round, bool *there);
    /* n items by key; x: their first rows of every tap, for the shapes. Goes on with what a process that died kept of the same round. */
    lb_status (*begin)(void *ctx, int64_t round, int64_t n, const char *const *keys, int ntaps, const char *const *taps, lb_tensor *const *x);
    lb_status (*add)(void *ctx, lb_tensor *const *x); /* the next rows of every tap, contiguous */
    lb_status (*end)(void *ctx);
    /* Rows of a tap by key, [n, ...]; new, lb_tensor_free. */
    lb_status (*read)(void *ctx, int64_t round, const char *tap, int64_t n, const char *const *keys, lb_tensor **out);
    /* Earlier rounds are not asked for again. */
    lb_status (*drop)(void *ctx, int64_t round);
} lb_uploads;

typedef struct lb_train_spec {
    lb_model *student;
    int nothers;               /* further students */
    const lb_student *others;
    int nteachers;
    const lb_teacher *teachers;
    int nobjectives;
    const lb_objective *objectives;
    lb_batch_source source;
    const lb_crew *crew;    /* NULL = this process alone. The first writes and evaluates. Without dropout the result is that of one process with the same
                             * batch; batch norm's statistics are of each process's rows, the running ones the mean over processes */
    const lb_federation *federation; /* NULL = none */
    const lb_uploads *uploads; /* NULL: what clients send is said anew at every step, by what they are then */
    lb_optim_config optim;
    int64_t steps, log_every, save_every;
    uint64_t seed;
    double ema;             /* 0 = none */
    int64_t accumulate;     /* batches whose gradients make a step; 0 = 1 */
    lb_precision precision; /* of matrix products, forward and backward (tensor/precision.h); weights and sums stay float */
    int64_t patience;       /* ends after so many evaluations without a better score; 0 = never */
    const char *folder;     /* run folder: log.jsonl, last.safetensors, checkpoint files */
    const lb_value *recipe; /* resolved; its hash goes into checkpoints */
    const char *fingerprint;/* caches' hash; a checkpoint of another is refused with LB_E_MISMATCH */
    const lb_value *sources;/* map of texts: what that hash is of, so that a refusal can say which differs; NULL = not told */
    lb_progress *progress;
    bool resume;
    /* Evaluation of a student by the command, every eval_every steps; may put numbers into *scores. The first student's key score chooses the best. NULL = none. */
    int64_t eval_every;
    lb_status (*evaluate)(void *ctx, lb_model *student, int64_t step, lb_value *scores, double *key_score);
    void *eval_ctx;
    /* Told of each line of log.jsonl as it is written. NULL = nobody. */
    lb_status (*logged)(void *ctx, const lb_value *line);
    void *logged_ctx;
} lb_train_spec;

typedef struct lb_train_result {
    int64_t steps;
    double seconds, items_per_second, last_loss, best_score;
    int64_t best_step, peak_bytes;
    int64_t start_step; /* where this process began; equal to steps: the run was finished already */
} lb_train_result;

/** Runs (or resumes) the loop. Every term is logged at step 0; a term exactly zero over a first epoch of its stream (or the
 *  run, when that is shorter) fails unless allowed. A NaN loss is LB_E_NUMERIC naming term, step and batch keys; the last good checkpoint stays. Stopped: LB_E_CANCELLED
 *  after writing a checkpoint, resumable to the same result. */
LB_API LB_MUST_USE lb_status lb_train(lb_train_result *out, const lb_train_spec *spec);

/** What a run would do, as a value: terms, streams, what joins student and teacher, parameters, FLOPs and memory from a step on shapes alone; and where
 *  that memory is there, time and memory of the run from a few real steps, whose weights are thrown away (the students' are changed). */
LB_API LB_MUST_USE lb_status lb_train_plan(lb_value **out, const lb_train_spec *spec);

/* Checkpoints are handed to a writer so that distill touches no files of its own format: named tensors and a map. */
typedef struct lb_checkpoint_io {
    lb_status (*write)(const char *path, int64_t count, const char *const *names, const lb_tensor *const *tensors, const lb_value *metadata);
    lb_status (*read)(const char *path, lb_store *into, lb_value **metadata); /* adds every tensor to an empty store */
} lb_checkpoint_io;
/** Set once by the command before lb_train (safetensors writer and reader of io/weights.h). */
LB_API void lb_checkpoint_set_io(const lb_checkpoint_io *io);
/** SHA-256 of a resolved recipe: what makes a run this run. */
LB_API void lb_recipe_hash(const lb_value *recipe, char out[65]);

LB_END
#endif
