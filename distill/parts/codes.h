/* SPDX-License-Identifier: Apache-2.0 */
/* Items that are written as codes, one a level: equal codes told apart, what may follow a prefix, the search for the best items. Private to distill/. On the
 * tape, without gradient, inert after a failure. */
#ifndef LB_DISTILL_CODES_H
#define LB_DISTILL_CODES_H
#include "distill/parts/parts.h"

/** codes [I,L]:i64 with one more digit: 0 for the first item of a code, then 1, 2, ... by item. *collisions (scalar): items whose digit is above 0. [I,L+1] */
lb_tensor *lb_part_tell_apart(lb_tape *t, const lb_tensor *codes, lb_tensor **collisions);
/** 1 where an item of codes [I,L] goes on with that code behind prefix [B,P], P < L; codes below vocab. [B,vocab]:i64 */
lb_tensor *lb_part_may_follow(lb_tape *t, const lb_tensor *codes, const lb_tensor *prefix, int64_t vocab);
/** The items of the best codes under tables [L,K,K] (logits of a level's code by the one before; the first level by row 0), `beam` prefixes kept a level; of equal
 *  scores the lower codes first. Items [n]:i64; *scores [n]: sums of log softmax. */
lb_tensor *lb_part_best_items(lb_tape *t, const lb_tensor *codes, const lb_tensor *tables, int64_t beam, lb_tensor **scores);

#endif
