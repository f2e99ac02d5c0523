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

static lb_status encode(const lb_tokenizer *t, const char *text, size_t size, const lb_tokenize_how *how, lb_tokens *out) {
    (void)t;
    int64_t around = how->plain ? 0 : 2, n = (int64_t)size + around, *begin = NULL, *end = NULL;
    if (how->max > 0 && n > how->max) n = how->max < around ? around : how->max;
    int64_t *ids = lb_alloc((size_t)n, sizeof *ids);
    if (how->offsets) begin = lb_calloc((size_t)n, sizeof *begin), end = lb_calloc((size_t)n, sizeof *end);
    if (!ids || (how->offsets && (!begin || !end))) {
        lb_free(ids);
        lb_free(begin);
        lb_free(end);
        return LB_E_NOMEM;
    }
    for (int64_t i = around / 2; i < n - around / 2; i++) {
        ids[i] = FIRST + (unsigned char)text[i - around / 2];
        if (how->offsets) begin[i] = i - around / 2, end[i] = begin[i] + 1;
    }
    if (around) ids[0] = BEGIN, ids[n - 1] = END;
    *out = (lb_tokens){.count = n, .ids = ids, .begin = begin, .end = end};
    return LB_OK;
}

static const char *token(const lb_tokenizer *t, int64_t id) {
    static const char *const marks[] = {"<pad>", "<s>", "</s>"};
    const char(*names)[8] = t->impl;
    if (id < 0 || id >= t->vocab) return "";
    return id < FIRST ? marks[id] : names[id - FIRST];
}

LB_TOKENIZER(template) = {.id = "template", .title = "a token per byte", .source = "arXiv:2105.13626", .probe = probe, .open = open, .close = close, .encode = encode, .token = token};
