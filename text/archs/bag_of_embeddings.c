/* SPDX-License-Identifier: Apache-2.0 */
/* The mean of the tokens' vectors (Iyyer et al., Deep unordered composition, ACL 2015, eq. (1); Joulin et al., arXiv:1607.01759), through `layers`
 * linear maps with GELU: the smallest text tower there is. */
#include <stdio.h>
#include "text/archs.h"

typedef struct config {
    int64_t vocab, width, layers, embed, classes;
    double dropout;
} config;

static const lb_param params[] = {
    LB_PARAM(config, vocab, 30522, 1, 10000000, "tokens", "size of the vocabulary"),
    LB_PARAM(config, width, 128, 1, 65536, "1", "width of the tokens"),
    LB_PARAM(config, layers, 1, 0, 100, "1", "maps behind the mean"),
    LB_PARAM(config, embed, 256, 0, 65536, "1", "width of the embedding; 0 = none"),
    LB_PARAM(config, classes, 0, 0, 10000000, "1", "classes of the head; 0 = no logits"),
    LB_PARAM(config, dropout, 0, 0, 0.9, "1", "dropout behind each map"),
    LB_PARAM_END};

static void forward(lb_nn *m, const void *cfg, lb_tensor *const *in) {
    const config *c = cfg;
    lb_tensor *x = lb_nn_embedding(m, in[0], "token_embedding", c->vocab, c->width, 0.02);
    lb_nn_tap(m, x, "tokens");
    x = lb_mean_tokens(lb_nn_tape(m), x, in[1]);
    for (int64_t i = 0; i < c->layers; i++) {
        char name[32];
        snprintf(name, sizeof name, "layers.%lld", (long long)i);
        x = lb_nn_dropout(m, lb_nn_linear(m, x, name, c->width, LB_ACT_GELU), c->dropout);
    }
    lb_nn_tap(m, x, "pooled");
    if (c->embed > 0) lb_nn_tap(m, lb_normalize(lb_nn_tape(m), lb_nn_linear_no_bias(m, x, "projection", c->embed, LB_ACT_NONE), 1e-12), "embedding");
    if (c->classes > 0) lb_nn_tap(m, lb_nn_linear(m, x, "head", c->classes, LB_ACT_NONE), "logits");
}

static void example(const void *cfg, int input, int *rank, int64_t shape[LB_MAX_RANK]) {
    (void)cfg, (void)input;
    lb_text_example(16, rank, shape);
}

LB_ARCH(bag_of_embeddings) = {.id = "bag_of_embeddings",
                              .title = "mean of the tokens' vectors",
                              .source = "arXiv:1607.01759",
                              .params = params,
                              .params_size = sizeof(config),
                              .kind = "text",
                              .apart = true,
                              .inputs = "ids[N,L]:i64 mask[N,L]:i64",
                              .taps = "embedding[N,E] pooled[N,D] tokens[N,L,D] logits[N,K]",
                              .forward = forward,
                              .example = example};
