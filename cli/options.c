/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"
#include <stdio.h>
#include <string.h>

const lb_param cli_common_params[] = {
    LB_PARAM_FLAG(cli_common, help, 0, "this page"),
    LB_PARAM_FLAG(cli_common, json, 0, "results as one JSON object a line"),
    LB_PARAM_FLAG(cli_common, quiet, 0, "no progress and no remarks"),
    LB_PARAM(cli_common, threads, 0, 0, 4096, "N", "threads; 0 = all processors this process may use"),
    LB_PARAM(cli_common, seed, 0, 0, 9007199254740992.0, "N", "seed of everything random"),
    LB_PARAM_END};

typedef struct parser {
    const lb_verb *verb;
    void *options;
    cli_common *common;
    const lb_param *list; /* the list option that takes further words */
} parser;

/* Exact names only ('-' equals '_'): "--no-x" is tried by the caller. */
static const lb_param *find(const parser *p, const char *name, void **cfg) {
    const lb_param *row = p->verb->params ? lb_param_find(p->verb->params, name) : NULL;
    *cfg = p->options;
    if (row) return row;
    *cfg = p->common;
    return lb_param_find(cli_common_params, name);
}

static lb_status unknown(const parser *p, const char *name) {
    const char *names[128];
    int n = 0;
    for (const lb_param *row = p->verb->params; row && row->name && n < 120; row++) names[n++] = row->name;
    for (const lb_param *row = cli_common_params; row->name; row++) names[n++] = row->name;
    lb_buf near = {0};
    lb_nearest(&near, name, names, n);
    char verb[64];
    lb_status st = cli_usage("unknown option --%s%s; see limbeck %s --help", name, lb_buf_str(&near), lb_public_name(verb, sizeof verb, p->verb->id));
    lb_buf_free(&near);
    return st;
}

static lb_status as_usage(lb_status st) { return st == LB_E_ARG ? cli_usage("%s", lb_error_text()) : st; }

static lb_status take_option(parser *p, const char *arg, int argc, char *const *argv, int *i) {
    char name[64];
    const char *eq = strchr(arg, '=');
    size_t len = eq ? (size_t)(eq - arg) : strlen(arg);
    if (len == 0 || len >= sizeof name) return unknown(p, arg);
    memcpy(name, arg, len);
    name[len] = 0;
    void *cfg;
    const lb_param *row = find(p, name, &cfg);
    const char *word = eq ? eq + 1 : NULL;
    p->list = NULL;
    if (!row && !word && strncmp(name, "no-", 3) == 0 && (row = find(p, name + 3, &cfg)) != NULL && row->type == LB_T_BOOL) word = "false";
    if (!row) return unknown(p, name);
    if (row->type == LB_T_BOOL && !word) word = "true";
    if (row->type == LB_T_LIST) p->list = row;
    if (!word) {
        /* A lone "-" is a word (standard input); so is a negative number. */
        if (*i + 1 >= argc) return cli_usage("option --%s wants a value (%s)", name, row->unit ? row->unit : "TEXT");
        word = argv[++*i];
        if (word[0] == '-' && word[1] == '-') return cli_usage("option --%s wants a value (%s), got '%s'", name, row->unit ? row->unit : "TEXT", word);
    }
    return as_usage(lb_param_set_word(row, cfg, word));
}

lb_status cli_parse(const lb_verb *verb, void *options, cli_common *common, int argc, char *const *argv, const char **words, int *nwords) {
    lb_status st = LB_OK;
    parser p = {verb, options, common, NULL};
    bool only_words = false;
    *nwords = 0;
    LB_TRY(lb_params_default(cli_common_params, common));
    if (verb->params) LB_TRY(lb_params_default(verb->params, options));
    for (int i = 0; i < argc; i++) {
        const char *a = argv[i];
        if (!only_words && strcmp(a, "--") == 0) {
            only_words = true;
            p.list = NULL;
        } else if (!only_words && (strcmp(a, "-h") == 0 || strcmp(a, "-q") == 0)) {
            if (a[1] == 'h') common->help = true;
            else common->quiet = true;
        } else if (!only_words && a[0] == '-' && a[1] == '-') {
            LB_TRY(take_option(&p, a + 2, argc, argv, &i));
        } else if (p.list) {
            LB_TRY(as_usage(lb_param_set_word(p.list, options, a)));
        } else {
            words[(*nwords)++] = a;
        }
    }
    if (common->help) goto done;
    if (*nwords < verb->min_words) st = cli_usage("missing argument; usage: limbeck %s", verb->usage);
    else if (verb->max_words >= 0 && *nwords > verb->max_words) st = cli_usage("unexpected '%s'; usage: limbeck %s", words[verb->max_words], verb->usage);
done:
    return st;
}

