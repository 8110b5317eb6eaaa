#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/accounts.h"
#include "base/groups.h"
#include "base/line.h"
#include "base/now.h"
#include "base/people.h"
#include "base/places.h"
#include "base/procs.h"
#include "base/version.h"
#include "cards/escapes.h"
#include "cards/faults.h"
#include "cards/gate_proofs.h"
#include "cards/gpus.h"
#include "cards/concurrent.h"
#include "cards/doorman.h"
#include "cards/sample.h"
#include "fs.h"
#include "gpu/gpu.h"
#include "jobs/jobs.h"
#include "jobs/jobs_plan.h"
#include "jobs/jobs_store.h"
#include "journal/audit.h"
#include "journal/notices.h"
#include "json.h"
#include "log.h"
#include "records/history.h"
#include "records/hours.h"
#include "slices/edit_forget.h"
#include "slices/kernel_limit.h"
#include "slices/kernel_proof.h"
#include "slices/owners.h"
#include "slices/policy.h"
#include "slices/scope_upkeep.h"
#include "slices/scopes.h"
#include "slices/upkeep.h"
#include "state/agent_state.h"
#include "state/door_settings.h"
#include "state/escape_rule.h"
#include "state/operators.h"
#include "state/peer.h"
#include "state/quota.h"
#include "state/settings.h"
#include "state/slice_store.h"
#include "text.h"
#include "wire/events.h"
#include "wire/peers.h"

#define LISTEN_BACKLOG 64
#define EVENTS_AT_ONCE 32
#define STEP_ASIDE_CHECK_MS 5000
#define HOLDER_ANSWER_S 5 /* for whoever holds our address to show that it is an agent */
#define FILES_WANTED 8192 /* a slice has two open, a process one */
#define FILES_NEEDED 128
#define REFUSED_TOLD_MS 60000
#define GOODBYE_MS 500 /* how long clients may take to read the last lines */
#define PEOPLE_INTERVAL_MS 5000
#define PROC_UNUSED_MS 5000
#define DEATHS_INTERVAL_MS 25    /* many deaths in a row share one look */
#define FRESH_MS 90              /* a look this young is as good as a new one, */
#define FRESH_FOR_HISTORY_MS 600 /* and what subscribers at 2 Hz saw is good enough for a record of one second */

/* ---- getting the address -------------------------------------------------------------------------------- */

static bool system_agent_answers(void)
{
    struct sockaddr_un address;
    socklen_t len = places_address(SYSTEM_SOCKET_PATH, false, &address);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return false;
    /* EAGAIN: it is there, and has many connections to take. */
    bool answers = connect(fd, (struct sockaddr *)&address, len) == 0 || errno == EAGAIN;
    close(fd);
    return answers;
}

enum claim { CLAIM_OURS, CLAIM_TAKEN, CLAIM_FAILED };

/* One agent per state directory: a lock that is held for life and that the kernel drops with the process. Whoever
 * has it may remove a socket that a killed agent left behind, and nobody else does. */
static enum claim claim_state(struct agent *agent, char *why, size_t cap)
{
    char path[FS_PATH_BYTES];
    if (fs_join(path, agent->places.state, "agent.lock") != 0) return CLAIM_FAILED;
    agent->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (agent->lock_fd < 0) {
        snprintf(why, cap, "%s: %s.", path, strerror(errno));
        return CLAIM_FAILED;
    }
    if (flock(agent->lock_fd, LOCK_EX | LOCK_NB) == 0) {
        /* For people who wonder which process it is; nothing reads it. */
        if (ftruncate(agent->lock_fd, 0) == 0) dprintf(agent->lock_fd, "%ld\n", (long)getpid());
        return CLAIM_OURS;
    }
    if (errno == EWOULDBLOCK) return CLAIM_TAKEN;
    snprintf(why, cap, "%s cannot be locked: %s.", path, strerror(errno));
    return CLAIM_FAILED;
}

