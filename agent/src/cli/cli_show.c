/* `tranche ls` and `tranche doctor`: what the agent says, as text. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/complain.h"
#include "base/line.h"
#include "base/places.h"
#include "cli/commands.h"
#include "json.h"
#include "launch/client.h"
#include "launch/fetch.h"
#include "launch/nvidia/gate_proof.h"
#include "launch/nvidia/gated.h"
#include "records/doctor.h"
#include "records/doctor_process.h"
#include "text.h"

#define ELEMENT_MAX 4096

static const char *size_text(char *buf, size_t cap, int64_t bytes)
{
    return bytes < 0 ? "—" : text_gib(buf, cap, (uint64_t)bytes);
}

/* The flat object in a list of the sample line whose `key` is `wanted`. 1 found, 0 not. */
static int find_element(struct json_span sample, const char *list_name, const char *key, const char *wanted,
                        char buf[ELEMENT_MAX], struct json_object *object)
{
    struct json_span list, at = {NULL, NULL}, element;
    if (json_member(sample, list_name, &list) != 0) return 0;
    while (json_next(list, &at, &element) == 1) {
        const char *value;
        if (element_parse(element, buf, ELEMENT_MAX, object) == 0 && json_get_text(object, key, &value) == 1 &&
            strcmp(value, wanted) == 0)
            return 1;
    }
    return 0;
}

static int64_t number_of(const struct json_object *o, const char *key)
{
    int64_t value;
    return json_get_integer(o, key, 0, JSON_INTEGER_MAX, &value) == 1 ? value : -1;
}

static void print_slice(const struct fetched_slice *s, struct json_span sample)
{
    static char buf[ELEMENT_MAX];
    static struct json_object object;
    char used[32], limit[32];
    int64_t bytes = -1, compute = -1, processes = -1, denied = 0;
    if (find_element(sample, "slices", "id", s->id, buf, &object)) {
        bytes = number_of(&object, "memoryUsedBytes");
        compute = number_of(&object, "computeUsedTenths");
        processes = number_of(&object, "processCount");
        denied = number_of(&object, "deniedAllocations");
    }
    printf("  %-20s %-14s %10s of %-10s ", s->name, s->owner, size_text(used, sizeof used, bytes),
           size_text(limit, sizeof limit, s->memory_limit_bytes));
    if (compute >= 0)
        printf("%3lld %%", (long long)((compute + 5) / 10));
    else
        printf("  — %%");
    printf(" of %3lld %%", (long long)s->compute_limit_percent);
    if (s->compute_guarantee_percent > 0) printf(" (%lld %% guaranteed)", (long long)s->compute_guarantee_percent);
    if (processes > 0) printf(", %lld process%s", (long long)processes, processes == 1 ? "" : "es");
    if (denied > 0) printf(", %lld denied", (long long)denied);
    if (s->enforcement[0]) printf(strcmp(s->enforcement, "cooperative") == 0 ? ", %s" : ", hard (%s)", s->enforcement);
    if (s->suspended[0]) printf(", suspended: %s", s->suspended);
    if (s->pending_bytes >= 0) printf(", %s when use drops", size_text(limit, sizeof limit, s->pending_bytes));
    putchar('\n');
}

static void print_unmanaged(const struct fetched_gpu *gpu, struct json_span sample)
{
    struct json_span list, at = {NULL, NULL}, element;
    static char buf[ELEMENT_MAX];
    static struct json_object object;
    if (json_member(sample, "processes", &list) != 0) return;
    while (json_next(list, &at, &element) == 1) {
        const char *uuid = "", *slice, *user = "?", *command = "?", *answer = NULL, *reason = "";
        char used[32], shown_user[TEXT_SHOWN_BYTES], shown[TEXT_SHOWN_BYTES + 1];
        if (element_parse(element, buf, sizeof buf, &object) != 0 || json_get_text(&object, "sliceId", &slice) < 0)
            continue;
        json_get_text(&object, "reason", &reason);
        bool is_beyond = strcmp(reason, "beyond-count") == 0;
        if (json_get_text(&object, "sliceId", &slice) == 1 && !is_beyond) continue;
        json_get_text(&object, "gpuUuid", &uuid);
        if (strcmp(uuid, gpu->uuid) != 0) continue;
        json_get_text(&object, "user", &user);
        json_get_text(&object, "command", &command);
        json_get_text(&object, "answer", &answer);
        text_sanitize(shown_user, sizeof shown_user, user, strlen(user));
        text_sanitize(shown, sizeof shown, command, strlen(command));
        printf("  %-20s %-14s %10s               pid %lld  %.60s%s%.16s\n",
               is_beyond ? "(beyond its count)" : "(no slice)", shown_user,
               size_text(used, sizeof used, number_of(&object, "memoryUsedBytes")),
               (long long)number_of(&object, "pid"), shown, answer ? ", " : "", answer ? answer : "");
    }
}

