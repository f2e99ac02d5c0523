/* SPDX-License-Identifier: Apache-2.0 */
/* What the files share that write an op's call as nodes, opset 17 (onnx/onnx, docs/Operators.md): export_ops.c, which has the table, export_maps.c, export_attention.c. */
#ifndef LB_CLI_EXPORT_OPS_H
#define LB_CLI_EXPORT_OPS_H
#include "cli/export.h"
#include "tensor/calls.h"

enum { CLI_ONNX_F32 = 1, CLI_ONNX_I64 = 7, CLI_ONNX_BOOL = 9 };

static inline const cli_value *cli_node_value(const cli_graph *g, int i) { return &g->trace->values[i]; }
/** Names of a call's input, NULL where it is absent, and of its first result. */
static inline const char *cli_node_in(cli_graph *g, const cli_traced *c, int i) { return i < c->nin && c->in[i] >= 0 ? cli_graph_value(g, c->in[i]) : NULL; }
static inline const char *cli_node_out(cli_graph *g, const cli_traced *c) { return cli_graph_value(g, c->out[0]); }
static inline int cli_node_rank(const cli_graph *g, const cli_traced *c) { return cli_node_value(g, c->in[0])->rank; }
static inline int cli_node_from_front(int axis, int n) { return axis < 0 ? axis + n : axis; }

/** The call has no counterpart: all of it ("") or with what is named. */
void cli_node_refuse(cli_graph *g, const cli_traced *c, const char *what);
/** One node each, with the result `to` or a new name (NULL). @return that name */
const char *cli_node_transpose(cli_graph *g, const char *x, const char *to, int n, const int64_t *perm);
const char *cli_node_turned(cli_graph *g, const char *x, int n); /* the last two of n axes */
const char *cli_node_cast(cli_graph *g, const char *x, const char *to, int type);
const char *cli_node_reshaped(cli_graph *g, const char *x, int n, const int64_t *shape);
const char *cli_node_sliced(cli_graph *g, const char *x, int64_t axis, int64_t from, int64_t to, int64_t step);
const char *cli_node_activate(cli_graph *g, const char *x, lb_act act, const char *to);

/* ---- of the table ---- */

void cli_export_adaptive_avg_pool(cli_graph *g, const cli_traced *c);
void cli_export_attention(cli_graph *g, const cli_traced *c);
void cli_export_attention_map(cli_graph *g, const cli_traced *c);
void cli_export_avg_pool(cli_graph *g, const cli_traced *c);
void cli_export_conv1d(cli_graph *g, const cli_traced *c);
void cli_export_conv2d(cli_graph *g, const cli_traced *c);
void cli_export_conv_transpose2d(cli_graph *g, const cli_traced *c);
void cli_export_max_pool(cli_graph *g, const cli_traced *c);
void cli_export_resize(cli_graph *g, const cli_traced *c);
void cli_export_rotary(cli_graph *g, const cli_traced *c);
void cli_export_split_heads(cli_graph *g, const cli_traced *c);

#endif
