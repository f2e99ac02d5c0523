/* SPDX-License-Identifier: Apache-2.0 */
/* Attention with products of bf16 numbers: of floats in three parts where the CPU has tiles for them (AMX), rounded where the tape asks for bf16. As attend_packed.h, with scores
 * 32 keys by 32 queries: they leave the tiles as floats, and their weights go back as factors, cut in registers. Private to tensor/. */
#ifndef LB_TENSOR_ATTEND_PARTS_H
#define LB_TENSOR_ATTEND_PARTS_H
#include "tensor/attend.h"

/** Forward and backward of the op attention. *done: one byte a head of keys, [N,G], 0 where numbers have no parts or may become too large: those heads are untouched
 *  (forward: may hold anything); NULL when nothing is done. @return whether all are done; also when memory failed, and the tape has. */
bool lbi_attend_parts(const lbi_attend *a, uint8_t **done);
bool lbi_attend_parts_back(const lbi_attend *a, uint8_t **done);

#endif
