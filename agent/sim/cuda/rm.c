#include "rm.h"

#include "env.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Numbers and layouts are those of NVIDIA's open kernel modules: src/nvidia/arch/nvalloc/unix/include/nv_escape.h,
 * src/common/sdk/nvidia/inc/nvos.h (NVOS00, NVOS64 and NV_MEMORY_ALLOCATION_PARAMS as in 550.54.14 to 595.45.04; in
 * 535 the last of them is 120 bytes long), and class/cl0080.h and cl2080.h beside it. */
#define ESCAPE_FREE 0x29
#define ESCAPE_ALLOC 0x2b

#define CLASS_ROOT_CLIENT 0x41u
#define CLASS_DEVICE 0x80u
#define CLASS_SUBDEVICE 0x2080u
#define CLASS_MEMORY_LOCAL_USER 0x40u

/* A client's number is the driver's choice, and it begins like this. The others are the library's. */
#define CLIENT_BASE 0xc1d00000u
#define CLIENT_MASK 0x000fffffu
#define OBJECT_BASE 0x5c000000u

struct nvos00 {
    uint32_t client, parent, object, status;
};

struct nvos64 {
    uint32_t client, parent, object, class;
    uint64_t parameters; /* their address */
    uint64_t rights;
    uint32_t parameters_size, flags, status, padding;
};

struct device_parameters {
    uint32_t device, share_client, target_client, target_device, flags, padding;
    uint64_t space_size, space_start, space_limit;
    uint32_t space_mode, padding_at_end;
};

struct subdevice_parameters {
    uint32_t subdevice;
};

/* All else is 0, which means memory of the card in pages of the driver's choice. */
struct memory_parameters {
    uint32_t owner, type, flags, width, height, pitch, attr, attr2, format, coverage, depth_coverage, padding;
    uint64_t range_low, range_high, size, alignment, offset, limit, address;
    uint32_t tag_offset, address_space, internal_flags, tag, numa_node, padding_at_end;
};

_Static_assert(sizeof(struct nvos00) == 16 && sizeof(struct nvos64) == 48, "the driver refuses every other size");
_Static_assert(sizeof(struct device_parameters) == 56, "as in cl0080.h");
_Static_assert(sizeof(struct memory_parameters) == 128, "as in nvos.h");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of opening alone: what is open stays as it is */
static int control = -1;                                 /* -1: nobody is asked */
static int managed = -1;                                 /* -1: nobody is asked */
static int files[SIM_GPUS];                              /* of the GPUs: open, as the real ones are */
static uint32_t file_count;
static uint32_t devices[SIM_GPUS]; /* 0: none */
static uint32_t client;
static uint32_t last_object = OBJECT_BASE;
static pid_t opened_by;

/* Whether it was granted. A signal that ends the wait for an answer is none. */
static bool request(unsigned long command, void *structure, const uint32_t *status)
{
    int result;
    do {
        result = ioctl(control, command, structure);
    } while (result != 0 && errno == EINTR);
    return result == 0 ? *status == 0 : errno == ENOTTY;
}

static bool make(struct nvos64 alloc, void *parameters, uint32_t size, uint32_t *object_out)
{
    alloc.parameters = (uint64_t)(uintptr_t)parameters;
    alloc.parameters_size = size;
    bool granted = request(_IOWR('F', ESCAPE_ALLOC, struct nvos64), &alloc, &alloc.status);
    *object_out = granted ? alloc.object : 0;
    return granted;
}

static bool release(uint32_t parent, uint32_t object)
{
    struct nvos00 freed = {client, parent, object, 0};
    return request(_IOWR('F', ESCAPE_FREE, struct nvos00), &freed, &freed.status);
}

/* ---- opening ---- */

static int open_stand_in(const char *folder, const char *name)
{
    char path[PATH_MAX];
    bool fits = snprintf(path, sizeof path, "%s/%s", folder, name) < (int)sizeof path;
    return fits ? open(path, O_RDWR | O_CLOEXEC) : -1;
}

