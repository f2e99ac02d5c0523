/* SPDX-License-Identifier: Apache-2.0 */
/* What the clients of a federation send in a round, as a feature file of the run: uploads/round-00003.h5, readable as any cache. */
#ifndef LB_CLI_UPLOADS_H
#define LB_CLI_UPLOADS_H
#include "distill/trainer.h"

typedef struct cli_uploads cli_uploads;
/** @param folder  the run's
 *  @param recipe  resolved: its hash stands in the files, and those of another run are refused */
LB_MUST_USE lb_status cli_uploads_open(cli_uploads **out, const char *folder, const lb_value *recipe);
void cli_uploads_close(cli_uploads *u);
/** For lb_train_spec.uploads; valid until it is closed. */
const lb_uploads *cli_uploads_of(const cli_uploads *u);

#endif