static void option_rows(lb_buf *out, const lb_param *table) {
    for (const lb_param *row = table; row && row->name; row++) {
        char name[64], left[96];
        lb_public_name(name, sizeof name, row->name);
        const char *unit = row->unit && *row->unit && strcmp(row->unit, "1") != 0 ? row->unit : "N";
        if (row->type == LB_T_BOOL) snprintf(left, sizeof left, "--%s", name);
        else if (row->choices) snprintf(left, sizeof left, "--%s %s", name, row->choices);
        else snprintf(left, sizeof left, "--%s %s%s", name, unit, row->type == LB_T_LIST ? "..." : "");
        lb_buf_format(out, "  %-28s  %s", left, row->text);
        if (row->type == LB_T_TEXT && row->def_text && *row->def_text) lb_buf_format(out, " [%s]", row->def_text);
        if (row->type == LB_T_BOOL && row->def != 0) lb_buf_text(out, " [on; --no-...]");
        if (row->type != LB_T_TEXT && row->type != LB_T_LIST && row->type != LB_T_BOOL) lb_buf_format(out, " [%g]", row->def);
        lb_buf_text(out, "\n");
    }
}

void cli_help_verb(const lb_verb *verb, lb_buf *out) {
    lb_buf_format(out, "usage: limbeck %s\n\n%s\n", verb->usage, verb->title);
    if (verb->help) lb_buf_format(out, "\n%s\n", verb->help);
    lb_buf_text(out, "\noptions:\n");
    option_rows(out, verb->params);
    option_rows(out, cli_common_params);
}

void cli_help_all(lb_buf *out) {
    lb_buf_text(out, "limbeck: multimodal vision-language distillation\n\nusage: limbeck VERB [options]\n\n");
    for (int i = 0; i < lb_verbs.count; i++) {
        char name[64];
        lb_buf_format(out, "  %-12s  %s\n", lb_public_name(name, sizeof name, lb_verbs.members[i]->id), lb_verbs.members[i]->title);
    }
    lb_buf_text(out, "\nlimbeck VERB --help tells a verb's options. Exit: 0 done, 1 failed, 2 usage, 3 stopped and resumable.\n");
}

/* ---- the manual page ---- */

/* Text as roff reads it: a backslash is doubled, a line that begins with a dot or quote is shielded. */
static void roff(lb_buf *out, const char *text) {
    bool begin = true;
    for (const char *c = text; *c; c++) {
        if (begin && (*c == '.' || *c == '\'')) lb_buf_text(out, "\\&");
        if (*c == '\\') lb_buf_text(out, "\\e");
        else if (*c == '-') lb_buf_text(out, "\\-");
        else lb_buf_format(out, "%c", *c);
        begin = *c == '\n';
    }
}

static void roff_rows(lb_buf *out, const lb_param *table) {
    lb_buf rows = {0};
    option_rows(&rows, table);
    lb_buf_text(out, ".nf\n");
    roff(out, lb_buf_str(&rows));
    lb_buf_text(out, ".fi\n");
    lb_buf_free(&rows);
}

void cli_manual(lb_buf *out) {
    lb_buf_text(out, ".TH LIMBECK 1\n.SH NAME\nlimbeck \\- multimodal vision\\-language distillation\n.SH SYNOPSIS\nlimbeck VERB [options]\n.SH OPTIONS OF ALL VERBS\n");
    roff_rows(out, cli_common_params);
    for (int i = 0; i < lb_verbs.count; i++) {
        const lb_verb *v = (const lb_verb *)lb_verbs.members[i];
        char name[64];
        lb_buf_format(out, ".SH \"%s\"\n", lb_public_name(name, sizeof name, v->id));
        roff(out, v->title);
        lb_buf_text(out, "\n.PP\nlimbeck ");
        roff(out, v->usage);
        lb_buf_text(out, "\n");
        if (v->help) {
            lb_buf_text(out, ".PP\n.nf\n");
            roff(out, v->help);
            lb_buf_text(out, "\n.fi\n");
        }
        if (v->params) roff_rows(out, v->params);
    }
    lb_buf_text(out, ".SH EXIT STATUS\n0 done, 1 failed, 2 usage, 3 stopped and resumable.\n");
}
