/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/families.h"
#include "cli/bench.h"
#include "cli/cli.h"
#include "cli/eval.h"
#include "cli/fetch.h"
#include "cli/made.h"
#include "cli/models.h"
#include "datasets/augments.h"
#include "datasets/reader.h"
#include "datasets/synth.h"
#include "distill/method.h"
#include "eval/metric.h"
#include "fusion/block.h"
#include "io/decoder.h"
#include "io/weights.h"
#include "onnx/onnx.h"
#include "tensor/op.h"
#include "text/tokenizer.h"

const lb_family *const cli_families[] = {
    &lb_archs,
    &lb_augments,
    &lb_benches,
    &lb_blocks,
    &lb_decoders,
    &lb_evals,
    &lb_mades,
    &lb_methods,
    &lb_metrics,
    &lb_onnx_operators,
    &lb_ops,
    &cli_pretrained_models,
    &lb_readers,
    &lb_synths,
    &lb_tokenizers,
    &lb_verbs,
    &lb_weight_formats,
};
const int cli_family_count = (int)LB_COUNT(cli_families);
