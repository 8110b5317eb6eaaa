/* How programs come to our hooks, and how we come to the real functions.
 *
 * Three ways in: our dlsym, cuGetProcAddress, and the exported names that directly linked programs bind to. In all of
 * them the real lookup happens first, and its answer is replaced only if it is the address of a real function that we
 * hook. A program that has not opened libcuda gets exactly what it would get without us.
 *
 * No locks and no allocation here: dlsym is called from constructors, from allocators and in forked children. Tables
 * are filled by whoever comes first; two who come together store the same values. */

#include "cuda/resolve.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/backend.h"
#include "cuda/elf_dlsym.h"
#include "cuda_min.h"

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

/* What is bound is an object, not a name: the first libcuda that a program opens is often a stub, whose cuInit fails and
 * which is closed again. So the tables follow what programs ask, until a driver has been initialized. No reference is
 * kept: what its program closes goes. */
struct library {
    const char *name;
    const char *file_prefix;
    const char *prefix;
    _Atomic(void *) base; /* where it is mapped: to know its own callers, and that it is still there */
    _Atomic int resolved;
    _Atomic int settled; /* the program has initialized it: another one is somebody else's */
};

/* Whose functions we know, by what their names begin with; the first is the driver that programs initialize. */
static struct library libraries[] = {
    {.name = "libcuda.so.1", .file_prefix = "libcuda.so", .prefix = "cu"},
    {.name = "libnvidia-ml.so.1", .file_prefix = "libnvidia-ml.so", .prefix = "nvml"},
};
#define DRIVER (&libraries[0])
_Atomic uint32_t backend_bindings;
struct resolve_hot resolve_hot;
static _Atomic(void *) real_dlsym_found;

/* musl has no dlvsym; a reference that must be met would keep every program there from starting. */
extern void *dlvsym(void *handle, const char *name, const char *version) __attribute__((weak));

static dlsym_fn real_dlsym(void)
{
    void *found = atomic_load_explicit(&real_dlsym_found, memory_order_acquire);
    /* 2.2.5 and 2.17 are the base versions of x86_64 and aarch64; from 2.34 on dlsym lives in libc itself. */
    static const char *const versions[] = {"GLIBC_2.2.5", "GLIBC_2.17", "GLIBC_2.34"};
    for (unsigned at = 0; !found && dlvsym && at < sizeof versions / sizeof versions[0]; at++) {
        found = dlvsym(RTLD_NEXT, "dlsym", versions[at]);
        atomic_store_explicit(&real_dlsym_found, found, memory_order_release);
    }
    if (!found) {
        found = elf_next_dlsym((void *)real_dlsym);
        atomic_store_explicit(&real_dlsym_found, found, memory_order_release);
    }
    return (dlsym_fn)found;
}

static bool belongs(const struct library *library, const char *name)
{
    return strncmp(name, library->prefix, strlen(library->prefix)) == 0;
}

/* Whose function this would be by its name; NULL: nobody's whom we know. */
static struct library *library_of(const char *name)
{
    for (size_t at = 0; at < sizeof libraries / sizeof libraries[0]; at++)
        if (belongs(&libraries[at], name)) return &libraries[at];
    return NULL;
}

static void *base_of(const void *address)
{
    Dl_info info;
    return address && dladdr(address, &info) != 0 ? info.dli_fbase : NULL;
}

/* Files are known by their name: SONAME and name are the same with every driver and every stub. */
static bool is_one(const struct library *library, const void *address)
{
    Dl_info info;
    if (!address || dladdr(address, &info) == 0 || !info.dli_fname) return false;
    const char *slash = strrchr(info.dli_fname, '/');
    const char *file = !slash ? info.dli_fname : slash + 1;
    return strncmp(file, library->file_prefix, strlen(library->file_prefix)) == 0;
}

static void fill(struct library *library, void *handle, dlsym_fn lookup)
{
    void *any = NULL;
    for (int id = 0; id < FUNCTION_COUNT; id++) {
        if (belongs(library, names[id])) {
            void *real = lookup(handle, names[id]);
            atomic_store_explicit(&resolve_hot.reals[id], real, memory_order_relaxed);
            any = real ? real : any;
        }
    }
    atomic_store_explicit(&library->base, base_of(any), memory_order_relaxed);
    atomic_fetch_add(&backend_bindings, 1);
    atomic_store_explicit(&library->resolved, 1, memory_order_release);
}

/* A handle of an object that somebody has loaded, to be closed; the program's next dlerror must not show our question. */
static void *opened(const char *file)
{
    void *handle = dlopen(file, RTLD_NOLOAD | RTLD_LAZY);
    if (!handle) (void)dlerror();
    return handle;
}

