#include "cli/cli_ask.h"

#include "base/complain.h"
#include "launch/fetch.h"

int cli_ask(struct client *client, const char *op, const struct json_writer *fields)
{
    struct json_object object;
    char why[2048], *line;
    size_t len;
    int result = client_ask(client, op, fields, &line, &len, why, sizeof why);
    const char *failure = result == 0 ? reply_failure(line, len, &object) : why;
    return failure ? complain("%s", failure) : 0;
}
