/* `tranche metrics`: what the agent knows, in Prometheus's text format, for the textfile collector of node_exporter
 * (or whoever reads files): no port is opened. What is unknown is left out. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/complain.h"
#include "base/version.h"
#include "cli/commands.h"
#include "fs.h"
#include "json.h"
#include "launch/client.h"
#include "launch/fetch.h"

#define ELEMENT_MAX 4096
#define OUTPUT_MAX_BYTES (4u << 20)

struct output {
    struct json_writer w; /* a buffer with a bound; nothing of JSON */
    const struct fetched *fetched;
    struct json_span sample;
};

static void say(struct output *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct output *o, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n > 0) json_raw(&o->w, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

/* A label's value: backslash, quote and line feed are escaped; the rest was made safe when it came. */
static const char *label(char out[512], const char *text)
{
    size_t n = 0;
    for (; *text && n + 3 < 512; text++) {
        if (*text == '\\' || *text == '"' || *text == '\n') out[n++] = '\\';
        out[n++] = *text == '\n' ? 'n' : *text;
    }
    out[n] = '\0';
    return out;
}

static void begin(struct output *o, const char *name, const char *type, const char *help)
{
    say(o, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_gpu_labels(struct output *o, const char *uuid)
{
    char a[512], b[512];
    for (size_t i = 0; i < o->fetched->gpu_count; i++) {
        const struct fetched_gpu *gpu = &o->fetched->gpus[i];
        if (strcmp(gpu->uuid, uuid) != 0) continue;
        say(o, "gpu=\"%lld\",uuid=\"%s\",model=\"%s\"", (long long)gpu->index, label(a, gpu->uuid),
            label(b, gpu->name));
        return;
    }
    say(o, "uuid=\"%s\"", label(a, uuid));
}

static bool put_slice_labels(struct output *o, const char *id)
{
    char a[512], b[512];
    for (size_t i = 0; i < o->fetched->slice_count; i++) {
        const struct fetched_slice *s = &o->fetched->slices[i];
        if (strcmp(s->id, id) != 0) continue;
        say(o, "slice=\"%s\",owner=\"%s\",", label(a, s->name), label(b, s->owner));
        put_gpu_labels(o, s->gpu_uuid);
        return true;
    }
    return false;
}

static const struct metric {
    const char *list, *key, *name, *type, *help;
    double scale;
} measured[] = {
    {"gpus", "memoryUsedBytes", "tranche_gpu_memory_used_bytes", "gauge", "Memory in use on the GPU.", 1},
    {"gpus", "unmanagedBytes", "tranche_gpu_unmanaged_bytes", "gauge",
     "Memory held by processes outside every slice, and by the driver.", 1},
    {"gpus", "utilizationPercent", "tranche_gpu_utilization_ratio", "gauge", "Part of the time that the GPU was busy.",
     0.01},
    {"gpus", "temperatureC", "tranche_gpu_temperature_celsius", "gauge", "Temperature of the GPU.", 1},
    {"gpus", "powerMilliwatts", "tranche_gpu_power_watts", "gauge", "Power that the GPU draws.", 0.001},
    {"gpus", "smClockMhz", "tranche_gpu_sm_clock_hertz", "gauge", "Clock of the multiprocessors.", 1e6},
    {"gpus", "eccErrors", "tranche_gpu_ecc_errors", "gauge",
     "Memory errors that could not be corrected, since the driver was loaded.", 1},
    {"slices", "memoryUsedBytes", "tranche_slice_memory_used_bytes", "gauge", "Memory in use in the slice.", 1},
    {"slices", "computeUsedTenths", "tranche_slice_compute_used_ratio", "gauge",
     "GPU time used, as a part of the GPU.", 0.001},
    {"slices", "throttledTenths", "tranche_slice_throttled_ratio", "gauge",
     "Part of the time that launches were held back.", 0.001},
    {"slices", "deniedAllocations", "tranche_slice_denied_allocations_total", "counter",
     "Allocations that were refused at the limit.", 1},
    {"slices", "processCount", "tranche_slice_processes", "gauge", "Processes in the slice.", 1},
};

/* Whole numbers whole: bytes are exact up to 2^53. */
static void put_value(struct output *o, double value)
{
    if (value == (double)(long long)value)
        say(o, "} %lld\n", (long long)value);
    else
        say(o, "} %.6g\n", value);
}

static void put_measured(struct output *o, const struct metric *metric)
{
    static char buf[ELEMENT_MAX];
    static struct json_object object;
    struct json_span list, at = {NULL, NULL}, element;
    bool of_gpu = strcmp(metric->list, "gpus") == 0;
    begin(o, metric->name, metric->type, metric->help);
    if (json_member(o->sample, metric->list, &list) != 0) return;
    while (json_next(list, &at, &element) == 1) {
        const char *id = "";
        int64_t value;
        if (element_parse(element, buf, sizeof buf, &object) != 0 ||
            json_get_text(&object, of_gpu ? "uuid" : "id", &id) != 1 ||
            json_get_integer(&object, metric->key, -JSON_INTEGER_MAX, JSON_INTEGER_MAX, &value) != 1)
            continue;
        struct json_mark mark = json_mark(&o->w);
        say(o, "%s{", metric->name);
        if (of_gpu) {
            put_gpu_labels(o, id);
        } else if (!put_slice_labels(o, id)) {
            json_rewind(&o->w, mark); /* it was made since the state came */
            continue;
        }
        put_value(o, (double)value * metric->scale);
    }
}

static void put_promised(struct output *o)
{
    const struct fetched *f = o->fetched;
    begin(o, "tranche_gpu_memory_capacity_bytes", "gauge", "Memory that the GPU has.");
    for (size_t i = 0; i < f->gpu_count; i++) {
        say(o, "tranche_gpu_memory_capacity_bytes{");
        put_gpu_labels(o, f->gpus[i].uuid);
        put_value(o, (double)f->gpus[i].capacity_bytes);
    }
    static const struct {
        const char *name, *help;
    } limits[] = {
        {"tranche_slice_memory_limit_bytes", "Most memory that the slice may use."},
        {"tranche_slice_compute_limit_ratio", "Most GPU time that the slice may use, as a part of the GPU."},
        {"tranche_slice_compute_guarantee_ratio", "GPU time that the slice is owed, as a part of the GPU."},
    };
    for (size_t k = 0; k < sizeof limits / sizeof limits[0]; k++) {
        begin(o, limits[k].name, "gauge", limits[k].help);
        for (size_t i = 0; i < f->slice_count; i++) {
            const struct fetched_slice *s = &f->slices[i];
            int64_t memory = s->pending_bytes >= 0 ? s->pending_bytes : s->memory_limit_bytes;
            say(o, "%s{", limits[k].name);
            put_slice_labels(o, s->id);
            put_value(o, k == 0   ? (double)memory
                         : k == 1 ? (double)s->compute_limit_percent / 100
                                  : (double)s->compute_guarantee_percent / 100);
        }
    }
}

static int write_out(const struct output *o, const char *path)
{
    char folder[FS_PATH_BYTES];
    if (!path) return fwrite(o->w.data, 1, o->w.len, stdout) == o->w.len && fflush(stdout) == 0 ? 0 : EXIT_OWN_FAILURE;
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;
    if (n >= sizeof folder) return complain("the path of the file is too long");
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)n : 1, slash ? path : ".");
    /* A collector must never read half of it. */
    int error =
        fs_write_atomic(n == 0 && slash ? "/" : folder, slash ? slash + 1 : path, o->w.data, o->w.len, 0644, false);
    return error == 0 ? 0 : complain("%s could not be written: %s", path, strerror(error));
}

int command_metrics(int argc, char **argv)
{
    struct client client;
    struct fetched fetched;
    char why[2048], *line, version[512];
    size_t len;
    const char *path = argc == 3 && strcmp(argv[1], "--output") == 0 ? argv[2] : NULL;
    if (argc != 1 && !path) return complain("metrics takes --output FILE only");
    if (fetch_open(&client, &fetched) != 0) return EXIT_OWN_FAILURE;
    int result = 0;
    if (client_event(&client, "sample", &line, &len, why, sizeof why) != 0) {
        result = complain("%s", why);
    } else {
        struct output o = {.fetched = &fetched, .sample = {line, line + len}};
        json_writer_init(&o.w, OUTPUT_MAX_BYTES);
        begin(&o, "tranche_info", "gauge", "This command's version, and whether the GPUs are simulated.");
        say(&o, "tranche_info{version=\"%s\",simulated=\"%s\"} 1\n", label(version, TRANCHE_VERSION),
            fetched.simulated ? "true" : "false");
        put_promised(&o);
        for (size_t i = 0; i < sizeof measured / sizeof measured[0]; i++) put_measured(&o, &measured[i]);
        result = o.w.failed ? complain("there is more to say than fits into %u bytes", OUTPUT_MAX_BYTES)
                            : write_out(&o, path);
        json_writer_free(&o.w);
    }
    fetched_free(&fetched);
    client_close(&client);
    return result;
}
