/* SPDX-License-Identifier: Apache-2.0 */
/* Byte pair encoding over bytes (GPT-2, RoBERTa, Whisper, Llama 3, Qwen2) or over characters (Llama 2, Gemma). Read from tokenizer.json, or from
 * vocab.json and merges.txt with tokenizer_config.json and added_tokens.json beside them: then as GPT-2's, and by tokenizer_class as RoBERTa's
 * (<s> and </s> around), Whisper's (<|startoftranscript|><|notimestamps|> before, <|endoftext|> behind) or Qwen2's (NFC and its own pattern). */
#include <string.h>
#include "base/file.h"
#include "text/bpe.h"

static const lbi_model model = {.type = "BPE", .read = lbi_bpe_read, .word = lbi_bpe_word, .close = lbi_bpe_close};

static lb_status gpt2(const lb_value *config, lb_buf *out) {
    lb_buf_format(out, "\"pre_tokenizer\": {\"type\": \"ByteLevel\", \"add_prefix_space\": %s}", lb_get_bool(config, "add_prefix_space", false) ? "true" : "false");
    return LB_OK;
}

static lb_status roberta(const lbi_pipeline *p, const lb_value *config, const lb_value *more, lb_buf *out) {
    int64_t cls = 0, sep = 0;
    lb_status st = lbi_bpe_number(p, more, lb_get_text(config, "cls_token", lb_get_text(config, "cls_token.content", "<s>")), &cls);
    if (st == LB_OK) st = lbi_bpe_number(p, more, lb_get_text(config, "sep_token", lb_get_text(config, "sep_token.content", "</s>")), &sep);
    if (st != LB_OK) return st;
    lb_buf_format(out,
                  ", \"post_processor\": {\"type\": \"RobertaProcessing\", \"cls\": [\"\", %lld], \"sep\": [\"\", %lld], \"add_prefix_space\": %s, "
                  "\"trim_offsets\": true}",
                  (long long)cls, (long long)sep, lb_get_bool(config, "add_prefix_space", false) ? "true" : "false");
    return LB_OK;
}

static lb_status whisper(const lbi_pipeline *p, const lb_value *more, lb_buf *out) {
    int64_t begin = 0, plain = 0, end = 0;
    lb_status st = lbi_bpe_number(p, more, "<|startoftranscript|>", &begin);
    if (st == LB_OK) st = lbi_bpe_number(p, more, "<|notimestamps|>", &plain);
    if (st == LB_OK) st = lbi_bpe_number(p, more, "<|endoftext|>", &end);
    if (st != LB_OK) return st;
    lb_buf_format(out, ", \"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"a\"}}, {\"Sequence\": {}}, {\"SpecialToken\": {\"id\": \"b\"}}], "
                       "\"special_tokens\": {\"a\": {\"ids\": [%lld, %lld]}, \"b\": {\"ids\": [%lld]}}}", (long long)begin, (long long)plain, (long long)end);
    return LB_OK;
}

static void qwen2(lb_buf *out) {
    lb_buf_text(out, "\"normalizer\": {\"type\": \"NFC\"}, \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [{\"type\": \"Split\", \"pattern\": {\"Regex\": "
                     "\"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"}, "
                     "\"behavior\": \"Isolated\", \"invert\": false}, {\"type\": \"ByteLevel\", \"add_prefix_space\": false, \"use_regex\": false}]}");
}

static lb_status describe(const lbi_pipeline *p, const lb_value *config, const lb_value *more, lb_value **json) {
    const char *class = lb_get_text(config, "tokenizer_class", "");
    lb_buf out = {0};
    lb_status st = LB_OK;
    lb_buf_text(&out, "{\"decoder\": {\"type\": \"ByteLevel\"}, ");
    if (strncmp(class, "Qwen2", 5) == 0) qwen2(&out);
    else LB_TRY(gpt2(config, &out));
    bool marks = lbi_vocab_find(&p->vocab, "<s>", 3) >= 0 && lbi_vocab_find(&p->vocab, "</s>", 4) >= 0;
    if (strncmp(class, "Roberta", 7) == 0 || (!*class && marks)) LB_TRY(roberta(p, config, more, &out));
    else if (strncmp(class, "Whisper", 7) == 0) LB_TRY(whisper(p, more, &out));
    lb_buf_text(&out, "}");
    LB_TRY(lb_buf_status(&out));
    LB_TRY(lb_json_parse(json, lb_buf_str(&out), out.size, "vocab.json"));
done:
    lb_buf_free(&out);
    return st;
}

/* Files without tokenizer.json: vocab.json by its own name or that of its folder. */
static int probe(const char *path) {
    char file[LBI_PATH_SIZE];
    if (lb_is_folder(path) && !lbi_in_folder(file, path, "tokenizer.json")) return lbi_in_folder(file, path, "vocab.json") && lbi_in_folder(file, path, "merges.txt") ? 60 : 0;
    return strcmp(lb_path_name(path), "vocab.json") == 0 ? 60 : lbi_probe_json(path, "\"BPE\"");
}

static lb_status open(lb_tokenizer *t, const char *path) {
    char file[LBI_PATH_SIZE];
    bool folder = lb_is_folder(path);
    if (folder ? lbi_in_folder(file, path, "tokenizer.json") : strcmp(lb_path_name(path), "vocab.json") != 0) return lbi_open_json(t, path, &model);
    char *place = folder ? lb_strdup(path) : lb_path_folder(path);
    lb_status st = place ? lbi_bpe_open_files(t, place, &model, &(lbi_bpe_spec){0}, describe) : LB_E_NOMEM;
    lb_free(place);
    return st;
}

LB_TOKENIZER(byte_bpe) = {.id = "byte_bpe",
                          .title = "byte pair encoding of bytes (GPT-2, RoBERTa, Whisper, Llama, Qwen2)",
                          .source = "Radford et al. 2019; Sennrich et al. 2016, arXiv:1508.07909; behaviour of Hugging Face tokenizers 0.23.3",
                          .probe = probe,
                          .open = open,
                          .close = lbi_pipeline_close,
                          .encode = lbi_pipeline_encode,
                          .token = lbi_pipeline_token,
                          .find = lbi_pipeline_find,
                          .decode = lbi_pipeline_decode};
