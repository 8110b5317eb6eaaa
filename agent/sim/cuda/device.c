/* Initialization and devices. */
#include "env.h"
#include "internal.h"
#include "rm.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Atomic uint32_t initialized_pid;
static uint32_t visible[SIM_GPUS];
static uint32_t visible_count;

/* CUDA_VISIBLE_DEVICES: ordinals or (beginnings of) UUIDs; the list ends at the first entry that names nothing. */
static void read_visible(struct sim_state *state)
{
    uint32_t count = state->options.gpu_count;
    const char *text = getenv(ENV_CUDA_VISIBLE);
    visible_count = 0;
    if (!text) {
        for (uint32_t gpu = 0; gpu < count; gpu++) visible[visible_count++] = gpu;
        return;
    }
    while (*text != 0 && visible_count < SIM_GPUS) {
        size_t length = strcspn(text, ",");
        uint32_t found = count;
        if (isdigit((unsigned char)*text)) {
            found = (uint32_t)strtoul(text, NULL, 10);
        } else {
            for (uint32_t gpu = 0; gpu < count && found == count; gpu++)
                if (length >= 5 && strncmp(state->gpus[gpu].uuid, text, length) == 0) found = gpu;
        }
        if (found >= count) return;
        visible[visible_count++] = found;
        text += length;
        text += *text == ',';
    }
}

SIM_API cuInit(unsigned int flags)
{
    if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
    uint32_t pid = (uint32_t)getpid();
    uint32_t known = atomic_load(&initialized_pid);
    if (known == pid) return CUDA_SUCCESS;
    if (known != 0) return CUDA_ERROR_NOT_INITIALIZED; /* a forked child of an initialized process */
    struct sim_state *state = sim_state();
    if (!state) return CUDA_ERROR_NO_DEVICE;
    read_visible(state);
    if (visible_count == 0) return CUDA_ERROR_NO_DEVICE;
    SIM_TRY(rm_open(state, visible, visible_count));
    sim_lock(state);
    struct sim_process *process = sim_process_self(state);
    sim_unlock(state);
    if (!process) return CUDA_ERROR_OUT_OF_MEMORY;
    atomic_store(&initialized_pid, pid);
    sim_cost(state, 1000);
    return CUDA_SUCCESS;
}

__attribute__((destructor)) static void give_back_on_exit(void)
{
    if (atomic_load(&initialized_pid) != (uint32_t)getpid()) return;
    struct sim_state *state = sim_state();
    if (!state) return;
    rm_close();
    sim_lock(state);
    struct sim_process *process = sim_process_self(state);
    if (process) sim_process_drop(state, process);
    sim_unlock(state);
}

CUresult sim_enter(struct sim_state **state_out)
{
    if (atomic_load(&initialized_pid) != (uint32_t)getpid()) return CUDA_ERROR_NOT_INITIALIZED;
    *state_out = sim_state();
    return !*state_out ? CUDA_ERROR_NOT_INITIALIZED : CUDA_SUCCESS;
}

uint32_t sim_device_count(void)
{
    return visible_count;
}

uint32_t sim_device_at(uint32_t ordinal)
{
    return visible[ordinal];
}

CUresult sim_gpu_device(uint32_t gpu, int *device)
{
    for (uint32_t index = 0; index < visible_count; index++) {
        if (visible[index] == gpu) {
            *device = (int)index;
            return CUDA_SUCCESS;
        }
    }
    return CUDA_ERROR_INVALID_DEVICE;
}

CUresult sim_device_gpu(CUdevice device, uint32_t *gpu_out)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    if (device < 0 || (uint32_t)device >= visible_count) return CUDA_ERROR_INVALID_DEVICE;
    *gpu_out = visible[device];
    return CUDA_SUCCESS;
}

CUresult sim_queues(struct sim_state *state, uint32_t gpu, struct sim_context **out)
{
    *out = sim_context_self(state, gpu);
    return !*out ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
}

SIM_API cuDriverGetVersion(int *version)
{
    if (!version) return CUDA_ERROR_INVALID_VALUE;
    *version = 13000;
    return CUDA_SUCCESS;
}

