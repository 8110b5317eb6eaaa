/* `tranche prove-limit nvidia UUID BYTES`: started by the agent in a control group with that limit. */
#ifndef TRANCHE_LIMIT_PROOF_H
#define TRANCHE_LIMIT_PROOF_H

/* Waits for a line, takes memory until the driver refuses it (or well beyond BYTES), says "RESULT TAKEN\n", and holds it
 * until its input ends. */
int command_prove_limit(int argc, char **argv);

#endif
