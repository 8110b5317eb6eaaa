/* What the parts of the simulated libcuda share. Objects live in the process; queues and memory counts in sim_state. */
#ifndef TRANCHE_SIM_CUDA_INTERNAL_H
#define TRANCHE_SIM_CUDA_INTERNAL_H

#include "cuda_min.h"
#include "sim_state.h"

#define SIM_API SIM_EXPORT CUresult

/* Host time of the slower calls, virtual time only. */
#define COST_ALLOC_NS UINT64_C(60000)
#define COST_QUERY_NS UINT64_C(500)

struct CUctx_st {
    uint32_t gpu;
    uint32_t primary_count;
};

struct CUgraph_st {
    uint64_t duration_ns;
    uint32_t nodes;
    uint32_t reserved;
};

struct CUgraphExec_st {
    uint64_t duration_ns;
    uint32_t nodes;
    uint32_t gpu;
};

struct CUstream_st {
    uint32_t gpu;
    uint32_t flags;
    uint64_t last[SIM_ENGINES]; /* sequence number of the newest work, per engine */
    CUgraph capture;            /* NULL: not capturing */
    int capture_mode;
    bool capture_invalid;
};

struct CUevent_st {
    uint32_t gpu;
    uint32_t slot;
    uint32_t generation;
    uint32_t flags;
    uint64_t seq[SIM_ENGINES];
    CUgraph captured;
};

struct CUfunc_st {
    char name[96];
    _Atomic bool loaded;
};

/* device.c */
CUresult sim_enter(struct sim_state **state_out);                            /* initialized? */
CUresult sim_enter_context(struct sim_state **state_out, uint32_t *gpu_out); /* and a context is current? */
CUresult sim_device_gpu(CUdevice device, uint32_t *gpu_out);
/* Lock held: the queues of this process on that GPU, made on first use. */
CUresult sim_queues(struct sim_state *state, uint32_t gpu, struct sim_context **out);
uint32_t sim_gpu_of_current(void); /* SIM_GPUS: none */

/* stream.c */
CUstream sim_stream(uint32_t gpu, CUstream handle, bool per_thread);
CUresult sim_enqueue(struct sim_state *state, CUstream stream, enum sim_engine engine, uint64_t duration_ns,
                     uint32_t event, uint32_t event_generation);
CUresult sim_stream_drain(struct sim_state *state, CUstream stream);
/* A call that could disturb a capture: refused, and the capture spoiled, unless the thread's mode allows it. */
CUresult sim_capture_guard(void);

/* memory.c */
void sim_pools_trim(struct sim_state *state, uint32_t gpu); /* a synchronization gives back what pools cached */

/* Both stream flavours of a call: name and name_ptsz, from a body that is told which. */
#define SIM_DUAL(name, parameters, ...)                                                                               \
    SIM_API name parameters                                                                                           \
    {                                                                                                                 \
        return name##_on(false, __VA_ARGS__);                                                                         \
    }                                                                                                                 \
    SIM_API name##_ptsz parameters                                                                                    \
    {                                                                                                                 \
        return name##_on(true, __VA_ARGS__);                                                                          \
    }

#define SIM_TRY(call)                                                                                                 \
    do {                                                                                                              \
        CUresult sim_try = (call);                                                                                    \
        if (sim_try != CUDA_SUCCESS) {                                                                                \
            return sim_try;                                                                                           \
        }                                                                                                             \
    } while (0)

#endif
