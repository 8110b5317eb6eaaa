/* Registers: r6 the context, r7 to r9 what has to outlive calls. Below the frame lie the record, and beneath it what
 * maps are asked with. Numbers of helpers are those of include/uapi/linux/bpf.h; which of them a device program may call
 * stands in cgroup_dev_func_proto (kernel/bpf/cgroup.c) and bpf_base_func_proto (kernel/bpf/helpers.c). */

#include "program.h"

#include <string.h>

#define FRAME(field) ((int16_t)(RECORD + (int)offsetof(struct door_record, field)))
#define RECORD (-(int)sizeof(struct door_record))
#define KEY (RECORD - 8)
#define VALUE (KEY - (int)sizeof(struct door_holder))

/* Not copied into each of the hundred places that it is called at: built once, not fast. */
#define SMALL __attribute__((noinline))

SMALL static void op(struct program *p, uint8_t code, uint8_t dst, uint8_t src, int16_t off, int32_t imm)
{
    if (p->count == PROGRAM_CODE_MAX) {
        p->is_full = true;
        return;
    }
    p->code[p->count++] =
        (struct bpf_insn){.code = code, .dst_reg = dst & 15, .src_reg = src & 15, .off = off, .imm = imm};
}

SMALL static void jump_to(struct program *p, uint8_t code, uint8_t dst, uint8_t src, int32_t imm,
                          enum program_label to)
{
    if (p->jump_count == PROGRAM_JUMPS_MAX) {
        p->is_full = true;
        return;
    }
    p->jumps[p->jump_count].at = p->count;
    p->jumps[p->jump_count++].to = to;
    op(p, code, dst, src, 0, imm);
}

SMALL static void jump_if(struct program *p, uint8_t how, uint8_t reg, int32_t value, enum program_label to)
{
    jump_to(p, BPF_JMP | how | BPF_K, reg, 0, value, to);
}

SMALL static void jump(struct program *p, enum program_label to)
{
    jump_to(p, BPF_JMP | BPF_JA, 0, 0, 0, to);
}

/* This label is here: all jumps to it lie before. */
SMALL static void here(struct program *p, enum program_label label)
{
    for (size_t i = 0; i < p->jump_count; i++)
        if (p->jumps[i].to == label) p->code[p->jumps[i].at].off = (int16_t)(p->count - p->jumps[i].at - 1);
}

SMALL static void set(struct program *p, uint8_t dst, int32_t value)
{
    op(p, BPF_ALU64 | BPF_MOV | BPF_K, dst, 0, 0, value);
}

