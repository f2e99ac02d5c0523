/* SPDX-License-Identifier: Apache-2.0 */
/* Published networks as their own code computes them, opened as users have them: a folder with config.json and weights under published names, made
 * from tests/data/archs/outside/<group>.json; every tap against <group>.h5. A new case needs no line here. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "cli/models.h"
#include "io/hdf5.h"
#include "tests/check.h"

/* Asked for: no number is further off than this share of its tensor's rms; f32 through some ten layers gives some 1e-6 to 1e-5. */
static const double agreement = 1e-4;

/* ---- numbers by a rule from a name, as recorder.py has it ---- */

/* n numbers in -1 .. 1: the upper 24 bits of splitmix64 from the FNV-1a hash of the name. */
static void uniform(const char *name, int64_t n, double *x) {
    uint64_t h = 0xCBF29CE484222325u;
    for (const char *p = name; *p; p++) h = (h ^ (uint8_t)*p) * 0x100000001B3u;
    for (int64_t i = 0; i < n; i++) {
        uint64_t z = h += 0x9E3779B97F4A7C15u;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
        z ^= z >> 31;
        x[i] = (double)(z >> 40) * 0x1p-23 - 1;
    }
}

/* A weight's numbers: kernels and maps keep sizes as they are, norms are near 1, the rest is near 0. */
static void by_rule(lb_tensor *x, const char *name) {
    int64_t n = lb_numel(x);
    double *u = lb_alloc((size_t)n + 1, sizeof *u), factor = 0.3, shift = 0;
    if (!CHECK(u != NULL)) return;
    uniform(name, n, u);
    if (x->rank > 1) factor = x->shape[0] == 1 ? 0.8 : 1.5 / sqrt((double)n / (double)x->shape[0]);
    else if (lb_ends_with(name, "running_var")) factor = 0.5, shift = 1;
    else if (lb_ends_with(name, "weight") || lb_ends_with(name, "logit_scale")) shift = 1;
    for (int64_t i = 0; i < n; i++) ((float *)x->data)[i] = (float)(shift + factor * u[i]);
    lb_free(u);
}

static lb_tensor *tensor_of(const lb_value *shape) {
    lb_tensor *x = NULL;
    int64_t s[LB_MAX_RANK] = {0};
    for (int64_t i = 0; i < shape->count; i++) s[i] = shape->items[i]->integer;
    CHECK_OK(lb_tensor_new(&x, LB_F32, (int)shape->count, s));
    return x;
}

/* ---- the folder ---- */

static lb_status write_json(const char *folder, const char *name, const lb_value *v) {
    lb_buf json = {0};
    char *path = lb_path_join(folder, name);
    lb_status st = path ? lb_json_write(&json, v, 1) : LB_E_NOMEM;
    if (st == LB_OK) st = lb_file_write(path, json.data, json.size);
    lb_buf_free(&json);
    lb_free(path);
    return st;
}

static bool write_folder(const char *folder, const lb_value *one) {
    const lb_value *shapes = lb_get(one, "tensors"), *files = lb_get(one, "files"), *config = lb_get(one, "config");
    lb_tensor **x = lb_calloc((size_t)shapes->count + 1, sizeof *x);
    char *path = lb_path_join(folder, "model.safetensors");
    bool ok = CHECK(x && path);
    for (int64_t i = 0; ok && i < shapes->count; i++) {
        x[i] = tensor_of(shapes->items[i]);
        by_rule(x[i], shapes->keys[i]);
    }
    ok = ok && CHECK_OK(lb_safetensors_write(path, shapes->count, (const char *const *)shapes->keys, (const lb_tensor *const *)x, NULL));
    if (config && config->kind == LB_V_MAP) ok = ok && CHECK_OK(write_json(folder, "config.json", config));
    for (int64_t i = 0; ok && files && i < files->count; i++) ok = CHECK_OK(write_json(folder, files->keys[i], files->items[i]));
    for (int64_t i = 0; x && i < shapes->count; i++) lb_tensor_free(x[i]);
    lb_free(x);
    lb_free(path);
    return ok;
}

/* ---- one case ---- */

enum { INPUTS = 8, TAPS = 96 };
typedef struct inputs {
    lb_tensor *x[INPUTS];
    char names[INPUTS][64];
    int n;
} inputs;

