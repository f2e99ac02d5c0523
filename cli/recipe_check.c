/* SPDX-License-Identifier: Apache-2.0 */
/* What a recipe may say: keys, kinds of values, names of inputs and taps; each fault with its line and the nearest name. */
#include <string.h>
#include "base/sig.h"
#include "cli/recipe_private.h"

/* Checks the keys of a map and the kinds of its values: the rows of a table, and `inner`, maps that are read on their own. */
static lb_status check_map(const lb_value *v, const char *where, const lb_param *table, size_t size, const char *const inner[2]) {
    const char *known[24];
    int n = 0;
    for (const lb_param *p = table; p->name; p++) known[n++] = p->name;
    for (int i = 0; i < 2 && inner[i]; i++) known[n++] = inner[i];
    known[n] = NULL;
    lb_status st = lb_value_only(v, where, known);
    if (st != LB_OK) return st;
    lb_value *rest = lb_value_map();
    void *cfg = lb_calloc(1, size);
    for (int64_t i = 0; rest && v && i < v->count; i++) {
        if ((inner[0] && strcmp(v->keys[i], inner[0]) == 0) || (inner[1] && strcmp(v->keys[i], inner[1]) == 0)) continue;
        lb_map_put(rest, v->keys[i], lb_value_copy(v->items[i]));
        if (!rest->failed) rest->key_lines[rest->count - 1] = v->key_lines[i];
    }
    st = !cfg || !rest || rest->failed ? LB_E_NOMEM : lb_params_from_value(table, cfg, rest);
    if (st == LB_OK) lb_params_free(table, cfg);
    else if (st != LB_E_NOMEM) st = lb_where(st, "%s", where);
    lb_value_free(rest);
    lb_free(cfg);
    return st;
}

typedef struct feature_options {
    const char *cache, *tap, *of;
} feature_options;

static const lb_param feature_params[] = {
    LB_PARAM_TEXT(feature_options, cache, NULL, NULL, "feature file or cache folder"),
    LB_PARAM_TEXT(feature_options, tap, "embedding", NULL, "which of its taps"),
    LB_PARAM_TEXT(feature_options, of, "image", "image|text", "joined to the stream's pictures or its texts"),
    LB_PARAM_END};

typedef struct stream_options {
    const char *split;
    lb_text_list fields;
    int64_t batch, frames;
    bool augment, unpaired;
} stream_options;

static const lb_param stream_params[] = {
    LB_PARAM_TEXT(stream_options, split, NULL, NULL, "only items of this split"),
    LB_PARAM_LIST(stream_options, fields, "NAME", "image, text, mask, audio, video"),
    LB_PARAM(stream_options, batch, 64, 1, 1e6, "items", "items of one step"),
    LB_PARAM(stream_options, frames, 8, 1, 100000, "frames", "frames of a video, evenly spread"),
    LB_PARAM_FLAG(stream_options, augment, 0, "pictures are augmented"),
    LB_PARAM_FLAG(stream_options, unpaired, 0, "pictures and texts are drawn apart"),
    LB_PARAM_END};

typedef struct objective_options {
    const char *name, *method, *component, *on, *adapt;
    double weight;
    int64_t warmup, start;
    bool allow_zero;
} objective_options;

static const lb_param objective_params[] = {
    LB_PARAM_TEXT(objective_options, name, NULL, NULL, "how it is shown"),
    LB_PARAM_TEXT(objective_options, method, NULL, NULL, "a method (limbeck describe methods)"),
    LB_PARAM_TEXT(objective_options, component, NULL, NULL, "one of its components; absent = the first"),
    LB_PARAM_TEXT(objective_options, on, NULL, NULL, "its stream"),
    LB_PARAM(objective_options, weight, 1, -1e9, 1e9, "1", "factor in the loss"),
    LB_PARAM(objective_options, warmup, 0, 0, 1e9, "steps", "steps over which the weight grows from 0"),
    LB_PARAM(objective_options, start, 0, 0, 1e9, "steps", "first step at which it counts"),
    LB_PARAM_FLAG(objective_options, allow_zero, 0, "it may be exactly 0 for a whole epoch"),
    LB_PARAM_TEXT(objective_options, adapt, "auto", "auto|sequence|none", "how features of student and teacher that differ are joined"),
    LB_PARAM_END};

lb_status recipe_check_feature(const lb_value *v) { return check_map(v, "recipe: features", feature_params, sizeof(feature_options), (const char *const[2]){NULL}); }

lb_status recipe_check_stream(const lb_value *v) { return check_map(v, "recipe: streams", stream_params, sizeof(stream_options), (const char *const[2]){NULL}); }

lb_status recipe_check_objective(const lb_value *v) {
    return check_map(v, "recipe: objectives", objective_params, sizeof(objective_options), (const char *const[2]){"inputs", "params"});
}

/* ---- names ---- */

/* The taps of one model, to compare names with. */
typedef struct tap_names {
    char *at[256];
    int count;
} tap_names;

static void add_tap(void *ctx, const char *tap, int rank, const int64_t *shape) {
    tap_names *t = ctx;
    (void)rank, (void)shape;
    if (t->count < (int)LB_COUNT(t->at) && (t->at[t->count] = lb_strdup(tap))) t->count++;
}

