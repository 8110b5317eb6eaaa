#include "supervisor.h"

#include "filter.h"
#include "judge.h"
#include "rm_abi.h"
#include "supervisor_inside.h"
#include "tally.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Names that came with later kernels than a build's headers may be of. */
#ifndef SECCOMP_USER_NOTIF_FLAG_CONTINUE
#define SECCOMP_USER_NOTIF_FLAG_CONTINUE 1u
#endif
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, uint64_t)
#endif
#define FD_SYNC_WAKE_UP UINT64_C(1)

/* Reports that one turn answers, before others have their turn. */
#define REPORTS_AT_ONCE 64
/* Ends of processes that one turn looks after. */
#define ENDS_AT_ONCE 16
/* Mappings are unmapped without a word: this often the kernel is asked which are left. */
#define MANAGED_LOOK_NS INT64_C(2000000000)

/* ---- reading ---------------------------------------------------------------------------------------------- */

static enum verdict refuse_unknown(struct supervisor *s, struct ask *ask)
{
    s->figures.unknown++;
    ask->error = EINVAL; /* as the driver answers what it does not know */
    return WITH_ERRNO;
}

/* errno of reading a program -> how it is answered. It is never let go on: the driver might find what we did not. */
static enum verdict refuse_unreadable(struct supervisor *s, struct ask *ask, int error)
{
    if (error == ESRCH) return NOBODY_ASKS;
    s->figures.unreadable += error == EFAULT ? 0 : 1;
    ask->error = error;
    return WITH_ERRNO;
}

/* Reads the request, by way of a transfer or not. */
static enum verdict read_request(struct supervisor *s, struct ask *ask)
{
    uint8_t bytes[RM_REQUEST_BYTES_MAX];
    enum rm_device device = ask->file == ASKER_CONTROL ? RM_DEVICE_CONTROL : RM_DEVICE_GPU;
    for (int depth = 0; depth < 2; depth++) {
        bool is_known = rm_is_known_size(ask->number, ask->size);
        int error = is_known ? asker_read(ask->tid, ask->address, bytes, ask->size) : 0;
        if (error != 0) return refuse_unreadable(s, ask, error);
        rm_decode(device, ask->number, ask->size, bytes, &ask->request);
        if (ask->request.kind != RM_TRANSFER) break;
        ask->number = ask->request.inner.number;
        ask->size = ask->request.inner.size;
        ask->address = ask->request.inner.address;
        ask->request.kind = RM_NOTHING; /* if it holds another transfer, which the driver does not take */
    }
    if (ask->request.kind == RM_UNKNOWN) return refuse_unknown(s, ask);
    if (ask->request.kind == RM_MEMORY && ask->request.parameters_address != 0) {
        int error = asker_read(ask->tid, ask->request.parameters_address, bytes, RM_PARAMETERS_BYTES);
        if (error != 0) return refuse_unreadable(s, ask, error);
        rm_decode_parameters(bytes, &ask->request);
    }
    return LET_GO_ON;
}

static bool still_asks(const struct supervisor *s, uint64_t id)
{
    return ioctl(s->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id) == 0;
}

/* All that decides stands in registers but the file behind the descriptor, and what the mappings then are, the kernel
 * says at the next look. */
static enum verdict decide_mapping(struct supervisor *s, const struct seccomp_notif *report, struct ask *ask)
{
    const uint64_t page_bytes = 4096;
    uint64_t bytes = report->data.args[1];
    *ask = (struct ask){.tid = (pid_t)report->pid, .fd = (uint32_t)report->data.args[4]};
    int is_managed = ask->tid > 0 ? asker_has_managed(&s->devices, ask->tid, ask->fd) : -1;
    if (is_managed == 0 || bytes > UINT64_MAX - page_bytes) {
        s->figures.elsewhere++;
        return LET_GO_ON;
    }
    int index = askers_of_thread(s->askers, ask->tid);
    if (index == -ESRCH || !still_asks(s, report->id)) return NOBODY_ASKS;
    /* One that cannot be seen and has asked for nothing has no GPU to map for. */
    if (is_managed < 0 && (index < 0 || tally_bytes_of(s, (uint32_t)index) == 0)) return LET_GO_ON;
    if (is_managed < 0) return refuse_unreadable(s, ask, EPERM);
    if (index < 0) {
        s->figures.denied++;
        ask->error = ENOMEM;
        return WITH_ERRNO;
    }
    ask->owner = (uint32_t)index;
    return judge_mapping(s, ask, (bytes + page_bytes - 1) / page_bytes * page_bytes);
}

/* ---- a report and its answer ------------------------------------------------------------------------------ */

