/* SPDX-License-Identifier: Apache-2.0 */
/* To copy: cp template.c mine.c, WEIGHTS(mine) in io/weights.def. A format gives views of the mapped file where it can, checks every number
 * against the file's size before it is used, and names the byte where something is wrong. This one: "ROWS", u32 rows, u32 columns, f32 data. */
#include <string.h>
#include "io/weights_make.h"

static int probe(const uint8_t *head, size_t size) { return size >= 12 && memcmp(head, "ROWS", 4) == 0 ? 90 : 0; }

static lb_status open(lb_weights *w, const uint8_t *data, size_t size) {
    uint32_t sizes[2];
    size_t bytes;
    memcpy(sizes, data + 4, sizeof sizes);
    int64_t shape[] = {sizes[0], sizes[1]};
    if (!lbi_weight_bytes(&bytes, LB_F32, 2, shape) || bytes != size - 12)
        return lb_fail(LB_E_FORMAT, "byte 4: %u x %u numbers, but %zu bytes follow", sizes[0], sizes[1], size - 12);
    const uint8_t *values = data + 12;
    lb_status st = lbi_weight_align(w, &values, bytes, LB_F32);
    return st ? st : lbi_weights_add(w, "rows", 4, LB_F32, 2, shape, values, bytes);
}

LB_WEIGHTS(template) = {.id = "template", .title = "one matrix", .source = "", .endings = "rows", .probe = probe, .open = open};
