#include "gpu/nvidia/xid.h"

#include <stddef.h>

static const struct gpu_fault_meaning known[] = {
    {13, GPU_FAULT_PROGRAM,
     "A kernel did what the GPU does not allow, mostly an access outside of its arrays; its program ends, the GPU "
     "goes "
     "on."},
    {31, GPU_FAULT_PROGRAM,
     "A program reached for GPU memory that is not there, mostly by a wrong pointer; it ends, the GPU goes on."},
    {43, GPU_FAULT_PROGRAM, "A program's work failed by a fault of its own and was stopped; the GPU goes on."},
    {45, GPU_FAULT_OTHER,
     "Work was cleared away because its program had ended or failed before; by itself it says nothing about the GPU."},
    {48, GPU_FAULT_HARDWARE,
     "GPU memory held two wrong bits at once, which cannot be corrected; reset the GPU before it is used further."},
    {63, GPU_FAULT_HARDWARE, "A worn piece of GPU memory was marked to be set aside; that happens at the next reset."},
    {64, GPU_FAULT_HARDWARE,
     "A worn piece of GPU memory could not be set aside; reset the GPU, and have it replaced if this comes again."},
    {74, GPU_FAULT_HARDWARE,
     "A link between GPUs (NVLink) failed; programs on several GPUs may fail until a reset, and the link wants "
     "looking at."},
    {79, GPU_FAULT_HARDWARE,
     "The GPU has fallen off the bus: the host does not reach it until a restart. Look at its power, heat and seat."},
    {94, GPU_FAULT_HARDWARE,
     "A memory error that cannot be corrected hit one program, which ends; the others go on. Reset the GPU when they "
     "are done."},
    {95, GPU_FAULT_HARDWARE,
     "A memory error that cannot be corrected may have hit every program on the GPU; end them and reset it."},
};

const struct gpu_fault_meaning *xid_meaning(uint32_t number)
{
    static const struct gpu_fault_meaning unknown = {0, GPU_FAULT_OTHER,
                                                     "NVIDIA's list says what it means: " XID_SOURCE};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (known[i].code == number) return &known[i];
    return &unknown;
}
