/* Charging a slice for memory: the part that all kinds of allocation share. */
#ifndef TRANCHE_CHARGE_H
#define TRANCHE_CHARGE_H

#include "core/ledger.h"
#include "core/shim.h"

/* What the driver takes for a request, as measured on the card (docs/gpu-results.md): above 1 MiB whole pages of 2
 * MiB; up to that, a part of a page, which as many requests share as fit. 0 for 0; saturates. */
uint64_t charge_of(uint64_t bytes);

/* A request that was admitted, until the driver has answered. */
struct admitted {
    struct process *process;
    int slice;
    uint64_t bytes;
};

enum admit_step { ADMIT_FORWARD, ADMIT_GO, ADMIT_DENY };

/* Asks for bytes, which are charged as they are. FORWARD: not ours to decide. DENY: no room, or the program has no
 * slice on this GPU or no entry in it, whatever is asked. A refusal is final: pools were read anew before it, and it
 * is noted with what was asked. */
enum admit_step charge_admit(struct admitted *request, struct process *process, int slice, uint64_t bytes);
/* Is there a place in our tables for what is about to be given? */
bool charge_is_written_down(struct process *process);
/* Takes a charge back: the driver refused, or what it gave is gone. */
void charge_return(struct process *process, unsigned slice, uint64_t bytes);
void charge_note_denied(struct process *process, unsigned slice, uint64_t bytes);
/* After the driver's answer: key stands for the bytes in the ledger, or the charge is taken back. */
void charge_settle(struct admitted *request, bool given, struct ledger *ledger, uint64_t key, uint64_t tag);

/* Notes what the program is expected to hold beyond the ledger, until the agent has measured it. */
void charge_estimate(struct process *process, unsigned slice, uint64_t bytes);

/* Reads what pools and graphs hold on this slice's GPU, so that the ledger follows what the driver has given back
 * since. */
void charge_recount(struct process *process, unsigned slice);

#endif