/* Who holds our address: an agent answers, whatever it answers; a program that only sits there does not. */
static enum claim judge_holder(const struct sockaddr_un *address, socklen_t len, char *why, size_t cap)
{
    static const char question[] = "{\"id\":1,\"op\":\"unsubscribe\"}\n";
    struct ucred who = {.pid = 0};
    socklen_t who_len = sizeof who;
    struct timeval bound = {.tv_sec = HOLDER_ANSWER_S};
    char answer;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return CLAIM_TAKEN;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &bound, sizeof bound);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
    int connected = connect(fd, (const struct sockaddr *)address, len);
    /* One that has the address and does not listen yet is just starting. */
    bool starts = connected != 0 && errno != EAGAIN;
    bool answers = connected == 0 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &who_len) == 0 &&
                   send(fd, question, sizeof question - 1, MSG_NOSIGNAL) > 0 && recv(fd, &answer, 1, 0) == 1;
    close(fd);
    if (starts || answers) return CLAIM_TAKEN;
    const char *name = who.pid != 0 ? people_name_of(who.uid) : NULL;
    if (who.pid == 0) {
        snprintf(why, cap, "The address @" ABSTRACT_SOCKET_NAME " is held by a program that takes no connection.");
    } else {
        snprintf(why, cap,
                 "The address @" ABSTRACT_SOCKET_NAME
                 " is held by %s (uid %u, process %ld), which does not answer as an "
                 "agent. Ask for that process to be ended; root's agent does not need the address.",
                 name ? name : "somebody", (unsigned)who.uid, (long)who.pid);
    }
    return CLAIM_FAILED;
}

static enum claim claim_socket(struct agent *agent, char *why, size_t cap)
{
    struct sockaddr_un address;
    const struct places *p = &agent->places;
    socklen_t len = places_address(p->socket, p->abstract_socket, &address);
    agent->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (!p->abstract_socket) unlink(p->socket);
    if (agent->listen_fd < 0 || bind(agent->listen_fd, (struct sockaddr *)&address, len) != 0) {
        if (errno == EADDRINUSE) return judge_holder(&address, len, why, cap);
        snprintf(why, cap, "The socket %s cannot be made: %s.", p->socket, strerror(errno));
        return CLAIM_FAILED;
    }
    /* Everybody may connect; what they may do is decided by who they are. */
    if (!p->abstract_socket && chmod(p->socket, 0666) != 0) log_line("chmod %s: %s", p->socket, strerror(errno));
    return CLAIM_OURS;
}

/* Root's agent says that the host is its own, for when it does not run. */
static void choose_system(const struct places *places)
{
    if (places->scope != SCOPE_SYSTEM || geteuid() != 0) return;
    int error = places_choose_system();
    if (error != 0) log_line(SYSTEM_MARK_PATH " cannot be written: %s", strerror(error));
}

static enum claim claim(struct agent *agent, char *why, size_t cap)
{
    if (places_find(&agent->places, why, cap) != 0) return CLAIM_FAILED;
    if (agent->places.scope == SCOPE_USER && system_agent_answers()) return CLAIM_TAKEN;
    if (agent->places.scope == SCOPE_USER && places_system_chosen()) {
        snprintf(why, cap,
                 "Root's agent manages the GPUs of this host (" SYSTEM_MARK_PATH " says so); no other one is started. "
                 "Ask who administers this host to start it.");
        return CLAIM_FAILED;
    }
    if (agent->places.root[0]) {
        people_use_root(agent->places.root);
        groups_use_root(agent->places.root);
        accounts_use_root(agent->places.root);
    }
    if (places_open_state(&agent->places, why, cap) != 0) return CLAIM_FAILED;
    enum claim result = claim_state(agent, why, cap);
    if (result != CLAIM_OURS) return result;
    if (places_open_runtime(&agent->places, why, cap) != 0) return CLAIM_FAILED;
    result = claim_socket(agent, why, cap);
    if (result == CLAIM_OURS) choose_system(&agent->places);
    return result;
}

