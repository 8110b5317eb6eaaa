/* What NVML itself costs: resident memory before and after nvmlInit, and the time of each call an agent would make.
 * One JSON line per figure. Exit 77 where there is no driver. */
#include "nvml_min.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SKIPPED 77

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static long status_kib(const char *field)
{
    char line[256];
    long kib = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, field, strlen(field)) == 0) sscanf(line + strlen(field) + 1, "%ld", &kib);
    if (file) fclose(file);
    return kib;
}

#define TIME(label, count, call)                                                                                      \
    do {                                                                                                              \
        double best = 1e12;                                                                                           \
        for (int i = 0; i < (count); i++) {                                                                           \
            double start = now_us();                                                                                  \
            (void)(call);                                                                                             \
            double took = now_us() - start;                                                                           \
            if (took < best) best = took;                                                                             \
        }                                                                                                             \
        printf("{\"id\":\"nvml-call\",\"call\":\"%s\",\"bestUs\":%.1f}\n", label, best);                              \
    } while (0)

#define RESOLVE(name, arguments)                                                                                      \
    __attribute__((unused)) nvmlReturn_t(*name) arguments = (nvmlReturn_t(*) arguments)dlsym(nvml, #name);

int main(void)
{
    long before = status_kib("VmRSS");
    void *nvml = dlopen("libnvidia-ml.so.1", RTLD_NOW);
    if (!nvml) {
        printf("skipped: %s\n", dlerror());
        return SKIPPED;
    }
    NVML_FUNCTIONS(RESOLVE)
    nvmlDevice_t device;
    double start = now_us();
    if (!nvmlInit_v2 || nvmlInit_v2() != NVML_SUCCESS || nvmlDeviceGetHandleByIndex_v2(0, &device) != NVML_SUCCESS) {
        printf("skipped: NVML does not start\n");
        return SKIPPED;
    }
    printf("{\"id\":\"nvml-init\",\"ms\":%.1f,\"rssBeforeKib\":%ld,\"rssAfterKib\":%ld,\"anonAfterKib\":%ld}\n",
           (now_us() - start) / 1e3, before, status_kib("VmRSS"), status_kib("RssAnon"));
    nvmlMemory_t memory;
    nvmlUtilization_t rates;
    unsigned value, count;
    unsigned long long errors;
    static nvmlProcessInfo_t processes[256];
    static nvmlProcessUtilizationSample_t samples[256];
    TIME("MemoryInfo", 50, nvmlDeviceGetMemoryInfo(device, &memory));
    TIME("UtilizationRates", 50, nvmlDeviceGetUtilizationRates(device, &rates));
    TIME("Temperature", 50, nvmlDeviceGetTemperature(device, NVML_TEMPERATURE_GPU, &value));
    TIME("PowerUsage", 50, nvmlDeviceGetPowerUsage(device, &value));
    TIME("ClockInfo", 50, nvmlDeviceGetClockInfo(device, NVML_CLOCK_SM, &value));
    TIME("TotalEccErrors", 20, nvmlDeviceGetTotalEccErrors(device, 1, 0, &errors));
    TIME("ComputeRunningProcesses", 50,
         (count = 256, nvmlDeviceGetComputeRunningProcesses_v3(device, &count, processes)));
    TIME("ProcessUtilization", 20, (count = 256, nvmlDeviceGetProcessUtilization(device, samples, &count, 0)));
    nvmlEventSet_t events;
    nvmlEventData_t event;
    if (nvmlEventSetCreate && nvmlEventSetWait_v2 && nvmlEventSetCreate(&events) == NVML_SUCCESS) {
        printf("{\"id\":\"nvml-events\",\"registered\":%d}\n",
               (int)nvmlDeviceRegisterEvents(device, nvmlEventTypeXidCriticalError, events));
        TIME("EventSetWait", 50, nvmlEventSetWait_v2(events, &event, 0));
        nvmlEventSetFree(events);
    }
    nvmlShutdown();
    printf("{\"id\":\"nvml-shutdown\",\"rssKib\":%ld}\n", status_kib("VmRSS"));
    return 0;
}
