/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/encode_options.h"
#include <stdio.h>
#include <string.h>
#include "datasets/augments.h"

/* The words between commas, and one more unless it is there or NULL. */
static lb_status split_words(char ***out, int *count, const char *text, const char *more) {
    char **words = lb_calloc(strlen(text) / 2 + 3, sizeof *words);
    int n = 0;
    if (!words) return LB_E_NOMEM;
    for (const char *p = text; *p;) {
        size_t len = strcspn(p, ",");
        if (len && more && strlen(more) == len && strncmp(p, more, len) == 0) more = NULL;
        if (len && !(words[n++] = lb_strndup(p, len))) {
            for (int i = 0; i < n; i++) lb_free(words[i]);
            lb_free(words);
            return LB_E_NOMEM;
        }
        p += len + (p[len] == ',');
    }
    if (more && !(words[n++] = lb_strdup(more))) {
        for (int i = 0; i < n; i++) lb_free(words[i]);
        lb_free(words);
        return LB_E_NOMEM;
    }
    *out = words;
    *count = n;
    return LB_OK;
}

/* What features are computed in, and what their fingerprint says. */
static lb_status read_precision(lb_precision *out, const char *name) {
    lb_precision asked;
    lb_status st = lb_precision_parse(&asked, name);
    if (st != LB_OK) return st;
    *out = lb_precision_here(asked);
    if (*out != asked) lb_say(LB_LOG_WARN, "encode", "--precision %s: this processor multiplies no faster so; computed in %s", name, lb_precision_name(*out));
    return LB_OK;
}

/* Without --taps: the tap that says what the model is published to give. */
typedef struct usual {
    bool embedding;
    lb_buf all;
} usual;

static void see_tap(void *ctx, const char *tap, int rank, const int64_t *shape) {
    usual *u = ctx;
    (void)rank, (void)shape;
    if (strcmp(tap, "embedding") == 0) u->embedding = true;
    lb_buf_format(&u->all, "%s%s", u->all.size ? ", " : "", tap);
}

static lb_status choose_taps(cli_encode_run *r, const cli_encode_options *o) {
    if (o->taps) return split_words(&r->taps, &r->spec.ntaps, o->taps, o->window > 0 ? "times" : NULL);
    usual u = {0};
    lb_status st = lb_model_taps(r->model->model, see_tap, &u);
    if (st == LB_OK)
        st = u.embedding ? split_words(&r->taps, &r->spec.ntaps, "embedding", o->window > 0 ? "times" : NULL)
                         : cli_usage("--taps is missing: %s has %s", r->model->name, lb_buf_str(&u.all));
    lb_buf_free(&u.all);
    return st;
}

static lb_status read_augment(cli_encode_run *r, const cli_encode_options *o) {
    lb_value *words = NULL;
    if (o->augment.count && !o->views) return cli_usage("--augment is of --views");
    if (o->augment.count == 1 && o->augment.items[0][0] == '[') {
        const char *text = o->augment.items[0];
        lb_status st = lb_yaml_parse(&words, text, strlen(text), "--augment");
        if (st == LB_OK) st = lb_chain_open(&r->spec.chain, words, "--augment");
        if (st == LB_OK && lb_chain_has_pairs(r->spec.chain)) st = cli_usage("--augment: views are of one picture each, mixup and cutmix of two");
        lb_value_free(words);
        return st;
    }
    lb_status st = cli_key_values(&words, &o->augment);
    if (st == LB_OK) st = lb_params_from_value(lb_augment_params, &r->spec.augment, words);
    lb_value_free(words);
    return st;
}

