/* SPDX-License-Identifier: Apache-2.0 */
/* A checkpoint is named tensors and a map of texts: "student.", "optim.", "ema.", of further students "students.<name>.", "optims.<name>.",
 * "emas.<name>."; "proj.", "state."; and step, recipe, fingerprint, best. It holds no times, so two runs to the same result write the same bytes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/hash.h"
#include "distill/train_private.h"

static lb_checkpoint_io checkpoint_io;

void lb_checkpoint_set_io(const lb_checkpoint_io *io) { checkpoint_io = *io; }

void lb_recipe_hash(const lb_value *recipe, char out[65]) {
    lb_buf text = {0};
    if (recipe && lb_json_write(&text, recipe, 0) != LB_OK) lb_error_clear();
    lb_sha256_of(lb_buf_str(&text), text.size, out);
    lb_buf_free(&text);
}

typedef struct listing {
    char **names;
    const lb_tensor **tensors;
    int64_t count, capacity;
} listing;

static void free_listing(listing *l) {
    for (int64_t i = 0; i < l->count; i++) lb_free(l->names[i]);
    lb_free(l->names);
    lb_free(l->tensors);
}

static lb_status list(listing *l, const char *prefix, lb_store *s) {
    for (int64_t i = 0; s && i < lb_store_count(s); i++) {
        const lb_param_tensor *p = lb_store_at(s, i);
        if (!(l->names[l->count] = lb_format_dup("%s%s", prefix, p->name))) return LB_E_NOMEM;
        l->tensors[l->count++] = p->x;
    }
    return LB_OK;
}

static int64_t size_of(lb_store *s) { return s ? lb_store_count(s) : 0; }

/* "student." of the first, "students.<name>." of the others. */
static const char *prefix_of(const lbi_train *r, int learner, const char *what, char out[128]) {
    if (learner == 0) snprintf(out, 128, "%s.", what);
    else snprintf(out, 128, "%ss.%s.", what, r->learners[learner].name);
    return out;
}

static bool is_reached(const lb_param_tensor *p) { return p->buffer || !p->x->requires_grad || (p->x->grad && p->x->grad->data); }

/* Weights that no gradient has come to yet, which the optimiser therefore leaves alone (those it came to once are stepped ever after, by zero if need be): what a run
 * that goes on must know to do the same. */
static void unreached(lb_buf *out, const char *prefix, lb_store *s) {
    for (int64_t i = 0; i < lb_store_count(s); i++)
        if (!is_reached(lb_store_at(s, i))) lb_buf_format(out, "%s%s%s", out->size ? "," : "", prefix, lb_store_at(s, i)->name);
}

static void put_unreached(const lbi_train *r, lb_value *v) {
    lb_buf names = {0};
    char prefix[128];
    for (int i = 0; i < r->nlearners; i++) unreached(&names, prefix_of(r, i, "student", prefix), r->learners[i].model->store);
    unreached(&names, "", r->projectors);
    if (lb_buf_status(&names) == LB_OK) lb_map_text(v, "unreached", lb_buf_str(&names));
    lb_buf_free(&names);
}

static bool is_named(const char *names, const char *prefix, const char *name) {
    char want[256];
    int n = snprintf(want, sizeof want, "%s%s", prefix, name);
    for (const char *at = names; (at = strstr(at, want)); at++)
        if ((at == names || at[-1] == ',') && (at[n] == ',' || at[n] == 0)) return true;
    return false;
}

static lb_status reach(lb_store *s, const char *prefix, const char *names) {
    lb_status st = LB_OK;
    for (int64_t i = 0; i < lb_store_count(s) && st == LB_OK; i++) {
        lb_param_tensor *p = lb_store_at(s, i);
        if (is_reached(p) || is_named(names, prefix, p->name)) continue;
        lb_tensor_free(p->x->grad);
        p->x->grad = NULL;
        st = lb_tensor_new(&p->x->grad, LB_REAL, p->x->rank, p->x->shape);
        if (st == LB_OK) memset(p->x->grad->data, 0, (size_t)lb_numel(p->x) * sizeof(lb_real));
    }
    return st;
}

static lb_status reach_all(lbi_train *r, const char *names) {
    lb_status st = LB_OK;
    char prefix[128];
    if (!names) return LB_OK;
    for (int i = 0; i < r->nlearners && st == LB_OK; i++) st = reach(r->learners[i].model->store, prefix_of(r, i, "student", prefix), names);
    return st == LB_OK ? reach(r->projectors, "", names) : st;
}

static void describe(const lbi_train *r, lb_value *v) {
    char hash[65], number[40];
    put_unreached(r, v);
    lb_recipe_hash(r->spec->recipe, hash);
    lb_map_text(v, "format", "limbeck-checkpoint/1");
    snprintf(number, sizeof number, "%lld", (long long)r->step);
    lb_map_text(v, "step", number);
    lb_map_text(v, "recipe", hash);
    lb_map_text(v, "trained_from", r->spec->fingerprint ? r->spec->fingerprint : "");
    for (int64_t i = 0; r->spec->sources && i < r->spec->sources->count; i++) {
        char key[160];
        snprintf(key, sizeof key, "source.%s", r->spec->sources->keys[i]);
        lb_map_text(v, key, r->spec->sources->items[i]->text);
    }
    lb_map_text(v, "arch", r->spec->student->arch->id);
    snprintf(number, sizeof number, "%.17g", r->best_score);
    lb_map_text(v, "best_score", number);
    snprintf(number, sizeof number, "%lld", (long long)r->best_step);
    lb_map_text(v, "best_step", number);
}

