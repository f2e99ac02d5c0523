/* SPDX-License-Identifier: Apache-2.0 */
/* What networks of sound get, against the feature extractors of transformers (tests/data/audio/make.py). */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "audio/prepare.h"
#include "base/file.h"
#include "io/hdf5.h"
#include "tests/check.h"

/* Both sides round logarithms to float32; theirs come from spectra in float32 here and there. */
static const double agreement = 1e-5;

static void one_case(lb_h5 *f, const char *name, const lb_value *one, const float *signal) {
    lb_audio_prepare p = {0};
    lb_tensor *want = NULL;
    int rank = 0;
    int64_t shape[3], n = lb_get_int(one, "samples", 0), size = 1;
    double square = 0, worst = 0;
    if (!CHECK_OK(lb_audio_prepare_from(&p, lb_get(one, "config"))) || !CHECK_OK(lb_h5_read(&want, f, name, LB_F64))) return;
    lb_audio_prepare_shape(&p, n, &rank, shape);
    for (int d = 0; d < rank; d++) size *= shape[d];
    float *y = lb_alloc((size_t)size, sizeof *y);
    if (CHECK_INT(rank, want->rank) && CHECK(memcmp(shape, want->shape, (size_t)rank * sizeof *shape) == 0) && CHECK_OK(lb_audio_prepare_run(y, &p, signal, n))) {
        for (int64_t i = 0; i < size; i++) {
            double w = ((double *)want->data)[i], off = fabs(y[i] - w);
            square += w * w;
            if (!(off <= worst)) worst = off;
        }
        CHECK_NEAR(worst / sqrt(square / (double)size), 0, agreement);
    }
    CHECK_FAILS(lb_audio_prepare_run(y, &p, signal, 0), LB_E_ARG, "without a sample");
    lb_free(y);
    lb_tensor_free(want);
    lb_audio_prepare_free(&p);
}

static void extractors(void) {
    char json[1024];
    lb_value *cases = NULL;
    lb_h5 *f = NULL;
    lb_buf raw = {0};
    snprintf(json, sizeof json, "%s", check_data("audio/prepare.json"));
    if (!CHECK_OK(lb_json_read(&cases, json)) || !CHECK_OK(lb_h5_open(&f, check_data("audio/prepare.h5"))) || !CHECK_OK(lb_file_read(&raw, check_data("mel/signal.s16"), 0))) return;
    float *signal = lb_alloc(raw.size / 2, sizeof *signal);
    for (size_t i = 0; i < raw.size / 2; i++) {
        int16_t s;
        memcpy(&s, raw.data + 2 * i, 2);
        signal[i] = (float)s / 32768.0f;
    }
    CHECK(cases->count == 8);
    for (int64_t i = 0; i < cases->count; i++) {
        check_begin("%s", cases->keys[i]);
        one_case(f, cases->keys[i], cases->items[i], signal);
        check_end();
    }
    lb_free(signal);
    lb_buf_free(&raw);
    CHECK_OK(lb_h5_close(f));
    lb_value_free(cases);
}

static void unknown(void) {
    lb_audio_prepare p = {0};
    CHECK_FAILS(lb_audio_prepare_parse(&p, "{\"feature_extractor_type\": \"EncodecFeatureExtractor\"}"), LB_E_UNSUPPORTED, "EncodecFeatureExtractor");
    CHECK_FAILS(lb_audio_prepare_parse(&p, "{\"feature_extractor_type\": \"ClapFeatureExtractor\", \"padding\": \"repeat\"}"), LB_E_UNSUPPORTED, "repeat");
    CHECK_FAILS(lb_audio_prepare_parse(&p, "{\"feature_extractor_type\": \"WhisperFeatureExtractor\", \"hop_length\": 0}"), LB_E_ARG, "steps of 0");
    CHECK_FAILS(lb_audio_prepare_parse(&p, "{\"feature_extractor_type\": \"Wav2Vec2FeatureExtractor\", \"sampling_rate\": 0}"), LB_E_FORMAT, "0 samples a second");
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "audio", (check_test[]){{"extractors", extractors}, {"unknown", unknown}, {0}});
}
