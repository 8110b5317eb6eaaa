/* The subcommands of cli_*.c, one file each: they take their own arguments (argv[0] is the name) and return the exit status. */
#ifndef TRANCHE_COMMANDS_H
#define TRANCHE_COMMANDS_H

int command_audit(int argc, char **argv);
int command_concurrent(int argc, char **argv);
int command_door(int argc, char **argv);
int command_doctor(int argc, char **argv); /* cli_show.c */
int command_escapes(int argc, char **argv);
int command_hours(int argc, char **argv);
int command_job(int argc, char **argv);
int command_ls(int argc, char **argv); /* cli_show.c */
int command_metrics(int argc, char **argv);
int command_prove_gate(int argc, char **argv); /* cli_show.c */
int command_quota(int argc, char **argv);
int command_slice(int argc, char **argv);

#endif
