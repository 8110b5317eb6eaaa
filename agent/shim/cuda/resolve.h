/* The tables behind hooks.def and calls.def. */
#ifndef TRANCHE_RESOLVE_H
#define TRANCHE_RESOLVE_H

#include <stdatomic.h>
#include <stdint.h>

#include "cuda_min.h"
#include "nvml_min.h"

enum function_id {
#define HOOK(group, type, name, parameters) ID_##name,
#include "hooks.def"
#undef HOOK
    HOOK_COUNT,
    BEFORE_CALLS = HOOK_COUNT - 1,
#define CALL(type, name, parameters) ID_##name,
#include "calls.def"
#undef CALL
    FUNCTION_COUNT,
};

#define HOOK(group, type, name, parameters)                                                                           \
    typedef type(*name##_fn) parameters;                                                                              \
    type hook_##name parameters;
#include "hooks.def"
#undef HOOK
#define CALL(type, name, parameters) typedef type(*name##_fn) parameters;
#include "calls.def"
#undef CALL

/* Exports hook_name under the name itself. An alias, because a pointer to the exported name could be bound to somebody
 * else's function of that name, and then the hook would call itself through it. At the end of each hook_*.c stands
 * #define EXPORT_group EXPORTED and the inclusion of hooks_export.h. */
#ifdef SHIM_NO_EXPORTS /* the shim's sources inside a test program */
#define HOOK_ALIAS(type, name, parameters)
#else
#define HOOK_ALIAS(type, name, parameters)                                                                            \
    type export_##name parameters __asm__(#name) __attribute__((alias("hook_" #name), visibility("default")));
#endif

/* What a launch looks at before all else, in one line of memory: after a driver's call most lines are cold ones. The
 * counts are of this process image, a forked child's included, where they only make launches slower. */
struct resolve_hot {
    _Alignas(64) _Atomic uint32_t captures; /* under way */
    _Atomic uint32_t graphs_with_memory;    /* executable graphs that allocate: how many exist or have existed */
    _Atomic(void *) reals[FUNCTION_COUNT];  /* launches first */
};
extern struct resolve_hot resolve_hot;

/* The real function, NULL if the library is not loaded or lacks it. */
void *resolve_slow(enum function_id id);
static inline void *resolve_real(enum function_id id)
{
    void *real = atomic_load_explicit(&resolve_hot.reals[id], memory_order_acquire);
    return __builtin_expect(!!real, 1) ? real : resolve_slow(id);
}
#define REAL(name) ((name##_fn)resolve_real(ID_##name))

/* The hook for a real function's address, or the address itself. */
void *resolve_route(void *pointer);

/* The driver that the tables are of answers: they stay its own while it is loaded. */
void resolve_driver_settled(void);

/* What a call is answered with when its real function cannot be had. */
#define ABSENT_CU CUDA_ERROR_STUB_LIBRARY
#define ABSENT_NVML NVML_ERROR_LIBRARY_NOT_FOUND

#endif
