#include "supervisor.h"

#include "rm_abi.h"
#include "rm_book.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
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
/* Before a refusal it is looked for files that were closed and clients that nobody has any more, this often at most. */
#define SWEEP_INTERVAL_NS INT64_C(20000000)
/* Descendants among which an heir is looked for. Beyond these, what a process held is given back with it. */
#define HEIRS_MAX 4096u
/* Room for what a newer kernel puts into a report or an answer. */
#define NOTICE_BYTES 1024u

_Static_assert(ASKERS_MAX == RM_BOOK_OWNERS_MAX, "an asker's index is its owner in the book");

struct supervisor {
    int listener, epoll_fd;
    struct gate_devices devices;
    struct gate_policy policy;
    struct askers *askers;
    struct rm_book *book;
    struct gate_figures figures;
    int64_t swept_ns;
    union {
        struct seccomp_notif notice;
        uint8_t room[NOTICE_BYTES];
    } report;
    union {
        struct seccomp_notif_resp notice;
        uint8_t room[NOTICE_BYTES];
    } answer;
};

/* How a report is answered. */
enum verdict {
    LET_GO_ON,
    NO_MEMORY,   /* by the status in the program's structure */
    WITH_ERRNO,  /* by the errno in `error` */
    NOBODY_ASKS, /* the asker is gone */
};

