/* SPDX-License-Identifier: Apache-2.0 */
/* Image preprocessing as data: RGB u8 -> f32 [3,H,W]. Read from Hugging Face's preprocessor_config.json, open_clip's fields, or our
 * own keys; never guessed from a model's name. A filled spec is immutable, share freely. */
#ifndef LB_VISION_PREPROCESS_H
#define LB_VISION_PREPROCESS_H
#include "base/value.h"
#include "io/image.h"
LB_BEGIN

typedef struct lb_image_spec {
    const char *mode;      /* shortest | longest | squash | none: how `size` is reached */
    int size_w, size_h;    /* squash: both; shortest, longest: size_w */
    const char *filter;    /* bicubic | bilinear | lanczos | box | nearest */
    int crop_w, crop_h;    /* centre crop; 0 = none */
    const char *crop_rounding; /* torchvision (half to even) | floor */
    bool pad;              /* longest: zero pad right and bottom to size */
    double scale;          /* multiplies u8 values: 1/255 */
    double mean[3], std[3];
} lb_image_spec;

/** Fills a spec from a map (ours: keys as the fields, mean and std as lists; or a Hugging Face or open_clip config). */
LB_API LB_MUST_USE lb_status lb_image_spec_from(lb_image_spec *out, const lb_value *map);
LB_API LB_MUST_USE lb_status lb_image_spec_parse(lb_image_spec *out, const char *json);
LB_API lb_value *lb_image_spec_value(const lb_image_spec *s); /* canonical form: what is fingerprinted and saved */
/** Size after geometry for an input size. */
LB_API void lb_image_spec_size(const lb_image_spec *s, int32_t w, int32_t h, int32_t *out_w, int32_t *out_h);
/** The same geometry on boxes x0 y0 x1 y1 of a picture of that size, cut off at the border of what stays. */
LB_API void lb_image_spec_boxes(const lb_image_spec *s, int32_t w, int32_t h, float *boxes, int64_t count);
/** Geometry only: RGB u8; with the filter "nearest" labels of 8 or 16 bits too. */
LB_API LB_MUST_USE lb_status lb_image_spec_geometry(lb_image *out, const lb_image *rgb, const lb_image_spec *s);
/** The first step of it, for a decoder to do at once (io/image.h, lb_fit); s must outlive it. The rest takes that step's picture, and gives what
 *  lb_image_spec_geometry gives of the whole one. */
LB_API LB_MUST_USE lb_status lb_image_spec_fit(lb_fit *out, const lb_image_spec *s);
LB_API LB_MUST_USE lb_status lb_image_spec_rest(lb_image *out, lb_image *take_fitted, const lb_image_spec *s);
/** (u8 * scale - mean) / std in f32, [3,H,W]; dst holds 3*H*W floats. What geometry filled in is 0, as Segment Anything pads behind this. */
LB_API void lb_image_spec_normalise(float *dst, const lb_image *rgb, const lb_image_spec *s);

LB_END
#endif
