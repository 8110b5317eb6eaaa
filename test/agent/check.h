/* A test's whole harness: CHECK prints and counts, RUN names, check_done gives the exit status.
 * Lines: "PASS name", "FAIL name file:line: what"; 77 = could not run here, with the reason. */
#ifndef TRANCHE_TEST_CHECK_H
#define TRANCHE_TEST_CHECK_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_failures;
static int check_failures_here;
static const char *check_name = "?";

#define CHECK(condition)                                                                                              \
    do {                                                                                                              \
        if (!(condition)) {                                                                                           \
            check_failures_here++;                                                                                    \
            printf("FAIL %s %s:%d: %s\n", check_name, __FILE__, __LINE__, #condition);                                \
        }                                                                                                             \
    } while (0)

/* Like CHECK, with figures: CHECK_THAT(a == b, "a is %d", a). */
#define CHECK_THAT(condition, ...)                                                                                    \
    do {                                                                                                              \
        if (!(condition)) {                                                                                           \
            check_failures_here++;                                                                                    \
            printf("FAIL %s %s:%d: %s: ", check_name, __FILE__, __LINE__, #condition);                                \
            printf(__VA_ARGS__);                                                                                      \
            printf("\n");                                                                                             \
        }                                                                                                             \
    } while (0)

#define CHECK_EQ(left, right)                                                                                         \
    do {                                                                                                              \
        long long check_left = (long long)(left);                                                                     \
        long long check_right = (long long)(right);                                                                   \
        if (check_left != check_right) {                                                                              \
            check_failures_here++;                                                                                    \
            printf("FAIL %s %s:%d: %s == %s: %lld is not %lld\n", check_name, __FILE__, __LINE__, #left, #right,      \
                   check_left, check_right);                                                                          \
        }                                                                                                             \
    } while (0)

#define CHECK_STR(left, right)                                                                                        \
    do {                                                                                                              \
        const char *check_left = (left);                                                                              \
        const char *check_right = (right);                                                                            \
        if (check_left == NULL || check_right == NULL || strcmp(check_left, check_right) != 0) {                      \
            check_failures_here++;                                                                                    \
            printf("FAIL %s %s:%d: %s is \"%s\", not \"%s\"\n", check_name, __FILE__, __LINE__, #left,                \
                   check_left == NULL ? "(null)" : check_left, check_right == NULL ? "(null)" : check_right);         \
        }                                                                                                             \
    } while (0)

/* One named test is what lies between these two. */
static inline void check_begin(const char *name)
{
    check_name = name;
    check_failures_here = 0;
}

static inline void check_end(void)
{
    if (check_failures_here == 0) printf("PASS %s\n", check_name);
    check_failures += check_failures_here;
    fflush(stdout);
}

/* RUN(test_function): one named test, a void function of no arguments. */
#define RUN(test)                                                                                                     \
    do {                                                                                                              \
        check_begin(#test);                                                                                           \
        test();                                                                                                       \
        check_end();                                                                                                  \
    } while (0)

static inline int check_done(void)
{
    return check_failures == 0 ? 0 : 1;
}

static inline void check_skip(const char *reason)
{
    printf("SKIP %s\n", reason);
    exit(77);
}

/* For tests of the built libraries: scripts/test-native.mjs says where they are. */
static inline void check_needs_build(void)
{
    if (getenv("BUILD_DIR") == NULL) check_skip("BUILD_DIR is not set");
}

#endif