/* A stand-in chooses no number: the machine does, so that no two processes on it have the same. */
static bool make_client(struct sim_state *state)
{
    if (!make((struct nvos64){.class = CLASS_ROOT_CLIENT}, NULL, 0, &client)) return false;
    if (client != 0) return true;
    sim_lock(state);
    client = CLIENT_BASE | (uint32_t)(++state->rm_clients & CLIENT_MASK);
    sim_unlock(state);
    return true;
}

static bool make_device(uint32_t gpu)
{
    uint32_t subdevice;
    struct device_parameters parameters = {.device = gpu};
    struct subdevice_parameters below = {0};
    return make((struct nvos64){client, client, ++last_object, .class = CLASS_DEVICE}, &parameters, sizeof parameters,
                &devices[gpu]) &&
           make((struct nvos64){client, devices[gpu], ++last_object, .class = CLASS_SUBDEVICE}, &below, sizeof below,
                &subdevice);
}

/* Descriptors, without a request. */
static void close_all(void)
{
    while (file_count > 0) close(files[--file_count]);
    memset(devices, 0, sizeof devices);
    if (managed >= 0) close(managed);
    close(control);
    control = managed = -1;
    client = 0;
}

static CUresult open_all(struct sim_state *state, const char *folder, const uint32_t *gpus, uint32_t count)
{
    control = open_stand_in(folder, "nvidiactl");
    if (control < 0) return CUDA_ERROR_NO_DEVICE;
    if (!make_client(state)) return CUDA_ERROR_OUT_OF_MEMORY;
    managed = open_stand_in(folder, "nvidia-uvm");
    for (uint32_t at = 0; at < count; at++) {
        char name[32];
        snprintf(name, sizeof name, "nvidia%u", gpus[at]);
        int file = open_stand_in(folder, name);
        if (file < 0) return CUDA_ERROR_NO_DEVICE;
        files[file_count++] = file;
        if (!make_device(gpus[at])) return CUDA_ERROR_OUT_OF_MEMORY;
    }
    return CUDA_SUCCESS;
}

CUresult rm_open(struct sim_state *state, const uint32_t *gpus, uint32_t count)
{
    const char *folder = getenv(ENV_SIM_RM_DEVICES);
    if (!folder || folder[0] == 0) return CUDA_SUCCESS;
    pthread_mutex_lock(&lock);
    /* A child that was forked in between has its parent's files, and makes its own. */
    if (control >= 0 && opened_by != getpid()) close_all();
    CUresult result = control >= 0 ? CUDA_SUCCESS : open_all(state, folder, gpus, count);
    opened_by = getpid();
    if (result != CUDA_SUCCESS && control >= 0) {
        if (client != 0) (void)release(client, client); /* or the end of its file does it, now */
        close_all();
    }
    pthread_mutex_unlock(&lock);
    return result;
}

/* ---- memory ---- */

bool rm_take(uint32_t gpu, uint64_t bytes, uint32_t *object_out)
{
    *object_out = 0;
    if (control < 0) return true;
    struct memory_parameters parameters = {.owner = client, .size = bytes};
    return make((struct nvos64){client, devices[gpu], ++last_object, .class = CLASS_MEMORY_LOCAL_USER}, &parameters,
                sizeof parameters, object_out);
}

bool rm_give(uint32_t gpu, uint32_t object)
{
    return object == 0 || release(devices[gpu], object);
}

/* Where there is room first, because the offset has to be the address. */
bool rm_map(uint64_t bytes, void **out)
{
    *out = NULL;
    if (managed < 0) return true;
    void *room = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) return false;
    void *made = mmap(room, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, managed,
                      (off_t)(intptr_t)room);
    if (made == MAP_FAILED)
        munmap(room, bytes);
    else
        *out = made;
    return made != MAP_FAILED;
}

void rm_unmap(void *mapping, uint64_t bytes)
{
    if (mapping) munmap(mapping, bytes);
}

/* Other threads may still run, so the files stay for the kernel to close. It also does what a refusal leaves undone. */
void rm_close(void)
{
    if (control >= 0) (void)release(client, client);
}
