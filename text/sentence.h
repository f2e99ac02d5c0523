/* SPDX-License-Identifier: Apache-2.0 */
/* From tokens to one vector, as sentence-transformers do it (Reimers and Gurevych, arXiv:1908.10084): pooling, dense maps, L2 norm. */
#ifndef LB_TEXT_SENTENCE_H
#define LB_TEXT_SENTENCE_H
#include "nn/model.h"
LB_BEGIN

typedef struct lb_sentence {
    const char *pooling;
    int64_t dense;
    const char *dense_act;
    bool dense_bias, normalize;
    const char *head; /* what follows the pooling where it is not that map and that norm; "" = it is */
} lb_sentence;

/* The rows of a table whose config T has a lb_sentence named `sentence`. */
#define LB_SENTENCE_ROW(T, field, type_) .name = #field, .type = type_, .offset = offsetof(T, sentence.field)
#define LB_SENTENCE_PARAMS(T, pooling_, normalize_)                                                                                                            \
    {LB_SENTENCE_ROW(T, pooling, LB_T_TEXT), .def_text = pooling_, .unit = "TEXT",                                                                             \
     .text = "how tokens become one vector: cls, max, mean, mean_sqrt_len, weightedmean, lasttoken; several joined by + stand side by side; none"},            \
        {LB_SENTENCE_ROW(T, dense, LB_T_I64), .def = 0, .min = 0, .max = 1000000, .unit = "1", .text = "width of a map behind the pooling; 0 = none"},         \
        {LB_SENTENCE_ROW(T, dense_act, LB_T_TEXT), .def_text = "tanh", .choices = "tanh|none|gelu|relu|silu|sigmoid", .unit = "TEXT",                          \
         .text = "its activation"},                                                                                                                            \
        {LB_SENTENCE_ROW(T, dense_bias, LB_T_BOOL), .def = 1, .min = 0, .max = 1, .unit = "", .text = "it has a bias"},                                        \
        {LB_SENTENCE_ROW(T, normalize, LB_T_BOOL), .def = normalize_, .min = 0, .max = 1, .unit = "", .text = "embedding is L2-normalised"}, {                 \
        LB_SENTENCE_ROW(T, head, LB_T_TEXT),                                                                                                                   \
            .def_text = "", .unit = "TEXT",                                                                                                                    \
            .text = "instead of dense and normalize: steps joined by +, each normalize or dense:WIDTH:ACTIVATION, :no-bias behind one without a bias"          \
    }

/** tokens [N,L,C], mask i64 [N,L] -> [N,D]; marks the taps `pooled` and `embedding` (none with pooling none). An unknown pooling fails the tape. */
LB_API void lb_sentence_head(lb_nn *m, lb_tensor *tokens, lb_tensor *mask, const lb_sentence *s);

/** lb_params_from_config; and the embedding is normalised only where the config says so (modules.json, a config of ours). */
LB_API LB_MUST_USE lb_status lb_sentence_from_config(const lb_param *table, void *cfg, const lb_value *config);
/** Outside names of encoders: the prefix, except before the head's map. @return true */
LB_API bool lb_sentence_name(char *dst, size_t cap, const char *name, const char *prefix);

/** Places of RoBERTa and MPNet: padding + 1 and on for what is no padding, padding elsewhere. i64 [N,L]. */
LB_API lb_tensor *lb_places_after_padding(lb_tape *t, lb_tensor *ids, int64_t padding);

LB_END
#endif
