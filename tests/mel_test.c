/* SPDX-License-Identifier: Apache-2.0 */
/* Log-mels against recorded ones (tests/data/mel/make.py). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "audio/mel.h"
#include "base/file.h"
#include "tests/check.h"

static const char *in_folder(const char *name) {
    static char path[96];
    snprintf(path, sizeof path, "mel/%s", name);
    return check_data(path);
}

/* Recorded in float64; both sides round to float values of at most 14. */
static void one(const char *name, int frames, int bands, const float *want, const float *x, int64_t n) {
    lb_mel_spec s;
    lb_mel *m = NULL;
    check_begin("mel-%s", name);
    CHECK_OK(lb_mel_spec_find(&s, name));
    CHECK_OK(lb_mel_new(&m, &s));
    int64_t got = lb_mel_frames(m, n);
    float *y = lb_alloc((size_t)(got * s.bands), sizeof *y);
    CHECK_OK(lb_mel_run(y, m, x, n));
    CHECK_INT(s.bands, bands);
    CHECK(got >= frames);
    double worst = 0;
    for (int64_t t = 0; t < frames; t++)
        for (int64_t b = 0; b < bands; b++) worst = fmax(worst, fabs((double)y[s.bands_first ? b * got + t : t * bands + b] - (double)want[t * bands + b]));
    if (!CHECK(worst < (2e-6))) printf("     off by %g\n", worst);
    float *again = lb_alloc((size_t)(got * s.bands), sizeof *again);
    CHECK_OK(lb_mel_run(again, m, x, n));
    CHECK(memcmp(y, again, (size_t)(got * s.bands) * sizeof *y) == 0);
    CHECK_FAILS(lb_mel_run(y, m, x, 10), LB_E_ARG, "10 samples");
    lb_free(y), lb_free(again);
    lb_mel_free(m);
    check_end();
}

static void mels(void) {
    lb_buf signal = {0}, list = {0}, values = {0};
    CHECK_OK(lb_file_read(&signal, in_folder("signal.s16"), 0));
    CHECK_OK(lb_file_read(&list, in_folder("expected.txt"), 0));
    CHECK_OK(lb_file_read(&values, in_folder("expected.bin"), 0));
    float *x = lb_calloc(480000, sizeof *x);
    int64_t n = (int64_t)signal.size / 2;
    for (int64_t i = 0; i < n; i++) {
        int16_t s;
        memcpy(&s, signal.data + 2 * i, 2);
        x[i] = (float)s / 32768.0f;
    }
    char *rest = NULL;
    int lines = 0;
    for (char *line = strtok_r(list.data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), lines++) {
        char name[32];
        int frames, bands, at;
        if (!CHECK(sscanf(line, "%31s %d %d %d", name, &frames, &bands, &at) == 4)) break;
        one(name, frames, bands, (const float *)(const void *)(values.data + at), x, strncmp(name, "whisper", 7) == 0 ? 480000 : n);
    }
    CHECK_INT(lines, 5);
    lb_mel_spec s;
    CHECK_FAILS(lb_mel_spec_find(&s, "whisper"), LB_E_NOTFOUND, "whisper-80");
    lb_free(x);
    lb_buf_free(&signal), lb_buf_free(&list), lb_buf_free(&values);
}

int main(int argc, char **argv) {
    return check_main(argc, argv, "mel", (check_test[]){{"mel", mels}, {0}});
}
