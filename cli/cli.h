/* SPDX-License-Identifier: Apache-2.0 */
/* The command: verbs are a family (cli/verbs/<id>.c, one line in cli/verbs.def). Options come from the verb's parameter table, so do
 * --help, completion and the man page. Exit codes: 0 done, 1 failed, 2 usage, 3 stopped and resumable. */
#ifndef LB_CLI_CLI_H
#define LB_CLI_CLI_H
#include "base/log.h"
#include "base/progress.h"
#include "base/registry.h"
#include "base/value.h"

typedef struct lb_cli {
    bool json, quiet;
    int threads;
    uint64_t seed;
    lb_progress progress; /* show is set unless quiet; stop is wired to SIGINT, SIGTERM, SIGUSR1 */
    int nwords;           /* positional words after the verb */
    const char *const *words;
} lb_cli;

typedef struct lb_verb {
    LB_HEAD;              /* params: options into the verb's struct; common ones (--json, --quiet, --threads, --seed, --help) are added */
    const char *usage;    /* "train RECIPE.yaml [--set a.b=v ...]" */
    const char *help;     /* a paragraph and examples */
    int min_words, max_words; /* -1 = any */
    /* Results on cli_out (stdout), messages on stderr through lb_say. A status of LB_E_CANCELLED is exit 3, LB_E_ARG raised
     * with cli_usage is exit 2, any other failure exit 1 with its message printed once. */
    lb_status (*run)(lb_cli *cli, void *options);
} lb_verb;
#define LB_VERB(name) const lb_verb lb_verb_##name
extern const lb_family lb_verbs;

/** A usage error: exit 2. */
LB_MUST_USE lb_status cli_usage(const char *fmt, ...) LB_PRINTF(1, 2);
bool cli_was_usage(void);
/** Everything printed so far reached the system. */
LB_MUST_USE lb_status cli_flush(void);
/** Prints one JSON object as a line on stdout (with --json) . */
LB_MUST_USE lb_status cli_json(const lb_value *v);
/** Writes indented JSON with a line end into a file, by rename. */
LB_MUST_USE lb_status cli_json_file(const char *path, const lb_value *v);
/** Bytes on stdout as they are. LB_E_IO when it is closed. */
LB_MUST_USE lb_status cli_write(const void *bytes, size_t size);
/** A number of bytes in a unit that shows digits ("812 bytes", "4.0 kB", "1.2 TB"); "unknown" when negative. @return text */
const char *cli_bytes(char text[24], int64_t bytes);
/** Prints a line on stdout. LB_E_IO when stdout is closed. */
LB_MUST_USE lb_status cli_print(const char *fmt, ...) LB_PRINTF(1, 2);

#endif
