/* Python environments that a person has on this host, to choose from. Runs as that person. */
#ifndef TRANCHE_ENVIRONMENT_LIST_H
#define TRANCHE_ENVIRONMENT_LIST_H

#include "fs.h"

#define ENVIRONMENTS_MAX 50

enum environment_kind { ENVIRONMENT_CONDA, ENVIRONMENT_VENV, ENVIRONMENT_PYENV };

struct environment_found {
    enum environment_kind kind;
    char path[FS_PATH_BYTES]; /* the prefix: there is a bin/python in it */
};

/* Those of the folder first (.venv, venv, env), then conda's, then what lies where virtualenvwrapper, uv and pyenv put
 * theirs. Nothing is run and no folder is searched deeper than one level. How many. */
size_t environment_list(const char *folder, struct environment_found out[ENVIRONMENTS_MAX]);

const char *environment_kind_name(enum environment_kind kind);

#endif
