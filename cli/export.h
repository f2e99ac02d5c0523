/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck export` to ONNX: a model is run on a watched tape with two batch sizes, what ran is written down, and each call becomes nodes of a graph. Sizes
 * that differ between the runs are the batch; what neither input nor weight nor call has made is a constant, the same in both runs. */
#ifndef LB_CLI_EXPORT_H
#define LB_CLI_EXPORT_H
#include "cli/models.h"
#include "io/onnx_write.h"
#include "tensor/op.h"

typedef enum cli_value_kind { CLI_VALUE_COMPUTED = 0, CLI_VALUE_INPUT, CLI_VALUE_WEIGHT, CLI_VALUE_CONSTANT } cli_value_kind;

typedef struct cli_value {
    cli_value_kind kind;
    const char *name;    /* of an input or weight; a constant made of weights has that of the one with its shape; NULL = none */
    char *own_name;      /* of an input */
    lb_dtype dtype;
    int rank;
    int64_t shape[LB_MAX_RANK];
    int64_t times[LB_MAX_RANK]; /* this size is so many times the batch; 0 = fixed */
    lb_tensor *data;     /* weight (borrowed) or constant (owned) */
    int maker;           /* the call that made it, -1 = none; constants may have one */
} cli_value;

typedef struct cli_traced {
    const lb_op *op;
    void *params;
    int nin, nout, in[LB_OP_MAX_IN], out[LB_OP_MAX_OUT]; /* numbers of values; -1 = absent */
} cli_traced;

typedef struct cli_trace {
    cli_value *values;
    cli_traced *calls;
    int value_count, value_capacity, call_count, call_capacity;
    int taps[64]; /* value of each tap asked for */
    bool dynamic; /* some size is the batch's */
} cli_trace;

typedef struct cli_export_spec {
    int ntaps;
    const char *const *taps;
    int ninputs;               /* 0 = all of the arch */
    const char *const *inputs; /* names of those that the graph takes */
    int64_t length;            /* tokens of a text; 0 = what the arch shows as its example */
} cli_export_spec;

/** What a model runs, batch free. LB_E_UNSUPPORTED when values of the inputs or the batch decide what runs. */
LB_MUST_USE lb_status cli_trace_model(cli_trace *out, lb_model *m, const cli_export_spec *spec);
void cli_trace_free(cli_trace *t);

/** The model as an ONNX file. LB_E_UNSUPPORTED names an op that has no counterpart. */
LB_MUST_USE lb_status cli_export_onnx(const char *path, lb_model *m, const cli_export_spec *spec, const lb_value *metadata);

/* ---- a graph in the making ---- */

typedef struct cli_graph {
    lb_onnx_file *onnx;
    const cli_trace *trace;
    const cli_export_spec *spec;
    char **names;     /* of each value, made when first asked for */
    bool *placed;     /* constants and weights that are in the graph */
    char **kept;      /* other names */
    int64_t kept_count, kept_capacity;
    const char *batch; /* i64 [1], the batch; NULL until asked for */
    lb_status st;     /* of memory and of ops without a counterpart: the first */
} cli_graph;

/** Writes the nodes of one call. Sets g->st when it cannot. */
void cli_export_call(cli_graph *g, const cli_traced *c);
/** Name of a value; its initialiser is written when it is first asked for. */
const char *cli_graph_value(cli_graph *g, int value);
/** A new name. */
const char *cli_graph_name(cli_graph *g, const char *fmt, ...) LB_PRINTF(2, 3);
/** An initialiser: whole numbers [n]; one real number. */
const char *cli_graph_ints(cli_graph *g, int n, const int64_t *x);
const char *cli_graph_real(cli_graph *g, double x);
/** The shape of a value as i64 [rank]; `free_one`: where one size alone is the batch's it is -1 (for Reshape). */
const char *cli_graph_shape(cli_graph *g, int value, bool free_one);
/** A node with one result, `out` or a new name. @return that name */
const char *cli_graph_node(cli_graph *g, const char *op, const char *out, int nin, ...);

#endif
