/* The agent's loop. */
#ifndef TRANCHE_AGENT_H
#define TRANCHE_AGENT_H

/* Runs the agent until it is told to leave. ready_fd >= 0: where to write "ready", "taken" or why it failed; the log
 * then goes to the state directory. Returns the exit status. */
int agent_main(int ready_fd);

#endif
