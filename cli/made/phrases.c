/* SPDX-License-Identifier: Apache-2.0 */
/* Token sequences of a made grammar: 90 words in nine kinds; a kind follows a kind by a sparse table, and a word agrees with the first one (its number
 * modulo five). `ids` has a sixth of the words hidden (token 0), `target` what stood there, `truth` the
 * same as logits. Score: relation loss to the teacher on fresh text. The stream `task` has whole sentences with the kind of most words as
 * `label`: something to go on with, whose score is the top-1 of `class_logits`. */
#include "cli/made.h"
#include "cli/source.h"
#include "distill/method.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 200, KINDS = 9, PER = 10, LENGTH = 16, TEST = 48, NEXT = 3 };

typedef struct config {
    const char *subnets;
} config;
static const lb_param params[] = {
    LB_PARAM_TEXT(config, subnets, "", NULL, "scores also these, as loss_0, loss_1, ...: layers,heads,width,units; with ';' between"),
    LB_PARAM_END};

typedef struct table {
    int next[KINDS][NEXT];
} table;

static void make_table(cli_made *m, lb_rng *rng) {
    for (int i = 0; i < KINDS; i++)
        for (int k = 0; k < NEXT; k++) ((table *)m->table)->next[i][k] = (int)lb_rng_below(rng, KINDS);
}

static void row(cli_row *r) {
    const table *t = r->made->table;
    int64_t *ids = cli_row_numbers(r, "ids", 1, (int64_t[]){LENGTH}), *target = cli_row_numbers(r, "target", 1, (int64_t[]){LENGTH});
    int64_t *mask = cli_row_numbers(r, "mask", 1, (int64_t[]){LENGTH});
    lb_real *hidden = cli_row_reals(r, "hidden", 1, (int64_t[]){LENGTH}), *truth = cli_row_reals(r, "truth", 2, (int64_t[]){LENGTH, WORDS});
    bool task = strncmp(r->stream, "task", 4) == 0;
    int64_t kind = lb_rng_below(&r->rng, KINDS), number = lb_rng_below(&r->rng, 5);
    for (int i = 0; i < LENGTH; i++) {
        int64_t word = 1 + kind * PER + number + 5 * lb_rng_below(&r->rng, 2);
        bool hide = i > 0 && lb_rng_below(&r->rng, 6) == 0 && !task;
        target[i] = word;
        for (int k = 0; k < WORDS; k++) truth[i * WORDS + k] = k == word ? 0 : (lb_real)-INFINITY;
        ids[i] = hide ? 0 : word;
        mask[i] = 1;
        hidden[i] = hide || i == 1;
        kind = t->next[kind][lb_rng_below(&r->rng, NEXT)];
    }
    if (!task) return;
    int64_t count[KINDS] = {0}, most = 0;
    for (int i = 0; i < LENGTH; i++) count[(ids[i] - 1) / PER]++;
    for (int k = 1; k < KINDS; k++)
        if (count[k] > count[most]) most = k;
    *cli_row_numbers(r, "label", 0, NULL) = most;
}

typedef struct vectors {
    lb_tensor *at[3];
} vectors;

/* Queries, keys and values of a model, as plain tensors. */
static lb_status vectors_of(lb_model *m, const lb_batch *b, lb_tensor *subnet, vectors *out) {
    static const char *const taps[] = {"query", "key", "value"};
    lb_status st = LB_OK;
    for (int i = 0; i < 3; i++) {
        double *x = NULL;
        int64_t n = 0;
        LB_TRY(cli_made_run(m, b, subnet ? 1 : 0, &(lb_named){"subnet", subnet}, taps[i], &x, &n));
        st = lb_tensor_new(&out->at[i], LB_REAL, 3, (int64_t[]){TEST, LENGTH, n / (TEST * LENGTH)});
        if (st == LB_OK) lb_convert(out->at[i]->data, LB_REAL, x, LB_F64, n);
        lb_free(x);
        if (st != LB_OK) goto done;
    }
done:
    return st;
}

static void drop(vectors *v) {
    for (int i = 0; i < 3; i++) lb_tensor_free(v->at[i]);
}

