#include "filter.h"

#include "rm_abi.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Names that came with later kernels than a build's headers may be of. */
#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 3
#endif
#ifndef SECCOMP_FILTER_FLAG_NEW_LISTENER
#define SECCOMP_FILTER_FLAG_NEW_LISTENER (1UL << 3)
#endif
#ifndef SECCOMP_FILTER_FLAG_TSYNC_ESRCH
#define SECCOMP_FILTER_FLAG_TSYNC_ESRCH (1UL << 4)
#endif
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif
#ifndef SECCOMP_RET_USER_NOTIF
#define SECCOMP_RET_USER_NOTIF 0x7fc00000U
#endif
#ifndef SYS_seccomp
#if defined(__x86_64__)
#define SYS_seccomp 317
#else
#define SYS_seccomp 277
#endif
#endif

/* The numbers of what is reported, by the architecture that a system call is made in: one kernel takes several. Those of
 * one architecture stand together, the kernel's own first. */
struct call {
    uint32_t architecture;
    uint32_t number;
    enum filter_call is;
};

static const struct call calls[] = {
#if defined(__x86_64__)
    {AUDIT_ARCH_X86_64, 16, FILTER_IOCTL},
    {AUDIT_ARCH_X86_64, 9, FILTER_MAP},
    {AUDIT_ARCH_X86_64, 0x40000000u | 514, FILTER_IOCTL}, /* x32 */
    {AUDIT_ARCH_X86_64, 0x40000000u | 16, FILTER_IOCTL},  /* which older kernels took as well */
    {AUDIT_ARCH_X86_64, 0x40000000u | 9, FILTER_MAP},
    {AUDIT_ARCH_I386, 54, FILTER_IOCTL},
    {AUDIT_ARCH_I386, 192, FILTER_MAP},
    {AUDIT_ARCH_I386, 90, FILTER_MAP_STRUCT},
#elif defined(__aarch64__)
    {AUDIT_ARCH_AARCH64, 29, FILTER_IOCTL},
    {AUDIT_ARCH_AARCH64, 222, FILTER_MAP},
    {AUDIT_ARCH_ARM, 54, FILTER_IOCTL},
    {AUDIT_ARCH_ARM, 192, FILTER_MAP},
#else
#error "the gate knows the numbers of its system calls on x86_64 and aarch64"
#endif
};
#define CALLS (sizeof calls / sizeof calls[0])

enum filter_call filter_call_of(uint32_t architecture, uint32_t number)
{
    for (size_t i = 0; i < CALLS; i++)
        if (calls[i].architecture == architecture && calls[i].number == number) return calls[i].is;
    return FILTER_IOCTL;
}

/* Halves of arguments; all of these architectures are little-endian. */
#define LOW(argument) ((uint32_t)(offsetof(struct seccomp_data, args) + (argument) * sizeof(uint64_t)))
#define HIGH(argument) (LOW(argument) + 4)
#define IOCTL_COMMAND 1
#define MAP_PROT 2
#define MAP_FLAGS 3
#define MAP_OFFSET 5

static void step(struct sock_filter *steps, size_t *count, uint16_t code, uint32_t value, uint8_t yes, uint8_t no)
{
    steps[(*count)++] = (struct sock_filter){.code = code, .jt = yes, .jf = no, .k = value};
}

