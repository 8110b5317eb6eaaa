/* The environment that a person's shell makes: what conda, venv, pyenv and modules set up in .bashrc, .zshrc and the like
 * is there in an interactive login shell only, and a command that was started from a window would not find that person's
 * Python without it. Asked of the shell once, in bounded time, and kept for the next time. Everything here runs as that
 * person; nothing in it is thread-safe. */
#ifndef TRANCHE_ENVIRONMENT_H
#define TRANCHE_ENVIRONMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fs.h"

#define ENVIRONMENT_WAIT_MS 10000           /* for a shell's own files; then it is done without */
#define ENVIRONMENT_MAX_BYTES (1024 * 1024) /* of one that is believed */
#define ENVIRONMENT_AGE_MS (60 * 60 * 1000) /* older ones are asked for anew, whatever the shell's files say */

struct environment {
    char *data; /* NAME=value, NUL after each; NULL: none */
    size_t len;
    bool kept;       /* from an earlier time */
    int64_t took_ms; /* else: how long the shell took */
};

/* 0, or -1 with a sentence on why the shell said nothing. Frees nothing of *out before. */
int environment_of_shell(struct environment *out, char *why, size_t cap);
void environment_free(struct environment *environment);

/* Makes it this process's own, but for what `tranche run` has set and what belongs to this very session. 0 or ENOMEM. */
int environment_apply(const struct environment *environment);

/* So that `tranche` is found, whatever the shell's files did to PATH: the folder of this executable behind all others.
 * 0 or ENOMEM. */
int environment_add_own_folder(void);

/* What an interactive bash is to read in place of ~/.bashrc: that, and then the same for the PATH that it made. 0, or -1. */
int environment_bashrc(char path[FS_PATH_BYTES]);

/* As `activate` of a venv or of conda would: prefix/bin first. 0, or -1 with a sentence. */
int environment_activate(const char *prefix, char *why, size_t cap);

/* `tranche in-shell` and what it starts: they return the exit status. */
int command_in_shell(int argc, char **argv);
int command_print_environment(int argc, char **argv);

#endif
