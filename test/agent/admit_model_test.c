/* The admission protocol of agent/common/admit.c, explored exhaustively: every interleaving of three processes, each
 * with one request, any one of which may be killed at any step. Checked in every state: what live processes were
 * granted never exceeds the limit. Checked in every end: nobody was finally refused what fits beside what was granted
 * or is held by the dead, and the words add up.
 *
 * Memory model: a sequentially consistent read-modify-write acts at once. A weaker one (a plain store under x86-TSO; a
 * relaxed RMW followed by loads on ARM) may take effect after later loads of the same process; that is modelled by
 * leaving it in a buffer, drained at any time, in order or (ARM) in any order. Each mutation below must be caught.
 * build:
 * sanitize: none
 */
#include "check.h"

#include <stdbool.h>
#include <stdint.h>

#define PROCESSES 3
#define ATTEMPTS 2 /* then a contested request gives up; the product tries 48 times */
#define TABLE_BITS 25
#define TAKEN_BACK 16 /* above the bytes in a pending word */

enum mutation {
    AS_WRITTEN,
    BUFFERED_IN_ORDER,      /* publishing by plain stores */
    BUFFERED_ANY_ORDER,     /* publishing by relaxed RMWs on a weak machine */
    CHECK_FIRST,            /* decides, then publishes */
    PENDING_ENDS_TOO_EARLY, /* takes pending back before the bytes */
    NO_RETRY,               /* a refusal beside an undecided request is final */
    NO_COUNT,               /* pending words do not count what was taken back */
};

/* Steps of one attempt. SUM, BEFORE, RESUM and AFTER repeat for each process: the first sum; the pending words; the sum
 * that decides; the pending words again. */
enum step {
    PEND,
    ADD,
    SUM,
    BEFORE = SUM + PROCESSES,
    RESUM = BEFORE + PROCESSES,
    AFTER = RESUM + PROCESSES,
    TAKE = AFTER + PROCESSES,
    UNPEND,
    GRANT,
    GRANTED,
    REFUSED,
    GAVE_UP,
};

struct process_state {
    uint8_t step;
    uint8_t sum;
    uint8_t contested;
    uint8_t attempt;
    uint8_t dead;
    uint8_t seen[PROCESSES]; /* pending words as they were before */
    int8_t buffered[2];      /* changes of pending and of memory that others do not see yet */
    uint8_t order;           /* which of the two was issued first: 0 none, 1 pending, 2 memory */
};

struct state {
    struct process_state p[PROCESSES];
    uint8_t memory[PROCESSES];
    uint8_t pending[PROCESSES];
};

static const uint8_t request[PROCESSES] = {3, 2, 2};
static uint8_t limit;
static int count; /* of processes that take part */
static enum mutation mutation;
static uint64_t *table;
static uint64_t visited;
static uint64_t over;
static uint64_t wasted;
static uint64_t unbalanced;
static uint64_t ends;

static uint64_t hash_state(const struct state *state)
{
    const uint8_t *bytes = (const uint8_t *)state;
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t at = 0; at < sizeof *state; at++) {
        hash = (hash ^ bytes[at]) * UINT64_C(0x100000001b3);
        hash ^= hash >> 31;
    }
    return hash == 0 ? 1 : hash;
}

/* false: seen before. 64-bit hashes; a collision among a few million states is one in a million runs. */
static bool enter_state(const struct state *state)
{
    uint64_t hash = hash_state(state);
    uint64_t mask = (UINT64_C(1) << TABLE_BITS) - 1;
    for (uint64_t at = hash & mask;; at = (at + 1) & mask) {
        if (table[at] == hash) return false;
        if (table[at] == 0) {
            if (++visited > mask / 4 * 3) {
                printf("FAIL %s: the state table is too small\n", check_name);
                exit(1);
            }
            table[at] = hash;
            return true;
        }
    }
}

static bool buffers(void)
{
    return mutation == BUFFERED_IN_ORDER || mutation == BUFFERED_ANY_ORDER;
}

static void change(struct state *state, int self, int word, int delta)
{
    struct process_state *own = &state->p[self];
    if (buffers()) {
        own->buffered[word] = (int8_t)(own->buffered[word] + delta);
        own->order = own->order == 0 ? (uint8_t)(word + 1) : own->order;
        return;
    }
    uint8_t *at = word == 0 ? &state->pending[self] : &state->memory[self];
    *at = (uint8_t)(*at + delta);
}

