/* Processes that use a GPU outside every slice, and gated ones that hold more than was counted: docs/escapes.md. Found by
 * what the kernel hears (cards/watch.h) and shows (base/openers.h) and by what the driver lists; both are only ever said as
 * what they are. What is done with them is in cards/escape_answers.h. */
#ifndef TRANCHE_ESCAPES_H
#define TRANCHE_ESCAPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/openers.h"
#include "cards/watch.h"

struct agent;
struct json_writer;
struct proc;
struct slice;

#define ESCAPES_MAX 1024 /* looked after at once; more are shown, as far as the driver lists them, and not answered */
#define ESCAPE_HOLDERS_PER_PERSON 32 /* of them, those of one person that the driver does not list */
#define ESCAPE_WHY_BYTES 120

/* An open is looked at after this time, so that the few that a driver's library makes in a row are one; */
#define ESCAPE_EVENT_MS 10
/* and not sooner than this after the look before: at most 20 looks a second, however often somebody opens. */
#define ESCAPE_LOOKS_APART_MS 50
/* The driver's lists are read at once for somebody new, and a row goes out with what they say. They cost a millisecond a GPU:
 * so many times in a second as soon as that, so that the ranks of one program are all seen at once, and else less often. */
#define ESCAPE_LISTS_SOON_MS 50
#define ESCAPE_LISTS_SOON_MAX 8
#define ESCAPE_LISTS_APART_MS 250
/* A program that `tranche run` started opens the driver and then claims its entry: within cuInit. It is not taken for one
 * outside before this time, if its own environment says so and the driver does not list it. */
#define ESCAPE_CLAIM_MS 2000
/* Nothing is done with a process before the driver has listed it for so long, and at two readings of the list at least. */
#define ESCAPE_ANSWER_MS 1000
/* The same for one whose owner has a process of another PID namespace in a slice that is not found yet: it may be that. */
#define ESCAPE_NESTED_MS 10000

enum escape_answer {
    ESCAPE_WAITS,
    ESCAPE_IS_REPORTED,
    ESCAPE_IS_CHARGED,
    ESCAPE_IS_STOPPED,
    ESCAPE_IS_RELEASED, /* stopped, and let go on by an operator */
    ESCAPE_IS_ENDING,
    ESCAPE_IS_KILLED,
    ESCAPE_IS_EXEMPT,
    ESCAPE_IS_PROTECTED,
    ESCAPE_NOT_PERMITTED,
};

struct escape {
    pid_t pid;
    uint64_t start_ticks;
    uid_t uid, person;     /* who runs it, and whose subordinate that uid is */
    int64_t since_ms;      /* wall clock: first seen, */
    int64_t first_ms;      /* monotonic: the same, */
    int64_t listed_ms;     /* and first on the driver's list outside of slices; 0: never */
    int64_t held_at_ms;    /* monotonic: when its descriptors were looked at last */
    uint32_t listed;       /* a bit for each GPU of the agent's on which the driver lists it outside of slices, now */
    uint32_t beyond;       /* the same for those where it is in a slice, gated, and holds more than was counted */
    uint32_t held;         /* the same for nodes that it has open */
    uint32_t list_looks;   /* readings of the list that had it, since it was first seen */
    uint32_t beyond_looks; /* readings in a row at which it held more than was counted */
    bool is_beyond_anew;   /* the reading of this turn is one */
    bool is_for_work;      /* of what it has open, something is opened for work alone */
    bool names_slice;      /* its own environment says that it was put into one */
    bool is_beyond;        /* it holds more than was counted, and not for a moment alone */
    bool is_off;           /* on no GPU at the last look, as the driver says: it gives its place to one that is */
    bool is_shown;
    bool was_told; /* it is in the audit; the same process is not told twice */
    enum escape_answer answer;
    char why[ESCAPE_WHY_BYTES];
    bool has_stopped; /* by us, and it has not been let go on */
    bool was_released;
    uint32_t stops;
    int64_t term_at_ms; /* monotonic; 0: it was not told to end */
};

/* What one person's processes may bring into notices and audit. */
struct escape_person {
    uid_t person;
    int64_t since_ms; /* monotonic */
    uint32_t told, omitted;
};
#define ESCAPE_PEOPLE_MAX 64

struct escapes {
    struct watch watch;
    struct openers_scan scan;
    struct escape *items;
    size_t count, cap;
    struct escape_person people[ESCAPE_PEOPLE_MAX];
    size_t person_count;
    int64_t look_at_ms;   /* monotonic: something was heard, and is looked at then; 0: nothing was */
    int64_t looked_at_ms; /* the last such look */
    int64_t refreshed_ms, scanned_ms;
    int64_t listed_at_ms; /* the driver was asked at once, because somebody new came; */
    int64_t soon_from_ms; /* since then, within a second, */
    uint32_t soon_count;  /* so often */
    bool wants_list;      /* and is to be again */
    bool is_behind;       /* a scan was asked for while one ran */
    bool has_news;
    bool is_full; /* and said so */
};

/* Before the loop begins; 0 or errno. */
int escapes_begin(struct agent *agent);
/* The loop heard something: on which descriptors it listens is this file's. */
void escapes_heard(struct agent *agent, int64_t mono_ms);
/* Looks at what was heard, once that is due. true: somebody new has a GPU open, so that the driver is to be asked at
 * once. */
bool escapes_serve(struct agent *agent, int64_t mono_ms);
/* Milliseconds until that is due; at most `wait`. */
int64_t escapes_wait_ms(const struct agent *agent, int64_t mono_ms, int64_t wait);
/* Everybody who opens a GPU's own nodes is heard, and the driver's lists are there for the rest; false: they are what
 * shows it, and are to be read each second. */
bool escapes_hears(const struct agent *agent);
/* After each look at slices and GPUs: who is outside, and what is done about it. */
void escapes_look(struct agent *agent, int64_t mono_ms);
/* true, once: there is a new one, for which nobody should wait until the next sample. */
bool escapes_take_news(struct agent *agent);

/* The process of this pid, if it is one of them and shown; NULL: it is none. */
const struct escape *escapes_find(const struct agent *agent, uint32_t pid);
/* Only the kernel shows it: it has a node open for work, and the driver lists it on no GPU. */
bool escapes_is_held_only(const struct escape *escape);
/* The rule is another one: what was told under the one of before is told anew. */
void escapes_rule_changed(struct agent *agent);
/* An operator let it go on: it is not stopped again. */
void escapes_release(struct agent *agent, pid_t pid, uint64_t start_ticks);

/* "seenBy", "reason", "sinceMs", "answer" and "answerWhy" of a row; NULL: a process that only the driver shows. is_beyond: the
 * row is of the slice in which it holds more than was counted. */
void escapes_put_row(const struct escape *escape, bool is_beyond, struct json_writer *w);
/* "escapes":{…} of the state line. */
void escapes_put_state(const struct agent *agent, struct json_writer *w);

#endif
