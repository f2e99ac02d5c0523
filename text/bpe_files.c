/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include "base/file.h"
#include "text/bpe.h"

lb_status lbi_bpe_number(const lbi_pipeline *p, const lb_value *more, const char *text, int64_t *id) {
    *id = lbi_vocab_find(&p->vocab, text, strlen(text));
    for (int64_t i = 0; *id < 0 && more && more->kind == LB_V_MAP && i < more->count; i++)
        if (more->items[i]->kind == LB_V_INT && strcmp(more->keys[i], text) == 0) *id = more->items[i]->integer;
    return *id < 0 ? lb_fail(LB_E_FORMAT, "special token '%s' is in neither vocab.json nor added_tokens.json", text) : LB_OK;
}

static lb_status read_both(lbi_pipeline *p, const char *folder, const lbi_bpe_spec *spec, lb_sha256 *sum) {
    lb_value *none = NULL;
    lb_json_part vocab = {.path = ""};
    lb_buf text = {0}, merges = {0};
    char *words = lb_path_join(folder, "vocab.json");
    char *path = lb_path_join(folder, "merges.txt");
    lb_status st = path && words ? LB_OK : LB_E_NOMEM;
    LB_TRY(st);
    LB_TRY(lb_file_read(&text, words, 0));
    lb_sha256_add(sum, text.data, text.size);
    LB_TRY(lb_json_parse_parts(&none, lb_buf_str(&text), text.size, "vocab.json", 1, &vocab));
    LB_TRY(lb_file_read(&merges, path, 0));
    lb_sha256_add(sum, merges.data, merges.size);
    LB_TRY(lbi_vocab_read_map(&p->vocab, &vocab, "vocab.json"));
    LB_TRY(lbi_bpe_begin(p, spec, lbi_count_lines(lb_buf_str(&merges), merges.size)));
    LB_TRY(lbi_bpe_merge_lines(p, lb_buf_str(&merges), merges.size, 0));
done:
    lb_value_free(none);
    lb_json_parts_free(1, &vocab);
    lb_buf_free(&text);
    lb_buf_free(&merges);
    lb_free(words);
    lb_free(path);
    return st;
}

lb_status lbi_bpe_open_files(lb_tokenizer *t, const char *folder, const lbi_model *kind, const lbi_bpe_spec *spec, lbi_bpe_describe *describe) {
    lbi_pipeline *p = NULL;
    lb_value *config = NULL, *more = NULL, *json = NULL;
    lb_sha256 sum;
    lb_sha256_init(&sum);
    lb_status st = LB_OK;
    LB_TRY(lbi_pipeline_new(&p, t, kind));
    p->splits.bytes = true; /* the model is made before the splitters are read */
    LB_TRY(lbi_read_beside(&config, folder, "tokenizer_config.json", &sum));
    LB_TRY(lbi_read_beside(&more, folder, "added_tokens.json", &sum));
    LB_TRY(read_both(p, folder, spec, &sum));
    LB_TRY(describe(p, config, more, &json));
    p->splits = (lbi_splits){0};
    lbi_list_added(json, config, more);
    LB_TRY(lbi_pipeline_read_rest(t, p, json));
    LB_TRY(lbi_read_limit(t, folder, config));
    const char *pad = lb_get_text(config, "pad_token", lb_get_text(config, "pad_token.content", NULL));
    int64_t id = pad ? lbi_pipeline_find(t, pad) : -1;
    if (id >= 0) t->pad_id = id;
    lb_sha256_hex(&sum, t->sha256);
done:
    lb_value_free(config);
    lb_value_free(more);
    lb_value_free(json);
    return st;
}
