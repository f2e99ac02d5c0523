/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fetch.h"

static const cli_package packages[] = {{CLI_PIP, "silero-vad", "6.2.3", "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8"}, {0}};
static const cli_fetch_file files[] = {
    {"silero_vad/data/silero_vad_16k_op15.onnx", "model.onnx", "7ed98ddbad84ccac4cd0aeb3099049280713df825c610a8ed34543318f1b2c49"},
    {"silero_vad-6.2.3.dist-info/licenses/LICENSE", "LICENSE", NULL},
    {0}};

LB_PRETRAINED(silero_vad) = {.id = "silero_vad", .title = "voice activity of speech at 16 kHz, ONNX opset 15", .source = "snakers4/silero-vad",
    .packages = packages, .files = files, .licence = "MIT", .bytes = 11317527};
