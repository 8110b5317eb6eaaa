/* Lines that the agent sends unasked: state, samples, notices. */
#ifndef TRANCHE_EVENTS_H
#define TRANCHE_EVENTS_H

#include "agent.h"
#include "json.h"

/* A note for everybody who listens; slice_id may be NULL, pid 0 = none. */
/* Of a GPU, for everybody on it. */
void events_gpu_notice(struct agent *agent, const char *code, const char *gpu_uuid, const char *message);
void events_notice(struct agent *agent, const char *code, const char *slice_id, uint32_t pid, const char *message);

/* Closes what w holds as one line, sends it to everybody who listens and frees w. */
void events_send(struct agent *agent, struct json_writer *w, bool is_minor);

/* The whole seldom-changing state as one line, or NULL (no memory). The caller holds one reference. */
struct shared_line *events_state(struct agent *agent);

/* The newest sample from what was measured last. */
struct shared_line *events_sample(struct agent *agent);

struct shared_line *line_new(const char *data, size_t len);
void line_release(struct shared_line *line);

#endif
