/* The ring files of the past: tiers, folding, wrapping, torn records, limits on points and lines.
 * build: agent/common/json.c agent/common/text.c agent/common/fs.c agent/common/log.c agent/src/state/slice.c agent/src/records/history.c agent/src/base/line.c
 * sanitize: address,undefined
 */
#include "check.h"
#include "base/line.h"
#include "base/now.h"
#include "records/history.h"
#include "slices/measure.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BEGIN_S INT64_C(1763820000) /* a multiple of 120 */

static struct agent agent;
static struct slice *slice;
static int64_t wall_ms;
static uint64_t used;
static char root[64];

int64_t now_wall_ms(void)
{
    return wall_ms;
}
struct gpu_state *agent_gpu(struct agent *a, const char *uuid)
{
    (void)a, (void)uuid;
    return NULL;
}
uint64_t measure_believed(const struct gpu_state *gpu, const struct slice *s)
{
    (void)gpu, (void)s;
    return used;
}

static void setup(void)
{
    struct slice_record r = {.id = "s-00000000000000aa", .memory_limit_bytes = 1000, .compute_limit_percent = 50};
    memset(&agent, 0, sizeof agent);
    strcpy(root, "/tmp/tranche-history-XXXXXX");
    CHECK(mkdtemp(root) != NULL);
    strcpy(agent.places.state, root);
    json_writer_init(&agent.scratch, AGENT_LINE_MAX_BYTES);
    slice = slice_add(&agent.slices, &r);
    slice->m.usage_known = slice->m.rates_known = true;
    agent.gpu_count = 1;
    strcpy(agent.gpus[0].info.uuid, "GPU-1");
    agent.gpus[0].history_fd = -1;
    CHECK_EQ(history_open(&agent), 0);
}

static void teardown(void)
{
    char command[128];
    if (agent.gpus[0].history_fd >= 0) close(agent.gpus[0].history_fd);
    slice_table_free(&agent.slices);
    json_writer_free(&agent.scratch);
    sprintf(command, "rm -rf %s", root);
    CHECK_EQ(system(command), 0);
}

/* Memory of second n is n, compute n mod 100. */
static void record(int64_t from_s, int64_t to_s)
{
    for (int64_t s = from_s; s < to_s; s++) {
        used = (uint64_t)s;
        slice->m.compute_tenths = (uint32_t)(s % 100);
        history_record(&agent, (BEGIN_S + s) * 1000);
    }
    wall_ms = (BEGIN_S + to_s - 1) * 1000 + 500;
}

static struct history_job *query(int64_t from_s, int64_t to_s, size_t max)
{
    struct history_job *job =
        history_query(&agent, slice->r.id, false, (BEGIN_S + from_s) * 1000, (BEGIN_S + to_s) * 1000, max);
    CHECK(job != NULL);
    return job;
}

static void seconds_come_back_as_recorded(void)
{
    setup();
    record(0, 100);
    struct history_job *job = query(0, 200, 2000);
    CHECK_EQ(job->tier_ms, 1000);
    CHECK_EQ(job->count, 100);
    for (size_t i = 0; i < job->count; i++) {
        CHECK_EQ(job->points[i].at_ms, (BEGIN_S + (int64_t)i) * 1000);
        CHECK_EQ(job->points[i].memory_used_bytes, i);
        CHECK_EQ(job->points[i].compute_tenths, i);
        CHECK(job->points[i].limits_known && job->points[i].memory_limit_bytes == 1000 &&
              job->points[i].compute_limit_percent == 50);
    }
    free(job);
    teardown();
}

static void the_ring_forgets_the_oldest(void)
{
    setup();
    record(0, 1000); /* 900 fit */
    struct history_job *job = query(80, 1000, 2000);
    CHECK_EQ(job->tier_ms, 15000); /* a range that the seconds do not cover */
    free(job);
    job = query(150, 1000, 2000);
    CHECK_EQ(job->tier_ms, 1000);
    CHECK_EQ(job->count, 850);
    CHECK_EQ(job->points[0].memory_used_bytes, 150);
    CHECK_EQ(job->points[849].memory_used_bytes, 999);
    free(job);
    struct stat st;
    char path[128];
    sprintf(path, "%s/history/%s.1s", root, slice->r.id);
    CHECK(stat(path, &st) == 0 && st.st_size == 900 * 32);
    teardown();
}

static void coarser_tiers_fold_the_finer(void)
{
    setup();
    record(0, 3600);
    struct history_job *job = query(0, 3600, 2000);
    CHECK_EQ(job->tier_ms, 15000);
    CHECK_EQ(job->count, 240);
    CHECK_EQ(job->points[2].at_ms, (BEGIN_S + 30) * 1000);
    CHECK_EQ(job->points[2].memory_used_bytes, 44); /* the highest of 30..44 */
    CHECK_EQ(job->points[2].compute_tenths, 37);    /* their mean */
    free(job);
    wall_ms += INT64_C(2) * 24 * 3600 * 1000; /* two days later only the coarsest covers it */
    job = query(0, 3600, 2000);
    CHECK_EQ(job->tier_ms, 120000);
    CHECK_EQ(job->count, 30);
    CHECK_EQ(job->points[1].memory_used_bytes, 239);
    free(job);
    teardown();
}

