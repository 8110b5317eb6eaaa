#include "launch/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/detached.h"
#include "base/line.h"
#include "base/now.h"
#include "base/people.h"
#include "base/places.h"
#include "env.h"
#include "fs.h"
#include "json.h"
#include "state/agent_state.h"
#include "text.h"

#define RETRY_MS 20 /* between attempts while another agent is just starting */

/* REACH_REFUSED: somebody is there, and is not to be used; why says it. */
enum reach { REACH_OK, REACH_NOBODY, REACH_REFUSED };

static bool wants_agent_of, says_whose;
static uid_t agent_of;

void client_use_agent_of(uid_t uid)
{
    wants_agent_of = true;
    agent_of = uid;
}

void client_say_whose(void)
{
    says_whose = true;
}

/* "mira (uid 1000)" */
static const char *person(uid_t uid, char out[OWNER_BYTES + 24])
{
    const char *name = people_name_of(uid);
    if (name)
        snprintf(out, OWNER_BYTES + 24, "%s (uid %u)", name, (unsigned)uid);
    else
        snprintf(out, OWNER_BYTES + 24, "uid %u", (unsigned)uid);
    return out;
}

/* Who holds the address, as the kernel says: "mira (uid 1000), process 4711, python3". */
static void holder(const struct client *c, char *out, size_t cap)
{
    char path[64], comm[64], shown[64], who[OWNER_BYTES + 24];
    snprintf(path, sizeof path, "/proc/%ld/comm", (long)c->agent_pid);
    ssize_t n = fs_read_small(path, comm, sizeof comm);
    comm[n > 0 ? strcspn(comm, "\n") : 0] = '\0';
    text_sanitize(shown, sizeof shown, comm, strlen(comm));
    snprintf(out, cap, "%s is held by %s, process %ld%s%s", c->address, person(c->agent_uid, who), (long)c->agent_pid,
             shown[0] ? ", " : "", shown);
}

/* In a user namespace ids that are not in it look like this one, root's too. */
static bool in_user_namespace(void)
{
    char map[128];
    unsigned inside, outside, count;
    if (fs_read_small("/proc/self/uid_map", map, sizeof map) <= 0) return false;
    return sscanf(map, "%u %u %u", &inside, &outside, &count) != 3 || inside != 0 || outside != 0 ||
           count != UINT32_MAX;
}

static bool is_overflow(uid_t uid)
{
    char text[32];
    int64_t overflow = 65534;
    if (fs_read_small("/proc/sys/kernel/overflowuid", text, sizeof text) > 0) {
        text[strcspn(text, "\n")] = '\0';
        text_parse_integer(text, 0, UINT32_MAX, &overflow);
    }
    return uid == (uid_t)overflow;
}

static enum reach connect_to(struct client *c, const char *name, bool abstract, char *why, size_t cap)
{
    struct sockaddr_un address;
    socklen_t len = places_address(name, abstract, &address);
    struct timeval bound = {.tv_sec = CLIENT_REPLY_TIMEOUT_MS / 1000};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return REACH_NOBODY;
    struct ucred who;
    socklen_t who_len = sizeof who;
    /* Whoever holds an address and takes no connection lets others wait in connect(). */
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound);
    if (connect(fd, (struct sockaddr *)&address, len) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &who_len) != 0) {
        bool held = errno == EAGAIN;
        close(fd);
        if (held) snprintf(why, cap, "%s%s is held by a program that takes no connection.", abstract ? "@" : "", name);
        return held ? REACH_REFUSED : REACH_NOBODY;
    }
    c->fd = fd;
    c->agent_uid = who.uid;
    c->agent_pid = who.pid;
    return REACH_OK;
}

static enum reach refuse(struct client *c)
{
    close(c->fd);
    c->fd = -1;
    return REACH_REFUSED;
}

/* An agent of a user, on the address that is first come, first served. */
static enum reach judge_user_agent(struct client *c, char *why, size_t cap)
{
    char theirs[OWNER_BYTES + 24], wanted[OWNER_BYTES + 24];
    if (wants_agent_of && c->agent_uid != agent_of) {
        snprintf(why, cap, "The agent on this host is that of %s, not of %s. Nothing was done.",
                 person(c->agent_uid, theirs), person(agent_of, wanted));
        return refuse(c);
    }
    if (geteuid() == 0 && c->agent_uid != 0 && !wants_agent_of) {
        const char *name = people_name_of(c->agent_uid);
        snprintf(why, cap,
                 "The GPUs of this host are managed by an agent of %s. Root does not use it unawares: say --agent-of "
                 "%s to use it, or `tranche agent` to manage the host as root. Nothing was done.",
                 person(c->agent_uid, theirs), name ? name : "UID");
        return refuse(c);
    }
    return REACH_OK;
}

/* The private socket if a root is set, and nothing else then; the system's, if root answers there; the abstract one,
 * unless root has said that the host is its own. */
