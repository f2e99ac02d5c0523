/* SPDX-License-Identifier: Apache-2.0 */
/* What tensor.c, pool.c, tape.c, apply.c and backward.c share. Private to tensor/. */
#ifndef LB_TENSOR_PARTS_H
#define LB_TENSOR_PARTS_H
#include "tensor/precision.h"
#include "tensor/op.h"
LB_BEGIN

/* ---- storage: a header of 64 bytes, the data right behind it ---- */

enum { LBI_HEADER = 64, LBI_BINS = 8 + 8 * 8, LBI_ON_HEAP = -1, LBI_OF_SLAB = -2 };

struct lb_storage {
    lb_storage *next, *prev;
    size_t bytes; /* asked for */
    int64_t step; /* when it was last given back to the pool */
    int32_t refs;
    int32_t bin;                /* LBI_ON_HEAP: of no tape */
    size_t room;                /* of a slab's part: its bytes with this header; 0 refs = free */
    lb_storage *before, *after; /* its neighbours in the slab */
};

static inline void *lbi_storage_data(lb_storage *s) { return (char *)s + LBI_HEADER; }

/* Fills strides and counts; LB_E_SHAPE with a message if a size is negative, the rank too high or the bytes too many. */
LB_MUST_USE lb_status lbi_layout(lb_tensor *x);
/* Strides for y's shape over the memory of x; false when the counts differ or x would have to be copied. */
bool lbi_view_strides(lb_tensor *y, const lb_tensor *x);
/* The same as lb_tensor_new, but the values may be left unset. */
LB_MUST_USE lb_status lbi_tensor_make(lb_tensor **out, lb_dtype dtype, int rank, const int64_t *shape, bool zero);
/* Copies the elements of x in logical order to dst, same type. */
void lbi_gather_strided(void *dst, const lb_tensor *x);

/* ---- pool: small blocks by size; large ones are parts of slabs, the smallest free part that fits, joined again with free neighbours. What two steps
 * did not want goes back to the system. ---- */

typedef struct lbi_pool {
    lb_storage *free[LBI_BINS];
    lb_storage live, idle; /* rings: blocks in use; free parts of slabs */
    int64_t bytes, peak, step;
    int64_t slabs;         /* bytes of all slabs, of which the system backs what was once in use */
} lbi_pool;

void lbi_pool_init(lbi_pool *p);
lb_storage *lbi_pool_take(lbi_pool *p, size_t bytes); /* refs = 1; NULL with the thread's message */
void lbi_pool_give(lbi_pool *p, lb_storage *s);
void lbi_pool_reset(lbi_pool *p); /* takes all back, ends a step */
void lbi_pool_free(lbi_pool *p);

/* ---- arena: small things that live until the end of the step ---- */

typedef struct lbi_chunk lbi_chunk;
typedef struct lbi_arena {
    lbi_chunk *first, *now;
    size_t used;
} lbi_arena;

void *lbi_arena_take(lbi_arena *a, size_t bytes); /* 16-byte aligned, not zeroed; NULL with the thread's message */
void lbi_arena_reset(lbi_arena *a);
void lbi_arena_free(lbi_arena *a);

/* ---- compiled signatures, so that a call compares numbers, not names ---- */

enum { LBI_NUMBER = -1, LBI_ANY = -2, LBI_MAX_LETTERS = 24 };

typedef struct lbi_dim {
    int letter; /* or LBI_NUMBER, LBI_ANY */
    int64_t times, plus;
} lbi_dim;

typedef struct lbi_item {
    bool optional, any_shape, lead;
    lb_dtype dtype;
    int rank;
    lbi_dim dims[LB_MAX_RANK];
} lbi_item;

typedef struct lbi_opsig {
    const lb_op *op;
    lb_sig *sig;
    int nin, nout, results, letters;
    lbi_item in[LB_OP_MAX_IN], out[LB_OP_MAX_OUT];
} lbi_opsig;

typedef struct lbi_bound {
    int64_t letter[LBI_MAX_LETTERS]; /* -1 = not bound */
    int64_t lead[LB_MAX_RANK];
    int lead_rank; /* -1 = not bound */
} lbi_bound;

LB_MUST_USE lb_status lbi_opsig_new(lbi_opsig **out, const lb_op *op);
void lbi_opsig_free(lbi_opsig *s);
void lbi_bound_init(lbi_bound *b, const lbi_opsig *s);
bool lbi_match(const lbi_item *it, lbi_bound *b, const lb_tensor *x, bool any_dtype);
/* Shape of an output from what is bound; false if a letter is not. */
bool lbi_shape_of(const lbi_item *it, const lbi_bound *b, lb_tensor *x);

/* ---- tape ---- */

