/* A program that asks the driver for memory by hand, without any of its libraries, for the tests of the gate. The driver is
 * a stand-in: a character device that answers every request with ENOTTY, which is taken for success; the status "no
 * memory" in the structure, which only the gate writes, is the refusal.
 *
 *   gate_requester CONTROL GPU WORD...
 *
 * Words, most of them with what follows the colon:
 *   a:HANDLE:MIB  memory    A: without rights   t: another ioctl type   x: by a transfer   h: of the heap   m: the old way
 *   i:HANDLE:MIB  memory, by the entry for 32-bit programs
 *   o:HANDLE      an object without memory        b:HANDLE:PARENT:MIB  memory below it
 *   d:HANDLE:FROM a second name                   f:HANDLE  frees    g:HANDLE  frees by the GPU's device
 *   H:HANDLE      frees from the heap             r  a new client    c:N  speaks of client N from now on
 *   v:PLACE:MIB   maps managed memory (the GPU's stand-in, at an offset that is the address)   U:PLACE  unmaps it
 *   W:PLACE:MIB   the same by an address that is none of a page, which the kernel rounds down
 *   Z:PLACE:MIB   maps a file, shared and at an offset, as others do
 *   s:N:TYPE:SIZE an ioctl of number N on the control device, of that size
 *   k             closes the control device       O  opens it
 *   w             waits for a byte on stdin       p  forks; the child does the rest, the parent waits for it
 *   q             forks; the parent does the rest, the child stays until stdin ends
 *   Q             forks; the child does the rest, the parent ends
 *   e             becomes this program anew, for the rest
 *   u             goes into a user and a PID namespace of its own, where what it forks next is number 1
 *   n             cannot be read from now on (not dumpable)
 *   D:MIB:N:MS    N threads that ask and free, MIB at most held at a time being what they print as "over" if exceeded
 *   R:MS          asks while another thread exchanges the size
 *   S             a timer's signals from now on   T  sets a terminal, by a call that has the number of a request
 * It prints one letter for each request: y granted, n refused, and E with the errno for another error; then a newline. */
#define _GNU_SOURCE
#include "gate_requests.h"

#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NO_MEMORY 0x51u
#define MIB (UINT64_C(1) << 20)

static int control = -1, gpu = -1;
static uint32_t client = 0xc1d00000u;
static const char *control_path;

static void say(const char *text)
{
    if (write(STDOUT_FILENO, text, strlen(text)) < 0) _exit(3);
}

/* Returns 0, the status, or -errno. ENOTTY is what the stand-in says to everything. */
static int request(int fd, uint32_t command, void *structure, const uint32_t *status)
{
    int result = ioctl(fd, command, structure);
    return result == 0 ? (int)*status : errno == ENOTTY ? 0 : -errno;
}

static void tell(int result)
{
    char text[32];
    snprintf(text, sizeof text, "E%d", -result);
    say(result == 0 ? "y" : result == (int)NO_MEMORY ? "n" : text);
}

static int allocate(char how, uint32_t parent, uint32_t handle, uint64_t bytes)
{
    struct memory_parameters parameters = {.size = bytes};
    uint64_t at = (uint64_t)(uintptr_t)&parameters;
    struct nvos64 alloc = {client, parent, handle, 0x40, at, 0, sizeof parameters, 0, 0, 0};
    struct nvos21 plain = {client, parent, handle, 0x40, at, sizeof parameters, 0};
    struct transfer transfer = {0x2b, sizeof alloc, (uint64_t)(uintptr_t)&alloc};
    struct nvos32 heap = {.client = client, .parent = parent, .function = 2};
    struct nvos02 old = {.client = client, .parent = parent, .object = handle, .class = 0x40, .limit = bytes - 1};
    heap.alloc_size.memory = handle;
    heap.alloc_size.flags = 0x4000;
    heap.alloc_size.size = bytes;
    switch (how) {
    case 'A': return request(control, REQUEST_COMMAND(0x2b, sizeof plain), &plain, &plain.status);
    case 't': return request(control, REQUEST_COMMAND_OF('x', 0x2b, sizeof alloc), &alloc, &alloc.status);
    case 'x': return request(control, REQUEST_COMMAND(0xd3, sizeof transfer), &transfer, &alloc.status);
    case 'h': return request(control, REQUEST_COMMAND(0x4a, sizeof heap), &heap, &heap.status);
    case 'm': return request(gpu, REQUEST_COMMAND(0x27, sizeof old), &old, &old.status);
    default: return request(control, REQUEST_COMMAND(0x2b, sizeof alloc), &alloc, &alloc.status);
    }
}

