/* The process that starts a job when it is told to, and stays until it is over. */
#ifndef TRANCHE_JOB_SUPERVISE_H
#define TRANCHE_JOB_SUPERVISE_H

/* Returns the exit status. ready_fd: where to say that it is there. */
int command_job_supervise(const char *id, int ready_fd);

#endif