SMALL static void copy(struct program *p, uint8_t dst, uint8_t src)
{
    op(p, BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

SMALL static void set_wide(struct program *p, uint8_t dst, uint8_t kind, uint32_t low, uint32_t high)
{
    op(p, BPF_LD | BPF_DW | BPF_IMM, dst, kind, 0, (int32_t)low);
    op(p, 0, 0, 0, 0, (int32_t)high);
}

SMALL static void point_to_map(struct program *p, uint8_t dst, int map)
{
    set_wide(p, dst, BPF_PSEUDO_MAP_FD, (uint32_t)map, 0);
}

/* At the only value of an array. */
SMALL static void point_to_state(struct program *p, uint8_t dst, const int maps[DOOR_MAPS])
{
    set_wide(p, dst, BPF_PSEUDO_MAP_VALUE, (uint32_t)maps[DOOR_STATE], 0);
}

SMALL static void point_to_frame(struct program *p, uint8_t dst, int off)
{
    copy(p, dst, BPF_REG_10);
    op(p, BPF_ALU64 | BPF_ADD | BPF_K, dst, 0, 0, off);
}

SMALL static void load(struct program *p, uint8_t size, uint8_t dst, uint8_t src, int off)
{
    op(p, BPF_LDX | BPF_MEM | size, dst, src, (int16_t)off, 0);
}

SMALL static void store(struct program *p, uint8_t size, uint8_t dst, int off, uint8_t src)
{
    op(p, BPF_STX | BPF_MEM | size, dst, src, (int16_t)off, 0);
}

SMALL static void store_number(struct program *p, uint8_t size, uint8_t dst, int off, int32_t value)
{
    op(p, BPF_ST | BPF_MEM | size, dst, 0, (int16_t)off, value);
}

SMALL static void call(struct program *p, int32_t helper)
{
    op(p, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

/* r0: the value at KEY of this map, or 0. */
SMALL static void look_up(struct program *p, int map)
{
    point_to_map(p, BPF_REG_1, map);
    point_to_frame(p, BPF_REG_2, KEY);
    call(p, BPF_FUNC_map_lookup_elem);
}

SMALL static void put(struct program *p, int map, int value)
{
    point_to_map(p, BPF_REG_1, map);
    point_to_frame(p, BPF_REG_2, KEY);
    point_to_frame(p, BPF_REG_3, value);
    set(p, BPF_REG_4, BPF_ANY);
    call(p, BPF_FUNC_map_update_elem);
}

/* One more in the number at r_at + off. */
SMALL static void count_one(struct program *p, uint8_t at, size_t off)
{
    set(p, BPF_REG_2, 1);
    op(p, BPF_STX | BPF_XADD | BPF_DW, at, BPF_REG_2, (int16_t)off, 0);
}

/* Goes to ALLOW for everything but an open of a guarded device. mknod makes a name, and the name is asked when it is
 * opened; refusing it would break whoever makes the nodes. */
static void only_guarded(struct program *p, const int maps[DOOR_MAPS])
{
    load(p, BPF_W, BPF_REG_7, BPF_REG_6, offsetof(struct bpf_cgroup_dev_ctx, access_type));
    copy(p, BPF_REG_1, BPF_REG_7);
    op(p, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_1, 0, 0, 0xffff);
    jump_if(p, BPF_JNE, BPF_REG_1, BPF_DEVCG_DEV_CHAR, LABEL_ALLOW);
    op(p, BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_7, 0, 0, 16);
    op(p, BPF_ALU64 | BPF_AND | BPF_K, BPF_REG_7, 0, 0, BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE);
    jump_if(p, BPF_JEQ, BPF_REG_7, 0, LABEL_ALLOW);
    load(p, BPF_W, BPF_REG_8, BPF_REG_6, offsetof(struct bpf_cgroup_dev_ctx, major));
    load(p, BPF_W, BPF_REG_9, BPF_REG_6, offsetof(struct bpf_cgroup_dev_ctx, minor));
    store(p, BPF_W, BPF_REG_10, KEY, BPF_REG_8);
    look_up(p, maps[DOOR_MAJORS]);
    jump_if(p, BPF_JEQ, BPF_REG_0, 0, LABEL_ALLOW);
    load(p, BPF_W, BPF_REG_1, BPF_REG_0, 0);
    jump_if(p, BPF_JEQ, BPF_REG_1, DOOR_FREE, LABEL_ALLOW);
    jump_if(p, BPF_JEQ, BPF_REG_1, DOOR_GUARD_ALL, LABEL_GUARDED);
    store(p, BPF_W, BPF_REG_10, KEY + 4, BPF_REG_9);
    look_up(p, maps[DOOR_MINORS]);
    jump_if(p, BPF_JEQ, BPF_REG_0, 0, LABEL_ALLOW);
    here(p, LABEL_GUARDED);
}

/* Goes to ALLOW for who is inside. */
static void let_inside(struct program *p, const int maps[DOOR_MAPS], const struct door_kernel *kernel)
{
    if (kernel->tells_ancestors) {
        /* From the top down: slices lie high, and a group above the opener is one that it cannot leave. */
        for (int level = 1; level <= DOOR_GROUP_DEPTH_MAX; level++) {
            set(p, BPF_REG_1, level);
            call(p, BPF_FUNC_get_current_ancestor_cgroup_id);
            jump_if(p, BPF_JEQ, BPF_REG_0, 0, LABEL_OUTSIDE);
            store(p, BPF_DW, BPF_REG_10, KEY, BPF_REG_0);
            look_up(p, maps[DOOR_GROUPS]);
            jump_if(p, BPF_JNE, BPF_REG_0, 0, LABEL_ALLOW);
        }
    } else {
        call(p, BPF_FUNC_get_current_cgroup_id);
        store(p, BPF_DW, BPF_REG_10, KEY, BPF_REG_0);
        look_up(p, maps[DOOR_GROUPS]);
        jump_if(p, BPF_JNE, BPF_REG_0, 0, LABEL_ALLOW);
        look_up(p, maps[DOOR_LEARNED]);
        jump_if(p, BPF_JEQ, BPF_REG_0, 0, LABEL_OUTSIDE);
        load(p, BPF_DW, BPF_REG_1, BPF_REG_0, 0);
        store(p, BPF_DW, BPF_REG_10, KEY, BPF_REG_1);
        look_up(p, maps[DOOR_GROUPS]);
        jump_if(p, BPF_JNE, BPF_REG_0, 0, LABEL_ALLOW);
    }
    here(p, LABEL_OUTSIDE);
}

/* Writes who it is into the record, and goes to ALLOW for people who are exempt and for holders. */
static void let_known(struct program *p, const int maps[DOOR_MAPS], const struct door_kernel *kernel)
{
    call(p, BPF_FUNC_get_current_uid_gid);
    store(p, BPF_W, BPF_REG_10, FRAME(uid), BPF_REG_0);
    store(p, BPF_W, BPF_REG_10, KEY, BPF_REG_0);
    look_up(p, maps[DOOR_PEOPLE]);
    jump_if(p, BPF_JNE, BPF_REG_0, 0, LABEL_ALLOW);
    call(p, BPF_FUNC_get_current_cgroup_id);
    store(p, BPF_DW, BPF_REG_10, FRAME(group), BPF_REG_0);
    store_number(p, BPF_W, BPF_REG_10, FRAME(pid), 0);
    if (!kernel->tells_processes) return;
    call(p, BPF_FUNC_get_current_pid_tgid);
    op(p, BPF_ALU64 | BPF_RSH | BPF_K, BPF_REG_0, 0, 0, 32);
    store(p, BPF_W, BPF_REG_10, FRAME(pid), BPF_REG_0);
    store(p, BPF_W, BPF_REG_10, KEY, BPF_REG_0);
    look_up(p, maps[DOOR_HOLDERS]);
    jump_if(p, BPF_JEQ, BPF_REG_0, 0, LABEL_NEWCOMER);
    load(p, BPF_W, BPF_REG_1, BPF_REG_0, offsetof(struct door_holder, uid));
    load(p, BPF_W, BPF_REG_2, BPF_REG_10, FRAME(uid));
    jump_to(p, BPF_JMP | BPF_JNE | BPF_X, BPF_REG_1, BPF_REG_2, 0, LABEL_NEWCOMER);
    load(p, BPF_DW, BPF_REG_1, BPF_REG_0, offsetof(struct door_holder, group));
    load(p, BPF_DW, BPF_REG_2, BPF_REG_10, FRAME(group));
    jump_to(p, BPF_JMP | BPF_JEQ | BPF_X, BPF_REG_1, BPF_REG_2, 0, LABEL_ALLOW);
    here(p, LABEL_NEWCOMER);
}

/* r6: the mode, from here on. While the door is being shut a newcomer becomes a holder. */
static void learn(struct program *p, const int maps[DOOR_MAPS], const struct door_kernel *kernel)
{
    store(p, BPF_W, BPF_REG_10, FRAME(access), BPF_REG_7);
    point_to_state(p, BPF_REG_7, maps);
    load(p, BPF_W, BPF_REG_6, BPF_REG_7, offsetof(struct door_state, mode));
    jump_if(p, BPF_JEQ, BPF_REG_6, DOOR_OFF, LABEL_ALLOW);
    jump_if(p, BPF_JNE, BPF_REG_6, DOOR_LEARN, LABEL_NOT_LEARNING);
    if (kernel->tells_processes) {
        load(p, BPF_W, BPF_REG_1, BPF_REG_10, FRAME(uid));
        store(p, BPF_W, BPF_REG_10, VALUE + (int)offsetof(struct door_holder, uid), BPF_REG_1);
        store_number(p, BPF_W, BPF_REG_10, VALUE + (int)offsetof(struct door_holder, pad), 0);
        load(p, BPF_DW, BPF_REG_1, BPF_REG_10, FRAME(group));
        store(p, BPF_DW, BPF_REG_10, VALUE + (int)offsetof(struct door_holder, group), BPF_REG_1);
        store_number(p, BPF_DW, BPF_REG_10, VALUE + (int)offsetof(struct door_holder, start_ticks), 0);
        put(p, maps[DOOR_HOLDERS], VALUE); /* its pid is the key already */
    }
    jump(p, LABEL_ALLOW);
    here(p, LABEL_NOT_LEARNING);
}

/* Counts it, and goes to VERDICT if this person's refusals were recorded a moment ago. */
static void count(struct program *p, const int maps[DOOR_MAPS])
{
    jump_if(p, BPF_JNE, BPF_REG_6, DOOR_ON, LABEL_WATCHED);
    count_one(p, BPF_REG_7, offsetof(struct door_state, refused));
    jump(p, LABEL_RECORD);
    here(p, LABEL_WATCHED);
    count_one(p, BPF_REG_7, offsetof(struct door_state, watched));
    here(p, LABEL_RECORD);
    store(p, BPF_W, BPF_REG_10, FRAME(major_number), BPF_REG_8);
    store(p, BPF_W, BPF_REG_10, FRAME(minor_number), BPF_REG_9);
    store_number(p, BPF_W, BPF_REG_10, FRAME(untold), 0);
    call(p, BPF_FUNC_ktime_get_ns);
    store(p, BPF_DW, BPF_REG_10, FRAME(at_ns), BPF_REG_0);
    copy(p, BPF_REG_9, BPF_REG_0);
    load(p, BPF_W, BPF_REG_1, BPF_REG_10, FRAME(uid));
    store(p, BPF_W, BPF_REG_10, KEY, BPF_REG_1);
    look_up(p, maps[DOOR_TOLD]);
    jump_if(p, BPF_JEQ, BPF_REG_0, 0, LABEL_FIRST);
    load(p, BPF_DW, BPF_REG_1, BPF_REG_0, offsetof(struct door_told, at_ns));
    op(p, BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_1, 0, 0, DOOR_RECORD_GAP_NS);
    op(p, BPF_JMP | BPF_JGE | BPF_X, BPF_REG_9, BPF_REG_1, 3, 0); /* over the three that follow */
    count_one(p, BPF_REG_0, offsetof(struct door_told, untold));
    jump(p, LABEL_VERDICT);
    load(p, BPF_DW, BPF_REG_1, BPF_REG_0, offsetof(struct door_told, untold));
    store(p, BPF_W, BPF_REG_10, FRAME(untold), BPF_REG_1);
    here(p, LABEL_FIRST);
    store(p, BPF_DW, BPF_REG_10, VALUE + (int)offsetof(struct door_told, at_ns), BPF_REG_9);
    store_number(p, BPF_DW, BPF_REG_10, VALUE + (int)offsetof(struct door_told, untold), 0);
    put(p, maps[DOOR_TOLD], VALUE);
}

static void record(struct program *p, const int maps[DOOR_MAPS], const struct door_kernel *kernel)
{
    copy(p, BPF_REG_1, BPF_REG_6);
    op(p, BPF_ALU64 | BPF_SUB | BPF_K, BPF_REG_1, 0, 0, DOOR_WATCH); /* 0: watched, 1: refused */
    store(p, BPF_W, BPF_REG_10, FRAME(refused), BPF_REG_1);
    store_number(p, BPF_W, BPF_REG_10, FRAME(pad), 0);
    store_number(p, BPF_DW, BPF_REG_10, FRAME(command), 0);
    store_number(p, BPF_DW, BPF_REG_10, FRAME(command) + 8, 0);
    if (kernel->tells_processes) {
        point_to_frame(p, BPF_REG_1, FRAME(command));
        set(p, BPF_REG_2, (int32_t)sizeof(((struct door_record *)0)->command));
        call(p, BPF_FUNC_get_current_comm);
    }
    point_to_map(p, BPF_REG_1, maps[DOOR_RECORDS]);
    point_to_frame(p, BPF_REG_2, RECORD);
    set(p, BPF_REG_3, (int32_t)sizeof(struct door_record));
    set(p, BPF_REG_4, 0);
    call(p, BPF_FUNC_ringbuf_output);
    jump_if(p, BPF_JEQ, BPF_REG_0, 0, LABEL_VERDICT);
    count_one(p, BPF_REG_7, offsetof(struct door_state, lost));
}

void program_of_door(struct program *p, const int maps[DOOR_MAPS], const struct door_kernel *kernel)
{
    memset(p, 0, sizeof *p);
    copy(p, BPF_REG_6, BPF_REG_1);
    only_guarded(p, maps);
    let_inside(p, maps, kernel);
    let_known(p, maps, kernel);
    learn(p, maps, kernel);
    count(p, maps);
    record(p, maps, kernel);
    here(p, LABEL_VERDICT);
    jump_if(p, BPF_JNE, BPF_REG_6, DOOR_ON, LABEL_ALLOW);
    set(p, BPF_REG_0, 0);
    op(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
    here(p, LABEL_ALLOW);
    set(p, BPF_REG_0, 1);
    op(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

void program_of_mark(struct program *p, int learned_map, uint64_t group)
{
    memset(p, 0, sizeof *p);
    call(p, BPF_FUNC_get_current_cgroup_id);
    store(p, BPF_DW, BPF_REG_10, KEY, BPF_REG_0);
    look_up(p, learned_map);
    jump_if(p, BPF_JNE, BPF_REG_0, 0, LABEL_ALLOW);
    set_wide(p, BPF_REG_1, 0, (uint32_t)group, (uint32_t)(group >> 32));
    store(p, BPF_DW, BPF_REG_10, VALUE, BPF_REG_1);
    put(p, learned_map, VALUE);
    here(p, LABEL_ALLOW);
    set(p, BPF_REG_0, 1);
    op(p, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}
