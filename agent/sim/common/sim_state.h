/* The simulated machine: one file, shared by every process that loads one of the simulated libraries.
 * A robust mutex guards it; the simulator is no product code, a lock is fine here. */
#ifndef TRANCHE_SIM_STATE_H
#define TRANCHE_SIM_STATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Protected: programs may preload or define the same names, and the simulator must still reach its own. */
#define SIM_EXPORT __attribute__((visibility("protected")))

#define SIM_MAGIC UINT64_C(0x31304d4953435254)
#define SIM_GPUS 16u
#define SIM_PROCESSES 128u
#define SIM_CONTEXTS 64u
#define SIM_THREADS 256u
#define SIM_QUEUE 1024u  /* launches a context may have queued before the next one blocks */
#define SIM_EVENTS 4096u /* events alive in one context */
#define SIM_SHARED 1024u /* memory that more than one process may hold */
#define SIM_GROUPS 1024u /* control groups with limits */
#define SIM_GROUP_DEPTH 8u
#define SIM_GROUP_PATH 256u
#define SIM_NO_LIMIT UINT64_MAX
#define SIM_NEVER UINT64_MAX

#define SIM_WINDOW_NS UINT64_C(200000000)  /* utilization is the busy share of the last whole window */
#define SIM_DEATH_NS UINT64_C(100000000)   /* a killed process's memory comes back this long after it is gone */
#define SIM_AHEAD_NS UINT64_C(20000)       /* virtual time: how far a thread may run before it gives way */
#define SIM_WATCHDOG_NS UINT64_C(20000000) /* real time between looks for killed or sleeping participants */

enum sim_engine { SIM_COMPUTE = 0, SIM_COPY = 1, SIM_ENGINES = 2 };

/* Work in a context's queue. Sequence numbers count per context over both engines, so that "everything this stream
 * has issued" is one number per engine. */
struct sim_item {
    uint64_t seq;
    uint64_t after_seq; /* of the other engine: not before that one is done */
    uint64_t ready_ns;
    uint64_t remaining_ns;
    uint32_t event; /* slot + 1: stamp it when done */
    uint32_t event_generation;
    uint64_t meeting; /* 0, or the number of a collective: it gets nowhere until all its parties run */
    uint32_t parties;
    uint32_t arrived; /* this one has been counted */
};

/* A collective: kernels of this many GPUs that wait for each other. */
#define SIM_MEETINGS 1024u
struct sim_meeting {
    uint64_t number;
    uint32_t arrived;
    uint32_t reserved;
};

struct sim_queue {
    uint32_t head;
    uint32_t count;
    uint64_t done_seq; /* everything of this engine up to here is done */
    struct sim_item items[SIM_QUEUE];
};

struct sim_event {
    uint64_t stamp_ns;
    uint32_t used;
    uint32_t generation;      /* counts records */
    uint32_t done_generation; /* the newest record that was reached */
    uint32_t reserved;
};

struct sim_context {
    uint32_t used;
    uint32_t process;
    uint32_t gpu;
    uint32_t window_percent; /* of the last whole utilization window */
    uint64_t next_seq;
    uint64_t busy_ns;
    uint64_t window_busy_ns;
    uint64_t launches;
    uint64_t noise; /* state of the generator */
    struct sim_queue queues[SIM_ENGINES];
    struct sim_event events[SIM_EVENTS];
};

struct sim_process {
    uint32_t used;
    uint32_t pid;
    uint64_t start_ticks;
    uint64_t pid_namespace; /* in which that is its pid */
    uint32_t locked;        /* its life is told by a lock, as region.h has it: byte of its place in sim.shm */
    uint32_t reserved;
    uint64_t dead_at_ns; /* real time: 0, or when its death was noticed */
    uint64_t memory_bytes[SIM_GPUS];
    uint64_t faulted_bytes[SIM_GPUS]; /* of these, what came by fault: managed memory */
    uint64_t groups[SIM_GROUP_DEPTH]; /* its control group and those above it, as inodes; 0: no more */
    uint32_t contexts[SIM_GPUS];      /* index + 1: the queues */
    uint32_t live[SIM_GPUS];          /* contexts of the driver that use these queues */
};