static lb_status check_tap(lb_model *m, const char *tap) {
    tap_names t = {0};
    lb_buf near = {0};
    bool found = false;
    lb_status st = lb_model_taps(m, add_tap, &t);
    for (int i = 0; i < t.count; i++) found |= strcmp(t.at[i], tap) == 0;
    if (st == LB_OK && !found && t.count < (int)LB_COUNT(t.at)) {
        lb_nearest(&near, tap, (const char *const *)t.at, t.count);
        st = lb_fail(LB_E_NOTFOUND, "%s has no tap '%s'%s", m->arch->id, tap, lb_buf_str(&near));
    }
    for (int i = 0; i < t.count; i++) lb_free(t.at[i]);
    lb_buf_free(&near);
    return st;
}

/* The tap behind "<model>."; NULL when the name is another's. */
static const char *tap_of(const char *name, const char *model) {
    size_t n = strlen(model);
    return strncmp(name, model, n) == 0 && name[n] == '.' ? name + n + 1 : NULL;
}

lb_status recipe_check_name(const cli_recipe *r, const char *name) {
    const char *tap;
    if ((tap = tap_of(name, "student"))) return check_tap(r->student, tap);
    if ((tap = tap_of(name, "ema"))) {
        if (lb_get_real(r->value, "train.ema", 0) <= 0) return lb_fail(LB_E_ARG, "'%s': there are no averaged weights; train.ema gives their decay", name);
        return check_tap(r->student, tap);
    }
    for (int i = 0; i < r->nothers; i++)
        if ((tap = tap_of(name, r->others[i].name))) return check_tap(r->others[i].model, tap);
    for (int i = 0; i < r->nteachers; i++)
        if ((tap = tap_of(name, r->teachers[i].name))) return check_tap(r->teachers[i].model, tap);
    return LB_OK;
}

/* ---- classes ---- */

typedef struct width_of_tap {
    const char *tap;
    int64_t width; /* of [N,K]; -1 = not seen, or of another form */
} width_of_tap;

static void take_width(void *ctx, const char *tap, int rank, const int64_t *shape) {
    width_of_tap *w = ctx;
    if (strcmp(tap, w->tap) == 0 && rank == 2) w->width = shape[1];
}

static lb_status enough_classes(const cli_recipe *r, lb_model *m, const char *name, const char *tap) {
    width_of_tap w = {tap, -1};
    lb_status st = lb_model_taps(m, take_width, &w);
    if (st != LB_OK || w.width < 0 || w.width >= r->label_count) return st;
    return lb_fail(LB_E_SHAPE, "the items have %lld labels (%s to %s), %s %lld classes", (long long)r->label_count, r->labels[0], r->labels[r->label_count - 1], name, (long long)w.width);
}

lb_status recipe_check_classes(const cli_recipe *r, const lb_objective *o) {
    lb_status st = LB_OK;
    bool labels = false;
    for (int i = 0; i < o->nbind; i++) labels = labels || strcmp(o->names[i], "label") == 0;
    if (labels && r->label_count == 0) return lb_fail(LB_E_ARG, "it wants labels, and no item has one");
    for (int i = 0; labels && i < o->nbind && st == LB_OK; i++) {
        const char *tap = strstr(o->names[i], "logits") ? tap_of(o->names[i], "student") : NULL;
        if (tap) st = enough_classes(r, r->student, o->names[i], tap);
        for (int k = 0; k < r->nothers && st == LB_OK && !tap; k++) {
            const char *own = strstr(o->names[i], "logits") ? tap_of(o->names[i], r->others[k].name) : NULL;
            if (own) st = enough_classes(r, r->others[k].model, o->names[i], own);
        }
    }
    return st;
}

lb_status recipe_check_student(const cli_recipe *r, const char *name, const lb_value *v) {
    bool taken = strcmp(name, "student") == 0 || strcmp(name, "ema") == 0;
    for (int i = 0; i < r->nteachers; i++) taken = taken || strcmp(name, r->teachers[i].name) == 0;
    for (int i = 0; i < r->nothers; i++) taken = taken || strcmp(name, r->others[i].name) == 0;
    if (taken || !*name || strpbrk(name, "./")) return lb_fail(LB_E_ARG, "'%s' is no name for a further student: it is taken, or holds a dot or a slash", name);
    if (!lb_get_text(v, "arch", NULL)) return lb_fail(LB_E_ARG, "%s wants 'arch'", name);
    return lb_value_only(v, name, (const char *const[]){"arch", "params", "optimiser", NULL});
}

lb_status recipe_check_input(const lb_component *c, const char *name) {
    const char *names[64];
    lb_sig *sig = NULL;
    lb_buf near = {0};
    lb_status st = lb_sig_parse(&sig, c->sig);
    if (st != LB_OK) return st;
    int n = lb_sig_inputs(sig) < (int)LB_COUNT(names) ? lb_sig_inputs(sig) : (int)LB_COUNT(names);
    for (int i = 0; i < n; i++) names[i] = lb_sig_input_name(sig, i);
    if (lb_sig_input_find(sig, name) < 0) {
        lb_nearest(&near, name, names, n);
        st = lb_fail(LB_E_NOTFOUND, "component %s has no input '%s'%s", c->name, name, lb_buf_str(&near));
    }
    lb_buf_free(&near);
    lb_sig_free(sig);
    return st;
}
