/* SPDX-License-Identifier: Apache-2.0 */
/* Augmentation of pictures. The parameters are a pure function of (seed, epoch, key), so they can be replayed. Definitions follow
 * torchvision: RandomResizedCrop, RandomHorizontalFlip, ColorJitter (fixed order brightness, contrast, saturation). Thread-safe. */
#ifndef LB_DATASETS_AUGMENT_H
#define LB_DATASETS_AUGMENT_H
#include "base/param.h"
#include "io/sample.h"
LB_BEGIN

typedef struct lb_augment_spec {
    double crop_min;   /* smallest share of the area that a crop keeps; 1 = no crop */
    double ratio_max;  /* crops are between 1/ratio_max and ratio_max as wide as high */
    double flip;       /* probability of a mirror image */
    double brightness, contrast, saturation; /* factors are drawn from 1 - x .. 1 + x */
} lb_augment_spec;
extern LB_API const lb_param lb_augment_params[];

/* What was drawn for one picture. */
typedef struct lb_augment_draw {
    int32_t x, y, width, height; /* crop, in pixels of the input */
    bool flip;
    double brightness, contrast, saturation;
} lb_augment_draw;

/* A draw as numbers that a float holds exactly or to its last digit: x, y, width, height, flip, brightness, contrast, saturation. */
enum { LB_AUGMENT_NUMBERS = 8 };
LB_API void lb_augment_pack(float out[LB_AUGMENT_NUMBERS], const lb_augment_draw *d);
/** LB_E_FORMAT when the numbers are no draw for a picture of that size. */
LB_API LB_MUST_USE lb_status lb_augment_unpack(lb_augment_draw *out, const float in[LB_AUGMENT_NUMBERS], int32_t width, int32_t height);

LB_API lb_augment_draw lb_augment_of(const lb_augment_spec *spec, int32_t width, int32_t height, uint64_t seed, uint64_t epoch, const char *key);
/** Applies a draw to RGB u8. The result has the crop's size; the model's preprocessing resizes it. */
LB_API LB_MUST_USE lb_status lb_augment_apply(lb_image *out, const lb_image *in, const lb_augment_draw *draw);
LB_API LB_MUST_USE lb_status lb_augment(lb_image *out, const lb_image *in, const lb_augment_spec *spec, uint64_t seed, uint64_t epoch, const char *key);

LB_END
#endif
