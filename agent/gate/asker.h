/* Who asks: the process behind a thread, its memory, what its descriptors lead to, and when it ends.
 *
 * All by the numbers that a report carries, which may belong to another thread a moment later. So whoever asks here looks
 * afterwards whether the report still stands (supervisor.c): as long as it does, its thread was there all the time.
 * Functions return 0 or an errno value, if not said otherwise. */
#ifndef TRANCHE_GATE_ASKER_H
#define TRANCHE_GATE_ASKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* As many as a slice's usage file has entries, twice: processes that have asked the driver for something, and live. */
#define ASKERS_MAX 512u

/* Which character devices are the driver's (rm_abi.h). Tests name a stand-in. */
struct gate_devices {
    unsigned major_number, control_minor;
    /* The one by whose mappings managed memory is made, which has a major of its own; 0: the kernel says which
     * (/proc/devices). */
    unsigned managed_major, managed_minor;
};
#define GATE_DEVICES_NVIDIA                                                                                           \
    {                                                                                                                 \
        195u, 255u, 0u, 0u                                                                                            \
    }

/* Of the simulated driver: files that open for everybody and answer its requests with ENOTTY (agent/sim/common/rm.h). */
#define GATE_DEVICES_SIMULATED                                                                                        \
    {                                                                                                                 \
        1u, 3u, 1u, 5u                                                                                                \
    }

enum asker_file {
    ASKER_ELSEWHERE,  /* not the driver's, or nothing */
    ASKER_CONTROL,    /* /dev/nvidiactl */
    ASKER_GPU,        /* /dev/nvidiaN */
    ASKER_UNREADABLE, /* the process does not let us see */
};

/* A process that has asked. OVER: it has ended, or become another program by exec, and what it held may live on in
 * `heir`. */
struct asker {
    pid_t pid; /* 0: free */
    int pidfd; /* readable when it has ended; -1: it is over */
    bool is_over;
    pid_t heir;           /* 0: none */
    uint64_t stack_start; /* of the program that it is: exec chooses another one; 0: not known */
};

struct askers;

/* NULL: errno. */
struct askers *askers_new(const struct gate_devices *devices);
void askers_delete(struct askers *askers);

/* Readable when one of them has ended. */
int askers_end_fd(const struct askers *askers);

/* The index of the process that this thread is of, new or known. Negative: -errno, -ENOSPC if there are too many. */
int askers_of_thread(struct askers *askers, pid_t tid);
/* The same for a process. */
int askers_of_process(struct askers *askers, pid_t pid);
const struct asker *askers_at(const struct askers *askers, uint32_t index);

/* The next one that has ended and is not marked as over; -1: none. */
int askers_next_ended(struct askers *askers);
/* It is over; somebody else still has its files, or (0) nobody. Its index is kept until it is forgotten. */
void askers_set_over(struct askers *askers, uint32_t index, pid_t heir);
void askers_forget(struct askers *askers, uint32_t index);

/* Reads or writes all of it, or nothing that counts. EFAULT: it is not there; EPERM: it may not be read. */
int asker_read(pid_t tid, uint64_t address, void *out, size_t size);
int asker_write(pid_t tid, uint64_t address, const void *data, size_t size);

/* Whether a descriptor leads to the device of managed memory. -1: the process does not let us see. */
int asker_has_managed(const struct gate_devices *devices, pid_t tid, uint32_t fd);
/* How much managed memory the process has mapped, by the kernel's list of its mappings; false: it cannot be read. A
 * mapping is taken for one that is shared and stands at an offset that is its address: nvidia-uvm takes no other, and of
 * other files that is so by chance at most. */
bool asker_managed_bytes(pid_t pid, uint64_t *out);

enum asker_file asker_file_of(const struct gate_devices *devices, pid_t tid, uint32_t fd);
/* Whether both descriptors are of one opened file; false where that cannot be told. */
bool asker_is_same_file(pid_t left, int left_fd, pid_t right, int right_fd);
/* Whether the process has any descriptor of the control device. 1: yes; 0: no; -1: it does not let us see. */
int asker_has_control(const struct gate_devices *devices, pid_t pid);
/* Where the initial stack of its program is; 0: not known. */
uint64_t asker_stack_start(pid_t pid);

/* Processes that descend from this one, up to `max` of them; returns how many. */
size_t asker_descendants(pid_t *out, size_t max);

#endif