/* Physical memory that was exported. It is freed when its last holder lets go; until then it is charged to one of
 * them, first to the one that exported it. */
struct sim_shared {
    uint64_t id; /* 0: a free place */
    uint64_t bytes;
    uint32_t gpu; /* SIM_GPUS: host memory, charged to nobody */
    uint32_t owner;
    uint64_t holders[SIM_PROCESSES / 64];
};

/* Limits of a control group, as the real driver keeps them (nvml/limits.c). */
struct sim_group {
    uint64_t id; /* the folder's inode; 0: a free place */
    uint64_t soft_bytes[SIM_GPUS], hard_bytes[SIM_GPUS];
    uint64_t most_bytes[SIM_GPUS]; /* that was seen in use (`limits-uncredited`) */
    char path[SIM_GROUP_PATH];
};

struct sim_gpu {
    char name[96];
    char uuid[48];
    char mig[96]; /* names of its MIG slices, blanks between; "": MIG is off */
    uint64_t memory_bytes;
    uint64_t reserved_bytes;
    uint64_t used_bytes;
    uint64_t time_ns; /* simulated up to here */
    uint64_t busy_ns;
    uint64_t slice_end_ns;
    uint32_t current[SIM_ENGINES]; /* context index + 1 */
    uint32_t window_percent;
    uint32_t reserved;
    uint64_t window_start_ns;
    uint64_t window_busy_ns;
};

enum sim_thread_state { SIM_THREAD_FREE, SIM_THREAD_RUNNING, SIM_THREAD_WAITING, SIM_THREAD_ABSENT };
enum sim_wait_kind { SIM_WAIT_TIME, SIM_WAIT_DONE, SIM_WAIT_SPACE };

/* A participant in virtual time. */
struct sim_thread {
    uint32_t state;
    uint32_t pid;
    uint32_t tid;
    uint32_t kind;
    uint64_t start_ticks;
    uint64_t wake_ns;
    uint64_t order; /* of registration: ties go to the older */
    uint64_t seq[SIM_ENGINES];
    uint32_t context;
    uint32_t idle_looks; /* how often the watchdog found it asleep outside the simulator */
    _Atomic uint32_t word;
    uint32_t reserved;
};

struct sim_options {
    uint32_t virtual_clock;
    uint32_t participants; /* virtual time stands still until this many threads have come */
    uint32_t gpu_count;
    uint32_t noise_permille;
    uint64_t seed;
    uint64_t slice_ns;
    uint64_t launch_ns; /* host time of one driver call, virtual time only */
    uint64_t event_ns;  /* what an event takes of its stream's time */
    uint64_t gap_ns;    /* what a launch takes of the GPU beside the kernel's own time */
    uint64_t switch_ns; /* how long the GPU does nothing when it goes from one context to another */
    uint64_t lazy_load_ns;
    uint64_t context_bytes;
    uint64_t green_context_bytes;
    uint64_t clocks_reasons; /* NVML's bits */
    uint32_t memory_limits;  /* 1: this driver keeps limits of control groups */
    uint32_t reserved;
    char driver_version[32];
};

struct sim_state {
    uint64_t magic;
    uint64_t bytes;
    pthread_mutex_t lock;
    struct sim_options options;
    _Atomic uint64_t virtual_now_ns;
    uint64_t thread_order;
    uint64_t purged_at_ns;
    uint64_t shared_made; /* how many were ever exported */
    uint64_t rm_clients;  /* how many were ever made, for their numbers */
    uint64_t epoch_ns;    /* wall clock: CLOCK_MONOTONIC when the machine was made */
    uint32_t started;
    uint32_t thread_high;
    uint32_t context_high;
    uint32_t shared_high;
    struct sim_gpu gpus[SIM_GPUS];
    struct sim_meeting meetings[SIM_MEETINGS];
    struct sim_process processes[SIM_PROCESSES];
    struct sim_thread threads[SIM_THREADS];
    struct sim_context contexts[SIM_CONTEXTS];
    struct sim_shared shared[SIM_SHARED];
    struct sim_group groups[SIM_GROUPS];
};

