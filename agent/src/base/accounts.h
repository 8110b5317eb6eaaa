/* Which person is behind a uid, and how much of the agent's time that person has had. One loop serves everybody: what
 * one person may take of it is bounded here, by time and not by kinds of requests, so that no kind can be forgotten.
 *
 * A user has tens of thousands of subordinate uids (subuid(5): rootless containers, newuidmap). They count as the
 * user's: one account. Not thread-safe; the agent has one thread. */
#ifndef TRANCHE_ACCOUNTS_H
#define TRANCHE_ACCOUNTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ACCOUNTS_MAX 64              /* remembered at once; who has rested the longest is forgotten first */
#define ACCOUNT_REFILL_PERCENT 10    /* of the agent's time, for a person who is no operator and asks without end */
#define ACCOUNT_BURST_NS 500000000ll /* and what that person may take at once after a rest */
#define ACCOUNT_TURN_NS 4000000ll    /* what anybody may take in one turn of the loop, before the others had theirs */

struct account {
    uid_t uid;
    int64_t left_ns; /* below zero: the person waits until it is not */
    int64_t at_ns;   /* when left_ns was right, monotonic */
    uint64_t turn;   /* turn_ns is of this one */
    int64_t turn_ns;
    bool used;
};

struct accounts {
    struct account items[ACCOUNTS_MAX];
    uint64_t turn;
};

/* A private root may have a file `subuid` of its own, and then has no other. */
void accounts_use_root(const char *root);

/* The uid itself, or whose subordinate it is. Looks at the file at most once in ten seconds. */
uid_t accounts_owner(uid_t uid, int64_t mono_ns);

/* Takes time from an account. */
void accounts_spend(struct accounts *accounts, uid_t account, int64_t mono_ns, int64_t spent_ns);

/* Nanoseconds until this account may be served again; 0: now. `is_trusted` (root, the manager, operators): not paced. */
int64_t accounts_wait_ns(struct accounts *accounts, uid_t account, int64_t mono_ns, bool is_trusted);

/* true: this person has had their part of this turn of the loop. */
bool accounts_had_turn(const struct accounts *accounts, uid_t account);

#endif