/* ---- start ---------------------------------------------------------------------------------------------- */

/* The agent is there for everybody: what the shell that happened to start it was bound to is not for it. What may not be
 * lifted (a hard limit, as no root) stays, and doctor says so. 0, or -1 with a sentence: it could not even listen. */
static int lift_limits(char *why, size_t cap)
{
    static const int kinds[] = {RLIMIT_AS, RLIMIT_DATA, RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_RSS};
    struct rlimit limit;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct rlimit most = {RLIM_INFINITY, RLIM_INFINITY};
        if (setrlimit(kinds[i], &most) == 0 || getrlimit(kinds[i], &limit) != 0) continue;
        limit.rlim_cur = limit.rlim_max;
        setrlimit(kinds[i], &limit);
    }
    if (getpriority(PRIO_PROCESS, 0) > 0) setpriority(PRIO_PROCESS, 0, 0);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
    struct rlimit most = {FILES_WANTED, limit.rlim_max > FILES_WANTED ? limit.rlim_max : FILES_WANTED};
    if (setrlimit(RLIMIT_NOFILE, &most) != 0) {
        limit.rlim_cur = limit.rlim_max < FILES_WANTED ? limit.rlim_max : FILES_WANTED;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= FILES_NEEDED) return 0;
    snprintf(
        why, cap,
        "The agent may open %llu files only (ulimit -Hn of the shell that started it), and needs %d to serve a host. "
        "Start it from a shell without that limit: tranche agent",
        (unsigned long long)limit.rlim_cur, FILES_NEEDED);
    return -1;
}

static int watch(struct agent *agent, int fd, void *tag)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = tag};
    return epoll_ctl(agent->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

static int open_loop(struct agent *agent)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) != 0) return errno;
    agent->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    agent->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (agent->signal_fd < 0 || agent->epoll_fd < 0) return errno;
    int error = watch(agent, agent->signal_fd, &agent->signal_fd);
    if (error == 0) error = watch(agent, agent->listen_fd, &agent->listen_fd);
    if (error == 0 && agent->procs.deaths_fd >= 0) error = watch(agent, agent->procs.deaths_fd, &agent->procs);
    if (error == 0) doorman_listen(agent);
    return error;
}

static int start(struct agent *agent, char *why, size_t cap)
{
    const char *name = people_name_of(agent->places.uid);
    if (name)
        text_copy(agent->manager_name, sizeof agent->manager_name, name);
    else
        snprintf(agent->manager_name, sizeof agent->manager_name, "uid-%u", (unsigned)agent->places.uid);
    if (gethostname(agent->host_name, sizeof agent->host_name - 1) != 0) text_copy(agent->host_name, 8, "host");
    if (lift_limits(why, cap) != 0) return -1;
    json_writer_init(&agent->scratch, AGENT_LINE_MAX_BYTES);
    agent->post = peers_post;
    operators_load(agent);
    settings_load(agent);
    door_settings_load(agent);
    quota_load(agent);
    escape_rule_load(agent);
    faults_load(agent);
    hours_load(agent);
    int error = procs_init(&agent->procs);
    if (error == 0) error = slice_store_load(&agent->slices, agent->places.state, now_wall_ms());
    if (error != 0) {
        snprintf(why, cap, "The state in %s cannot be read: %s.", agent->places.state, strerror(error));
        return -1;
    }
    if (agent->slices.note[0]) log_line("%s", agent->slices.note);
    error = audit_open(agent);
    if (error != 0) log_line("the audit in %s cannot be read: %s", agent->places.state, strerror(error));
    scopes_open(agent); /* by which the door knows slices */
    doorman_begin(agent);
    gpus_begin(agent);
    gate_proofs_load(agent);
    owners_check(agent, now_mono_ms());
    upkeep_begin(agent);
    policy_open_all(agent);
    scopes_watch(agent, now_mono_ms());
    error = jobs_load(agent, now_mono_ms());
    if (error != 0) log_line("the list of jobs cannot be read: %s", strerror(error));
    concurrent_open(agent);
    error = history_open(agent);
    if (error != 0) log_line("history cannot be kept: %s", strerror(error));
    history_sweep(agent);
    error = open_loop(agent);
    if (error == 0) error = escapes_begin(agent);
    if (error == 0 && listen(agent->listen_fd, LISTEN_BACKLOG) != 0) error = errno;
    if (error != 0) snprintf(why, cap, "The agent cannot listen: %s.", strerror(error));
    return error == 0 ? 0 : -1;
}

