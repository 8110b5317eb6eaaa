/* `tranche job …`: start one, look at the line, read a log. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/complain.h"
#include "base/failure.h"
#include "base/now.h"
#include "base/people.h"
#include "cli/cli_ask.h"
#include "cli/commands.h"
#include "fs.h"
#include "json.h"
#include "launch/client.h"
#include "launch/fetch.h"
#include "launch/job_folder.h"
#include "launch/job_log.h"
#include "launch/job_start.h"
#include "launch/job_supervise.h"
#include "state/job_record.h"
#include "state/queue.h"
#include "text.h"

#define FOLLOW_MS 200

/* ---- start ---------------------------------------------------------------------------------------------- */

static int take_value(struct job_record *r, const char *option, const char *value, const char **slice,
                      const char **cwd)
{
    int64_t number;
    if (strcmp(option, "--slice") == 0) {
        *slice = value;
    } else if (strcmp(option, "--name") == 0) {
        if (!text_is_slice_name(value)) return complain("“%s” is no name: 1 to 40 of A-Z a-z 0-9 . _ -", value);
        text_copy(r->name, sizeof r->name, value);
    } else if (strcmp(option, "--priority") == 0) {
        if (job_priority_parse(value, &r->priority) != 0) return complain("a priority is low, normal or high");
    } else if (strcmp(option, "--cwd") == 0) {
        *cwd = value;
    } else if (strcmp(option, "--min-free") == 0) {
        if (text_parse_bytes(value, &r->min_free_bytes) != 0) return complain("“%s” is no size; 10g is", value);
    } else if (strcmp(option, "--grace") == 0) {
        if (text_parse_integer(value, 0, JOB_GRACE_MAX_MS / 1000, &number) != 0)
            return complain("a grace is 0 to %d seconds", JOB_GRACE_MAX_MS / 1000);
        r->grace_ms = number * 1000;
    } else {
        return complain("job start does not know “%s”", option);
    }
    return 0;
}

static int find_slice(struct job_record *r, const char *name)
{
    struct client client;
    struct fetched fetched;
    if (fetch_open(&client, &fetched) != 0) return EXIT_OWN_FAILURE;
    const struct fetched_slice *slice = fetched_find(&fetched, name);
    if (slice) text_copy(r->slice_id, sizeof r->slice_id, slice->id);
    fetched_free(&fetched);
    client_close(&client);
    return slice ? 0 : complain("there is no slice “%s” on this host; `tranche ls` lists them", name);
}

static void show_command(struct job_record *r, char **argv)
{
    char text[TEXT_SHOWN_BYTES * 2] = "";
    size_t len = 0;
    for (; *argv && len < sizeof text - 1; argv++) {
        int n = snprintf(text + len, sizeof text - len, "%s%s", len > 0 ? " " : "", *argv);
        len += n > 0 ? (size_t)n : 0;
    }
    job_command_shown(text, r->command);
}

static int await_verdict(int fd, const struct job_record *r)
{
    char text[JOB_VERDICT_BYTES] = "";
    struct failure failure = {.code = NULL};
    int64_t deadline = now_mono_ms() + JOB_VERDICT_TIMEOUT_MS;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = deadline - now_mono_ms();
        int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) {
            job_verdict_late(r, &failure);
            break;
        }
        if (job_verdict(fd, text, &failure) == 1) break;
    }
    close(fd);
    return failure.code ? complain("%s", failure.message) : 0;
}

static int start(int argc, char **argv)
{
    struct job_record r = {.priority = JOB_NORMAL, .grace_ms = JOB_GRACE_DEFAULT_MS};
    struct failure failure;
    char here[FS_PATH_BYTES];
    const char *slice = NULL, *cwd = getcwd(here, sizeof here);
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (strcmp(argv[i], "--preemptible") == 0 || strcmp(argv[i], "--requeue") == 0) {
            r.preemptible = true;
            r.requeue |= strcmp(argv[i], "--requeue") == 0;
            continue;
        }
        if (strcmp(argv[i], "--preempt") == 0) {
            r.preempts = true;
            continue;
        }
        if (i + 1 >= argc) return complain("%s needs a value", argv[i]);
        if (take_value(&r, argv[i], argv[i + 1], &slice, &cwd) != 0) return EXIT_OWN_FAILURE;
        i++;
    }
    if (!slice) return complain("say which slice: tranche job start --slice NAME -- COMMAND…");
    if (i >= argc) return complain("say what to run: tranche job start --slice NAME -- COMMAND…");
    if (!cwd) return complain("the current directory is gone; give another with --cwd");
    show_command(&r, argv + i);
    if (r.name[0] == '\0') job_name_from(r.command, r.name);
    if (find_slice(&r, slice) != 0) return EXIT_OWN_FAILURE;
    int fd = job_start(&r, argv + i, cwd, &failure);
    if (fd < 0) return complain("%s", failure.message);
    if (await_verdict(fd, &r) != 0) return EXIT_OWN_FAILURE;
    puts(r.id);
    return fflush(stdout) == 0 ? 0 : EXIT_OWN_FAILURE;
}

/* ---- ls ------------------------------------------------------------------------------------------------- */

/* A member's text without its quotes; "" for null. What the agent sends has no escapes in ids, names and codes. */
static const char *member(struct json_span object, const char *key, char *buf, size_t cap)
{
    struct json_span value;
    buf[0] = '\0';
    if (json_member(object, key, &value) != 0) return buf;
    size_t len = (size_t)(value.end - value.start);
    if (len == 4 && memcmp(value.start, "null", 4) == 0) return buf;
    if (len >= 2 && value.start[0] == '"') {
        value.start++;
        len -= 2;
    }
    text_sanitize(buf, cap, value.start, len);
    return buf;
}

