/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes as a text for a fixed tokenizer ($LB_TEST_DATA). */
#include <stdio.h>
#include <stdlib.h>
#include "tests/fuzz/target.h"
#include "text/tokenizer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[4096];
    lb_tokenizer *t = NULL;
    const char *folder = getenv("LB_TEST_DATA");
    snprintf(path, sizeof path, "%s/tokenizer/added", folder ? folder : "tests/data");
    if (lb_tokenizer_open(&t, path) != LB_OK) abort(); /* not the input's fault */
    int64_t *ids = NULL, count = 0;
    if (lb_tokenize(t, (const char *)data, size, 0, &ids, &count) == LB_OK) {
        for (int64_t i = 0; i < count; i++)
            if (ids[i] < 0 || ids[i] >= t->vocab) abort();
        lb_free(ids);
    }
    lb_tokenizer_close(t);
    return 0;
}
