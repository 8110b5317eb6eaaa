#include "slices/strays.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "region.h"
#include "region_file.h"
#include "state/slice.h"

void strays_forget(struct slice *slice, size_t at)
{
    struct slice_stray *stray = &slice->strays[at];
    atomic_fetch_or(&stray->policy->flags, REGION_POLICY_DELETED);
    region_policy_announce(stray->policy);
    region_policy_unmap(stray->policy);
    if (stray->usage_fd >= 0) close(stray->usage_fd);
    slice->stray_count--;
    memmove(stray, stray + 1, (slice->stray_count - at) * sizeof *stray);
}

void strays_forget_unused(struct slice *slice)
{
    for (size_t i = 0; i < slice->stray_count;) {
        struct slice_stray *stray = &slice->strays[i];
        if (stray->usage_fd >= 0 ? stray->used : slice->m.process_count > 0)
            i++;
        else
            strays_forget(slice, i);
    }
}
