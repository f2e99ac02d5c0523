/* SPDX-License-Identifier: Apache-2.0 */
/* The templates that CONTRIBUTING.md tells to copy: they compile, and do what their head comments say. */
#include <math.h>
#include <string.h>
#include "base/file.h"
#include "base/registry.h"
#include "cli/cli.h"
#include "datasets/reader.h"
#include "distill/method.h"
#include "eval/metric.h"
#include "io/decoder.h"
#include "io/weights.h"
#include "nn/model.h"
#include "tests/check.h"
#include "text/tokenizer.h"

extern const lb_arch lb_arch_template;
extern const lb_decoder lb_decoder_template;
extern const lb_method lb_method_template;
extern const lb_metric lb_metric_template;
extern const lb_reader lb_reader_template;
extern const lb_tokenizer_kind lb_tokenizer_kind_template;
extern const lb_verb lb_verb_template;
extern const lb_weight_format lb_weight_format_template;

static void descriptors(void) {
    const lb_head *const all[] = {(const lb_head *)&lb_arch_template, (const lb_head *)&lb_decoder_template, (const lb_head *)&lb_method_template, (const lb_head *)&lb_metric_template,
                                  (const lb_head *)&lb_reader_template, (const lb_head *)&lb_tokenizer_kind_template, (const lb_head *)&lb_verb_template, (const lb_head *)&lb_weight_format_template};
    for (size_t i = 0; i < LB_COUNT(all); i++) {
        CHECK_TEXT(all[i]->id, "template");
        CHECK(all[i]->title && all[i]->source);
        CHECK(!all[i]->params == !all[i]->params_size);
    }
}

/* Two maps of one pixel row: powers [1,4] and [4,1], unit vectors [1,4]/sqrt 17 and [4,1]/sqrt 17, squared distance 18/17; beta/2 = 1. */
static void method(void) {
    lb_tape *t = NULL;
    lb_outs out = {{NULL}};
    struct { double beta, power; } cfg = {2, 2};
    if (!CHECK_OK(lb_tape_new(&t))) return;
    lb_tensor *s = lb_input(t, LB_REAL, 4, (int64_t[]){1, 1, 1, 2}, (float[]){1, -2}, LB_F32), *z = lb_input(t, LB_REAL, 4, (int64_t[]){1, 1, 1, 2}, (float[]){2, 1}, LB_F32);
    lb_component_run(t, &lb_method_template, &lb_method_template.components[0], &cfg, 2, (const char *[]){"student", "teacher"}, (lb_tensor *[]){s, z}, &out);
    if (CHECK_OK(lb_tape_status(t))) CHECK_NEAR(lb_number(out.at[0]), 18.0 / 17.0, 1e-6); /* a few roundings of f32 */
    lb_tape_free(t);
}

static void arch(void) {
    lb_model *m = NULL;
    lb_model_cost cost;
    if (!CHECK_OK(lb_model_new(&m, &lb_arch_template, NULL)) || !CHECK_OK(lb_model_plan(m, &cost))) return;
    /* stem 3*16*9, norm 2*16, conv 16*16*9 + 16, fc 160 + 10 */
    CHECK_INT(cost.parameters, 432 + 32 + 2304 + 16 + 170);
    lb_model_free(m);
}

static void reader(void) {
    const char *path = check_tmp("a.labels"), *text = "x.png\tred\nno tab\ny.png\tblue\n";
    lb_items *items = NULL;
    CHECK_OK(lb_file_write(path, text, strlen(text)));
    CHECK(lb_reader_template.probe(path) > 0);
    CHECK(lb_reader_template.probe("a.png") == 0);
    /* A list that another reader opened takes the template's items too. */
    if (!CHECK_OK(lb_items_open(&items, 1, (const char *[]){check_data("encode/texts.jsonl")}, NULL, NULL))) return;
    int64_t before = items->count;
    struct { const char *split; } cfg = {"train"};
    CHECK_OK(lb_reader_template.read(items, path, &cfg));
    if (CHECK_INT(items->count, before + 2)) {
        CHECK_TEXT(items->at[before + 1].key, "y.png");
        CHECK_TEXT(items->at[before + 1].label, "blue");
        CHECK_TEXT(items->at[before + 1].split, "train");
    }
    if (CHECK_INT(items->problem_count, 1)) CHECK_HAS(items->problems[0], "a.labels:2: is not path<TAB>label");
    lb_items_free(items);
}