/* ---- loop ----------------------------------------------------------------------------------------------- */

static void accept_peers(struct agent *agent)
{
    for (int i = 0; i < LISTEN_BACKLOG; i++) {
        int fd = accept4(agent->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) return;
        if (!peer_accept(agent, fd)) agent->refused_untold++;
    }
}

static void take_signal(struct agent *agent)
{
    struct signalfd_siginfo info;
    while (read(agent->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGHUP) continue;
        agent->leaving = true;
        agent->leave_reason = "It was told to stop.";
    }
}

static int64_t earliest(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Milliseconds until something is due. Subscribers of one pace share one grid, so that one look serves them all. */
static int64_t next_due(struct agent *agent, int64_t mono_ms)
{
    int64_t wait = agent->history_at_ms - now_wall_ms();
    if (wait < 0) wait = 0;
    if (wait > 1000) wait = 1000; /* the clock was set back */
    if (agent->procs.polled_count > 0) wait = earliest(wait, POLL_DEATHS_MS);
    if (agent->deaths_waiting) {
        int64_t due_ms = agent->deaths_at_ms + DEATHS_INTERVAL_MS;
        wait = earliest(wait, due_ms > mono_ms ? due_ms - mono_ms : 0);
    }
    wait = escapes_wait_ms(agent, mono_ms, wait);
    int64_t work_ms = peers_wait_ms(agent), door_ms = doorman_wait_ms(agent, mono_ms);
    if (work_ms >= 0) wait = earliest(wait, work_ms);
    if (door_ms >= 0) wait = earliest(wait, door_ms);
    for (size_t i = 0; i < agent->peer_count; i++) {
        struct peer *peer = agent->peers[i];
        if (!peer->subscribed) continue;
        if (peer->due_at_ms == 0) peer->due_at_ms = mono_ms;
        wait = earliest(wait, peer->due_at_ms > mono_ms ? peer->due_at_ms - mono_ms : 0);
    }
    return wait;
}

/* A process that died gives its memory back at once, not with the next sample. (One that we have not yet seen, because it
 * joined since the last look, at most a second ago, is found dead by the next look.) */
static void serve_deaths(struct agent *agent, int64_t mono_ms)
{
    if (agent->procs.polled_count > 0) agent->deaths_waiting |= procs_deaths(&agent->procs, mono_ms) > 0;
    if (!agent->deaths_waiting || mono_ms - agent->deaths_at_ms < DEATHS_INTERVAL_MS) return;
    agent->deaths_waiting = false;
    agent->deaths_at_ms = mono_ms;
    sample_deaths(agent, mono_ms);
}

/* Somebody new on a GPU is on the wire at once: the driver is asked, and nobody waits for the next sample. */
static void serve_escapes(struct agent *agent, int64_t mono_ms)
{
    if (escapes_serve(agent, mono_ms)) {
        sample_lists_due(agent);
        sample_take(agent, mono_ms, peers_subscribed(agent));
    }
    if (!escapes_take_news(agent)) return;
    for (size_t i = 0; i < agent->peer_count; i++)
        if (agent->peers[i]->subscribed) agent->peers[i]->due_at_ms = mono_ms;
}

static void serve_samples(struct agent *agent, int64_t mono_ms)
{
    bool due = false;
    for (size_t i = 0; i < agent->peer_count; i++)
        due |= agent->peers[i]->subscribed && agent->peers[i]->due_at_ms <= mono_ms;
    if (!due) return;
    if (mono_ms - agent->sampled_at_ms >= FRESH_MS || agent->sample_seq == 0) sample_take(agent, mono_ms, true);
    struct shared_line *line = events_sample(agent);
    for (size_t i = 0; i < agent->peer_count; i++) {
        struct peer *peer = agent->peers[i];
        if (!peer->subscribed || peer->due_at_ms > mono_ms) continue;
        peer->due_at_ms = (mono_ms / peer->interval_ms + 1) * peer->interval_ms;
        if (line) peer_offer_sample(peer, line);
    }
    line_release(line);
}

/* Whoever is refused can come back a thousand times a second: the log has one line of it now and then. */
static void tell_refused(struct agent *agent, int64_t mono_ms)
{
    if (agent->refused_untold == 0 || mono_ms - agent->refused_told_ms < REFUSED_TOLD_MS) return;
    log_line("%zu connections were refused: too many", agent->refused_untold);
    agent->refused_untold = 0;
    agent->refused_told_ms = mono_ms;
}

static void serve_second(struct agent *agent, int64_t mono_ms)
{
    int64_t wall_ms = now_wall_ms();
    bool set_back = agent->history_at_ms - wall_ms > 1000;
    if (wall_ms < agent->history_at_ms && !set_back) return;
    agent->history_at_ms = (wall_ms / 1000 + 1) * 1000;
    bool listened = peers_subscribed(agent);
    int64_t age_ms = mono_ms - agent->sampled_at_ms;
    if (age_ms >= (listened ? FRESH_FOR_HISTORY_MS : FRESH_MS)) sample_take(agent, mono_ms, listened);
    kernel_limit_watch(agent, mono_ms);
    sample_check_times(agent);
    owners_check(agent, mono_ms);
    upkeep_files(agent, mono_ms);
    scopes_watch(agent, mono_ms);
    concurrent_watch(agent, mono_ms);
    gate_proofs_watch(agent, mono_ms);
    faults_watch(agent, mono_ms);
    doorman_second(agent, mono_ms);
    gpus_watch_partitions(agent, mono_ms);
    hours_count(agent, mono_ms);
    history_record(agent, wall_ms / 1000 * 1000);
    edit_prune(agent, mono_ms);
    procs_prune(&agent->procs, mono_ms, PROC_UNUSED_MS);
    peers_check_stalls(agent, mono_ms);
    tell_refused(agent, mono_ms);
    if (agent->people_dirty && mono_ms - agent->people_at_ms >= PEOPLE_INTERVAL_MS) {
        agent->people_dirty = false;
        agent->people_at_ms = mono_ms;
        agent->state_dirty = true;
    }
}

static void announce_state(struct agent *agent)
{
    if (!agent->state_dirty) return;
    agent->state_dirty = false;
    for (size_t i = 0; i < agent->peer_count; i++)
        if (agent->peers[i]->subscribed) agent->peers[i]->wants_state = true;
}

static void turn(struct agent *agent, int timeout_ms)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    int n = epoll_wait(agent->epoll_fd, events, EVENTS_AT_ONCE, timeout_ms);
    for (int i = 0; i < n; i++) {
        void *tag = events[i].data.ptr;
        if (tag == &agent->listen_fd) {
            accept_peers(agent);
        } else if (tag == &agent->signal_fd) {
            take_signal(agent);
        } else if (tag == &agent->procs) {
            agent->deaths_waiting |= procs_deaths(&agent->procs, now_mono_ms()) > 0;
        } else if (tag == &agent->escapes) {
            escapes_heard(agent, now_mono_ms());
        } else if (!doorman_event(agent, tag, now_mono_ms())) {
            struct peer *peer = tag;
            if (events[i].events & EPOLLIN) peer->is_readable = true;
            if (events[i].events & (EPOLLHUP | EPOLLERR)) peer->hung_up = true;
        }
    }
    peers_serve(agent);
}

