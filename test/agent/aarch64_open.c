/* For admit.c under qemu (compiled with -Dopen=open_past_qemu): the emulator answers /proc/PID/stat of the program itself
 * out of its own head, with another start time than the kernel tells everybody else. By this spelling of the path it
 * does not know the file. */
#undef open
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

int open_past_qemu(const char *path, int flags, ...);
int open_past_qemu(const char *path, int flags, ...)
{
    char other[PATH_MAX];
    if (strncmp(path, "/proc/", 6) != 0) return open(path, flags);
    snprintf(other, sizeof other, "/proc/./%s", path + 6);
    return open(other, flags);
}
