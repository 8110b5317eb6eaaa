/* The slice table on disk: nothing is lost at any crash point, nothing broken is used in part.
 * build: agent/common/json.c agent/common/text.c agent/common/fs.c agent/src/state/slice.c agent/src/state/undo.c agent/src/state/slice_settings.c agent/src/state/slice_store.c
 * sanitize: address,undefined
 */
#include "check.h"
#include "state/slice_store.h"
#include "state/undo.h"
#include "fs.h"
#include "state/slice.h"

#include <errno.h>
#include <dirent.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOW INT64_C(1763827200000)

static char directory[64];

static void fresh_directory(void)
{
    strcpy(directory, "/tmp/tranche-store-XXXXXX");
    CHECK(mkdtemp(directory) != NULL);
}

static void remove_directory(void)
{
    DIR *d = opendir(directory);
    char path[512];
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", directory, e->d_name);
        unlink(path);
    }
    closedir(d);
    rmdir(directory);
}

static struct slice_record record_of(int n, uint64_t limit)
{
    struct slice_record r = {.compute_limit_percent = 50,
                             .priority = 1,
                             .memory_limit_bytes = limit,
                             .revision = (uint64_t)n,
                             .starts_at_ms = NO_TIME,
                             .expires_at_ms = NOW + n,
                             .created_at_ms = NOW,
                             .changed_at_ms = NOW,
                             .board_slot = (uint32_t)n % 63,
                             .owner_uid = 1000};
    snprintf(r.id, sizeof r.id, "s-%016x", n);
    snprintf(r.name, sizeof r.name, "mira-%d", n);
    strcpy(r.gpu_uuid, "GPU-0");
    strcpy(r.owner, "m\"i\\ra");
    strcpy(r.changed_by, "tom");
    return r;
}

static void add(struct slice_table *table, int n, uint64_t limit)
{
    struct slice_record r = record_of(n, limit);
    CHECK(slice_add(table, &r) != NULL);
}

static void what_is_saved_comes_back(void)
{
    struct slice_table table = {.revision = 41}, loaded;
    fresh_directory();
    for (int i = 1; i <= 70; i++) add(&table, i, UINT64_C(1) << 34);
    struct slice_record before = record_of(3, 77);
    before.deleted = true;
    struct undo_entry *entry = undo_push(&table, &before, 9, NOW);
    CHECK(entry != NULL);
    CHECK_EQ(slice_store_save(&table, directory), 0);
    CHECK_EQ(slice_store_load(&loaded, directory, NOW + 1), 0);
    CHECK_STR(loaded.note, "");
    CHECK_EQ(loaded.revision, 41);
    CHECK_EQ(loaded.count, 70);
    for (size_t i = 0; i < loaded.count; i++)
        CHECK(memcmp(&loaded.items[i]->r, &table.items[i]->r, sizeof before) == 0);
    struct undo_entry *found = undo_find(&loaded, entry->token, NOW + 1);
    CHECK(found != NULL && found->after_revision == 9 && memcmp(&found->before, &before, sizeof before) == 0);
    CHECK(undo_find(&loaded, entry->token, NOW + UNDO_LIFE_MS) == NULL);
    slice_table_free(&table);
    slice_table_free(&loaded);
    remove_directory();
}

static void no_state_is_an_empty_table(void)
{
    struct slice_table loaded;
    fresh_directory();
    CHECK_EQ(slice_store_load(&loaded, directory, NOW), 0);
    CHECK_EQ(loaded.count, 0);
    CHECK_STR(loaded.note, "");
    slice_table_free(&loaded);
    remove_directory();
}

static size_t size_of(const char *name)
{
    char path[256];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return stat(path, &st) == 0 ? (size_t)st.st_size : 0;
}

/* Cuts the file at every length and flips a bit at every byte: the version before it must come back whole. */
static void every_damage_falls_back_to_the_previous_version(void)
{
    char path[256], *data;
    size_t len;
    struct slice_table table = {0};
    fresh_directory();
    add(&table, 1, 100);
    CHECK_EQ(slice_store_save(&table, directory), 0);
    table.items[0]->r.memory_limit_bytes = 200;
    table.revision = 7;
    CHECK_EQ(slice_store_save(&table, directory), 0);
    slice_table_free(&table);
    snprintf(path, sizeof path, "%s/slices.jsonl", directory);
    CHECK_EQ(fs_read_file(path, 1 << 20, &data, &len), 0);
    size_t damages = 0;
    for (size_t i = 0; i < 2 * len; i++) {
        struct slice_table loaded;
        bool cut = i < len;
        FILE *file = fopen(path, "w");
        if (cut) {
            fwrite(data, 1, i, file);
        } else {
            data[i - len] ^= 4;
            fwrite(data, 1, len, file);
            data[i - len] ^= 4;
        }
        fclose(file);
        CHECK_EQ(slice_store_load(&loaded, directory, (int64_t)i), 0);
        CHECK_THAT(loaded.count == 1 && loaded.items[0]->r.memory_limit_bytes == 100, "damage %zu", i);
        CHECK(loaded.note[0] != '\0');
        CHECK_EQ(loaded.revision, 1); /* one above the lost edit's predecessor: no revision is given out twice */
        damages++;
        slice_table_free(&loaded);
        snprintf(path, sizeof path, "%s/slices.jsonl.broken-%zu", directory, i);
        CHECK_THAT(unlink(path) == 0, "damage %zu was not put aside", i);
        snprintf(path, sizeof path, "%s/slices.jsonl", directory);
    }
    CHECK(damages > 500);
    free(data);
    remove_directory();
}

