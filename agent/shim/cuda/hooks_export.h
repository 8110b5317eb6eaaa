/* Exports the hooks of one group; included at the end of the file that defines them, which says which group it is by
 * #define EXPORT_group EXPORTED. A group that was not named so expands to nothing. */
#define EXPORT_NOTHING(type, name, parameters)
#define EXPORTED ~, HOOK_ALIAS
#define EXPORT_SECOND(first, second, ...) second
#define EXPORT_CHOOSE(...) EXPORT_SECOND(__VA_ARGS__, EXPORT_NOTHING, ~)
#define HOOK(group, type, name, parameters) EXPORT_CHOOSE(EXPORT_##group)(type, name, parameters)
#include "hooks.def"
#undef HOOK
#undef EXPORT_CHOOSE
#undef EXPORT_SECOND
#undef EXPORTED
#undef EXPORT_NOTHING
