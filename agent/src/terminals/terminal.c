#include "terminals/terminal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/detached.h"
#include "base/failure.h"
#include "base/now.h"
#include "fs.h"
#include "json.h"
#include "text.h"

#define RECORD_MAX_BYTES 1024
#define BACKLOG (2 * TERMINAL_VIEWERS_MAX)
#define FOLDERS_SEEN_MAX (4 * TERMINALS_MAX)

bool terminal_id_is_good(const char *id)
{
    return strncmp(id, "t-", 2) == 0 && strlen(id) == 18 && strspn(id + 2, "0123456789abcdef") == 16;
}

/* ---- record --------------------------------------------------------------------------------------------- */

static void put_record(struct json_writer *w, const struct terminal_record *r)
{
    json_open(w, '{');
    json_put_text(w, "terminalId", r->id);
    json_put_text(w, "sliceId", r->slice_id);
    json_put_integer(w, "startedAtMs", r->started_at_ms);
    json_put_known(w, "endedAtMs", r->ended_at_ms > 0, r->ended_at_ms);
    json_put_known(w, "exitCode", r->exit_code >= 0, r->exit_code);
    json_put_known(w, "signal", r->signal > 0, r->signal);
    json_close(w, '}');
}

int terminal_record_save(const char *directory, const struct terminal_record *record)
{
    struct json_writer w;
    json_writer_init(&w, RECORD_MAX_BYTES);
    put_record(&w, record);
    json_raw(&w, "\n", 1);
    int error = w.failed ? ENOMEM : fs_write_atomic(directory, "terminal", w.data, w.len, 0600, false);
    json_writer_free(&w);
    return error;
}

static int load_record(const char *directory, struct terminal_record *r)
{
    char path[FS_PATH_BYTES], line[RECORD_MAX_BYTES];
    struct json_object o;
    const char *why, *id = "", *slice_id = "";
    if (fs_join(path, directory, "terminal") != 0 || fs_read_small(path, line, sizeof line) <= 0) return -1;
    if (json_parse_flat(line, strcspn(line, "\n"), &o, &why) != 0) return -1;
    *r = (struct terminal_record){.exit_code = -1};
    if (json_get_text(&o, "terminalId", &id) != 1 || json_get_text(&o, "sliceId", &slice_id) != 1 ||
        json_get_integer(&o, "startedAtMs", 0, JSON_INTEGER_MAX, &r->started_at_ms) != 1 ||
        json_get_integer(&o, "endedAtMs", 0, JSON_INTEGER_MAX, &r->ended_at_ms) < 0 ||
        json_get_integer(&o, "exitCode", 0, 255, &r->exit_code) < 0 ||
        json_get_integer(&o, "signal", 0, 127, &r->signal) < 0)
        return -1;
    return text_copy(r->id, sizeof r->id, id) && text_copy(r->slice_id, sizeof r->slice_id, slice_id) ? 0 : -1;
}

/* ---- socket --------------------------------------------------------------------------------------------- */

/* A home folder may be deeper than an address is long: the folder is named by a descriptor of ours. Returns it, or -1
 * with errno. */
