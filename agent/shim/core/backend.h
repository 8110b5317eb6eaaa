/* What the core asks of its backend: every function here is defined in cuda/, and another backend would define its
 * own. They are linked and not called through a table: after a call of the driver the table's cache line would be
 * cold, and a launch makes several of these calls. */
#ifndef TRANCHE_BACKEND_H
#define TRANCHE_BACKEND_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Handles that the core keeps for its backend and never looks into. */
typedef void *backend_stream;
typedef void *backend_event;
typedef void *backend_context;
typedef void *backend_pool;

struct launch;
struct price;
struct process;
struct sample;
struct span;

/* ---- memory that the driver keeps for the program (pools, graphs): cuda/backend.c ---- */

/* Reads anew what is kept on a slice's GPU, so that the ledger follows what the driver has given back since. */
void backend_recount(struct process *process, unsigned slice);
/* What is charged for it now. */
uint64_t backend_charged(struct process *process, unsigned slice);
/* Gives back to the driver what no program uses. */
void backend_trim(struct process *process, unsigned slice);
/* true: frees are still under way in some stream, so that waiting for it would give memory back. */
bool backend_pending(struct process *process, unsigned slice);
/* Waits for the work of the current context. false: it cannot be waited for now. */
bool backend_drain(struct process *process);
/* Makes room in its own tables. true: there is room again. */
bool backend_relieve(struct process *process);

/* ---- the driver itself: cuda/resolve.c ---- */

/* An exported symbol of the loaded driver; NULL: there is none. */
void *backend_object(const char *name);
/* Counts how often another driver was loaded. */
extern _Atomic uint32_t backend_bindings;

/* ---- work in flight: cuda/marks.c ---- */

/* Before a launch: waits while more is in flight than should be. */
void marks_drain(const struct launch *launch);
/* After it: this much more GPU time was issued. */
void marks_issued(const struct launch *launch, int64_t charge);
void marks_forget_context(struct process *process, backend_context context);

/* ---- what bursts take beside others: cuda/span.c ---- */

#define SPAN_UNNAMED ((backend_stream)UINTPTR_MAX)

/* The slice is held back: a burst is over. named: the stream that the program is just using, or SPAN_UNNAMED.
 * issued_ns: priced, but not yet in the meter's priced_ns. */
void span_end(struct process *process, unsigned slice, backend_stream named, uint64_t issued_ns);
/* Before a launch whose price is in the meter's priced_ns already. */
void span_begin(const struct launch *launch, uint64_t price_ns);
/* After it. */
void span_issued(const struct launch *launch, bool failed);
/* When the meter has refilled its credit: learns from a span that is done, and asks for one that is overdue. held:
 * this launch was held back. */
void span_look(const struct launch *launch, uint64_t now, bool held);
void span_forget_context(struct span *span, backend_context context);

/* ---- what single launches take: cuda/timing.c ---- */

/* Records the start. NULL: this launch is not timed after all. */
struct sample *timing_start(struct process *process, unsigned slice, struct price *price, backend_stream stream,
                            uint64_t *started_ns);
/* After the launch. failed: forget the sample. */
void timing_end(struct process *process, struct sample *sample, backend_stream stream, uint64_t started_ns,
                bool failed);
/* Learns from every sample that is done. */
void timing_poll(struct process *process);

#endif