static void points_are_at_most_as_many_as_asked(void)
{
    setup();
    record(0, 800);
    struct history_job *job = query(0, 799, 7);
    CHECK(job->count <= 7 && job->count >= 6);
    CHECK_EQ(job->points[0].memory_used_bytes, 114); /* the highest of the first 115 */
    CHECK_EQ(job->points[job->count - 1].memory_used_bytes, 799);
    free(job);
    teardown();
}

/* After a pause of a whole round, what lies in a slot may be from the round before. */
static void an_earlier_round_is_not_this_one(void)
{
    setup();
    record(0, 10);
    record(905, 910);
    struct history_job *job = query(895, 910, 2000);
    CHECK_EQ(job->count, 5);
    CHECK_EQ(job->points[0].memory_used_bytes, 905);
    free(job);
    teardown();
}

static void gaps_and_unknown_figures_are_not_zero(void)
{
    setup();
    record(0, 10);
    slice->m.usage_known = slice->m.rates_known = false;
    record(20, 30);
    struct history_job *job = query(0, 30, 2000);
    CHECK_EQ(job->count, 20);
    CHECK_EQ(job->points[10].at_ms, (BEGIN_S + 20) * 1000);
    CHECK(!job->points[10].memory_known && !job->points[10].compute_known && job->points[10].limits_known);
    bool last = false;
    struct shared_line *line = history_chunk(&agent, job, &last);
    CHECK(last && memmem(line->data, line->len, "null", 4) != NULL);
    free(line);
    free(job);
    teardown();
}

static void torn_records_are_skipped(void)
{
    char path[128];
    setup();
    record(0, 60);
    sprintf(path, "%s/history/%s.1s", root, slice->r.id);
    int fd = open(path, O_RDWR);
    CHECK_EQ(pwrite(fd, "xxxxxxxx", 8, (BEGIN_S + 5) % 900 * 32 + 16), 8);
    close(fd);
    struct history_job *job = query(0, 60, 2000);
    CHECK_EQ(job->count, 59);
    CHECK_EQ(job->points[5].memory_used_bytes, 6);
    free(job);
    record(60, 70);
    fd = open(path, O_RDWR);
    CHECK_EQ(pwrite(fd, "xxxxxxxx", 8, (BEGIN_S + 65) % 900 * 32 + 16), 8);
    close(fd);
    record(70, 75);
    wall_ms += INT64_C(3600) * 1000;
    job = query(60, 74, 2000);
    CHECK(job->count == 1 && job->points[0].memory_used_bytes == 74); /* nothing torn is folded in */
    free(job);
    teardown();
}

static void chunks_are_short_lines_and_end(void)
{
    setup();
    record(0, 900);
    struct history_job *job = query(0, 899, 2000);
    size_t points = 0, lines = 0;
    bool last = false;
    CHECK_EQ(job->count, 900);
    while (!last && lines < 10) {
        size_t before = job->sent;
        struct shared_line *line = history_chunk(&agent, job, &last);
        CHECK(line->len < AGENT_LINE_MAX_BYTES && line->data[line->len - 1] == '\n');
        points += job->sent - before;
        lines++;
        free(line);
    }
    CHECK(last && points == 900 && lines == 2);
    free(job);
    job = query(5000, 6000, 10); /* nothing there: one empty line, and the end */
    CHECK_EQ(job->count, 0);
    free(history_chunk(&agent, job, &last));
    CHECK(last);
    free(job);
    teardown();
}

static void files_of_forgotten_slices_are_removed(void)
{
    char path[128];
    setup();
    record(0, 40);
    history_sweep(&agent);
    sprintf(path, "%s/history/%s.1s", root, slice->r.id);
    CHECK(access(path, F_OK) == 0);
    slice_remove(&agent.slices, slice);
    history_sweep(&agent);
    CHECK(access(path, F_OK) != 0);
    sprintf(path, "%s/history/GPU-1.1s", root);
    CHECK(access(path, F_OK) == 0);
    teardown();
}

int main(void)
{
    RUN(seconds_come_back_as_recorded);
    RUN(the_ring_forgets_the_oldest);
    RUN(coarser_tiers_fold_the_finer);
    RUN(points_are_at_most_as_many_as_asked);
    RUN(an_earlier_round_is_not_this_one);
    RUN(gaps_and_unknown_figures_are_not_zero);
    RUN(torn_records_are_skipped);
    RUN(chunks_are_short_lines_and_end);
    RUN(files_of_forgotten_slices_are_removed);
    return check_done();
}
