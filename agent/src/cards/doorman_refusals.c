#include "cards/doorman_refusals.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "base/people.h"
#include "base/procs.h"
#include "fs.h"
#include "journal/audit.h"
#include "journal/notices.h"
#include "log.h"
#include "text.h"

#define TOLD_PER_PERSON 5 /* in this time; what is beyond is counted in the next */
#define TOLD_WINDOW_MS 60000
#define TERMINAL_AGAIN_MS 60000
#define TERMINAL_MAJOR_FIRST 136 /* of pseudo terminals: eight majors of 256 (Documentation/admin-guide/devices.txt) */
#define TERMINAL_MAJORS 8
#define NS_PER_S UINT64_C(1000000000)
#define TERMINAL_FIELD 7 /* tty_nr, in /proc/PID/stat as proc(5) counts */

/* The entry of this process, made if there is none. */
static struct refused_process *keep(struct refused *refused, const struct door_record *record, uint64_t start_ticks)
{
    for (size_t i = 0; i < REFUSED_KEPT_MAX; i++) {
        struct refused_process *one = &refused->kept[i];
        bool same = one->pid == record->pid && one->uid == record->uid && one->at_ms != 0;
        if (same && (one->start_ticks == start_ticks || start_ticks == 0)) return one;
    }
    struct refused_process *one = &refused->kept[refused->next];
    refused->next = (refused->next + 1) % REFUSED_KEPT_MAX;
    *one = (struct refused_process){.pid = record->pid, .uid = record->uid, .start_ticks = start_ticks};
    return one;
}

const struct refused_process *refused_find(const struct refused *refused, uint32_t pid)
{
    const struct refused_process *last = NULL;
    for (size_t i = 0; i < REFUSED_KEPT_MAX; i++) {
        const struct refused_process *one = &refused->kept[i];
        if (one->at_ms != 0 && one->pid == pid && (!last || one->at_ms > last->at_ms)) last = one;
    }
    return last;
}

/* Whether this person's refusals, `times` of them, may be told now; *omitted_out: of how many more nothing was told. */
static bool may_tell(struct refused *refused, uid_t uid, int64_t mono_ms, uint64_t times, uint64_t *omitted_out)
{
    struct refused_person *person = NULL, *oldest = &refused->people[0];
    for (size_t i = 0; i < REFUSED_PEOPLE_MAX && !person; i++) {
        struct refused_person *one = &refused->people[i];
        if (one->since_ms != 0 && one->uid == uid) person = one;
        if (one->since_ms < oldest->since_ms) oldest = one;
    }
    if (!person) {
        person = oldest;
        *person = (struct refused_person){.uid = uid, .since_ms = mono_ms};
    }
    if (mono_ms - person->since_ms >= TOLD_WINDOW_MS) {
        person->since_ms = mono_ms;
        person->told = 0;
    }
    if (person->told >= TOLD_PER_PERSON) {
        person->omitted += times;
        return false;
    }
    person->told++;
    *omitted_out = person->omitted + times - 1;
    person->omitted = 0;
    return true;
}

/* ---- the terminal -------------------------------------------------------------------------------------------- */

/* In the host's own PID namespace, as we are: elsewhere terminals have other numbers. */
static bool is_of_host(pid_t pid)
{
    char path[64], ours[64], theirs[64];
    snprintf(path, sizeof path, "/proc/%ld/ns/pid", (long)pid);
    ssize_t n = readlink("/proc/self/ns/pid", ours, sizeof ours), m = readlink(path, theirs, sizeof theirs);
    return n > 0 && n == m && memcmp(ours, theirs, (size_t)n) == 0;
}

/* The number of the pseudo terminal that controls it; -1: none does. */
static long terminal_of(pid_t pid)
{
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    if (fs_read_small(path, text, sizeof text) <= 0) return -1;
    /* The second field may hold brackets and spaces itself. */
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < TERMINAL_FIELD; field++) at = strchr(at + 1, ' ');
    long number = at ? strtol(at + 1, NULL, 10) : 0;
    /* Twelve bits of the major from bit 8 on; the minor's lie around them. */
    unsigned high = (unsigned)(number >> 8) & 0xfff,
             low = (unsigned)(number & 0xff) | ((unsigned)(number >> 12) & 0xfff00);
    if (high < TERMINAL_MAJOR_FIRST || high >= TERMINAL_MAJOR_FIRST + TERMINAL_MAJORS || low > 0xff) return -1;
    return (long)((high - TERMINAL_MAJOR_FIRST) * 256 + low);
}

/* One line, if the terminal is the same person's. A path of ours, of a number that the kernel said; a terminal that takes
 * nothing just now is left alone. */
static void write_terminal(pid_t pid, uid_t uid, const char *line)
{
    char path[64];
    struct stat st;
    long number = is_of_host(pid) ? terminal_of(pid) : -1;
    if (number < 0) return;
    snprintf(path, sizeof path, "/dev/pts/%ld", number);
    int fd = open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return;
    if (fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_uid == uid && major(st.st_rdev) >= TERMINAL_MAJOR_FIRST &&
        major(st.st_rdev) < TERMINAL_MAJOR_FIRST + TERMINAL_MAJORS) {
        ssize_t n = write(fd, line, strlen(line));
        (void)n; /* the audit and `doctor --pid` have it, too */
    }
    close(fd);
}

