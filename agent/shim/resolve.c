/* How programs come to our hooks, and how we come to the real functions.
 *
 * Three ways in: our dlsym, cuGetProcAddress, and the exported names that directly linked programs bind to. In all of
 * them the real lookup happens first, and its answer is replaced only if it is the address of a real function that we
 * hook. A program that has not opened libcuda gets exactly what it would get without us.
 *
 * No locks and no allocation here: dlsym is called from constructors, from allocators and in forked children. Tables
 * are filled by whoever comes first; two who come together store the same values. */
#define _GNU_SOURCE /* dlvsym, dladdr, RTLD_NEXT */

#include "hooks.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define DRIVER_NAME "libcuda.so.1"
#define NVML_NAME "libnvidia-ml.so.1"

typedef void *(*dlsym_fn)(void *handle, const char *name);

static const char *const names[FUNCTION_COUNT] = {
#define HOOK(group, type, name, parameters) [ID_##name] = #name,
#include "hooks.def"
#undef HOOK
#define CALL(type, name, parameters) [ID_##name] = #name,
#include "calls.def"
#undef CALL
};

static void *const hooks[HOOK_COUNT] = {
#define HOOK(group, type, name, parameters) [ID_##name] = (void *)hook_##name,
#include "hooks.def"
#undef HOOK
};

struct library {
    const char *name;
    const char *prefix;
    _Atomic(void *) handle;
    _Atomic(void *) base; /* where it is mapped: to know its own callers */
    _Atomic int resolved;
};

static struct library driver = {.name = DRIVER_NAME, .prefix = "cu"};
static struct library nvml = {.name = NVML_NAME, .prefix = "nvml"};
struct resolve_hot resolve_hot;
static _Atomic(void *) real_dlsym_found;

static dlsym_fn real_dlsym(void)
{
    void *found = atomic_load_explicit(&real_dlsym_found, memory_order_acquire);
    /* 2.2.5 and 2.17 are the base versions of x86_64 and aarch64; from 2.34 on dlsym lives in libc itself. */
    static const char *const versions[] = {"GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_2.34"};
    for (unsigned at = 0; found == NULL && at < sizeof versions / sizeof versions[0]; at++) {
        found = dlvsym(RTLD_NEXT, "dlsym", versions[at]);
        atomic_store_explicit(&real_dlsym_found, found, memory_order_release);
    }
    return (dlsym_fn)found;
}

static bool belongs(const struct library *library, const char *name)
{
    return strncmp(name, library->prefix, strlen(library->prefix)) == 0;
}

static void fill(struct library *library, void *handle, dlsym_fn lookup)
{
    void *any = NULL;
    for (int id = 0; id < FUNCTION_COUNT; id++) {
        if (belongs(library, names[id])) {
            void *real = lookup(handle, names[id]);
            atomic_store_explicit(&resolve_hot.reals[id], real, memory_order_relaxed);
            any = real != NULL ? real : any;
        }
    }
    Dl_info info;
    if (any != NULL && dladdr(any, &info) != 0) {
        atomic_store_explicit(&library->base, info.dli_fbase, memory_order_relaxed);
    }
    atomic_store_explicit(&library->resolved, 1, memory_order_release);
}

/* true once the library is loaded by somebody and our tables know it. We never load it; but we keep it, for its
 * functions are in our tables. */
static bool loaded(struct library *library)
{
    if (atomic_load_explicit(&library->resolved, memory_order_acquire)) {
        return true;
    }
    dlsym_fn lookup = real_dlsym();
    if (lookup == NULL) {
        return false;
    }
    void *handle = dlopen(library->name, RTLD_NOLOAD | RTLD_LAZY);
    if (handle == NULL) {
        (void)dlerror(); /* the program's next dlerror must not show our question */
        return false;
    }
    void *expected = NULL;
    if (!atomic_compare_exchange_strong(&library->handle, &expected, handle)) {
        dlclose(handle); /* only our extra reference */
    }
    fill(library, handle, lookup);
    return true;
}

void *resolve_slow(enum function_id id)
{
    bool there = loaded(belongs(&driver, names[id]) ? &driver : &nvml);
    return there ? atomic_load_explicit(&resolve_hot.reals[id], memory_order_acquire) : NULL;
}

void *resolve_route(void *pointer)
{
    for (int id = 0; pointer != NULL && id < HOOK_COUNT; id++) {
        if (atomic_load_explicit(&resolve_hot.reals[id], memory_order_relaxed) == pointer) {
            return hooks[id];
        }
    }
    return pointer;
}

void *resolve_driver_object(const char *name)
{
    dlsym_fn lookup = real_dlsym();
    return loaded(&driver) ? lookup(atomic_load(&driver.handle), name) : NULL;
}

static int hook_named(const char *name)
{
    for (int id = 0; id < HOOK_COUNT; id++) {
        if (strcmp(names[id], name) == 0) {
            return id;
        }
    }
    return -1;
}

static bool called_from(const struct library *library, const void *caller)
{
    Dl_info info;
    void *base = atomic_load_explicit(&library->base, memory_order_relaxed);
    return base != NULL && dladdr(caller, &info) != 0 && info.dli_fbase == base;
}

static bool is_ours(void *found, int id)
{
    Dl_info theirs;
    Dl_info ours;
    return dladdr(found, &theirs) != 0 && dladdr((void *)hooks[id], &ours) != 0 && theirs.dli_fbase == ours.dli_fbase;
}

