/* agent/common/admit.c once more with a fault in it, under names that begin with PREFIX. Include with ADMIT_BROKEN and
 * BROKEN(name) defined. */
#define admit_token BROKEN(token)
#define admit_start_ticks BROKEN(start_ticks)
#define admit_token_alive BROKEN(token_alive)
#define admit_claim BROKEN(claim)
#define admit_leave BROKEN(leave)
#define admit_reap BROKEN(reap)
#define admit_own_again BROKEN(own_again)
#define lock_file BROKEN(lock_file)
#define claim_lock BROKEN(claim_lock)
#define claim_unlock BROKEN(claim_unlock)
#define claim_finish BROKEN(claim_finish)
#define claim_left BROKEN(claim_left)
#define entry_is_dead BROKEN(entry_is_dead)
#define claim BROKEN(claim_state)
#define admit_reserve BROKEN(reserve)
#define admit_release BROKEN(release)
#define admit_used BROKEN(used)
#define admit_beyond BROKEN(beyond)
#define entries_in_use BROKEN(entries_in_use)
#define entry_clear BROKEN(entry_clear)
#define raise_high BROKEN(raise_high)
#define claim_free BROKEN(claim_free)
#define add_saturating BROKEN(add_saturating)
#define subtract_saturating BROKEN(subtract_saturating)
#define pending_collect BROKEN(pending_collect)
#define pending_changed BROKEN(pending_changed)
#define pending_view BROKEN(pending_view)
#define decision BROKEN(decision)
#define decide BROKEN(decide)
#define GRANTED BROKEN(GRANTED)
#define REFUSED BROKEN(REFUSED)
#define CONTESTED BROKEN(CONTESTED)
#define fits_with BROKEN(fits_with)
#define admit_reap_when_due BROKEN(reap_when_due)
#define pause_before_retry BROKEN(pause_before_retry)
#undef TRANCHE_ADMIT_H
#undef ADMIT_RETRIES
#undef ADMIT_PAUSE_MIN_NS
#undef ADMIT_PAUSE_MAX_NS
#undef ADMIT_REAP_INTERVAL_NS
#undef PENDING_BITS
#undef PENDING_BYTES
#undef PENDING_TAKEN_BACK
#undef ADMIT_PENDING
#undef TOKEN_PID_MASK
#undef TOKEN_START_MASK
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function" /* a faulty version calls less */
#include "../../agent/common/admit.c"
#pragma GCC diagnostic pop
#undef admit_token
#undef admit_start_ticks
#undef admit_token_alive
#undef admit_claim
#undef admit_leave
#undef admit_reap
#undef admit_reserve
#undef admit_release
#undef admit_used
#undef admit_beyond
#undef admit_reap_when_due
#undef entries_in_use
#undef entry_clear
#undef raise_high
#undef claim_free
#undef add_saturating
#undef subtract_saturating
#undef pending_collect
#undef pending_changed
#undef pending_view
#undef decision
#undef decide
#undef GRANTED
#undef REFUSED
#undef CONTESTED
#undef fits_with
#undef pause_before_retry
#undef admit_own_again
#undef lock_file
#undef claim_lock
#undef claim_unlock
#undef claim_finish
#undef claim_left
#undef entry_is_dead
#undef claim