lb_status lbi_checkpoint_save(lbi_train *r, const char *name) {
    lb_status st = LB_OK;
    if (!r->spec->folder || lbi_rank(r) > 0) return LB_OK;
    if (!checkpoint_io.write) return lb_fail(LB_E_BUG, "checkpoints have no writer: lb_checkpoint_set_io was not called");
    listing l = {0};
    char prefix[128];
    lb_value *meta = lb_value_map();
    char *path = lb_path_join(r->spec->folder, name);
    l.capacity = size_of(lb_optim_state(r->projector_optim)) + size_of(r->projectors) + size_of(r->state);
    for (int i = 0; i < r->nlearners; i++) l.capacity += size_of(r->learners[i].model->store) + size_of(lb_optim_state(r->learners[i].optim)) + size_of(r->learners[i].ema);
    l.names = lb_calloc((size_t)l.capacity + 1, sizeof *l.names);
    l.tensors = lb_calloc((size_t)l.capacity + 1, sizeof *l.tensors);
    if (!path || !l.names || !l.tensors) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int i = 0; i < r->nlearners; i++) {
        const lbi_learner *a = &r->learners[i];
        LB_TRY(list(&l, prefix_of(r, i, "student", prefix), a->model->store));
        LB_TRY(list(&l, prefix_of(r, i, "ema", prefix), a->ema));
        LB_TRY(list(&l, prefix_of(r, i, "optim", prefix), lb_optim_state(a->optim)));
    }
    LB_TRY(list(&l, "", r->projectors));
    LB_TRY(list(&l, "", r->state));
    LB_TRY(list(&l, "projector_optim.", lb_optim_state(r->projector_optim)));
    describe(r, meta);
    LB_TRY(checkpoint_io.write(path, l.count, (const char *const *)l.names, l.tensors, meta));
done:
    free_listing(&l);
    lb_value_free(meta);
    lb_free(path);
    return st;
}

lb_status lbi_checkpoint_adapters(lbi_train *r, const char *name) {
    lb_status st = LB_OK;
    if (!r->spec->folder || lbi_rank(r) > 0 || size_of(r->projectors) == 0) return LB_OK;
    listing l = {.names = lb_calloc((size_t)size_of(r->projectors), sizeof *l.names), .tensors = lb_calloc((size_t)size_of(r->projectors), sizeof *l.tensors)};
    lb_value *meta = lb_value_map();
    char *path = lb_path_join(r->spec->folder, name);
    if (!path || !l.names || !l.tensors) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(list(&l, "", r->projectors));
    lb_map_text(meta, "format", "limbeck-adapters/1");
    for (int64_t i = 0; i < r->adapters->count; i++) {
        const lb_value *a = r->adapters->items[i];
        char key[256];
        snprintf(key, sizeof key, "%s.%s", lb_get_text(a, "term", ""), lb_get_text(a, "input", ""));
        lb_map_text(meta, key, lb_get_text(a, "by", ""));
    }
    LB_TRY(checkpoint_io.write(path, l.count, (const char *const *)l.names, l.tensors, meta));
done:
    free_listing(&l);
    lb_value_free(meta);
    lb_free(path);
    return st;
}

/* ---- loading ---- */

static lb_status same_text(const lb_value *meta, const char *key, const char *want, const char *what, const char *path) {
    const char *have = lb_get_text(meta, key, "");
    if (strcmp(have, want) == 0) return LB_OK;
    return lb_fail(LB_E_MISMATCH, "%s: %s differs: the checkpoint has %s, this run %s", path, what, *have ? have : "none", *want ? want : "none");
}

/* Field by field, where the checkpoint tells them too. */
static lb_status same_sources(const lbi_train *r, const lb_value *meta, const char *path) {
    lb_status st = LB_OK;
    for (int64_t i = 0; r->spec->sources && i < r->spec->sources->count && st == LB_OK; i++) {
        char key[160], what[192];
        snprintf(key, sizeof key, "source.%s", r->spec->sources->keys[i]);
        snprintf(what, sizeof what, "what it learns from, %s,", r->spec->sources->keys[i]);
        if (lb_get_text(meta, key, NULL)) st = same_text(meta, key, r->spec->sources->items[i]->text, what, path);
    }
    return st;
}

static lb_status check_meta(const lbi_train *r, const lb_value *meta, const char *path) {
    char hash[65];
    lb_status st = LB_OK;
    lb_recipe_hash(r->spec->recipe, hash);
    LB_TRY(same_text(meta, "format", "limbeck-checkpoint/1", "format", path));
    LB_TRY(same_text(meta, "arch", r->spec->student->arch->id, "student", path));
    LB_TRY(same_sources(r, meta, path));
    LB_TRY(same_text(meta, "trained_from", r->spec->fingerprint ? r->spec->fingerprint : "", "what it learns from (caches, teachers)", path));
    LB_TRY(same_text(meta, "recipe", hash, "recipe", path));
done:
    return st;
}

