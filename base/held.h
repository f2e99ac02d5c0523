/* SPDX-License-Identifier: Apache-2.0 */
/* What lb_mmap.memory points to: begins a block of bytes that were read, which may be held by more than one. Private. */
#ifndef LB_BASE_HELD_H
#define LB_BASE_HELD_H
#include "base/attr.h"

typedef struct lbi_held lbi_held;
struct lbi_held {
    void (*give)(lbi_held *h); /* one holder fewer */
};

#endif
