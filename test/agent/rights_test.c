/* Who may do what: every right, for everybody who can ask.
 * build: agent/src/base/sealed.c agent/src/state/rights.c agent/src/state/operators.c agent/src/base/people.c agent/src/base/failure.c agent/common/json.c agent/common/text.c agent/common/fs.c agent/common/log.c
 * sanitize: address,undefined
 */
#include "check.h"
#include "state/operators.h"
#include "state/rights.h"

#define MANAGER 1000
#define OPERATOR 1001
#define FORMER 1002
#define TENANT 2001
#define OTHER 2002

static struct agent agent;

static void setup(void)
{
    agent.places.uid = MANAGER;
    strcpy(agent.manager_name, "mira");
    strcpy(agent.host_name, "hopper");
    agent.operators[0] = (struct operator){.uid = OPERATOR, .name = "tom"};
    agent.operators[1] = (struct operator){.uid = FORMER, .name = "eve", .is_other = true};
    agent.operator_count = 2;
}

static void everybody_has_what_the_table_says(void)
{
    static const struct {
        enum verb verb;
        bool tenant, owner, op;
    } rows[] = {
        {VERB_LOOK, true, true, true},          {VERB_USE_SLICE, false, true, true},
        {VERB_STOP_PROCESS, false, true, true}, {VERB_CHANGE_JOB, false, true, true},
        {VERB_ORDER_JOBS, false, false, true},  {VERB_CHANGE_SLICES, false, false, true},
        {VERB_SET_HOST, false, false, true},    {VERB_NAME_OPERATORS, false, false, false},
    };
    CHECK_EQ(sizeof rows / sizeof rows[0], VERB_COUNT); /* a new right wants a row */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum verb verb = rows[i].verb;
        CHECK_EQ(rights_may(&agent, TENANT, verb, OTHER), rows[i].tenant);
        CHECK_EQ(rights_may(&agent, TENANT, verb, TENANT), rows[i].owner);
        CHECK_EQ(rights_may(&agent, OPERATOR, verb, OTHER), rows[i].op);
        CHECK_EQ(rights_may(&agent, OPERATOR, verb, OWNED_BY_NOBODY), rows[i].op);
        /* That uid is somebody else by now. */
        CHECK_EQ(rights_may(&agent, FORMER, verb, OTHER), rows[i].tenant);
        CHECK(rights_may(&agent, MANAGER, verb, OWNED_BY_NOBODY));
        CHECK(rights_may(&agent, 0, verb, OWNED_BY_NOBODY));
        CHECK_EQ(rights_depend_on_owner(verb), !rows[i].tenant && rows[i].owner);
    }
}

/* -1 as a uid is nobody: what belongs to nobody is not his who calls himself so. */
static void nobody_owns_nothing(void)
{
    CHECK(!rights_may(&agent, OWNED_BY_NOBODY, VERB_STOP_PROCESS, OWNED_BY_NOBODY));
}

static void what_is_said_of_it(void)
{
    struct json_writer w;
    struct failure failure = {0};
    json_writer_init(&w, 4096);
    json_open(&w, '{');
    rights_put(&agent, TENANT, &w);
    json_close(&w, '}');
    CHECK_THAT(w.len == strlen("{\"verbs\":\"look\"}") && memcmp(w.data, "{\"verbs\":\"look\"}", w.len) == 0, "%.*s",
               (int)w.len, w.data);
    json_writer_free(&w);
    CHECK_EQ(rights_refuse(&agent, "eve", VERB_CHANGE_SLICES, &failure), -1);
    CHECK_STR(failure.code, "not-permitted");
    CHECK(strstr(failure.message, "mira") && strstr(failure.message, "hopper") && strstr(failure.message, "eve"));
    rights_refuse(&agent, "eve", VERB_NAME_OPERATORS, &failure);
    CHECK(strstr(failure.message, "root names operators") != NULL);
}

int main(void)
{
    setup();
    RUN(everybody_has_what_the_table_says);
    RUN(nobody_owns_nothing);
    RUN(what_is_said_of_it);
    return check_done();
}
