/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of weight files, remembered between runs in lb_home()/.hashes, as long as the file is the same: device, inode, size, times of its content and of its
 * inode, which cannot be set back. Losing a memo costs a pass over the file. Any thread. */
#ifndef LB_CLI_HASH_MEMO_H
#define LB_CLI_HASH_MEMO_H
#include <stdbool.h>

/** @return false: not known */
bool cli_hash_recall(char out[65], const char *file);
/** Of a file that has not changed for two seconds, so that a clock's step hides no change; others are not kept. Failures are no matter. */
void cli_hash_keep(const char *file, const char sha256[65]);

#endif
