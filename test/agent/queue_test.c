/* The rules of the line: who starts, who makes room, what the others wait for, and the log's segments.
 * build: agent/src/state/queue.c agent/src/state/job_record.c agent/src/launch/job_log.c agent/common/fs.c agent/common/json.c agent/common/text.c
 * sanitize: address,undefined
 */
#include "check.h"
#include "launch/job_log.h"
#include "state/job_record.h"
#include "state/queue.h"

#include <unistd.h>

#define GIB (INT64_C(1) << 30)
#define NOW INT64_C(1000000000)

static struct queue_slice slice(void)
{
    return (struct queue_slice){
        .exists = true,
        .starts_at_ms = -1,
        .expires_at_ms = -1,
        .now_ms = NOW,
        .slots = 1,
        .slice_free_known = true,
        .gpu_free_known = true,
        .slice_free_bytes = 10 * GIB,
        .gpu_free_bytes = 80 * GIB,
    };
}

static struct queue_job job(enum job_state state, enum job_priority priority, int64_t order)
{
    return (struct queue_job){.state = state,
                              .priority = priority,
                              .order = order,
                              .may_use = true,
                              .uid = 1000,
                              .started_at_ms = state == JOB_QUEUED ? -1 : NOW - 2 * QUEUE_SETTLE_MS + order};
}

#define COUNT(jobs) (sizeof(jobs) / sizeof((jobs)[0]))

static void the_first_by_priority_then_time_starts(void)
{
    struct queue_slice s = slice();
    struct queue_job jobs[] = {
        job(JOB_QUEUED, JOB_NORMAL, 2),
        job(JOB_QUEUED, JOB_LOW, 0),
        job(JOB_QUEUED, JOB_NORMAL, 1),
        job(JOB_QUEUED, JOB_NORMAL, 1),
    };
    queue_plan(jobs, COUNT(jobs), &s);
    CHECK_EQ(jobs[2].act, QUEUE_START);
    CHECK_EQ(jobs[2].wait.code, WAITS_STARTING);
    CHECK_EQ(jobs[3].wait.position, 1);
    CHECK_EQ(jobs[0].wait.position, 2);
    CHECK_EQ(jobs[1].wait.position, 3);
    for (size_t i = 0; i < 4; i++) CHECK_EQ(jobs[i].act, i == 2 ? QUEUE_START : QUEUE_LEAVE);
    jobs[2].state = JOB_STARTING; /* before it says that it runs, its slot is taken */
    queue_plan(jobs, COUNT(jobs), &s);
    for (size_t i = 0; i < 4; i++) CHECK_EQ(jobs[i].act, QUEUE_LEAVE);
    CHECK_EQ(jobs[3].wait.code, WAITS_RUNNING);
    CHECK_EQ(jobs[3].wait.other, 2);
}

static void as_many_run_as_there_are_slots(void)
{
    struct queue_slice s = slice();
    s.slots = 3;
    struct queue_job jobs[] = {job(JOB_RUNNING, JOB_LOW, 0), job(JOB_QUEUED, JOB_NORMAL, 1),
                               job(JOB_QUEUED, JOB_NORMAL, 2), job(JOB_QUEUED, JOB_NORMAL, 3)};
    queue_plan(jobs, COUNT(jobs), &s);
    CHECK_EQ(jobs[1].act, QUEUE_START);
    CHECK_EQ(jobs[2].act, QUEUE_START);
    CHECK_EQ(jobs[3].act, QUEUE_LEAVE);
    CHECK_EQ(jobs[3].wait.code, WAITS_RUNNING);
}