/* Why limits there are not hard, once for all of its slices that want them so. */
static void print_why_cooperative(const struct fetched *f, const struct fetched_gpu *gpu)
{
    for (size_t k = 0; k < f->slice_count; k++) {
        const struct fetched_slice *s = &f->slices[k];
        if (strcmp(s->gpu_uuid, gpu->uuid) != 0 || strcmp(s->enforcement, "cooperative") != 0 ||
            strcmp(s->gate, "off") == 0 || (!gpu->no_gate[0] && !gpu->no_kernel_limit[0]))
            continue;
        printf("  (cooperative:%s%s%s%s)\n", gpu->no_gate[0] ? " " : "", gpu->no_gate,
               gpu->no_kernel_limit[0] ? " " : "", gpu->no_kernel_limit);
        return;
    }
}

static void print_host(const struct fetched *f, struct json_span sample)
{
    char used[32], capacity[32];
    static char buf[ELEMENT_MAX];
    static struct json_object object;
    if (f->simulated) puts("Simulated GPUs.");
    if (f->gpu_note[0]) printf("No GPU: %s\n", f->gpu_note);
    for (size_t i = 0; i < f->gpu_count; i++) {
        const struct fetched_gpu *gpu = &f->gpus[i];
        int64_t bytes = -1, busy = -1;
        if (find_element(sample, "gpus", "uuid", gpu->uuid, buf, &object)) {
            bytes = number_of(&object, "memoryUsedBytes");
            busy = number_of(&object, "utilizationPercent");
        }
        printf("GPU %lld  %s  %s of %s", (long long)gpu->index, gpu->name, size_text(used, sizeof used, bytes),
               size_text(capacity, sizeof capacity, gpu->capacity_bytes));
        if (busy >= 0) printf("  %lld %% busy", (long long)busy);
        printf("  %s\n", gpu->uuid);
        for (size_t k = 0; k < f->slice_count; k++)
            if (strcmp(f->slices[k].gpu_uuid, gpu->uuid) == 0) print_slice(&f->slices[k], sample);
        print_why_cooperative(f, gpu);
        print_unmanaged(gpu, sample);
    }
    for (size_t k = 0; k < f->slice_count; k++) {
        bool shown = false;
        for (size_t i = 0; i < f->gpu_count; i++) shown |= strcmp(f->slices[k].gpu_uuid, f->gpus[i].uuid) == 0;
        if (!shown) printf("  %s is on a GPU that is not there now (%s)\n", f->slices[k].name, f->slices[k].gpu_uuid);
    }
}

int command_ls(int argc, char **argv)
{
    struct client client;
    struct fetched fetched;
    char why[2048], *line;
    size_t len;
    bool as_json = argc > 1 && strcmp(argv[1], "--json") == 0;
    if (argc > 2 || (argc == 2 && !as_json)) return complain("ls takes --json only");
    if (client_open(&client, true, why, sizeof why) != 0) return complain("%s", why);
    int result = 0;
    if (as_json) {
        /* The two lines as they come: state, then sample. */
        struct json_writer none;
        json_writer_init(&none, 16);
        if (client_ask(&client, "subscribe", &none, &line, &len, why, sizeof why) != 0 ||
            client_event(&client, "state", &line, &len, why, sizeof why) != 0) {
            result = complain("%s", why);
        } else {
            puts(line);
            result = client_event(&client, "sample", &line, &len, why, sizeof why) != 0 ? complain("%s", why) : 0;
            if (result == 0) puts(line);
        }
    } else if (fetch_all(&client, &fetched, why, sizeof why) != 0) {
        result = complain("%s", why);
    } else {
        if (client_event(&client, "sample", &line, &len, why, sizeof why) == 0)
            print_host(&fetched, (struct json_span){line, line + len});
        else
            result = complain("%s", why);
        fetched_free(&fetched);
    }
    client_close(&client);
    return fflush(stdout) == 0 ? result : EXIT_OWN_FAILURE;
}

/* ---- doctor --------------------------------------------------------------------------------------------- */

struct findings {
    struct json_writer json;
    bool as_json;
    int worst;
    enum doctor_entry entry; /* of the process that was asked for */
};

static void print_finding(void *context, const char *code, const char *level, const char *message)
{
    struct findings *f = context;
    bool bad = strcmp(level, "error") == 0;
    if (bad) f->worst = 1;
    if (!f->as_json) {
        printf("%-8s %s\n", level, message);
        return;
    }
    json_open(&f->json, '{');
    json_put_text(&f->json, "code", code);
    json_put_text(&f->json, "level", level);
    json_put_text(&f->json, "message", message);
    json_close(&f->json, '}');
}

