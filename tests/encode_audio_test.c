/* SPDX-License-Identifier: Apache-2.0 */
/* Sound through a small Whisper: windows of one sound are what the same pieces give as files of their own, its text is theirs one behind the other, whatever the
 * batch; and what the folder does not say or know is told. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/rng.h"
#include "cli/models.h"
#include "tests/check.h"

enum { RATE = 16000, WIDTH = 16, PLACES = 50 };

/* ---- a folder with a network of random weights ---- */

static const char tokens[] = "{\"added_tokens\": [{\"id\": 10, \"content\": \"<|endoftext|>\", \"special\": true}, {\"id\": 11, \"content\": "
                             "\"<|startoftranscript|>\", \"special\": true}, {\"id\": 12, \"content\": \"<|en|>\", \"special\": true},"
                             "{\"id\": 13, \"content\": \"<|de|>\", \"special\": true}, {\"id\": 14, \"content\": \"<|translate|>\", \"special\": true}, "
                             "{\"id\": 15, \"content\": \"<|transcribe|>\", \"special\": true},"
                             "{\"id\": 16, \"content\": \"<|notimestamps|>\", \"special\": true}], \"decoder\": {\"type\": \"ByteLevel\"},"
                             "\"model\": {\"type\": \"BPE\", \"vocab\": {\"a\": 0, \"\\u0120b\": 1, \"cd\": 2, \"\\u00c3\": 3, \"\\u00bc\": 4, \"\\u0120\": 5, "
                             "\"x\": 6, \"\\u010a\": 7, \"\\u00ff\": 8, \"yz\": 9}, \"merges\": []}}";

static void write_file(const char *folder, const char *name, const char *text) {
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK_OK(lb_file_write(path, text, strlen(text)));
}

static bool make_model(const char *folder) {
    static const char params[] = "{\"vocab_size\": 20, \"num_mel_bins\": 8, \"d_model\": 16, \"encoder_layers\": 1, \"encoder_attention_heads\": 2, "
                                 "\"encoder_ffn_dim\": 24, \"decoder_layers\": 2, \"decoder_attention_heads\": 2,"
                                 "\"decoder_ffn_dim\": 24, \"max_source_positions\": 50, \"max_target_positions\": 14}";
    const lb_head *head = NULL;
    lb_value *v = NULL;
    lb_model *m = NULL;
    bool ok = CHECK_OK(lb_family_find(&head, &lb_archs, "whisper")) && CHECK_OK(lb_json_parse(&v, params, strlen(params), "params")) &&
              CHECK_OK(lb_model_new(&m, (const lb_arch *)head, v)) && CHECK_OK(lb_store_init(m->store, 7));
    for (int64_t i = 0; ok && i < lb_store_count(m->store); i++) { /* far enough apart that what is likeliest is clear */
        lb_tensor *x = lb_store_at(m->store, i)->x;
        for (int64_t k = 0; x->rank > 1 && k < lb_numel(x); k++) ((float *)x->data)[k] *= 4;
    }
    ok = ok && CHECK_OK(cli_model_save(folder, m, NULL));
    write_file(folder, "preprocessor_config.json", "{\"feature_extractor_type\": \"WhisperFeatureExtractor\", \"feature_size\": 8, \"chunk_length\": 1}");
    write_file(folder, "tokenizer.json", tokens);
    lb_value_free(v);
    lb_model_free(m);
    return ok;
}

/* ---- sounds: a made one, whole and in pieces ---- */

static void put32(uint8_t *p, uint32_t x) {
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(x >> 8 * i);
}

static void write_wave(const char *folder, const char *name, const int16_t *x, int64_t n) {
    char path[1024];
    uint8_t head[44] = "RIFF....WAVEfmt ....\1\0\1\0";
    lb_buf b = {0};
    put32(head + 4, (uint32_t)(36 + 2 * n));
    put32(head + 16, 16);
    put32(head + 24, RATE);
    put32(head + 28, 2 * RATE);
    memcpy(head + 32, "\2\0\20\0data", 8);
    put32(head + 40, (uint32_t)(2 * n));
    lb_buf_add(&b, head, sizeof head);
    lb_buf_add(&b, x, (size_t)n * sizeof *x);
    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK_OK(lb_file_write(path, b.data, b.size));
    lb_buf_free(&b);
}

enum { WHOLE = 40000, PIECES = 3 };

static void make_sounds(const char *folder) {
    static int16_t x[WHOLE];
    lb_rng r = lb_rng_make(4, 0);
    for (int i = 0; i < WHOLE; i++) x[i] = (int16_t)(9000 * sin(i * 0.02 * (1 + i / 30000.0)) * (i / 16000 == 1 ? 0.1 : 1) + 300 * lb_rng_normal(&r));
    CHECK_OK(lb_make_folders(folder));
    write_wave(folder, "whole.wav", x, WHOLE);
    for (int i = 0; i < PIECES; i++) {
        char name[32];
        snprintf(name, sizeof name, "piece%d.wav", i);
        write_wave(folder, name, x + i * RATE, i + 1 < PIECES ? RATE : WHOLE - i * RATE);
    }
}

/* ---- runs ---- */

static lb_cache *encode(cli_model *m, const lb_items *items, cli_encode_spec spec, const char *name) {
    lb_cache *c = NULL;
    int64_t failed = 0;
    const char *out = check_tmp(name);
    spec.items = items;
    if (CHECK_OK(cli_encode(m, &spec, out, &failed)) && CHECK_INT(failed, 0)) CHECK_OK(lb_cache_open(&c, out));
    return c;
}

