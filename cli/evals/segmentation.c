/* SPDX-License-Identifier: Apache-2.0 */
/* Masks against masks, paired by their path without its ending. The list is that of the truth: a prediction that is missing is an error,
 * and so is one too many. */
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/threads.h"
#include "cli/eval.h"
#include "eval/segmentation.h"
#include "io/labels.h"

typedef struct pair {
    char *key, *truth, *guess;
} pair;

typedef struct job {
    lb_segmentation *s;
    lb_segmentation_options o;
    pair *at;
    int64_t n;
    bool nonzero, resize;
} job;

/* Length of a mask's path without its ending; 0 = no mask. */
static size_t stem(const char *name) {
    static const char *const endings[] = {".nii.gz", ".nii", ".png", ".bmp", ".tif", ".tiff", ".gif", ".webp"};
    for (size_t i = 0; i < LB_COUNT(endings); i++)
        if (lb_ends_with(name, endings[i])) return strlen(name) - strlen(endings[i]);
    return 0;
}

static int by_key(const void *a, const void *b) { return strcmp(((const pair *)a)->key, ((const pair *)b)->key); }

static lb_status list(pair **out, int64_t *count, const char *path) {
    lb_status st = LB_OK;
    char **names = NULL;
    int64_t n = 0;
    if (!lb_is_folder(path)) {
        if (!(*out = lb_calloc(1, sizeof **out))) return LB_E_NOMEM;
        *count = 1;
        (*out)->key = lb_strdup(lb_path_name(path));
        (*out)->truth = lb_strdup(path);
        return (*out)->key && (*out)->truth ? LB_OK : LB_E_NOMEM;
    }
    LB_TRY(lb_list_files(&names, &n, path));
    if (!(*out = lb_calloc((size_t)n + 1, sizeof **out))) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0; i < n; i++) {
        size_t size = stem(names[i]);
        if (size == 0) continue;
        pair *p = &(*out)[(*count)++];
        p->key = lb_strndup(names[i], size);
        p->truth = lb_path_join(path, names[i]);
        if (!p->key || !p->truth) {
            st = LB_E_NOMEM;
            goto done;
        }
    }
    qsort(*out, (size_t)*count, sizeof **out, by_key);
    for (int64_t i = 1; i < *count; i++)
        if (strcmp((*out)[i - 1].key, (*out)[i].key) == 0) {
            st = lb_fail(LB_E_ARG, "%s and %s: two masks of one name", (*out)[i - 1].truth, (*out)[i].truth);
            goto done;
        }
    if (*count == 0) st = lb_fail(LB_E_ARG, "%s holds no masks (png, bmp, tif, gif, webp, nii)", path);
done:
    lb_names_free(names, n);
    return st;
}

static void list_free(pair *p, int64_t n) {
    for (int64_t i = 0; p && i < n; i++) {
        lb_free(p[i].key);
        lb_free(p[i].truth);
        lb_free(p[i].guess);
    }
    lb_free(p);
}

static lb_status pair_up(job *j, const char *truth, const char *guess) {
    lb_status st = LB_OK;
    pair *other = NULL;
    int64_t n = 0;
    LB_TRY(list(&j->at, &j->n, truth));
    LB_TRY(list(&other, &n, guess));
    if (j->n == 1 && n == 1 && !lb_is_folder(truth) && !lb_is_folder(guess)) {
        j->at[0].guess = lb_strdup(guess);
        st = j->at[0].guess ? LB_OK : LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0, k = 0; i < j->n || k < n;) {
        int order = i >= j->n ? 1 : k >= n ? -1 : strcmp(j->at[i].key, other[k].key);
        if (order != 0) {
            st = lb_fail(LB_E_NOTFOUND, "eval segmentation: %s has no mask of that name in %s", order < 0 ? j->at[i].truth : other[k].truth, order < 0 ? guess : truth);
            goto done;
        }
        j->at[i].guess = other[k].truth;
        other[k].truth = NULL;
        i++;
        k++;
    }
done:
    list_free(other, n);
    return st;
}

static void binary(lb_labels *l) {
    int64_t n = lb_labels_count(l);
    for (int64_t i = 0; i < n; i++) l->at[i] = l->at[i] != 0;
}

static lb_status one(void *ctx, int64_t i, void **result) {
    const job *j = ctx;
    const pair *p = &j->at[i];
    lb_status st = LB_OK;
    lb_labels truth = {0}, guess = {0}, fitting = {0};
    lb_class_counts *counts = lb_alloc((size_t)j->o.classes, sizeof *counts);
    if (!counts) return LB_E_NOMEM;
    LB_TRY(lb_labels_read(&truth, p->truth));
    LB_TRY(lb_labels_read(&guess, p->guess));
    if (j->resize && truth.rank == 2 && guess.rank == 2 && !lb_labels_same_shape(&truth, &guess)) {
        LB_TRY(lb_labels_resize(&fitting, &guess, truth.shape[0], truth.shape[1]));
        lb_labels_free(&guess);
        guess = fitting;
    }
    if (!lb_labels_same_shape(&truth, &guess)) {
        st = lb_fail(LB_E_SHAPE, "%s has %lld voxels, %s %lld, or of another shape (--set resize=true fits predictions by nearest neighbour)", p->truth, (long long)lb_labels_count(&truth), p->guess,
                     (long long)lb_labels_count(&guess));
        goto done;
    }
    if (j->nonzero) {
        binary(&truth);
        binary(&guess);
    }
    lb_segmentation_case c = {.key = p->key, .truth = truth.at, .guess = guess.at, .rank = truth.rank};
    memcpy(c.shape, truth.shape, sizeof c.shape);
    memcpy(c.spacing, truth.spacing, sizeof c.spacing);
    LB_TRY(lb_segmentation_count(j->s, &c, counts));
done:
    lb_labels_free(&truth);
    lb_labels_free(&guess);
    if (st == LB_OK) *result = counts;
    else lb_free(counts);
    return st;
}

