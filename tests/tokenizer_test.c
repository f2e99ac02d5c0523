/* SPDX-License-Identifier: Apache-2.0 */
/* Token numbers recorded from Hugging Face tokenizers 0.23.3 (tests/data/tokenizer/make.py). */
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "tests/check.h"
#include "text/tokenizer.h"

static lb_buf read_data(const char *name) {
    lb_buf b = {0};
    CHECK_OK(lb_file_read(&b, check_data(name), 0));
    return b;
}

static lb_tokenizer *open_data(const char *name) {
    char path[96];
    lb_tokenizer *t = NULL;
    snprintf(path, sizeof path, "tokenizer/%s", name);
    CHECK_OK(lb_tokenizer_open(&t, check_data(path)));
    return t;
}

/* The texts, told apart by their places; the ids of one kind of tokenizer in the same order. */
static void agrees(const char *kind, const char *ids_of) {
    char path[96];
    snprintf(path, sizeof path, "tokenizer/%s/ids.bin", ids_of);
    lb_buf texts = read_data("tokenizer/texts.bin"), want = read_data(path);
    lb_tokenizer *t = open_data(kind);
    int cases = 0;
    size_t w = 0;
    for (size_t at = 0; t && at + 4 <= texts.size; cases++) {
        uint32_t size = 0;
        uint16_t n = 0, id = 0;
        memcpy(&size, texts.data + at, 4);
        memcpy(&n, want.data + w, 2);
        int64_t *ids = NULL, count = 0;
        check_begin("%s-%d", kind, cases);
        if (CHECK_OK(lb_tokenize(t, texts.data + at + 4, size, 0, &ids, &count)) && CHECK_INT(count, n))
            for (int i = 0; i < n; i++) {
                memcpy(&id, want.data + w + 2 + 2 * i, 2);
                if (!CHECK_INT(ids[i], id)) break;
            }
        if (check_failed()) printf("     text: %.*s\n", (int)size, texts.data + at + 4);
        check_end();
        lb_free(ids);
        at += 4 + size;
        w += 2 + 2 * (size_t)n;
    }
    CHECK_INT(cases, 506);
    CHECK_INT((int64_t)w, (int64_t)want.size);
    lb_tokenizer_close(t);
    lb_buf_free(&texts);
    lb_buf_free(&want);
}

static void lower(void) {
    agrees("lower", "lower");
}
static void cased(void) {
    agrees("cased", "cased");
}
static void marks(void) {
    agrees("marks", "marks");
}
static void added(void) {
    agrees("added", "added");
}
static void plain(void) {
    agrees("plain", "lower");
}

static void limits(void) {
    lb_tokenizer *t = open_data("lower");
    if (!t) return;
    const char text[] = "the student the student the student";
    int64_t *all = NULL, *some = NULL, n = 0, m = 0;
    CHECK_OK(lb_tokenize(t, text, strlen(text), 0, &all, &n));
    CHECK_INT(n, 8);
    CHECK_OK(lb_tokenize(t, text, strlen(text), 5, &some, &m));
    if (CHECK_INT(m, 5)) {
        for (int i = 0; i < 4; i++) CHECK_INT(some[i], all[i]);
        CHECK_INT(some[4], all[7]);
        CHECK_TEXT(t->kind->token(t, some[0]), "[CLS]");
        CHECK_TEXT(t->kind->token(t, some[1]), "the");
    }
    CHECK_FAILS(lb_tokenize(t, text, strlen(text), 1, &some, &m), LB_E_ARG, "special");
    CHECK_FAILS(lb_tokenize(t, text, strlen(text), -1, &some, &m), LB_E_ARG, "-1");
    CHECK_TEXT(t->kind->token(t, -1), "");
    CHECK_TEXT(t->kind->token(t, t->vocab), "");
    CHECK_INT(t->max_tokens, 48);
    CHECK_INT(t->pad_id, 0);
    CHECK_INT((int64_t)strlen(t->sha256), 64);
    lb_free(all);
    lb_free(some);
    lb_tokenizer_close(t);
    t = open_data("cased");
    CHECK_INT(t ? t->max_tokens : 0, 64);
    lb_tokenizer_close(t);
    t = open_data("plain/vocab.txt");
    CHECK_INT(t ? t->max_tokens : 0, 512);
    lb_tokenizer_close(t);
}

