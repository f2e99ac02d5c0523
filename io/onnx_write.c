/* SPDX-License-Identifier: Apache-2.0 */
/* Source: onnx/onnx, onnx/onnx.proto (numbers of fields); protobuf's encoding: a key is number << 3 | kind, kind 0 a varint, 2 bytes behind their size, 5
 * four bytes. */
#include "io/onnx_write.h"
#include <string.h>
#include "lb_version.h"

enum { IR_VERSION = 8, OPSET = 17 };
enum { MODEL_IR = 1, MODEL_PRODUCER = 2, MODEL_PRODUCER_VERSION = 3, MODEL_GRAPH = 7, MODEL_OPSET = 8, MODEL_PROPERTY = 14 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_TENSOR = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_IN = 1, NODE_OUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_ATTRIBUTE = 5 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_REAL = 2, ATTRIBUTE_INT = 3, ATTRIBUTE_TEXT = 4, ATTRIBUTE_INTS = 8, ATTRIBUTE_TYPE = 20 };
enum { TYPE_REAL = 1, TYPE_INT = 2, TYPE_TEXT = 3, TYPE_INTS = 7 };
enum { TENSOR_DIM = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9 };

struct lb_onnx_file {
    char *name;
    lb_buf nodes, tensors, inputs, outputs; /* fields of the graph, each with its key */
    lb_buf node;                            /* the one that is open */
    int64_t node_count;
};

/* ---- protobuf ---- */

static void varint(lb_buf *b, uint64_t x) {
    uint8_t bytes[10];
    size_t n = 0;
    do {
        bytes[n++] = (uint8_t)(x & 127) | (x > 127 ? 128 : 0);
        x >>= 7;
    } while (x);
    lb_buf_add(b, bytes, n);
}

static void number(lb_buf *b, int field, int64_t x) {
    varint(b, (uint64_t)field << 3);
    varint(b, (uint64_t)x);
}

static void bytes(lb_buf *b, int field, const void *data, size_t n) {
    varint(b, (uint64_t)field << 3 | 2);
    varint(b, n);
    lb_buf_add(b, data, n);
}

static void text(lb_buf *b, int field, const char *s) {
    bytes(b, field, s, strlen(s));
}

static void four_bytes(lb_buf *b, int field, float x) {
    varint(b, (uint64_t)field << 3 | 5);
    lb_buf_add(b, &x, sizeof x);
}

/* A message in a field; its buffer is given back. */
static void message(lb_buf *b, int field, lb_buf *take_inner) {
    bytes(b, field, lb_buf_str(take_inner), take_inner->size);
    b->failed = b->failed || take_inner->failed;
    lb_buf_free(take_inner);
}

/* ---- the graph ---- */

lb_status lb_onnx_file_new(lb_onnx_file **out, const char *graph_name) {
    lb_onnx_file *g = lb_calloc(1, sizeof *g);
    char *name = lb_strdup(graph_name);
    if (!g || !name) {
        lb_free(g);
        lb_free(name);
        return LB_E_NOMEM;
    }
    g->name = name;
    *out = g;
    return LB_OK;
}

void lb_onnx_file_free(lb_onnx_file *g) {
    if (!g) return;
    lb_buf_free(&g->nodes);
    lb_buf_free(&g->tensors);
    lb_buf_free(&g->inputs);
    lb_buf_free(&g->outputs);
    lb_buf_free(&g->node);
    lb_free(g->name);
    lb_free(g);
}

static int type_of(lb_dtype d) {
    switch (d) {
    case LB_F32: return 1;
    case LB_U8: return 2;
    case LB_I8: return 3;
    case LB_U16: return 4;
    case LB_I16: return 5;
    case LB_I32: return 6;
    case LB_I64: return 7;
    case LB_BOOL: return 9;
    case LB_F16: return 10;
    case LB_F64: return 11;
    case LB_U32: return 12;
    case LB_U64: return 13;
    case LB_BF16: return 16;
    }
    return 0;
}

/* ValueInfoProto { name 1, type 2 { tensor_type 1 { elem_type 1, shape 2 { dim 1 { dim_value 1 | dim_param 2 } } } } } */
static void value_info(lb_buf *to, int field, const char *name, lb_dtype dtype, int rank, const int64_t *shape) {
    lb_buf dims = {0}, tensor = {0}, type = {0}, info = {0};
    for (int d = 0; d < rank; d++) {
        lb_buf dim = {0};
        if (shape[d] == LB_ONNX_BATCH) text(&dim, 2, "N");
        else number(&dim, 1, shape[d]);
        message(&dims, 1, &dim);
    }
    number(&tensor, 1, type_of(dtype));
    message(&tensor, 2, &dims);
    message(&type, 1, &tensor);
    text(&info, 1, name);
    message(&info, 2, &type);
    message(to, field, &info);
}

void lb_onnx_file_input(lb_onnx_file *g, const char *name, lb_dtype dtype, int rank, const int64_t *shape) {
    value_info(&g->inputs, GRAPH_INPUT, name, dtype, rank, shape);
}

void lb_onnx_file_output(lb_onnx_file *g, const char *name, lb_dtype dtype, int rank, const int64_t *shape) {
    value_info(&g->outputs, GRAPH_OUTPUT, name, dtype, rank, shape);
}

static size_t varint_size(uint64_t x) {
    size_t n = 1;
    while (x >>= 7) n++;
    return n;
}