/* By int 0x80, where addresses have 32 bits. */
static int allocate_in_32_bits(uint32_t handle, uint64_t bytes)
{
#if defined(__x86_64__)
    struct low {
        struct nvos64 alloc;
        struct memory_parameters parameters;
    } *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    if (low == MAP_FAILED) return -ENOMEM;
    low->parameters.size = bytes;
    low->alloc = (struct nvos64){.client = client, .object = handle, .class = 0x40};
    low->alloc.parameters = (uint64_t)(uintptr_t)&low->parameters;
    long result;
    __asm__ volatile("int $0x80"
                     : "=a"(result)
                     : "a"(54L), "b"((long)control), "c"((long)REQUEST_COMMAND(0x2b, sizeof low->alloc)), "d"(low)
                     : "memory", "r8", "r9", "r10", "r11");
    int status = result == 0 ? (int)low->alloc.status : result == -ENOTTY ? 0 : (int)result;
    munmap(low, 4096);
    return status;
#else
    (void)handle;
    (void)bytes;
    return -ENOSYS;
#endif
}

static int make_object(uint32_t handle)
{
    struct nvos64 alloc = {client, client, handle, 0x80, 0, 0, 0, 0, 0, 0};
    return request(control, REQUEST_COMMAND(0x2b, sizeof alloc), &alloc, &alloc.status);
}

static int make_client(void)
{
    struct nvos64 alloc = {0, 0, 0, 0x41, 0, 0, 0, 0, 0, 0};
    return request(control, REQUEST_COMMAND(0x2b, sizeof alloc), &alloc, &alloc.status);
}

static int release(int fd, uint32_t handle)
{
    struct nvos00 freed = {client, client, handle == 0 ? client : handle, 0};
    return request(fd, REQUEST_COMMAND(0x29, sizeof freed), &freed, &freed.status);
}

static int release_from_heap(uint32_t handle)
{
    struct nvos32 heap = {.client = client, .function = 3};
    heap.free.memory = handle;
    heap.free.flags = 1;
    return request(control, REQUEST_COMMAND(0x4a, sizeof heap), &heap, &heap.status);
}

static int duplicate(uint32_t handle, uint32_t from)
{
    struct nvos55 dup = {client, client, handle, client, from, 0, 0};
    return request(control, REQUEST_COMMAND(0x34, sizeof dup), &dup, &dup.status);
}

static int any(uint32_t number, uint32_t type, uint32_t size)
{
    static uint8_t room[16384];
    static const uint32_t none;
    return request(control, REQUEST_COMMAND_OF(type, number, size), room, &none);
}

/* ---- many at a time --------------------------------------------------------------------------------------- */

static _Atomic uint64_t held, highest;
static _Atomic uint32_t next_handle = 1000;
static _Atomic uint64_t granted, refused;
static int64_t stop_at_ms;

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

/* Counts what it surely holds: after it was given, until before it is given back. */
static void *storm(void *argument)
{
    unsigned seed = (unsigned)(uintptr_t)argument;
    while (now_ms() < stop_at_ms) {
        uint32_t handles[3];
        uint64_t sizes[3];
        unsigned got = 0;
        for (unsigned i = 0; i < 3; i++) {
            uint32_t handle = atomic_fetch_add(&next_handle, 1);
            uint64_t bytes = (1 + (uint64_t)rand_r(&seed) % 32) * MIB;
            int result = allocate("aAtxh"[rand_r(&seed) % 5], client, handle, bytes);
            if (result == 0) {
                uint64_t now = atomic_fetch_add(&held, bytes) + bytes;
                for (uint64_t seen = atomic_load(&highest);
                     seen < now && !atomic_compare_exchange_weak(&highest, &seen, now);) {
                }
                handles[got] = handle;
                sizes[got++] = bytes;
            } else if (result != (int)NO_MEMORY) {
                tell(result);
            }
            atomic_fetch_add(result == 0 ? &granted : &refused, 1);
        }
        for (unsigned i = 0; i < got; i++) {
            atomic_fetch_sub(&held, sizes[i]);
            if (release(control, handles[i]) != 0) say("!");
        }
    }
    return NULL;
}

