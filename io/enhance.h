/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of colour and place on RGB u8 pictures, in place, equal to Pillow's bytes. Source: Pillow 13.0, ImageEnhance.py, ImageOps.py, Blend.c,
 * Filter.c, Convert.c (HSV), Geometry.c (nearest). Thread-safe. */
#ifndef LB_IO_ENHANCE_H
#define LB_IO_ENHANCE_H
#include "io/sample.h"
LB_BEGIN

/** y = base + factor (x - base), clipped: base is black; the picture's mean grey; each pixel's own grey; the picture smoothed by 3 x 3. */
LB_API void lb_enhance_brightness(lb_image *img, double factor);
LB_API void lb_enhance_contrast(lb_image *img, double factor);
LB_API void lb_enhance_saturation(lb_image *img, double factor);
LB_API LB_MUST_USE lb_status lb_enhance_sharpness(lb_image *img, double factor);
/** Hue turned by `turns` (-0.5 to 0.5), in HSV of 8 bits as torchvision does on Pillow's pictures. */
LB_API void lb_enhance_hue(lb_image *img, double turns);
LB_API void lb_enhance_posterize(lb_image *img, int bits);          /* the upper 1 to 8 bits stay */
LB_API void lb_enhance_solarize(lb_image *img, double threshold);   /* values from it on are inverted */
LB_API void lb_enhance_autocontrast(lb_image *img);                 /* each channel stretched to 0..255 */
LB_API void lb_enhance_equalize(lb_image *img);                     /* each channel's histogram made even */
/** Image.transform(size, AFFINE, m, NEAREST): the pixel at (x, y) comes from (m0 x + m1 y + m2, m3 x + m4 y + m5); outside: `fill` in all channels.
 *  Any channels and bits; in place. */
LB_API LB_MUST_USE lb_status lb_image_affine(lb_image *img, const double m[6], uint16_t fill);
/** torchvision's GaussianBlur: a float kernel of `size` (odd) taps, reflected borders, rounded half to even. size / 2 must be below both sides: else LB_E_ARG. */
LB_API LB_MUST_USE lb_status lb_image_gaussian(lb_image *img, int size, double sigma);

LB_END
#endif
