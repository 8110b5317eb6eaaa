/* The command line's side of the socket: find the agent, start it when there is none, ask and wait. */
#ifndef TRANCHE_CLIENT_H
#define TRANCHE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "json.h"

#define CLIENT_START_TIMEOUT_MS 3000 /* START_TIMEOUT: for a missing agent to answer */
#define CLIENT_REPLY_TIMEOUT_MS 10000

struct client {
    int fd;
    uid_t agent_uid;
    pid_t agent_pid;
    const char *address; /* "@tranche-agent", as people see it */
    int64_t next_id;
    char *buf;
    size_t len, cap;
    size_t taken; /* bytes of the line that the caller has had */
};

/* For the whole process: the agent of this user and no other ("--agent-of"). */
void client_use_agent_of(uid_t uid);
/* For the whole process: says on stderr, once, whose agent it is where it is neither the system's nor one's own. */
void client_say_whose(void);

/* Connects, after starting this user's agent if nobody answers and may_start. 0, or -1 with a sentence. */
int client_open(struct client *client, bool may_start, char *why, size_t cap);
void client_close(struct client *client);

/* Starts the agent in the background and waits until it answers or says why not. 0, or -1 with a sentence. */
int client_start_agent(char *why, size_t cap);

/* Sends one request, whose fields after id and op are in `fields` (from json_writer_init on, "key":value pairs), and
 * returns the reply line in *line (valid until the next call). 0, or -1 with a sentence when there is no reply. */
int client_ask(struct client *client, const char *op, const struct json_writer *fields, char **line, size_t *len,
               char *why, size_t cap);

/* Waits for an event of this kind. Like client_ask. */
int client_event(struct client *client, const char *kind, char **line, size_t *len, char *why, size_t cap);

/* Sends the line that tells the agent where this user's shim is. 0 or -1. */
int client_introduce(int fd);

#endif