static lb_status copy_into(lb_store *to, const char *name, const lb_param_tensor *from, bool add, const char *path) {
    lb_param_tensor *p = lb_store_find(to, name);
    lb_status st = LB_OK;
    if (!p && add) st = lb_store_add(&p, to, name, from->x->rank, from->x->shape, LB_INIT_ZEROS, 0);
    if (st != LB_OK) return st;
    if (!p) return lb_fail(LB_E_FORMAT, "%s: tensor '%s' belongs to no parameter of the student", path, from->name);
    if (!lb_same_shape(p->x, from->x)) return lb_fail(LB_E_SHAPE, "%s: tensor '%s' has another shape than the student's", path, from->name);
    memcpy(p->x->data, from->x->data, (size_t)lb_numel(p->x) * lb_dtype_size(p->x->dtype));
    return LB_OK;
}

/* What of a tensor's name comes behind the prefix; NULL when it has another. */
static const char *behind(const char *name, const char *prefix) {
    size_t n = strlen(prefix);
    return strncmp(name, prefix, n) == 0 ? name + n : NULL;
}

static lb_status spread_learner(lbi_train *r, int i, lb_store *all, const char *path) {
    const lbi_learner *a = &r->learners[i];
    char student[128], ema[128], optim[128];
    int64_t found = 0;
    lb_status st = LB_OK;
    prefix_of(r, i, "student", student);
    prefix_of(r, i, "ema", ema);
    prefix_of(r, i, "optim", optim);
    for (int64_t k = 0; k < lb_store_count(all) && st == LB_OK; k++) {
        const lb_param_tensor *p = lb_store_at(all, k);
        const char *name;
        if ((name = behind(p->name, student))) {
            st = copy_into(a->model->store, name, p, false, path);
            found++;
        } else if ((name = behind(p->name, ema)) && a->ema) st = copy_into(a->ema, name, p, false, path);
        else if ((name = behind(p->name, optim))) st = copy_into(lb_optim_state(a->optim), name, p, true, path);
    }
    if (st == LB_OK && found != lb_store_count(a->model->store))
        st = lb_fail(LB_E_FORMAT, "%s: %lld tensors of %s are there, %lld are wanted", path, (long long)found, a->name, (long long)lb_store_count(a->model->store));
    return st;
}

static lb_status spread(lbi_train *r, lb_store *all, const char *path) {
    lb_status st = LB_OK;
    for (int i = 0; i < r->nlearners && st == LB_OK; i++) st = spread_learner(r, i, all, path);
    for (int64_t i = 0; i < lb_store_count(all) && st == LB_OK; i++) {
        const lb_param_tensor *p = lb_store_at(all, i);
        const char *name = behind(p->name, "projector_optim.");
        if (name) st = copy_into(lb_optim_state(r->projector_optim), name, p, true, path);
        else if (behind(p->name, "state.")) st = copy_into(r->state, p->name, p, true, path);
        else if (behind(p->name, "proj.")) st = copy_into(r->projectors, p->name, p, true, path);
    }
    return st;
}

lb_status lbi_checkpoint_load(lbi_train *r, bool *found) {
    lb_status st = LB_OK;
    lb_store *all = NULL;
    lb_value *meta = NULL;
    char *path = r->spec->folder ? lb_path_join(r->spec->folder, "last.safetensors") : NULL;
    *found = path && lb_file_exists(path);
    if (!*found) goto done;
    LB_TRY(lb_store_new(&all));
    LB_TRY(checkpoint_io.read(path, all, &meta));
    LB_TRY(check_meta(r, meta, path));
    LB_TRY(spread(r, all, path));
    LB_TRY(reach_all(r, lb_get_text(meta, "unreached", NULL)));
    r->step = r->start_step = strtoll(lb_get_text(meta, "step", "0"), NULL, 10);
    r->best_score = strtod(lb_get_text(meta, "best_score", "0"), NULL);
    r->best_step = strtoll(lb_get_text(meta, "best_step", "-1"), NULL, 10);
done:
    lb_store_free(all);
    lb_value_free(meta);
    lb_free(path);
    return st;
}

static void swap_store(lb_store *ema, lb_store *own) {
    for (int64_t i = 0; ema && i < lb_store_count(ema); i++) {
        lb_param_tensor *a = lb_store_at(ema, i), *b = lb_store_find(own, a->name);
        if (!b) continue;
        lb_real *x = a->x->data, *y = b->x->data;
        for (int64_t k = 0; k < lb_numel(a->x); k++) {
            lb_real keep = x[k];
            x[k] = y[k];
            y[k] = keep;
        }
    }
}

void lbi_swap_ema(lbi_train *r) {
    for (int i = 0; i < r->nlearners; i++) swap_store(r->learners[i].ema, r->learners[i].model->store);
}
