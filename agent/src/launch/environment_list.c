#include "launch/environment_list.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "env.h"
#include "fs.h"
#include "text.h"

#define CONDA_LIST_MAX_BYTES (64 * 1024)
#define FOLDER_ENTRIES_MAX 256 /* of a folder of environments that are looked at */

struct list {
    struct environment_found *out;
    size_t count;
};

const char *environment_kind_name(enum environment_kind kind)
{
    return kind == ENVIRONMENT_CONDA ? "conda" : kind == ENVIRONMENT_PYENV ? "pyenv" : "venv";
}

static void add(struct list *list, const char *path)
{
    char part[FS_PATH_BYTES];
    if (list->count == ENVIRONMENTS_MAX || path[0] != '/' || fs_join(part, path, "bin/python") != 0 ||
        access(part, X_OK) != 0)
        return;
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->out[i].path, path) == 0) return;
    struct environment_found *found = &list->out[list->count++];
    text_copy(found->path, sizeof found->path, path);
    found->kind = fs_join(part, path, "conda-meta") == 0 && access(part, F_OK) == 0 ? ENVIRONMENT_CONDA
                  : strstr(path, "/.pyenv/versions/")                               ? ENVIRONMENT_PYENV
                                                                                    : ENVIRONMENT_VENV;
}

static void add_below(struct list *list, const char *home, const char *name)
{
    char folder[FS_PATH_BYTES], path[FS_PATH_BYTES];
    if (fs_join(folder, home, name) != 0) return;
    DIR *dir = opendir(folder);
    if (!dir) return;
    size_t seen = 0;
    for (struct dirent *e = readdir(dir); e && seen < FOLDER_ENTRIES_MAX; e = readdir(dir), seen++)
        if (e->d_name[0] != '.' && fs_join(path, folder, e->d_name) == 0) add(list, path);
    closedir(dir);
}

/* conda and mamba write every environment that they make into this file. */
static void add_condas_own(struct list *list, const char *home)
{
    char path[FS_PATH_BYTES];
    char *data;
    size_t len;
    if (fs_join(path, home, ".conda/environments.txt") != 0 ||
        fs_read_file(path, CONDA_LIST_MAX_BYTES, &data, &len) != 0)
        return;
    char *rest = NULL;
    for (char *line = strtok_r(data, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) add(list, line);
    free(data);
}

size_t environment_list(const char *folder, struct environment_found out[ENVIRONMENTS_MAX])
{
    static const char *const here[] = {".venv", "venv", "env"};
    static const char *const condas[] = {"miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba"};
    static const char *const folders[] = {".virtualenvs", ".venvs", "venvs", ".pyenv/versions"};
    struct list list = {.out = out};
    char path[FS_PATH_BYTES];
    const char *home = getenv(ENV_HOME);
    for (size_t i = 0; i < sizeof here / sizeof here[0]; i++)
        if (fs_join(path, folder, here[i]) == 0) add(&list, path);
    if (!home || home[0] != '/') return list.count;
    add_condas_own(&list, home);
    for (size_t i = 0; i < sizeof condas / sizeof condas[0]; i++) {
        char envs[64];
        snprintf(envs, sizeof envs, "%s/envs", condas[i]);
        if (fs_join(path, home, condas[i]) == 0) add(&list, path);
        add_below(&list, home, envs);
    }
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) add_below(&list, home, folders[i]);
    return list.count;
}