static lb_status relation(const vectors *own, const vectors *other, const lb_batch *b, double *loss) {
    static const char *const names[] = {"student_query", "student_key", "student_value", "teacher_query", "teacher_key", "teacher_value", "mask"};
    lb_status st = LB_OK;
    const lb_head *head = NULL;
    const lb_component *c = NULL;
    lb_tape *t = NULL;
    void *cfg = NULL;
    lb_tensor *mask = NULL;
    lb_outs out = {0};
    lb_value *o = lb_value_map();
    lb_map_int(o, "relation_heads", 4);
    LB_TRY(lb_tensor_copy(&mask, cli_batch_find(b, "mask"), LB_REAL));
    LB_TRY(lb_family_find(&head, &lb_methods, "autodistil"));
    LB_TRY(lb_component_find(&c, (const lb_method *)head, "relation_loss_mse"));
    LB_TRY(lb_component_config(&cfg, (const lb_method *)head, c, o));
    LB_TRY(lb_tape_new(&t));
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    lb_component_run(t, (const lb_method *)head, c, cfg, 7, names, (lb_tensor *[]){own->at[0], own->at[1], own->at[2], other->at[0], other->at[1], other->at[2], mask}, &out);
    st = lb_tape_status(t);
    if (st == LB_OK) *loss = lb_number(out.at[0]);
done:
    if (cfg) lb_params_free(head->params, cfg);
    lb_free(cfg);
    lb_tape_free(t);
    lb_tensor_free(mask);
    lb_value_free(o);
    return st;
}

static lb_status score_subnets(const cli_made *m, lb_model *student, const lb_batch *b, const vectors *teacher, lb_value *scores) {
    lb_status st = LB_OK;
    const char *text = ((const config *)m->cfg)->subnets;
    for (int k = 0; *text && st == LB_OK; k++) {
        int64_t number[4];
        char name[32];
        double loss = 0;
        snprintf(name, sizeof name, "loss_%d", k);
        vectors own = {{0}};
        lb_tensor *subnet = NULL;
        for (int i = 0; i < 4; i++) number[i] = strtoll(text + (i > 0 && *text == ','), (char **)(uintptr_t)&text, 10);
        if (*text && *text++ != ';') return lb_fail(LB_E_ARG, "subnets: numbers with ',' and ';' between are wanted");
        st = lb_tensor_new(&subnet, LB_I64, 1, (int64_t[]){4});
        if (st == LB_OK) memcpy(subnet->data, number, sizeof number);
        if (st == LB_OK) st = vectors_of(student, b, subnet, &own);
        if (st == LB_OK) st = relation(&own, teacher, b, &loss);
        if (st == LB_OK) lb_map_real(scores, name, loss);
        drop(&own);
        lb_tensor_free(subnet);
    }
    return st;
}

static lb_status score_task(const cli_made *m, lb_model *student, lb_value *scores, double *key) {
    enum { ROWS = 512 };
    lb_batch b = {0};
    double *logits = NULL;
    int64_t n = 0;
    lb_status st = cli_made_batch(m, "task-test", 0, ROWS, &b);
    if (st == LB_OK) st = cli_made_run(student, &b, 0, NULL, "class_logits", &logits, &n);
    if (st == LB_OK) lb_map_real(scores, "top1", *key = cli_made_top1(logits, cli_batch_find(&b, "label"), ROWS, KINDS));
    cli_batch_release(&b);
    lb_free(logits);
    return st;
}

static lb_status score(const cli_made *m, lb_model *student, int client, lb_value *scores, double *key) {
    lb_status st = LB_OK;
    lb_batch b = {0};
    vectors teacher = {{0}}, own = {{0}};
    double *logits = NULL, right = 0, all = 0;
    int64_t n = 0;
    (void)client;
    if (m->nstreams > 0 && strcmp(m->streams[0], "task") == 0) return score_task(m, student, scores, key);
    LB_TRY(cli_made_batch(m, "test", 0, TEST, &b));
    if (m->nteachers > 0) {
        LB_TRY(vectors_of(m->teachers[0].model, &b, NULL, &teacher));
        LB_TRY(vectors_of(student, &b, NULL, &own));
        LB_TRY(relation(&own, &teacher, &b, key));
        lb_map_real(scores, "loss", *key);
        *key = -*key;
        LB_TRY(score_subnets(m, student, &b, &teacher, scores));
        goto done;
    }
    LB_TRY(cli_made_run(student, &b, 0, NULL, "logits", &logits, &n));
    for (int64_t i = 0; i < TEST * LENGTH; i++) {
        if (lb_get_at(cli_batch_find(&b, "ids"), i) != 0) continue;
        int64_t best = 0;
        for (int64_t k = 1; k < WORDS; k++)
            if (logits[i * WORDS + k] > logits[i * WORDS + best]) best = k;
        right += best == (int64_t)lb_get_at(cli_batch_find(&b, "target"), i);
        all++;
    }
    lb_map_real(scores, "top1", *key = 100 * right / all);
done:
    drop(&teacher);
    drop(&own);
    cli_batch_release(&b);
    lb_free(logits);
    return st;
}

LB_MADE(phrases) = {.id = "phrases",
                    .title = "token sequences of a made grammar",
                    .source = "",
                    .params = params,
                    .params_size = sizeof(config),
                    .gives = "ids[N,16] target[N,16] mask[N,16] hidden[N,16] truth[N,16,200]",
                    .table_size = sizeof(table),
                    .open = make_table,
                    .row = row,
                    .score = score};
