/* Keeps the door (agent/door, docs/door.md) as operators set it: shuts it, takes over one that stands, says who comes in,
 * hears who was refused. */
#ifndef TRANCHE_DOORMAN_H
#define TRANCHE_DOORMAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/failure.h"
#include "cards/doorman_devices.h"
#include "cards/doorman_refusals.h"
#include "cards/doorman_who.h"
#include "door.h"
#include "journal/audit.h"
#include "refusals.h"
#include "state/agent_state.h"
#include "state/door_settings.h"

struct doorman {
    struct door door;
    bool is_open;        /* `door` is: the kernel lets us */
    bool is_shut;        /* one is attached that is as it was set */
    char why[512];       /* why it is not as it was set, or "" */
    enum door_mode mode; /* that is in force */
    struct guarded guarded;
    struct refusals refusals;
    bool listens; /* what is refused wakes the loop */
    struct door_who who;
    int64_t rest_until_ms, devices_at_ms, people_at_ms, retry_at_ms; /* monotonic */
    int devices_error, who_error;                                    /* said once, until it is another */
    uint32_t pruned_to;
    struct refused refused;
};

/* At the start, before a GPU is opened: the door that stands may be shut to the agent as well. */
void doorman_begin(struct agent *agent);
/* From now on the loop is woken. */
void doorman_listen(struct agent *agent);
void doorman_close(struct agent *agent);

/* 0, or -1: the door is as it was, and so is what is kept. */
int doorman_set(struct agent *agent, const struct door_settings *next, struct failure *failure);

void doorman_second(struct agent *agent, int64_t mono_ms);
/* True: what woke the loop was ours. */
bool doorman_event(struct agent *agent, const void *tag, int64_t mono_ms);
/* Milliseconds until there is something to do; -1: nothing is waited for. */
int64_t doorman_wait_ms(const struct agent *agent, int64_t mono_ms);
void doorman_serve(struct agent *agent, int64_t mono_ms);

/* Puts "mode", "why", "refusedCount" and "watchedCount"; the other one as the object "door". */
void doorman_put(const struct agent *agent, struct json_writer *w);
void doorman_put_object(const struct agent *agent, struct json_writer *w);

#endif
