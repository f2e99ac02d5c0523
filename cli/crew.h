/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that a launcher (mpirun, srun) started together, for training (distill/trainer.h: lb_crew), by MPI where the build has it. */
#ifndef LB_CLI_CREW_H
#define LB_CLI_CREW_H
#include "distill/trainer.h"

/** This process's place among those that a launcher started, from what Slurm and MPI launchers put into the environment. @return false when there is none */
bool cli_launched(int64_t *rank, int64_t *count);
/** Joins them. Count 1 and nothing done without a launcher; LB_E_UNSUPPORTED where there are several and the build has no MPI. */
LB_MUST_USE lb_status cli_crew_open(lb_crew *out);
/** Leaves them: st LB_OK and LB_E_CANCELLED are everybody's; after another failure the message is said and all processes end. */
void cli_crew_close(const lb_crew *crew, lb_status st);
/** Waits for everybody. */
LB_MUST_USE lb_status cli_crew_wait(const lb_crew *crew);
/** "Open MPI v4.1.4", as text for people; NULL without MPI. */
const char *cli_crew_library(void);

#endif
