#ifndef TRANCHE_CLI_ASK_H
#define TRANCHE_CLI_ASK_H

#include "json.h"
#include "launch/client.h"

/* Asks for something whose reply says only that it was done. 0, or the exit status after a complaint. */
int cli_ask(struct client *client, const char *op, const struct json_writer *fields);

#endif