static void storms(uint64_t most_mib, unsigned count, int64_t ms)
{
    pthread_t threads[32];
    char text[128];
    stop_at_ms = now_ms() + ms;
    for (unsigned i = 0; i < count; i++) pthread_create(&threads[i], NULL, storm, (void *)(uintptr_t)(i + 1));
    for (unsigned i = 0; i < count; i++) pthread_join(threads[i], NULL);
    uint64_t most = atomic_load(&highest);
    snprintf(text, sizeof text, "[%s %s]",
             most > most_mib * MIB       ? "over"
             : most > most_mib * MIB / 2 ? "full"
                                         : "idle",
             atomic_load(&granted) > 0 && atomic_load(&refused) > 0 ? "both" : "one-sided");
    say(text);
}

static _Atomic bool race_is_on = true;

static void *exchange(void *argument)
{
    struct memory_parameters *parameters = argument;
    volatile uint64_t *size = &parameters->size;
    while (atomic_load(&race_is_on)) {
        *size = MIB;
        *size = 1024 * MIB;
    }
    return NULL;
}

static void race(int64_t ms)
{
    pthread_t thread;
    struct memory_parameters parameters = {.size = MIB};
    int64_t until = now_ms() + ms;
    pthread_create(&thread, NULL, exchange, &parameters);
    while (now_ms() < until) {
        uint32_t handle = atomic_fetch_add(&next_handle, 1);
        struct nvos64 alloc = {client, client, handle, 0x40, (uint64_t)(uintptr_t)&parameters, 0, 128, 0, 0, 0};
        if (request(control, REQUEST_COMMAND(0x2b, sizeof alloc), &alloc, &alloc.status) == 0)
            release(control, handle);
    }
    atomic_store(&race_is_on, false);
    pthread_join(thread, NULL);
    say("[raced]");
}

static bool set_terminal(void)
{
    struct termios2 settings, seen;
    int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0 || ioctl(terminal, TCGETS2, &settings) != 0) return false;
    settings.c_cc[5] = 77;
    bool good = ioctl(terminal, TCSETS2, &settings) == 0 && ioctl(terminal, TCGETS2, &seen) == 0 && seen.c_cc[5] == 77;
    close(terminal);
    return good;
}

/* ---- words ------------------------------------------------------------------------------------------------ */

static _Atomic unsigned ticks;

static void tick(int number)
{
    (void)number;
    atomic_fetch_add(&ticks, 1);
}

static void start_timer(void)
{
    struct sigaction action = {.sa_handler = tick, .sa_flags = SA_RESTART};
    struct itimerval every = {{0, 300}, {0, 300}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &every, NULL);
}

static void wait_for_byte(void)
{
    char byte;
    while (read(STDIN_FILENO, &byte, 1) < 0 && errno == EINTR) {
    }
}

static void become_anew(char **rest)
{
    char **argv = calloc(256, sizeof *argv);
    argv[0] = (char *)"gate_requester";
    argv[1] = (char *)control_path;
    argv[2] = (char *)"/dev/zero";
    for (int i = 0; rest[i] != NULL && i < 250; i++) argv[3 + i] = rest[i];
    execv("/proc/self/exe", argv);
    _exit(4);
}

