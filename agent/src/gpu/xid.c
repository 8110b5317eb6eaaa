#include "gpu/xid.h"

#include <stddef.h>

static const struct xid known[] = {
    {13, XID_PROGRAM,
     "A kernel did what the GPU does not allow, mostly an access outside of its arrays; its program ends, the GPU "
     "goes "
     "on."},
    {31, XID_PROGRAM,
     "A program reached for GPU memory that is not there, mostly by a wrong pointer; it ends, the GPU goes on."},
    {43, XID_PROGRAM, "A program's work failed by a fault of its own and was stopped; the GPU goes on."},
    {45, XID_OTHER,
     "Work was cleared away because its program had ended or failed before; by itself it says nothing about the GPU."},
    {48, XID_HARDWARE,
     "GPU memory held two wrong bits at once, which can not be corrected; reset the GPU before it is used further."},
    {63, XID_HARDWARE, "A worn piece of GPU memory was marked to be set aside; that happens at the next reset."},
    {64, XID_HARDWARE,
     "A worn piece of GPU memory could not be set aside; reset the GPU, and have it replaced if this comes again."},
    {74, XID_HARDWARE,
     "A link between GPUs (NVLink) failed; programs on several GPUs may fail until a reset, and the link wants "
     "looking "
     "at."},
    {79, XID_HARDWARE,
     "The GPU has fallen off the bus: the host does not reach it until a restart. Look at its power, heat and seat."},
    {94, XID_HARDWARE,
     "A memory error that can not be corrected hit one program, which ends; the others go on. Reset the GPU when they "
     "are done."},
    {95, XID_HARDWARE,
     "A memory error that can not be corrected may have hit every program on the GPU; end them and reset it."},
};

const struct xid *xid_of(uint32_t number)
{
    static const struct xid unknown = {0, XID_OTHER, "NVIDIA's list says what it means: " XID_SOURCE};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (known[i].number == number) return &known[i];
    }
    return &unknown;
}

const char *xid_kind_name(enum xid_kind kind)
{
    return kind == XID_PROGRAM ? "program" : kind == XID_HARDWARE ? "hardware" : "other";
}
