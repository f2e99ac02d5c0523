/* SPDX-License-Identifier: Apache-2.0 */
/* Tokenizers over many lines, with the vocabularies of fetched models, and of those that bench/peers.py made in the folder --file: 50,000 lines of 20 words,
 * drawn from the words of bench/peers.py. */
#include <string.h>
#include "base/file.h"
#include "base/rng.h"
#include "base/threads.h"
#include "cli/bench.h"
#include "text/tokenizer.h"

enum { LINES = 50000, WORDS = 20 };

typedef struct state {
    lb_tokenizer *tokenizer;
    lb_buf text;
    const char **lines;
    size_t *sizes;
    lb_tokens *out;
} state;

static lb_status make_lines(state *s) {
    static const char *const words[] = {"the",          "a",          "of",           "segmentation", "distillation",    "student",        "teacher",
                                        "unbelievable", "cardiology", "na\xc3\xafve", "3.14159",      "hyper-parameter", "M\xc3\xbcnchen", "tokens,",
                                        "(see)",        "running",    "quickly"};
    size_t *starts = lb_alloc(LINES + 1, sizeof *starts);
    s->lines = lb_alloc(LINES, sizeof *s->lines);
    s->sizes = lb_alloc(LINES, sizeof *s->sizes);
    s->out = lb_calloc(LINES, sizeof *s->out);
    lb_rng r = lb_rng_make(0, 0);
    for (int i = 0; i < LINES && starts; i++) {
        starts[i] = s->text.size;
        for (int k = 0; k < WORDS; k++) {
            if (k) lb_buf_add(&s->text, " ", 1);
            lb_buf_text(&s->text, words[lb_rng_below(&r, LB_COUNT(words))]);
        }
        starts[i + 1] = s->text.size;
    }
    bool fine = starts && s->lines && s->sizes && s->out && !s->text.failed;
    for (int i = 0; i < LINES && fine; i++) {
        s->lines[i] = s->text.data + starts[i];
        s->sizes[i] = starts[i + 1] - starts[i];
    }
    lb_free(starts);
    return fine ? LB_OK : lb_fail(LB_E_NOMEM, "lines");
}

static lb_status once(void *ctx) {
    state *s = ctx;
    lb_status st = lb_tokenize_many(s->tokenizer, LINES, s->lines, s->sizes, NULL, s->out);
    for (int i = 0; st == LB_OK && i < LINES; i++) lb_tokens_free(&s->out[i]);
    return st;
}

/* A figure for the tokenizer in a folder; passed over with a remark when that is not there. */
static lb_status one(cli_bench *b, state *s, const char *name, const char *home, const char *model) {
    if (!cli_bench_wants(b, name)) return LB_OK;
    char *folder = lb_path_join(home, model);
    double seconds = 0;
    lb_status st = folder ? LB_OK : LB_E_NOMEM;
    LB_TRY(st);
    if (!lb_is_folder(folder)) {
        lb_say(LB_LOG_INFO, "bench", "%s: passed over, there is no %s", name, folder);
        goto done;
    }
    LB_TRY(lb_tokenizer_open(&s->tokenizer, folder));
    LB_TRY(cli_bench_best(b, &seconds, 3, 1, once, s));
    LB_TRY(cli_bench_say(b, name, "limbeck", (double)s->text.size / 1e6 / seconds, "MB/s"));
done:
    lb_tokenizer_close(s->tokenizer);
    s->tokenizer = NULL;
    lb_free(folder);
    return st;
}

static lb_status run(cli_bench *b) {
    state s = {0};
    char *home = lb_home();
    lb_status st = home ? make_lines(&s) : LB_E_NOMEM;
    if (st == LB_OK) st = one(b, &s, "wordpiece-encode", home, "minilm-l6");
    if (st == LB_OK) st = one(b, &s, "byte-bpe-encode", home, "whisper-base");
    if (st == LB_OK && b->file) st = one(b, &s, "clip-bpe-encode", b->file, "clip-bpe");
    if (st == LB_OK && b->file) st = one(b, &s, "unigram-encode", b->file, "unigram");
    lb_free(home);
    lb_buf_free(&s.text);
    lb_free(s.lines);
    lb_free(s.sizes);
    lb_free(s.out);
    return st;
}

LB_BENCH(text) = {.id = "text", .title = "tokenizers over many lines", .source = "", .run = run};
