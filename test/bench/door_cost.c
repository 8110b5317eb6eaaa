/* What the door adds to an open of a device, in nanoseconds: the same open with the program attached and without it, in
 * turn, at a cgroup of this program's own. One JSON line for each opener. Needs root.
 * usage: door_cost */
#include "door.h"
#include "door_place.h"

#include <time.h>

#define ROUNDS 101
#define CALLS 400
#define NOBODY 65534
#define DEPTH 5 /* of the slice: as deep as system.slice, a unit and its own groups are */

static const struct door_device guarded[] = {{1, 7, false}};
static struct door door;
static uint64_t slices;
static size_t let_in; /* of the group above: 0 or 1 */
static double without[ROUNDS], with[ROUNDS], added[ROUNDS];

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *id)
{
    for (int at = 0; at < ROUNDS; at++) added[at] = with[at] - without[at];
    qsort(without, ROUNDS, sizeof *without, ascending);
    qsort(with, ROUNDS, sizeof *with, ascending);
    qsort(added, ROUNDS, sizeof *added, ascending);
    printf("{\"id\": \"%s\", \"withoutNs\": %.1f, \"withNs\": %.1f, \"addedNs\": %.1f}\n", id, without[ROUNDS / 2],
           with[ROUNDS / 2], added[ROUNDS / 2]);
    fflush(stdout);
}

static uint64_t id_of(const char *group)
{
    int fd = open(group, O_PATH | O_DIRECTORY);
    uint64_t id = door_group_id(fd);
    close(fd);
    return id;
}

/* Opens and closes, in turn with the door attached and taken away. may_open: else each is refused. 0, or the status. */
static int measure(const char *id, const char *path, bool may_open)
{
    for (int round = 0; round < 2 * ROUNDS; round++) {
        int way = (round + round / 2) & 1;
        if ((way ? door_attach(&door) : door_detach(&door)) < 0) return 4;
        /* Where there are marks they went with the door. */
        if (way && door_allow_below(&door, &slices, let_in) != 0) return 4;
        double began = now_ns();
        for (int call = 0; call < CALLS; call++) {
            int fd = open(path, O_RDONLY);
            if ((fd >= 0) != (!way || may_open)) return 5;
            if (fd >= 0) close(fd);
        }
        (way ? with : without)[round / 2] = (now_ns() - began) / CALLS;
    }
    report(id);
    return 0;
}

static int shut(const char *group, struct door_kernel kernel)
{
    char why[DOOR_WHY_BYTES];
    if (door_open(&door, open(group, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) != 0) return 2;
    door.kernel = kernel;
    if (door_prepare(&door, why, sizeof why) != 0) {
        fprintf(stderr, "%s\n", why);
        return 3;
    }
    return door_guard(&door, guarded, 1) == 0 && door_set_mode(&door, DOOR_ON) == 0 ? 0 : 3;
}

static int all(void)
{
    char scope[2 * PLACE_BYTES], other[2 * PLACE_BYTES], gpu[2 * PLACE_BYTES];
    static const uid_t root[] = {0};
    snprintf(gpu, sizeof gpu, "%s", place_node("nvidia0", 1, 7));
    snprintf(other, sizeof other, "%s", place_node("other", 1, 8));
    snprintf(scope, sizeof scope, "%s", place_below(place_group, "slices"));
    slices = id_of(scope);
    for (int i = 0; i < DEPTH; i++) snprintf(scope, sizeof scope, "%s", place_below(scope, "below"));
    int status = shut(place_group, (struct door_kernel){true, true});
    place_enter(scope);
    if (status == 0) status = measure("door.open.unguarded", other, true);
    if (status == 0) status = measure("door.open.refused", gpu, false);
    if (status == 0) status = door_allow_people(&door, root, 1) == 0 ? measure("door.open.exempt", gpu, true) : 6;
    if (status == 0) status = door_allow_people(&door, NULL, 0) == 0 ? 0 : 6;
    struct door_holder holder = {.uid = 0, .group = id_of(scope)};
    if (status == 0)
        status = door_hold(&door, (uint32_t)getpid(), &holder) == 0 ? measure("door.open.holder", gpu, true) : 6;
    if (status == 0) status = door_release(&door, (uint32_t)getpid()) == 0 ? 0 : 6;
    let_in = 1;
    if (status == 0) status = measure("door.open.slice", gpu, true);
    door_detach(&door);
    door_close(&door);
    /* As on a kernel that does not tell ancestors. */
    if (status == 0) status = shut(place_group, (struct door_kernel){false, false});
    if (status == 0) status = measure("door.open.slice.marked", gpu, true);
    door_detach(&door);
    door_close(&door);
    return status;
}

int main(void)
{
    return place_run(all);
}
