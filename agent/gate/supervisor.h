/* The supervisor of gated programs: takes what the filter reports, keeps the book, and answers. One thread; it waits for
 * no program and for no answer, and each turn is a bounded piece of work. docs/gate.md has the contract.
 *
 * What it lets go on is done by the kernel a moment later, and it does not see how it ends. What it refuses never reaches
 * the driver: it writes the driver's own status "no memory" into the program's structure and ends the call with 0. */
#ifndef TRANCHE_GATE_SUPERVISOR_H
#define TRANCHE_GATE_SUPERVISOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "asker.h"

#define GATE_NO_LIMIT UINT64_MAX

struct supervisor;

/* What is decided elsewhere. */
struct gate_policy {
    void *context;
    /* The most that all together may hold, asked at each request. Below what is held, nothing new is given and nothing
     * is taken away. */
    uint64_t (*limit_bytes)(void *context);
    /* For a ledger that several programs share; NULL: there is none. Told of each change of the sum, and of the process
     * that asks (0: something was given back). One that grows is asked about: false refuses it, and then nothing has
     * changed. supervisor_each says what every process holds, the growth not yet included. */
    bool (*publish)(void *context, const struct supervisor *supervisor, pid_t asker, uint64_t before_bytes,
                    uint64_t after_bytes);
    /* Called every GATE_LOOK_MS after something was asked, until it says that there is nothing to look at; NULL: never.
     */
    bool (*look)(void *context, const struct supervisor *supervisor);
};
#define GATE_LOOK_MS 100

struct gate_figures {
    uint64_t live_bytes, peak_bytes;
    uint64_t reported;   /* requests that the filter reported */
    uint64_t elsewhere;  /* of these, those that were not for the driver */
    uint64_t denied;     /* refused as beyond the limit */
    uint64_t unknown;    /* refused because their form is not known */
    uint64_t unreadable; /* refused because their process cannot be read */
    uint64_t undone;     /* charges that were taken back because the asker was gone */
    uint32_t objects, processes;
};

/* Takes the listener over, also where it fails. NULL: errno. */
struct supervisor *supervisor_new(int listener, const struct gate_devices *devices, const struct gate_policy *policy);
void supervisor_delete(struct supervisor *supervisor);

/* Readable when there is something to do. */
int supervisor_fd(const struct supervisor *supervisor);

/* Does what there is to do, up to a bound. false: nobody is behind the filter any more (since Linux 5.9; before, ask
 * whether there are descendants). */
bool supervisor_turn(struct supervisor *supervisor);

void supervisor_read_figures(const struct supervisor *supervisor, struct gate_figures *out);

/* What one process holds by the gate's count; false: it has asked for nothing, or is over. */
bool supervisor_bytes_of(const struct supervisor *supervisor, pid_t pid, uint64_t *bytes_out);

/* The same for all that hold anything. What a process left behind is its heir's: one may come twice. */
void supervisor_each(const struct supervisor *supervisor, void (*take)(void *context, pid_t pid, uint64_t bytes),
                     void *context);

#endif