static void drain_word(struct state *state, int self, int word)
{
    struct process_state *own = &state->p[self];
    uint8_t *at = word == 0 ? &state->pending[self] : &state->memory[self];
    *at = (uint8_t)(*at + own->buffered[word]);
    own->buffered[word] = 0;
    own->order = own->buffered[!word] == 0 ? 0 : (uint8_t)(!word + 1);
}

/* What self reads of a word of process at: its own buffer included, nothing of a dead one (its entry is reaped). */
static uint8_t look(const struct state *state, int self, int at, int word)
{
    if (state->p[at].dead) return 0;
    int value = word == 0 ? state->pending[at] : state->memory[at];
    return (uint8_t)(value + (self == at ? state->p[at].buffered[word] : 0));
}

static void refused(struct process_state *own)
{
    if (!own->contested || mutation == NO_RETRY)
        own->step = REFUSED;
    else if (++own->attempt == ATTEMPTS)
        own->step = GAVE_UP;
    else
        own->step = mutation == CHECK_FIRST ? SUM : PEND;
    own->contested = 0;
    memset(own->seen, 0, sizeof own->seen);
}

/* Reading one process's word in a loop over all; the own one is no shared reading and is not stopped at. */
static void advance_reading(struct state *state, int self)
{
    struct process_state *own = &state->p[self];
    bool early = mutation == CHECK_FIRST;
    int loop = own->step < BEFORE ? SUM : own->step < RESUM ? BEFORE : own->step < AFTER ? RESUM : AFTER;
    int at = own->step - loop;
    if (loop == SUM || loop == RESUM) {
        own->sum = (uint8_t)(own->sum + look(state, self, at, 1));
    } else if (at != self && loop == BEFORE) {
        own->seen[at] = look(state, self, at, 0);
        own->contested |= own->seen[at] % TAKEN_BACK != 0;
    } else if (at != self) {
        own->contested |= look(state, self, at, 0) != own->seen[at];
    }
    own->step++;
    if (own->step - loop < count) return;
    own->step = (uint8_t)(loop + PROCESSES);
    if (loop == SUM || loop == RESUM) {
        bool fits = own->sum + (early ? request[self] : 0) <= limit;
        own->sum = 0;
        if (fits) {
            own->step = early ? PEND : GRANT;
            memset(own->seen, 0, sizeof own->seen);
            own->contested = 0;
        }
    } else if (loop == AFTER && early) {
        refused(own);
    } else if (loop == AFTER && mutation == PENDING_ENDS_TOO_EARLY) {
        change(state, self, 0, -request[self]);
    }
}

/* One step of one process. */
static void advance(struct state *state, int self)
{
    struct process_state *own = &state->p[self];
    int bytes = request[self];
    switch (own->step) {
    case PEND:
        change(state, self, 0, bytes);
        own->step = ADD;
        break;
    case ADD:
        change(state, self, 1, bytes);
        own->step = mutation == CHECK_FIRST ? GRANT : SUM;
        break;
    case TAKE:
        change(state, self, 1, -bytes);
        own->step = UNPEND;
        break;
    case UNPEND:
        if (mutation != PENDING_ENDS_TOO_EARLY)
            change(state, self, 0, (mutation == NO_COUNT ? 0 : TAKEN_BACK) - bytes);
        refused(own);
        break;
    case GRANT:
        change(state, self, 0, -bytes);
        own->step = GRANTED;
        break;
    default: advance_reading(state, self); break;
    }
}

static bool finished(const struct process_state *own)
{
    return own->dead || own->step >= GRANTED;
}

static void judge(const struct state *state)
{
    unsigned granted = 0;
    unsigned dead_bytes = 0;
    bool end = true;
    for (int at = 0; at < PROCESSES; at++) {
        bool has = state->p[at].step == GRANT || state->p[at].step == GRANTED;
        has = has && !(mutation == CHECK_FIRST && state->p[at].step == GRANT);
        granted += !state->p[at].dead && has ? request[at] : 0;
        dead_bytes += state->p[at].dead ? request[at] : 0;
        end = end && finished(&state->p[at]) && state->p[at].order == 0;
    }
    over += granted > limit;
    if (!end) return;
    ends++;
    unsigned words = 0;
    for (int at = 0; at < PROCESSES; at++) {
        words += state->p[at].dead ? 0 : state->memory[at] + state->pending[at] % TAKEN_BACK;
        wasted += at < count && !state->p[at].dead && state->p[at].step == REFUSED &&
                  granted + dead_bytes + request[at] <= limit;
    }
    unbalanced += words != granted;
}