/* true once the library is loaded by somebody and our tables know it. We never load it. */
static bool loaded(struct library *library)
{
    if (atomic_load_explicit(&library->resolved, memory_order_acquire)) return true;
    dlsym_fn lookup = real_dlsym();
    void *handle = !lookup ? NULL : opened(library->name);
    if (!handle) return false;
    fill(library, handle, lookup);
    dlclose(handle);
    return true;
}

/* Is what the tables are of still mapped there? */
static bool is_bound(const struct library *library)
{
    void *base = atomic_load_explicit(&library->base, memory_order_relaxed);
    return base && base_of(base) == base && is_one(library, base);
}

/* Loaded as of this question, which is a rare one: what the tables are of may have been closed since. */
static bool present_now(struct library *library)
{
    if (atomic_load(&library->resolved) != 0 && !is_bound(library)) {
        for (int id = 0; id < FUNCTION_COUNT; id++)
            if (belongs(library, names[id])) atomic_store(&resolve_hot.reals[id], NULL);
        atomic_store(&library->settled, 0);
        atomic_store(&library->resolved, 0);
    }
    return loaded(library);
}

/* The program has asked for a function, and was answered from another object of that kind than the tables are of. They
 * become that one's, unless the other was initialized and is still there. */
static bool rebind(struct library *library, const void *found)
{
    Dl_info info;
    dlsym_fn lookup = real_dlsym();
    if (!lookup || !is_one(library, found) || dladdr(found, &info) == 0 ||
        (atomic_load(&library->settled) != 0 && is_bound(library)))
        return false;
    void *handle = opened(info.dli_fname);
    if (!handle) return false;
    atomic_store(&library->settled, 0);
    fill(library, handle, lookup);
    dlclose(handle);
    return true;
}

void resolve_driver_settled(void)
{
    atomic_store(&DRIVER->settled, 1);
}

void *resolve_slow(enum function_id id)
{
    struct library *library = library_of(names[id]);
    return library && loaded(library) ? atomic_load_explicit(&resolve_hot.reals[id], memory_order_acquire) : NULL;
}

void *resolve_route(void *pointer)
{
    for (int id = 0; pointer && id < HOOK_COUNT; id++)
        if (atomic_load_explicit(&resolve_hot.reals[id], memory_order_relaxed) == pointer) return hooks[id];
    return pointer;
}

void *backend_object(const char *name)
{
    Dl_info info;
    dlsym_fn lookup = real_dlsym();
    if (!loaded(DRIVER) || !is_bound(DRIVER) || dladdr(atomic_load(&DRIVER->base), &info) == 0) return NULL;
    void *handle = opened(info.dli_fname);
    void *object = !handle ? NULL : lookup(handle, name);
    if (handle) dlclose(handle);
    return object;
}

static int hook_named(const char *name)
{
    for (int id = 0; id < HOOK_COUNT; id++)
        if (strcmp(names[id], name) == 0) return id;
    return -1;
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
    struct library *library = unchecked ? library_of(name) : NULL;
    int id = library ? hook_named(name) : -1;
    if (id < 0) return forward;
    bool present = present_now(library);
    if (present && (base_of(caller) == atomic_load(&library->base) || is_one(library, caller)))
        return forward; /* the driver resolves its own functions: it means them */
    void *real = present ? atomic_load_explicit(&resolve_hot.reals[id], memory_order_acquire) : NULL;
    /* Asked with RTLD_NEXT, the object after the program is us, and after us comes what lookup finds from here. */
    void *found = !lookup ? NULL : lookup(handle, name);
    if (found && found != real && rebind(library, found))
        real = atomic_load_explicit(&resolve_hot.reals[id], memory_order_acquire);
    if (found && found != real && !is_ours(found, id))
        return (struct dlsym_verdict){found, NULL}; /* somebody's own function of that name */
    if (!found && !(handle == RTLD_NEXT || handle == RTLD_DEFAULT)) return (struct dlsym_verdict){NULL, NULL};
    /* Our exported name may have been met; it only stands for a library that is really there. */
    if (real) return (struct dlsym_verdict){hooks[id], NULL};
    return (struct dlsym_verdict){!lookup ? NULL : lookup(RTLD_NEXT, name), NULL};
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
    if (!real) return ABSENT_CU;
    CUresult result = real(name, function, version, flags);
    if (result == CUDA_SUCCESS && function) *function = resolve_route(*function);
    return result;
}

CUresult hook_cuGetProcAddress_v2(const char *name, void **function, int version, cuuint64_t flags,
                                  CUdriverProcAddressQueryResult *status)
{
    cuGetProcAddress_v2_fn real = REAL(cuGetProcAddress_v2);
    if (!real) return ABSENT_CU;
    CUresult result = real(name, function, version, flags, status);
    if (result == CUDA_SUCCESS && function) *function = resolve_route(*function);
    return result;
}

#define EXPORT_resolve EXPORTED
#include "cuda/hooks_export.h"
