/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors as plain data: type, shape, strides, storage. No tape here (tensor/tape.h), so io, datasets and eval may use it.
 *
 * What the words mean, the same in CLI, HDF5 and C:
 *   item      one line of a list: key, uris, text, label, mask, split, domain        (datasets/reader.h)
 *   sample    an item decoded: pixels u8 [H,W,C], audio f32 [C,T], text              (io/sample.h)
 *   tap       a named value inside or at the end of a model: `embedding`, `block.11` (nn/model.h)
 *   feature   a tap's value for one item, as kept in a cache                          (io/cache.h)
 *   component a pure function of named tensors that a method defines                  (distill/method.h)
 *   state     a method's memory between steps: queues, moving averages
 *   leaf      a tensor that no op made: input or parameter
 *
 * Row-major; images are [N,C,H,W] in tensors, [H,W,C] in samples. Rank up to LB_MAX_RANK; a scalar has rank 0. Strides are in
 * elements and may be 0 (expand). Maths is done in lb_real: float in the product; the same files are compiled again with
 * LB_DOUBLE for gradient checks and golden cases. */
#ifndef LB_TENSOR_TENSOR_H
#define LB_TENSOR_TENSOR_H
#include <float.h>
#include "base/alloc.h"
LB_BEGIN

typedef enum lb_dtype {
    LB_F32 = 0,
    LB_F64 = 1,
    LB_F16 = 2,
    LB_BF16 = 3,
    LB_I64 = 4,
    LB_I32 = 5,
    LB_I16 = 6,
    LB_I8 = 7,
    LB_U8 = 8,
    LB_U16 = 9,
    LB_U32 = 10,
    LB_U64 = 11,
    LB_BOOL = 12,
} lb_dtype;

#ifdef LB_DOUBLE
typedef double lb_real;
#define LB_REAL_MAX DBL_MAX
#define LB_REAL LB_F64
#else
typedef float lb_real;
#define LB_REAL_MAX FLT_MAX
#define LB_REAL LB_F32
#endif

typedef struct lb_storage lb_storage; /* counted bytes, 64-byte aligned */
typedef struct lb_node lb_node;       /* the op call that made a tensor, on a tape */

typedef struct lb_tensor lb_tensor;
struct lb_tensor {
    lb_dtype dtype;
    int rank;
    int64_t shape[LB_MAX_RANK];
    int64_t stride[LB_MAX_RANK];
    void *data;         /* first element; NULL when inert, shape-only, empty, or given back */
    lb_storage *store;  /* NULL for borrowed memory */
    bool requires_grad; /* leaf: asked for by the user; else: derived */
    lb_tensor *grad;    /* leaf: sum of gradients since last cleared, same shape, contiguous, lb_real; owned by the leaf */
    /* private to the tape */
    lb_node *node;
    int32_t id;
    bool kept;
    /* private to lb_tensor_fix */
    bool fixed;
    void *forms;
};

LB_API size_t lb_dtype_size(lb_dtype d);
LB_API const char *lb_dtype_name(lb_dtype d); /* "f32", "bf16", "i64", ... */
LB_API LB_MUST_USE lb_status lb_dtype_parse(lb_dtype *out, const char *name);

/** A tensor of its own (parameter, input, result), contiguous and zeroed. LB_E_SHAPE for a negative size, rank beyond
 *  LB_MAX_RANK, or too many bytes. Release with lb_tensor_free. */
LB_API LB_MUST_USE lb_status lb_tensor_new(lb_tensor **out, lb_dtype dtype, int rank, const int64_t *shape);
/** x's own memory is given back; `data`, of the same type and shape, contiguous, takes its place. It must outlive x, and is written when x is. Not for a view, nor for
 *  a tensor of a tape. */
LB_API void lb_tensor_lend(lb_tensor *x, void *data);
/** Over the caller's memory, which must outlive it; nothing is copied. */
LB_API LB_MUST_USE lb_status lb_tensor_borrow(lb_tensor **out, lb_dtype dtype, int rank, const int64_t *shape, const void *data);
/** Releases the tensor, its gradient, and its share of the storage. NULL is fine. Not for tensors a tape owns. */
LB_API void lb_tensor_free(lb_tensor *x);
/** A contiguous copy of its own, converted to dtype (f16 and bf16 round to nearest even). Not recorded on any tape. */
LB_API LB_MUST_USE lb_status lb_tensor_copy(lb_tensor **out, const lb_tensor *x, lb_dtype dtype);

/** A promise that the numbers of x stay as they are until it is freed or released from it (on = false): kernels then keep the forms of it that they
 *  read, so that packing and transforming are done once (up to five times its memory). Not for tensors that a tape owns. One thread at a time; while x
 *  is fixed, several threads may compute with it. */
LB_API void lb_tensor_fix(lb_tensor *x, bool on);

LB_API int64_t lb_numel(const lb_tensor *x);
LB_API bool lb_is_contiguous(const lb_tensor *x);
LB_API bool lb_same_shape(const lb_tensor *a, const lb_tensor *b);
/** "[2,3]" into dst. @return dst */
LB_API const char *lb_shape_text(char *dst, size_t cap, int rank, const int64_t *shape);
/** Converts n contiguous elements between any two types (real to integer truncates). Threads: pure. */
LB_API void lb_convert(void *dst, lb_dtype to, const void *src, lb_dtype from, int64_t n);
/** No NaN and no infinity; integers are finite. True for a tensor without data. */
LB_API bool lb_all_finite(const lb_tensor *x);
/** One element by flat logical index, as double; strides respected. For tests and printing. */
LB_API double lb_get_at(const lb_tensor *x, int64_t flat);

LB_END
#endif