static float *row(lb_cache *c, const char *tap, const char *key, int64_t *length) {
    float *x = NULL;
    int t = lb_cache_tap_find(c, tap);
    int64_t at = lb_cache_find(c, key);
    if (CHECK(t >= 0 && at >= 0)) CHECK_OK(lb_cache_read_ragged(c, t, at, &x, length));
    return x;
}

static float *fixed_row(lb_cache *c, const char *tap, const char *key, int64_t n) {
    int64_t at = lb_cache_find(c, key);
    float *x = lb_calloc((size_t)n, sizeof *x);
    CHECK_OK(lb_cache_read(c, lb_cache_tap_find(c, tap), 1, &at, x));
    return x;
}

static bool near(const float *a, const float *b, int64_t n) {
    double worst = 0, square = 0;
    for (int64_t i = 0; i < n; i++) {
        worst = fmax(worst, fabs((double)a[i] - (double)b[i]));
        square += (double)b[i] * (double)b[i];
    }
    return worst <= 1e-5 * sqrt(square / (double)n); /* other batches, other sums */
}

static void windows(cli_model *m, const lb_items *items) {
    static const char *const taps[] = {"encoder", "times"}, *const plain[] = {"encoder"};
    lb_cache *cut = encode(m, items, (cli_encode_spec){.ntaps = 2, .taps = taps, .window_s = 1}, "cut.h5"),
             *pieces = encode(m, items, (cli_encode_spec){.ntaps = 1, .taps = plain, .batch = 1}, "pieces.h5");
    if (!cut || !pieces) return;
    int64_t n = 0, ntimes = 0;
    float *all = row(cut, "encoder", "whole.wav", &n), *times = row(cut, "times", "whole.wav", &ntimes);
    CHECK_INT(n, PIECES);
    CHECK_INT(ntimes, PIECES);
    for (int i = 0; i < PIECES; i++) {
        char key[32];
        snprintf(key, sizeof key, "piece%d.wav", i);
        float *piece = fixed_row(pieces, "encoder", key, PLACES * WIDTH);
        CHECK(near(all + i * PLACES * WIDTH, piece, PLACES * WIDTH));
        CHECK_NEAR(times[2 * i], i, 0);
        CHECK_NEAR(times[2 * i + 1], i + 1 < PIECES ? i + 1 : (double)WHOLE / RATE, 1e-6);
        lb_free(piece);
    }
    float *first = fixed_row(pieces, "encoder", "whole.wav", PLACES * WIDTH); /* without windows: the begin */
    CHECK(near(first, all, PLACES * WIDTH));
    lb_free(all), lb_free(times), lb_free(first);
    lb_cache_close(cut);
    lb_cache_close(pieces);
}

static void texts(cli_model *m, const lb_items *items, int64_t beams, const char *language) {
    static const char *const taps[] = {"text"};
    const cli_encode_spec spec = {.ntaps = 1, .taps = taps, .writing = {.beams = beams, .language = language, .max_new = 9}};
    cli_encode_spec single = spec;
    single.batch = 1;
    lb_cache *c = encode(m, items, spec, "text.h5"), *one = encode(m, items, single, "text1.h5");
    if (!c || !one) return;
    int64_t n = 0, at = 0, n1 = 0;
    float *all = row(c, "text", "whole.wav", &n), *again = row(one, "text", "whole.wav", &n1);
    CHECK(n > 0 && n == n1 && memcmp(all, again, (size_t)n * sizeof *all) == 0);
    for (int i = 0; i < PIECES; i++) {
        char key[32];
        int64_t size = 0;
        snprintf(key, sizeof key, "piece%d.wav", i);
        float *x = row(c, "text", key, &size);
        CHECK(at + size <= n && memcmp(all + at, x, (size_t)size * sizeof *x) == 0);
        at += size;
        lb_free(x);
    }
    CHECK_INT(at, n);
    lb_free(all), lb_free(again);
    lb_cache_close(c);
    lb_cache_close(one);
    remove(check_tmp("text.h5"));
    remove(check_tmp("text1.h5"));
}

static void refusals(cli_model *m, const lb_items *items) {
    static const char *const text[] = {"text"}, *const encoder[] = {"encoder"};
    int64_t failed = 0;
    CHECK_FAILS(cli_encode(m, &(cli_encode_spec){.items = items, .ntaps = 1, .taps = text, .writing = {.language = "tlh"}}, check_tmp("no.h5"), &failed), LB_E_ARG, "'tlh'");
    CHECK_FAILS(cli_encode(m, &(cli_encode_spec){.items = items, .ntaps = 1, .taps = encoder, .window_s = 2}, check_tmp("no2.h5"), &failed), LB_E_ARG, "up to 1 s");
}

static void sound(void) {
    const char *folder = check_tmp("model"), *sounds = check_tmp("sounds");
    cli_model *m = NULL;
    lb_items *items = NULL;
    CHECK_OK(lb_make_folders(folder));
    make_sounds(sounds);
    if (make_model(folder) && CHECK_OK(cli_model_open(&m, folder)) && CHECK_OK(lb_items_open(&items, 1, &sounds, NULL, NULL)) && CHECK_INT(items->count, PIECES + 1)) {
        windows(m, items);
        texts(m, items, 1, "de");
        texts(m, items, 3, "en");
        texts(m, items, 1, NULL);
        refusals(m, items);
    }
    lb_items_free(items);
    cli_model_close(m);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "encode-audio", (check_test[]){{"sound", sound}, {0}});
}
