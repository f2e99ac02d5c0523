/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include "datasets/synth.h"
#include "datasets/synth_draw.h"

typedef struct options {
    int64_t count;
    double test;
} options;

static const lb_param params[] = {
    LB_PARAM(options, count, 1000, 1, 1e8, "items", "lines"),
    LB_PARAM(options, test, 0.1, 0, 1, "1", "share of the split \"test\"; the rest is \"train\""),
    LB_PARAM_END};

static int64_t count(const void *cfg) { return ((const options *)cfg)->count; }

static const char *plural(const char *word, int n) { return n < 2 ? "" : word[strlen(word) - 1] == 's' ? "es" : "s"; }

/* "two red circles and three blue stars make five shapes": the end follows from the beginning, so a language model has something to learn. */
static lb_status make(lb_synth_out *out, const void *cfg, int64_t i, lb_rng *rng) {
    static const char *const numbers[] = {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"};
    const options *o = cfg;
    int a = 1 + (int)lb_rng_below(rng, 5), b = 1 + (int)lb_rng_below(rng, 5);
    const char *ca = lbi_colour_names[lb_rng_below(rng, LBI_COLOURS)], *cb = lbi_colour_names[lb_rng_below(rng, LBI_COLOURS)];
    const char *sa = lbi_shape_names[lb_rng_below(rng, LBI_SHAPES)], *sb = lbi_shape_names[lb_rng_below(rng, LBI_SHAPES)];
    char key[32], text[160];
    snprintf(key, sizeof key, "line-%06lld", (long long)i + 1);
    snprintf(text, sizeof text, "%s %s %s%s and %s %s %s%s make %s shapes", numbers[a], ca, sa, plural(sa, a), numbers[b], cb, sb, plural(sb, b), numbers[a + b]);
    lb_value *v = lb_value_map();
    lb_map_text(v, "key", key);
    lb_map_text(v, "text", text);
    lb_map_text(v, "label", numbers[a + b]);
    lb_map_text(v, "split", lb_rng_uniform(rng) < o->test ? "test" : "train");
    lb_synth_item(out, v);
    return LB_OK;
}

LB_SYNTH(sequences) = {.id = "sequences",
                       .title = "lines of counted shapes; the last number follows from the others",
                       .source = "",
                       .params = params,
                       .params_size = sizeof(options),
                       .count = count,
                       .make = make};
