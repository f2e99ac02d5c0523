/* SPDX-License-Identifier: Apache-2.0 */
/* A graph in memory. Values of the graph and of all graphs inside it (bodies of If, Loop, Scan) are numbered together, so that an inner graph
 * reaches outer values by their number. Private to onnx/. */
#ifndef LB_ONNX_GRAPH_H
#define LB_ONNX_GRAPH_H
#include "base/file.h"
#include "onnx/onnx.h"
#include "onnx/wire.h"
LB_BEGIN

typedef struct onnx_graph onnx_graph;
typedef struct onnx_operator onnx_operator;

typedef enum onnx_kind { ONNX_NONE = 0, ONNX_FLOAT = 1, ONNX_INT = 2, ONNX_TEXT = 3, ONNX_TENSOR = 4, ONNX_GRAPH = 5, ONNX_FLOATS = 6, ONNX_INTS = 7, ONNX_TEXTS = 8 } onnx_kind;

typedef struct onnx_attribute {
    const char *name;
    onnx_kind kind;
    double f;
    int64_t i;
    const char *text;
    lb_tensor *tensor;
    onnx_graph *graph;
    int64_t count; /* of floats, ints, texts */
    double *floats;
    int64_t *ints;
    const char **texts;
} onnx_attribute;

typedef struct onnx_node {
    const char *name, *op, *domain;
    const onnx_operator *def;
    int nin, nout, nattr, ncaptured;
    int *in, *out;    /* numbers of values; -1 = absent */
    int *captured;    /* values of outer graphs that its inner graphs read */
    onnx_attribute *attr;
    lb_act act;       /* fused behind it */
    bool gone;        /* folded or fused away */
} onnx_node;

typedef struct onnx_value {
    const char *name;
    const onnx_graph *home; /* whose value it is */
    lb_tensor *constant;    /* initialiser or folded; NULL = made by a run */
    int next;               /* another value whose name has the same hash; -1 = none */
} onnx_value;

struct onnx_graph {
    const onnx_graph *outer; /* NULL = the main one */
    const onnx_graph *home;  /* whose values its nodes make: itself; of the fused graph the plain one */
    int nnodes, nin, nout;
    onnx_node *nodes;
    int *in, *out;
    lb_onnx_value *in_spec, *out_spec;
};

/* Memory of a model, given back all together. */
typedef struct onnx_block {
    struct onnx_block *older;
    _Alignas(64) unsigned char bytes[];
} onnx_block;

struct lb_onnx {
    lb_mmap map, *external;
    int nexternal;
    char **external_paths;
    char *path, *folder;
    lb_onnx_options options;
    int64_t opset;
    struct onnx_property {
        struct onnx_property *older;
        const char *name, *text;
    } *properties;
    onnx_block *blocks;
    size_t left;      /* bytes of the newest block */
    int nvalues, value_cap;
    onnx_value *values;
    int *table;       /* from the hash of a name to the newest value that has it */
    int table_cap;
    int nowned, owned_cap;
    lb_tensor **owned; /* tensors released with the model */
    onnx_graph *plain, *fused;
    int nnamed, *named; /* values that the main graph's nodes make */
    int64_t parameters;
    int64_t made;       /* bytes of constants that fusing made, or will make, in place of the file's */
    struct onnx_rest *rest; /* those still to be made (late.c); NULL = none */
    int nkinds;         /* operators of the file, by name */
    struct onnx_kind_count {
        const char *op;
        int count;
    } *kinds;
};

/* ---- parse.c ---- */
/** Memory that lives as long as the model, zeroed; NULL without memory. */
void *onnx_take(lb_onnx *m, size_t n, size_t size);
const char *onnx_text(lb_onnx *m, onnx_bytes b);
/** The model owns take_x from now on, also when this fails. */
LB_MUST_USE lb_status onnx_own(lb_onnx *m, lb_tensor *take_x);
/** A new value; -1 without memory. */
int onnx_value_new(lb_onnx *m, const onnx_graph *home, const char *name);
int onnx_value_find(const lb_onnx *m, const onnx_graph *from, const char *name);
LB_MUST_USE lb_status onnx_parse(lb_onnx *m);
const onnx_attribute *onnx_attribute_find(const onnx_node *n, const char *name);

/* ---- tensors.c ---- */
LB_MUST_USE lb_status onnx_type(lb_dtype *out, int64_t data_type);
/** TensorProto to a tensor. m NULL: of its own memory, without external data. Else it may look into the map. *name may be NULL. */
LB_MUST_USE lb_status onnx_tensor_parse(lb_tensor **out, lb_onnx *m, onnx_bytes b, onnx_bytes *name);

/* ---- run.c ---- */
typedef struct onnx_run {
    const lb_onnx *model;
    lb_tape *tape;
    lb_tensor **slot; /* [nvalues] */
    int32_t *uses;    /* [nvalues] still to come */
    int64_t nodes;    /* run so far */
    int depth;
} onnx_run;
/** Runs a graph with its inputs given, and gives outputs as handles of their own. Fails the tape. */
void onnx_run_graph(onnx_run *r, const onnx_graph *g, lb_tensor *const *in, lb_tensor **out);
/** Runs one node alone on given inputs (folding). */
void onnx_run_node(onnx_run *r, const onnx_node *n, lb_tensor *const *in, lb_tensor **out);

/* ---- late.c ---- */
typedef struct onnx_rest onnx_rest;
/** Makes what opening left for the first run. Any thread. */
LB_MUST_USE lb_status onnx_make_late(const lb_onnx *m);
void onnx_rest_free(onnx_rest *r);

/* ---- fast.c ---- */
/** Folds what is constant and fuses kin nodes into m->fused, a second list of nodes over the same values. */
LB_MUST_USE lb_status onnx_make_fast(lb_onnx *m);
const onnx_operator *onnx_operator_find(const char *name);

LB_END
#endif