static void metric(void) {
    lb_tensor *guess = NULL, *label = NULL;
    lb_value *out = lb_value_map();
    CHECK_OK(lb_tensor_borrow(&guess, LB_I64, 1, (int64_t[]){4}, (int64_t[]){1, 2, 3, 4}));
    CHECK_OK(lb_tensor_borrow(&label, LB_I64, 1, (int64_t[]){4}, (int64_t[]){1, 2, 0, 4}));
    CHECK_OK(lb_metric_template.score(out, NULL, 2, (lb_metric_input[]){{"guess", guess}, {"label", label}}));
    CHECK_NEAR(lb_get_real(out, "accuracy", 0), 75, 0);
    CHECK_FAILS(lb_metric_template.score(out, NULL, 1, (lb_metric_input[]){{"guess", guess}}), LB_E_ARG, "label");
    lb_tensor_free(guess);
    lb_tensor_free(label);
    lb_value_free(out);
}

static void weights(void) {
    struct { char magic[4]; uint32_t rows, columns; float x[6]; } file = {{'R', 'O', 'W', 'S'}, 2, 3, {1, 2, 3, 4, 5, 6}};
    lb_weights w = {0};
    CHECK(lb_weight_format_template.probe((const uint8_t *)&file, sizeof file) > 0);
    file.columns = 4;
    CHECK_FAILS(lb_weight_format_template.open(&w, (const uint8_t *)&file, sizeof file), LB_E_FORMAT, "2 x 4");
}

static void tokenizer(void) {
    lb_tokenizer t = {.kind = &lb_tokenizer_kind_template};
    lb_tokens got = {0};
    CHECK_OK(t.kind->open(&t, ""));
    CHECK_OK(t.kind->encode(&t, "Az", 2, &(lb_tokenize_how){.offsets = true}, &got));
    if (CHECK_INT(got.count, 4)) {
        CHECK_TEXT(t.kind->token(&t, got.ids[0]), "<s>");
        CHECK_TEXT(t.kind->token(&t, got.ids[1]), "0x41");
        CHECK_TEXT(t.kind->token(&t, got.ids[2]), "0x7a");
        CHECK_TEXT(t.kind->token(&t, got.ids[3]), "</s>");
        CHECK_INT(got.begin[2], 1);
        CHECK_INT(got.end[2], 2);
    }
    lb_tokens_free(&got);
    t.kind->close(&t);
}

static void decoder(void) {
    const uint8_t file[] = "P5\n3 2\n255\n\1\2\3\4\5\6";
    lb_image img = {0};
    lb_decode_options small = {.max_pixels = 5};
    size_t size = sizeof file - 1;
    CHECK_FAILS(lb_decoder_template.decode(&img, file, size - 1, NULL), LB_E_FORMAT, "cut off");
    CHECK_FAILS(lb_decoder_template.decode(&img, file, size, &small), LB_E_LIMIT, "3 x 2");
    if (!CHECK_OK(lb_decoder_template.decode(&img, file, size, NULL))) return;
    CHECK_INT(img.width, 3);
    CHECK_INT(((uint8_t *)img.pixels)[5], 6);
    lb_image_free(&img);
}

int main(int argc, char **argv) {
    static const check_test tests[] = {{"descriptors", descriptors}, {"method", method},   {"arch", arch},
                                       {"reader", reader},           {"metric", metric},   {"weights", weights},
                                       {"tokenizer", tokenizer},     {"decoder", decoder}, {0}};
    return check_main(argc, argv, "templates", tests);
}
