/* SPDX-License-Identifier: Apache-2.0 */
/* `limbeck encode`: a model once over the items, into one feature file. */
#include <string.h>
#include "base/progress.h"
#include "cli/captions.h"
#include "cli/encode_options.h"

typedef struct options {
    cli_items items;
    cli_encode_options encode;
    const char *captions;
} options;

static const lb_param params[] = {CLI_ITEMS_PARAMS(options), CLI_ENCODE_PARAMS(options),
                                  {.name = "captions", .type = LB_T_TEXT, .offset = offsetof(options, captions), .unit = "PATH", .text = "of the tap text: a JSONL list of the items with what was written as their text"}, LB_PARAM_END};

static lb_status run(lb_cli *cli, void *opts) {
    const options *o = opts;
    cli_encode_run r;
    int64_t failed = 0;
    double start = lb_now();
    if (o->encode.taps && strcmp(o->encode.taps, "list") == 0) return cli_print_taps(cli, &o->encode);
    if (!o->encode.out) return cli_usage("--out is missing: a name ending in .h5");
    lb_status st = cli_encode_open(&r, cli, &o->items, &o->encode);
    if (st != LB_OK) return st;
    LB_TRY(cli_encode(r.model, &r.spec, o->encode.out, &failed));
    LB_TRY(cli_say_features(cli, o->encode.out, lb_now() - start, false, &failed));
    if (o->captions && r.items) LB_TRY(cli_write_captions(o->captions, o->encode.out, r.items, r.indices, r.count));
    if (failed && (o->encode.strict || failed == r.count)) st = lb_fail(LB_E_FORMAT, "%lld of %lld items failed; their reasons are in %s", (long long)failed, (long long)r.count, o->encode.out);
done:
    cli_encode_close(&r);
    return st;
}

LB_VERB(encode) = {.id = "encode", .title = "runs a model once over items and keeps its taps in a feature file", .source = "", .params = params, .params_size = sizeof(options),
                   .usage = "encode --model NAME|PATH --input ... --taps A,B --out X.h5", .max_words = 0,
                   .help = "The file opens in h5py (docs/cache-format.md). A broken item keeps its row, with the reason in /status and /message. Stopped or killed, the\n"
                           "same command goes on where it was. A model over features (a trained head) takes them with --features INPUT=FILE:TAP.\n\n"
                           "  limbeck encode --model efficientnet-lite0 --input photos --taps pooled,logits --out photos.h5\n"
                           "  limbeck encode --model minilm-l6 --input texts.jsonl --taps embedding --dtype f16 --out texts.h5\n"
                           "  limbeck encode --model runs/head/model --features image_features=photos.h5:pooled --taps image_embed --out head.h5\n"
                           "  limbeck encode --model whisper-base --input calls --taps encoder,text --out calls.h5 --captions calls.jsonl\n"
                           "  limbeck encode --model minilm-l6 --taps list",
                   .run = run};
