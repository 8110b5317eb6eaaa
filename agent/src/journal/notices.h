/* What happened, told once to everybody who listens. Who that is, the agent's floors above know: `post` of struct agent. */
#ifndef TRANCHE_NOTICES_H
#define TRANCHE_NOTICES_H

#include "json.h"
#include "state/agent_state.h"

/* A note for everybody who listens; slice_id may be NULL, pid 0 = none. */
void notices_tell(struct agent *agent, const char *code, const char *slice_id, uint32_t pid, const char *message);
/* Of a GPU, for everybody on it. */
void notices_tell_gpu(struct agent *agent, const char *code, const char *gpu_uuid, const char *message);

/* Closes what w holds as one line, sends it to everybody who listens and frees w. */
void notices_send(struct agent *agent, struct json_writer *w, bool is_minor);

#endif
