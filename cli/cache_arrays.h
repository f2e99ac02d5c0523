/* SPDX-License-Identifier: Apache-2.0 */
/* Features as arrays on their way to other programs. */
#ifndef LB_CLI_CACHE_ARRAYS_H
#define LB_CLI_CACHE_ARRAYS_H
#include <stdio.h>
#include "cli/cache_verbs.h"

typedef struct cli_exporter {
    lb_cache *c;
    int64_t *rows, count; /* rows that are good */
} cli_exporter;
LB_MUST_USE lb_status cli_exporter_open(cli_exporter *e, const char *from);
void cli_exporter_close(cli_exporter *e);

/* Takes bytes; a failure names the file. */
typedef struct cli_sink {
    lb_status (*put)(void *to, const void *bytes, size_t size);
    void *to;
} cli_sink;

/* One array: a tap (f32), a ragged tap's offsets (i64), or the keys. */
typedef enum cli_array_kind { CLI_ARRAY_TAP, CLI_ARRAY_OFFSETS, CLI_ARRAY_KEYS } cli_array_kind;
typedef struct cli_array {
    cli_array_kind kind;
    int tap;
    char name[128], descr[24];
    int rank;
    int64_t shape[LB_MAX_RANK + 1], width; /* width: elements of one position, or characters of a key */
} cli_array;
LB_MUST_USE lb_status cli_array_of(cli_array *a, cli_exporter *e, cli_array_kind kind, int tap);
int64_t cli_array_bytes(const cli_array *a); /* without a head */
/** Head and numbers of a .npy, or the numbers alone. */
LB_MUST_USE lb_status cli_array_write(cli_exporter *e, const cli_array *a, bool head, const cli_sink *to);

/** A file that is written beside its name, synced and renamed. */
LB_MUST_USE lb_status cli_write_file(const char *path, lb_status (*fill)(void *ctx, const cli_sink *to), void *ctx);

#endif