static int take_agent_findings(struct client *client, bool release, int64_t pid, struct findings *out)
{
    struct json_writer fields;
    struct json_span list, at = {NULL, NULL}, element;
    char *line, why[512];
    size_t len;
    json_writer_init(&fields, 256);
    if (release) json_put_bool(&fields, "release", true);
    if (pid > 0) json_put_integer(&fields, "pid", pid);
    int result = client_ask(client, "doctor", &fields, &line, &len, why, sizeof why);
    json_writer_free(&fields);
    if (result != 0) return complain("%s", why);
    if (json_member((struct json_span){line, line + len}, "findings", &list) != 0) {
        struct json_object object;
        const char *failure = reply_failure(line, len, &object);
        return complain("%s", failure ? failure : "The agent's answer could not be read.");
    }
    while (json_next(list, &at, &element) == 1) {
        static char buf[ELEMENT_MAX];
        struct json_object object;
        const char *code = "", *level = "", *message = "";
        char shown[1024];
        if (element_parse(element, buf, sizeof buf, &object) != 0) continue;
        json_get_text(&object, "code", &code);
        json_get_text(&object, "level", &level);
        json_get_text(&object, "message", &message);
        text_sanitize(shown, sizeof shown, message, strlen(message));
        print_finding(out, code, level, shown);
        if (strcmp(code, DOCTOR_IN_SLICE) == 0) out->entry = DOCTOR_ENTRY_THERE;
        bool none = strcmp(code, DOCTOR_UNMANAGED) == 0 || strcmp(code, DOCTOR_NOT_SEEN) == 0;
        if (none) out->entry = DOCTOR_ENTRY_NONE;
    }
    return 0;
}

static void say_gate(const struct doctor *doctor, bool prove)
{
    char why[GATED_WHY_BYTES], said[GATE_PROOF_BYTES];
    if (!gated_is_possible(why)) {
        doctor_say(doctor, "no-gate", prove ? DOCTOR_ERROR : DOCTOR_NOTE, "tranche run --gate cannot be had here: %s",
                   why);
        return;
    }
    doctor_say(doctor, "gate", DOCTOR_OK, "Programs can be held from outside of them: tranche run --gate.");
    if (!prove) return;
    bool good = gate_prove(said);
    doctor_say(doctor, good ? "gate-proved" : "gate-not-proved", good ? DOCTOR_OK : DOCTOR_ERROR, "%s", said);
}

int command_doctor(int argc, char **argv)
{
    struct findings findings = {0};
    struct client client;
    int64_t pid = 0;
    bool release = false, prove = false;
    char why[2048];
    int result = 0;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--json") == 0)
            findings.as_json = true;
        else if (strcmp(argv[i], "--release") == 0)
            release = true;
        else if (strcmp(argv[i], "--gate") == 0)
            prove = true;
        else if (strcmp(argv[i], "--pid") == 0 && i + 1 < argc &&
                 text_parse_integer(argv[i + 1], 1, INT32_MAX, &pid) == 0)
            i++;
        else
            return complain("doctor does not know “%s”; it takes --pid N, --gate, --release, --json", argv[i]);
    json_writer_init(&findings.json, AGENT_LINE_MAX_BYTES);
    json_open(&findings.json, '[');
    struct doctor doctor = {.found = print_finding, .context = &findings};
    if (client_open(&client, false, why, sizeof why) == 0) {
        result = take_agent_findings(&client, release, pid, &findings);
        client_close(&client);
    } else {
        struct places places;
        doctor_say(&doctor, "no-agent", DOCTOR_NOTE, "%s `tranche ls` starts one.", why);
        if (places_find(&places, why, sizeof why) == 0) {
            places_recorded_runtime(&places);
            doctor_places(&doctor, places.state, places.runtime, getuid());
        }
    }
    /* Looked into here rather than by the agent, whose rights are not this user's. */
    say_gate(&doctor, prove);
    if (pid > 0) doctor_process(&doctor, (pid_t)pid, findings.entry);
    json_close(&findings.json, ']');
    if (findings.as_json) printf("%.*s\n", (int)findings.json.len, findings.json.data);
    json_writer_free(&findings.json);
    if (fflush(stdout) != 0) return EXIT_OWN_FAILURE;
    return result != 0 ? result : findings.worst;
}

/* For the agent (cards/gate_proofs.c): one line, "proved" or "failed", a tab and the sentence. */
int command_prove_gate(int argc, char **argv)
{
    char why[GATED_WHY_BYTES], said[GATE_PROOF_BYTES];
    if (argc > 1) return complain("prove-gate does not know “%s”", argv[1]);
    bool can = gated_is_possible(why), holds = can && gate_prove(said);
    printf("%s\t%s\n", holds ? "proved" : "failed", can ? said : why);
    return fflush(stdout) == 0 ? 0 : EXIT_OWN_FAILURE;
}
