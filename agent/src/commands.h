/* The subcommands: each takes its own arguments (argv[0] is its name) and returns the exit status. */
#ifndef TRANCHE_COMMANDS_H
#define TRANCHE_COMMANDS_H

/* Like env(1): our own failure, the command can not be run, the command was not found. */
#define EXIT_OWN_FAILURE 125
#define EXIT_CANNOT_RUN 126
#define EXIT_NOT_FOUND 127

int command_agent(int argc, char **argv);
int command_attach(int argc, char **argv);
int command_run(int argc, char **argv);
int command_env(int argc, char **argv);
int command_slice(int argc, char **argv);
int command_concurrent(int argc, char **argv);
int command_ls(int argc, char **argv);
int command_quota(int argc, char **argv);
int command_metrics(int argc, char **argv);
int command_hours(int argc, char **argv);
int command_audit(int argc, char **argv);
int command_job(int argc, char **argv);
int command_job_supervise(const char *id, int ready_fd);
int command_terminal(int argc, char **argv);
int command_in_shell(int argc, char **argv);
int command_print_environment(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_version(int argc, char **argv);

/* Prints "tranche: …" to stderr and returns EXIT_OWN_FAILURE. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
