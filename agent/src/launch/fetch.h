/* What the command line knows of the host: the agent's hello and state, as flat objects. */
#ifndef TRANCHE_FETCH_H
#define TRANCHE_FETCH_H

#include "base/people.h"
#include "fs.h"
#include "json.h"
#include "launch/client.h"
#include "region.h"
#include "state/slice.h"
#include "text.h"

struct fetched_gpu {
    char uuid[REGION_UUID_BYTES];
    char name[100];
    int64_t index, capacity_bytes;
    char concurrent_at[FS_PATH_BYTES]; /* where programs that run at the same time meet; "" unless they do */
    char backend[24];
    char no_gate[641], no_kernel_limit[321]; /* why its driver’s limits are not hard in that way, or "" */
};

struct fetched_slice {
    char id[REGION_ID_BYTES], name[SLICE_NAME_BYTES], gpu_uuid[REGION_UUID_BYTES], owner[OWNER_BYTES];
    int64_t owner_uid, revision;
    int64_t memory_limit_bytes, pending_bytes, compute_limit_percent, compute_guarantee_percent;
    int64_t starts_at_ms, expires_at_ms;
    char enforcement[16], gate[16];       /* as the wire has them, or "" */
    char suspended[TEXT_SHOWN_BYTES + 1]; /* why nothing is admitted, or "" */
    bool is_preferred;                    /* priority high */
    bool closed;                          /* only known from the policy file: nothing is admitted */
};

struct fetched {
    char runtime_dir[FS_PATH_BYTES], manager[OWNER_BYTES], gpu_note[256];
    bool is_operator, simulated, has_scopes;
    struct fetched_gpu gpus[16];
    size_t gpu_count;
    struct fetched_slice *slices;
    size_t slice_count;
};

/* Hello and state. Subscribes; further samples come on the client. 0, or -1 with a sentence. */
int fetch_all(struct client *client, struct fetched *out, char *why, size_t cap);
/* Connects and fetches, for a command: says itself what went wrong. 0, or the exit status. */
int fetch_open(struct client *client, struct fetched *out);

/* Without an agent: the policies in the runtime directory that this user's agent last used. 0, or -1. */
int fetch_from_files(struct fetched *out, char *why, size_t cap);

void fetched_free(struct fetched *fetched);

/* By name, else by id. */
const struct fetched_slice *fetched_find(const struct fetched *fetched, const char *name);

/* A flat object of a list, into buf, which stays the object's: whoever keeps a text of it copies it. 0; -1: it is none, or
 * longer than buf. */
int element_parse(struct json_span element, char *buf, size_t cap, struct json_object *object);

/* The error code and message of a reply that is not ok, or NULL when it is. Changes the line. */
const char *reply_failure(char *line, size_t len, struct json_object *object);

#endif
