/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes as a tokenizer's file: tokenizer.json, vocab.txt, merges.txt, a SentencePiece model, open_clip's vocabulary, told apart by their first bytes.
 * What opens is used. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "tests/fuzz/target.h"
#include "text/tokenizer.h"

/* Which file of a tokenizer the bytes may be. */
static const char *name_of(const uint8_t *data, size_t size) {
    if (size && data[0] == '{') return "tokenizer.json";
    if (size > 1 && data[0] == 0x1F && data[1] == 0x8B) return "bpe_simple_vocab_16e6.txt.gz";
    if (size > 8 && memcmp(data, "#version", 8) == 0) return "merges.txt";
    if (size && data[0] == '\n') return "spiece.model"; /* field 1, length-delimited */
    return "vocab.txt";
}

static void use(const lb_tokenizer *t) {
    static const char text[] = "Die Stra\xc3\x9f"
                               "e, it's <s> a\xcc\x81\xcc\xa3 \xe2\x96\x81 1/2 \xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa7 \xff\xef\xac\x81\r\n<unk> "
                               "\xe4\xb8\xad\xe6\x96\x87 [UNK] ''";
    lb_tokens x = {0};
    lb_buf back = {0};
    if (lb_tokenize_full(t, text, sizeof text - 1, &(lb_tokenize_how){.offsets = true}, &x) != LB_OK) return;
    for (int64_t i = 0; i < x.count; i++)
        if (x.ids[i] < 0 || x.begin[i] < 0 || x.begin[i] > x.end[i] || x.end[i] > (int64_t)sizeof text - 1) abort();
    if (lb_tokenizer_decode(t, x.ids, x.count, true, &back) == LB_E_BUG) abort();
    lb_buf_free(&back);
    lb_tokens_free(&x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const char vocab[] = "{\"a\": 0, \"b\": 1, \"ab\": 2, \"c\": 3, \"abc\": 4, \"<s>\": 5, \"</s>\": 6}";
    char folder[] = "/tmp/limbeck-fuzz-XXXXXX", path[64];
    if (!mkdtemp(folder)) return 0;
    const char *name = name_of(data, size);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    bool written = lb_file_write(path, data, size) == LB_OK;
    if (strcmp(name, "merges.txt") == 0) {
        snprintf(path, sizeof path, "%s/vocab.json", folder);
        written = written && lb_file_write(path, vocab, strlen(vocab)) == LB_OK;
    }
    lb_tokenizer *t = NULL;
    if (written && lb_tokenizer_open(&t, folder) == LB_OK) use(t);
    lb_tokenizer_close(t);
    if (lb_remove_all(folder) != LB_OK) lb_error_clear();
    return 0;
}
