/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck tokenize`: the lines of files as the numbers that a model sees, and back. */
#include <string.h>
#include "base/file.h"
#include "cli/models.h"
#include "text/tokenizer.h"

enum { CHUNK = 1024 };

typedef struct options {
    const char *model;
    lb_text_list input;
    int64_t max, pad;
    bool plain, offsets, decode, specials;
} options;

static const lb_param params[] = {
    LB_PARAM_WORD(options, model, "NAME|PATH", "a fetched model, a model folder, or a tokenizer's file"),
    LB_PARAM_LIST(options, input, "FILE", "text files, a text a line; .jsonl: the \"text\" of each object; - for standard input"),
    LB_PARAM(options, max, 0, 0, 1 << 24, "tokens", "longer texts are cut, special tokens stay; 0 = never"),
    LB_PARAM(options, pad, 0, 0, 1 << 24, "tokens", "shorter ones are filled up with the padding token; 0 = never"),
    LB_PARAM_FLAG(options, plain, false, "no special tokens around the text"),
    LB_PARAM_FLAG(options, offsets, false, "with --json: which characters of the text each token stands for"),
    LB_PARAM_FLAG(options, decode, false, "the other way: lines of numbers to texts"),
    LB_PARAM_FLAG(options, specials, false, "with --decode: special tokens too"),
    LB_PARAM_END};

/* Texts of one file, some at a time. */
typedef struct job {
    lb_cli *cli;
    const options *o;
    const lb_tokenizer *t;
    lb_buf out;
    int64_t line; /* of the file */
    const char *file;
    bool json;    /* the lines are JSON */
    int count;
    const char *texts[CHUNK];
    size_t sizes[CHUNK];
    lb_value *values[CHUNK]; /* that hold the texts of JSON lines */
} job;

/* ---- out ---- */

static void add_offsets(lb_value *v, const lb_tokens *t) {
    lb_value *list = lb_value_list();
    for (int64_t i = 0; i < t->count; i++) {
        lb_value *pair = lb_value_list();
        lb_list_int(pair, t->begin[i]);
        lb_list_int(pair, t->end[i]);
        lb_list_put(list, pair);
    }
    lb_map_put(v, "offsets", list);
}

static lb_status add_json(job *j, const lb_tokens *t) {
    lb_value *v = lb_value_map(), *ids = lb_value_list(), *tokens = lb_value_list();
    for (int64_t k = 0; k < t->count; k++) {
        lb_list_int(ids, t->ids[k]);
        lb_list_text(tokens, j->t->kind->token(j->t, t->ids[k]));
    }
    lb_map_put(v, "ids", ids);
    lb_map_put(v, "tokens", tokens);
    if (j->o->offsets) add_offsets(v, t);
    lb_status st = lb_json_write(&j->out, v, 0);
    lb_value_free(v);
    return st;
}

static void add_number(lb_buf *out, int64_t x) {
    char digits[24], *p = digits + sizeof digits;
    do *--p = (char)('0' + x % 10);
    while (x /= 10);
    lb_buf_add(out, p, (size_t)(digits + sizeof digits - p));
}

static lb_status add_line(job *j, int i, lb_tokens *t) {
    lb_status st = j->o->offsets ? lb_tokens_in_characters(t, j->texts[i], j->sizes[i]) : LB_OK;
    if (st == LB_OK && j->o->pad) st = lb_tokens_pad(t, j->o->pad, j->t->pad_id);
    if (st == LB_OK && j->cli->json) st = add_json(j, t);
    for (int64_t k = 0; st == LB_OK && !j->cli->json && k < t->count; k++) {
        if (k) lb_buf_add(&j->out, " ", 1);
        add_number(&j->out, t->ids[k]);
    }
    lb_buf_add(&j->out, "\n", 1);
    return st;
}

/* ---- the other way ---- */

static lb_status decode_line(job *j, int i) {
    int64_t *ids = lb_alloc(j->sizes[i] / 2 + 1, sizeof *ids), count = 0;
    const char *p = j->texts[i], *end = p + j->sizes[i];
    lb_buf text = {0};
    lb_status st = ids ? LB_OK : LB_E_NOMEM;
    while (p < end && st == LB_OK) {
        if (*p == ' ' || *p == '\t' || *p == ',' || *p == '[' || *p == ']') {
            p++;
            continue;
        }
        int64_t id = 0;
        const char *from = p;
        for (; p < end && *p >= '0' && *p <= '9' && id < INT32_MAX; p++) id = id * 10 + (*p - '0');
        if (p == from) st = lb_fail(LB_E_FORMAT, "'%.*s' is no token's number", (int)(end - from < 20 ? end - from : 20), from);
        else ids[count++] = id;
    }
    if (st == LB_OK) st = lb_tokenizer_decode(j->t, ids, count, j->o->specials, &text);
    if (st == LB_OK && j->cli->json) {
        lb_value *v = lb_value_map();
        lb_map_bytes(v, "text", lb_buf_str(&text), text.size);
        st = lb_json_write(&j->out, v, 0);
        lb_value_free(v);
    } else if (st == LB_OK) {
        lb_buf_add(&j->out, lb_buf_str(&text), text.size);
    }
    lb_buf_add(&j->out, "\n", 1);
    lb_buf_free(&text);
    lb_free(ids);
    return st;
}

/* ---- in ---- */

static void forget(job *j) {
    for (int i = 0; i < j->count; i++) {
        lb_value_free(j->values[i]);
        j->values[i] = NULL;
    }
    j->count = 0;
    lb_buf_clear(&j->out);
}

static lb_status finish_chunk(job *j) {
    static lb_tokens tokens[CHUNK];
    const lb_tokenize_how how = {.max = j->o->max, .plain = j->o->plain, .offsets = j->o->offsets};
    lb_status st = j->o->decode || j->count == 0 ? LB_OK : lb_tokenize_many(j->t, j->count, j->texts, j->sizes, &how, tokens);
    if (st != LB_OK && st != LB_E_NOMEM) st = lb_where(st, "%s, lines %lld to %lld", j->file, (long long)(j->line - j->count + 1), (long long)j->line);
    bool have = st == LB_OK && !j->o->decode;
    for (int i = 0; i < j->count; i++) {
        if (st == LB_OK && (have || j->o->decode)) {
            st = have ? add_line(j, i, &tokens[i]) : decode_line(j, i);
            if (st != LB_OK && st != LB_E_NOMEM) st = lb_where(st, "%s, line %lld", j->file, (long long)(j->line - j->count + i + 1));
        }
        if (have) lb_tokens_free(&tokens[i]);
    }
    if (st == LB_OK) st = lb_buf_status(&j->out);
    if (st == LB_OK) st = cli_write(lb_buf_str(&j->out), j->out.size);
    forget(j);
    return st;
}

/* The text of a JSON line: a text, or an object that has one. */
static lb_status json_text(lb_value **v, const char **text, size_t *size, const char *line, size_t n, const char *file) {
    lb_status st = lb_json_parse(v, line, n, file);
    if (st != LB_OK) return st;
    const lb_value *found = (*v)->kind == LB_V_MAP ? lb_get(*v, "text") : *v;
    if (!found || found->kind != LB_V_TEXT) return lb_fail(LB_E_FORMAT, "expected an object with \"text\"");
    *text = found->text;
    *size = found->text_size;
    return LB_OK;
}

static lb_status add_text(job *j, const char *line, size_t n) {
    lb_value *v = NULL;
    lb_status st = j->json ? json_text(&v, &line, &n, line, n, j->file) : LB_OK;
    if (st != LB_OK) {
        lb_value_free(v);
        char *why = lb_strdup(lb_error_text());
        lb_status given = finish_chunk(j); /* the lines before it are good */
        if (given == LB_OK) st = lb_fail(st, "%s, line %lld: %s", j->file, (long long)j->line + 1, why ? why : "");
        lb_free(why);
        return given == LB_OK ? st : given;
    }
    j->line++;
    j->texts[j->count] = line;
    j->sizes[j->count] = n;
    j->values[j->count++] = v;
    return j->count == CHUNK ? finish_chunk(j) : LB_OK;
}

static lb_status add_file(job *j, const char *path) {
    lb_buf text = {0};
    lb_status st = LB_OK;
    j->file = path;
    j->line = 0;
    j->json = lb_ends_with(path, ".jsonl");
    LB_TRY(lb_file_read(&text, path, 0));
    lb_progress_begin(&j->cli->progress, "tokenize", "bytes", 0, (int64_t)text.size);
    for (size_t at = 0; at < text.size;) {
        const char *line = text.data + at, *end = memchr(line, '\n', text.size - at);
        size_t n = end ? (size_t)(end - line) : text.size - at;
        at += n + 1;
        if (n && line[n - 1] == '\r') n--;
        LB_TRY(add_text(j, line, n));
        if (j->count == 0) LB_TRY(lb_progress_at(&j->cli->progress, (int64_t)(at < text.size ? at : text.size), NULL));
    }
    LB_TRY(finish_chunk(j));
    lb_progress_end(&j->cli->progress, NULL);
done:
    forget(j);
    lb_buf_free(&text);
    return st;
}

static lb_status run(lb_cli *cli, void *opts) {
    const options *o = opts;
    lb_tokenizer *t = NULL;
    if (!o->model) return cli_usage("--model is missing");
    if (o->input.count == 0) return cli_usage("--input is missing: text files, or - for standard input");
    lb_status st = cli_open_tokenizer(&t, o->model);
    if (st != LB_OK) return st;
    job j = {.cli = cli, .o = o, .t = t};
    for (int i = 0; i < o->input.count && st == LB_OK; i++) st = add_file(&j, o->input.items[i]);
    lb_buf_free(&j.out);
    lb_tokenizer_close(t);
    return st;
}

LB_VERB(tokenize) = {.id = "tokenize", .title = "texts as the numbers that a model sees, and back", .source = "", .params = params, .params_size = sizeof(options),
                     .usage = "tokenize --model NAME|PATH --input FILE... [--max N] [--decode]",
                     .help = "One line in, one line out: numbers, or with --json {\"ids\": [...], \"tokens\": [...]}. Special tokens are added and nothing is cut unless --max says so.\n"
                             "The tokenizer is found in the model's folder: tokenizer.json, vocab.txt, vocab.json and merges.txt, a SentencePiece .model (docs/tokenizers.md).\n\n"
                             "  limbeck tokenize --model minilm-l6 --input texts.txt\n"
                             "  echo 'a photo of a cat' | limbeck tokenize --model ./clip --input - --json --offsets\n"
                             "  limbeck tokenize --model ./gpt2 --input texts.txt | limbeck tokenize --model ./gpt2 --input - --decode",
                     .max_words = 0, .run = run};