static void say_goodbye(struct agent *agent)
{
    char message[256];
    snprintf(message, sizeof message, "The agent leaves. %s Slices keep their last limits.", agent->leave_reason);
    log_line("%s", message);
    notices_tell(agent, "agent-leaving", NULL, 0, message);
    int64_t deadline = now_mono_ms() + GOODBYE_MS;
    for (;;) {
        jobs_commit(agent);
        peers_flush_all(agent);
        bool waits = false;
        for (size_t i = 0; i < agent->peer_count; i++) waits |= (agent->peers[i]->epoll_events & EPOLLOUT) != 0;
        int64_t left = deadline - now_mono_ms();
        if (!waits || left <= 0) break;
        turn(agent, (int)left);
    }
    while (agent->peer_count > 0) peer_close(agent, agent->peers[0]);
    if (!agent->places.abstract_socket) unlink(agent->places.socket);
    gate_proofs_end();
    kernel_proof_end();
    gpus_close(agent, "the agent leaves", 0);
    doorman_close(agent); /* and the door stays */
    hours_save(agent, now_mono_ms());
}

static void run_loop(struct agent *agent)
{
    int64_t aside_at_ms = now_mono_ms() + STEP_ASIDE_CHECK_MS;
    agent->history_at_ms = (now_wall_ms() / 1000 + 1) * 1000;
    while (!agent->leaving) {
        int64_t mono_ms = now_mono_ms();
        turn(agent, (int)next_due(agent, mono_ms));
        mono_ms = now_mono_ms();
        serve_deaths(agent, mono_ms);
        serve_escapes(agent, mono_ms);
        serve_samples(agent, mono_ms);
        serve_second(agent, mono_ms);
        doorman_serve(agent, mono_ms);
        jobs_serve(agent, mono_ms);
        announce_state(agent);
        jobs_commit(agent);
        peers_flush_all(agent);
        if (mono_ms < aside_at_ms) continue;
        aside_at_ms = mono_ms + STEP_ASIDE_CHECK_MS;
        if (agent->places.scope == SCOPE_USER && (system_agent_answers() || places_system_chosen())) {
            agent->leaving = true;
            agent->leave_reason = "This host's system agent manages its GPUs now.";
        }
    }
    say_goodbye(agent);
}

static void tell_starter(int ready_fd, const char *text)
{
    if (ready_fd < 0) return;
    ssize_t n = write(ready_fd, text, strlen(text));
    (void)n; /* a starter that has gone needs no answer */
    close(ready_fd);
}

int agent_main(int ready_fd)
{
    static struct agent agent;
    char why[2048] = "", path[FS_PATH_BYTES];
    umask(022);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is then an error like a full disk */
    enum claim result = claim(&agent, why, sizeof why);
    if (result == CLAIM_TAKEN) {
        log_line("another agent manages this host");
        tell_starter(ready_fd, "taken\n");
        return 0;
    }
    if (result == CLAIM_OURS && ready_fd >= 0 && fs_join(path, agent.places.state, "agent.log") == 0)
        log_to_file(path);
    if (result == CLAIM_FAILED || start(&agent, why, sizeof why) != 0) {
        log_line("%s", why);
        tell_starter(ready_fd, why);
        return 1;
    }
    log_line("tranche " TRANCHE_VERSION " listens on %s%s, runtime %s", agent.places.abstract_socket ? "@" : "",
             agent.places.socket, agent.places.runtime);
    tell_starter(ready_fd, "ready\n");
    run_loop(&agent);
    return 0;
}