static void the_held_and_the_barred_are_passed_by(void)
{
    struct queue_slice s = slice();
    struct queue_job jobs[] = {job(JOB_HELD, JOB_HIGH, 0), job(JOB_QUEUED, JOB_HIGH, 1), job(JOB_QUEUED, JOB_HIGH, 2),
                               job(JOB_QUEUED, JOB_LOW, 3)};
    jobs[1].away = true;
    jobs[2].may_use = false;
    queue_plan(jobs, COUNT(jobs), &s);
    CHECK_EQ(jobs[0].wait.code, WAITS_HELD);
    CHECK_EQ(jobs[1].wait.code, WAITS_AWAY);
    CHECK_EQ(jobs[2].wait.code, WAITS_NOT_YOURS);
    CHECK_EQ(jobs[3].act, QUEUE_START);
    for (size_t i = 0; i < 3; i++) CHECK_EQ(jobs[i].wait.position, 0);
}

static void a_slice_that_is_not_open_starts_nothing(void)
{
    struct queue_job jobs[] = {job(JOB_QUEUED, JOB_HIGH, 0)};
    struct queue_slice s = slice();
    s.starts_at_ms = NOW + 1;
    queue_plan(jobs, 1, &s);
    CHECK_EQ(jobs[0].wait.code, WAITS_SLICE_NOT_OPEN);
    s.starts_at_ms = NOW;
    s.expires_at_ms = NOW;
    queue_plan(jobs, 1, &s);
    CHECK_EQ(jobs[0].wait.code, WAITS_SLICE_OVER);
    s.expires_at_ms = NOW + 1;
    queue_plan(jobs, 1, &s);
    CHECK_EQ(jobs[0].act, QUEUE_START);
    s.exists = false;
    queue_plan(jobs, 1, &s);
    CHECK_EQ(jobs[0].act, QUEUE_LEAVE);
    CHECK_EQ(jobs[0].wait.code, WAITS_SLICE_GONE);
}

static void a_preemptible_one_makes_room_for_its_owner(void)
{
    struct queue_slice s = slice();
    struct queue_job jobs[] = {job(JOB_RUNNING, JOB_LOW, 0), job(JOB_QUEUED, JOB_HIGH, 1),
                               job(JOB_QUEUED, JOB_HIGH, 2)};
    queue_plan(jobs, COUNT(jobs), &s);
    CHECK_EQ(jobs[0].act, QUEUE_LEAVE); /* nobody asked it whether it may be stopped */
    CHECK_EQ(jobs[1].wait.code, WAITS_RUNNING);
    jobs[0].preemptible = true;
    queue_plan(jobs, COUNT(jobs), &s);
    CHECK_EQ(jobs[0].act, QUEUE_PREEMPT);
    CHECK_EQ(jobs[1].wait.code, WAITS_STOPPING);
    CHECK_EQ(jobs[1].wait.other, 0);
    CHECK_EQ(jobs[2].wait.code, WAITS_RUNNING); /* one slot comes free, for one job */
    jobs[0].state = JOB_STOPPING;
    queue_plan(jobs, COUNT(jobs), &s);
    CHECK_EQ(jobs[0].act, QUEUE_LEAVE);
    CHECK_EQ(jobs[1].wait.code, WAITS_STOPPING);
    CHECK_EQ(jobs[2].wait.code, WAITS_RUNNING);
}

static void nobody_is_stopped_by_his_equal_or_a_stranger(void)
{
    struct queue_slice s = slice();
    struct queue_job jobs[] = {job(JOB_RUNNING, JOB_NORMAL, 0), job(JOB_QUEUED, JOB_NORMAL, 1)};
    jobs[0].preemptible = jobs[1].preempts = true;
    queue_plan(jobs, COUNT(jobs), &s);
    CHECK_EQ(jobs[0].act, QUEUE_LEAVE);
    jobs[1].priority = JOB_HIGH;
    jobs[1].uid = 1001;
    queue_plan(jobs, COUNT(jobs), &s);
    CHECK_EQ(jobs[0].act, QUEUE_LEAVE);
    jobs[1].may_displace = true;
    queue_plan(jobs, COUNT(jobs), &s);
    CHECK_EQ(jobs[0].act, QUEUE_PREEMPT);
    jobs[0].preemptible = false; /* the operator insists */
    queue_plan(jobs, COUNT(jobs), &s);
    CHECK_EQ(jobs[0].act, QUEUE_PREEMPT);
    jobs[1].preempts = false; /* or not */
    queue_plan(jobs, COUNT(jobs), &s);
    CHECK_EQ(jobs[0].act, QUEUE_LEAVE);
    jobs[0].preemptible = jobs[0].away = true; /* nobody is there to tell it */
    queue_plan(jobs, COUNT(jobs), &s);
    CHECK_EQ(jobs[0].act, QUEUE_LEAVE);
}