static void explore(const struct state *state)
{
    if (!enter_state(state)) return;
    judge(state);
    bool anyone_dead = state->p[0].dead || state->p[1].dead || state->p[2].dead;
    for (int at = 0; at < PROCESSES; at++) {
        const struct process_state *own = &state->p[at];
        struct state next;
        if (!own->dead && own->order != 0) {
            for (int word = 0; word < 2; word++) {
                bool first = own->order == word + 1;
                if (own->buffered[word] != 0 && (first || mutation == BUFFERED_ANY_ORDER)) {
                    next = *state;
                    drain_word(&next, at, word);
                    explore(&next);
                }
            }
            if (own->buffered[0] == 0 && own->buffered[1] == 0) { /* opposite changes met in the buffer */
                next = *state;
                next.p[at].order = 0;
                explore(&next);
            }
        }
        if (finished(own)) continue;
        next = *state;
        advance(&next, at);
        explore(&next);
        if (!anyone_dead) {
            next = *state;
            memset(&next.p[at], 0, sizeof next.p[at]);
            next.p[at].dead = 1;
            next.memory[at] = 0;
            next.pending[at] = 0;
            explore(&next);
        }
    }
}

static void run_model(enum mutation with, uint8_t total, int processes)
{
    struct state start;
    memset(&start, 0, sizeof start);
    mutation = with;
    limit = total;
    count = processes;
    visited = over = wasted = unbalanced = ends = 0;
    memset(table, 0, sizeof *table << TABLE_BITS);
    for (int at = 0; at < PROCESSES; at++) {
        start.p[at].step = with == CHECK_FIRST ? SUM : PEND;
        if (request[at] > total || at >= processes)
            start.p[at].step = REFUSED; /* a hopeless request is never published */
    }
    explore(&start);
    printf("     limit %u: %llu states, %llu ends, over %llu, refused in vain %llu\n", total,
           (unsigned long long)visited, (unsigned long long)ends, (unsigned long long)over,
           (unsigned long long)wasted);
}

/* Limits in which none, one, some pairs and all three of the requests 3, 2, 2 fit. */
static void as_written_it_holds(void)
{
    for (uint8_t total = 1; total <= 7; total++) {
        run_model(AS_WRITTEN, total, 3);
        CHECK_EQ(over, 0);
        CHECK_EQ(unbalanced, 0);
        CHECK_EQ(wasted, 0);
        CHECK(ends > 0);
    }
}

static void plain_stores_are_caught(void)
{
    run_model(BUFFERED_IN_ORDER, 4, 2);
    CHECK(over > 0);
}

static void relaxed_publishing_is_caught(void)
{
    run_model(BUFFERED_ANY_ORDER, 4, 2);
    CHECK(over > 0);
}

static void checking_first_is_caught(void)
{
    run_model(CHECK_FIRST, 4, 2);
    CHECK(over > 0);
}

static void pending_that_ends_too_early_is_caught(void)
{
    run_model(PENDING_ENDS_TOO_EARLY, 4, 2);
    CHECK_EQ(over, 0);
    CHECK(wasted > 0);
}

static void giving_up_beside_others_is_caught(void)
{
    run_model(NO_RETRY, 4, 2);
    CHECK_EQ(over, 0);
    CHECK(wasted > 0);
}

/* What the first version of the protocol lacked: a peer may come and go between two readings. */
static void uncounted_take_backs_are_caught(void)
{
    run_model(NO_COUNT, 4, 2);
    CHECK_EQ(over, 0);
    CHECK(wasted > 0);
}

int main(void)
{
    table = malloc(sizeof *table << TABLE_BITS);
    if (table == NULL) check_skip("no memory for the state table");
    RUN(as_written_it_holds);
    RUN(plain_stores_are_caught);
    RUN(relaxed_publishing_is_caught);
    RUN(checking_first_is_caught);
    RUN(pending_that_ends_too_early_is_caught);
    RUN(giving_up_beside_others_is_caught);
    RUN(uncounted_take_backs_are_caught);
    free(table);
    return check_done();
}
