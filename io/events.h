/* SPDX-License-Identifier: Apache-2.0 */
/* Event files of TensorBoard: numbers by tag and step. Records as TFRecord frames them (length, masked CRC-32C, bytes, masked CRC-32C), each an
 * Event message of tensorflow/core/util/event.proto with a Summary of simple values. Each record reaches the system as it is written; a killed
 * process leaves at most one cut record behind, which readers pass over. */
#ifndef LB_IO_EVENTS_H
#define LB_IO_EVENTS_H
#include "base/alloc.h"
LB_BEGIN

typedef struct lb_events lb_events; /* one thread at a time */

/** A new file in the folder (made where it is missing), named events.out.tfevents.<seconds>.<host>.<process>. @param wall seconds since 1970 */
LB_API LB_MUST_USE lb_status lb_events_open(lb_events **out, const char *folder, double wall);
/** The numbers of one step. Tags with '/' are grouped by what is in front of it. */
LB_API LB_MUST_USE lb_status lb_events_write(lb_events *e, double wall, int64_t step, int n, const char *const *tags, const double *values);
LB_API void lb_events_close(lb_events *e);

LB_END
#endif
