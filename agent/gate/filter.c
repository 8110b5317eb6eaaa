#include "filter.h"

#include "rm_abi.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Names that came with later kernels than a build's headers may be of. */
#ifndef SECCOMP_FILTER_FLAG_NEW_LISTENER
#define SECCOMP_FILTER_FLAG_NEW_LISTENER (1UL << 3)
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

/* The numbers of ioctl by the architecture that a system call is made in: one kernel takes several. */
struct call {
    uint32_t architecture;
    uint32_t number;
};

static const struct call calls[] = {
#if defined(__x86_64__)
    {AUDIT_ARCH_X86_64, 16},
    {AUDIT_ARCH_X86_64, 0x40000000u | 514}, /* x32 */
    {AUDIT_ARCH_X86_64, 0x40000000u | 16},  /* which older kernels took as well */
    {AUDIT_ARCH_I386, 54},
#elif defined(__aarch64__)
    {AUDIT_ARCH_AARCH64, 29},
    {AUDIT_ARCH_ARM, 54},
#else
#error "the gate knows the numbers of ioctl on x86_64 and aarch64"
#endif
};
#define CALLS (sizeof calls / sizeof calls[0])

/* The low half of ioctl's second argument; all of these architectures are little-endian. */
#define COMMAND_AT (offsetof(struct seccomp_data, args) + sizeof(uint64_t))

static void step(struct sock_filter *steps, size_t *count, uint16_t code, uint32_t value, uint8_t yes, uint8_t no)
{
    steps[(*count)++] = (struct sock_filter){.code = code, .jt = yes, .jf = no, .k = value};
}

/* Layout: architecture and number of each call, then the return for all that is no ioctl, then the command. Jumps are
 * relative, so each block is written with its own length in mind. */
size_t filter_build(struct sock_filter steps[FILTER_STEPS_MAX])
{
    static const uint32_t numbers[] = RM_NUMBERS;
    const size_t number_count = sizeof numbers / sizeof numbers[0];
    size_t count = 0;
    /* Four steps a call, then two returns: */
    const size_t command_at = 4 * CALLS + 3;
    for (size_t i = 0; i < CALLS; i++) {
        step(steps, &count, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
        step(steps, &count, BPF_JMP | BPF_JEQ | BPF_K, calls[i].architecture, 0, 2);
        step(steps, &count, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
        step(steps, &count, BPF_JMP | BPF_JEQ | BPF_K, calls[i].number, (uint8_t)(command_at - count - 1), 0);
    }
    /* A known architecture's other calls go on; those of another one could be an ioctl by a number we do not know. */
    step(steps, &count, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
    step(steps, &count, BPF_JMP | BPF_JEQ | BPF_K, calls[0].architecture, (uint8_t)(3 + number_count), 0);
    step(steps, &count, BPF_JMP | BPF_JEQ | BPF_K, calls[CALLS - 1].architecture, (uint8_t)(2 + number_count),
         (uint8_t)(4 + number_count));
    step(steps, &count, BPF_LD | BPF_W | BPF_ABS, (uint32_t)COMMAND_AT, 0, 0);
    step(steps, &count, BPF_ALU | BPF_AND | BPF_K, 0xff, 0, 0);
    for (size_t i = 0; i < number_count; i++)
        step(steps, &count, BPF_JMP | BPF_JEQ | BPF_K, numbers[i], (uint8_t)(number_count - i), 0);
    step(steps, &count, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
    step(steps, &count, BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF, 0, 0);
    step(steps, &count, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS, 0, 0);
    return count;
}

int filter_install(void)
{
    struct sock_filter steps[FILTER_STEPS_MAX];
    struct sock_fprog program = {.len = (unsigned short)filter_build(steps), .filter = steps};
    /* With the flag a signal that is not fatal does not take a report back that a supervisor has received (5.19). */
    unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    long listener = -1;
    for (int attempt = 0; attempt < 3; attempt++) {
        listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
        if (listener >= 0) return (int)listener;
        if (errno == EACCES) {
            if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -errno;
        } else if (errno == EINVAL && (flags & SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) != 0) {
            flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
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
