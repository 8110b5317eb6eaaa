/* What a supervisor goes by and what it tells: decided and read elsewhere. */
#ifndef TRANCHE_GATE_POLICY_H
#define TRANCHE_GATE_POLICY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define GATE_NO_LIMIT UINT64_MAX

/* Filters, each with a listener, that one supervisor answers for: one for a program that was started behind it, one for
 * each program of a terminal. */
#define LISTENERS_MAX 64u

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
    /* Told of each refusal, once: how much was asked for, and by whom; NULL: nobody is. */
    void (*deny)(void *context, pid_t asker, uint64_t bytes);
    /* Called every GATE_LOOK_MS after something was asked, until it says that there is nothing to look at; NULL: never.
     */
    bool (*look)(void *context, const struct supervisor *supervisor);
};
#define GATE_LOOK_MS 100

struct gate_figures {
    uint64_t live_bytes, peak_bytes;
    uint64_t managed_bytes; /* of the live ones, those that are mapped and come by fault */
    uint64_t reported;      /* requests that the filter reported */
    uint64_t elsewhere;     /* of these, those that were not for the driver */
    uint64_t denied;        /* refused as beyond the limit */
    uint64_t unknown;       /* refused because their form is not known */
    uint64_t unreadable;    /* refused because their process cannot be read */
    uint64_t undone;        /* charges that were taken back because the asker was gone */
    uint32_t objects, processes;
};

#endif
