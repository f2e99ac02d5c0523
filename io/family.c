/* SPDX-License-Identifier: Apache-2.0 */
#include "io/decoder.h"

#define DECODER(id) extern const lb_decoder lb_decoder_##id;
#include "io/decoders.def"
#undef DECODER

static const lb_head *const decoders[] = {
#define DECODER(id) (const lb_head *)&lb_decoder_##id,
#include "io/decoders.def"
#undef DECODER
};

const lb_family lb_decoders = {.name = "decoders", .text = "media files to samples", .def = "io/decoders.def", .dir = "io/decoders",
                               .count = (int)LB_COUNT(decoders), .members = decoders};