static void the_lowest_and_youngest_makes_room(void)
{
    struct queue_slice s = slice();
    s.slots = 4;
    struct queue_job jobs[] = {job(JOB_RUNNING, JOB_NORMAL, 9), job(JOB_RUNNING, JOB_LOW, 1),
                               job(JOB_RUNNING, JOB_LOW, 2),    job(JOB_RUNNING, JOB_LOW, 0),
                               job(JOB_QUEUED, JOB_HIGH, 5),    job(JOB_QUEUED, JOB_HIGH, 6)};
    for (size_t i = 0; i < 4; i++) jobs[i].preemptible = true;
    queue_plan(jobs, COUNT(jobs), &s);
    CHECK_EQ(jobs[0].act, QUEUE_LEAVE);
    CHECK_EQ(jobs[1].act, QUEUE_PREEMPT);
    CHECK_EQ(jobs[2].act, QUEUE_PREEMPT);
    CHECK_EQ(jobs[3].act, QUEUE_LEAVE);
    CHECK_EQ(jobs[4].wait.other, 2);
    CHECK_EQ(jobs[5].wait.code, WAITS_STOPPING);
}

static void memory_is_waited_for_in_the_slice_and_on_the_gpu(void)
{
    struct queue_slice s = slice();
    struct queue_job jobs[] = {job(JOB_QUEUED, JOB_NORMAL, 0), job(JOB_QUEUED, JOB_NORMAL, 1)};
    jobs[0].min_free_bytes = 10 * GIB + 1;
    queue_plan(jobs, COUNT(jobs), &s);
    CHECK_EQ(jobs[0].wait.code, WAITS_SLICE_MEMORY);
    CHECK_EQ(jobs[0].wait.other, QUEUE_NOBODY);
    CHECK_EQ(jobs[0].wait.free_bytes, 10 * GIB);
    CHECK_EQ(jobs[1].act, QUEUE_LEAVE); /* the first is not overtaken */
    CHECK_EQ(jobs[1].wait.code, WAITS_BEHIND);
    CHECK_EQ(jobs[1].wait.other, 0);
    jobs[0].min_free_bytes = 10 * GIB;
    s.gpu_free_bytes = 10 * GIB - 1;
    queue_plan(jobs, COUNT(jobs), &s);
    CHECK_EQ(jobs[0].wait.code, WAITS_GPU_MEMORY);
    s.slice_free_known = false;
    queue_plan(jobs, COUNT(jobs), &s);
    CHECK_EQ(jobs[0].wait.code, WAITS_MEMORY_UNKNOWN);
    s = slice();
    queue_plan(jobs, COUNT(jobs), &s);
    CHECK_EQ(jobs[0].act, QUEUE_START);
}

