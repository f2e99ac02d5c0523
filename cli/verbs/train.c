/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck train RECIPE.yaml`: one run, one folder. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/file.h"
#include "cli/crew.h"
#include "cli/machine.h"
#include "cli/masks.h"
#include "cli/recipe.h"
#include "cli/scores.h"
#include "cli/uploads.h"
#include "distill/spread.h"
#include "io/events.h"
#include "lb_version.h"

typedef struct options {
    lb_text_list set;
    const char *out;
    bool dry_run, resume, restart, tensorboard;
} options;

static const lb_param params[] = {
    LB_PARAM_LIST(options, set, "KEY=VALUE", "overrides a key of the recipe: train.steps=100"),
    LB_PARAM_WORD(options, out, "FOLDER", "run folder; default runs/<name>"),
    LB_PARAM_FLAG(options, dry_run, 0, "prints the plan, tries a few steps for time and memory, and stops"),
    LB_PARAM_FLAG(options, resume, 0, "goes on from the folder's last checkpoint, as it does without this word"),
    LB_PARAM_FLAG(options, tensorboard, 0, "writes event files of TensorBoard into the folder's tensorboard/ too"),
    LB_PARAM_FLAG(options, restart, 0, "throws the folder's checkpoints away and begins anew"),
    LB_PARAM_END};

typedef struct evaluation {
    cli_recipe *recipe;
    cli_source *source;
    int64_t *items, count;
    bool finished; /* the run is over: scores of the summary */
} evaluation;

/* Items whose picture turns out to be broken are left out; eval_items counts the others. */
static lb_status embed_pictures(evaluation *e, lb_model *student, const char *tap, float **out, int64_t *width) {
    for (;;) {
        lb_status st = cli_source_embed(e->source, student, e->items, e->count, true, false, tap, out, width);
        int64_t kept = cli_source_keep_whole(e->source, e->items, e->count);
        if (st == LB_OK || kept == e->count) return st;
        e->count = kept;
    }
}

static void keep_masked(evaluation *e) {
    int64_t n = 0;
    for (int64_t i = 0; i < e->count; i++)
        if (e->recipe->items->at[e->items[i]].mask) e->items[n++] = e->items[i];
    e->count = n;
}

static lb_status evaluate_masks(evaluation *e, lb_model *student, lb_value *scores, double *key_score) {
    const cli_eval_options *o = &e->recipe->eval;
    lb_segmentation_options so = LB_SEGMENTATION_DEFAULTS;
    cli_mask_spec spec = {.source = e->source,
                          .model = student,
                          .items = e->recipe->items,
                          .image = &e->recipe->image,
                          .tap = o->mask_tap,
                          .nonzero = lb_get_bool(e->recipe->value, "data.mask_nonzero", false)};
    so.classes = o->classes;
    so.tolerance = o->tolerance;
    so.seed = e->recipe->seed;
    lb_status st = cli_masks_score(scores, &spec, e->items, e->count, &so);
    *key_score = lb_get_real(scores, strcmp(o->score, "r5") == 0 ? "dice" : o->score, 0);
    return st;
}

/* Of a run on its way only these; at the end all, with the confusion of the named classes. */
static void keep_scores(lb_value *scores, lb_value *all, bool every, const cli_recipe *r) {
    static const char *const few[] = {"top1", "top1_95", "balanced_accuracy"};
    for (int64_t i = 0; i < all->count; i++) {
        bool wanted = every;
        for (size_t k = 0; k < LB_COUNT(few); k++) wanted = wanted || strcmp(all->keys[i], few[k]) == 0;
        if (wanted) lb_map_put(scores, all->keys[i], lb_value_copy(all->items[i]));
    }
    if (!every || !lb_get(all, "confusion")) return;
    lb_value *names = lb_value_list();
    for (int64_t k = 0; k < r->label_count; k++) lb_list_text(names, r->labels[k]);
    lb_map_put(scores, "names", names);
}

static lb_status evaluate_classes(evaluation *e, lb_model *student, int64_t step, lb_value *scores, double *key_score) {
    const cli_recipe *r = e->recipe;
    float *logits = NULL;
    int64_t width = 0, n = 0, *label = NULL;
    lb_value *all = lb_value_map();
    lb_status st = LB_OK;
    LB_TRY(embed_pictures(e, student, r->eval.class_tap, &logits, &width));
    if (width < r->label_count) LB_TRY(lb_fail(LB_E_SHAPE, "eval: tap %s has %lld classes, the items have %lld labels", r->eval.class_tap, (long long)width, (long long)r->label_count));
    if (!(label = lb_alloc((size_t)e->count + 1, sizeof *label))) LB_TRY(LB_E_NOMEM);
    for (int64_t i = 0; i < e->count; i++) {
        if ((label[n] = cli_recipe_label(r, e->items[i])) < 0) continue;
        memmove(logits + n * width, logits + i * width, (size_t)width * sizeof *logits);
        n++;
    }
    if (n == 0) LB_TRY(lb_fail(LB_E_ARG, "eval: no item of split '%s' has a label", r->eval.split));
    LB_TRY(cli_score_classes(all, logits, n, width, label, r->seed));
    keep_scores(scores, all, step >= r->train.steps || e->finished, r);
    *key_score = lb_get_real(all, strcmp(r->eval.score, "r5") == 0 ? "top1" : r->eval.score, 0);
    lb_map_int(scores, "labelled", n);
done:
    lb_value_free(all);
    lb_free(logits);
    lb_free(label);
    return st;
}

/* By the set's own rule; a client's on its own share. */
static lb_status evaluate_made(const evaluation *e, lb_model *student, lb_value *scores, double *key_score) {
    const cli_recipe *r = e->recipe;
    int client = -1;
    for (int k = 0; k < r->nothers && r->federation.clients; k++)
        if (r->others[k].model == student) client = k;
    return r->made->set->score ? r->made->set->score(r->made, student, client, scores, key_score) : LB_OK;
}

static void put_spread(lb_value *out, lb_spread s) {
    lb_map_real(out, "clients_mean", s.mean);
    lb_map_real(out, "clients_variance", s.variance);
    lb_map_real(out, "clients_worst", s.worst);
}

/* The trainer asks for scores: the split's pictures and texts through the student. */
static lb_status evaluate(void *ctx, lb_model *student, int64_t step, lb_value *scores, double *key_score) {
    evaluation *e = ctx;
    const cli_eval_options *o = &e->recipe->eval;
    lb_status st = LB_OK;
    float *image = NULL, *text = NULL;
    int64_t width = 0, text_width = 0;
    *key_score = 0;
    if (e->recipe->made) return evaluate_made(e, student, scores, key_score);
    if (o->segmentation) return evaluate_masks(e, student, scores, key_score);
    if (o->classification) return evaluate_classes(e, student, step, scores, key_score);
    if (!o->retrieval) return LB_OK;
    LB_TRY(embed_pictures(e, student, o->image_tap, &image, &width));
    LB_TRY(cli_source_embed(e->source, student, e->items, e->count, false, true, o->text_tap, &text, &text_width));
    if (width != text_width) {
        st = lb_fail(LB_E_SHAPE, "eval: tap %s has width %lld, tap %s %lld", o->image_tap, (long long)width, o->text_tap, (long long)text_width);
        goto done;
    }
    LB_TRY(cli_score_retrieval(scores, image, text, e->count, width));
    *key_score = lb_get_real(scores, o->score, 0);
done:
    lb_free(image);
    lb_free(text);
    return st;
}

static lb_status write_yaml(const char *folder, const char *name, const lb_value *v) {
    lb_status st = LB_OK;
    lb_buf text = {0};
    char *path = lb_path_join(folder, name);
    if (!path) return LB_E_NOMEM;
    LB_TRY(lb_yaml_write(&text, v));
    LB_TRY(lb_file_write(path, text.data, text.size));
done:
    lb_free(path);
    lb_buf_free(&text);
    return st;
}

static lb_status write_json(const char *folder, const char *name, const lb_value *v) {
    char *path = lb_path_join(folder, name);
    lb_status st = path ? cli_json_file(path, v) : LB_E_NOMEM;
    lb_free(path);
    return st;
}

/* A student as a folder that every verb takes as a model. */
static lb_status save_model(const cli_recipe *r, const lb_model *student, const char *folder, const char *name) {
    lb_status st = LB_OK;
    char *path = lb_path_join(folder, name);
    lb_value *extra = lb_value_map();
    if (!path) return LB_E_NOMEM;
    if (r->has_image) lb_map_put(extra, "preprocess", lb_image_spec_value(&r->image));
    if (r->tokenizer) lb_map_int(extra, "max_tokens", r->train.max_tokens);
    LB_TRY(cli_model_save(path, student, extra));
    if (r->tokenizer) LB_TRY(cli_copy_tokenizer(path, r->tokenizer_path));
    if (lb_get(r->value, "student.sound")) LB_TRY(write_json(path, "preprocessor_config.json", lb_get(r->value, "student.sound")));
done:
    lb_value_free(extra);
    lb_free(path);
    return st;
}

/* The further students: models/<name> and their scores. */
static lb_status save_others(const cli_recipe *r, const char *folder) {
    lb_status st = LB_OK;
    for (int i = 0; i < r->nothers && st == LB_OK; i++) {
        char name[160];
        snprintf(name, sizeof name, "models/%s", r->others[i].name);
        st = save_model(r, r->others[i].model, folder, name);
    }
    return st;
}

static lb_status score_others(evaluation *e, int64_t step, lb_value *scores) {
    lb_status st = LB_OK;
    double keys[CLI_MAX_STUDENTS];
    lb_value *all = lb_value_map();
    for (int i = 0; i < e->recipe->nothers && st == LB_OK; i++) {
        double key = 0;
        lb_value *own = lb_value_map();
        st = evaluate(e, e->recipe->others[i].model, step, own, &key);
        lb_map_put(all, e->recipe->others[i].name, own);
        keys[i] = key;
    }
    if (st == LB_OK && e->recipe->federation.clients) put_spread(scores, lb_spread_of(keys, e->recipe->nothers));
    if (e->recipe->nothers) lb_map_put(scores, "students", all);
    else lb_value_free(all);
    return st;
}

/* ---- the run folder ---- */

static lb_status read_inside(lb_value **out, const char *folder, const char *name, lb_status (*read)(lb_value **, const char *)) {
    char *path = lb_path_join(folder, name);
    if (!path) return LB_E_NOMEM;
    lb_status st = lb_file_exists(path) ? read(out, path) : LB_OK;
    lb_free(path);
    return st;
}

static lb_status remove_inside(const char *folder, const char *name) {
    char *path = lb_path_join(folder, name);
    if (!path) return LB_E_NOMEM;
    lb_status st = lb_remove_all(path);
    lb_free(path);
    return st;
}

static bool has_inside(const char *folder, const char *name) {
    char *path = lb_path_join(folder, name);
    bool has = path && lb_file_exists(path);
    lb_free(path);
    return has;
}

/* A folder with a checkpoint belongs to the run that wrote it. */
static lb_status check_same_run(const cli_recipe *r, const char *folder) {
    lb_value *old = NULL;
    lb_buf where = {0};
    lb_status st = has_inside(folder, "last.safetensors") ? read_inside(&old, folder, "recipe.yaml", lb_yaml_read) : LB_OK;
    if (st == LB_OK && old && lb_value_differ(&where, old, r->value))
        st = lb_fail(LB_E_MISMATCH, "%s/last.safetensors is of another run: its recipe differs in %s (--out another folder, or --restart to throw it away)", folder, lb_buf_str(&where));
    lb_buf_free(&where);
    lb_value_free(old);
    return st;
}

/* Under its lock from here on. */
static lb_status enter_folder(int *lock, const cli_recipe *r, const char *folder, bool restart) {
    static const char *const made[] = {"last.safetensors", "best.safetensors", "adapters.safetensors", "log.jsonl", "summary.json", "model", "models", "tensorboard", "uploads"};
    lb_status st = LB_OK;
    LB_TRY(lb_make_folders(folder));
    LB_TRY(lb_lock_folder(lock, folder));
    LB_TRY(lb_remove_unfinished(folder));
    for (size_t i = 0; restart && i < LB_COUNT(made); i++) LB_TRY(remove_inside(folder, made[i]));
    LB_TRY(check_same_run(r, folder));
    LB_TRY(write_yaml(folder, "recipe.yaml", r->value));
done:
    return st;
}

/* Whatever the set scored. */
static lb_status say_made(const lb_value *v, const char *folder) {
    const lb_value *scores = lb_get(v, "scores");
    lb_buf text = {0};
    for (int64_t i = 0; i < scores->count; i++)
        if (scores->items[i]->kind != LB_V_MAP) lb_buf_format(&text, "%s%s %.4g", text.size ? "  " : "", scores->keys[i], lb_get_real(scores, scores->keys[i], NAN));
    lb_status st = cli_print("%s: %s; %s", lb_get_text(v, "name", ""), lb_buf_str(&text), folder);
    lb_buf_free(&text);
    return st;
}

static lb_status say_summary(const lb_cli *cli, const lb_value *v, const char *folder) {
    if (cli->json) return cli_json(v);
    if (lb_get(v, "made")) return say_made(v, folder);
    if (lb_get(v, "scores.dice"))
        return cli_print("%s: Dice %.1f  IoU %.1f  NSD %.1f  HD95 %.2f (%lld items); %s", lb_get_text(v, "name", ""), lb_get_real(v, "scores.dice", NAN), lb_get_real(v, "scores.iou", NAN),
                         lb_get_real(v, "scores.nsd", NAN), lb_get_real(v, "scores.hd95", NAN), (long long)lb_get_int(v, "eval_items", 0), folder);
    if (lb_get(v, "scores.top1"))
        return cli_print("%s: top-1 %.1f (%lld items); %s", lb_get_text(v, "name", ""), lb_get_real(v, "scores.top1", NAN),
                         (long long)lb_get_int(v, "eval_items", 0), folder);
    if (!lb_get(v, "scores.r1"))
        return cli_print("%s: %lld steps, last loss %.4f, not scored; %s", lb_get_text(v, "name", ""), (long long)lb_get_int(v, "steps", 0),
                         lb_get_real(v, "last_loss", NAN), folder);
    return cli_print("%s: R@1 %.1f  R@5 %.1f  R@10 %.1f (%lld items, both directions averaged); %s", lb_get_text(v, "name", ""), lb_get_real(v, "scores.r1", 0), lb_get_real(v, "scores.r5", 0),
                     lb_get_real(v, "scores.r10", 0), (long long)lb_get_int(v, "eval_items", 0), folder);
}

static lb_status say_finished(const lb_cli *cli, const char *folder) {
    lb_value *v = NULL;
    lb_status st = read_inside(&v, folder, "summary.json", lb_json_read);
    if (st == LB_OK) {
        lb_say(LB_LOG_INFO, "train", "%s is finished already (--restart makes it again)", folder);
        st = say_summary(cli, v, folder);
    }
    lb_value_free(v);
    return st;
}

static lb_status summarise(const lb_cli *cli, cli_recipe *r, evaluation *e, const lb_train_result *result, const char *folder, int processes) {
    lb_status st = LB_OK;
    double key = 0;
    char machine[128];
    lb_value *v = lb_value_map(), *scores = lb_value_map();
    e->finished = true;
    LB_TRY(save_model(r, r->student, folder, "model")); /* whatever scoring meets, the students are there */
    LB_TRY(save_others(r, folder));
    LB_TRY(evaluate(e, r->student, result->steps, scores, &key));
    LB_TRY(score_others(e, result->steps, scores));
    lb_map_text(v, "name", r->name);
    lb_map_int(v, "seed", (int64_t)r->seed);
    lb_map_int(v, "steps", result->steps);
    lb_map_real(v, "seconds", result->seconds);
    lb_map_real(v, "items_per_second", result->items_per_second);
    lb_map_real(v, "last_loss", result->last_loss);
    lb_map_int(v, "peak_bytes", result->peak_bytes);
    lb_map_int(v, "parameters", lb_store_parameters(r->student->store, NULL));
    lb_map_int(v, "parameters_without_tokens", lb_store_parameters(r->student->store, NULL) - cli_token_parameters(r->student));
    lb_map_text(v, "arch", r->student->arch->id);
    lb_map_text(v, "trained_from", r->fingerprint);
    if (r->made) lb_map_text(v, "made", r->made->set->id);
    else lb_map_text(v, "eval_split", r->eval.split);
    lb_map_int(v, "eval_items", e->count);
    lb_map_text(v, "program", "limbeck " LB_VERSION);
    lb_map_text(v, "machine", cli_cpu_name(machine, sizeof machine));
    lb_map_int(v, "threads", cli->threads);
    lb_map_int(v, "processes", processes);
    lb_map_put(v, "scores", scores);
    scores = NULL;
    LB_TRY(write_json(folder, "summary.json", v));
    LB_TRY(say_summary(cli, v, folder));
done:
    lb_value_free(scores);
    lb_value_free(v);
    return st;
}

static lb_status print_plan(const lb_cli *cli, const lb_train_spec *spec) {
    lb_status st = LB_OK;
    lb_value *plan = NULL;
    lb_buf text = {0};
    LB_TRY(lb_train_plan(&plan, spec));
    if (cli->json) st = cli_json(plan);
    else {
        LB_TRY(lb_yaml_write(&text, plan));
        st = cli_print("%s", lb_buf_str(&text));
    }
done:
    lb_buf_free(&text);
    lb_value_free(plan);
    return st;
}

/* ---- TensorBoard ---- */

typedef struct board {
    lb_events *events;
    char tags[64][128];
    double values[64];
    int count;
} board;

/* The numbers of a line by their path in it. */
static void collect(board *b, const char *prefix, const lb_value *v) {
    for (int64_t i = 0; i < v->count; i++) {
        const lb_value *x = v->items[i];
        char path[128];
        snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "/" : "", v->keys[i]);
        if (x->kind == LB_V_MAP) collect(b, path, x);
        if ((x->kind != LB_V_REAL && x->kind != LB_V_INT) || strcmp(path, "step") == 0 || b->count == (int)LB_COUNT(b->values)) continue;
        memcpy(b->tags[b->count], path, sizeof path);
        b->values[b->count++] = x->kind == LB_V_REAL ? x->real : (double)x->integer;
    }
}

static double wall_time(void) {
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* Who is told of a line of the log. */
typedef struct listeners {
    const lb_cli *cli;
    board *board;
} listeners;

static lb_status to_board(board *b, const lb_value *line) {
    const char *tags[LB_COUNT(b->tags)];
    b->count = 0;
    collect(b, "", line);
    for (int i = 0; i < b->count; i++) tags[i] = b->tags[i];
    return lb_events_write(b->events, wall_time(), lb_get_int(line, "step", 0), b->count, tags, b->values);
}

static lb_status tell(void *ctx, const lb_value *line) {
    const listeners *l = ctx;
    lb_status st = l->cli->json ? cli_json(line) : LB_OK;
    return st == LB_OK && l->board ? to_board(l->board, line) : st;
}

static lb_status open_board(board **out, const char *folder) {
    char *path = lb_path_join(folder, "tensorboard");
    board *b = lb_calloc(1, sizeof *b);
    lb_status st = path && b ? lb_events_open(&b->events, path, wall_time()) : LB_E_NOMEM;
    if (st == LB_OK) *out = b;
    else lb_free(b);
    lb_free(path);
    return st;
}

static lb_train_spec train_spec(lb_cli *cli, cli_recipe *r, cli_source *source, evaluation *e, const char *folder, const lb_crew *crew) {
    lb_batch_source batches = r->made ? cli_made_batches(r->made) : cli_source_batches(source);
    return (lb_train_spec){.student = r->student,
                           .nothers = r->nothers,
                           .others = r->others,
                           .nteachers = r->nteachers,
                           .teachers = r->teachers,
                           .nobjectives = r->nterms,
                           .objectives = r->terms,
                           .source = batches,
                           .crew = crew,
                           .federation = r->federation.clients ? &r->federation : NULL,
                           .optim = r->optim,
                           .steps = r->train.steps,
                           .log_every = r->train.log_every,
                           .save_every = r->train.save_every,
                           .seed = r->seed,
                           .ema = r->train.ema,
                           .accumulate = r->train.accumulate,
                           .patience = r->train.patience,
                           .precision = strcmp(r->train.precision, "bf16") == 0 ? LB_PRECISION_BF16 : LB_PRECISION_F32,
                           .folder = folder,
                           .recipe = r->value,
                           .fingerprint = r->fingerprint,
                           .sources = r->sources,
                           .progress = &cli->progress,
                           .resume = true,
                           .eval_every = r->train.eval_every,
                           .evaluate = evaluate,
                           .eval_ctx = e};
}

/* "'train', 'test'": of the items. */
static void list_splits(lb_buf *out, const lb_items *items) {
    const char *seen[8];
    int n = 0, k;
    for (int64_t i = 0; i < items->count && n < (int)LB_COUNT(seen); i++) {
        const char *split = items->at[i].split ? items->at[i].split : "";
        for (k = 0; k < n && strcmp(seen[k], split) != 0; k++) continue;
        if (k < n) continue;
        seen[n++] = split;
        lb_buf_format(out, "%s'%s'", n > 1 ? ", " : "", split);
    }
}

static lb_status no_items(const cli_recipe *r, const char *recipe) {
    lb_buf there = {0};
    list_splits(&there, r->items);
    lb_status st = lb_fail(LB_E_ARG,
                           "%s: eval: no item is of split '%s' %s(there are %s; eval.split names another, \"\" all; with eval.retrieval, classification and "
                           "segmentation false nothing is scored)",
                           recipe, r->eval.split, r->eval.segmentation ? "with a mask " : "", lb_buf_str(&there));
    lb_buf_free(&there);
    return st;
}

/* The recipe's run by this process; the first of several owns the folder. */
static lb_status run_share(lb_cli *cli, const options *o, const lb_crew *crew) {
    lb_status st = LB_OK;
    cli_recipe *r = NULL;
    cli_source *source = NULL;
    evaluation e = {0};
    lb_train_result result = {0};
    char *folder = NULL;
    cli_uploads *uploads = NULL;
    listeners heard = {.cli = cli};
    int lock = -1;
    cli_checkpoints();
    LB_TRY(cli_recipe_open(&r, cli->words[0], &o->set));
    if (!r->made) LB_TRY(cli_recipe_source(&source, r, crew));
    else if (crew->count > 1) LB_TRY(lb_fail(LB_E_UNSUPPORTED, "made data train in one process"));
    e = (evaluation){.recipe = r, .source = source};
    if (!r->made) LB_TRY(lb_items_split(r->items, r->eval.split, &e.items, &e.count));
    if (r->eval.segmentation) keep_masked(&e);
    if ((r->eval.retrieval || r->eval.segmentation || r->eval.classification) && e.count == 0 && !r->made) {
        st = no_items(r, cli->words[0]);
        goto done;
    }
    folder = o->out ? lb_strdup(o->out) : lb_path_join("runs", r->name);
    if (!folder) {
        st = LB_E_NOMEM;
        goto done;
    }
    lb_train_spec spec = train_spec(cli, r, source, &e, folder, crew);
    if (o->dry_run) {
        st = crew->rank == 0 ? print_plan(cli, &spec) : LB_OK;
        goto done;
    }
    if (crew->rank == 0) LB_TRY(enter_folder(&lock, r, folder, o->restart));
    LB_TRY(cli_crew_wait(crew));
    if (o->tensorboard && crew->rank == 0) LB_TRY(open_board(&heard.board, folder));
    if (spec.federation) LB_TRY(cli_uploads_open(&uploads, folder, r->value));
    if (uploads) spec.uploads = cli_uploads_of(uploads);
    spec.logged = tell;
    spec.logged_ctx = &heard;
    LB_TRY(lb_train(&result, &spec));
    if (crew->rank > 0) goto done;
    if (result.start_step == result.steps && has_inside(folder, "summary.json")) LB_TRY(say_finished(cli, folder));
    else LB_TRY(summarise(cli, r, &e, &result, folder, crew->count));
done:
    cli_uploads_close(uploads);
    lb_unlock(lock);
    if (heard.board) lb_events_close(heard.board->events);
    lb_free(heard.board);
    lb_free(folder);
    lb_free(e.items);
    cli_source_close(source);
    cli_recipe_close(r);
    return st;
}

static lb_status run(lb_cli *cli, void *opts) {
    lb_crew crew;
    lb_status st = cli_crew_open(&crew);
    if (st != LB_OK) return st;
    if (crew.rank > 0) cli->progress.show = NULL;
    st = run_share(cli, opts, &crew);
    cli_crew_close(&crew, st);
    return st;
}

LB_VERB(train) = {.id = "train", .title = "trains a student by a recipe", .source = "", .params = params, .params_size = sizeof(options),
                  .usage = "train RECIPE.yaml [--set KEY=VALUE ...] [--out FOLDER] [--dry-run] [--restart] [--tensorboard]", .min_words = 1, .max_words = 1,
                  .help = "Writes a run folder: recipe.yaml (resolved), log.jsonl, last.safetensors, summary.json, and model/, a folder that every verb\n"
                          "takes as a model. Stopped by Ctrl-C or killed: the same command goes on to the same result; finished: there is nothing to do.", .run = run};