static void same_numbers(const char *tap, lb_h5 *f, const char *dataset, const lb_tensor *got) {
    lb_tensor *want = NULL;
    char a[96], b[96];
    double square = 0, worst = 0;
    if (!CHECK_OK(lb_h5_read(&want, f, dataset, LB_F64)) || !CHECK(got != NULL)) goto done;
    if (!lb_same_shape(got, want)) {
        printf("  %s: %s, want %s\n", tap, lb_shape_text(a, sizeof a, got->rank, got->shape), lb_shape_text(b, sizeof b, want->rank, want->shape));
        check_true(false, __FILE__, __LINE__, tap);
        goto done;
    }
    int64_t n = lb_numel(want);
    for (int64_t i = 0; i < n; i++) {
        double w = ((double *)want->data)[i], off = fabs(lb_get_at(got, i) - w);
        square += w * w;
        if (!(off <= worst)) worst = off; /* NaN too */
    }
    worst /= sqrt(square / (double)n) + 1e-30;
    if (!(worst <= agreement)) check_near(worst, 0, agreement, __FILE__, __LINE__, tap);
done:
    lb_tensor_free(want);
}

/* The inputs that lie in the file: whole numbers below <case>/in, others below <case>/real. */
static void stored_inputs(lb_h5 *f, const char *name, const char *part, lb_dtype type, inputs *in) {
    char **names = NULL, path[512];
    int64_t count = 0;
    snprintf(path, sizeof path, "%s/%s", name, part);
    if (!lb_h5_has(f, path) || !CHECK_OK(lb_h5_members(f, path, &names, &count))) return;
    for (int64_t i = 0; i < count && in->n < INPUTS; i++) {
        snprintf(path, sizeof path, "%s/%s/%s", name, part, names[i]);
        snprintf(in->names[in->n], sizeof in->names[0], "%s", names[i]);
        CHECK_OK(lb_h5_read(&in->x[in->n++], f, path, type));
    }
    lb_names_free(names, count);
}

static void read_inputs(lb_h5 *f, const char *name, const lb_value *one, inputs *in) {
    const lb_value *by_name = lb_get(one, "inputs");
    for (int64_t i = 0; i < by_name->count && in->n < INPUTS; i++) {
        lb_tensor *x = in->x[in->n] = tensor_of(by_name->items[i]);
        double *u = lb_alloc((size_t)lb_numel(x) + 1, sizeof *u);
        if (!CHECK(u != NULL)) return;
        uniform(by_name->keys[i], lb_numel(x), u);
        for (int64_t k = 0; k < lb_numel(x); k++) ((float *)x->data)[k] = (float)(1.5 * u[k]);
        lb_free(u);
        snprintf(in->names[in->n++], sizeof in->names[0], "%s", by_name->keys[i]);
    }
    stored_inputs(f, name, "in", LB_I64, in);
    stored_inputs(f, name, "real", LB_F32, in);
}

/* Sum of the results, each number times one by the rule. weights: made if *weights is NULL. */
static double weighed(int count, const char *const *taps, lb_tensor *const *out, lb_tensor **weights) {
    double sum = 0;
    for (int i = 0; i < count; i++) {
        if (!weights[i] && CHECK_OK(lb_tensor_new(&weights[i], LB_F32, out[i]->rank, out[i]->shape))) {
            double *u = lb_alloc((size_t)lb_numel(out[i]) + 1, sizeof *u);
            if (!CHECK(u != NULL)) return 0;
            uniform(taps[i], lb_numel(out[i]), u);
            for (int64_t k = 0; k < lb_numel(out[i]); k++) ((float *)weights[i]->data)[k] = (float)u[k];
            lb_free(u);
        }
        for (int64_t k = 0; k < lb_numel(out[i]); k++) sum += lb_get_at(out[i], k) * (double)((float *)weights[i]->data)[k];
    }
    return sum;
}

/* Every parameter moves by `by` times its gradient. */
static void move(lb_store *s, double by) {
    for (int64_t i = 0; i < lb_store_count(s); i++) {
        lb_param_tensor *p = lb_store_at(s, i);
        for (int64_t k = 0; p->x->grad && k < lb_numel(p->x); k++) ((float *)p->x->data)[k] += (float)(by * lb_get_at(p->x->grad, k));
    }
}

/* Square of the length of all gradients. */
static double length2(lb_store *s) {
    double square = 0;
    for (int64_t i = 0; i < lb_store_count(s); i++) {
        const lb_param_tensor *p = lb_store_at(s, i);
        for (int64_t k = 0; p->x->grad && k < lb_numel(p->x); k++) square += lb_get_at(p->x->grad, k) * lb_get_at(p->x->grad, k);
    }
    return square;
}