lb_status cli_encode_open(cli_encode_run *r, lb_cli *cli, const cli_items *items, const cli_encode_options *o) {
    lb_status st = LB_OK;
    *r = (cli_encode_run){0};
    if (!o->model) return cli_usage("--model is missing");
    if (o->features.count > CLI_ENCODE_FEATURES) return cli_usage("at most %d --features", CLI_ENCODE_FEATURES);
    for (int64_t i = 0; i < o->features.count; i++, r->spec.nfeatures++) LB_TRY(cli_feature_open(&r->features[i], o->features.items[i]));
    LB_TRY(cli_model_begin(&r->model, o->model));
    LB_TRY(cli_model_print(r->model)); /* a file that changed is told before what else is wrong */
    LB_TRY(choose_taps(r, o));
    if (r->spec.ntaps < 1 || r->spec.ntaps > CLI_ENCODE_TAPS) {
        st = cli_usage("--taps names 1 to %d taps", CLI_ENCODE_TAPS);
        goto done;
    }
    LB_TRY(cli_model_load(r->model, r->spec.ntaps, (const char *const *)r->taps));
    if (items->input.count || r->spec.nfeatures == 0) LB_TRY(cli_items_open(&r->items, &r->indices, &r->count, items, 5));
    else r->count = lb_cache_rows(r->features[0].cache);
    LB_TRY(lb_dtype_parse(&r->spec.dtype, o->dtype));
    LB_TRY(read_precision(&r->spec.precision, o->precision));
    r->spec.items = r->items;
    r->spec.indices = r->indices;
    r->spec.count = r->count;
    r->spec.features = r->features;
    r->spec.taps = (const char *const *)r->taps;
    r->spec.batch = o->batch;
    r->spec.memory = o->memory << 20;
    r->spec.deflate = o->deflate;
    r->spec.topk = o->topk;
    r->spec.frames = o->frames;
    r->spec.views = o->views;
    r->spec.seed = cli->seed;
    LB_TRY(read_augment(r, o));
    r->spec.window_s = o->window;
    r->spec.text_window = o->text_window;
    r->spec.writing = (cli_writing){.beams = o->beams, .max_new = o->max_new, .language = o->language, .translate = strcmp(o->task, "translate") == 0};
    r->spec.retry_failed = o->retry_failed;
    r->spec.progress = &cli->progress;
done:
    if (st != LB_OK) cli_encode_close(r);
    return st;
}

void cli_encode_close(cli_encode_run *r) {
    for (int i = 0; i < CLI_ENCODE_FEATURES; i++) cli_feature_close(&r->features[i]);
    for (int i = 0; r->taps && i < r->spec.ntaps; i++) lb_free(r->taps[i]);
    lb_free(r->taps);
    lb_free(r->indices);
    lb_items_free(r->items);
    lb_chain_close(r->spec.chain);
    cli_model_close(r->model);
    *r = (cli_encode_run){0};
}

/* ---- taps ---- */

typedef struct printer {
    const lb_cli *cli;
    lb_status st;
} printer;

static void print_tap(void *ctx, const char *tap, int rank, const int64_t *shape) {
    printer *p = ctx;
    char text[96];
    if (p->st != LB_OK) return;
    if (!p->cli->json) {
        p->st = cli_print("%-24s %s", tap, lb_shape_text(text, sizeof text, rank, shape));
        return;
    }
    lb_value *v = lb_value_map(), *sizes = lb_value_list();
    for (int d = 0; d < rank; d++) lb_list_int(sizes, shape[d]);
    lb_map_text(v, "tap", tap);
    lb_map_put(v, "shape", sizes);
    p->st = cli_json(v);
    lb_value_free(v);
}

lb_status cli_print_taps(const lb_cli *cli, const cli_encode_options *o) {
    cli_model *m = NULL;
    if (!o->model) return cli_usage("--model is missing");
    lb_status st = cli_model_open(&m, o->model);
    if (st != LB_OK) return st;
    printer p = {cli, LB_OK};
    st = lb_model_taps(m->model, print_tap, &p);
    if (st == LB_OK && m->writer) print_tap(&p, "text", 1, (int64_t[]){-1}); /* bytes, as many as there are */
    cli_model_close(m);
    return st == LB_OK ? p.st : st;
}

int64_t cli_encode_bytes(int64_t count, int ntaps, const lb_tap_spec *taps, double each) {
    double bytes = 0;
    for (int t = 0; t < ntaps; t++) {
        double one = (double)lb_dtype_size(taps[t].dtype) * (taps[t].ragged ? each : 1);
        if (taps[t].topk) {
            bytes += (double)taps[t].topk * (taps[t].shape[0] <= 65536 ? 4 : 6);
            continue;
        }
        for (int d = taps[t].ragged ? 1 : 0; d < taps[t].rank; d++) one *= (double)taps[t].shape[d];
        bytes += one;
    }
    return (int64_t)(bytes * (double)count);
}
