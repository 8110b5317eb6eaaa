/* What one connection may take of the agent: a bounded piece of work in each turn, a part of the time, places that are left
 * for others, and no notice of somebody else's.
 * build: agent/common/json.c agent/common/text.c agent/common/fs.c agent/src/wire/peers.c agent/src/base/line.c agent/common/log.c agent/src/base/accounts.c agent/src/base/people.c agent/src/base/failure.c agent/src/state/rights.c
 * sanitize: address,undefined
 */
#include "check.h"
#include "wire/events.h"
#include "base/now.h"
#include "jobs/jobs.h"
#include "records/history.h"
#include "state/operators.h"
#include "wire/peers.h"
#include "wire/requests.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define TENANT 2001
#define SECOND 2002
#define SUBORDINATE 100000
#define LINES 400

/* The parts of the agent that this test stands in for. A request takes what cost_ns says, on the test's own clock. */
static struct agent agent;
static int64_t now_ns = INT64_C(1000000000000);
static int64_t cost_ns;
static size_t served[LINES];

int64_t now_mono_ns(void)
{
    return now_ns;
}
int64_t now_mono_ms(void)
{
    return now_ns / 1000000;
}
bool agent_is_operator(const struct agent *a, uid_t uid)
{
    return uid == 0 || uid == a->places.uid;
}
void jobs_peer_gone(struct agent *a, struct peer *peer)
{
    (void)a, (void)peer;
}
struct shared_line *events_state(struct agent *a)
{
    (void)a;
    return NULL;
}
struct shared_line *history_chunk(struct agent *a, struct history_job *job, bool *last)
{
    (void)a, (void)job;
    *last = true;
    return NULL;
}
void request_history_done(struct peer *peer, const struct history_job *job)
{
    (void)peer, (void)job;
}
void request_too_long(struct agent *a, struct peer *peer)
{
    (void)a, (void)peer;
}
void request_line(struct agent *a, struct peer *peer, char *line, size_t len)
{
    (void)a, (void)line, (void)len;
    now_ns += cost_ns;
    for (size_t i = 0; i < agent.peer_count; i++) served[i] += agent.peers[i] == peer;
}

static int ends[PEERS_MAX];
static size_t end_count;

/* A connection of that uid; what is at its other end. NULL: refused. */
static struct peer *join(uid_t uid)
{
    int pair[2];
    CHECK(seteuid(uid) == 0);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    CHECK(seteuid(0) == 0);
    struct peer *peer = peer_accept(&agent, pair[0]);
    if (peer)
        ends[end_count++] = pair[1];
    else
        close(pair[1]);
    return peer;
}

static void begin(void)
{
    memset(&agent, 0, sizeof agent);
    memset(served, 0, sizeof served);
    end_count = 0;
    cost_ns = 1000;
    agent.places.uid = 1000;
    agent.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    CHECK(agent.epoll_fd >= 0);
}

static void end(void)
{
    while (agent.peer_count > 0) peer_close(&agent, agent.peers[0]);
    for (size_t i = 0; i < end_count; i++) close(ends[i]);
    close(agent.epoll_fd);
}

static void ask(size_t at)
{
    static const char line[] = "{\"id\":1,\"op\":\"x\"}\n";
    static char text[LINES * (sizeof line - 1)];
    for (size_t i = 0; i < LINES; i++) memcpy(text + i * (sizeof line - 1), line, sizeof line - 1);
    CHECK(send(ends[at], text, sizeof text, MSG_DONTWAIT) == (ssize_t)sizeof text);
    agent.peers[at]->is_readable = true;
}

static void one_connection_has_one_piece_of_a_turn(void)
{
    begin();
    for (int i = 0; i < 3; i++) CHECK(join(TENANT + (uid_t)i) != NULL);
    for (size_t i = 0; i < 3; i++) ask(i);
    peers_serve(&agent);
    for (size_t i = 0; i < 3; i++) CHECK_EQ(served[i], REQUESTS_AT_ONCE);
    CHECK_EQ(peers_wait_ms(&agent), 0);
    /* Slow ones are cut off by time. */
    cost_ns = WORK_AT_ONCE_NS;
    peers_serve(&agent);
    for (size_t i = 0; i < 3; i++) CHECK_EQ(served[i], REQUESTS_AT_ONCE + 1);
    end();
}

static void a_turn_has_an_end_and_who_waited_is_first(void)
{
    begin();
    for (int i = 0; i < 8; i++) CHECK(join(TENANT + (uid_t)i) != NULL);
    for (size_t i = 0; i < 8; i++) ask(i);
    cost_ns = TURN_NS / 4;
    peers_serve(&agent);
    for (size_t i = 0; i < 8; i++) CHECK_THAT(served[i] == (i < 4), "connection %zu: %zu", i, served[i]);
    peers_serve(&agent);
    for (size_t i = 0; i < 8; i++) CHECK_THAT(served[i] == 1, "connection %zu: %zu", i, served[i]);
    end();
}

