/* SPDX-License-Identifier: Apache-2.0 */
/* Medical volumes: NIfTI-1 and NIfTI-2 (.nii, .nii.gz, .hdr with .img). Source: the headers nifti1.h and nifti2.h of the NIfTI group,
 * interpreted by libnifti; value = stored * scl_slope + scl_inter when scl_slope is not 0. All thread-safe. */
#ifndef LB_IO_VOLUME_H
#define LB_IO_VOLUME_H
#include "io/sample.h"
LB_BEGIN

/** Volume `index` of a series (0 for a single one) with its spacing, orientation and affine (sform if its code is set, else qform, else
 *  spacing alone, as nibabel). max_voxels 0 = 2^30, checked before memory is taken: LB_E_LIMIT. LB_E_UNSUPPORTED for complex and colour
 *  voxels; LB_E_FORMAT for a truncated or damaged file; LB_E_ARG for an index beyond the series. *out untouched on failure. */
LB_API LB_MUST_USE lb_status lb_volume_read(lb_volume *out, const char *path, int64_t index, int64_t max_voxels);
LB_API LB_MUST_USE lb_status lb_volume_decode(lb_volume *out, const uint8_t *data, size_t size, int64_t index, int64_t max_voxels);
/** Only what the header says: size, spacing, orientation; values stay NULL. */
LB_API LB_MUST_USE lb_status lb_volume_size(lb_volume *out, const char *path);
/** One slice as a grey picture, across axis 0 = k (rows j, columns i), 1 = j (rows k, columns i) or 2 = i (rows k, columns j), as stored, not turned.
 *  Whole numbers keep their values where they fit: label maps stay exact. Else [low, high] becomes 0..255 (0..65535 with bits 16), rounded
 *  and clipped; low >= high takes the least and largest finite value of the volume. NaN gives 0. */
LB_API LB_MUST_USE lb_status lb_volume_slice(lb_image *out, const lb_volume *v, int axis, int64_t at, int bits, double low, double high);

LB_END
#endif
