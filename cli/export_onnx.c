/* SPDX-License-Identifier: Apache-2.0 */
/* From what was watched to a graph: names, initialisers, the calls that the taps need. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "cli/export.h"

/* ---- names ---- */

const char *cli_graph_name(cli_graph *g, const char *fmt, ...) {
    va_list args;
    char text[512];
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (g->kept_count == g->kept_capacity) {
        int64_t more = g->kept_capacity ? 2 * g->kept_capacity : 256;
        char **kept = lb_realloc(g->kept, (size_t)more, sizeof *kept);
        if (!kept) {
            g->st = LB_E_NOMEM;
            return "";
        }
        g->kept = kept;
        g->kept_capacity = more;
    }
    char *copy = lb_strdup(text);
    if (!copy) {
        g->st = LB_E_NOMEM;
        return "";
    }
    return g->kept[g->kept_count++] = copy;
}

/* Outputs are named after their taps. */
static bool taken(const cli_graph *g, const char *name) {
    for (int i = 0; i < g->spec->ntaps; i++)
        if (strcmp(g->spec->taps[i], name) == 0) return true;
    for (int i = 0; i < g->trace->value_count; i++)
        if (g->names[i] && strcmp(g->names[i], name) == 0) return true;
    return false;
}

static void name_value(cli_graph *g, int value) {
    const cli_value *v = &g->trace->values[value];
    char *name = v->name && !taken(g, v->name) ? lb_strdup(v->name) : lb_format_dup(v->name ? "%s.%d" : "%s%d", v->name ? v->name : v->kind == CLI_VALUE_CONSTANT ? "constant." : "value.", value);
    if (!name) g->st = LB_E_NOMEM;
    g->names[value] = name;
}

const char *cli_graph_value(cli_graph *g, int value) {
    const cli_value *v = &g->trace->values[value];
    if (!g->names[value]) name_value(g, value);
    const char *name = g->names[value];
    if (!name || g->placed[value] || !v->data || v->kind == CLI_VALUE_COMPUTED) return name ? name : "";
    g->placed[value] = true;
    bool moves = false;
    for (int d = 0; d < v->rank; d++) moves = moves || v->times[d];
    if (moves) { /* the same number everywhere */
        const char *one = cli_graph_name(g, "%s.fill", name);
        lb_onnx_file_tensor(g->onnx, one, v->dtype, 0, NULL, v->data->data);
        const char *in[] = {one, cli_graph_shape(g, value, false)};
        lb_onnx_file_node(g->onnx, "Expand", 2, in, 1, &name);
    } else lb_onnx_file_tensor(g->onnx, name, v->dtype, v->rank, v->shape, v->data->data);
    return name;
}

/* ---- constants of the graph's own ---- */

const char *cli_graph_ints(cli_graph *g, int n, const int64_t *x) {
    const int64_t shape[1] = {n};
    const char *name = cli_graph_name(g, "ints.%lld", (long long)g->kept_count);
    lb_onnx_file_tensor(g->onnx, name, LB_I64, 1, shape, x);
    return name;
}

const char *cli_graph_real(cli_graph *g, double x) {
    float f = (float)x;
    const char *name = cli_graph_name(g, "number.%lld", (long long)g->kept_count);
    lb_onnx_file_tensor(g->onnx, name, LB_F32, 0, NULL, &f);
    return name;
}

const char *cli_graph_node(cli_graph *g, const char *op, const char *out, int nin, ...) {
    const char *in[12];
    va_list args;
    va_start(args, nin);
    for (int i = 0; i < nin; i++) in[i] = va_arg(args, const char *);
    va_end(args);
    if (!out) out = cli_graph_name(g, "%s.%lld", op, (long long)g->kept_count);
    lb_onnx_file_node(g->onnx, op, nin, in, 1, &out);
    return out;
}

/* ---- shapes with the batch in them ---- */

/* i64 [1]: the first input whose first size is the batch says it. */
static const char *batch_of(cli_graph *g) {
    for (int i = 0; i < g->trace->value_count && !g->batch; i++) {
        const cli_value *v = &g->trace->values[i];
        if (v->kind != CLI_VALUE_INPUT || v->rank == 0 || v->times[0] != 1) continue;
        const char *shape = cli_graph_node(g, "Shape", NULL, 1, v->name);
        g->batch = cli_graph_node(g, "Slice", "batch", 3, shape, cli_graph_ints(g, 1, (int64_t[]){0}), cli_graph_ints(g, 1, (int64_t[]){1}));
    }
    return g->batch ? g->batch : "";
}

