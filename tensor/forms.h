/* SPDX-License-Identifier: Apache-2.0 */
/* Forms in which kernels want to read a tensor that does not change (lb_tensor_fix): packed weights and the like. They go with the tensor. Private to
 * tensor/. Any thread. */
#ifndef LB_TENSOR_FORMS_H
#define LB_TENSOR_FORMS_H
#include "tensor/tensor.h"

typedef enum lbi_form_kind { LBI_FORM_LAST = 1, LBI_FORM_WINOGRAD, LBI_FORM_LAST_BF16, LBI_FORM_LAST_PARTS, LBI_FORM_F32, LBI_FORM_BF16, LBI_FORM_INT8 } lbi_form_kind;

/** That form of x, `detail` being whatever else it depends on; NULL: x is not fixed, or it is not made yet. Then the caller makes it and calls lbi_form_keep, for
 *  which other threads that ask wait. */
void *lbi_form_find(const lb_tensor *x, lbi_form_kind kind, int64_t detail);
/** Keeps what was made, from lb_alloc_aligned, for a fixed x; NULL: nothing was. @return the form, which is x's from now on; NULL: there is none. */
void *lbi_form_keep(const lb_tensor *x, lbi_form_kind kind, int64_t detail, void *take_form);

#endif
