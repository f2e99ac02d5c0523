/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck eval`: scores of models over items, of feature files, of masks. What can be scored is a family: cli/evals. */
#include <stdio.h>
#include "cli/eval.h"

static const lb_param params[] = {
    LB_PARAM_WORD(cli_eval_words, model, "NAME|PATH", "fetched name, model folder or run folder"),
    CLI_ITEMS_PARAMS(cli_eval_words),
    LB_PARAM_LIST(cli_eval_words, features, "NAME=FILE:TAP", "a model's inputs that are cached features, joined by key"),
    LB_PARAM_WORD(cli_eval_words, image, "FILE:TAP", "the pictures' rows, in place of a model (retrieval)"),
    LB_PARAM_WORD(cli_eval_words, text, "FILE:TAP", "the texts' rows; equal keys belong together (retrieval)"),
    LB_PARAM_TEXT(cli_eval_words, image_tap, "image_embed", NULL, "tap of pictures (retrieval, zeroshot)"),
    LB_PARAM_TEXT(cli_eval_words, text_tap, "text_embed", NULL, "tap of texts (retrieval, zeroshot)"),
    LB_PARAM_LIST(cli_eval_words, template, "TEXT", "zero-shot text of a class, {} stands for its label; repeat for several; default {}"),
    LB_PARAM_WORD(cli_eval_words, tap, "NAME", "tap of the model: classify logits, probe and knn pooled unless given"),
    LB_PARAM_WORD(cli_eval_words, rows, "FILE:TAP", "rows of the items, in place of a model (classify, probe, knn)"),
    LB_PARAM_WORD(cli_eval_words, train, "FILE:TAP", "training rows in a file of their own, with --test (probe, knn)"),
    LB_PARAM_WORD(cli_eval_words, test, "FILE:TAP", "test rows in a file of their own"),
    LB_PARAM_TEXT(cli_eval_words, train_split, "train", NULL, "split to fit to; --split (test) is judged (probe, knn)"),
    LB_PARAM_WORD(cli_eval_words, labels, "FILE", "names of the classes, a line each; default: the items' labels in byte order"),
    LB_PARAM_WORD(cli_eval_words, truth, "PATH", "folder of true masks (segmentation); annotations (detection)"),
    LB_PARAM_WORD(cli_eval_words, guess, "PATH", "folder of predicted masks, of the same names; results (detection)"),
    LB_PARAM_WORD(cli_eval_words, csv, "FILE", "scores case by case (segmentation)"),
    LB_PARAM_LIST(cli_eval_words, set, "KEY=VALUE", "a parameter of the metric (limbeck describe metrics)"),
    LB_PARAM(cli_eval_words, bootstrap, 1000, 0, 1000000, "draws", "resamples for the 95% intervals; 0 = none"),
    LB_PARAM_END};

static lb_status print_scores(const lb_value *v, const char *indent) {
    lb_status st = LB_OK;
    char deeper[32];
    snprintf(deeper, sizeof deeper, "%s  ", indent);
    for (int64_t i = 0; i < v->count; i++) {
        const lb_value *x = v->items[i];
        if (x->kind == LB_V_MAP) {
            LB_TRY(cli_print("%s%s:", indent, v->keys[i]));
            LB_TRY(print_scores(x, deeper));
        } else if (x->kind == LB_V_REAL) LB_TRY(cli_print("%s%-18s %.2f", indent, v->keys[i], x->real));
        else if (x->kind == LB_V_INT) LB_TRY(cli_print("%s%-18s %lld", indent, v->keys[i], (long long)x->integer));
        else if (x->kind == LB_V_TEXT) LB_TRY(cli_print("%s%-18s %s", indent, v->keys[i], x->text));
        else if (x->kind == LB_V_LIST && x->count == 2) LB_TRY(cli_print("%s%-18s %.2f .. %.2f", indent, v->keys[i], x->items[0]->real, x->items[1]->real));
    }
done:
    return st;
}

static lb_status run(lb_cli *cli, void *opts) {
    const cli_eval_words *o = opts;
    lb_status st = LB_OK;
    lb_value *out = lb_value_map();
    const lb_head *kind = NULL;
    if ((st = lb_family_find(&kind, &lb_evals, cli->words[0])) != LB_OK) {
        st = cli_usage("%s", lb_error_text());
        goto done;
    }
    LB_TRY(((const lb_eval *)kind)->run(out, o, cli));
    st = cli->json ? cli_json(out) : print_scores(out, "");
done:
    lb_value_free(out);
    return st;
}

LB_VERB(eval) = {.id = "eval", .title = "scores of a model over items, of feature files, of masks", .source = "", .params = params, .params_size = sizeof(cli_eval_words),
                 .usage = "eval retrieval|zeroshot|classify|probe|knn|segmentation|detection ...", .min_words = 1, .max_words = 1,
                 .help = "retrieval: R@1/5/10, mAP, median rank, both ways. zeroshot: the items' labels as texts; top-1, top-5, mean class recall. classify: logits\n"
                         "against labels. probe, knn: a classifier on frozen features. segmentation: masks against masks. detection: boxes, in\n"
                         "COCO's files. With 95% intervals; details: limbeck describe evals KIND, limbeck describe metrics KIND.\n"
                         "A model over cached features takes the classes' rows by their texts: limbeck list --labels makes their list for `limbeck encode`.", .run = run};