static enum verdict decide(struct supervisor *s, const struct seccomp_notif *report, struct ask *ask)
{
    switch (filter_call_of(report->data.arch, (uint32_t)report->data.nr)) {
    case FILTER_MAP: return decide_mapping(s, report, ask);
    case FILTER_MAP_STRUCT:
        /* What it maps is seen at the next look, if the process has any managed memory of the other kind. */
        *ask = (struct ask){.tid = (pid_t)report->pid};
        s->figures.elsewhere++;
        return LET_GO_ON;
    default: break;
    }
    uint32_t command = (uint32_t)report->data.args[1];
    *ask = (struct ask){.tid = (pid_t)report->pid,
                        .fd = (uint32_t)report->data.args[0],
                        .number = rm_command_number(command),
                        .size = rm_command_size(command),
                        .address = report->data.args[2]};
    ask->file = ask->tid > 0 ? asker_file_of(&s->devices, ask->tid, ask->fd) : ASKER_UNREADABLE;
    if (ask->file == ASKER_UNREADABLE && rm_is_known_size(ask->number, ask->size))
        return still_asks(s, report->id) ? refuse_unreadable(s, ask, EPERM) : NOBODY_ASKS;
    if (ask->file == ASKER_ELSEWHERE || ask->file == ASKER_UNREADABLE) {
        s->figures.elsewhere++;
        return LET_GO_ON;
    }
    enum verdict verdict = read_request(s, ask);
    if (verdict != LET_GO_ON || ask->request.kind == RM_NOTHING) return verdict;
    int index = askers_of_thread(s->askers, ask->tid);
    /* All of the above was read by a number; if the report stands, that was the asker's all the time. */
    if (index == -ESRCH || !still_asks(s, report->id)) return NOBODY_ASKS;
    if (index < 0) {
        bool gives = ask->request.kind == RM_MEMORY || ask->request.kind == RM_DUP;
        s->figures.denied += gives ? 1 : 0;
        return gives ? NO_MEMORY : LET_GO_ON;
    }
    ask->owner = (uint32_t)index;
    return judge_request(s, ask);
}

static void answer(struct supervisor *s, uint64_t id, enum verdict verdict, struct ask *ask)
{
    const uint32_t status = RM_STATUS_NO_MEMORY;
    struct seccomp_notif_resp *reply = &s->answer.notice;
    memset(&s->answer, 0, sizeof s->answer);
    reply->id = id;
    if (verdict == NOBODY_ASKS) return;
    if (verdict == NO_MEMORY)
        ask->error = asker_write(ask->tid, ask->address + ask->request.status_at, &status, sizeof status);
    if (verdict == LET_GO_ON)
        reply->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    else
        reply->error = -ask->error;
    bool is_counted = ask->is_noted || ask->mapped_bytes > 0;
    if (ioctl(s->listener, SECCOMP_IOCTL_NOTIF_SEND, reply) == 0 || !is_counted) return;
    uint64_t before = tally_bytes(s), mapped = s->managed[ask->owner];
    if (ask->is_noted) rm_book_undo(s->book, &ask->note);
    tally_set_managed(s, ask->owner, mapped - (ask->mapped_bytes < mapped ? ask->mapped_bytes : mapped));
    tally_publish_less(s, before);
    s->figures.undone++;
}

static void take_report(struct supervisor *s)
{
    struct ask ask = {.error = 0};
    memset(&s->report, 0, sizeof s->report);
    if (ioctl(s->listener, SECCOMP_IOCTL_NOTIF_RECV, &s->report.notice) != 0)
        return; /* it was taken back in between */
    s->figures.reported++;
    enum verdict verdict = decide(s, &s->report.notice, &ask);
    answer(s, s->report.notice.id, verdict, &ask);
}

/* ---- loop ------------------------------------------------------------------------------------------------- */

static bool has_living_askers(const struct supervisor *s)
{
    bool found = false;
    for (uint32_t i = 0; i < ASKERS_MAX; i++)
        found = found || (askers_at(s->askers, i)->pid != 0 && !askers_at(s->askers, i)->is_over);
    return found;
}

/* Nobody is behind this filter any more. */
static void drop_listener(struct supervisor *s, uint32_t at)
{
    close(s->listeners[at]);
    s->listeners[at] = s->listeners[--s->listener_count];
}

static void take_ready(struct supervisor *s, uint32_t at, short events)
{
    s->listener = s->listeners[at];
    if ((events & POLLIN) != 0)
        take_report(s);
    else if (events != 0)
        drop_listener(s, at);
}

/* From the last: one that is dropped has the last in its place. */
static void take_all_ready(struct supervisor *s, const struct pollfd *ready, nfds_t count)
{
    for (nfds_t i = count; i > 1; i--)
        if (ready[i - 1].revents != 0) take_ready(s, (uint32_t)i - 2, ready[i - 1].revents);
}

