/* What the processes of a control group may hold together of a GPU: the nearest group with a limit, from a process's own
 * upwards, is the one that counts, as in the driver's own books ("misc"). Managed memory is not counted. */
#include "sim_state.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define CGROUP2_MAGIC 0x63677270

bool sim_switch(const char *name)
{
    char directory[PATH_MAX - 32], path[PATH_MAX];
    sim_directory(directory, sizeof directory);
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return access(path, F_OK) == 0;
}

static const char *mount(void)
{
    static const char *const places[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"};
    struct statfs fs;
    for (size_t i = 0; i < 2; i++)
        if (statfs(places[i], &fs) == 0 && fs.f_type == CGROUP2_MAGIC) return places[i];
    return NULL;
}

void sim_groups_read(struct sim_process *process)
{
    char line[PATH_MAX], path[PATH_MAX + 64] = "";
    const char *root = mount();
    FILE *file = fopen("/proc/self/cgroup", "re");
    memset(process->groups, 0, sizeof process->groups);
    while (file && root && path[0] == 0 && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = 0;
        if (strncmp(line, "0::/", 4) == 0) snprintf(path, sizeof path, "%s%s", root, line + 3);
    }
    if (file) fclose(file);
    for (uint32_t depth = 0; root && depth < SIM_GROUP_DEPTH && strlen(path) > strlen(root) + 1; depth++) {
        struct stat status;
        process->groups[depth] = stat(path, &status) == 0 ? status.st_ino : 0;
        *strrchr(path, '/') = 0;
    }
}

struct sim_group *sim_group_of(struct sim_state *state, const struct sim_process *process, uint32_t gpu)
{
    for (uint32_t depth = 0; depth < SIM_GROUP_DEPTH && process->groups[depth] != 0; depth++) {
        for (uint32_t place = 0; place < SIM_GROUPS; place++) {
            struct sim_group *group = &state->groups[place];
            if (group->id == process->groups[depth] && group->hard_bytes[gpu] != SIM_NO_LIMIT) return group;
        }
    }
    return NULL;
}

uint64_t sim_group_used(struct sim_state *state, const struct sim_group *group, uint32_t gpu)
{
    uint64_t used = 0;
    for (uint32_t index = 0; index < SIM_PROCESSES; index++) {
        const struct sim_process *process = &state->processes[index];
        if (process->used && sim_group_of(state, process, gpu) == group)
            used += process->memory_bytes[gpu] - process->faulted_bytes[gpu];
    }
    return used;
}

uint64_t sim_group_room(struct sim_state *state, struct sim_process *process, uint32_t gpu)
{
    if (!state->options.memory_limits || sim_switch("limits-ignored")) return SIM_NO_LIMIT;
    sim_groups_read(process);
    struct sim_group *group = sim_group_of(state, process, gpu);
    if (!group) return SIM_NO_LIMIT;
    uint64_t used = sim_group_used(state, group, gpu);
    if (used >= group->hard_bytes[gpu]) { /* the dead may hold it */
        sim_purge(state, true);
        used = sim_group_used(state, group, gpu);
    }
    return used < group->hard_bytes[gpu] ? group->hard_bytes[gpu] - used : 0;
}
