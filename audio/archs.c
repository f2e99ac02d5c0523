/* SPDX-License-Identifier: Apache-2.0 */
#include "audio/archs.h"
#include <stdlib.h>
#include "nn/outside.h"

#define ARCH(id) extern const lb_arch lb_arch_##id;
#include "audio/archs.def"
#undef ARCH
static const lb_head *const members[] = {
#define ARCH(id) (const lb_head *)&lb_arch_##id,
#include "audio/archs.def"
#undef ARCH
};
const lb_family lb_audio_archs = {.name = "audio-archs", .text = "networks of sound", .def = "audio/archs.def", .dir = "audio/archs", .count = (int)LB_COUNT(members), .members = members};

int lb_numbers_of(int64_t *out, int most, const char *text) {
    int n = 0;
    for (const char *p = text; *p; n++) {
        char *end = NULL;
        long long x = strtoll(p, &end, 10);
        if (end == p || (*end && *end != ',') || n == most) return -1;
        out[n] = x;
        p = end + (*end == ',');
    }
    return n;
}

lb_status lb_numbers_from_config(const lb_param *row, void *cfg, const lb_value *config) {
    int64_t x[64];
    lb_buf text = {0};
    int64_t n = lb_config_ints(config, row->name, x, 64);
    for (int64_t i = 0; i < n; i++) lb_buf_format(&text, "%s%lld", i ? "," : "", (long long)x[i]);
    lb_status st = lb_buf_status(&text);
    if (st == LB_OK && n > 0) st = lb_param_set_text(row, cfg, lb_buf_str(&text));
    lb_buf_free(&text);
    return st;
}
