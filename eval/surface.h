/* SPDX-License-Identifier: Apache-2.0 */
/* Distances between the surfaces of two masks of two or three dimensions, in the unit of `spacing` (mm; 1 per axis when there is none).
 *
 * Surface elements lie between voxels, one per 2x2 (2x2x2) neighbourhood that holds both inside and outside, with its length (area):
 * Nikolov et al., arXiv:1809.04430, and DeepMind's surface-distance (Apache-2.0), whose numbers these are. Edges are voxels of a mask that
 * its erosion by the cross of neighbours takes away, the image's border being outside: MONAI's and MedPy's surfaces. */
#ifndef LB_EVAL_SURFACE_H
#define LB_EVAL_SURFACE_H
#include "base/alloc.h"
LB_BEGIN

/* A mask: nonzero is inside. rank 2 or 3. */
typedef struct lb_mask_pair {
    const uint8_t *truth, *guess;
    int rank;
    int64_t shape[3];
    double spacing[3];
} lb_mask_pair;

typedef struct lb_surface {
    int64_t n;
    double *distance; /* of each element to the other mask's surface, rising; infinite when the other has none */
    double *area;     /* of elements: length or area; of edges NULL */
} lb_surface;

/** Elements of truth and guess with their distances. Release with lb_surfaces_free. */
LB_API LB_MUST_USE lb_status lb_surface_elements(lb_surface out[2], const lb_mask_pair *m);
/** The same of edges. */
LB_API LB_MUST_USE lb_status lb_surface_edges(lb_surface out[2], const lb_mask_pair *m);
LB_API void lb_surfaces_free(lb_surface s[2]);

/** Normalised surface Dice: the part of both surfaces that lies within `tolerance` of the other. NaN when neither has a surface. */
LB_API double lb_surface_dice(const lb_surface s[2], double tolerance);
/** Hausdorff distance at a percentile (100: the largest) of edges: the larger of both directions, linear between ranks. NaN when both are
 *  empty, infinite when one is. */
LB_API double lb_hausdorff(const lb_surface s[2], double percentile);
/** Hausdorff distance at a percentile weighted by area, of elements (DeepMind's robust Hausdorff). */
LB_API double lb_robust_hausdorff(const lb_surface s[2], double percentile);
/** Mean over both surfaces together (average symmetric surface distance). NaN and infinite as above. */
LB_API double lb_mean_surface_distance(const lb_surface s[2]);

/** Squared Euclidean distance of each voxel to the nearest one that is set (infinite when none is), exact: Felzenszwalb and Huttenlocher,
 *  Theory of Computing 8, 2012. out has the masks' shape. */
LB_API LB_MUST_USE lb_status lb_distance_transform(double *out, const uint8_t *set, int rank, const int64_t *shape, const double *spacing);

LB_END
#endif
