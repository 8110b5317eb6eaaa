/* Exports the hooks of group resolve; included at the end of the file that defines them. */
#define HOOK(group, type, name, parameters) HOOK_##group(type, name, parameters)
#define HOOK_resolve(type, name, parameters) HOOK_ALIAS(type, name, parameters)
#define HOOK_memory(type, name, parameters)
#define HOOK_vmm(type, name, parameters)
#define HOOK_view(type, name, parameters)
#define HOOK_launch(type, name, parameters)
#define HOOK_capture(type, name, parameters)
#include "hooks.def"
#undef HOOK
#undef HOOK_resolve
#undef HOOK_memory
#undef HOOK_vmm
#undef HOOK_view
#undef HOOK_launch
#undef HOOK_capture