/* What dlsym does with a question: either an answer, or the real dlsym to go on to as if we had not been there. */
struct dlsym_verdict {
    void *answer;
    dlsym_fn go_on;
};

struct dlsym_verdict resolve_dlsym(void *handle, const char *name, const void *caller);
__attribute__((visibility("hidden"), used)) struct dlsym_verdict resolve_dlsym(void *handle, const char *name,
                                                                               const void *caller)
{
    dlsym_fn lookup = real_dlsym();
    struct dlsym_verdict forward = {NULL, lookup};
    const char *volatile unchecked = name; /* glibc declares it nonnull, callers do not always know */
    if (unchecked == NULL || (strncmp(name, "cu", 2) != 0 && strncmp(name, "nvml", 4) != 0)) {
        return forward;
    }
    int id = hook_named(name);
    if (id < 0) {
        return forward;
    }
    struct library *library = belongs(&driver, name) ? &driver : &nvml;
    bool present = loaded(library);
    if (present && called_from(library, caller)) {
        return forward; /* the driver resolves its own functions: it means them */
    }
    void *real = present ? atomic_load_explicit(&resolve_hot.reals[id], memory_order_acquire) : NULL;
    /* Asked with RTLD_NEXT, the object after the program is us, and after us comes what lookup finds from here. */
    void *found = lookup == NULL ? NULL : lookup(handle, name);
    if (found != NULL && found != real && !is_ours(found, id)) {
        return (struct dlsym_verdict){found, NULL}; /* somebody's own function of that name */
    }
    if (found == NULL && !(handle == RTLD_NEXT || handle == RTLD_DEFAULT)) {
        return (struct dlsym_verdict){NULL, NULL};
    }
    /* Our exported name may have been met; it only stands for a library that is really there. */
    if (real != NULL) {
        return (struct dlsym_verdict){hooks[id], NULL};
    }
    return (struct dlsym_verdict){lookup == NULL ? NULL : lookup(RTLD_NEXT, name), NULL};
}

/* The exported dlsym. In C it would be the caller of the real one, and RTLD_NEXT, RTLD_DEFAULT and $ORIGIN-like things
 * would be answered for us instead of for whoever asks: so it asks resolve_dlsym and, if told to go on, jumps. */
#ifndef SHIM_NO_EXPORTS
#if defined(__x86_64__)
__asm__(".text\n"
        ".globl dlsym\n"
        ".type dlsym, @function\n"
        "dlsym:\n"
        "    .cfi_startproc\n"
        "    endbr64\n"
        "    pushq %rdi\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    pushq %rsi\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    movq 16(%rsp), %rdx\n" /* the return address: who asks */
        "    subq $8, %rsp\n"
        "    .cfi_adjust_cfa_offset 8\n"
        "    call resolve_dlsym\n"
        "    addq $8, %rsp\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %rsi\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    popq %rdi\n"
        "    .cfi_adjust_cfa_offset -8\n"
        "    testq %rdx, %rdx\n"
        "    jz 1f\n"
        "    jmpq *%rdx\n"
        "1:  retq\n"
        "    .cfi_endproc\n"
        ".size dlsym, .-dlsym\n");
#elif defined(__aarch64__)
__asm__(".text\n"
        ".globl dlsym\n"
        ".type dlsym, %function\n"
        "dlsym:\n"
        "    .cfi_startproc\n"
        "    hint #34\n" /* bti c */
        "    stp x29, x30, [sp, #-32]!\n"
        "    .cfi_adjust_cfa_offset 32\n"
        "    .cfi_rel_offset x29, 0\n"
        "    .cfi_rel_offset x30, 8\n"
        "    stp x0, x1, [sp, #16]\n"
        "    mov x29, sp\n"
        "    mov x2, x30\n" /* the return address: who asks */
        "    bl resolve_dlsym\n"
        "    cbz x1, 1f\n"
        "    mov x16, x1\n"
        "    ldp x0, x1, [sp, #16]\n"
        "    ldp x29, x30, [sp], #32\n"
        "    br x16\n"
        "1:  ldp x29, x30, [sp], #32\n"
        "    .cfi_adjust_cfa_offset -32\n"
        "    .cfi_restore x29\n"
        "    .cfi_restore x30\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size dlsym, .-dlsym\n");
#else
#error "no dlsym for this architecture yet"
#endif
#endif

CUresult hook_cuGetProcAddress(const char *name, void **function, int version, cuuint64_t flags)
{
    cuGetProcAddress_fn real = REAL(cuGetProcAddress);
    if (real == NULL) {
        return ABSENT_CU;
    }
    CUresult result = real(name, function, version, flags);
    if (result == CUDA_SUCCESS && function != NULL) {
        *function = resolve_route(*function);
    }
    return result;
}

CUresult hook_cuGetProcAddress_v2(const char *name, void **function, int version, cuuint64_t flags,
                                  CUdriverProcAddressQueryResult *status)
{
    cuGetProcAddress_v2_fn real = REAL(cuGetProcAddress_v2);
    if (real == NULL) {
        return ABSENT_CU;
    }
    CUresult result = real(name, function, version, flags, status);
    if (result == CUDA_SUCCESS && function != NULL) {
        *function = resolve_route(*function);
    }
    return result;
}

#define EXPORT_resolve EXPORTED
#include "hooks_export.h"
