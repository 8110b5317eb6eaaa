/* What an open of a device costs: door_opens PATH ROUNDS. One JSON line: median, quarters of ns for open and close, and
 * how the first open ended. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS_MAX 100000

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

int main(int argc, char **argv)
{
    static double each[ROUNDS_MAX];
    int rounds = argc == 3 ? atoi(argv[2]) : 0;
    if (rounds < 4 || rounds > ROUNDS_MAX) return 2;
    int first = open(argv[1], O_RDWR | O_CLOEXEC), error = first < 0 ? errno : 0;
    if (first >= 0) close(first);
    for (int i = 0; i < rounds; i++) {
        double began = now_ns();
        int fd = open(argv[1], O_RDWR | O_CLOEXEC);
        if (fd >= 0) close(fd);
        each[i] = now_ns() - began;
    }
    qsort(each, (size_t)rounds, sizeof each[0], ascending);
    printf("{\"id\": \"opens\", \"path\": \"%s\", \"errno\": %d, \"ns\": %.0f, \"p25\": %.0f, \"p75\": %.0f}\n",
           argv[1], error, each[rounds / 2], each[rounds / 4], each[rounds * 3 / 4]);
    return 0;
}
