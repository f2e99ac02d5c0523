/* SPDX-License-Identifier: Apache-2.0 */
/* What sentence-transformers keep beside a network: modules.json and the folders that it names. */
#ifndef LB_CLI_SENTENCE_H
#define LB_CLI_SENTENCE_H
#include "base/value.h"
#include "io/weights.h"

/** Puts what modules.json says into the config, under the names of lb_sentence's parameters (text/sentence.h): pooling, dense, dense_act, dense_bias,
 *  normalize; and the folder of the dense map as "dense_folder". Nothing without a modules.json; LB_E_UNSUPPORTED names a module that is not known. */
LB_MUST_USE lb_status cli_sentence_config(lb_value *config, const char *folder);
/** Adds the weights of the dense map as "dense.linear...". */
LB_MUST_USE lb_status cli_sentence_weights(lb_weights *w, const lb_value *config, const char *folder);

#endif
