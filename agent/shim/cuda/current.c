/* Which device, and so which slice, a call is about; and whether it is being captured. Asked on the path of every
 * launch and allocation: where the process sees one GPU there is nothing to ask. */

#include "cuda/current.h"

#include <stdio.h>
#include <string.h>

#include "core/shim.h"
#include "cuda/resolve.h"
#include "cuda_min.h"
#include "region.h"

/* The 16 bytes of a UUID behind "GPU-" or "MIG-"; false if the text is no such thing. */
static bool uuid_bytes(const char *text, unsigned char out[16])
{
    const char *at = strchr(text, '-');
    unsigned count = 0;
    for (at = !at ? "" : at + 1; *at != 0 && count < 32; at++) {
        unsigned digit = *at >= '0' && *at <= '9'   ? (unsigned)(*at - '0')
                         : *at >= 'a' && *at <= 'f' ? (unsigned)(*at - 'a') + 10
                         : *at >= 'A' && *at <= 'F' ? (unsigned)(*at - 'A') + 10
                                                    : 16;
        if (digit == 16 && *at != '-') return false;
        if (digit < 16) {
            out[count / 2] = (unsigned char)(count % 2 == 0 ? digit << 4 : out[count / 2] | digit);
            count++;
        }
    }
    return count == 32;
}

int shim_slice_of_uuid(const struct shim *shim, const char *uuid)
{
    unsigned char wanted[16];
    unsigned char have[16];
    bool known = uuid_bytes(uuid, wanted);
    for (unsigned index = 0; known && index < shim->slice_count; index++) {
        char own[REGION_UUID_BYTES];
        memcpy(own, shim->slices[index].policy->gpu_uuid, sizeof own);
        own[sizeof own - 1] = 0;
        if (uuid_bytes(own, have) && memcmp(wanted, have, sizeof have) == 0) return (int)index;
    }
    return -1;
}

static bool device_uuid(CUdevice device, char text[REGION_UUID_BYTES])
{
    CUuuid uuid;
    cuDeviceGetUuid_v2_fn newer = REAL(cuDeviceGetUuid_v2); /* a MIG instance's own; the older gives its GPU's */
    cuDeviceGetUuid_fn older = REAL(cuDeviceGetUuid);
    CUresult result = newer ? newer(&uuid, device) : older ? older(&uuid, device) : ABSENT_CU;
    if (result != CUDA_SUCCESS) return false;
    int at = snprintf(text, REGION_UUID_BYTES, "GPU-");
    for (int byte = 0; byte < 16; byte++)
        at += snprintf(text + at, REGION_UUID_BYTES - (size_t)at, "%02x", (unsigned char)uuid.bytes[byte]);
    return true;
}

static int device_count(struct process *process)
{
    int count = atomic_load_explicit(&process->devices, memory_order_relaxed);
    if (count == 0 && REAL(cuDeviceGetCount) && REAL(cuDeviceGetCount)(&count) == CUDA_SUCCESS)
        atomic_store_explicit(&process->devices, count, memory_order_relaxed);
    return count;
}

/* What is not one of the program's slices is looked for again each time: its files may have come, or the driver may
 * answer now. */
static int slice_of_unknown(struct process *process, CUdevice device)
{
    char text[REGION_UUID_BYTES];
    int count = device_count(process);
    if (count > 0 && device >= count) return SHIM_NO_DEVICE;
    if (device >= (CUdevice)SHIM_DEVICES || !device_uuid(device, text)) {
        /* A driver that cannot name its devices, and one slice: what there is to see is that slice's. */
        bool only = count == 1 && process->shim->slice_count == 1 && process->shim->missing == 0;
        return only && !REAL(cuDeviceGetUuid) && !REAL(cuDeviceGetUuid_v2) ? 0 : SHIM_NOT_OURS;
    }
    int slice = shim_slice_of_uuid(process->shim, text);
    if (slice < 0 && shim_complete(process)) slice = shim_slice_of_uuid(process->shim, text);
    if (slice >= 0) atomic_store_explicit(&process->device_slice[device], (uint8_t)(slice + 1), memory_order_relaxed);
    return slice < 0 ? SHIM_NOT_OURS : slice;
}

int shim_slice_of_device(struct process *process, CUdevice device)
{
    if (device < 0) return SHIM_NO_DEVICE;
    uint8_t known = device >= (CUdevice)SHIM_DEVICES
                        ? 0
                        : atomic_load_explicit(&process->device_slice[device], memory_order_relaxed);
    return __builtin_expect(known != 0, 1) ? (int)known - 1 : slice_of_unknown(process, device);
}

CUdevice shim_current_device(struct process *process)
{
    if (device_count(process) == 1)
        return 0; /* a thread without a context gets the driver's error, and then nothing was charged */
    CUdevice device;
    cuCtxGetDevice_fn real = REAL(cuCtxGetDevice);
    return !real || real(&device) != CUDA_SUCCESS ? -1 : device;
}

int shim_slice_of_current(struct process *process)
{
    CUdevice device = shim_current_device(process);
    return shim_slice_of_device(process, device);
}

bool shim_is_captured(struct process *process, CUstream stream, bool per_thread)
{
    if (!process || atomic_load_explicit(&process->captures, memory_order_relaxed) == 0) return false;
    if (!stream && per_thread) stream = CU_STREAM_PER_THREAD;
    if (!stream || stream == CU_STREAM_LEGACY)
        return false; /* cannot be captured, and asking about it during a capture is an error */
    CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
    cuStreamIsCapturing_fn real = REAL(cuStreamIsCapturing);
    return real && real(stream, &status) == CUDA_SUCCESS && status != CU_STREAM_CAPTURE_STATUS_NONE;
}

CUdevice shim_stream_device(struct process *process, CUstream stream)
{
    CUcontext context = NULL;
    if (device_count(process) == 1) return 0;
    cuStreamGetCtx_fn context_of = REAL(cuStreamGetCtx);
    /* The three default streams are the current context's. */
    if (!stream || stream == CU_STREAM_LEGACY || stream == CU_STREAM_PER_THREAD || !context_of ||
        context_of(stream, &context) != CUDA_SUCCESS)
        return shim_current_device(process);
    for (CUdevice device = 0; device < (CUdevice)SHIM_DEVICES; device++)
        if (context == atomic_load_explicit(&process->primary[device], memory_order_relaxed) && context) return device;
    if (!REAL(cuCtxPushCurrent_v2) || !REAL(cuCtxPopCurrent_v2) || REAL(cuCtxPushCurrent_v2)(context) != CUDA_SUCCESS)
        return shim_current_device(process);
    CUdevice device = shim_current_device(process);
    REAL(cuCtxPopCurrent_v2)(&context);
    return device;
}
