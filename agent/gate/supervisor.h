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

/* What is decided elsewhere. */
struct gate_policy {
    void *context;
    /* The most that all together may hold, asked at each request. Below what is held, nothing new is given and nothing
     * is taken away. */
    uint64_t (*limit_bytes)(void *context);
    /* For a ledger that several programs share; NULL: there is none. Told of each change of the sum. One that grows is
     * asked about: false refuses it, and then nothing has changed. */
    bool (*publish)(void *context, uint64_t before_bytes, uint64_t after_bytes);
};

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

struct supervisor;

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

#endif