/* ---- telling --------------------------------------------------------------------------------------------------- */

struct who {
    char person[OWNER_BYTES + 16];
    char command[REFUSED_COMMAND_BYTES];
    char place[2 * WORKLOAD_BYTES];
};

static void name_it(const struct door_record *record, struct proc *proc, int64_t mono_ms, struct who *who)
{
    const char *name = people_name_of(record->uid);
    char kernels[sizeof record->command + 1] = "";
    memcpy(kernels, record->command, sizeof record->command);
    if (name)
        text_copy(who->person, sizeof who->person, name);
    else
        snprintf(who->person, sizeof who->person, "uid %u", record->uid);
    const char *command = proc ? procs_command(proc, mono_ms) : NULL;
    if (!command || !command[0]) command = kernels;
    text_sanitize(who->command, sizeof who->command, command, strlen(command));
    who->place[0] = '\0';
    const struct workload *workload = proc ? procs_workload(proc, mono_ms) : NULL;
    const char *in = !workload ? "" : workload->container[0] ? workload->container : workload->unit;
    if (in[0]) snprintf(who->place, sizeof who->place, ", in %s", in);
}

static void tell_all(struct agent *agent, const struct door_record *record, const struct who *who, const char *device,
                     uint64_t omitted)
{
    char message[640], more[64] = "", number[32] = "";
    if (record->pid != 0) snprintf(number, sizeof number, " (process %u)", record->pid);
    if (omitted > 0) snprintf(more, sizeof more, " So it was %llu times more.", (unsigned long long)omitted);
    snprintf(message, sizeof message, "%s of %s%s%s %s %s, outside of every slice.%s",
             who->command[0] ? who->command : "A program", who->person, number, who->place,
             record->refused ? "was refused" : "would have been refused", device, more);
    struct editor editor = {.uid = record->uid,
                            .name = who->person,
                            .action = record->refused ? "door-refused" : "door-watched",
                            .claimed_from = ""};
    audit_act(agent, &editor, NULL, message);
    notices_tell(agent, editor.action, NULL, record->pid, message);
}

/* A record may have waited for an agent, and the process's number is another one's now. */
static bool began_after(const struct proc *proc, const struct door_record *record)
{
    struct timespec boot, mono;
    clock_gettime(CLOCK_BOOTTIME, &boot); /* goes on while the machine sleeps, and processes count by it */
    clock_gettime(CLOCK_MONOTONIC, &mono);
    uint64_t slept_ns =
        (uint64_t)(boot.tv_sec - mono.tv_sec) * NS_PER_S + (uint64_t)boot.tv_nsec - (uint64_t)mono.tv_nsec;
    uint64_t ticks = (uint64_t)sysconf(_SC_CLK_TCK);
    return proc->start_ticks > (record->at_ns + slept_ns) / (NS_PER_S / ticks) + 1;
}

void refused_tell(struct agent *agent, struct refused *refused, const struct guarded *guarded,
                  const struct door_record *record, int64_t mono_ms)
{
    char device[64];
    uint64_t omitted = 0;
    struct who who;
    struct proc *proc = record->pid != 0 ? procs_get(&agent->procs, (pid_t)record->pid, mono_ms) : NULL;
    /* It has ended, and this is another one. (What may not be looked into belongs to root in /proc, whose ever it is.) */
    if (proc && proc->uid_known && proc->uid != 0 && proc->uid != record->uid) proc = NULL;
    if (proc && began_after(proc, record)) proc = NULL;
    struct refused_process *kept = keep(refused, record, proc ? proc->start_ticks : 0);
    guarded_text(device, sizeof device, guarded, record->major_number, record->minor_number);
    kept->at_ms = (int64_t)(record->at_ns / 1000000); /* the kernel's monotonic clock is ours */
    kept->times += 1 + record->untold;
    kept->watched = !record->refused;
    kept->major_number = record->major_number;
    kept->minor_number = record->minor_number;
    if (record->refused && proc &&
        (kept->terminal_at_ms == 0 || mono_ms - kept->terminal_at_ms >= TERMINAL_AGAIN_MS)) {
        char line[256];
        kept->terminal_at_ms = mono_ms;
        snprintf(line, sizeof line,
                 "\r\ntranche: process %u was refused the GPU (%s): it is in no slice. tranche run --slice NAME -- "
                 "COMMAND puts it into one; tranche doctor --pid %u says more.\r\n",
                 record->pid, device, record->pid);
        write_terminal((pid_t)record->pid, record->uid, line);
    }
    if (!may_tell(refused, record->uid, mono_ms, 1 + record->untold, &omitted)) return;
    name_it(record, proc, mono_ms, &who);
    tell_all(agent, record, &who, device, omitted);
}
