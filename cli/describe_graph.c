/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck describe X.onnx`: what a graph takes and gives, what it is made of. */
#include <stdio.h>
#include <string.h>
#include "cli/models.h"

static lb_value *value_row(const lb_onnx_value *v, const char *what) {
    lb_value *row = lb_value_map(), *shape = lb_value_list();
    for (int d = 0; d < v->rank; d++) lb_list_int(shape, v->shape[d]);
    lb_map_text(row, "what", what);
    lb_map_text(row, "name", v->name);
    lb_map_text(row, "dtype", lb_dtype_name(v->dtype));
    if (v->rank >= 0) lb_map_put(row, "shape", shape);
    else lb_value_free(shape);
    return row;
}

/* Each operator of the graph as it stands in the file, and of graphs inside it, with how often it is there. */
static lb_value *operators_of(const lb_onnx *g) {
    lb_value *list = lb_value_list();
    for (int i = 0; i < lb_onnx_operator_kinds(g); i++) {
        int count = 0;
        const char *name = lb_onnx_operator_kind(g, i, &count);
        lb_value *row = lb_value_map();
        lb_map_text(row, "what", "operator");
        lb_map_text(row, "name", name);
        lb_map_int(row, "count", count);
        lb_list_put(list, row);
    }
    return list;
}

static lb_status say_value(const lb_cli *cli, const lb_onnx_value *v, const char *what) {
    char shape[128] = "any shape";
    lb_value *row = NULL;
    if (!cli->json) return cli_print("%-8s %-40s %-5s %s", what, v->name, lb_dtype_name(v->dtype), v->rank < 0 ? shape : lb_shape_text(shape, sizeof shape, v->rank, v->shape));
    row = value_row(v, what);
    lb_status st = cli_json(row);
    lb_value_free(row);
    return st;
}

static lb_status say_operators(const lb_cli *cli, const lb_onnx *g) {
    lb_status st = LB_OK;
    lb_value *list = operators_of(g);
    for (int64_t i = 0; i < list->count && st == LB_OK; i++) {
        const lb_value *row = list->items[i];
        st = cli->json ? cli_json(row) : cli_print("operator %-40s %lld", lb_get_text(row, "name", ""), (long long)lb_get_int(row, "count", 0));
    }
    lb_value_free(list);
    return st;
}

static lb_status say_tap(const lb_cli *cli, const char *value) {
    char name[LB_ONNX_TAP_NAME];
    lb_onnx_tap_name(name, sizeof name, value);
    if (!cli->json) return cli_print("tap      %s", name);
    lb_value *row = lb_value_map();
    lb_map_text(row, "what", "tap");
    lb_map_text(row, "name", name);
    lb_map_text(row, "value", value);
    lb_status st = cli_json(row);
    lb_value_free(row);
    return st;
}

static lb_status say_head(const lb_cli *cli, const lb_onnx *g, const char *file) {
    char sha256[65];
    lb_onnx_sha256(g, sha256);
    if (!cli->json)
        return cli_print("%s: onnx, operator set %lld, %lld parameters, %d nodes (%d as run), SHA-256 %s", file, (long long)lb_onnx_opset(g),
                         (long long)lb_onnx_parameters(g), lb_onnx_nodes_in_file(g), lb_onnx_nodes(g), sha256);
    lb_value *head = lb_value_map();
    lb_map_text(head, "file", file);
    lb_map_text(head, "format", "onnx");
    lb_map_text(head, "sha256", sha256);
    lb_map_int(head, "opset", lb_onnx_opset(g));
    lb_map_int(head, "parameters", lb_onnx_parameters(g));
    lb_map_int(head, "nodes", lb_onnx_nodes_in_file(g));
    lb_map_int(head, "nodes_run", lb_onnx_nodes(g));
    lb_status st = cli_json(head);
    lb_value_free(head);
    return st;
}

lb_status cli_describe_graph(const lb_cli *cli, const char *file) {
    lb_onnx *g = NULL;
    lb_status st = LB_OK;
    LB_TRY(lb_onnx_open(&g, file, NULL));
    LB_TRY(say_head(cli, g, file));
    for (int i = 0; i < lb_onnx_inputs(g); i++) LB_TRY(say_value(cli, lb_onnx_input(g, i), "input"));
    for (int i = 0; i < lb_onnx_outputs(g); i++) LB_TRY(say_value(cli, lb_onnx_output(g, i), "output"));
    LB_TRY(say_operators(cli, g));
    if (lb_onnx_outputs(g) > 0) LB_TRY(say_tap(cli, "output"));
    for (int i = 0; i < lb_onnx_values(g); i++)
        if (strcmp(lb_onnx_value_name(g, i), "output") != 0) LB_TRY(say_tap(cli, lb_onnx_value_name(g, i)));
done:
    lb_onnx_close(g);
    return st;
}