/* All parameters move a little along their gradient: the weighed sum moves by the step times the gradient's length. One direction for all, so a backward pass
 * that forgets or doubles a term of weight shows. How small the step has to be differs with the curvature, how large with f32: one of four is to agree
 * within 5 in 100 (kinks of relu and max take their part). */
static void slope(lb_model *m, lb_tape *t, int n, const lb_named *in, int count, const char *const *taps, lb_tensor **out) {
    static const double steps[] = {3e-3, 1e-3, 3e-4, 1e-4};
    lb_tensor *weights[TAPS] = {0};
    double best = INFINITY;
    lb_store_fix(m->store, false); /* they move here */
    lb_store_zero_grad(m->store);
    weighed(count, taps, out, weights);
    lb_backward_from(t, count, out, weights, false);
    double length = CHECK_OK(lb_tape_status(t)) ? sqrt(length2(m->store)) : 0;
    if (!CHECK(length > 0 && isfinite(length))) goto done;
    for (size_t k = 0; k < LB_COUNT(steps) && best > 0.05; k++) {
        double at[2];
        for (int side = 0; side < 2; side++) {
            move(m->store, (side ? -2 : 1) * steps[k] / length);
            lb_tape_reset(t);
            lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
            lb_model_run(m, t, n, in, count, taps, out);
            if (!CHECK_OK(lb_tape_status(t))) goto done;
            at[side] = weighed(count, taps, out, weights);
        }
        move(m->store, steps[k] / length);
        best = fmin(best, fabs((at[0] - at[1]) / (2 * steps[k] * length) - 1));
    }
    CHECK_NEAR(best, 0, 0.05);
done:
    for (int i = 0; i < TAPS; i++) lb_tensor_free(weights[i]);
}

static void run(cli_model *m, lb_h5 *f, const char *name, const lb_value *one) {
    inputs given = {0};
    lb_named in[INPUTS] = {0};
    lb_tensor *out[TAPS] = {0};
    lb_tape *t = NULL;
    char **taps = NULL, path[512];
    int64_t count = 0;
    read_inputs(f, name, one, &given);
    for (int i = 0; i < given.n; i++) in[i] = (lb_named){given.names[i], given.x[i]};
    snprintf(path, sizeof path, "%s/out", name);
    if (!CHECK_OK(lb_h5_members(f, path, &taps, &count)) || !CHECK(count > 0 && count <= TAPS) || !CHECK_OK(lb_tape_new(&t))) goto done;
    for (int grad = 0; grad < 2; grad++) { /* without gradient norms are folded and memory is given back */
        lb_tape_set_mode(t, grad ? LB_TAPE_GRAD : LB_TAPE_NO_GRAD);
        lb_model_run(m->model, t, given.n, in, (int)count, (const char *const *)taps, out);
        if (!CHECK_OK(lb_tape_status(t))) goto done;
        for (int64_t i = 0; i < count; i++) {
            snprintf(path, sizeof path, "%s/out/%s", name, taps[i]);
            same_numbers(taps[i], f, path, out[i]);
        }
        if (grad) slope(m->model, t, given.n, in, (int)count, (const char *const *)taps, out);
        lb_tape_reset(t);
    }
done:
    lb_tape_free(t);
    for (int i = 0; i < given.n; i++) lb_tensor_free(given.x[i]);
    lb_names_free(taps, count);
}

/* Tensor `at` is left out and the next is a row taller: is that refused, with one of both named? Some tensors of a file are not used. */
static bool refused(const lb_model *m, const char *folder, const lb_value *one, int64_t at) {
    lb_value *less = lb_value_copy(one), *tensors = lb_value_map();
    const lb_value *all = lb_get(one, "tensors");
    const char *gone = all->keys[at], *wide = all->keys[at + 1];
    size_t before = strlen(lb_get_text(one, "before", "")); /* taken off before names are compared */
    cli_model *other = NULL;
    for (int64_t i = 0; i < all->count; i++) {
        if (all->keys[i] == gone) continue;
        lb_value *shape = lb_value_copy(all->items[i]);
        if (all->keys[i] == wide && shape->count) shape->items[0]->integer += 1;
        lb_map_put(tensors, all->keys[i], shape);
    }
    lb_map_put(less, "tensors", tensors);
    bool named = write_folder(folder, less) && cli_model_open(&other, folder) != LB_OK && strstr(lb_error_text(), m->arch->id) &&
                 (strstr(lb_error_text(), gone + before) || strstr(lb_error_text(), wide + before));
    lb_error_clear();
    cli_model_close(other);
    lb_value_free(less);
    return named;
}

