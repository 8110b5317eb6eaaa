/* Sizes, shares, names, hostile text and admission, against the golden files that the TypeScript side runs too.
 * build: agent/common/json.c agent/common/text.c agent/src/state/admission.c
 * sanitize: address,undefined
 */
#include "state/admission.h"
#include "check.h"
#include "json.h"
#include "text.h"

static char line[4096];
static struct json_object object;

static FILE *golden(const char *name)
{
    char path[256];
    snprintf(path, sizeof path, "model/golden/%s", name);
    FILE *file = fopen(path, "r");
    if (!file) {
        printf("FAIL %s cannot be opened; run from the top of the repository\n", path);
        exit(1);
    }
    return file;
}

static int next(FILE *file)
{
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '\0') continue;
        CHECK_EQ(json_parse_flat(line, strlen(line), &object, NULL), 0);
        return 1;
    }
    fclose(file);
    return 0;
}

static void sizes_are_as_golden(void)
{
    FILE *file = golden("sizes.jsonl");
    int count = 0;
    while (next(file)) {
        const char *text = "";
        int64_t expected = -1, got = -1;
        json_get_text(&object, "text", &text);
        json_get_integer(&object, "bytes", 0, JSON_INTEGER_MAX, &expected);
        if (text_parse_bytes(text, &got) != 0) got = -1;
        CHECK_THAT(got == expected, "\"%s\" is %lld, not %lld", text, (long long)got, (long long)expected);
        count++;
    }
    CHECK(count >= 20);
}

static int64_t field(const char *key)
{
    int64_t value = 0;
    CHECK_EQ(json_get_integer(&object, key, -JSON_INTEGER_MAX, JSON_INTEGER_MAX, &value), 1);
    return value;
}

static void admission_is_as_golden(void)
{
    FILE *file = golden("admission.jsonl");
    int count = 0;
    while (next(file)) {
        const char *name = "", *expected = "";
        json_get_text(&object, "name", &name);
        json_get_text(&object, "expect", &expected);
        struct admission request = {
            .capacity_bytes = field("capacityBytes"),
            .other_slice_count = field("otherSliceCount"),
            .other_guarantees_percent = field("otherGuaranteesPercent"),
            .memory_limit_bytes = field("memoryLimitBytes"),
            .other_memory_limits_bytes = field("otherMemoryLimitsBytes"),
            .previous_memory_limit_bytes = field("previousMemoryLimitBytes"),
            .compute_limit_percent = field("computeLimitPercent"),
            .compute_guarantee_percent = field("computeGuaranteePercent"),
        };
        json_get_integer(&object, "memoryOvercommitMaxPercent", 100, 1000, &request.memory_overcommit_max_percent);
        const char *code = admission_check(&request);
        CHECK_THAT(strcmp(code ? code : "ok", expected) == 0, "%s: %s, not %s", name, code ? code : "ok", expected);
        count++;
    }
    CHECK(count >= 10);
}

static void quotas_are_as_golden(void)
{
    FILE *file = golden("quota.jsonl");
    int count = 0;
    while (next(file)) {
        const char *name = "", *expected = "";
        json_get_text(&object, "name", &name);
        json_get_text(&object, "expect", &expected);
        struct quota_request request = {
            .memory_bytes_max = -1,
            .slices_max = -1,
            .other_slice_count = field("otherSliceCount"),
            .other_memory_limits_bytes = field("otherMemoryLimitsBytes"),
            .memory_limit_bytes = field("memoryLimitBytes"),
            .previous_memory_limit_bytes = field("previousMemoryLimitBytes"),
        };
        json_get_integer(&object, "memoryBytesMax", 0, JSON_INTEGER_MAX, &request.memory_bytes_max);
        json_get_integer(&object, "slicesMax", 0, JSON_INTEGER_MAX, &request.slices_max);
        const char *code = admission_check_quota(&request);
        CHECK_THAT(strcmp(code ? code : "ok", expected) == 0, "%s: %s, not %s", name, code ? code : "ok", expected);
        count++;
    }
    CHECK(count >= 10);
}

static void shares_are_whole_percents(void)
{
    int64_t value = -1;
    CHECK(text_parse_percent("25", &value) == 0 && value == 25);
    CHECK(text_parse_percent(" 100 % ", &value) == 0 && value == 100);
    CHECK(text_parse_percent("0%", &value) == 0 && value == 0);
    static const char *const bad[] = {"", "%", "101", "1000", "-1", "2.5", "25 %%", "x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK_THAT(text_parse_percent(bad[i], &value) == -1, "%s", bad[i]);
}

static void names_are_plain(void)
{
    CHECK(text_is_slice_name("a") && text_is_slice_name("mira-1.x_Y") &&
          text_is_slice_name("0123456789012345678901234567890123456789"));
    static const char *const bad[] = {"",    "-a",  ".",        "../etc",
                                      "a b", "a/b", "\xc3\xa9", "01234567890123456789012345678901234567890"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) CHECK_THAT(!text_is_slice_name(bad[i]), "%s", bad[i]);
}

static void expect_safe(const char *in, size_t len, const char *expected)
{
    char out[64], *exact = malloc(len); /* no byte behind it may be read */
    memcpy(exact, in, len);
    size_t n = text_sanitize(out, sizeof out, exact, len);
    free(exact);
    CHECK_STR(out, expected);
    CHECK_EQ(n, strlen(out));
}

static void hostile_text_is_made_safe(void)
{
#define BAD "\xef\xbf\xbd"
    expect_safe("plain", 5, "plain");
    expect_safe("a\x1b[31mb\n", 8, "a" BAD "[31mb" BAD);
    expect_safe("a\0b", 3, "a" BAD "b");
    expect_safe("\x7f\xc2\x9b"
                "1m",
                5, BAD BAD "1m");
    expect_safe("\xe2\x80\xae"
                "exe",
                6, BAD "exe");
    expect_safe("\xe2\x81\xa6\xd8\x9c\xef\xbb\xbf", 8, BAD BAD BAD);
    expect_safe("\xff\xc3", 2, BAD BAD);
    expect_safe("\xe0\x80\xaf", 3, BAD BAD BAD); /* a slash in a longer form than needed */
    expect_safe("\xc3\xa9\xf0\x9f\x98\x80", 6, "\xc3\xa9\xf0\x9f\x98\x80");
}

static void text_is_cut_between_characters(void)
{
    char in[600], out[TEXT_SHOWN_BYTES + 1];
    for (size_t i = 0; i < sizeof in; i += 3) memcpy(in + i, "\xe2\x82\xac", 3);
    size_t n = text_sanitize(out, sizeof out, in, sizeof in);
    CHECK_EQ(n, 255);
    CHECK_EQ(strlen(out), 255);
}

int main(void)
{
    RUN(sizes_are_as_golden);
    RUN(admission_is_as_golden);
    RUN(quotas_are_as_golden);
    RUN(shares_are_whole_percents);
    RUN(names_are_plain);
    RUN(hostile_text_is_made_safe);
    RUN(text_is_cut_between_characters);
    return check_done();
}