static int address_in(const char *directory, struct sockaddr_un *address)
{
    int fd = open(directory, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/socket", fd);
    return fd;
}

/* Packets, because then a line is there whole or not at all. Returns the descriptor, or -1 with errno. */
static int socket_in(const char *directory, bool listens)
{
    struct sockaddr_un address;
    int folder = address_in(directory, &address);
    if (folder < 0) return -1;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const struct sockaddr *to = (const struct sockaddr *)&address;
    bool good = fd >= 0 && (listens ? bind(fd, to, sizeof address) == 0 && listen(fd, BACKLOG) == 0
                                    : connect(fd, to, sizeof address) == 0);
    int error = errno;
    if (!good && fd >= 0) close(fd);
    close(folder);
    errno = error;
    return good ? fd : -1;
}

/* A socket that nobody listens on any more refuses; one whose holder is busy does not. */
static bool is_held(const char *directory)
{
    int fd = socket_in(directory, false);
    if (fd >= 0) close(fd);
    return fd >= 0 || errno == EAGAIN;
}

int terminal_connect(const char *id, struct failure *failure)
{
    char directory[FS_PATH_BYTES];
    struct ucred peer;
    socklen_t len = sizeof peer;
    int fd = detached_folder_of(TERMINALS, id, directory) == 0 ? socket_in(directory, false) : -1;
    if (fd >= 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == getuid()) return fd;
    if (fd >= 0) close(fd);
    return fail(failure, "unknown-terminal",
                "Your account on this host has no such terminal: it was closed, or its process was ended (a logout, a "
                "restart of the host, or kill).");
}

/* ---- list ----------------------------------------------------------------------------------------------- */

static int oldest_first(const void *a, const void *b)
{
    int64_t x = ((const struct terminal_record *)a)->started_at_ms;
    int64_t y = ((const struct terminal_record *)b)->started_at_ms;
    return x < y ? -1 : x > y ? 1 : 0;
}

/* What has a holder; the folders of the others are removed. */
static size_t find_held(const char *terminals, struct terminal_record held[FOLDERS_SEEN_MAX])
{
    char path[FS_PATH_BYTES];
    size_t count = 0;
    DIR *dir = opendir(terminals);
    if (!dir) return 0;
    for (struct dirent *e = readdir(dir); e && count < FOLDERS_SEEN_MAX; e = readdir(dir)) {
        if (!terminal_id_is_good(e->d_name) || fs_join(path, terminals, e->d_name) != 0) continue;
        if (is_held(path) && load_record(path, &held[count]) == 0)
            count++;
        else
            detached_folder_remove(path);
    }
    closedir(dir);
    qsort(held, count, sizeof *held, oldest_first);
    return count;
}

/* One at a time: a folder that is being made is not taken for one that was left behind, and the cap is exact. The lock
 * is held for milliseconds. Returns a descriptor to close, or -1 with errno. */
static int lock_folders(const char *terminals)
{
    int fd = open(terminals, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -1;
    while (flock(fd, LOCK_EX) != 0) {
        if (errno == EINTR) continue;
        close(fd);
        return -1;
    }
    return fd;
}

int terminal_list(struct json_writer *w, struct failure *failure)
{
    struct terminal_record held[FOLDERS_SEEN_MAX];
    char terminals[FS_PATH_BYTES], why[FS_PATH_BYTES + 128];
    if (detached_folders_find(TERMINALS, terminals, why, sizeof why) != 0) return fail(failure, "internal", "%s", why);
    int lock = lock_folders(terminals);
    if (lock < 0 && errno != ENOENT)
        return fail(failure, "internal", "The folder %s cannot be read: %s.", terminals, strerror(errno));
    size_t count = lock >= 0 ? find_held(terminals, held) : 0;
    if (lock >= 0) close(lock);
    json_open(w, '[');
    for (size_t i = 0; i < count; i++) put_record(w, &held[i]);
    json_close(w, ']');
    return 0;
}

/* ---- start ---------------------------------------------------------------------------------------------- */

static int start_holder(const struct terminal_record *r, const char *directory, int64_t columns, int64_t rows)
{
    char numbers[3][16];
    int fd = socket_in(directory, true);
    if (fd < 0) return errno;
    int error = terminal_record_save(directory, r);
    if (error == 0) {
        fcntl(fd, F_SETFD, 0);
        snprintf(numbers[0], sizeof numbers[0], "%d", fd);
        snprintf(numbers[1], sizeof numbers[1], "%d", (int)columns);
        snprintf(numbers[2], sizeof numbers[2], "%d", (int)rows);
        const char *const words[] = {"tranche",  "terminal", "hold",     r->id, r->slice_id,
                                     numbers[0], numbers[1], numbers[2], NULL};
        error = detached_start(words, fd, true);
    }
    close(fd);
    return error;
}

int terminal_start(struct terminal_record *record, int64_t columns, int64_t rows, struct failure *failure)
{
    struct terminal_record held[FOLDERS_SEEN_MAX];
    char terminals[FS_PATH_BYTES], directory[FS_PATH_BYTES], why[FS_PATH_BYTES + 128];
    uint64_t number;
    if (detached_folders_make(TERMINALS, terminals, why, sizeof why) != 0)
        return fail(failure, "state-not-saved", "%s", why);
    int lock = lock_folders(terminals);
    if (lock >= 0 && find_held(terminals, held) >= TERMINALS_MAX) {
        close(lock);
        return fail(failure, "too-many-terminals",
                    "You have %d terminals on this host already, and no more are kept. Close one, then try again.",
                    TERMINALS_MAX);
    }
    int error = lock >= 0 ? fs_random(&number, sizeof number) : errno;
    if (error == 0) {
        snprintf(record->id, sizeof record->id, "t-%016llx", (unsigned long long)number);
        record->started_at_ms = now_wall_ms();
        record->exit_code = -1;
        error = fs_join(directory, terminals, record->id) == 0 && mkdir(directory, 0700) == 0 ? 0 : errno;
        if (error == 0) error = start_holder(record, directory, columns, rows);
        if (error != 0) detached_folder_remove(directory);
    }
    if (lock >= 0) close(lock);
    if (error == 0) return 0;
    return fail(failure, "internal", "The terminal could not be started in %s: %s. Nothing was left there.", terminals,
                strerror(error));
}
