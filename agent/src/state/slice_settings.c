#include "state/slice_settings.h"

#include <string.h>

#include "json.h"
#include "state/admission.h"
#include "state/slice.h"

const struct setting_info slice_settings[SETTING_COUNT] = {
#define SETTING(kind, member, wire, absent, least, most, code, option)                                                \
    [SETTING_##member] = {SETTING_##kind, wire, absent, least, most, code, option},
#include "state/slice_settings.def"
#undef SETTING
};

const char *const *setting_words(enum setting_kind kind)
{
    static const char *const priorities[] = {
        [REGION_PRIORITY_IDLE] = "idle", [REGION_PRIORITY_NORMAL] = "normal", [REGION_PRIORITY_HIGH] = "high", NULL};
    static const char *const gates[] = {
        [SLICE_GATE_OFF] = "off", [SLICE_GATE_PROGRAMS] = "programs", [SLICE_GATE_SHELLS] = "shells", NULL};
    return kind == SETTING_PRIORITY ? priorities : kind == SETTING_GATE ? gates : NULL;
}

bool setting_parse_word(enum setting_kind kind, const char *word, int64_t *value_out)
{
    const char *const *words = setting_words(kind);
    for (int64_t i = 0; words && words[i]; i++) {
        if (strcmp(words[i], word) != 0) continue;
        *value_out = i;
        return true;
    }
    return false;
}

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
        case SETTING_TIME: json_put_known(w, info->wire, value != NO_TIME, value); break;
        case SETTING_PRIORITY:
        case SETTING_GATE: json_put_text(w, info->wire, setting_words(info->kind)[value]); break;
        }
    }
}

/* Bounds are of what is asked for; what was kept is read as it was, as far as it can be meant. */
static bool take(const struct json_object *o, const struct setting_info *info, int64_t *value)
{
    const char *word = NULL;
    *value = info->absent;
    int found = setting_words(info->kind) ? json_get_text(o, info->wire, &word)
                                          : json_get_integer(o, info->wire, 0, info->most, value);
    if (found == 1 && word && !setting_parse_word(info->kind, word, value)) return false;
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
