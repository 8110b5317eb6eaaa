/* Timing single launches with a pair of events around them. Nothing here waits, and nothing disturbs a capture. */
#ifndef TRANCHE_TIMING_H
#define TRANCHE_TIMING_H

#include "core/shim.h"
#include "cuda_min.h"

/* This many timings also measure what a pair of events takes by itself; a result above the bound includes somebody's
 * work. */
#define TIMING_CALIBRATIONS 8u
#define TIMING_EVENT_PAIR_MAX_NS UINT64_C(20000)
/* Longest time that the host may take over a launch for its timing to be learned from. */
#define TIMING_GAP_MAX_NS UINT64_C(30000)

/* The calls between these two are ours and disturb no capture: meanwhile this thread is in relaxed mode, in which
 * events may be created, recorded and queried in a stream that is not captured itself, whatever others capture. false:
 * the driver is older than 10.1 and has no such mode, and somebody captures. */
struct capture_pass {
    CUstreamCaptureMode mode;
    bool exchanged;
};
bool capture_pass_enter(const struct process *process, struct capture_pass *pass);
void capture_pass_leave(struct capture_pass *pass);

CUcontext timing_context(void);
CUevent timing_event(void);

#endif