static const struct {
    CUresult code;
    const char *name;
    const char *text;
} errors[] = {
    {CUDA_SUCCESS, "CUDA_SUCCESS", "no error"},
    {CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {CUDA_ERROR_NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {CUDA_ERROR_NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {CUDA_ERROR_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {CUDA_ERROR_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {CUDA_ERROR_FILE_NOT_FOUND, "CUDA_ERROR_FILE_NOT_FOUND", "file not found"},
    {CUDA_ERROR_CONTEXT_IS_DESTROYED, "CUDA_ERROR_CONTEXT_IS_DESTROYED", "context is destroyed"},
    {CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE, "CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE",
     "the graph update was not performed because it included changes which violated constraints"},
    {CUDA_ERROR_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {CUDA_ERROR_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {CUDA_ERROR_NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {CUDA_ERROR_NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "operation failed due to a previous error during capture"},
};

static CUresult error_entry(CUresult code, const char **out, bool name)
{
    for (size_t index = 0; index < sizeof errors / sizeof errors[0]; index++) {
        if (errors[index].code == code) {
            *out = name ? errors[index].name : errors[index].text;
            return CUDA_SUCCESS;
        }
    }
    *out = NULL;
    return CUDA_ERROR_INVALID_VALUE;
}

SIM_API cuGetErrorName(CUresult code, const char **name)
{
    return error_entry(code, name, true);
}

SIM_API cuGetErrorString(CUresult code, const char **text)
{
    return error_entry(code, text, false);
}

SIM_API cuDeviceGetCount(int *count)
{
    struct sim_state *state;
    SIM_TRY(sim_enter(&state));
    *count = (int)visible_count;
    return CUDA_SUCCESS;
}

SIM_API cuDeviceGet(CUdevice *device, int ordinal)
{
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(ordinal, &gpu));
    *device = ordinal;
    return CUDA_SUCCESS;
}

SIM_API cuDeviceGetName(char *name, int length, CUdevice device)
{
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(device, &gpu));
    snprintf(name, (size_t)length, "%s", sim_state()->gpus[gpu].name);
    return CUDA_SUCCESS;
}

static int hex_digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

SIM_API cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device)
{
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(device, &gpu));
    const char *text = sim_state()->gpus[gpu].uuid + 4; /* after "GPU-" */
    for (int byte = 0; byte < 16; byte++) {
        text += *text == '-';
        uuid->bytes[byte] = (char)(hex_digit(text[0]) * 16 + hex_digit(text[1]));
        text += 2;
    }
    return CUDA_SUCCESS;
}

SIM_API cuDeviceGetUuid(CUuuid *uuid, CUdevice device)
{
    return cuDeviceGetUuid_v2(uuid, device);
}

SIM_API cuDeviceTotalMem_v2(size_t *bytes, CUdevice device)
{
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(device, &gpu));
    if (!bytes) return CUDA_ERROR_INVALID_VALUE;
    *bytes = sim_state()->gpus[gpu].memory_bytes;
    return CUDA_SUCCESS;
}

SIM_API cuDeviceTotalMem(unsigned int *bytes, CUdevice device)
{
    size_t whole;
    SIM_TRY(cuDeviceTotalMem_v2(&whole, device));
    *bytes = whole > UINT32_MAX ? UINT32_MAX : (unsigned int)whole;
    return CUDA_SUCCESS;
}

SIM_API cuDeviceGetAttribute(int *value, int attribute, CUdevice device)
{
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(device, &gpu));
    switch (attribute) {
    case 1: *value = 1024; break; /* threads per block */
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT: *value = SIM_MULTIPROCESSORS; break;
    case 75: *value = 9; break; /* compute capability */
    case 76: *value = 0; break;
    case 10: *value = 32; break; /* warp size */
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR: *value = SIM_THREADS_PER_SM; break;
    case 41: *value = 1; break;                                         /* unified addressing */
    case 102: *value = 1; break;                                        /* virtual memory management */
    case 115: *value = 1; break;                                        /* memory pools */
    case 103: *value = 1; break;                                        /* handles as file descriptors */
    case 119: *value = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR; break; /* of pools */
    case 112: *value = 1; break;                                        /* sparse arrays */
    case 121: *value = 1; break;                                        /* arrays without memory */
    default: *value = 0; break;
    }
    return CUDA_SUCCESS;
}

SIM_API cuDeviceGetPCIBusId(char *text, int length, CUdevice device)
{
    uint32_t gpu;
    SIM_TRY(sim_device_gpu(device, &gpu));
    snprintf(text, (size_t)length, "0000:%02X:00.0", gpu + 1);
    return CUDA_SUCCESS;
}
