/* SPDX-License-Identifier: Apache-2.0 */
/* To copy: cp template.c mine.c, TOKENIZER(mine) in text/tokenizers.def. An open tokenizer is immutable. This one: a token per byte (ids 3..258)
 * between <s> (1) and </s> (2), as in ByT5 (arXiv:2105.13626) but for the ids of the marks. */
#include <stdio.h>
#include "base/file.h"
#include "text/tokenizer.h"

enum { BEGIN = 1, END = 2, FIRST = 3 };

static int probe(const char *folder) {
    char path[4096];
    snprintf(path, sizeof path, "%s/bytes.txt", folder);
    return lb_file_exists(path) ? 90 : 0;
}

static lb_status open(lb_tokenizer *t, const char *folder) {
    (void)folder;
    char(*names)[8] = lb_alloc(256, sizeof *names);
    if (!names) return LB_E_NOMEM;
    for (int i = 0; i < 256; i++) snprintf(names[i], sizeof *names, "0x%02x", i);
    t->impl = names;
    t->vocab = FIRST + 256;
    t->pad_id = 0;
    return LB_OK;
}

static void close(lb_tokenizer *t) { lb_free(t->impl); }

static lb_status encode(const lb_tokenizer *t, const char *text, size_t size, int64_t max, int64_t **ids, int64_t *count) {
    (void)t;
    int64_t n = (int64_t)size + 2;
    if (max > 0 && n > max) n = max < 2 ? 2 : max;
    if (!(*ids = lb_alloc((size_t)n, sizeof **ids))) return LB_E_NOMEM;
    (*ids)[0] = BEGIN;
    for (int64_t i = 1; i < n - 1; i++) (*ids)[i] = FIRST + (unsigned char)text[i - 1];
    (*ids)[n - 1] = END;
    *count = n;
    return LB_OK;
}

static const char *token(const lb_tokenizer *t, int64_t id) {
    static const char *const marks[] = {"<pad>", "<s>", "</s>"};
    const char(*names)[8] = t->impl;
    if (id < 0 || id >= t->vocab) return "";
    return id < FIRST ? marks[id] : names[id - FIRST];
}

LB_TOKENIZER(template) = {.id = "template", .title = "a token per byte", .source = "arXiv:2105.13626", .probe = probe, .open = open, .close = close, .encode = encode, .token = token};