/* Whether a driver's number is asked for: its last two steps are the returns. */
static void add_ioctl(struct sock_filter *steps, size_t *count)
{
    static const uint32_t numbers[] = RM_NUMBERS;
    const size_t number_count = sizeof numbers / sizeof numbers[0];
    step(steps, count, BPF_LD | BPF_W | BPF_ABS, LOW(IOCTL_COMMAND), 0, 0);
    step(steps, count, BPF_ALU | BPF_AND | BPF_K, 0xff, 0, 0);
    for (size_t i = 0; i < number_count; i++)
        step(steps, count, BPF_JMP | BPF_JEQ | BPF_K, numbers[i], (uint8_t)(number_count - i), 0);
    step(steps, count, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    step(steps, count, BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF, 0, 0);
}

/* Whether a mapping is shared (MAP_SHARED or MAP_SHARED_VALIDATE), may be read and written, and is at an offset. */
static void add_map(struct sock_filter *steps, size_t *count)
{
    step(steps, count, BPF_LD | BPF_W | BPF_ABS, LOW(MAP_FLAGS), 0, 0);
    step(steps, count, BPF_ALU | BPF_AND | BPF_K, MAP_TYPE & ~(MAP_SHARED_VALIDATE ^ MAP_SHARED), 0, 0);
    step(steps, count, BPF_JMP | BPF_JEQ | BPF_K, MAP_SHARED, 0, 7);
    step(steps, count, BPF_LD | BPF_W | BPF_ABS, LOW(MAP_PROT), 0, 0);
    step(steps, count, BPF_ALU | BPF_AND | BPF_K, PROT_READ | PROT_WRITE, 0, 0);
    step(steps, count, BPF_JMP | BPF_JEQ | BPF_K, PROT_READ | PROT_WRITE, 0, 4);
    step(steps, count, BPF_LD | BPF_W | BPF_ABS, LOW(MAP_OFFSET), 0, 0);
    step(steps, count, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3);
    step(steps, count, BPF_LD | BPF_W | BPF_ABS, HIGH(MAP_OFFSET), 0, 0);
    step(steps, count, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
    step(steps, count, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    step(steps, count, BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF, 0, 0);
}

/* Layout: architecture and number of each call; what is none of them; then a block for each kind of call. Jumps are
 * relative and forward, so the blocks are built first, for their lengths. */
size_t filter_build(struct sock_filter steps[FILTER_STEPS_MAX])
{
    struct sock_filter ioctl_block[FILTER_STEPS_MAX], map_block[FILTER_STEPS_MAX];
    size_t count = 0, ioctl_length = 0, map_length = 0;
    add_ioctl(ioctl_block, &ioctl_length);
    add_map(map_block, &map_length);
    /* Four steps a call, five for what is none of them. */
    const size_t ioctl_at = 4 * CALLS + 5, map_at = ioctl_at + ioctl_length;
    const size_t targets[] = {[FILTER_IOCTL] = ioctl_at,
                              [FILTER_MAP] = map_at,
                              [FILTER_MAP_STRUCT] = map_at + map_length - 1 /* is always reported */};
    for (size_t i = 0; i < CALLS; i++) {
        step(steps, &count, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
        step(steps, &count, BPF_JMP | BPF_JEQ | BPF_K, calls[i].architecture, 0, 2);
        step(steps, &count, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
        step(steps, &count, BPF_JMP | BPF_JEQ | BPF_K, calls[i].number, (uint8_t)(targets[calls[i].is] - count - 1),
             0);
    }
    /* A known architecture's other calls go on; those of another one could be one of ours by a number we do not know. */
    step(steps, &count, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    step(steps, &count, BPF_JMP | BPF_JEQ | BPF_K, calls[0].architecture, 2, 0);
    step(steps, &count, BPF_JMP | BPF_JEQ | BPF_K, calls[CALLS - 1].architecture, 1, 0);
    step(steps, &count, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS, 0, 0);
    step(steps, &count, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    memcpy(steps + count, ioctl_block, ioctl_length * sizeof *steps);
    memcpy(steps + count + ioctl_length, map_block, map_length * sizeof *steps);
    return count + ioctl_length + map_length;
}

int filter_install(bool all_threads)
{
    struct sock_filter steps[FILTER_STEPS_MAX];
    struct sock_fprog program = {.len = (unsigned short)filter_build(steps), .filter = steps};
    /* With the flag a signal that is not fatal does not take a report back that a supervisor has received (5.19). */
    unsigned long always = SECCOMP_FILTER_FLAG_NEW_LISTENER;
    if (all_threads) always |= SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
    unsigned long flags = always | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    long listener = -1;
    for (int attempt = 0; attempt < 3; attempt++) {
        listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
        if (listener >= 0) return (int)listener;
        if (errno == EACCES) {
            if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -errno;
        } else if (errno == EINVAL && (flags & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) != 0) {
            flags = always;
        } else {
            break;
        }
    }
    return -errno;
}

const char *filter_refusal(int error)
{
    switch (error) {
    case EBUSY:
        return "The program runs where another program's filter reports its system calls already, and Linux "
               "allows one such filter.";
    case ENOSYS:
    case EINVAL: return "This kernel has no user notification of seccomp (Linux 5.5 or newer has it).";
    case EACCES:
    case EPERM: return "Seccomp filters are forbidden here (by a container's rules, or by another filter).";
    case ENOMEM: return "There was no memory for a filter.";
    default: return "The kernel refused the filter.";
    }
}
