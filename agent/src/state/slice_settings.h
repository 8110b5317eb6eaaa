/* What of a slice can be set, as a table: whoever writes or reads all of them goes through here. */
#ifndef TRANCHE_SLICE_SETTINGS_H
#define TRANCHE_SLICE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "json.h"
#include "state/slice.h"

enum slice_setting {
#define SETTING(kind, member, wire, absent, least, most, code, option) SETTING_##member,
#include "state/slice_settings.def"
#undef SETTING
    SETTING_COUNT
};

enum setting_kind { SETTING_BYTES, SETTING_PERCENT, SETTING_TIME, SETTING_PRIORITY, SETTING_GATE };

#define ALWAYS_THERE INT64_MIN

struct setting_info {
    enum setting_kind kind;
    const char *wire;
    int64_t absent, least, most;
    const char *code; /* of the refusal of what lies outside */
    const char *option;
};
extern const struct setting_info slice_settings[SETTING_COUNT];

/* The words of a kind that is one of a few, by its value and with NULL at the end; NULL: it is a number. */
const char *const *setting_words(enum setting_kind kind);
/* The value of a word. false: it is none of the kind's. */
bool setting_parse_word(enum setting_kind kind, const char *word, int64_t *value_out);

int64_t slice_setting_get(const struct slice_record *r, enum slice_setting which);
/* The value has been checked. */
void slice_setting_set(struct slice_record *r, enum slice_setting which, int64_t value);

/* Fields of an object that is open. */
void slice_settings_put(struct json_writer *w, const struct slice_record *r);
/* All of them as kept on disk; false: one is missing or out of its bounds. */
bool slice_settings_take(const struct json_object *o, struct slice_record *r);

#endif