/* Words that change who runs; false: it is none of these. */
static bool run_process_word(char **word)
{
    pid_t child;
    int status = 0;
    switch ((*word)[0]) {
    case 'p':
        child = fork();
        if (child > 0) {
            while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
            }
            _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 5);
        }
        return true;
    case 'q':
        if (fork() == 0) {
            wait_for_byte();
            _exit(0);
        }
        return true;
    case 'Q':
        if (fork() > 0) _exit(0);
        return true;
    case 'e': become_anew(word + 1); return true;
    case 'n': prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); return true;
    case 'u':
        if (unshare(CLONE_NEWUSER | CLONE_NEWPID) != 0) {
            say("no namespace");
            _exit(0);
        }
        return true;
    case 'w': wait_for_byte(); return true;
    case 'S': start_timer(); return true;
    case 'k': close(control); return true;
    case 'O': control = open(control_path, O_RDWR | O_CLOEXEC); return true;
    default: return false;
    }
}

/* ---- managed memory ---- */

#define PLACES 8

static struct {
    void *at;
    uint64_t bytes;
} places[PLACES];

/* Where nothing is, so that the address can be the offset. */
static int map_managed(uint32_t place, uint64_t bytes, bool by_hint)
{
    char *room = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) return -errno;
    if (by_hint) munmap(room, bytes);
    void *made = mmap(by_hint ? room + 1 : room, bytes, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_NORESERVE | (by_hint ? 0 : MAP_FIXED), gpu, (off_t)(intptr_t)room);
    int error = made == MAP_FAILED ? errno : made != room ? EADDRNOTAVAIL : 0;
    if (error == 0) places[place % PLACES].at = made;
    if (error == 0) places[place % PLACES].bytes = bytes;
    return error == ENOMEM ? (int)NO_MEMORY : -error;
}

static int map_file(uint32_t place, uint64_t bytes)
{
    int file = memfd_create("data", MFD_CLOEXEC);
    if (file < 0 || ftruncate(file, (off_t)(bytes + 4096)) != 0) return -errno;
    void *made = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 4096);
    close(file);
    if (made == MAP_FAILED) return -errno;
    places[place % PLACES].at = made;
    places[place % PLACES].bytes = bytes;
    return 0;
}

static void run_word(char *word)
{
    char *at = word + 1;
    uint64_t given[3] = {0};
    for (int i = 0; i < 3 && *at == ':'; i++) given[i] = strtoull(at + 1, &at, 0);
    uint32_t handle = (uint32_t)given[0];
    switch (word[0]) {
    case 'a':
    case 'A':
    case 't':
    case 'x':
    case 'h':
    case 'm': tell(allocate(word[0], client, handle, given[1] * MIB)); break;
    case 'i': tell(allocate_in_32_bits(handle, given[1] * MIB)); break;
    case 'b': tell(allocate('a', (uint32_t)given[1], handle, given[2] * MIB)); break;
    case 'o': tell(make_object(handle)); break;
    case 'd': tell(duplicate(handle, (uint32_t)given[1])); break;
    case 'f': tell(release(control, handle)); break;
    case 'g': tell(release(gpu, handle)); break;
    case 'H': tell(release_from_heap(handle)); break;
    case 'r': tell(make_client()); break;
    case 's': tell(any(handle, (uint32_t)given[1], (uint32_t)given[2])); break;
    case 'c': client = 0xc1d00000u + handle; break;
    case 'R': race((int64_t)given[0]); break;
    case 'T': say(set_terminal() ? "y" : "terminal!"); break;
    case 'v': tell(map_managed(handle, given[1] * MIB, false)); break;
    case 'W': tell(map_managed(handle, given[1] * MIB, true)); break;
    case 'Z': tell(map_file(handle, given[1] * MIB)); break;
    case 'U': munmap(places[handle % PLACES].at, places[handle % PLACES].bytes); break;
    case 'D': storms(given[0], (unsigned)given[1], (int64_t)given[2]); break;
    default: say("?"); break;
    }
}

int main(int count, char **arguments)
{
    if (count < 3) return 2;
    control_path = arguments[1];
    control = open(arguments[1], O_RDWR | O_CLOEXEC);
    gpu = open(arguments[2], O_RDWR | O_CLOEXEC);
    if (control < 0 || gpu < 0) {
        say("no device");
        return 2;
    }
    for (char **word = arguments + 3; *word != NULL; word++)
        if (!run_process_word(word)) run_word(*word);
    say(".\n");
    return 0;
}
