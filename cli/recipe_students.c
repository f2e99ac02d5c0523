/* SPDX-License-Identifier: Apache-2.0 */
/* Students of a recipe, how sound comes to them, and their optimisers. */
#include <string.h>
#include "cli/models.h"
#include "cli/recipe_private.h"

/* Ids that the student has no row for would end the run at the first text that holds one. */
static lb_status check_vocabulary(const cli_recipe *r, const lb_value *v) {
    static const char *const names[] = {"vocab", "vocab_size"};
    const lb_value *params = lb_get(v, "params");
    bool texts = false;
    for (int i = 0; i < r->nstreams; i++) texts = texts || r->streams[i].text;
    for (int i = 0; texts && r->tokenizer && i < 2; i++) {
        int64_t rows = lb_get_int(params, names[i], r->tokenizer->vocab);
        if (rows < r->tokenizer->vocab)
            return recipe_at_line(lb_fail(LB_E_ARG, "params: %s is %lld, the tokenizer has %lld tokens", names[i], (long long)rows, (long long)r->tokenizer->vocab), recipe_line_of(v, "params"));
    }
    return LB_OK;
}

static lb_status make_student(lb_model **out, const cli_recipe *r, const lb_value *v, uint64_t seed) {
    lb_status st = LB_OK;
    const lb_head *head = NULL;
    LB_TRY(recipe_at_line(lb_family_find(&head, &lb_archs, lb_get_text(v, "arch", "")), recipe_line_of(v, "arch")));
    LB_TRY(lb_model_new(out, (const lb_arch *)head, lb_get(v, "params")));
    lb_map_put((lb_value *)v, "params", lb_params_to_value(head->params, (*out)->cfg));
    LB_TRY(check_vocabulary(r, v));
    st = lb_store_init((*out)->store, seed);
done:
    return st;
}

/* The student begins with the weights of a model of the same names and shapes. */
static lb_status begin_from(lb_model *student, const char *path) {
    lb_status st = LB_OK;
    cli_model *m = NULL;
    LB_TRY(cli_model_open(&m, path));
    for (int64_t i = 0; i < lb_store_count(student->store); i++) {
        lb_param_tensor *to = lb_store_at(student->store, i), *from = lb_store_find(m->model->store, to->name);
        if (!from || !lb_same_shape(to->x, from->x)) LB_TRY(lb_fail(LB_E_MISMATCH, "student.from: %s has no '%s' of that shape", path, to->name));
        lb_convert(to->x->data, LB_REAL, from->x->data, from->x->dtype, lb_numel(to->x));
    }
done:
    cli_model_close(m);
    return st;
}

/* How sound is prepared, when a stream has it: student.sound, keys of a preprocessor_config.json; else as the student's arch usually has it. */
static lb_status open_sound(cli_recipe *r, const lb_value *sound) {
    lb_status st = LB_OK;
    bool wanted = false;
    for (int i = 0; i < r->nstreams; i++) wanted = wanted || r->streams[i].audio;
    if (!wanted) return LB_OK;
    if (!sound && !r->student->arch->preprocess) return recipe_absent("student", "sound");
    st = sound ? lb_audio_prepare_from(&r->audio, sound) : lb_audio_prepare_parse(&r->audio, r->student->arch->preprocess);
    if (st != LB_OK) return lb_where(st, "recipe: student.sound");
    r->has_audio = true;
    return r->audio.window > 0 ? LB_OK : lb_fail(LB_E_ARG, "recipe: student.sound: training wants windows of one length");
}

lb_status recipe_open_student(cli_recipe *r) {
    lb_status st = LB_OK;
    const lb_value *v = lb_get(r->value, "student");
    if (!v || !lb_get_text(v, "arch", NULL)) return recipe_absent("student", "arch");
    LB_TRY(lb_value_only(v, "recipe: student", (const char *const[]){"arch", "params", "preprocess", "from", "sound", NULL}));
    LB_TRY(make_student(&r->student, r, v, r->seed));
    if (lb_get_text(v, "from", NULL)) LB_TRY(begin_from(r->student, lb_get_text(v, "from", "")));
    LB_TRY(open_sound(r, lb_get(v, "sound")));
    if (lb_get(v, "preprocess")) {
        LB_TRY(lb_image_spec_from(&r->image, lb_get(v, "preprocess")));
        lb_map_put((lb_value *)v, "preprocess", lb_image_spec_value(&r->image));
        r->has_image = true;
    }
done:
    return st;
}

/* The run's optimiser with the student's own keys in place of it. */
static lb_status own_optimiser(lb_optim_config *out, const cli_recipe *r, lb_value *student) {
    lb_value *merged = lb_value_copy(lb_get(r->value, "optimiser"));
    const lb_value *own = lb_get(student, "optimiser");
    if (!merged && !(merged = lb_value_map())) return LB_E_NOMEM;
    for (int64_t i = 0; own && i < own->count; i++) lb_map_put(merged, own->keys[i], lb_value_copy(own->items[i]));
    lb_status st = lb_params_from_value(lb_optim_params, out, merged);
    if (st == LB_OK) lb_map_put(student, "optimiser", lb_params_to_value(lb_optim_params, out));
    lb_value_free(merged);
    return st;
}

lb_status recipe_open_others(cli_recipe *r) {
    lb_status st = LB_OK;
    const lb_value *all = lb_get(r->value, "students");
    for (int64_t i = 0; all && i < all->count; i++) {
        lb_value *v = all->items[i];
        LB_TRY(recipe_check_student(r, all->keys[i], v));
        if (r->nothers == CLI_MAX_STUDENTS) return lb_fail(LB_E_LIMIT, "recipe: at most %d further students", CLI_MAX_STUDENTS);
        lb_student *o = &r->others[r->nothers];
        o->name = all->keys[i];
        r->nothers++;
        LB_TRY(make_student(&o->model, r, v, r->seed + 1 + (uint64_t)i));
    }
done:
    return st == LB_OK ? st : lb_where(st, "recipe: students");
}

lb_status recipe_open_other_optimisers(cli_recipe *r) {
    lb_status st = LB_OK;
    for (int i = 0; i < r->nothers && st == LB_OK; i++) {
        st = own_optimiser(&r->other_optims[i], r, lb_get(r->value, "students")->items[i]);
        r->others[i].optim = &r->other_optims[i];
    }
    return st;
}