static void print_job(const struct fetched *fetched, struct json_span job)
{
    char id[32], name[64], slice_id[64], state[32], user[OWNER_BYTES], code[32], other[64], by[OWNER_BYTES],
        exit_code[16];
    struct json_span waits;
    const struct fetched_slice *slice = fetched_find(fetched, member(job, "sliceId", slice_id, sizeof slice_id));
    printf("%-18s  %-20s  %-16s  %-12s  %s", member(job, "id", id, sizeof id), member(job, "name", name, sizeof name),
           slice ? slice->name : "-", member(job, "user", user, sizeof user),
           member(job, "state", state, sizeof state));
    if (json_member(job, "waits", &waits) == 0 && member(waits, "code", code, sizeof code)[0]) {
        printf(": %s", code);
        if (member(waits, "jobName", other, sizeof other)[0])
            printf(" %s of %s", other, member(waits, "user", by, sizeof by));
    }
    if (member(job, "exitCode", exit_code, sizeof exit_code)[0]) printf(" with %s", exit_code);
    putchar('\n');
}

static int list(int argc, char **argv)
{
    struct client client;
    struct fetched fetched;
    struct json_span jobs, at = {NULL, NULL}, job;
    char why[2048], *line;
    size_t len;
    bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
    if (argc > 1 && !json) return complain("job ls takes --json only");
    if (fetch_open(&client, &fetched) != 0) return EXIT_OWN_FAILURE;
    if (client_event(&client, "jobs", &line, &len, why, sizeof why) != 0) return complain("%s", why);
    if (json) {
        fwrite(line, 1, len, stdout);
        putchar('\n');
    } else {
        struct json_span event = {line, line + len};
        if (json_member(event, "jobs", &jobs) != 0) return complain("the agent's list of jobs could not be read");
        while (json_next(jobs, &at, &job) == 1) print_job(&fetched, job);
    }
    fetched_free(&fetched);
    client_close(&client);
    return fflush(stdout) == 0 ? 0 : EXIT_OWN_FAILURE;
}

/* ---- acts on one job, and its log ----------------------------------------------------------------------- */

static int act(const char *verb, int argc, char **argv)
{
    struct client client;
    struct json_writer fields;
    char why[2048], op[32];
    bool kill = strcmp(verb, "cancel") == 0 && argc == 3 && strcmp(argv[2], "--kill") == 0;
    bool priority = strcmp(verb, "priority") == 0;
    if (argc != (priority ? 3 : 2) && !kill)
        return complain("say: tranche job %s JOB-ID%s", verb, priority ? " low|normal|high" : "");
    if (!job_id_is_good(argv[1])) {
        return complain("“%s” is not the id of a job, so nothing was changed; `tranche job ls` shows them (j-…)",
                        argv[1]);
    }
    snprintf(op, sizeof op, "job-%s", verb);
    if (client_open(&client, true, why, sizeof why) != 0) return complain("%s", why);
    json_writer_init(&fields, 1024);
    json_put_text(&fields, "jobId", argv[1]);
    if (kill) json_put_bool(&fields, "kill", true);
    if (priority) json_put_text(&fields, "priority", argv[2]);
    int result = cli_ask(&client, op, &fields);
    json_writer_free(&fields);
    client_close(&client);
    return result;
}

static int show_log(int argc, char **argv)
{
    static char buf[JOB_LOG_CHUNK_BYTES];
    char directory[FS_PATH_BYTES];
    struct job_record record;
    struct job_log_part part;
    bool follow = argc == 3 && strcmp(argv[2], "--follow") == 0;
    if (argc < 2 || (argc > 2 && !follow)) return complain("say: tranche job log JOB-ID [--follow]");
    if (job_folder_of(argv[1], directory) != 0)
        return complain("there is no log of %s in your account on this host", argv[1]);
    for (int64_t offset = 0;;) {
        /* Over before the last read: what comes after it has all been read. */
        bool over = job_folder_load(directory, &record) == 0 && job_folder_is_over(directory, &record);
        int error = job_log_read(directory, offset, buf, sizeof buf, &part);
        if (error != 0 && error != EAGAIN) return complain("the log could not be read: %s", strerror(error));
        if (part.skipped > 0) printf("\n--- %lld bytes are no longer kept ---\n", (long long)part.skipped);
        if (fwrite(buf, 1, part.len, stdout) != part.len || fflush(stdout) != 0) return EXIT_OWN_FAILURE;
        offset = part.offset + (int64_t)part.len;
        if (part.len > 0 || error == EAGAIN) continue;
        if (!follow || over) return 0;
        poll(NULL, 0, FOLLOW_MS);
    }
}

int command_job(int argc, char **argv)
{
    static const char *const acts[] = {"cancel", "hold", "release", "first", "priority"};
    const char *verb = argc > 1 ? argv[1] : "";
    int64_t fd;
    if (strcmp(verb, "start") == 0) return start(argc - 1, argv + 1);
    if (strcmp(verb, "ls") == 0) return list(argc - 1, argv + 1);
    if (strcmp(verb, "log") == 0) return show_log(argc - 1, argv + 1);
    if (strcmp(verb, "supervise") == 0 && argc == 4 && text_parse_integer(argv[3], 3, 4096, &fd) == 0)
        return command_job_supervise(argv[2], (int)fd);
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++)
        if (strcmp(verb, acts[i]) == 0) return act(verb, argc - 1, argv + 1);
    return complain("say: tranche job start|ls|log|cancel|hold|release|first|priority …");
}
