/* What a supervisor is made of, for its parts: tally.c (what is held, and by whom), judge.c (what a request gets) and
 * supervisor.c (reports and their answers). */
#ifndef TRANCHE_GATE_SUPERVISOR_INSIDE_H
#define TRANCHE_GATE_SUPERVISOR_INSIDE_H

#include <linux/seccomp.h>
#include <stdint.h>

#include "asker.h"
#include "gate_policy.h"
#include "rm_book.h"

/* Room for what a newer kernel puts into a report or an answer. */
#define NOTICE_BYTES 1024u

struct supervisor {
    int listeners[LISTENERS_MAX]; /* of filters whose programs are answered for */
    uint32_t listener_count;
    int listener; /* of them, the one whose report is being decided */
    struct gate_devices devices;
    struct gate_policy policy;
    struct askers *askers;
    struct rm_book *book;
    struct gate_figures figures;
    uint64_t managed[ASKERS_MAX]; /* what each has mapped, by its asking or by the last look */
    uint64_t managed_bytes;       /* of all */
    uint64_t peak_bytes;
    int64_t swept_ns, looked_ns;
    union {
        struct seccomp_notif notice;
        uint8_t room[NOTICE_BYTES];
    } report;
    union {
        struct seccomp_notif_resp notice;
        uint8_t room[NOTICE_BYTES];
    } answer;
};

#endif
