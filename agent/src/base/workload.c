#include "base/workload.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 63
#define ID_MIN_DIGITS 32 /* engines make 64; some 32 */
#define ID_MAX_DIGITS 64
#define ID_SHOWN 12 /* as `docker ps` shows them */
#define POD_SHOWN 8

/* One component of a path. */
struct part {
    const char *at;
    size_t len;
};

static bool starts(struct part p, const char *prefix)
{
    size_t n = strlen(prefix);
    return p.len >= n && memcmp(p.at, prefix, n) == 0;
}

static bool ends(struct part p, const char *suffix)
{
    size_t n = strlen(suffix);
    return p.len >= n && memcmp(p.at + p.len - n, suffix, n) == 0;
}

static bool is(struct part p, const char *text)
{
    return p.len == strlen(text) && starts(p, text);
}

static struct part after(struct part p, const char *prefix)
{
    size_t n = strlen(prefix);
    return (struct part){p.at + n, p.len - n};
}

static struct part without(struct part p, const char *suffix)
{
    return ends(p, suffix) ? (struct part){p.at, p.len - strlen(suffix)} : p;
}

static bool is_id(struct part p)
{
    if (p.len < ID_MIN_DIGITS || p.len > ID_MAX_DIGITS) return false;
    for (size_t i = 0; i < p.len; i++)
        if (!isxdigit((unsigned char)p.at[i])) return false;
    return true;
}

static bool is_name(struct part p)
{
    if (p.len == 0 || p.len > NAME_MAX_BYTES) return false;
    for (size_t i = 0; i < p.len; i++)
        if (!isalnum((unsigned char)p.at[i]) && !strchr("._@:-", p.at[i])) return false;
    return true;
}

static bool is_number(struct part p)
{
    if (p.len == 0 || p.len > 18) return false;
    for (size_t i = 0; i < p.len; i++)
        if (!isdigit((unsigned char)p.at[i])) return false;
    return true;
}

/* Beginnings of names that systemd and engines give to the group of one container, followed by its id. */
static const struct {
    const char *prefix, *engine;
} engines[] = {
    {"docker-", "docker"}, {"libpod-", "podman"},   {"libpod-payload-", "podman"}, {"cri-containerd-", "containerd"},
    {"crio-", "cri-o"},    {"nerdctl-", "nerdctl"},
};

struct walk {
    struct workload *out;
    struct part before; /* the component above */
    char pod[POD_SHOWN + 1];
    bool in_slurm, managed; /* below something of Slurm's; below a slice of systemd's for services */
};

static void set_container(struct walk *w, const char *engine, struct part id)
{
    if (w->pod[0])
        snprintf(w->out->container, WORKLOAD_BYTES, "kubernetes pod %s, %s %.*s", w->pod, engine, ID_SHOWN, id.at);
    else
        snprintf(w->out->container, WORKLOAD_BYTES, "%s %.*s", engine, ID_SHOWN, id.at);
}

/* "pod" and a UUID, its dashes written as underscores where systemd made the name; or a hash. */
static void take_pod(struct walk *w, struct part p)
{
    struct part name = without(p, ".slice");
    const char *at = starts(name, "kubepods") ? memmem(name.at, name.len, "-pod", 4) : NULL;
    struct part uid = at ? (struct part){at + 4, name.len - (size_t)(at + 4 - name.at)} : name;
    if (!at && !starts(name, "pod")) return;
    if (!at) uid = after(name, "pod");
    if (uid.len < POD_SHOWN) return;
    for (size_t i = 0; i < POD_SHOWN; i++)
        if (!isxdigit((unsigned char)uid.at[i])) return;
    snprintf(w->pod, sizeof w->pod, "%.*s", POD_SHOWN, uid.at);
}