/* Weights are large: their bytes go into the graph at once, so the size of what is before them is found first. */
void lb_onnx_file_tensor(lb_onnx_file *g, const char *name, lb_dtype dtype, int rank, const int64_t *shape, const void *data) {
    lb_buf head = {0};
    size_t size = lb_dtype_size(dtype);
    for (int d = 0; d < rank; d++) {
        number(&head, TENSOR_DIM, shape[d]);
        size *= (size_t)shape[d];
    }
    number(&head, TENSOR_TYPE, type_of(dtype));
    text(&head, TENSOR_NAME, name);
    varint(&g->tensors, (uint64_t)GRAPH_TENSOR << 3 | 2);
    varint(&g->tensors, head.size + varint_size((uint64_t)TENSOR_RAW << 3 | 2) + varint_size(size) + size);
    lb_buf_add(&g->tensors, lb_buf_str(&head), head.size);
    bytes(&g->tensors, TENSOR_RAW, data, size);
    g->tensors.failed = g->tensors.failed || head.failed;
    lb_buf_free(&head);
}

static void close_node(lb_onnx_file *g) {
    if (g->node.size) message(&g->nodes, GRAPH_NODE, &g->node);
    g->node = (lb_buf){0};
}

void lb_onnx_file_node(lb_onnx_file *g, const char *op, int nin, const char *const *in, int nout, const char *const *out) {
    close_node(g);
    while (nin > 0 && (!in[nin - 1] || !*in[nin - 1])) nin--;
    for (int i = 0; i < nin; i++) text(&g->node, NODE_IN, in[i] ? in[i] : "");
    for (int i = 0; i < nout; i++) text(&g->node, NODE_OUT, out[i]);
    lb_buf unique = {0};
    lb_buf_format(&unique, "%s_%lld", op, (long long)g->node_count++);
    text(&g->node, NODE_NAME, lb_buf_str(&unique));
    lb_buf_free(&unique);
    text(&g->node, NODE_OP, op);
}

void lb_onnx_file_int(lb_onnx_file *g, const char *name, int64_t x) {
    lb_buf a = {0};
    text(&a, ATTRIBUTE_NAME, name);
    number(&a, ATTRIBUTE_INT, x);
    number(&a, ATTRIBUTE_TYPE, TYPE_INT);
    message(&g->node, NODE_ATTRIBUTE, &a);
}

void lb_onnx_file_real(lb_onnx_file *g, const char *name, double x) {
    lb_buf a = {0};
    text(&a, ATTRIBUTE_NAME, name);
    four_bytes(&a, ATTRIBUTE_REAL, (float)x);
    number(&a, ATTRIBUTE_TYPE, TYPE_REAL);
    message(&g->node, NODE_ATTRIBUTE, &a);
}

void lb_onnx_file_ints(lb_onnx_file *g, const char *name, int n, const int64_t *x) {
    lb_buf a = {0};
    text(&a, ATTRIBUTE_NAME, name);
    for (int i = 0; i < n; i++) number(&a, ATTRIBUTE_INTS, x[i]);
    number(&a, ATTRIBUTE_TYPE, TYPE_INTS);
    message(&g->node, NODE_ATTRIBUTE, &a);
}

void lb_onnx_file_text(lb_onnx_file *g, const char *name, const char *x) {
    lb_buf a = {0};
    text(&a, ATTRIBUTE_NAME, name);
    text(&a, ATTRIBUTE_TEXT, x);
    number(&a, ATTRIBUTE_TYPE, TYPE_TEXT);
    message(&g->node, NODE_ATTRIBUTE, &a);
}

static void put_properties(lb_buf *out, const lb_value *metadata) {
    for (int64_t i = 0; metadata && i < metadata->count; i++) {
        lb_buf entry = {0};
        if (metadata->items[i]->kind != LB_V_TEXT) continue;
        text(&entry, 1, metadata->keys[i]);
        bytes(&entry, 2, metadata->items[i]->text, metadata->items[i]->text_size);
        message(out, MODEL_PROPERTY, &entry);
    }
}

lb_status lb_onnx_file_write(const lb_onnx_file *g, const lb_value *metadata, lb_buf *out) {
    lb_buf name = {0}, opset = {0}, node = {0};
    const lb_buf *parts[] = {&g->nodes, &node, &name, &g->tensors, &g->inputs, &g->outputs};
    size_t size = 0;
    if (g->node.size) bytes(&node, GRAPH_NODE, g->node.data, g->node.size);
    text(&name, GRAPH_NAME, g->name);
    for (size_t i = 0; i < LB_COUNT(parts); i++) {
        size += parts[i]->size;
        out->failed = out->failed || parts[i]->failed;
    }
    number(out, MODEL_IR, IR_VERSION);
    text(out, MODEL_PRODUCER, "limbeck");
    text(out, MODEL_PRODUCER_VERSION, LB_VERSION);
    varint(out, (uint64_t)MODEL_GRAPH << 3 | 2);
    varint(out, size);
    for (size_t i = 0; i < LB_COUNT(parts); i++) lb_buf_add(out, lb_buf_str(parts[i]), parts[i]->size);
    text(&opset, 1, "");
    number(&opset, 2, OPSET);
    message(out, MODEL_OPSET, &opset);
    put_properties(out, metadata);
    lb_buf_free(&name);
    lb_buf_free(&node);
    if (out->size > INT32_MAX) return lb_fail(LB_E_LIMIT, "an ONNX model of %zu bytes: protobuf holds at most 2 GiB; export to a folder instead", out->size);
    return lb_buf_status(out);
}
