/* What the driver's XID errors mean, in one sentence for those that people meet. After NVIDIA's "XID Errors",
 * https://docs.nvidia.com/deploy/xid-errors/, in our own words; a number means the same in every driver. */
#ifndef TRANCHE_XID_H
#define TRANCHE_XID_H

#include <stdint.h>

#define XID_SOURCE "https://docs.nvidia.com/deploy/xid-errors/"

/* Whose fault it mostly is. */
enum xid_kind { XID_OTHER, XID_PROGRAM, XID_HARDWARE };

struct xid {
    uint32_t number;
    enum xid_kind kind;
    const char *text;
};

/* Never NULL: of an unknown one it says where it is explained. */
const struct xid *xid_of(uint32_t number);
const char *xid_kind_name(enum xid_kind kind);

#endif