static void misfits(const lb_model *m, const char *folder, const lb_value *one) {
    int64_t count = lb_get(one, "tensors")->count;
    bool named = false;
    for (int64_t quarter = 1; quarter < 4 && !named; quarter++) named = refused(m, folder, one, quarter * count / 4);
    CHECK(named);
}

/* ---- text that decoders write ---- */

static int64_t *numbers(const lb_value *list, int64_t *count) {
    int64_t n = 0, *x = NULL;
    for (int64_t i = 0; list && i < list->count; i++) n += list->items[i]->kind == LB_V_LIST ? list->items[i]->count : 1;
    if (!CHECK((x = lb_alloc((size_t)n + 1, sizeof *x)) != NULL)) exit(2);
    *count = 0;
    for (int64_t i = 0; list && i < list->count; i++) {
        const lb_value *v = list->items[i];
        for (int64_t k = 0; k < (v->kind == LB_V_LIST ? v->count : 1); k++) x[(*count)++] = v->kind == LB_V_LIST ? v->items[k]->integer : v->integer;
    }
    return x;
}

static void same_texts(const lb_generated *g, const lb_value *way) {
    const lb_value *texts = lb_get(way, "texts"), *scores = lb_get(way, "scores");
    if (!CHECK_INT(g->count, texts->count)) return;
    for (int64_t i = 0; i < g->count; i++) {
        int64_t n = 0, *want = numbers(texts->items[i], &n);
        if (CHECK_INT(g->length[i], n))
            for (int64_t k = 0; k < n; k++) CHECK_INT(g->ids[i][k], want[k]);
        /* sums of logarithms in float32 there, of some ten tokens */
        if (scores) CHECK_NEAR(g->score[i], scores->items[i]->real, 1e-4);
        lb_free(want);
    }
}

static void write_text(cli_model *m, lb_tape *t, const lb_tensor *memory, const lb_value *way) {
    lb_generate_spec spec = {.beams = lb_get_int(way, "beams", 1),
                             .length_penalty = lb_get_real(way, "length_penalty", 1),
                             .early_stopping = lb_get_bool(way, "early_stopping", false),
                             .max_new = lb_get_int(way, "max_new", 0)};
    int64_t eos = 0, size = 0, masks = 0, *end = numbers(lb_get(way, "eos"), &eos), *suppress = numbers(lb_get(way, "suppress"), &spec.suppress_count),
            *begin = numbers(lb_get(way, "begin_suppress"), &spec.begin_suppress_count);
    int64_t *ids = numbers(lb_get(way, "ids"), &size), *mask = numbers(lb_get(way, "mask"), &masks), rows = lb_get(way, "ids")->count;
    lb_generated g = {0};
    for (; spec.eos_count < eos; spec.eos_count++) spec.eos[spec.eos_count] = end[spec.eos_count];
    spec.suppress = suppress;
    spec.begin_suppress = begin;
    if (CHECK_OK(lb_generate(&g, m->model, t, &(lb_prompts){.count = rows, .length = size / rows, .ids = ids, .mask = masks ? mask : NULL, .memory = memory}, &spec))) same_texts(&g, way);
    lb_generated_free(&g);
    lb_free(end), lb_free(suppress), lb_free(begin), lb_free(ids), lb_free(mask);
}

/* Every way of writing: greedy and by beams, with what ends and what must not come. */
static void writes(cli_model *m, lb_h5 *f, const char *name, const lb_value *one) {
    const lb_value *ways = lb_get(one, "generate");
    lb_tape *t = NULL;
    lb_tensor *y = NULL, *memory = NULL;
    const char *tap = ways && m->model->arch->decoder ? m->model->arch->decoder->memory : NULL;
    inputs given = {0};
    lb_named in[INPUTS] = {0};
    if (!ways || !CHECK(m->model->arch->decoder != NULL) || !CHECK_OK(lb_tape_new(&t))) return;
    read_inputs(f, name, one, &given);
    for (int i = 0; i < given.n; i++) in[i] = (lb_named){given.names[i], given.x[i]};
    lb_tape_set_mode(t, LB_TAPE_NO_GRAD);
    if (tap) lb_model_run(m->model, t, given.n, in, 1, &tap, &y);
    if (tap && CHECK_OK(lb_tape_status(t))) CHECK_OK(lb_tensor_copy(&memory, y, LB_F32));
    for (int64_t i = 0; i < ways->count; i++) write_text(m, t, memory, ways->items[i]);
    lb_tape_free(t);
    lb_tensor_free(memory);
    for (int i = 0; i < given.n; i++) lb_tensor_free(given.x[i]);
}