static bool take_container(struct walk *w, struct part p)
{
    struct part scope = without(p, ".scope");
    for (size_t i = 0; i < sizeof engines / sizeof engines[0]; i++) {
        if (!starts(scope, engines[i].prefix) || !is_id(after(scope, engines[i].prefix))) continue;
        set_container(w, engines[i].engine, after(scope, engines[i].prefix));
        return true;
    }
    if (is_id(p) && p.len == ID_MAX_DIGITS) {
        set_container(w, is(w->before, "docker") ? "docker" : "container", p);
        return true;
    }
    struct part name = {NULL, 0};
    const char *kind = "lxc";
    if (starts(p, "lxc.payload.")) name = after(p, "lxc.payload.");
    if (is(w->before, "lxc") || is(w->before, "lxc.payload")) name = p;
    if (is(w->before, "machine.slice") && starts(p, "machine-") && ends(p, ".scope")) {
        name = after(scope, "machine-");
        kind = "nspawn";
    }
    if (starts(p, "systemd-nspawn@") && ends(p, ".service")) {
        name = after(without(p, ".service"), "systemd-nspawn@");
        kind = "nspawn";
    }
    if (name.at && is_name(name)) {
        snprintf(w->out->container, WORKLOAD_BYTES, "%s %.*s", kind, (int)name.len, name.at);
        return true;
    }
    bool apptainer = starts(scope, "apptainer-") && is_number(after(scope, "apptainer-"));
    bool singularity = starts(scope, "singularity-") && is_number(after(scope, "singularity-"));
    if (!apptainer && !singularity) return false;
    snprintf(w->out->container, WORKLOAD_BYTES, "%s", apptainer ? "apptainer" : "singularity");
    return true;
}

/* Scopes that say no more than how somebody logged in or started a window. */
static bool is_everyday(struct part p)
{
    static const char *const words[] = {"session-", "init.scope",  "run-", "app-",    "vte-spawn-", "tmux-spawn-",
                                        "user@",    "ssh.service", "sshd", "libpod-", "crio-"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (starts(p, words[i])) return true;
    return false;
}

static void take_unit(struct walk *w, struct part p)
{
    if (w->in_slurm && starts(p, "job_") && is_number(after(p, "job_"))) {
        snprintf(w->out->unit, WORKLOAD_BYTES, "Slurm job %.*s", (int)(p.len - 4), p.at + 4);
        return;
    }
    w->in_slurm |= starts(p, "slurm") || ends(p, "slurmstepd.scope");
    bool unit = ends(p, ".service") || ends(p, ".scope");
    if (!unit || w->in_slurm || !w->managed || is_everyday(p) || !is_name(p)) return;
    snprintf(w->out->unit, WORKLOAD_BYTES, "%.*s", (int)p.len, p.at);
}

static void take_path(const char *path, size_t len, struct workload *out)
{
    struct walk w = {.out = out, .before = {"", 0}};
    for (size_t at = 0; at < len;) {
        const char *slash = memchr(path + at, '/', len - at);
        struct part p = {path + at, slash ? (size_t)(slash - (path + at)) : len - at};
        at += p.len + 1;
        if (p.len == 0) continue;
        take_pod(&w, p);
        /* Inside a container it is the container that counts, not what started it. */
        if (take_container(&w, p)) {
            if (strncmp(out->unit, "Slurm", 5) != 0) out->unit[0] = '\0';
        } else if (!out->container[0]) {
            take_unit(&w, p);
        }
        w.managed |= is(p, "system.slice") || is(p, "app.slice") || is(p, "user.slice");
        w.before = p;
    }
}

void workload_of_cgroup(const char *text, size_t len, struct workload *out)
{
    out->container[0] = out->unit[0] = '\0';
    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t n = end ? (size_t)(end - (text + at)) : len - at;
        const char *first = memchr(text + at, ':', n);
        const char *second = first ? memchr(first + 1, ':', n - (size_t)(first + 1 - (text + at))) : NULL;
        struct workload one = {.container = "", .unit = ""};
        if (second) take_path(second + 1, n - (size_t)(second + 1 - (text + at)), &one);
        /* Of v1 each controller has a line; a container or a job on any of them is one. */
        if (!out->container[0]) memcpy(out->container, one.container, sizeof one.container);
        if (!out->unit[0] || (strncmp(one.unit, "Slurm", 5) == 0 && strncmp(out->unit, "Slurm", 5) != 0))
            memcpy(out->unit, one.unit, sizeof one.unit);
        at += n + 1;
    }
    if (out->container[0] && strncmp(out->unit, "Slurm", 5) != 0) out->unit[0] = '\0';
}

bool workload_in_group(const char *text, size_t len, const char *group)
{
    size_t n = strlen(group);
    for (size_t at = 0; at < len;) {
        const char *end = memchr(text + at, '\n', len - at);
        size_t line = end ? (size_t)(end - (text + at)) : len - at;
        const char *path = memchr(text + at, ':', line);
        path = path ? memchr(path + 1, ':', (size_t)(text + at + line - path - 1)) : NULL;
        struct part p = {path ? path + 1 : "", path ? (size_t)(text + at + line - path - 1) : 0};
        if (starts(p, group) && (p.len == n || p.at[n] == '/')) return true;
        at += line + 1;
    }
    return false;
}
