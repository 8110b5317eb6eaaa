/* Whose code an address is, for tests of how names are found. */
#ifndef TRANCHE_TEST_OWNER_H
#define TRANCHE_TEST_OWNER_H

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

/* "shim", "driver", "nvml", "libc", "program", "none" for NULL, or "other". */
static inline const char *owner(void *address)
{
    Dl_info info;
    if (address == NULL) return "none";
    if (dladdr(address, &info) == 0) return "other";
    return strstr(info.dli_fname, "libtranche") != NULL                    ? "shim"
           : strstr(info.dli_fname, "libcuda.so") != NULL                  ? "driver"
           : strstr(info.dli_fname, "libnvidia-ml") != NULL                ? "nvml"
           : strstr(info.dli_fname, "libc.so") != NULL                     ? "libc"
           : strstr(info.dli_fname, program_invocation_short_name) != NULL ? "program"
                                                                           : "other";
}

#endif