static void one_case(lb_h5 *f, const char *name, const lb_value *one) {
    const char *folder = check_tmp("model");
    cli_model *m = NULL;
    if (!CHECK_OK(lb_make_folders(folder))) return;
    const char *refused = lb_get_text(one, "refused", NULL);
    if (!write_folder(folder, one)) check_true(false, __FILE__, __LINE__, "a folder is written");
    else if (refused) CHECK_FAILS(cli_model_open(&m, folder), LB_E_UNSUPPORTED, refused);
    else if (CHECK_OK(cli_model_open(&m, folder))) {
        run(m, f, name, one);
        writes(m, f, name, one);
        misfits(m->model, folder, one);
    }
    cli_model_close(m);
    CHECK_OK(lb_remove_all(folder));
}

static void group(const char *json_path) {
    lb_value *cases = NULL;
    lb_h5 *f = NULL;
    char h5[1024];
    const char *only = getenv("LB_CASE");
    snprintf(h5, sizeof h5, "%.*s.h5", (int)(strlen(json_path) - strlen(".json")), json_path);
    if (CHECK_OK(lb_json_read(&cases, json_path)) && CHECK_OK(lb_h5_open(&f, h5)))
        for (int64_t i = 0; i < cases->count; i++) {
            if (only && strcmp(only, cases->keys[i]) != 0) continue;
            check_begin("%s", cases->keys[i]);
            one_case(f, cases->keys[i], cases->items[i]);
            check_end();
        }
    if (f) CHECK_OK(lb_h5_close(f));
    lb_value_free(cases);
}

static void all_groups(void) {
    const char *folder = check_data("archs/outside");
    char **names = NULL, path[1024];
    int64_t count = 0, groups = 0;
    if (!CHECK_OK(lb_list_folder(&names, &count, folder))) return;
    for (int64_t i = 0; i < count; i++) {
        if (!lb_ends_with(names[i], ".json")) continue;
        snprintf(path, sizeof path, "%s/%s", check_data("archs/outside"), names[i]);
        group(path);
        groups++;
    }
    CHECK(groups > 0);
    lb_names_free(names, count);
}

/* ---- a folder of sentence-transformers: heads of the cases bert-dense and bert-head said by their modules ---- */

static void write_text_file(const char *folder, const char *name, const char *text) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK_OK(lb_file_write(path, text, strlen(text)));
}

/* Tensors whose names begin with `prefix` (else: those that do not), as <folder>/model.safetensors without the first `drop` bytes of their names. */
static void write_part(const char *folder, const lb_value *shapes, const char *prefix, size_t drop, bool with) {
    lb_tensor *x[64];
    const char *names[64];
    char path[1024];
    int64_t n = 0;
    for (int64_t i = 0; i < shapes->count && n < 64; i++) {
        bool begins = strncmp(shapes->keys[i], prefix, strlen(prefix)) == 0;
        if (begins != with) continue;
        x[n] = tensor_of(shapes->items[i]);
        by_rule(x[n], shapes->keys[i]);
        names[n++] = shapes->keys[i] + drop;
    }
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    CHECK_OK(lb_make_folders(folder));
    CHECK_OK(lb_safetensors_write(path, n, names, (const lb_tensor *const *)x, NULL));
    for (int64_t i = 0; i < n; i++) lb_tensor_free(x[i]);
}

/* What follows the encoder, module by module. */
typedef struct sentence_module {
    const char *kind, *path, *config, *weights; /* weights: the beginning of their names in the case, NULL = none */
    size_t drop;
} sentence_module;

static void write_modules(const char *folder, const lb_value *one, const sentence_module *modules) {
    char part[1024];
    lb_buf list = {0};
    lb_buf_text(&list, "[{\"idx\": 0, \"path\": \"\", \"type\": \"sentence_transformers.models.Transformer\"}");
    for (const sentence_module *m = modules; m->kind; m++) {
        lb_buf_format(&list, ", {\"idx\": %d, \"path\": \"%s\", \"type\": \"sentence_transformers.models.%s\"}", (int)(m - modules) + 1, m->path, m->kind);
        snprintf(part, sizeof part, "%s/%s", folder, m->path);
        CHECK_OK(lb_make_folders(part));
        if (m->weights) write_part(part, lb_get(one, "tensors"), m->weights, m->drop, true);
        if (m->config) write_text_file(part, "config.json", m->config);
    }
    lb_buf_text(&list, "]");
    write_text_file(folder, "modules.json", lb_buf_str(&list));
    lb_buf_free(&list);
}

