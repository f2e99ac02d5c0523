/* SPDX-License-Identifier: Apache-2.0 */
/* Weight files: named tensors on disk. Formats are a family (io/weights/<id>.c): safetensors, torch (a restricted reader of .pt/.pth/.bin: builds tensors
 * and plain containers, refuses every other global by name; nothing in the file is ever executed), npz, gguf, ctranslate2. A file is mapped and its tensors
 * are views of it where type and alignment allow; no format takes more memory than a constant times the file's size. */
#ifndef LB_IO_WEIGHTS_H
#define LB_IO_WEIGHTS_H
#include "base/registry.h"
#include "base/value.h"
#include "tensor/tensor.h"
LB_BEGIN

/* One tensor of a file: a view of mapped or owned memory, contiguous, little-endian, aligned to its elements. Whoever has the lb_weights to himself may
 * write there: the file stays as it is. */
typedef struct lb_weight {
    char *name;
    lb_dtype dtype;
    int rank;
    int64_t shape[LB_MAX_RANK];
    const void *data;
    size_t bytes;
} lb_weight;

typedef struct lb_weight_format lb_weight_format;

typedef struct lb_weights {
    const lb_weight_format *format; /* of the last shard */
    int64_t count;
    lb_weight *at;       /* in the file's order */
    lb_value *metadata;  /* a map: of texts (safetensors), of any values (GGUF); may be NULL */
    void *owner;         /* private: maps and memory */
} lb_weights;

struct lb_weight_format {
    LB_HEAD;
    const char *endings;
    int (*probe)(const uint8_t *head, size_t size); /* 0..100 */
    /* Fills count, at, metadata and owner from a mapped file that lives as long as the lb_weights. */
    lb_status (*open)(lb_weights *w, const uint8_t *data, size_t size);
};
#define LB_WEIGHTS(name) const lb_weight_format lb_weight_format_##name
extern LB_API const lb_family lb_weight_formats;

/** Opens a file, or a sharded index (*.index.json). LB_E_FORMAT names the file, the tensor or byte, and what was expected.
 *  Immutable afterwards, share freely. */
LB_API LB_MUST_USE lb_status lb_weights_open(lb_weights **out, const char *path);
/** Adds the tensors of another file, `prefix` before their names; the hash becomes one over both. Before the weights are shared or searched. After a
 *  failure w can only be closed. */
LB_API LB_MUST_USE lb_status lb_weights_join(lb_weights *w, const char *path, const char *prefix);
/** Takes a beginning off all names. @return false, and nothing changes, when one of them does not have it or is no longer. Before the weights are shared. */
LB_API bool lb_weights_strip(lb_weights *w, const char *prefix);
LB_API void lb_weights_close(lb_weights *w);
LB_API const lb_weight *lb_weights_find(const lb_weights *w, const char *name);
/** How many files they are read from; an index is one more. */
LB_API int64_t lb_weights_files(const lb_weights *w);
/** SHA-256 of the file's bytes; of the sorted list of shard hashes for several files. Read whole each time: some 0.5 s a GB. Thread: pure. */
LB_API LB_MUST_USE lb_status lb_weights_sha256(const lb_weights *w, char out[65]);
/** Memory owned by the weights until close (for readers that convert). */
LB_API void *lb_weights_alloc(lb_weights *w, size_t bytes);

/* Writing safetensors: atomically, tensors in the given order, 8-byte aligned header as the published format says. */
LB_API LB_MUST_USE lb_status lb_safetensors_write(const char *path, int64_t count, const char *const *names, const lb_tensor *const *tensors, const lb_value *metadata);

LB_END
#endif
