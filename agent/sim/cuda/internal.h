/* What the parts of the simulated libcuda share. Objects live in the process; queues and memory counts in sim_state. */
#ifndef TRANCHE_SIM_CUDA_INTERNAL_H
#define TRANCHE_SIM_CUDA_INTERNAL_H

#include "cuda_min.h"
#include "sim_state.h"

#define SIM_API SIM_EXPORT CUresult

/* Host time of the slower calls, virtual time only. */
#define COST_ALLOC_NS UINT64_C(60000)
#define COST_QUERY_NS UINT64_C(500)

#define SIM_MULTIPROCESSORS 132
#define SIM_THREADS_PER_SM 2048
#define SIM_LIMITS 3 /* stack, printf, heap */

/* Physical memory as it is asked for: by one request, and given back as a whole. */
struct piece {
    uint64_t bytes;
    uint32_t object; /* its number in the kernel (rm.h); 0: nobody was asked */
    void *mapping;   /* of managed memory: where nvidia-uvm has it; NULL: nowhere */
    bool faulted;    /* managed: no limit of a control group counts it */
};

/* What grows and shrinks, as a list whose end goes first. */
struct pieces {
    struct piece *at;
    size_t count;
    uint64_t bytes; /* of all */
};

struct CUctx_st {
    uint32_t gpu;
    uint32_t primary_count;
    bool primary;
    bool alive;
    unsigned int api_version;
    struct piece base;   /* taken when it was made */
    struct pieces stack; /* taken when the limit was set */
    struct pieces heap;  /* taken when code was loaded after the limits were set: heap and printf */
    size_t limits[SIM_LIMITS];
    CUgreenCtx green;
};

/* A moment in a stream: after everything that it had issued. */
struct sim_stamp {
    uint64_t stream; /* its id */
    uint32_t gpu;
    uint64_t seq[SIM_ENGINES];
};

#define SIM_WAITED 8u /* events whose order a stream remembers */
#define SIM_TAILS 8u  /* captured nodes that the next one depends on */

struct CUstream_st {
    uint32_t gpu;
    uint32_t flags;
    uint64_t id;
    CUcontext context;
    uint64_t last[SIM_ENGINES]; /* sequence number of the newest work, per engine */
    bool behind_event;          /* the newest is an event */
    bool crowded;               /* the newest event did not find the stream idle */
    struct sim_stamp waited[SIM_WAITED];
    uint32_t waits;
    CUgraph capture; /* NULL: not capturing */
    CUgraphNode tails[SIM_TAILS];
    size_t tail_count;
    int capture_mode;
    bool capture_invalid;
};

struct CUevent_st {
    uint32_t gpu;
    uint32_t slot;
    uint32_t generation;
    uint32_t flags;
    uint64_t seq[SIM_ENGINES];
    uint64_t stream; /* that recorded it */
    CUgraph captured;
    CUgraphNode tail;
};

struct CUfunc_st {
    char name[96];
    void *owner; /* module or library; NULL: a free place */
    _Atomic bool loaded;
};

/* device.c */
uint32_t sim_device_count(void);
uint32_t sim_device_at(uint32_t ordinal);                                    /* its GPU */
CUresult sim_gpu_device(uint32_t gpu, int *device);                          /* its ordinal in this process */
CUresult sim_enter(struct sim_state **state_out);                            /* initialized? */
CUresult sim_enter_context(struct sim_state **state_out, uint32_t *gpu_out); /* and a context is current? */
CUresult sim_device_gpu(CUdevice device, uint32_t *gpu_out);
/* Lock held: the queues of this process on that GPU, made on first use. */
CUresult sim_queues(struct sim_state *state, uint32_t gpu, struct sim_context **out);

/* context.c */
uint32_t sim_gpu_of_current(void); /* SIM_GPUS: none */
CUcontext sim_context_current(void);
CUresult sim_context_code_loaded(struct sim_state *state, CUcontext context); /* sizes set before take effect now */

/* stream.c */
CUstream sim_stream(uint32_t gpu, CUstream handle, bool per_thread);
CUresult sim_enqueue(struct sim_state *state, CUstream stream, enum sim_engine engine, uint64_t duration_ns,
                     uint32_t event, uint32_t event_generation);
CUresult sim_enqueue_collective(struct sim_state *state, CUstream stream, uint64_t duration_ns, uint64_t number,
                                uint32_t parties);
CUresult sim_stream_drain(struct sim_state *state, CUstream stream);
/* A call that could disturb a capture: refused, and the capture spoiled, unless the thread's mode allows it. */
CUresult sim_capture_guard(void);
struct sim_stamp sim_stamp_of(CUstream stream);
/* How the queues of this process on that GPU stand right now. */
bool sim_done_now(struct sim_state *state, uint32_t gpu, const uint64_t seq[SIM_ENGINES]);
CUresult sim_drain_gpu(struct sim_state *state, uint32_t gpu); /* waits for all work of this process on it */

/* memory.c, pool.c */
void sim_memory_of_context_gone(struct sim_state *state, CUcontext context);
void sim_pools_trim(struct sim_state *state, uint32_t gpu); /* a synchronization gives back what pools cached */

/* graph.c, graph_memory.c. A captured call becomes a node after what the stream captured before. */
CUgraph sim_graph_make(void);
void sim_graph_free(CUgraph graph);
CUresult sim_capture_work(CUstream stream, int type, CUfunction function, uint64_t duration_ns);
CUresult sim_capture_alloc(CUstream stream, uint32_t gpu, uint64_t bytes, CUdeviceptr *out);
CUresult sim_capture_free(CUstream stream, CUdeviceptr address);

/* module.c, launch.c */
CUresult sim_function_load(struct sim_state *state, CUfunction function); /* the code of a kernel, at its first use */
bool sim_function_known(CUfunction function);
uint64_t sim_kernel_ns(CUfunction function, uint64_t blocks, uint64_t threads, void **parameters);

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
        if (sim_try != CUDA_SUCCESS) return sim_try;                                                                  \
    } while (0)

#endif
