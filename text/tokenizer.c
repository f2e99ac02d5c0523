/* SPDX-License-Identifier: Apache-2.0 */
#include "text/tokenizer.h"
#include "base/file.h"

#define TOKENIZER(id) extern const lb_tokenizer_kind lb_tokenizer_kind_##id;
#include "text/tokenizers.def"
#undef TOKENIZER

static const lb_head *const members[] = {
#define TOKENIZER(id) (const lb_head *)&lb_tokenizer_kind_##id,
#include "text/tokenizers.def"
#undef TOKENIZER
};

const lb_family lb_tokenizers = {.name = "tokenizers", .text = "text to numbers", .def = "text/tokenizers.def", .dir = "text/tokenizers",
                                 .count = (int)LB_COUNT(members), .members = members};

lb_status lb_tokenizer_open(lb_tokenizer **out, const char *path) {
    if (!lb_file_exists(path)) return lb_fail(LB_E_NOTFOUND, "%s: no such file or folder", path);
    const lb_tokenizer_kind *best = NULL;
    int most = 0;
    for (int i = 0; i < lb_tokenizers.count; i++) {
        const lb_tokenizer_kind *k = (const lb_tokenizer_kind *)lb_tokenizers.members[i];
        int score = k->probe(path);
        if (score > most) most = score, best = k;
    }
    if (!best) return lb_fail(LB_E_UNSUPPORTED, "%s: holds no tokenizer that is known here (WordPiece: tokenizer.json or vocab.txt)", path);
    lb_tokenizer *t = lb_calloc(1, sizeof *t);
    if (!t) return LB_E_NOMEM;
    t->kind = best;
    lb_status st = best->open(t, path);
    if (st != LB_OK) {
        lb_tokenizer_close(t);
        return lb_where(st, "%s", path);
    }
    *out = t;
    return LB_OK;
}

void lb_tokenizer_close(lb_tokenizer *t) {
    if (!t) return;
    if (t->kind) t->kind->close(t);
    lb_free(t);
}

lb_status lb_tokenize(const lb_tokenizer *t, const char *text, size_t size, int64_t max, int64_t **ids, int64_t *count) {
    if (max < 0) return lb_fail(LB_E_ARG, "at most %lld tokens: must be 0 (no limit) or more", (long long)max);
    return t->kind->encode(t, text, size, max, ids, count);
}