/* A process leaves the filter a moment before its end can be seen. */
static bool is_in_use(const struct supervisor *s)
{
    return s->listener_count > 0 || has_living_askers(s);
}

bool supervisor_turn(struct supervisor *s, const struct pollfd *ready, nfds_t count)
{
    if (ready) {
        if (ready[0].revents != 0) tally_look_after_ends(s, ENDS_AT_ONCE);
        take_all_ready(s, ready, count);
        return is_in_use(s);
    }
    struct pollfd own[SUPERVISOR_FDS];
    tally_look_after_ends(s, ENDS_AT_ONCE);
    for (int i = 0; i < REPORTS_AT_ONCE; i++) {
        /* Asked before each: to take a report where there is none would wait for one. */
        count = supervisor_watch(s, own);
        if (poll(own + 1, count - 1, 0) <= 0) break;
        take_all_ready(s, own, count);
    }
    return is_in_use(s);
}

static bool has_room_for_notices(void)
{
    struct seccomp_notif_sizes sizes;
    return syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) == 0 && sizes.seccomp_notif <= NOTICE_BYTES &&
           sizes.seccomp_notif_resp <= NOTICE_BYTES;
}

struct supervisor *supervisor_new(int listener, const struct gate_devices *devices, const struct gate_policy *policy)
{
    struct supervisor *s = calloc(1, sizeof *s);
    errno = 0;
    if (!s) {
        if (listener >= 0) close(listener);
        errno = ENOMEM;
        return NULL;
    }
    s->devices = *devices;
    s->policy = *policy;
    s->askers = askers_new(devices);
    s->book = rm_book_new(RM_BOOK_OBJECTS_MAX);
    bool has_room = has_room_for_notices();
    if (listener >= 0) supervisor_add(s, listener);
    if (!s->askers || !s->book || !has_room) {
        int error = errno == 0 ? ENOSYS : errno;
        supervisor_delete(s);
        errno = error;
        return NULL;
    }
    return s;
}

int supervisor_add(struct supervisor *s, int listener)
{
    if (s->listener_count == LISTENERS_MAX) {
        close(listener);
        return ENOSPC;
    }
    int error = errno;
    /* Wakes the asker on our own processor where the kernel can (6.6); elsewhere nothing is lost but that. */
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, FD_SYNC_WAKE_UP);
    errno = error;
    s->listeners[s->listener_count++] = listener;
    return 0;
}

void supervisor_delete(struct supervisor *s)
{
    if (!s) return;
    askers_delete(s->askers);
    rm_book_delete(s->book);
    while (s->listener_count > 0) drop_listener(s, s->listener_count - 1);
    free(s);
}

nfds_t supervisor_watch(const struct supervisor *s, struct pollfd out[SUPERVISOR_FDS])
{
    out[0] = (struct pollfd){.fd = askers_end_fd(s->askers), .events = POLLIN};
    for (uint32_t i = 0; i < s->listener_count; i++)
        out[1 + i] = (struct pollfd){.fd = s->listeners[i], .events = POLLIN};
    return 1 + s->listener_count;
}

void supervisor_read_figures(const struct supervisor *s, struct gate_figures *out)
{
    *out = s->figures;
    out->live_bytes = tally_bytes(s);
    out->peak_bytes = s->peak_bytes;
    out->managed_bytes = s->managed_bytes;
    out->objects = rm_book_objects(s->book);
    out->processes = 0;
    for (uint32_t i = 0; i < ASKERS_MAX; i++) {
        const struct asker *asker = askers_at(s->askers, i);
        out->processes += asker->pid != 0 && !asker->is_over ? 1 : 0;
    }
}

bool supervisor_bytes_of(const struct supervisor *s, pid_t pid, uint64_t *bytes_out)
{
    int index = tally_known_index(s, pid);
    *bytes_out = index >= 0 ? tally_bytes_of(s, (uint32_t)index) : 0;
    return index >= 0;
}

void supervisor_each(const struct supervisor *s, void (*take)(void *context, pid_t pid, uint64_t bytes), void *context)
{
    for (uint32_t i = 0; i < ASKERS_MAX; i++) {
        const struct asker *asker = askers_at(s->askers, i);
        uint64_t bytes = asker->pid != 0 ? tally_bytes_of(s, i) : 0;
        if (bytes > 0) take(context, asker->is_over && asker->heir != 0 ? asker->heir : asker->pid, bytes);
    }
}

/* ---- looks ------------------------------------------------------------------------------------------------ */

bool supervisor_look(struct supervisor *s)
{
    if (s->managed_bytes > 0 && tally_now_ns() - s->looked_ns >= MANAGED_LOOK_NS) tally_recount_managed(s);
    return s->managed_bytes > 0;
}

void supervisor_look_now(struct supervisor *s)
{
    tally_recount_managed(s);
}
