/* A terminal: a shell in a slice, held by a process of its own (`tranche terminal hold`) that outlives connections and
 * agents. TERMINALS/ID/ has `terminal` (what it is) and `socket`, where the holder speaks the lines of docs/protocol.md
 * section 4, one a packet, to processes of its own user alone. */
#ifndef TRANCHE_TERMINAL_H
#define TRANCHE_TERMINAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/failure.h"
#include "json.h"
#include "region.h"

#define TERMINALS "terminals"
#define TERMINAL_ID_BYTES 24
#define TERMINALS_MAX 16             /* of one user on one host */
#define TERMINAL_SIDE_MAX 1000       /* columns, rows: beyond any screen */
#define TERMINAL_RING_BYTES 262144   /* kept of the output: some thousand lines */
#define TERMINAL_CHUNK_BYTES 12288   /* of output in a line */
#define TERMINAL_INPUT_BYTES 4096    /* in a request; base64 and its fields stay below the cap of a request */
#define TERMINAL_WINDOW_BYTES 65536  /* may be on its way to a viewer, unacknowledged */
#define TERMINAL_STALL_MS 10000      /* for which a viewer that acknowledges nothing may hold the shell up */
#define TERMINAL_CLOSE_GRACE_MS 5000 /* from SIGHUP to SIGKILL */
#define TERMINAL_ENDED_KEPT_MS (60 * 60 * 1000) /* its last screen, after the shell has ended */
#define TERMINAL_VIEWERS_MAX 8
#define TERMINAL_PACKET_BYTES 20480 /* more than the longest line of a holder */

struct terminal_record {
    char id[TERMINAL_ID_BYTES];
    char slice_id[REGION_ID_BYTES];
    int64_t started_at_ms;
    int64_t ended_at_ms;       /* 0: its shell runs */
    int64_t exit_code, signal; /* -1, 0: none */
};

bool terminal_id_is_good(const char *id);
int terminal_record_save(const char *directory, const struct terminal_record *record);

/* Makes folder, socket and holder. 0, or -1 with a code and a sentence and nothing left behind. */
int terminal_start(struct terminal_record *record, int64_t columns, int64_t rows, struct failure *failure);

/* Those of this user that have a holder, oldest first, as an array; folders without one are removed. 0, or -1 with a
 * code and a sentence. */
int terminal_list(struct json_writer *w, struct failure *failure);

/* A connection to the holder, which is of this user. -1 with a code and a sentence. */
int terminal_connect(const char *id, struct failure *failure);

#endif
