/* What the driver's XID errors mean, in one sentence for those that people meet. After NVIDIA's "XID Errors",
 * https://docs.nvidia.com/deploy/xid-errors/, in our own words; a number means the same in every driver. */
#ifndef TRANCHE_XID_H
#define TRANCHE_XID_H

#include <stdint.h>

#include "gpu/gpu.h"

#define XID_SOURCE "https://docs.nvidia.com/deploy/xid-errors/"

/* Never NULL: of an unknown one it says where it is explained. */
const struct gpu_fault_meaning *xid_meaning(uint32_t number);

#endif