static void fails_with(const char *json, lb_status want, const char *part) {
    const char *path = check_tmp("tokenizer.json");
    lb_tokenizer *t = NULL;
    CHECK_OK(lb_file_write(path, json, strlen(json)));
    if (!CHECK_FAILS(lb_tokenizer_open(&t, path), want, part)) printf("     %s\n", json);
    CHECK(!t);
}

static void refuses(void) {
    int64_t live = lb_alloc_live();
    fails_with("{\"model\":{\"type\":\"WordLevel\"},\"x\":\"WordPiece\"}", LB_E_UNSUPPORTED, "WordLevel");
    fails_with("{\"model\":{\"type\":\"WordPiece\"}}", LB_E_FORMAT, "vocab");
    fails_with("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"a\":0}}}", LB_E_FORMAT, "[UNK]");
    fails_with("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":-1}}}", LB_E_FORMAT, "[UNK]");
    fails_with("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":4000000000}}}", LB_E_FORMAT, "4000000000");
    fails_with("{\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":\"x\"}}}", LB_E_FORMAT, "whole");
    fails_with("{\"normalizer\":{\"type\":\"Odd\"},\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0}}}", LB_E_UNSUPPORTED, "Odd");
    fails_with("{\"pre_tokenizer\":{\"type\":\"UnicodeScripts\"},\"model\":{\"type\":\"WordPiece\",\"vocab\":{\"[UNK]\":0}}}", LB_E_UNSUPPORTED, "UnicodeScripts");
    fails_with("{\"model\":\"WordPiece\"", LB_E_FORMAT, "tokenizer.json");
    lb_tokenizer *t = NULL;
    CHECK_FAILS(lb_tokenizer_open(&t, check_data("tokenizer")), LB_E_UNSUPPORTED, "no tokenizer");
    CHECK_FAILS(lb_tokenizer_open(&t, check_data("absent")), LB_E_NOTFOUND, "absent");
    CHECK_INT(lb_alloc_live(), live);
}

static void long_runs(void) {
    lb_tokenizer *t = open_data("lower");
    if (!t) return;
    lb_buf b = {0}; /* a letter under 200,000 marks of alternating classes: order takes linear time */
    lb_buf_text(&b, "a");
    for (int i = 0; i < 200000; i++) lb_buf_text(&b, i % 2 ? "\xcc\x81" : "\xcc\xa3");
    lb_buf_text(&b, " student");
    int64_t *ids = NULL, n = 0;
    CHECK_OK(lb_tokenize(t, b.data, b.size, 0, &ids, &n));
    if (CHECK_INT(n, 4)) {
        CHECK_TEXT(t->kind->token(t, ids[1]), "a");
        CHECK_TEXT(t->kind->token(t, ids[2]), "student");
    }
    lb_free(ids);
    lb_buf_free(&b);
    lb_tokenizer_close(t);
}

static void refused_memory(void) {
    const char *path = check_data("tokenizer/added");
    int64_t live = lb_alloc_live(), n = 1;
    lb_status st = LB_E_NOMEM;
    for (; n < 20000 && st != LB_OK; n += n < 40 ? 1 : 97) {
        lb_tokenizer *t = NULL;
        int64_t *ids = NULL, count = 0;
        lb_alloc_fail_at(n);
        st = lb_tokenizer_open(&t, path);
        if (st == LB_OK) st = lb_tokenize(t, "the e\xcc\x81 <x>", 10, 0, &ids, &count);
        lb_alloc_fail_at(0);
        if (st != LB_OK) CHECK_INT(st, LB_E_NOMEM);
        lb_free(ids);
        lb_tokenizer_close(t);
    }
    CHECK(st == LB_OK);
    CHECK_INT(lb_alloc_live(), live);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "tokenizer",
                      (check_test[]){{"lower", lower}, {"cased", cased}, {"marks", marks}, {"added", added}, {"plain", plain}, {"limits", limits}, {"refuses", refuses},
                                     {"long", long_runs}, {"memory", refused_memory}, {0}});
}