static enum reach reach(struct client *c, char *why, size_t cap)
{
    struct places places;
    char whom[OWNER_BYTES + 24];
    const char *root = getenv(ENV_ROOT);
    c->fd = -1;
    if (root && root[0]) {
        c->address = "the private socket";
        if (places_find(&places, why, cap) != 0) return REACH_REFUSED;
        enum reach private = connect_to(c, places.socket, false, why, cap);
        if (private != REACH_OK || !wants_agent_of || c->agent_uid == agent_of) return private;
        snprintf(why, cap, "The agent there is that of %s. Nothing was done.", person(c->agent_uid, whom));
        return refuse(c);
    }
    c->address = SYSTEM_SOCKET_PATH;
    if (connect_to(c, SYSTEM_SOCKET_PATH, false, why, cap) == REACH_OK) {
        if (c->agent_uid == 0 && (!wants_agent_of || agent_of == 0)) return REACH_OK;
        if (in_user_namespace() && is_overflow(c->agent_uid)) {
            snprintf(why, cap,
                     "You are in a user namespace (a rootless container), where root's agent cannot be told from "
                     "anybody else's, so that it is not used. Start the container by `tranche run` from outside, or "
                     "pass it what `tranche env` prints there.");
            return refuse(c);
        }
        refuse(c);
    }
    if (places_system_chosen() && !(geteuid() == 0 && wants_agent_of)) {
        snprintf(why, cap,
                 "Root's agent manages the GPUs of this host (" SYSTEM_MARK_PATH " says so), and it is not running. "
                 "No other one is started or used. Ask who administers this host to start it: systemctl start "
                 "tranche, or as root: tranche agent");
        return geteuid() == 0 ? REACH_NOBODY : REACH_REFUSED;
    }
    c->address = "@" ABSTRACT_SOCKET_NAME;
    enum reach user = connect_to(c, ABSTRACT_SOCKET_NAME, true, why, cap);
    return user == REACH_OK ? judge_user_agent(c, why, cap) : user;
}

static void tell_whose(const struct client *c)
{
    static bool told;
    char whom[OWNER_BYTES + 24];
    if (!says_whose || told || c->agent_uid == 0 || c->agent_uid == geteuid()) return;
    told = true;
    fprintf(stderr, "tranche: the GPUs of this host are managed by %s\n", person(c->agent_uid, whom));
}

static int read_verdict(int fd, char *verdict, size_t cap)
{
    size_t len = 0;
    int64_t deadline = now_mono_ms() + CLIENT_START_TIMEOUT_MS;
    while (len < cap - 1) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = deadline - now_mono_ms();
        if (left <= 0) return -1;
        int ready = poll(&p, 1, (int)left);
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) return -1;
        ssize_t n = read(fd, verdict + len, cap - 1 - len);
        if (n <= 0) break;
        len += (size_t)n;
    }
    verdict[len] = '\0';
    return 0;
}

int client_start_agent(char *why, size_t cap)
{
    int ends[2];
    char verdict[1024] = "";
    if (pipe(ends) != 0 || fcntl(ends[0], F_SETFD, FD_CLOEXEC) != 0) {
        snprintf(why, cap, "The agent could not be started: %s.", strerror(errno));
        return -1;
    }
    char number[16];
    snprintf(number, sizeof number, "%d", ends[1]);
    /* The agent must not run under a shim that its starter preloads. */
    const char *const words[] = {"tranche", "agent", "--foreground", "--ready-fd", number, NULL};
    int error = detached_start(words, ends[1], false);
    close(ends[1]);
    int result = error == 0 ? read_verdict(ends[0], verdict, sizeof verdict) : -1;
    close(ends[0]);
    verdict[strcspn(verdict, "\n")] = '\0';
    if (result == 0 && (strcmp(verdict, "ready") == 0 || strcmp(verdict, "taken") == 0)) return 0;
    if (error != 0)
        snprintf(why, cap, "The agent could not be started: no process could be made.");
    else if (result != 0)
        snprintf(why, cap, "The agent did not answer within %d s of its start.", CLIENT_START_TIMEOUT_MS / 1000);
    else
        snprintf(why, cap, "The agent could not be started: %s", verdict[0] ? verdict : "it ended at once.");
    return -1;
}

int client_open(struct client *client, bool may_start, char *why, size_t cap)
{
    memset(client, 0, sizeof *client);
    client->next_id = 1;
    enum reach reached = reach(client, why, cap);
    if (reached == REACH_OK) tell_whose(client);
    if (reached != REACH_NOBODY) return reached == REACH_OK ? 0 : -1;
    if (!may_start || (wants_agent_of && agent_of != geteuid())) {
        snprintf(why, cap, "No agent answers on this host.");
        return -1;
    }
    if (client_start_agent(why, cap) != 0) {
        size_t len = strlen(why);
        if (in_user_namespace() && len < cap) {
            snprintf(why + len, cap - len,
                     " You are in a user namespace (a rootless container): an agent outside of it is not seen from "
                     "here as whose it is; start the container by `tranche run` instead.");
        }
        return -1;
    }
    /* "taken" can mean one that was started at the same moment and listens in an instant. */
    int64_t deadline = now_mono_ms() + CLIENT_START_TIMEOUT_MS;
    while ((reached = reach(client, why, cap)) == REACH_NOBODY && now_mono_ms() < deadline) poll(NULL, 0, RETRY_MS);
    if (reached == REACH_OK) tell_whose(client);
    if (reached == REACH_NOBODY) snprintf(why, cap, "The agent was started but does not answer.");
    return reached == REACH_OK ? 0 : -1;
}