static void drop(void *ctx, void *result) {
    (void)ctx;
    lb_free(result);
}

static lb_status count_all(job *j, lb_cli *cli) {
    lb_status st = LB_OK;
    lb_flow *flow = NULL;
    lb_flow_spec spec = {.count = j->n, .workers = lb_threads() > 1 ? lb_threads() : 0, .work = one, .drop = drop, .ctx = j};
    LB_TRY(lb_flow_open(&flow, &spec));
    for (bool end = false; !end;) {
        int64_t i;
        void *counts = NULL;
        if (lb_progress_stopped(&cli->progress)) {
            st = lb_fail(LB_E_CANCELLED, "eval segmentation: stopped");
            break;
        }
        LB_TRY(lb_flow_next(flow, &i, &counts, &end));
        if (end) break;
        st = lb_segmentation_add(j->s, j->at[i].key, counts);
        lb_free(counts);
        if (st != LB_OK) break;
    }
done:
    lb_flow_close(flow);
    return st;
}

typedef struct own {
    bool nonzero, resize;
} own;

static const lb_param own_params[] = {
    LB_PARAM_FLAG(own, nonzero, false, "every value above 0 is class 1"),
    LB_PARAM_FLAG(own, resize, false, "predictions of another size are fitted to the truth, nearest neighbour"),
    LB_PARAM_END};

/* --set holds parameters of the metric and our own two. */
static lb_status take_options(job *j, const cli_eval_words *o, lb_cli *cli) {
    lb_status st = LB_OK;
    lb_value *set = NULL, *mine = lb_value_map(), *theirs = lb_value_map();
    own w = {false, false};
    LB_TRY(cli_key_values(&set, &o->set));
    for (int64_t i = 0; i < set->count; i++) lb_map_put(lb_param_find(own_params, set->keys[i]) ? mine : theirs, set->keys[i], lb_value_copy(set->items[i]));
    LB_TRY(lb_params_from_value(own_params, &w, mine));
    j->nonzero = w.nonzero;
    j->resize = w.resize;
    lb_segmentation_options d = LB_SEGMENTATION_DEFAULTS;
    LB_TRY(lb_value_only(theirs, "eval segmentation", (const char *const[]){"classes", "background", "ignore", "boundary", "tolerance", "percentile", "seed", NULL}));
    j->o = d;
    j->o.classes = lb_get_int(theirs, "classes", d.classes);
    j->o.background = lb_get_int(theirs, "background", d.background);
    j->o.ignore = lb_get_int(theirs, "ignore", d.ignore);
    j->o.boundary = lb_get_bool(theirs, "boundary", d.boundary);
    j->o.tolerance = lb_get_real(theirs, "tolerance", d.tolerance);
    j->o.percentile = lb_get_real(theirs, "percentile", d.percentile);
    j->o.bootstrap = o->bootstrap;
    j->o.seed = (uint64_t)lb_get_int(theirs, "seed", (int64_t)cli->seed);
done:
    lb_value_free(set);
    lb_value_free(mine);
    lb_value_free(theirs);
    return st;
}

static lb_status run(lb_value *out, const cli_eval_words *o, lb_cli *cli) {
    lb_status st = LB_OK;
    job j = {0};
    lb_buf csv = {0};
    cli_eval_classes c = {0};
    if (!o->truth || !o->guess) return cli_usage("eval segmentation wants --truth and --guess, folders of masks (or two masks)");
    LB_TRY(take_options(&j, o, cli));
    if (o->labels) {
        LB_TRY(cli_eval_classes_open(&c, o, NULL));
        j.o.classes = c.count;
    }
    LB_TRY(lb_segmentation_new(&j.s, &j.o));
    LB_TRY(pair_up(&j, o->truth, o->guess));
    LB_TRY(count_all(&j, cli));
    LB_TRY(lb_segmentation_score(out, j.s, (const char *const *)c.name));
    if (o->csv) {
        LB_TRY(lb_segmentation_csv(&csv, j.s, (const char *const *)c.name));
        LB_TRY(lb_file_write(o->csv, csv.data, csv.size));
    }
done:
    lb_buf_free(&csv);
    cli_eval_classes_close(&c);
    lb_segmentation_free(j.s);
    list_free(j.at, j.n);
    return st;
}

LB_EVAL(segmentation) = {.id = "segmentation", .title = "Dice, IoU, NSD, HD95 of masks, under the rules of nnU-Net, mmsegmentation, SMP and MONAI", .source = "",
                         .usage = "segmentation --truth FOLDER --guess FOLDER [--set classes=N ignore=255] [--csv FILE]", .run = run};
