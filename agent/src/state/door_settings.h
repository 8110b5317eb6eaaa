/* What operators set for the door (docs/door.md), in the state file `door`: who may open GPUs beside those in slices. */
#ifndef TRANCHE_DOOR_SETTINGS_H
#define TRANCHE_DOOR_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/failure.h"
#include "base/people.h"
#include "json.h"
#include "program.h"
#include "state/agent_state.h"

#define DOOR_SERVICES_MAX 16
#define DOOR_SERVICE_BYTES 160 /* a cgroup's path, with its end */
#define DOOR_EXEMPT_MAX 48

struct door_person {
    uid_t uid;
    char name[OWNER_BYTES];
};

struct door_settings {
    enum door_mode mode; /* off, watch or on */
    char services[DOOR_SERVICES_MAX][DOOR_SERVICE_BYTES];
    size_t service_count;
    struct door_person exempt[DOOR_EXEMPT_MAX];
    size_t exempt_count;
    char boot_id[40]; /* the boot in which it was shut; "": in none */
    bool is_damaged;  /* what was set is not known: a door that stands is left as it is */
    bool is_missing;  /* nothing was ever set, or the file is gone */
};

void door_settings_load(struct agent *agent);
/* A door stands, so something had been set: it is damaged. */
void door_settings_lost(struct agent *agent);
/* Keeps them and makes them the agent's. 0, or -1: nothing was changed. */
int door_settings_save(struct agent *agent, const struct door_settings *next, struct failure *failure);

/* From words with spaces between them. A service without a slash is a unit of the system's. 0, or -1 with a sentence. */
int door_settings_services(struct door_settings *settings, const char *words, struct failure *failure);
int door_settings_exempt(struct door_settings *settings, const char *names, struct failure *failure);

const char *door_mode_word(enum door_mode mode);
/* Of off, watch and on. False: it is none. */
bool door_mode_of(const char *word, enum door_mode *out);

/* Puts "services" and "exempt", as they were given. */
void door_settings_put(const struct door_settings *settings, struct json_writer *w);

#endif
