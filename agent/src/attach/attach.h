/* `tranche attach`: joins stdin and stdout to the agent, and answers itself what is this user's alone. */
#ifndef TRANCHE_ATTACH_H
#define TRANCHE_ATTACH_H

int command_attach(int argc, char **argv);

#endif