/* One report while it is decided. */
struct ask {
    pid_t tid;
    uint32_t fd, number, size;
    uint64_t address; /* of the structure, in the program */
    enum asker_file file;
    struct rm_request request;
    uint32_t owner;
    int error;
    bool is_noted;
    struct rm_book_note note; /* to take back, if nobody is there to hear the answer */
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* ---- the sum ---------------------------------------------------------------------------------------------- */

static bool publish(struct supervisor *s, pid_t asker, uint64_t before, uint64_t after)
{
    return !s->policy.publish || before == after || s->policy.publish(s->policy.context, s, asker, before, after);
}

/* After something was given back. */
static void publish_less(struct supervisor *s, uint64_t before)
{
    publish(s, 0, before, rm_book_bytes(s->book));
}

/* ---- processes that end ----------------------------------------------------------------------------------- */

/* Whether that process may have a file of the asker's: one of the same number, which is how fork hands it on. A process
 * that opened one of that number for clients of its own does not; one that never asked may have it under any number. */
static bool may_have_files_of(const struct supervisor *s, uint32_t owner, pid_t pid, int known_as)
{
    uint32_t at = 0, client, own_at, own_client;
    int file, own_file;
    if (known_as < 0) return asker_has_control(&s->devices, pid) == 1;
    while (rm_book_next_client(s->book, owner, &at, &client, &file)) {
        if (rm_book_has_client(s->book, (uint32_t)known_as, client, &own_file))
            return true; /* it has asked something of that client itself */
        bool is_its_own = false;
        for (own_at = 0; rm_book_next_client(s->book, (uint32_t)known_as, &own_at, &own_client, &own_file);)
            is_its_own = is_its_own || own_file == file;
        if (!is_its_own && file >= 0 && asker_file_of(&s->devices, pid, (uint32_t)file) == ASKER_CONTROL) return true;
    }
    return false;
}

/* The index of a process that is known and lives; -1: it has asked for nothing. */
static int known_index(const struct supervisor *s, pid_t pid)
{
    for (uint32_t i = 0; i < ASKERS_MAX; i++) {
        const struct asker *asker = askers_at(s->askers, i);
        if (asker->pid == pid && !asker->is_over) return (int)i;
    }
    return -1;
}

/* A process that still has the files by which the asker held memory; 0: none. */
static pid_t find_heir(const struct supervisor *s, uint32_t owner)
{
    static pid_t descendants[HEIRS_MAX];
    const struct asker *asker = askers_at(s->askers, owner);
    size_t count = asker_descendants(descendants, HEIRS_MAX);
    for (size_t i = 0; i < count; i++) {
        /* Not itself: it has ended, or closed them, or become another program. */
        if (descendants[i] != asker->pid &&
            may_have_files_of(s, owner, descendants[i], known_index(s, descendants[i])))
            return descendants[i];
    }
    return 0;
}

/* The asker is over: what it held goes, unless somebody has its files. An heir's end has to be noticed, too. */
static void settle(struct supervisor *s, uint32_t owner)
{
    uint64_t before = rm_book_bytes(s->book);
    pid_t heir = rm_book_owner_bytes(s->book, owner) > 0 ? find_heir(s, owner) : 0;
    if (heir != 0) {
        askers_of_process(s->askers, heir); /* without room for it, its end is noticed with that of the next one */
        askers_set_over(s->askers, owner, heir);
        return;
    }
    rm_book_end(s->book, owner);
    askers_forget(s->askers, owner);
    publish_less(s, before);
}

/* Those whose files somebody else kept, once one of these may be gone. */
static void settle_again(struct supervisor *s)
{
    for (uint32_t i = 0; i < ASKERS_MAX; i++)
        if (askers_at(s->askers, i)->is_over) settle(s, i);
}

static bool look_after_ends(struct supervisor *s, int bound)
{
    int ended = bound > 0 ? askers_next_ended(s->askers) : -1;
    bool any = ended >= 0;
    while (ended >= 0) {
        askers_set_over(s->askers, (uint32_t)ended, 0);
        settle(s, (uint32_t)ended);
        ended = --bound > 0 ? askers_next_ended(s->askers) : -1;
    }
    if (any) settle_again(s);
    return any;
}

/* Before a refusal: who has ended, and who has closed all files of the driver. */
static void sweep(struct supervisor *s)
{
    look_after_ends(s, (int)ASKERS_MAX);
    if (now_ns() - s->swept_ns < SWEEP_INTERVAL_NS) return;
    for (uint32_t i = 0; i < ASKERS_MAX; i++) {
        const struct asker *asker = askers_at(s->askers, i);
        if (asker->pid != 0 && !asker->is_over && rm_book_owner_bytes(s->book, i) > 0 &&
            asker_has_control(&s->devices, asker->pid) == 0)
            settle(s, i);
    }
    settle_again(s);        /* who was taken for an heir may have a client of its own by now */
    s->swept_ns = now_ns(); /* the end of it, so that a long one does not follow itself */
}

/* A new client: if the program is another one than before, what that one held went with its files. */
static void notice_exec(struct supervisor *s, struct ask *ask)
{
    const struct asker *asker = askers_at(s->askers, ask->owner);
    uint64_t start = asker_stack_start(asker->pid);
    if (start == 0 || asker->stack_start == 0 || start == asker->stack_start) return;
    askers_set_over(s->askers, ask->owner, 0);
    settle(s, ask->owner);
    int index = askers_of_thread(s->askers, ask->tid);
    ask->owner = index >= 0 ? (uint32_t)index : ask->owner;
}

/* ---- one report ------------------------------------------------------------------------------------------- */

static struct rm_book_name name_of(const struct ask *ask)
{
    const struct rm_request *request = &ask->request;
    return (struct rm_book_name){.owner = ask->owner,
                                 .client = request->client,
                                 .parent = request->parent,
                                 .object = request->object,
                                 /* The driver ties a client to the control device's file by which it was made. */
                                 .file = ask->file == ASKER_CONTROL ? (int)ask->fd : -1};
}

static bool fits(const struct supervisor *s, uint64_t growth)
{
    uint64_t held = rm_book_bytes(s->book);
    uint64_t limit = s->policy.limit_bytes(s->policy.context);
    if (growth == 0 || limit == GATE_NO_LIMIT) return growth <= UINT64_MAX - held;
    return held <= limit && growth <= limit - held;
}

/* Notes it, with everything that has a say. */
static bool admit(struct supervisor *s, struct ask *ask)
{
    struct rm_book_name name = name_of(ask);
    uint64_t growth = rm_book_growth(s->book, &name, ask->request.bytes);
    uint64_t before = rm_book_bytes(s->book);
    pid_t asker = askers_at(s->askers, ask->owner)->pid;
    if (!fits(s, growth) || !publish(s, asker, before, before + growth)) return false;
    ask->is_noted = rm_book_add(s->book, &name, ask->request.bytes, &ask->note);
    if (!ask->is_noted) publish(s, 0, before + growth, before);
    return ask->is_noted;
}

static enum verdict judge_memory(struct supervisor *s, struct ask *ask)
{
    pid_t pid = askers_at(s->askers, ask->owner)->pid;
    if (admit(s, ask)) return LET_GO_ON;
    /* Its client first: whoever has one of its own is not taken for somebody's heir. */
    struct rm_book_name name = name_of(ask);
    struct rm_book_note none;
    name.object = name.client;
    rm_book_add(s->book, &name, 0, &none);
    sweep(s);
    if (askers_at(s->askers, ask->owner)->pid != pid) return NOBODY_ASKS; /* it has ended meanwhile */
    if (admit(s, ask)) return LET_GO_ON;
    s->figures.denied++;
    return NO_MEMORY;
}

/* An object without memory that finds no room is not missed: what stands below it stands below its client (rm_book.h). */
static enum verdict judge_object(struct supervisor *s, struct ask *ask)
{
    struct rm_book_name name = name_of(ask);
    ask->is_noted = rm_book_add(s->book, &name, 0, &ask->note);
    return LET_GO_ON;
}

/* A second name that finds no room would let memory be freed that is still held. */
static enum verdict judge_dup(struct supervisor *s, struct ask *ask)
{
    struct rm_book_name name = name_of(ask);
    ask->is_noted = rm_book_dup(s->book, &name, ask->request.source_client, ask->request.source_object, &ask->note);
    s->figures.denied += ask->is_noted ? 0 : 1;
    return ask->is_noted ? LET_GO_ON : NO_MEMORY;
}

/* Whether a free by this asker reaches what `owner` holds: only who has the client's file may free with it. */
static bool may_free(const struct supervisor *s, const struct ask *ask, uint32_t owner)
{
    const struct asker *asker = askers_at(s->askers, ask->owner), *other = askers_at(s->askers, owner);
    int file;
    if (!rm_book_has_client(s->book, owner, ask->request.client, &file) || file < 0)
        return owner == ask->owner; /* the first that it does with that client by the control device */
    if (other->is_over) return (uint32_t)file == ask->fd;
    return asker_is_same_file(asker->pid, (int)ask->fd, other->pid, file);
}

static enum verdict judge_free(struct supervisor *s, struct ask *ask)
{
    uint64_t before = rm_book_bytes(s->book);
    uint32_t owners[ASKERS_MAX];
    size_t count = rm_book_owners(s->book, ask->request.client, owners, ASKERS_MAX);
    for (size_t i = 0; i < count; i++)
        if (may_free(s, ask, owners[i])) rm_book_free(s->book, owners[i], ask->request.client, ask->request.object);
    publish_less(s, before);
    return LET_GO_ON;
}

static enum verdict judge(struct supervisor *s, struct ask *ask)
{
    switch (ask->request.kind) {
    case RM_CLIENT: notice_exec(s, ask); return LET_GO_ON;
    case RM_MEMORY: return judge_memory(s, ask);
    case RM_OBJECT: return judge_object(s, ask);
    case RM_DUP: return judge_dup(s, ask);
    case RM_FREE: return judge_free(s, ask);
    default: return LET_GO_ON;
    }
}

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

static enum verdict decide(struct supervisor *s, const struct seccomp_notif *report, struct ask *ask)
{
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
    return judge(s, ask);
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
    if (ioctl(s->listener, SECCOMP_IOCTL_NOTIF_SEND, reply) == 0 || !ask->is_noted) return;
    uint64_t before = rm_book_bytes(s->book);
    rm_book_undo(s->book, &ask->note);
    publish_less(s, before);
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

bool supervisor_turn(struct supervisor *s)
{
    struct pollfd ready = {.fd = s->listener, .events = POLLIN};
    look_after_ends(s, ENDS_AT_ONCE);
    for (int i = 0; i < REPORTS_AT_ONCE; i++) {
        /* Asked before each: to take a report where there is none would wait for one. */
        if (poll(&ready, 1, 0) <= 0) return true;
        if ((ready.revents & POLLIN) == 0) {
            /* A process leaves the filter a moment before its end can be seen. */
            return has_living_askers(s);
        }
        take_report(s);
    }
    return true;
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
        close(listener);
        errno = ENOMEM;
        return NULL;
    }
    s->listener = listener;
    s->devices = *devices;
    s->policy = *policy;
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->askers = askers_new(devices);
    s->book = rm_book_new(RM_BOOK_OBJECTS_MAX);
    struct epoll_event event = {.events = EPOLLIN};
    if (s->epoll_fd < 0 || !s->askers || !s->book || !has_room_for_notices() ||
        epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, listener, &event) != 0 ||
        epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, askers_end_fd(s->askers), &event) != 0) {
        int error = errno == 0 ? ENOSYS : errno;
        supervisor_delete(s);
        errno = error;
        return NULL;
    }
    /* Wakes the asker on our own processor where the kernel can (6.6); elsewhere nothing is lost but that. */
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, FD_SYNC_WAKE_UP);
    return s;
}

