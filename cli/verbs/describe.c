/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck describe FAMILY [NAME]`: documentation from the tables; `describe FILE`: what a weight file holds. */
#include <string.h>
#include "base/file.h"
#include "cli/cli.h"
#include "cli/families.h"
#include "cli/models.h"

static lb_status find_family(const lb_family **out, const char *name) {
    const char *names[32];
    for (int i = 0; i < cli_family_count; i++) {
        names[i] = cli_families[i]->name;
        if (strcmp(name, cli_families[i]->name) == 0) {
            *out = cli_families[i];
            return LB_OK;
        }
    }
    lb_buf near = {0};
    lb_nearest(&near, name, names, cli_family_count);
    lb_status st = cli_usage("no family '%s'%s", name, lb_buf_str(&near));
    lb_buf_free(&near);
    return st;
}

static lb_value *param_rows(const lb_param *table) {
    lb_value *rows = lb_value_list();
    for (const lb_param *p = table; p && p->name; p++) {
        lb_value *row = lb_value_map();
        lb_map_text(row, "name", p->name);
        if (p->type == LB_T_TEXT) lb_map_text(row, "default", p->def_text);
        else if (p->type != LB_T_LIST) {
            lb_map_real(row, "default", p->def);
            lb_map_real(row, "min", p->min);
            lb_map_real(row, "max", p->max);
        }
        if (p->choices) lb_map_text(row, "choices", p->choices);
        lb_map_text(row, "unit", p->unit);
        lb_map_text(row, "text", p->text);
        lb_list_put(rows, row);
    }
    return rows;
}

static lb_status say_member(const lb_cli *cli, const lb_family *f, const lb_head *m) {
    lb_buf text = {0};
    lb_status st = LB_OK;
    lb_value *v = NULL;
    lb_family_describe(f, m, &text);
    LB_TRY(lb_buf_status(&text));
    if (cli->json) {
        char name[64];
        v = lb_value_map();
        lb_map_text(v, "family", f->name);
        lb_map_text(v, "name", lb_public_name(name, sizeof name, m->id));
        lb_map_text(v, "title", m->title);
        lb_map_text(v, "source", m->source);
        lb_map_put(v, "params", param_rows(m->params));
        lb_map_text(v, "markdown", lb_buf_str(&text));
        LB_TRY(cli_json(v));
    } else LB_TRY(cli_print("%s", lb_buf_str(&text)));
done:
    lb_value_free(v);
    lb_buf_free(&text);
    return st;
}

static lb_status list_members(const lb_cli *cli, const lb_family *f) {
    lb_status st = LB_OK;
    if (!cli->json) LB_TRY(cli_print("# %s: %s", f->name, f->text));
    for (int i = 0; i < f->count; i++) {
        char name[64];
        lb_public_name(name, sizeof name, f->members[i]->id);
        if (cli->json) LB_TRY(say_member(cli, f, f->members[i]));
        else LB_TRY(cli_print("%-22s %s", name, f->members[i]->title));
    }
done:
    return st;
}

static lb_status list_families(const lb_cli *cli) {
    lb_status st = LB_OK;
    for (int i = 0; i < cli_family_count && st == LB_OK; i++) {
        const lb_family *f = cli_families[i];
        if (!cli->json) {
            st = cli_print("%-12s %3d  %s", f->name, f->count, f->text);
            continue;
        }
        lb_value *v = lb_value_map();
        lb_map_text(v, "family", f->name);
        lb_map_int(v, "members", f->count);
        lb_map_text(v, "text", f->text);
        st = cli_json(v);
        lb_value_free(v);
    }
    return st;
}

/* Names of families are words; a path has a '/' or a '.', or is there. */
static bool is_path(const char *word) {
    for (int i = 0; i < cli_family_count; i++)
        if (strcmp(word, cli_families[i]->name) == 0) return false;
    return strpbrk(word, "/.") || lb_file_exists(word) || lb_is_folder(word);
}

static lb_status describe_file(const lb_cli *cli, const char *path) {
    char *graph = NULL;
    lb_status st = cli_graph_find(&graph, path);
    if (st == LB_OK) st = graph ? cli_describe_graph(cli, graph) : cli_describe_weights(cli, path);
    lb_free(graph);
    return st;
}

static lb_status run(lb_cli *cli, void *options) {
    (void)options;
    lb_status st = LB_OK;
    const lb_family *f = NULL;
    const lb_head *m = NULL;
    if (cli->nwords == 0) return list_families(cli);
    if (cli->nwords == 1 && is_path(cli->words[0])) return describe_file(cli, cli->words[0]);
    LB_TRY(find_family(&f, cli->words[0]));
    if (cli->nwords == 1) st = list_members(cli, f);
    else {
        if (lb_family_find(&m, f, cli->words[1]) != LB_OK) LB_TRY(cli_usage("%s", lb_error_text()));
        st = say_member(cli, f, m);
    }
done:
    return st;
}

LB_VERB(describe) = {.id = "describe",
                     .title = "documentation of a family or a member, from its table; what a weight file holds",
                     .source = "",
                     .usage = "describe [FAMILY [NAME] | WEIGHTS] [--json]",
                     .max_words = 2,
                     .help = "Families: methods, archs, readers, decoders, ops, verbs, ... Without words: the families. A weight file, or a folder with one: "
                             "its format, metadata, and\n"
                             "each tensor's name, type and shape; of an ONNX graph inputs, outputs, operators and taps.",
                     .run = run};
