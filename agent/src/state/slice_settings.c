#include "state/slice_settings.h"

#include "json.h"
#include "state/admission.h"
#include "state/slice.h"

const struct setting_info slice_settings[SETTING_COUNT] = {
#define SETTING(kind, member, wire, absent, least, most, code, option)                                                \
    [SETTING_##member] = {SETTING_##kind, wire, absent, least, most, code, option},
#include "state/slice_settings.def"
#undef SETTING
};

int64_t slice_setting_get(const struct slice_record *r, enum slice_setting which)
{
    switch (which) {
#define SETTING(kind, member, wire, absent, least, most, code, option)                                                \
    case SETTING_##member:                                                                                            \
        return (int64_t)r->member;
#include "state/slice_settings.def"
#undef SETTING
    case SETTING_COUNT: break;
    }
    return 0;
}

void slice_setting_set(struct slice_record *r, enum slice_setting which, int64_t value)
{
    switch (which) {
#define SETTING(kind, member, wire, absent, least, most, code, option)                                                \
    case SETTING_##member:                                                                                            \
        r->member = (__typeof__(r->member))value;                                                                     \
        break;
#include "state/slice_settings.def"
#undef SETTING
    case SETTING_COUNT: break;
    }
}

void slice_settings_put(struct json_writer *w, const struct slice_record *r)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct setting_info *info = &slice_settings[i];
        int64_t value = slice_setting_get(r, (enum slice_setting)i);
        switch (info->kind) {
        case SETTING_BYTES:
        case SETTING_PERCENT: json_put_integer(w, info->wire, value); break;
        case SETTING_PRIORITY: json_put_text(w, info->wire, priority_name((uint32_t)value)); break;
        case SETTING_TIME: json_put_known(w, info->wire, value != NO_TIME, value); break;
        }
    }
}

/* Bounds are of what is asked for; what was kept is read as it was, as far as it can be meant. */
static bool take(const struct json_object *o, const struct setting_info *info, int64_t *value)
{
    const char *word = NULL;
    uint32_t priority;
    *value = info->absent;
    int found = info->kind == SETTING_PRIORITY ? json_get_text(o, info->wire, &word)
                                               : json_get_integer(o, info->wire, 0, info->most, value);
    if (found == 1 && word) {
        if (priority_parse(word, &priority) != 0) return false;
        *value = priority;
    }
    return found == 1 || (found == 0 && info->absent != ALWAYS_THERE);
}

bool slice_settings_take(const struct json_object *o, struct slice_record *r)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        int64_t value;
        if (!take(o, &slice_settings[i], &value)) return false;
        slice_setting_set(r, (enum slice_setting)i, value);
    }
    return true;
}