void supervisor_delete(struct supervisor *s)
{
    if (!s) return;
    askers_delete(s->askers);
    rm_book_delete(s->book);
    if (s->epoll_fd >= 0) close(s->epoll_fd);
    close(s->listener);
    free(s);
}

int supervisor_fd(const struct supervisor *s)
{
    return s->epoll_fd;
}

void supervisor_read_figures(const struct supervisor *s, struct gate_figures *out)
{
    *out = s->figures;
    out->live_bytes = rm_book_bytes(s->book);
    out->peak_bytes = rm_book_peak_bytes(s->book);
    out->objects = rm_book_objects(s->book);
    out->processes = 0;
    for (uint32_t i = 0; i < ASKERS_MAX; i++) {
        const struct asker *asker = askers_at(s->askers, i);
        out->processes += asker->pid != 0 && !asker->is_over ? 1 : 0;
    }
}

bool supervisor_bytes_of(const struct supervisor *s, pid_t pid, uint64_t *bytes_out)
{
    int index = known_index(s, pid);
    *bytes_out = index >= 0 ? rm_book_owner_bytes(s->book, (uint32_t)index) : 0;
    return index >= 0;
}

void supervisor_each(const struct supervisor *s, void (*take)(void *context, pid_t pid, uint64_t bytes), void *context)
{
    for (uint32_t i = 0; i < ASKERS_MAX; i++) {
        const struct asker *asker = askers_at(s->askers, i);
        uint64_t bytes = asker->pid != 0 ? rm_book_owner_bytes(s->book, i) : 0;
        if (bytes > 0) take(context, asker->is_over && asker->heir != 0 ? asker->heir : asker->pid, bytes);
    }
}
