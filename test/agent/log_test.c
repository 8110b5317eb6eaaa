/* The agent's log: a full one becomes the older one, so that filling it wipes out nothing that was just said.
 * build: agent/common/log.c
 * sanitize: address,undefined
 */
#include "check.h"
#include "log.h"

#include <sys/stat.h>
#include <unistd.h>

static char path[64], older[64];

static int holds(const char *file, const char *text)
{
    char line[1024];
    int found = 0;
    FILE *in = fopen(file, "r");
    while (in && fgets(line, sizeof line, in)) found |= strstr(line, text) != NULL;
    if (in) fclose(in);
    return found;
}

static void fill(const char *word)
{
    char text[900];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    for (int i = 0; i < LOG_FILE_MAX_BYTES / 900 + 1; i++) log_line("%s %s", word, text);
}

static void what_was_said_before_it_was_full_is_kept(void)
{
    struct stat st;
    CHECK_EQ(log_to_file(path), 0);
    log_line("something that matters");
    fill("once");
    log_line("and after that");
    CHECK(holds(older, "something that matters"));
    CHECK(holds(path, "and after that"));
    fill("twice");
    log_line("the third");
    CHECK(holds(path, "the third") && holds(older, "and after that"));
    CHECK(stat(path, &st) == 0 && st.st_size <= LOG_FILE_MAX_BYTES + 1024);
    CHECK(stat(older, &st) == 0 && st.st_size <= LOG_FILE_MAX_BYTES + 1024);
}

int main(void)
{
    char directory[] = "/tmp/tranche-log-XXXXXX";
    if (!mkdtemp(directory)) return 1;
    snprintf(path, sizeof path, "%s/agent.log", directory);
    snprintf(older, sizeof older, "%s/agent.log.1", directory);
    RUN(what_was_said_before_it_was_full_is_kept);
    unlink(path);
    unlink(older);
    rmdir(directory);
    return check_done();
}