static void what_a_young_job_will_take_is_taken(void)
{
    struct queue_slice s = slice();
    s.slots = 4;
    struct queue_job jobs[] = {job(JOB_QUEUED, JOB_NORMAL, 0), job(JOB_QUEUED, JOB_NORMAL, 1)};
    jobs[0].min_free_bytes = jobs[1].min_free_bytes = 6 * GIB;
    queue_plan(jobs, COUNT(jobs), &s);
    CHECK_EQ(jobs[0].act, QUEUE_START);
    CHECK_EQ(jobs[1].wait.code, WAITS_SLICE_MEMORY); /* in the same plan */
    jobs[0].state = JOB_RUNNING;
    jobs[0].started_at_ms = NOW - QUEUE_SETTLE_MS + 1;
    queue_plan(jobs, COUNT(jobs), &s);
    CHECK_EQ(jobs[1].wait.code, WAITS_SLICE_MEMORY); /* before it has allocated anything */
    jobs[0].started_at_ms = NOW - QUEUE_SETTLE_MS;
    queue_plan(jobs, COUNT(jobs), &s);
    CHECK_EQ(jobs[1].act, QUEUE_START);
}

static void names_come_from_what_is_run(void)
{
    static const char *const cases[][2] = {
        {"python3 -u src/train.py --epochs 90", "train"},
        {"CUDA_LAUNCH_BLOCKING=1 python finetune_7b.py", "finetune_7b"},
        {"./run.sh", "run"},
        {"bash", "bash"},
        {"  ", "job"},
        {"\xc3\xbc", "job"},
        {"nvidia-smi", "nvidia-smi"},
    };
    char name[SLICE_NAME_BYTES];
    for (size_t i = 0; i < COUNT(cases); i++) {
        job_name_from(cases[i][0], name);
        CHECK_STR(name, cases[i][1]);
        CHECK(text_is_slice_name(name));
    }
    char many[300], shown[TEXT_SHOWN_BYTES + 1];
    job_command_shown("cd x\n\tpython \x1b[1m", shown);
    CHECK_STR(shown, "cd x  python \xef\xbf\xbd[1m");
    memset(many, 'x', sizeof many - 1);
    many[sizeof many - 1] = '\0';
    job_name_from(many, name);
    CHECK_EQ(strlen(name), 40);
    job_command_shown(many, shown);
    CHECK_EQ(strlen(shown), TEXT_SHOWN_BYTES);
}

static void records_are_what_they_were_after_a_round(void)
{
    struct job_record r = {.id = "j-0123456789abcdef",
                           .name = "train",
                           .slice_id = "s-1",
                           .command = "a \"b\"\n",
                           .state = JOB_STOPPING,
                           .priority = JOB_HIGH,
                           .preemptible = true,
                           .min_free_bytes = 7,
                           .grace_ms = 5,
                           .submitted_at_ms = 1,
                           .started_at_ms = 2,
                           .ended_at_ms = NO_TIME,
                           .pid = 3,
                           .exit_code = -1,
                           .signal = 9,
                           .runs = 2};
    struct job_record back;
    struct json_writer w;
    struct json_object object;
    const char *why = "";
    json_writer_init(&w, 4096);
    json_open(&w, '{');
    json_put_text(&w, "jobId", r.id);
    job_record_put(&w, &r);
    json_close(&w, '}');
    json_raw(&w, "\0", 1);
    CHECK_EQ(json_parse_flat(w.data, w.len - 1, &object, &why), 0);
    CHECK_EQ(job_record_take(&object, &back, &why), 0);
    CHECK_STR(back.command, "a \"b\"\xef\xbf\xbd"); /* shown, so made safe */
    CHECK_EQ(back.state, JOB_STOPPING);
    CHECK_EQ(back.priority, JOB_HIGH);
    CHECK(back.preemptible && !back.requeue);
    CHECK_EQ(back.min_free_bytes, 7);
    CHECK_EQ(back.ended_at_ms, NO_TIME);
    CHECK_EQ(back.exit_code, -1);
    CHECK_EQ(back.signal, 9);
    json_writer_free(&w);
}

static bool golden_has(const char *code)
{
    char line[1024], wanted[64];
    bool found = false;
    FILE *file = fopen("model/golden/job-waits.jsonl", "r");
    snprintf(wanted, sizeof wanted, "\"code\":\"%s\"", code);
    while (file && fgets(line, sizeof line, file)) found |= strstr(line, wanted) != NULL;
    if (file) fclose(file);
    return found;
}