/* state.c: where the simulated machine lives. */
void sim_directory(char *out, size_t size);
/* The file. NULL if it cannot be had. */
struct sim_state *sim_state(void);
void sim_lock(struct sim_state *state);
void sim_unlock(struct sim_state *state);

/* config.c: fills options and gpus from sim.conf in directory (absent: the defaults). */
void sim_config_load(struct sim_state *state, const char *directory);

/* process.c. All but sim_process_alive want the lock held. */
int sim_lock_file(void); /* for locks on sim.shm, to be closed; negative: none now */
bool sim_process_alive(struct sim_state *state, const struct sim_process *process, int lock_file);
uint64_t sim_start_ticks(uint32_t pid, uint32_t tid, char *state_out);
struct sim_process *sim_process_self(struct sim_state *state);
struct sim_context *sim_context_self(struct sim_state *state, uint32_t gpu);
void sim_context_drop(struct sim_state *state, struct sim_context *context);
void sim_process_drop(struct sim_state *state, struct sim_process *process);
void sim_purge(struct sim_state *state, bool force);
bool sim_memory_take(struct sim_state *state, struct sim_process *process, uint32_t gpu, uint64_t bytes);
void sim_memory_give(struct sim_state *state, struct sim_process *process, uint32_t gpu, uint64_t bytes);

/* limits.c: what a control group may hold. Lock held. */
void sim_groups_read(struct sim_process *process); /* of this process, as they are now */
struct sim_group *sim_group_of(struct sim_state *state, const struct sim_process *process, uint32_t gpu);
uint64_t sim_group_used(struct sim_state *state, const struct sim_group *group, uint32_t gpu);
/* How much this process may still take of that GPU, by its group. */
uint64_t sim_group_room(struct sim_state *state, struct sim_process *process, uint32_t gpu);
bool sim_switch(const char *name); /* a file of that name stands beside sim.conf */

/* shared.c: memory of several processes. Lock held. Ids are never reused. */
uint64_t sim_share(struct sim_state *state, struct sim_process *process, uint32_t gpu, uint64_t bytes);
const struct sim_shared *sim_shared_hold(struct sim_state *state, struct sim_process *process, uint64_t id);
void sim_shared_drop(struct sim_state *state, struct sim_process *process, uint64_t id);
void sim_shared_forget_process(struct sim_state *state, struct sim_process *process);

/* engine.c: what the silicon does between two instants. Lock held. */
void sim_gpu_advance(struct sim_state *state, uint32_t gpu, uint64_t to_ns);
uint64_t sim_gpu_next(struct sim_state *state, uint32_t gpu);
bool sim_queue_done(const struct sim_context *context, const uint64_t seq[SIM_ENGINES]);
uint64_t sim_queue_push(struct sim_context *context, enum sim_engine engine, const struct sim_item *item);
uint64_t sim_queue_estimate(const struct sim_context *context, const uint64_t seq[SIM_ENGINES], uint64_t now_ns);
uint64_t sim_noise(struct sim_state *state, struct sim_context *context, uint64_t duration_ns);

/* clock.c. now is the calling thread's own time; sim_cost adds host time to it (virtual time only). */
uint64_t sim_real_now(void);
uint64_t sim_now(struct sim_state *state);
void sim_cost(struct sim_state *state, uint64_t nanoseconds);
void sim_settle(struct sim_state *state);      /* lock not held: catch up with the shared clock */
void sim_advance_all(struct sim_state *state); /* lock held */
void sim_wait_until(struct sim_state *state, uint64_t deadline_ns);
void sim_wait_done(struct sim_state *state, struct sim_context *context, const uint64_t seq[SIM_ENGINES]);
void sim_wait_space(struct sim_state *state, struct sim_context *context, enum sim_engine engine);
void sim_schedule(struct sim_state *state);                                                  /* lock held */
void sim_thread_forget_process(struct sim_state *state, uint32_t pid, uint64_t start_ticks); /* lock held */

#endif