void client_close(struct client *client)
{
    if (client->fd >= 0) close(client->fd);
    free(client->buf);
    memset(client, 0, sizeof *client);
    client->fd = -1;
}

static int send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

int client_introduce(int fd)
{
    char exe[FS_PATH_BYTES], shim[FS_PATH_BYTES];
    if (places_own_exe(exe) != 0 || places_shim_for(exe, shim) != 0) return 0;
    struct json_writer w;
    json_writer_init(&w, REQUEST_LINE_MAX_BYTES);
    json_open(&w, '{');
    json_put_text(&w, "op", "introduce");
    json_put_text(&w, "shimPath", shim);
    /* "client-address port server-address port", as sshd sets it; a claim, because anybody may set it. */
    const char *ssh = getenv(ENV_SSH_CONNECTION);
    char from[72];
    if (ssh && strcspn(ssh, " ") > 0) {
        text_sanitize(from, sizeof from, ssh, strcspn(ssh, " "));
        json_put_text(&w, "from", from);
    }
    json_end_line(&w);
    int result = w.failed ? -1 : send_all(fd, w.data, w.len);
    json_writer_free(&w);
    return result;
}

/* Drops the line before and reads the next one into the buffer. */
static int read_line(struct client *c, int64_t deadline, char **line, size_t *len, char *why, size_t cap)
{
    for (;;) {
        char *newline = c->len > 0 ? memchr(c->buf, '\n', c->len) : NULL;
        if (newline) {
            *line = c->buf;
            *len = (size_t)(newline - c->buf);
            *newline = '\0';
            return 0;
        }
        if (c->len == c->cap) {
            size_t size = c->cap ? c->cap * 2 : 16 * 1024;
            char *buf = size <= AGENT_LINE_MAX_BYTES * 2 ? realloc(c->buf, size) : NULL;
            if (!buf) {
                snprintf(why, cap, "The agent sent a line that is too long.");
                return -1;
            }
            c->buf = buf;
            c->cap = size;
        }
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        int64_t left = deadline - now_mono_ms();
        int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) {
            char by[256];
            holder(c, by, sizeof by);
            snprintf(why, cap, "The agent did not answer within %d s: %s.", CLIENT_REPLY_TIMEOUT_MS / 1000, by);
            return -1;
        }
        ssize_t n = recv(c->fd, c->buf + c->len, c->cap - c->len, 0);
        if (n <= 0) {
            snprintf(why, cap, "The agent ended the connection.");
            return -1;
        }
        c->len += (size_t)n;
    }
}

static void drop_line(struct client *c, size_t len)
{
    memmove(c->buf, c->buf + len + 1, c->len - len - 1);
    c->len -= len + 1;
}

static bool line_matches(const char *line, size_t len, const char *key, const char *wanted)
{
    struct json_span value, object = {line, line + len};
    size_t n = strlen(wanted);
    return json_member(object, key, &value) == 0 && (size_t)(value.end - value.start) == n &&
           memcmp(value.start, wanted, n) == 0;
}

static int wait_for(struct client *c, const char *key, const char *wanted, char **line, size_t *len, char *why,
                    size_t cap)
{
    int64_t deadline = now_mono_ms() + CLIENT_REPLY_TIMEOUT_MS;
    for (;;) {
        if (c->taken > 0) drop_line(c, c->taken - 1);
        c->taken = 0;
        if (read_line(c, deadline, line, len, why, cap) != 0) return -1;
        c->taken = *len + 1;
        if (line_matches(*line, *len, key, wanted)) return 0;
    }
}

int client_ask(struct client *client, const char *op, const struct json_writer *fields, char **line, size_t *len,
               char *why, size_t cap)
{
    struct json_writer w;
    char id[24];
    snprintf(id, sizeof id, "%lld", (long long)client->next_id);
    json_writer_init(&w, REQUEST_LINE_MAX_BYTES);
    json_open(&w, '{');
    json_put_integer(&w, "id", client->next_id++);
    json_put_text(&w, "op", op);
    if (fields && fields->len > 0) {
        json_raw(&w, ",", 1);
        json_raw(&w, fields->data, fields->len);
    }
    json_end_line(&w);
    int result = w.failed ? -1 : send_all(client->fd, w.data, w.len);
    json_writer_free(&w);
    if (result != 0) {
        snprintf(why, cap, "The request could not be sent to the agent.");
        return -1;
    }
    return wait_for(client, "id", id, line, len, why, cap);
}

int client_event(struct client *client, const char *kind, char **line, size_t *len, char *why, size_t cap)
{
    char wanted[32];
    snprintf(wanted, sizeof wanted, "\"%s\"", kind);
    return wait_for(client, "ev", wanted, line, len, why, cap);
}
