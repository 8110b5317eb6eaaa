/* From a policy write to the moment a tenant has acted on it: announces new epochs and watches the tenants' seen_epoch.
 * usage: policy_latency POLICY USAGE ROUNDS GAP_US; prints one latency in nanoseconds a line. The agent must be stopped
 * or idle: this program plays its part. */
#include "region_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROUND_TIMEOUT_NS 5000000000ull
#define LOOK_INTERVAL_NS 20000

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct region_entry *live_entry(struct region_usage *usage)
{
    for (uint32_t i = 0; i < REGION_USAGE_ENTRIES; i++) {
        uint64_t token = atomic_load(&usage->entries[i].token);
        if (token != 0 && (token & REGION_CLAIMING) == 0) return &usage->entries[i];
    }
    return NULL;
}

int main(int argc, char **argv)
{
    struct region_policy *policy;
    struct region_usage *usage;
    if (argc != 5 || region_policy_map_rw(argv[1], &policy) != 0 || region_usage_map(argv[2], &usage, NULL) != 0) {
        fprintf(stderr, "usage: policy_latency POLICY USAGE ROUNDS GAP_US\n");
        return 2;
    }
    struct region_entry *entry = live_entry(usage);
    if (entry == NULL) {
        fprintf(stderr, "no tenant is in this slice\n");
        return 1;
    }
    for (long round = 0; round < atol(argv[3]); round++) {
        uint64_t start = now_ns();
        region_policy_announce(policy);
        uint32_t wanted = atomic_load(&policy->epoch);
        while ((uint32_t)atomic_load(&entry->seen_epoch) != wanted) {
            if (now_ns() - start > ROUND_TIMEOUT_NS) {
                fprintf(stderr, "the tenant did not act on epoch %u within 5 s\n", wanted);
                return 1;
            }
            /* Looking without a pause would keep the tenant from the core that it is to be woken on. */
            nanosleep(&(struct timespec){0, LOOK_INTERVAL_NS}, NULL);
        }
        printf("%llu\n", (unsigned long long)(now_ns() - start));
        usleep((useconds_t)atol(argv[4]));
    }
    return 0;
}
