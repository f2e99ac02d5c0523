/* SPDX-License-Identifier: Apache-2.0 */
/* Signature strings: shapes as data.
 *
 *   student_logits[N,K] teacher_logits[N,K] labels[N]:i64 mask[N]? block.*.qkv.weight[3D,D] -> loss[] index[N,k+1]:i64
 *
 * A name, then dimensions in brackets: a letter or word (unified over the whole signature), a number, a number times a
 * letter ("3D"), a letter or word plus a number ("k+1"), '*' (any one size), '...' first (any leading dimensions, unified
 * over the signature as a group). "[]" is a scalar; no bracket at all = any shape. ':i64', ':u8' or ':f32' gives the type
 * (default f32, the maths type); '?' after that = may be absent; '*' in a name = a number, one input per index, 0 and up, at least one
 * unless '?' ("block.*.weight", "enc*_b"). Letters bound by parameters may be given values before binding. Parsed once, immutable, free to share. */
#ifndef LB_BASE_SIG_H
#define LB_BASE_SIG_H
#include "base/alloc.h"
#include "base/buf.h"
LB_BEGIN

typedef struct lb_sig lb_sig;

typedef enum lb_sig_type { LB_SIG_F32 = 0, LB_SIG_I64 = 1, LB_SIG_U8 = 2 } lb_sig_type;

/* What is matched against a signature: one named shape. */
typedef struct lb_sig_shape {
    const char *name;
    int rank;
    const int64_t *shape;
    lb_sig_type type;
} lb_sig_shape;

/* Values of letters, filled by matching; also lets a caller fix some beforehand. */
typedef struct lb_sig_dims {
    struct { char name[24]; int64_t value; } at[48];
    int count;
    int64_t lead[LB_MAX_RANK]; /* what '...' stands for */
    int lead_rank;             /* -1 = not yet bound */
} lb_sig_dims;

LB_API LB_MUST_USE lb_status lb_sig_parse(lb_sig **out, const char *text);
LB_API void lb_sig_free(lb_sig *s);

LB_API int lb_sig_inputs(const lb_sig *s);
LB_API int lb_sig_outputs(const lb_sig *s);
LB_API const char *lb_sig_input_name(const lb_sig *s, int i);
LB_API const char *lb_sig_output_name(const lb_sig *s, int i);
LB_API bool lb_sig_input_optional(const lb_sig *s, int i);
LB_API lb_sig_type lb_sig_input_type(const lb_sig *s, int i);
LB_API lb_sig_type lb_sig_output_type(const lb_sig *s, int i);
/* One name as parsed, for code that matches shapes often and keeps its own tables (the tape). letter "" = the number
 * plus, "*" = any size; else the size is times * letter + plus. */
typedef struct lb_sig_item {
    lb_sig_type type;
    bool optional, any_shape, lead; /* any_shape: no bracket; lead: '...' comes first */
    int rank;                       /* dimensions beside '...' */
    struct { const char *letter; int64_t times, plus; } dims[LB_MAX_RANK];
} lb_sig_item;
LB_API void lb_sig_item_at(const lb_sig *s, bool output, int i, lb_sig_item *out);
/** Does pattern number i (input side) cover this concrete name ("block.2.qkv.weight")? */
LB_API bool lb_sig_input_matches(const lb_sig *s, int i, const char *name);
/** The input pattern that covers the name, or -1. */
LB_API int lb_sig_input_find(const lb_sig *s, const char *name);
LB_API int lb_sig_output_find(const lb_sig *s, const char *name);

LB_API void lb_sig_dims_init(lb_sig_dims *d);
LB_API void lb_sig_dims_set(lb_sig_dims *d, const char *letter, int64_t value);
LB_API bool lb_sig_dims_get(const lb_sig_dims *d, const char *letter, int64_t *value);

/** Matches the given inputs (any order) against the input side: every required name present, no name unknown, types and
 *  ranks right, letters consistent. LB_E_SHAPE or LB_E_NOTFOUND says which name, its shape, and what was expected. */
LB_API LB_MUST_USE lb_status lb_sig_match(const lb_sig *s, lb_sig_dims *dims, const lb_sig_shape *in, int count);
/** Checks one output against what the bound letters say. */
LB_API LB_MUST_USE lb_status lb_sig_check_output(const lb_sig *s, lb_sig_dims *dims, int i, const lb_sig_shape *out);
/** The shape of input or output i under bound letters; LB_E_SHAPE if a letter is unbound. For made data and docs. */
LB_API LB_MUST_USE lb_status lb_sig_shape_of(const lb_sig *s, const lb_sig_dims *dims, bool output, int i, int64_t shape[LB_MAX_RANK], int *rank);

LB_END
#endif