/* A tensor that a tape owns. Its data live while the handle does (not dead) or a recorded call reads them (uses > 0). */
typedef struct lbi_held {
    lb_tensor x;
    lb_tape *tape;
    struct lbi_held *older; /* living handles, newest first */
    lb_tensor *g;           /* gradient on its way during a backward pass */
    int32_t uses;
    bool dead, leaving; /* leaving: the next call is its last (lb_last_use) */
} lbi_held;

struct lb_node {
    const lb_op *op;
    const lbi_opsig *sig;
    const void *params;
    lb_node *older;
    int nin, nout, results;
    bool last; /* lb_call.last of the call */
    bool done; /* a backward pass has gone by and gave the data back */
    int cheap;      /* not 0: its result is not held, whoever reads it in the backward pass has it made again (lbi_remake), from so many such calls */
    uint32_t reads, holds; /* what its backward reads, and of that what it has hold of: bits as lb_op.reads */
    lb_tensor *source[LB_OP_MAX_IN]; /* where gradients go */
    lb_tensor *in[LB_OP_MAX_IN];     /* what forward saw: the source or a contiguous copy */
    lb_tensor *out[LB_OP_MAX_OUT];
};

typedef struct lbi_map lbi_map; /* tensor/map.c */

enum { LBI_INERT = -1 }; /* id of the inert tensor; 0 = of no tape; > 0 = of a tape */

struct lb_tape {
    lb_tape_mode mode;
    bool training, check_nan, trace;
    lb_precision precision;
    lb_rng *rng;
    lb_status code;
    char message[600];
    lb_tensor inert;
    lbi_pool pool;
    lbi_arena arena;
    lbi_held *newest;
    int32_t last_id;
    lb_node *last;
    lb_storage *scratch;
    lbi_opsig **sigs; /* open addressing by op */
    int sig_cap, sig_count;
    /* the call that runs now, for messages */
    const lb_call *call;
    const lbi_opsig *call_sig;
    bool in_backward, again; /* again: lb_tape_again */
    int64_t calls;
    double flops;
    void (*seen)(void *ctx, const lb_call *call); /* lb_tape_watch */
    void *seen_ctx;
    lbi_map *map;    /* LB_TRACE=memory, else NULL */
    lb_tape **parts; /* of the threads in lb_tape_split */
    int part_count;
};

static inline lbi_held *lbi_held_of(const lb_tape *t, lb_tensor *x) {
    lbi_held *h = x && x->id > 0 ? (lbi_held *)x : NULL;
    return h && h->tape == t ? h : NULL;
}

/* A new tensor with no shape yet; handle = false leaves it out of the living handles (its data are then freed when uses
 * drops to 0 or by lbi_drop). NULL when memory is refused (the tape has failed then). */
lbi_held *lbi_held_new(lb_tape *t, bool handle);
/* Gives it contiguous memory for its shape (none on a SHAPES tape). */
bool lbi_held_fill(lb_tape *t, lbi_held *h, bool zero);
void lbi_drop(lb_tape *t, lbi_held *h); /* data go */
void lbi_die(lb_tape *t, lbi_held *h);  /* the handle goes */
void lbi_unuse(lb_tape *t, lbi_held *h);
/* Shares the storage of x, if it is of this tape. */
void lbi_share(lb_tape *t, lbi_held *h, const lb_tensor *x);
void lbi_scratch_free(lb_tape *t);
/* Gives back what lb_scratch gave since t->scratch was `to`. */
void lbi_scratch_back(lb_tape *t, const lb_storage *to);
/* The op's compiled signature; NULL with the tape failed. */
const lbi_opsig *lbi_sig_of(lb_tape *t, const lb_op *op);
/* Notes the call for the backward pass, its params copied, and holds on to what that will read. */
void lbi_record(lb_tape *t, const lbi_opsig *s, const lb_call *c, lb_tensor *const *source, size_t params_size);
/* Runs a cheap call's forward once more where its result is gone. */
void lbi_remake(lb_tape *t, lb_node *node);
/* The backward pass over the calls that came after `stop` (NULL = all). */
void lbi_backward_to(lb_tape *t, int n, lb_tensor *const *outputs, lb_tensor *const *weights, bool retain, const lb_node *stop);
/* Gives back the memory of a gradient, if the tape owns it. */
void lbi_grad_free(lb_tape *t, lb_tensor *g);
/* LB_TRACE=ops: one line of a call with shapes and the time since start; what: "" or "backward_". */
void lbi_trace(const lb_call *c, const char *what, double start);
/* LB_TRACE=memory: which calls' blocks were alive when a step held most; lbi_map_say logs them, alike ones in one line, and forgets them. */
lbi_map *lbi_map_new(void);
void lbi_map_free(lbi_map *m);
void lbi_map_take(lb_tape *t, const lb_storage *s, const lb_tensor *x); /* x NULL: scratch */
void lbi_map_give(lb_tape *t, const lb_storage *s);
void lbi_map_say(lb_tape *t);
bool lbi_all_finite(const lb_tensor *x, int64_t *bad);

LB_END
#endif
