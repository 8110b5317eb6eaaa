/* The few bpf() calls that the door needs, made directly: no libbpf, no compiler for BPF, no bpffs. Each returns 0, or
 * a descriptor, or -errno. */
#ifndef TRANCHE_DOOR_BPF_H
#define TRANCHE_DOOR_BPF_H

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>

#define BPF_NAME_BYTES 16 /* with its end; the kernel has no room for more */
#define BPF_TAG_BYTES 8   /* a hash of the instructions, without the maps they name */
#define BPF_MAPS_OF_ONE_MAX 16

struct bpf_program_facts {
    char name[BPF_NAME_BYTES];
    uint8_t tag[BPF_TAG_BYTES];
    uint32_t type;
    uint32_t map_ids[BPF_MAPS_OF_ONE_MAX];
    uint32_t map_count;
};

struct bpf_map_shape {
    const char *name;
    uint32_t type, key_bytes, value_bytes, entries;
};

int bpf_map_new(const struct bpf_map_shape *shape);
int bpf_map_open(uint32_t id);
/* 0 where it has this name and these sizes, else -ENOENT. */
int bpf_map_is(int fd, const struct bpf_map_shape *shape);
int bpf_map_get(int fd, const void *key, void *value_out);
int bpf_map_put(int fd, const void *key, const void *value);
int bpf_map_remove(int fd, const void *key);
/* The key after this one, in no order; NULL: the first. -ENOENT: it was the last. */
int bpf_map_next(int fd, const void *key, void *next_out);

/* `log`, if the kernel takes the instructions for unsafe, begins with its reason. */
int bpf_program_load(const struct bpf_insn *code, size_t count, const char *name, char *log, size_t cap);
int bpf_program_open(uint32_t id);
int bpf_program_look(int fd, struct bpf_program_facts *out);

/* Programs for devices at a cgroup, beside those that others have there. replace_fd: in the place of this one, without a
 * moment between; -1: as one more. */
int bpf_program_attach(int cgroup_fd, int program_fd, int replace_fd);
int bpf_program_detach(int cgroup_fd, int program_fd);
/* The ids of those at this cgroup itself, at most max; how many, or -errno. */
int bpf_program_list(int cgroup_fd, uint32_t *ids, uint32_t max);

#endif
