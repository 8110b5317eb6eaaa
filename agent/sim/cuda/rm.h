/* The requests for memory that the real libcuda makes of the driver in the kernel (its resource manager, RM), in
 * NVIDIA's layouts and numbers: whoever listens at that border (seccomp's user notification) can count, refuse and
 * credit what real programs take.
 *
 * There is no driver, so there are stand-ins for its devices: the folder named by TRANCHE_SIM_RM_DEVICES has nvidiactl,
 * and one file nvidiaN for each GPU. Any device will do that answers an unknown ioctl with ENOTTY, as a node of
 * /dev/null's kind does: that answer is taken as the driver's success. A status that somebody else wrote into the
 * structure, with an ioctl that returns 0, is a refusal.
 *
 * Whatever else ends a request (EPERM; ENOSYS, which is what the kernel says for a supervisor that is gone) fails it as
 * a refusal does, and the call that asked ends in CUDA_ERROR_OUT_OF_MEMORY: there is no new memory then, and what the
 * real library makes of such an errno has not been measured.
 *
 * Managed memory is no request: it is a mapping of nvidia-uvm at an offset that is its address. Where the folder has a
 * file of that name, which can be any that may be mapped so (a node of /dev/zero's kind can), it is made; a mapping that
 * is refused is out of memory.
 *
 * Without that variable nothing is opened, nothing is asked, and everything is granted. */
#ifndef TRANCHE_SIM_CUDA_RM_H
#define TRANCHE_SIM_CUDA_RM_H

#include "internal.h"

/* Opens the stand-ins and makes client, devices and subdevices, once in a process. CUDA_ERROR_NO_DEVICE: one of the
 * files does not open, as where /dev/nvidia* is not there for this process. Nothing is left open where it fails. */
CUresult rm_open(struct sim_state *state, const uint32_t *gpus, uint32_t count);

/* Asks for memory of that GPU; false: refused. A number is used once, also where it was refused. Memory's lock held. */
bool rm_take(uint32_t gpu, uint64_t bytes, uint32_t *object_out);

/* Gives it back. False: it is still there for the kernel. Number 0, for which nobody was asked, is always given back. */
bool rm_give(uint32_t gpu, uint32_t object);

/* Maps that much managed memory; false: refused. *out is NULL where nobody is asked. Memory's lock held. */
bool rm_map(uint64_t bytes, void **out);
void rm_unmap(void *mapping, uint64_t bytes);

/* At the end of the process: gives the client back, and with it all that is left. */
void rm_close(void);

#endif
