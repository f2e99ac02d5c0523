/* SPDX-License-Identifier: Apache-2.0 */
#include "io/decoder.h"
#include "io/weights.h"

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

#define WEIGHTS(id) extern const lb_weight_format lb_weight_format_##id;
#include "io/weights.def"
#undef WEIGHTS

static const lb_head *const weights[] = {
#define WEIGHTS(id) (const lb_head *)&lb_weight_format_##id,
#include "io/weights.def"
#undef WEIGHTS
};

const lb_family lb_weight_formats = {.name = "weights", .text = "named tensors on disk", .def = "io/weights.def", .dir = "io/weights",
                                     .count = (int)LB_COUNT(weights), .members = weights};