static void write_sentence_folder(const char *folder, const lb_value *one, const sentence_module *modules) {
    static const char *const head[] = {"pooling", "dense", "dense_act", "dense_bias", "normalize", "head"};
    lb_value *config = lb_value_map();
    const lb_value *all = lb_get(one, "config");
    for (int64_t i = 0; i < all->count; i++) {
        bool own = false;
        for (size_t k = 0; k < LB_COUNT(head); k++) own |= strcmp(all->keys[i], head[k]) == 0;
        if (!own) lb_map_put(config, all->keys[i], lb_value_copy(all->items[i]));
    }
    write_part(folder, lb_get(one, "tensors"), "dense.", 0, false);
    CHECK_OK(write_json(folder, "config.json", config));
    lb_value_free(config);
    write_modules(folder, one, modules);
}

static const sentence_module usual_modules[] = {
    {"Pooling", "1_Pooling", "{\"word_embedding_dimension\": 24, \"pooling_mode_cls_token\": false, \"pooling_mode_mean_tokens\": true, \"pooling_mode_max_tokens\": true}", NULL, 0},
    {"Dense", "2_Dense", "{\"in_features\": 48, \"out_features\": 10, \"bias\": true, \"activation_function\": \"torch.nn.modules.activation.Tanh\"}", "dense.", 6},
    {"Normalize", "3_Normalize", NULL, NULL, 0},
    {0}};
static const sentence_module many_modules[] = {
    {"Pooling", "1_Pooling", "{\"word_embedding_dimension\": 24, \"pooling_mode_mean_tokens\": true}", NULL, 0},
    {"Dense", "2_Dense", "{\"in_features\": 24, \"out_features\": 10, \"bias\": true, \"activation_function\": \"torch.nn.modules.activation.Tanh\"}", "dense.linear.", 6},
    {"Normalize", "3_Normalize", NULL, NULL, 0},
    {"Dense", "4_Dense", "{\"in_features\": 10, \"out_features\": 6, \"bias\": false, \"activation_function\": \"torch.nn.modules.linear.Identity\"}", "dense.1.", 8},
    {"Normalize", "5_Normalize", NULL, NULL, 0},
    {0}};

static void sentence_folder(void) {
    const char *folder = check_tmp("sentence");
    char json[1024], h5[1024];
    lb_value *cases = NULL;
    lb_h5 *f = NULL;
    cli_model *m = NULL, *other = NULL;
    snprintf(json, sizeof json, "%s", check_data("archs/outside/text.json"));
    snprintf(h5, sizeof h5, "%s", check_data("archs/outside/text.h5"));
    if (!CHECK_OK(lb_json_read(&cases, json)) || !CHECK_OK(lb_h5_open(&f, h5)) || !CHECK_OK(lb_make_folders(folder))) goto done;
    write_sentence_folder(folder, lb_get(cases, "bert-head"), many_modules);
    if (CHECK_OK(cli_model_open(&m, folder))) run(m, f, "bert-head", lb_get(cases, "bert-head"));
    cli_model_close(m);
    m = NULL;
    CHECK_OK(lb_remove_all(folder));
    CHECK_OK(lb_make_folders(folder));
    write_sentence_folder(folder, lb_get(cases, "bert-dense"), usual_modules);
    if (CHECK_OK(cli_model_open(&m, folder))) run(m, f, "bert-dense", lb_get(cases, "bert-dense"));
    write_text_file(folder, "modules.json", "[{\"idx\": 0, \"path\": \"\", \"type\": \"sentence_transformers.models.CNN\"}]");
    CHECK_FAILS(cli_model_open(&other, folder), LB_E_UNSUPPORTED, "models.CNN");
done:
    cli_model_close(m);
    if (f) CHECK_OK(lb_h5_close(f));
    lb_value_free(cases);
    CHECK_OK(lb_remove_all(folder));
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "archs-outside", (check_test[]){
        {"as published", all_groups},
        {"sentence-transformers", sentence_folder},
        {0}});
}
