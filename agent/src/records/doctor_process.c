/* Is the shim active in a process? The person who asks looks, with their own rights: `tranche doctor --pid` and
 * `tranche attach`. Never the agent, which may be root and would look into anything for anybody. Only files of /proc
 * are opened; what the process says in its environment is compared and told, and no path from it is followed. */

#include "records/doctor_process.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "env.h"
#include "records/doctor.h"

#define ENVIRON_MAX_BYTES (1u << 20)

/* Finds NAME=value in the NUL-separated environment. */
static const char *find_variable(const char *environment, size_t len, const char *name)
{
    size_t n = strlen(name);
    for (size_t at = 0; at < len; at += strlen(environment + at) + 1)
        if (strncmp(environment + at, name, n) == 0 && environment[at + n] == '=') return environment + at + n + 1;
    return NULL;
}

/* Files of /proc have no size: read until they end. */
static int read_proc(pid_t pid, const char *what, char **data, size_t *len)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%ld/%s", (long)pid, what);
    FILE *file = fopen(path, "re");
    if (!file) return errno;
    char *buf = malloc(ENVIRON_MAX_BYTES + 1);
    size_t n = buf ? fread(buf, 1, ENVIRON_MAX_BYTES, file) : 0;
    int error = !buf ? ENOMEM : ferror(file) ? EIO : 0;
    fclose(file);
    if (error != 0) {
        free(buf);
        return error;
    }
    buf[n] = '\0';
    *data = buf;
    *len = n;
    return 0;
}

static void explain_environment(const struct doctor *doctor, pid_t pid)
{
    char *environment;
    size_t len;
    int error = read_proc(pid, "environ", &environment, &len);
    if (error != 0) {
        doctor_say(doctor, "process-environment", DOCTOR_NOTE, "The environment of process %ld cannot be read (%s).",
                   (long)pid, strerror(error));
        return;
    }
    const char *preload = find_variable(environment, len, "LD_PRELOAD");
    const char *slices = find_variable(environment, len, ENV_SLICES);
    const char *disabled = find_variable(environment, len, ENV_DISABLE);
    if (!slices) {
        doctor_say(doctor, "process-no-slice", DOCTOR_WARNING,
                   "Process %ld was not started by `tranche run` (" ENV_SLICES " is not set): it is not limited.",
                   (long)pid);
    } else if (!preload || !strstr(preload, "libtranche.so")) {
        doctor_say(doctor, "process-no-preload", DOCTOR_WARNING,
                   "Process %ld was meant for a slice, but LD_PRELOAD does not name libtranche.so: something between "
                   "`tranche run` and it changed the environment (sudo, a container, a wrapper).",
                   (long)pid);
    } else {
        doctor_say(
            doctor, "process-not-loaded", DOCTOR_WARNING,
            "LD_PRELOAD names the library, but process %ld has not loaded it: the program is statically linked, "
            "set-user-id, of another architecture, or the file was missing when it started.",
            (long)pid);
    }
    if (disabled && strcmp(disabled, "1") == 0) {
        doctor_say(doctor, "process-disabled", DOCTOR_WARNING,
                   ENV_DISABLE "=1 is set for process %ld: nothing is limited.", (long)pid);
    }
    free(environment);
}

void doctor_process(const struct doctor *doctor, pid_t pid, enum doctor_entry entry)
{
    char *maps;
    size_t len;
    int error = read_proc(pid, "maps", &maps, &len);
    if (error != 0) {
        doctor_say(doctor, "process-unreadable", DOCTOR_NOTE,
                   "Process %ld cannot be looked into (%s): run `tranche doctor --pid %ld` as its owner.", (long)pid,
                   strerror(error), (long)pid);
        return;
    }
    bool loaded = strstr(maps, "/libtranche.so");
    bool stale = strstr(maps, "/libtranche.so (deleted)");
    bool cuda = strstr(maps, "/libcuda.so");
    free(maps);
    if (loaded && cuda && entry == DOCTOR_ENTRY_NONE) {
        doctor_say(doctor, "process-bypasses", DOCTOR_WARNING,
                   "The library is loaded in process %ld, and so is the CUDA driver, but nothing has gone through the "
                   "library: the program reached the driver past it (RTLD_DEEPBIND, dlmopen, its own loader), or has "
                   "not used the GPU yet. What it does so is not limited.",
                   (long)pid);
    } else if (loaded) {
        doctor_say(doctor, "process-shim", DOCTOR_OK, "The library is loaded in process %ld%s.", (long)pid,
                   cuda ? ", and the CUDA driver too" : "; it has not opened the CUDA driver yet");
    } else {
        explain_environment(doctor, pid);
    }
    if (stale) {
        doctor_say(doctor, "process-shim-old", DOCTOR_NOTE,
                   "Process %ld runs with a version of the library that was removed since; restart it to renew.",
                   (long)pid);
    }
}