/* The other side has a sentence for each (test/renderer/jobs.test.ts). */
static void every_reason_is_in_the_golden_file(void)
{
    for (int code = WAITS_NOT + 1; code <= WAITS_AWAY; code++)
        CHECK_THAT(golden_has(queue_code_name((enum queue_code)code)), "%s", queue_code_name((enum queue_code)code));
    CHECK(queue_code_name(WAITS_NOT) == NULL);
}

/* One byte a MiB tells where in the stream a piece is from. */
static void write_mib(struct job_log *log, int from, int to)
{
    static char piece[1 << 20];
    for (int i = from; i < to; i++) {
        memset(piece, 'A' + i % 26, sizeof piece);
        job_log_write(log, piece, sizeof piece);
    }
}

static void a_log_keeps_its_head_and_its_tail(void)
{
    char directory[] = "/tmp/tranche-job-log-XXXXXX", buf[64], path[128];
    struct job_log log;
    struct job_log_part part;
    CHECK(mkdtemp(directory) != NULL);
    CHECK_EQ(job_log_read(directory, 0, buf, sizeof buf, &part), 0);
    CHECK_EQ(part.len, 0);
    CHECK_EQ(job_log_open(&log, directory), 0);
    write_mib(&log, 0, 50);
    job_log_close(&log);
    CHECK_EQ(job_log_open(&log, directory), 0); /* goes on where it was */
    CHECK_EQ(log.offset, INT64_C(50) << 20);
    write_mib(&log, 50, 100);
    CHECK_EQ(log.error, 0);
    CHECK_EQ(job_log_read(directory, 0, buf, sizeof buf, &part), 0);
    CHECK_EQ(part.end, INT64_C(100) << 20);
    CHECK_EQ(buf[0], 'A');
    CHECK_EQ(part.skipped, 0);
    /* 100 MiB end in segment 12: 0 and 6 to 12 are kept. */
    CHECK_EQ(job_log_read(directory, INT64_C(8) << 20, buf, sizeof buf, &part), 0);
    CHECK_EQ(part.offset, INT64_C(48) << 20);
    CHECK_EQ(part.skipped, INT64_C(40) << 20);
    CHECK_EQ(buf[0], 'A' + 48 % 26);
    CHECK_EQ(job_log_read(directory, -1, buf, sizeof buf, &part), 0);
    CHECK_EQ(part.offset, (INT64_C(100) << 20) - (int64_t)sizeof buf);
    CHECK_EQ(part.len, sizeof buf);
    CHECK_EQ(job_log_read(directory, INT64_C(1) << 50, buf, sizeof buf, &part), 0);
    CHECK_EQ(part.offset, part.end);
    int64_t kept = 0;
    for (int i = 0; i < 14; i++) {
        snprintf(path, sizeof path, "%s/log.%d", directory, i);
        if (access(path, F_OK) == 0) kept++;
        unlink(path);
    }
    CHECK_EQ(kept, JOB_LOG_SEGMENTS_MAX);
    job_log_close(&log);
    rmdir(directory);
}

int main(void)
{
    RUN(the_first_by_priority_then_time_starts);
    RUN(as_many_run_as_there_are_slots);
    RUN(the_held_and_the_barred_are_passed_by);
    RUN(a_slice_that_is_not_open_starts_nothing);
    RUN(a_preemptible_one_makes_room_for_its_owner);
    RUN(nobody_is_stopped_by_his_equal_or_a_stranger);
    RUN(the_lowest_and_youngest_makes_room);
    RUN(memory_is_waited_for_in_the_slice_and_on_the_gpu);
    RUN(what_a_young_job_will_take_is_taken);
    RUN(names_come_from_what_is_run);
    RUN(records_are_what_they_were_after_a_round);
    RUN(every_reason_is_in_the_golden_file);
    RUN(a_log_keeps_its_head_and_its_tail);
    return check_done();
}
