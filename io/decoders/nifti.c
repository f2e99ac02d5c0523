/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include "io/decoder_private.h"
#include "io/volume_private.h"

/* Slices along the chosen axis over all volumes of the series. */
static int64_t slices(const lb_volume *v, int axis) { return axis == 2 ? v->width : axis == 1 ? v->height : v->depth; }

static lb_status decode(lb_image *out, const uint8_t *data, size_t size, const lb_decode_options *o) {
    struct lbi_nifti n;
    lb_volume v = {0};
    int axis = o ? o->axis : 0;
    lb_status st = LB_OK;
    LB_TRY(lbi_nifti_open(&n, data, size));
    if (axis < 0 || axis > 2) return lb_fail(LB_E_ARG, "axis %d of a volume: 0 to 2 are possible", axis);
    int64_t each = slices(&n.v, axis), at = o ? o->frame : 0;
    LB_TRY(lbi_check_pixels("NIfTI", axis == 2 ? n.v.height : n.v.width, axis == 0 ? n.v.height : n.v.depth, each * n.v.count, o));
    LB_TRY(lb_volume_decode(&v, data, size, at / each, 0));
    LB_TRY(lb_volume_slice(out, &v, axis, at % each, o && o->keep_depth ? 16 : 8, 0, 0));
done:
    lb_volume_free(&v);
    return st;
}

static lb_status info(lb_media_info *out, const uint8_t *data, size_t size) {
    struct lbi_nifti n;
    lb_status st = lbi_nifti_open(&n, data, size);
    if (st != LB_OK) return st;
    if (n.v.width > INT32_MAX || n.v.height > INT32_MAX) return lb_fail(LB_E_LIMIT, "NIfTI declares %lld x %lld voxels", (long long)n.v.width, (long long)n.v.height);
    *out = (lb_media_info){.kind = "volume", .width = (int32_t)n.v.width, .height = (int32_t)n.v.height, .channels = 1, .bits = n.bytes * 8, .orientation = 1,
                           .frames = n.v.depth * n.v.count};
    snprintf(out->codec, sizeof out->codec, "nifti-%d", n.version);
    memcpy(out->spacing_mm, n.v.spacing_mm, sizeof out->spacing_mm);
    size_t used = (size_t)snprintf(out->note, sizeof out->note, "%lld slices, %s", (long long)n.v.depth, n.v.orientation);
    if (n.v.count > 1) used += (size_t)snprintf(out->note + used, sizeof out->note - used, ", %lld volumes", (long long)n.v.count);
    if (n.slope != 1 || n.intercept != 0) snprintf(out->note + used, sizeof out->note - used, ", scaled by %g + %g", n.slope, n.intercept);
    return LB_OK;
}

static int probe(const uint8_t *head, size_t size) { return lbi_nifti_version(head, size) ? 90 : 0; }

LB_DECODER(nifti) = {.id = "nifti", .title = "NIfTI-1 and NIfTI-2 volumes: slices as grey pictures", .source = "nifti1.h and nifti2.h of the NIfTI group, through libnifti",
                     .kind = "volume", .endings = "nii gz hdr", .probe = probe, .info = info, .decode = decode};