const char *cli_graph_shape(cli_graph *g, int value, bool free_one) {
    const cli_value *v = &g->trace->values[value];
    int moving = 0;
    int64_t sizes[LB_MAX_RANK];
    const char *parts[LB_MAX_RANK];
    for (int d = 0; d < v->rank; d++) {
        moving += v->times[d] != 0;
        sizes[d] = v->times[d] ? -1 : v->shape[d];
    }
    if (moving == 0 || (moving == 1 && free_one)) return cli_graph_ints(g, v->rank, sizes);
    for (int d = 0; d < v->rank; d++) {
        if (!v->times[d]) parts[d] = cli_graph_ints(g, 1, &v->shape[d]);
        else if (v->times[d] == 1) parts[d] = batch_of(g);
        else parts[d] = cli_graph_node(g, "Mul", NULL, 2, batch_of(g), cli_graph_ints(g, 1, &v->times[d]));
    }
    const char *name = cli_graph_name(g, "shape.%lld", (long long)g->kept_count);
    lb_onnx_file_node(g->onnx, "Concat", v->rank, parts, 1, &name);
    lb_onnx_file_int(g->onnx, "axis", 0);
    return name;
}

/* ---- the whole ---- */

/* Calls that the taps need, from behind. Constants need none. */
static void mark_needed(const cli_trace *t, int ntaps, bool *value, bool *call) {
    for (int i = 0; i < ntaps; i++) value[t->taps[i]] = true;
    for (int i = t->call_count - 1; i >= 0; i--) {
        const cli_traced *c = &t->calls[i];
        for (int k = 0; k < c->nout; k++) call[i] = call[i] || (value[c->out[k]] && t->values[c->out[k]].kind == CLI_VALUE_COMPUTED);
        for (int k = 0; call[i] && k < c->nin; k++)
            if (c->in[k] >= 0) value[c->in[k]] = true;
    }
}

static void sizes_of(const cli_value *v, int64_t shape[LB_MAX_RANK]) {
    for (int d = 0; d < v->rank; d++) shape[d] = v->times[d] == 1 ? LB_ONNX_BATCH : v->shape[d];
}

static void put_inputs(cli_graph *g) {
    const cli_trace *t = g->trace;
    for (int i = 0; i < t->value_count; i++) {
        int64_t shape[LB_MAX_RANK];
        const cli_value *v = &t->values[i];
        if (v->kind != CLI_VALUE_INPUT) continue;
        sizes_of(v, shape);
        lb_onnx_file_input(g->onnx, cli_graph_value(g, i), v->dtype, v->rank, shape);
    }
}

static void put_outputs(cli_graph *g) {
    const cli_export_spec *spec = g->spec;
    for (int i = 0; i < spec->ntaps; i++) {
        int64_t shape[LB_MAX_RANK];
        const cli_value *v = &g->trace->values[g->trace->taps[i]];
        sizes_of(v, shape);
        (void)cli_graph_node(g, "Identity", spec->taps[i], 1, cli_graph_value(g, g->trace->taps[i]));
        lb_onnx_file_output(g->onnx, spec->taps[i], v->dtype, v->rank, shape);
    }
}

static lb_status build(cli_graph *g) {
    const cli_trace *t = g->trace;
    bool *value = lb_calloc((size_t)t->value_count + 1, 1), *call = lb_calloc((size_t)t->call_count + 1, 1);
    lb_status st = value && call ? LB_OK : LB_E_NOMEM;
    if (st == LB_OK) {
        mark_needed(t, g->spec->ntaps, value, call);
        put_inputs(g);
        for (int i = 0; i < t->call_count && g->st == LB_OK; i++)
            if (call[i]) cli_export_call(g, &t->calls[i]);
        put_outputs(g);
        st = g->st;
    }
    lb_free(value);
    lb_free(call);
    return st;
}

lb_status cli_export_onnx(const char *path, lb_model *m, const cli_export_spec *spec, const lb_value *metadata) {
    cli_trace trace = {0};
    cli_graph g = {.trace = &trace, .spec = spec};
    lb_buf file = {0};
    lb_status st = LB_OK;
    LB_TRY(cli_trace_model(&trace, m, spec));
    g.names = lb_calloc((size_t)trace.value_count + 1, sizeof *g.names);
    g.placed = lb_calloc((size_t)trace.value_count + 1, sizeof *g.placed);
    if (!g.names || !g.placed) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(lb_onnx_file_new(&g.onnx, m->arch->id));
    LB_TRY(build(&g));
    LB_TRY(lb_onnx_file_write(g.onnx, metadata, &file));
    LB_TRY(lb_file_write(path, file.data, file.size));
done:
    for (int i = 0; g.names && i < trace.value_count; i++) lb_free(g.names[i]);
    for (int64_t i = 0; i < g.kept_count; i++) lb_free(g.kept[i]);
    lb_free(g.names);
    lb_free(g.placed);
    lb_free(g.kept);
    lb_buf_free(&file);
    lb_onnx_file_free(g.onnx);
    cli_trace_free(&trace);
    return st;
}
