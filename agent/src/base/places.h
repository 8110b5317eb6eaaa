/* Where everything is on this host (docs/protocol.md section 1). Decided once, from uid, environment and file systems. */
#ifndef TRANCHE_PLACES_H
#define TRANCHE_PLACES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

#include "fs.h"

#define ABSTRACT_SOCKET_NAME "tranche-agent"
#define SYSTEM_SOCKET_PATH "/run/tranche/agent.sock"
/* Written by root's agent: from then on, and after a reboot, nobody else's manages this host. */
#define SYSTEM_MARK_PATH "/etc/tranche/system"

enum scope { SCOPE_USER, SCOPE_SYSTEM, SCOPE_ROOT };

struct places {
    enum scope scope;
    uid_t uid;
    bool abstract_socket;
    char root[FS_PATH_BYTES];    /* TRANCHE_ROOT, or "" */
    char socket[108];            /* a path, or the abstract name without its leading NUL */
    char state[FS_PATH_BYTES];   /* slices, journal, history, lock, log */
    char runtime[FS_PATH_BYTES]; /* policy/ usage/ board/; "" until places_open_runtime */
    char machine_id[40];
    char boot_id[40];
};

/* Fills everything but runtime; makes nothing. 0, or -1 with a sentence in why. */
int places_find(struct places *places, char *why, size_t cap);

/* Has root said that its agent manages this host? True also while that agent is not running. */
bool places_system_chosen(void);
/* Says so, as root. 0 or errno. */
int places_choose_system(void);

/* Makes the state directory. 0, or -1 with a sentence. */
int places_open_state(struct places *places, char *why, size_t cap);

/* Chooses (the one used before, while it is usable; where somebody has taken the usual name, one with a random end) and
 * makes the runtime directory with its three folders, so that tenants can pass but not list; records the choice in the state directory. 0, or -1 with a sentence. */
int places_open_runtime(struct places *places, char *why, size_t cap);

/* Makes its folders again, if somebody removed them: 0 or errno. */
int places_make_runtime(const struct places *places);

/* The runtime directory is a file system of its own: whoever fills it fills nothing else. */
bool places_runtime_is_alone(const struct places *places);

/* Below it: a file for each slice whose limit the driver keeps by a control group, of the slice's id. */
#define KERNEL_LIMIT_FOLDER "kernel"

/* Reads the recorded runtime directory without making anything. 0 or -1. */
int places_recorded_runtime(struct places *places);

/* True when files of this user in /dev/shm outlive the last logout. */
bool places_shm_is_kept(uid_t uid, const char *user);

/* The address of an agent socket. Returns its length. */
socklen_t places_address(const char *name, bool abstract, struct sockaddr_un *address);

/* The path that LD_PRELOAD should name, for the program at exe: BIN/current/libtranche.so when exe is in BIN/VERSION,
 * else beside exe. Empty and -1 when there is none. */
int places_shim_for(const char *exe, char out[FS_PATH_BYTES]);

/* Own executable. */
int places_own_exe(char out[FS_PATH_BYTES]);

#endif
