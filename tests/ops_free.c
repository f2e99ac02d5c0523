/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/ops_run.h"

void ops_free(ops_values *v, bool all) {
    for (int k = 0; k < OPS_OUT; k++) {
        lb_free(v->out[k]);
        v->out[k] = NULL;
        if (all) lb_free(v->weight[k]);
        if (all) v->weight[k] = NULL;
    }
    for (int i = 0; i < OPS_IN; i++) {
        lb_free(v->grad[i]);
        v->grad[i] = NULL;
        if (all) lb_free(v->in[i]);
        if (all) v->in[i] = NULL;
    }
}
