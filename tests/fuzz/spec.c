/* SPDX-License-Identifier: Apache-2.0 */
/* JSON and YAML, and what of it is a picture's preprocessing; paths that name parts of files. */
#include <stdlib.h>
#include <string.h>
#include "io/uri.h"
#include "tests/fuzz/target.h"
#include "vision/preprocess.h"

static void preprocessing(const lb_value *v) {
    lb_image_spec s;
    lb_image in = {0}, out = {0};
    if (lb_image_spec_from(&s, v) != LB_OK || lb_image_new(&in, 17, 13, 3, 8) != LB_OK) return;
    int32_t w = 0, h = 0;
    lb_image_spec_size(&s, in.width, in.height, &w, &h);
    memset(in.pixels, 90, 3 * 17 * 13);
    if ((int64_t)w * h < 1 << 20 && lb_image_spec_geometry(&out, &in, &s) == LB_OK) {
        if (out.width != w || out.height != h) abort();
        lb_image_free(&out);
    }
    lb_image_free(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    lb_value *v = NULL;
    lb_uri u = {0};
    if (size > 65536) return 0;
    if (lb_json_parse(&v, (const char *)data, size, "fuzz") == LB_OK) preprocessing(v);
    lb_value_free(v);
    v = NULL;
    if (lb_yaml_parse(&v, (const char *)data, size, "fuzz") == LB_OK) preprocessing(v);
    lb_value_free(v);
    char *text = malloc(size + 1);
    if (!text) abort();
    memcpy(text, data, size);
    text[size] = 0;
    if (lb_uri_parse(&u, text) == LB_OK) lb_uri_free(&u);
    free(text);
    return 0;
}
