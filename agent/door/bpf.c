#include "bpf.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Says of a program that it calls no function that the kernel keeps for the GPL. */
#define LICENSE "Apache-2.0"

static int call(int command, union bpf_attr *attr)
{
    long result = syscall(__NR_bpf, command, attr, sizeof *attr);
    return result >= 0 ? (int)result : -errno;
}

static uint64_t at(const void *pointer)
{
    return (uint64_t)(uintptr_t)pointer;
}

static void name_it(char out[BPF_NAME_BYTES], const char *name)
{
    size_t n = strnlen(name, BPF_NAME_BYTES - 1);
    memcpy(out, name, n);
    memset(out + n, 0, BPF_NAME_BYTES - n);
}

int bpf_map_new(const struct bpf_map_shape *shape)
{
    union bpf_attr attr = {0};
    attr.map_type = shape->type;
    attr.key_size = shape->key_bytes;
    attr.value_size = shape->value_bytes;
    attr.max_entries = shape->entries;
    name_it(attr.map_name, shape->name);
    return call(BPF_MAP_CREATE, &attr);
}

int bpf_map_open(uint32_t id)
{
    union bpf_attr attr = {0};
    attr.map_id = id;
    return call(BPF_MAP_GET_FD_BY_ID, &attr);
}

int bpf_map_is(int fd, const struct bpf_map_shape *shape)
{
    struct bpf_map_info info = {0};
    union bpf_attr attr = {0};
    attr.info.bpf_fd = (uint32_t)fd;
    attr.info.info_len = sizeof info;
    attr.info.info = at(&info);
    int result = call(BPF_OBJ_GET_INFO_BY_FD, &attr);
    if (result < 0) return result;
    bool same = info.type == shape->type && info.key_size == shape->key_bytes &&
                info.value_size == shape->value_bytes && info.max_entries == shape->entries &&
                strncmp(info.name, shape->name, sizeof info.name) == 0;
    return same ? 0 : -ENOENT;
}

int bpf_map_get(int fd, const void *key, void *value_out)
{
    union bpf_attr attr = {0};
    attr.map_fd = (uint32_t)fd;
    attr.key = at(key);
    attr.value = at(value_out);
    return call(BPF_MAP_LOOKUP_ELEM, &attr);
}

int bpf_map_put(int fd, const void *key, const void *value)
{
    union bpf_attr attr = {0};
    attr.map_fd = (uint32_t)fd;
    attr.key = at(key);
    attr.value = at(value);
    attr.flags = BPF_ANY;
    return call(BPF_MAP_UPDATE_ELEM, &attr);
}

int bpf_map_remove(int fd, const void *key)
{
    union bpf_attr attr = {0};
    attr.map_fd = (uint32_t)fd;
    attr.key = at(key);
    return call(BPF_MAP_DELETE_ELEM, &attr);
}

int bpf_map_next(int fd, const void *key, void *next_out)
{
    union bpf_attr attr = {0};
    attr.map_fd = (uint32_t)fd;
    attr.key = at(key);
    attr.next_key = at(next_out);
    return call(BPF_MAP_GET_NEXT_KEY, &attr);
}

int bpf_program_load(const struct bpf_insn *code, size_t count, const char *name, char *log, size_t cap)
{
    union bpf_attr attr = {0};
    attr.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
    attr.expected_attach_type = BPF_CGROUP_DEVICE;
    attr.insn_cnt = (uint32_t)count;
    attr.insns = at(code);
    attr.license = at(LICENSE);
    name_it(attr.prog_name, name);
    log[0] = '\0';
    int fd = call(BPF_PROG_LOAD, &attr);
    if (fd >= 0 || fd == -EPERM) return fd;
    /* Once more for the reason: a log that is too short fails a load that would have gone well. */
    attr.log_level = 1;
    attr.log_buf = at(log);
    attr.log_size = (uint32_t)cap;
    int again = call(BPF_PROG_LOAD, &attr);
    log[cap - 1] = '\0';
    return again >= 0 ? again : fd;
}

int bpf_program_open(uint32_t id)
{
    union bpf_attr attr = {0};
    attr.prog_id = id;
    return call(BPF_PROG_GET_FD_BY_ID, &attr);
}

int bpf_program_look(int fd, struct bpf_program_facts *out)
{
    struct bpf_prog_info info = {0};
    union bpf_attr attr = {0};
    memset(out, 0, sizeof *out);
    info.nr_map_ids = BPF_MAPS_OF_ONE_MAX;
    info.map_ids = at(out->map_ids);
    attr.info.bpf_fd = (uint32_t)fd;
    attr.info.info_len = sizeof info;
    attr.info.info = at(&info);
    int result = call(BPF_OBJ_GET_INFO_BY_FD, &attr);
    if (result < 0) return result;
    memcpy(out->name, info.name, sizeof out->name);
    memcpy(out->tag, info.tag, sizeof out->tag);
    out->type = info.type;
    out->map_count = info.nr_map_ids < BPF_MAPS_OF_ONE_MAX ? info.nr_map_ids : BPF_MAPS_OF_ONE_MAX;
    return 0;
}

int bpf_program_attach(int cgroup_fd, int program_fd, int replace_fd)
{
    union bpf_attr attr = {0};
    attr.target_fd = (uint32_t)cgroup_fd;
    attr.attach_bpf_fd = (uint32_t)program_fd;
    attr.attach_type = BPF_CGROUP_DEVICE;
    attr.attach_flags = BPF_F_ALLOW_MULTI;
    if (replace_fd >= 0) {
        attr.attach_flags |= BPF_F_REPLACE;
        attr.replace_bpf_fd = (uint32_t)replace_fd;
    }
    return call(BPF_PROG_ATTACH, &attr);
}

int bpf_program_detach(int cgroup_fd, int program_fd)
{
    union bpf_attr attr = {0};
    attr.target_fd = (uint32_t)cgroup_fd;
    attr.attach_bpf_fd = (uint32_t)program_fd;
    attr.attach_type = BPF_CGROUP_DEVICE;
    return call(BPF_PROG_DETACH, &attr);
}

int bpf_program_list(int cgroup_fd, uint32_t *ids, uint32_t max)
{
    union bpf_attr attr = {0};
    attr.query.target_fd = (uint32_t)cgroup_fd;
    attr.query.attach_type = BPF_CGROUP_DEVICE;
    attr.query.prog_ids = at(ids);
    attr.query.prog_cnt = max;
    int result = call(BPF_PROG_QUERY, &attr);
    return result < 0 ? result : (int)attr.query.prog_cnt;
}
