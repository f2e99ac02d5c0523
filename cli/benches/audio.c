/* SPDX-License-Identifier: Apache-2.0 */
/* Sound: the log-mel of 30 seconds, and the encoder of Whisper's base size over it. */
#include "audio/prepare.h"
#include "cli/bench.h"

enum { SECONDS = 30, RATE = 16000 };

typedef struct mel {
    lb_audio_prepare prepare;
    const lb_tensor *wave;
    float *out;
} mel;

static lb_status mel_once(void *ctx) {
    mel *s = ctx;
    return lb_audio_prepare_run(s->out, &s->prepare, s->wave->data, SECONDS * RATE);
}

static lb_status log_mel(cli_bench *b) {
    static const char name[] = "log-mel-30s";
    mel s = {0};
    lb_tensor *wave = NULL;
    double seconds = 0;
    int rank;
    int64_t shape[3];
    lb_status st = LB_OK;
    if (!cli_bench_wants(b, name)) return LB_OK;
    LB_TRY(lb_audio_prepare_parse(&s.prepare, "{\"feature_extractor_type\": \"WhisperFeatureExtractor\"}"));
    LB_TRY(cli_bench_random(b, &wave, "wave", 1, (int64_t[]){SECONDS * RATE}));
    s.wave = wave;
    lb_audio_prepare_shape(&s.prepare, SECONDS * RATE, &rank, shape);
    if (!(s.out = lb_alloc((size_t)(shape[0] * shape[1]), sizeof *s.out))) {
        st = LB_E_NOMEM;
        goto done;
    }
    LB_TRY(cli_bench_best(b, &seconds, 40, 2, mel_once, &s));
    LB_TRY(cli_bench_say(b, name, "limbeck", 1 / seconds, "clip/s"));
done:
    lb_free(s.out);
    lb_tensor_free(wave);
    lb_audio_prepare_free(&s.prepare);
    return st;
}

static lb_status run(cli_bench *b) {
    static const cli_bench_net whisper = {.name = "whisper-base-encoder-30s",
                                          .arch = "whisper",
                                          .input = "audio",
                                          .tap = "encoder",
                                          .rank = 3,
                                          .shape = {1, 80, 3000},
                                          .unit = "clip/s",
                                          .runs = 5,
                                          .linears = true,
                                          .params = "{\"d_model\": 512, \"encoder_layers\": 6, \"encoder_attention_heads\": 8, \"encoder_ffn_dim\": 2048, "
                                                    "\"decoder_layers\": 1, \"decoder_attention_heads\": 8, \"decoder_ffn_dim\": 2048}"};
    lb_status st = log_mel(b);
    return st == LB_OK ? cli_bench_forward(b, &whisper) : st;
}

LB_BENCH(audio) = {.id = "audio", .title = "log-mel and encoder of Whisper", .source = "", .run = run};
