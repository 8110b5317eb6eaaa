/* The seccomp filter of a gated program: which of its system calls are held until a supervisor has answered.
 *
 * It reports an ioctl whose number is one of the driver's that have to do with memory (rm_abi.h), whatever its type and
 * size, because the driver looks at neither the type nor the direction; and lets everything else go on at once. What is
 * not meant for the driver is told apart by the supervisor, which can see the file.
 *
 * It reports an mmap, too, that could be of managed memory: shared, to be read and written, at an offset. Of nvidia-uvm
 * the offset has to be the address, and a mapping that is not so is refused (uvm_mmap in kernel-open/nvidia-uvm/uvm.c);
 * other files are seldom mapped in that way. What is to be known of it stands in registers, where nobody can exchange it.
 *
 * The kernel keeps for each other system call that it is always allowed, so those pay nothing (since 5.11).
 *
 * It is inherited by each child, outlives exec, and cannot be taken off; a filter that the program adds can only take
 * more away. */
#ifndef TRANCHE_GATE_FILTER_H
#define TRANCHE_GATE_FILTER_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_STEPS_MAX 80u

/* Which of the calls that it reports one is, by the architecture and the number of the report. */
enum filter_call {
    FILTER_IOCTL,
    FILTER_MAP,        /* arguments as those of mmap; the offset in pages where the number is one of mmap2 */
    FILTER_MAP_STRUCT, /* old programs of 32 bits: all arguments stand in the program's memory */
};
enum filter_call filter_call_of(uint32_t architecture, uint32_t number);

/* The filter's steps for this architecture; returns how many. Pure. */
size_t filter_build(struct sock_filter steps[FILTER_STEPS_MAX]);

/* Puts the calling thread, and all that it will start, behind the filter; with all_threads the other threads of the
 * process as well, or none (Linux 5.7; -EINVAL before, -ESRCH where one of them has a filter that this one has not). Takes the right to gain rights by exec
 * (no_new_privs), unless the caller may do without, as root may. The listener, close-on-exec, or -errno; -EBUSY: there
 * is a filter with a listener already. On an error no filter was put on. */
int filter_install(bool all_threads);

/* Why filter_install failed, as a sentence for people. */
const char *filter_refusal(int error);

#endif
