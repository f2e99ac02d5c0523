/* SPDX-License-Identifier: Apache-2.0 */
/* Attention in windows of a picture: Swin blocks. Names as in timm and the published code. */
#ifndef LB_NN_SWIN_H
#define LB_NN_SWIN_H
#include "nn/attention.h"
LB_BEGIN

typedef struct lb_swin_spec {
    int64_t heads, window, shift; /* shift 0 = not shifted; not used along axes that one window covers */
    lb_mlp_spec mlp;
    double eps, drop_path;        /* eps 0 = 1e-5 */
    bool no_qkv_bias;
    lb_tensor **map;              /* NULL, or receives the weights [N,windows,heads,window^2,window^2], which are then kept in memory */
    bool shift_first;             /* shifted before sides are filled up (timm), not behind it */
} lb_swin_spec;
/** x [N,H,W,C]: x + attention in windows (norm1 x), x + mlp(norm2 x); attn.qkv, attn.proj, attn.relative_position_bias_table
 *  [(2 window - 1)^2,heads]. Sides are padded with zeros to whole windows. Liu et al., arXiv:2103.14030, section 3.2. */
LB_API lb_tensor *lb_nn_swin_block(lb_nn *m, lb_tensor *x, const lb_swin_spec *spec);
/** Attention alone, x [N,H,W,C] normalised already: pads, shifts, parts into windows, attends, puts back. */
LB_API lb_tensor *lb_nn_window_attention(lb_nn *m, lb_tensor *x, const lb_swin_spec *spec);
/** Neighbouring 2x2 tokens become one: [N,H,W,C] -> [N,H/2,W/2,2C], sides rounded up; norm [4C], reduction [2C,4C]. */
LB_API lb_tensor *lb_nn_patch_merging(lb_nn *m, lb_tensor *x, double eps);

/* How learned positions are brought to another grid; half pixel centres. */
typedef enum lb_places {
    LB_PLACES_CUBIC = 0, /* bicubic without antialiasing: DeiT, DINO, Hugging Face */
    LB_PLACES_SMOOTH,    /* bicubic with antialiasing: timm, open_clip, DINOv2 with registers */
    LB_PLACES_OFFSET,    /* bicubic by the factor (new + 0.1) / old: the published DINOv2 */
    LB_PLACES_LINEAR,    /* bilinear */
} lb_places;
/** Learned positions for another grid: rows [..., first + h w, C] whose last h w stand for a grid become [..., first + h2 w2, C]; the same grid
 *  gives x itself. */
LB_API lb_tensor *lb_nn_resize_positions(lb_nn *m, lb_tensor *x, int64_t first, int64_t h, int64_t w, int64_t h2, int64_t w2, lb_places how);

LB_END
#endif