static void both_broken_starts_empty_and_says_so(void)
{
    struct slice_table loaded;
    char path[256];
    static const char *const names[] = {"slices.jsonl", "slices.jsonl.prev"};
    fresh_directory();
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, names[i]);
        FILE *file = fopen(path, "w");
        fputs("{\"kind\":\"tranche-slices\"", file);
        fclose(file);
    }
    CHECK_EQ(slice_store_load(&loaded, directory, 5), 0);
    CHECK_EQ(loaded.count, 0);
    CHECK(loaded.note[0] != '\0');
    CHECK(size_of("slices.jsonl.broken-5") > 0 && size_of("slices.jsonl.prev.broken-5") > 0);
    remove_directory();
}

/* A writer is killed at random instants of a stream of saves; what it had reported as saved must be there. */
static void a_killed_writer_loses_nothing_it_reported(void)
{
    fresh_directory();
    uint64_t reported = 0;
    for (int round = 0; round < 40; round++) {
        int ends[2];
        struct slice_table loaded;
        CHECK_EQ(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) {
            struct slice_table table;
            if (slice_store_load(&table, directory, NOW) != 0) _exit(1);
            if (table.count == 0) add(&table, 1, 0);
            for (;;) {
                table.items[0]->r.memory_limit_bytes++;
                if (slice_store_save(&table, directory) != 0) _exit(1);
                if (write(ends[1], &table.items[0]->r.memory_limit_bytes, 8) != 8) _exit(0);
            }
        }
        close(ends[1]);
        /* Wait for a few reports, then kill somewhere in the next one. */
        for (int i = 0; i < 1 + round % 3; i++)
            if (read(ends[0], &reported, 8) != 8) break;
        usleep((useconds_t)(rand() % 3000));
        kill(child, SIGKILL);
        uint64_t more;
        while (read(ends[0], &more, 8) == 8) reported = more;
        waitpid(child, NULL, 0);
        close(ends[0]);
        CHECK_EQ(slice_store_load(&loaded, directory, NOW), 0);
        CHECK_STR(loaded.note, "");
        CHECK_EQ(loaded.count, 1);
        uint64_t kept = loaded.count == 1 ? loaded.items[0]->r.memory_limit_bytes : 0;
        CHECK_THAT(kept == reported || kept == reported + 1, "kept %" PRIu64 ", reported %" PRIu64, kept, reported);
        slice_table_free(&loaded);
    }
    CHECK(reported >= 40);
    remove_directory();
}

static void a_save_that_fails_leaves_the_old_state(void)
{
    struct slice_table table = {0}, loaded;
    fresh_directory();
    add(&table, 1, 100);
    CHECK_EQ(slice_store_save(&table, directory), 0);
    char path[256];
    snprintf(path, sizeof path, "%s/slices.jsonl.tmp", directory);
    CHECK_EQ(mkdir(path, 0700), 0); /* the temporary file cannot be made */
    table.items[0]->r.memory_limit_bytes = 200;
    CHECK(slice_store_save(&table, directory) != 0);
    CHECK_EQ(slice_store_load(&loaded, directory, NOW), 0);
    CHECK_EQ(loaded.items[0]->r.memory_limit_bytes, 100);
    rmdir(path);
    slice_table_free(&table);
    slice_table_free(&loaded);
    remove_directory();
}

static void the_journal_is_bounded(void)
{
    struct slice_table table = {0};
    struct slice_record r = record_of(1, 1);
    char first[UNDO_TOKEN_BYTES], last[UNDO_TOKEN_BYTES] = "";
    for (int i = 0; i < 3 * UNDO_ENTRIES_MAX; i++) {
        struct undo_entry *entry = undo_push(&table, &r, (uint64_t)i, NOW);
        strcpy(i == 0 ? first : last, entry->token);
    }
    CHECK(table.undo_count <= UNDO_ENTRIES_MAX + 1);
    CHECK(undo_find(&table, first, NOW) == NULL);
    CHECK(undo_find(&table, last, NOW) != NULL);
    slice_table_free(&table);
}

int main(void)
{
    RUN(what_is_saved_comes_back);
    RUN(no_state_is_an_empty_table);
    RUN(every_damage_falls_back_to_the_previous_version);
    RUN(both_broken_starts_empty_and_says_so);
    RUN(a_killed_writer_loses_nothing_it_reported);
    RUN(a_save_that_fails_leaves_the_old_state);
    RUN(the_journal_is_bounded);
    return check_done();
}