static void many_connections_of_one_person_share_his_part(void)
{
    begin();
    agent.next_peer = 0;
    for (int i = 0; i < 20; i++) CHECK(join(TENANT) != NULL);
    CHECK(join(SECOND) != NULL);
    for (size_t i = 0; i < 21; i++) ask(i);
    cost_ns = WORK_AT_ONCE_NS;
    peers_serve(&agent);
    size_t his = 0;
    for (size_t i = 0; i < 20; i++) his += served[i];
    CHECK_EQ(his, (size_t)(ACCOUNT_TURN_NS / WORK_AT_ONCE_NS));
    CHECK_EQ(served[20], 1);
    end();
}

static void who_asks_without_end_has_a_part_of_the_time(void)
{
    begin();
    CHECK(join(TENANT) != NULL);
    CHECK(join(1000) != NULL); /* the manager */
    cost_ns = WORK_AT_ONCE_NS;
    size_t asked = 0;
    int64_t start_ns = now_ns, his_ns = 0, until_ns = now_ns + INT64_C(20000000000);
    while (now_ns < until_ns) {
        if (served[0] >= asked) {
            ask(0);
            asked += LINES;
        }
        agent.peers[0]->is_readable = true;
        size_t before = served[0];
        peers_serve(&agent);
        his_ns += (int64_t)(served[0] - before) * cost_ns;
        if (served[0] != before) continue;
        int64_t wait_ms = peers_wait_ms(&agent);
        CHECK_THAT(wait_ms > 0 && wait_ms < 100, "%" PRId64 " ms", wait_ms);
        now_ns += wait_ms * 1000000;
    }
    int64_t most_ns = (now_ns - start_ns) / 100 * ACCOUNT_REFILL_PERCENT + ACCOUNT_BURST_NS + 2 * cost_ns;
    CHECK_THAT(his_ns <= most_ns, "%" PRId64 " of %" PRId64 " ns", his_ns, most_ns);
    CHECK_THAT(his_ns >= most_ns / 2, "%" PRId64 " of %" PRId64 " ns", his_ns, most_ns);
    /* Who looks after the host is not held back by that. */
    ask(1);
    for (int i = 0; i < 300; i++) {
        agent.peers[1]->is_readable = true;
        peers_serve(&agent);
    }
    CHECK_EQ(served[1], 300);
    end();
}

static void places_are_left_for_others(void)
{
    begin();
    char directory[] = "/tmp/tranche-subuid-XXXXXX", path[64];
    CHECK(mkdtemp(directory) != NULL);
    snprintf(path, sizeof path, "%s/subuid", directory);
    FILE *file = fopen(path, "w");
    CHECK(file && fprintf(file, "no line\n%d:%d:65536\n", TENANT, SUBORDINATE) > 0 && fclose(file) == 0);
    accounts_use_root(directory);
    now_ns += INT64_C(60000000000);
    /* One person: by his own uid and by those that are subordinate to it. */
    for (int i = 0; i < PEERS_PER_UID_MAX; i++) CHECK(join(i % 2 ? TENANT : (uid_t)(SUBORDINATE + i)) != NULL);
    CHECK(join(TENANT) == NULL && join(SUBORDINATE + 65535) == NULL);
    CHECK(join(SUBORDINATE + 65536) != NULL);
    /* Everybody together: some places are not theirs. */
    for (uid_t uid = 3000; agent.peer_count < CLIENTS_MAX; uid++) CHECK(join(uid) != NULL);
    CHECK(join(4000) == NULL);
    CHECK(join(0) != NULL && join(1000) != NULL);
    end();
    unlink(path);
    rmdir(directory);
}

static void what_others_cause_pushes_nothing_out(void)
{
    begin();
    struct peer *peer = join(TENANT);
    char name[16];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "%s%d", i == 10 || i == 60 ? "real" : "x", i);
        struct shared_line *line = line_new(name, strlen(name) + 1);
        line->is_minor = name[0] == 'x';
        peer_offer_notice(peer, line);
        line_release(line);
    }
    CHECK_EQ(peer->notice_count, NOTICES_WAITING_MAX);
    const char *first = peer->notices[peer->notice_first]->data;
    CHECK_STR(first, "real10");
    size_t real = 0;
    const char *last = "";
    for (size_t i = 0; i < peer->notice_count; i++) {
        last = peer->notices[(peer->notice_first + i) % NOTICES_WAITING_MAX]->data;
        real += last[0] == 'r';
    }
    CHECK_EQ(real, 2);
    CHECK_STR(last, "x99");
    /* Full of real ones: the oldest of them goes for a new one, and none for another kind. */
    for (int i = 0; i < NOTICES_WAITING_MAX + 1; i++) {
        struct shared_line *line = line_new("real", 5);
        peer_offer_notice(peer, line);
        line_release(line);
    }
    struct shared_line *line = line_new("x", 2);
    line->is_minor = true;
    peer_offer_notice(peer, line);
    line_release(line);
    for (size_t i = 0; i < peer->notice_count; i++) CHECK_STR(peer->notices[i]->data, "real");
    end();
}

int main(void)
{
    if (geteuid() != 0) check_skip("needs root, to connect as several users");
    RUN(one_connection_has_one_piece_of_a_turn);
    RUN(a_turn_has_an_end_and_who_waited_is_first);
    RUN(many_connections_of_one_person_share_his_part);
    RUN(who_asks_without_end_has_a_part_of_the_time);
    RUN(places_are_left_for_others);
    RUN(what_others_cause_pushes_nothing_out);
    return check_done();
}
