/* SPDX-License-Identifier: Apache-2.0 */
/* Networks of sound. Their input `audio` is what audio/prepare.h makes of samples: a log-mel or the wave. */
#ifndef LB_AUDIO_ARCHS_H
#define LB_AUDIO_ARCHS_H
#include "nn/model.h"
LB_BEGIN

extern LB_API const lb_family lb_audio_archs;

/** Whole numbers of "2,2,6,2". @return how many, at most `most`; -1 when it reads otherwise or has more */
LB_API int lb_numbers_of(int64_t *out, int most, const char *text);
/** A list of whole numbers in an outside config as such a text; absent: the row stays. */
LB_API LB_MUST_USE lb_status lb_numbers_from_config(const lb_param *row, void *cfg, const lb_value *config);

LB_END
#endif
