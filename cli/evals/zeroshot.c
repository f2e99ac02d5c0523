/* SPDX-License-Identifier: Apache-2.0 */
/* The items' labels, put into templates, as classes. */
#include <string.h>
#include "cli/eval.h"

static void put_label(lb_buf *out, const char *template, const char *label) {
    const char *at = strstr(template, "{}");
    lb_buf_add(out, template, at ? (size_t)(at - template) : strlen(template));
    if (at) lb_buf_format(out, "%s%s", label, at + 2);
}

/* Embeds every (class, template) text as if it were an item of that key. */
static lb_status embed_classes(float **out, int64_t *width, cli_eval_session *s, const cli_eval_words *o, char **labels, int64_t classes, int64_t *templates) {
    static char *plain[] = {(char *)(uintptr_t)"{}"};
    char **forms = o->template.count ? o->template.items : plain;
    for (int64_t i = 0; i < o->template.count; i++)
        if (!strstr(forms[i], "{}")) return cli_usage("eval zeroshot: --template '%s' has no {} for the label: all classes would have one text", forms[i]);
    *templates = o->template.count ? o->template.count : 1;
    lb_status st = LB_OK;
    int64_t n = classes * *templates;
    lb_item *item = lb_calloc((size_t)n + 1, sizeof *item);
    int64_t *index = lb_alloc((size_t)n + 1, sizeof *index);
    cli_source *source = NULL;
    lb_items texts = {.at = item, .count = n};
    if (!item || !index) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0; i < n; i++) {
        lb_buf b = {0};
        put_label(&b, forms[i % *templates], labels[i / *templates]);
        item[i].text_size = b.size;
        item[i].key = item[i].text = lb_buf_take(&b);
        index[i] = i;
        if (!item[i].text) {
            st = LB_E_NOMEM;
            goto done;
        }
    }
    cli_source_spec spec = cli_eval_source_spec(s, &texts, true);
    LB_TRY(cli_source_open(&source, &spec));
    LB_TRY(cli_source_embed(source, s->model->model, index, n, false, true, o->text_tap, out, width));
done:
    cli_source_close(source);
    for (int64_t i = 0; item && i < n; i++) lb_free(item[i].text);
    lb_free(item);
    lb_free(index);
    return st;
}

static lb_status run(lb_value *out, const cli_eval_words *o, lb_cli *cli) {
    lb_status st = LB_OK;
    cli_eval_session s = {0};
    char **labels = NULL;
    float *image = NULL, *class = NULL;
    int64_t *label = NULL, classes = 0, templates = 0, wi = 0, wt = 0;
    if (!o->model) return cli_usage("eval zeroshot wants --model and --input");
    LB_TRY(cli_eval_session_open(&s, o));
    if (!s.model->tokenizer && cli_eval_text_features(&s) == 0) {
        st = lb_fail(LB_E_UNSUPPORTED, "eval zeroshot: %s takes no text (no tokenizer beside it, and no --features text...=FILE:TAP with the classes' rows)", o->model);
        goto done;
    }
    LB_TRY(cli_items_labels(&labels, &classes, s.items, s.index, s.count));
    LB_TRY(cli_source_embed(s.source, s.model->model, s.index, s.count, true, false, o->image_tap, &image, &wi));
    LB_TRY(embed_classes(&class, &wt, &s, o, labels, classes, &templates));
    if (!(label = lb_alloc((size_t)s.count, sizeof *label))) {
        st = LB_E_NOMEM;
        goto done;
    }
    for (int64_t i = 0; i < s.count; i++)
        for (int64_t k = 0; k < classes; k++)
            if (strcmp(labels[k], s.items->at[s.index[i]].label) == 0) label[i] = k;
    lb_tensor a = cli_eval_view(image, LB_F32, 2, (int64_t[]){s.count, wi}), b = cli_eval_view(class, LB_F32, 3, (int64_t[]){classes, templates, wt}), l = cli_eval_view(label, LB_I64, 1, &s.count);
    LB_TRY(cli_eval_score(out, "zeroshot", o, cli, 3, (lb_metric_input[]){{"image", &a}, {"class", &b}, {"label", &l}}));
done:
    lb_free(labels);
    lb_free(label);
    lb_free(image);
    lb_free(class);
    cli_eval_session_close(&s);
    return st;
}

LB_EVAL(zeroshot) = {.id = "zeroshot",
                     .title = "the items' labels as texts: top-1, top-5, mean class recall",
                     .source = "",
                     .usage = "zeroshot --model MODEL --input ... [--template TEXT]",
                     .run = run};
