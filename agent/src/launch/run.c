/* `tranche run` and `tranche env`: put a program into slices. Needs the agent to look names up; when it cannot be
 * had, the policy files that it left are enough, because the shim needs nothing else. */

#include "launch/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/complain.h"
#include "base/now.h"
#include "base/ours.h"
#include "base/people.h"
#include "base/places.h"
#include "env.h"
#include "fs.h"
#include "launch/client.h"
#include "launch/fetch.h"
#include "launch/nvidia/cuda_launch.h"
#include "launch/nvidia/gated.h"
#include "launch/scope.h"
#include "launch/variables.h"
#include "region.h"
#include "region_file.h"
#include "state/slice.h"
#include "text.h"

#define SLICES_PER_PROGRAM 16
#define PRELOAD_BYTES (4 * FS_PATH_BYTES)

#define GROUP_TEXT_BYTES 64
#define ASAN_BYTES 4096

enum gate_wish { GATE_AS_SET, GATE_MUST, GATE_NOT };

struct plan {
    const char *names[SLICES_PER_PROGRAM];
    size_t name_count;
    char slices[SLICES_PER_PROGRAM * REGION_ID_BYTES];
    char gpus[SLICES_PER_PROGRAM * REGION_UUID_BYTES];
    char runtime_dir[FS_PATH_BYTES];
    bool agent_is_there;
    bool has_scopes;
    enum gate_wish gate_wish;
    bool is_shell;       /* of a terminal */
    uint32_t gate_flags; /* of enum region_policy_flag: those that all of its slices have */
    bool is_gated;       /* it is started behind the gate */
    int late_fd;         /* what a shell starts comes behind it by itself, by this socket; -1: it does not */
    char late_name[GATED_NAME_BYTES];
    bool is_inside; /* the gate that this process is in is the slice's own */
    bool is_simulated;
    bool by_index; /* GPUs are named by the host's numbers, for programs that want one */
    char indices[SLICES_PER_PROGRAM * 24];
    char preload[PRELOAD_BYTES];
    struct cuda_launch cuda;
    char asan[ASAN_BYTES]; /* "" = left as it is */
    char group[GROUP_TEXT_BYTES];
};

static bool take_run_option(struct plan *plan, const char *option)
{
    if (strcmp(option, "--gate") == 0)
        plan->gate_wish = GATE_MUST;
    else if (strcmp(option, "--no-gate") == 0)
        plan->gate_wish = GATE_NOT;
    else if (strcmp(option, "--shell") == 0) /* for terminals, not in the usage */
        plan->is_shell = true;
    else
        return false;
    return true;
}

static int take_options(struct plan *plan, const char *command, int argc, char **argv, int *rest)
{
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        const char *name = NULL;
        if (strcmp(argv[i], "--") == 0) {
            i++;
            break;
        }
        if (strcmp(argv[i], "--visible") == 0 && i + 1 < argc) {
            const char *kind = argv[++i];
            plan->by_index = strcmp(kind, "index") == 0;
            if (!plan->by_index && strcmp(kind, "uuid") != 0)
                return complain("--visible takes index or uuid, not “%s”", kind);
            continue;
        }
        if (strcmp(command, "run") == 0 && take_run_option(plan, argv[i])) continue;
        if (strncmp(argv[i], "--slice=", 8) == 0)
            name = argv[i] + 8;
        else if (strcmp(argv[i], "--slice") == 0 && i + 1 < argc)
            name = argv[++i];
        else
            return complain("%s does not know “%s”; it takes --slice NAME and --visible index|uuid%s", command,
                            argv[i], strcmp(command, "run") == 0 ? ", and --gate or --no-gate" : "");
        if (plan->name_count == SLICES_PER_PROGRAM)
            return complain("a program can be in at most %d slices", SLICES_PER_PROGRAM);
        plan->names[plan->name_count++] = name;
    }
    *rest = i;
    if (plan->name_count == 0)
        return complain("say which slice: tranche %s --slice NAME; tranche ls lists them", command);
    return 0;
}

static int check_slice(const struct fetched *fetched, const struct fetched_slice *s, const char *name)
{
    int64_t now_ms = now_wall_ms();
    if (!s) return complain("there is no slice “%s” on this host; `tranche ls` lists them", name);
    if (s->owner_uid != (int64_t)getuid() && !fetched->is_operator) {
        char owner[OWNER_BYTES];
        const char *known = people_name_of((uid_t)s->owner_uid);
        text_copy(owner, sizeof owner, s->owner[0] ? s->owner : known ? known : "somebody else");
        return complain("slice %s belongs to %s, not to you; ask %s for a slice", s->name, owner,
                        fetched->manager[0] ? fetched->manager : "who manages this host");
    }
    if (s->suspended[0]) return complain("slice %s is suspended: %s", s->name, s->suspended);
    if (s->starts_at_ms != NO_TIME && now_ms < s->starts_at_ms) {
        return complain("slice %s is not open yet; it starts in %lld min", s->name,
                        (long long)((s->starts_at_ms - now_ms) / 60000 + 1));
    }
    if ((s->expires_at_ms != NO_TIME && now_ms >= s->expires_at_ms) || s->closed) {
        return complain("slice %s has expired; ask %s to extend it", s->name,
                        fetched->manager[0] ? fetched->manager : "who manages this host");
    }
    return 0;
}

static int add_slice(struct plan *plan, const struct fetched_slice *s)
{
    if (strstr(plan->gpus, s->gpu_uuid)) return complain("slice %s is on the same GPU as another one given", s->name);
    size_t n = strlen(plan->slices), m = strlen(plan->gpus);
    snprintf(plan->slices + n, sizeof plan->slices - n, "%s%s", n ? "," : "", s->id);
    snprintf(plan->gpus + m, sizeof plan->gpus - m, "%s%s", m ? "," : "", s->gpu_uuid);
    return 0;
}

static int find_preload(struct plan *plan)
{
    char exe[FS_PATH_BYTES], shim[FS_PATH_BYTES];
    if (places_own_exe(exe) != 0 || places_shim_for(exe, shim) != 0)
        return complain("libtranche.so is not beside %s, so nothing could be limited; deploy Tranche again", exe);
    if (strpbrk(shim, " :")) {
        return complain("the path %s has a space or a colon in it, which LD_PRELOAD cannot hold; deploy elsewhere",
                        shim);
    }
    char why[OURS_WHY_BYTES];
    if (ours_check_loaded(shim, getuid(), why) != 0) {
        return complain("%s is not loaded into anything: %s, and whoever that is could put another library there. "
                        "Nothing was started; deploy Tranche to a folder of your own",
                        shim, why[0] ? why : strerror(errno));
    }
    const char *before = getenv(ENV_PRELOAD);
    bool empty = !before || !before[0];
    /* A `run` inside a `run`: the library must not be listed twice. */
    bool there = !empty && strncmp(before, shim, strlen(shim)) == 0;
    int n = there   ? snprintf(plan->preload, sizeof plan->preload, "%s", before)
            : empty ? snprintf(plan->preload, sizeof plan->preload, "%s", shim)
                    : snprintf(plan->preload, sizeof plan->preload, "%s:%s", shim, before);
    return n < (int)sizeof plan->preload ? 0 : complain("LD_PRELOAD is too long to add to");
}

/* AddressSanitizer's runtime refuses to start behind another preloaded library, which does it no harm. */
static int allow_asan(char *out, size_t cap)
{
    static const char option[] = "verify_asan_link_order";
    const char *before = getenv(ENV_ASAN);
    if (before && strstr(before, option)) return -1; /* its user has decided */
    int n = snprintf(out, cap, "%s%s%s=0", before ? before : "", before && before[0] ? ":" : "", option);
    return n < (int)cap ? 0 : -1;
}

static int add_index(struct plan *plan, const struct fetched *fetched, const struct fetched_slice *s)
{
    size_t n = strlen(plan->indices);
    for (size_t i = 0; i < fetched->gpu_count; i++) {
        if (strcmp(fetched->gpus[i].uuid, s->gpu_uuid) != 0 || fetched->gpus[i].index < 0) continue;
        snprintf(plan->indices + n, sizeof plan->indices - n, "%s%lld", n ? "," : "",
                 (long long)fetched->gpus[i].index);
        return 0;
    }
    return complain(
        "the number of the GPU of slice %s is not known, so --visible index cannot be had: no agent answers", s->name);
}

static void join(struct plan *plan, const struct fetched *fetched, const struct fetched_slice *s)
{
    if (plan->name_count != 1) return; /* on several GPUs programs take turns */
    for (size_t i = 0; i < fetched->gpu_count; i++)
        if (strcmp(fetched->gpus[i].uuid, s->gpu_uuid) == 0) cuda_launch_join(&plan->cuda, &fetched->gpus[i], s);
}

/* How long files that were removed are waited for: the agent makes them again about once a second. */
#define FILES_WAIT_MS 3000
#define FILES_STEP_MS 50

/* What is not right with the files that the program would be limited by: 0, or an errno value, and which. */
static int try_files(const char *runtime, const char *id, size_t id_len, char path[FS_PATH_BYTES], uint32_t *flags_out)
{
    const struct region_policy *policy;
    struct region_line *line;
    int fd;
    int n = snprintf(path, FS_PATH_BYTES, "%s/policy/%.*s", runtime, (int)id_len, id);
    if (n >= FS_PATH_BYTES) return ENAMETOOLONG;
    int error = region_policy_map_ro(path, &policy);
    if (error != 0) return -error;
    uint64_t tag = atomic_load(&((struct region_policy *)(uintptr_t)policy)->tag);
    *flags_out = atomic_load(&((struct region_policy *)(uintptr_t)policy)->flags);
    char gpu_uuid[REGION_UUID_BYTES];
    text_copy(gpu_uuid, sizeof gpu_uuid, policy->gpu_uuid);
    region_policy_unmap(policy);
    n = snprintf(path, FS_PATH_BYTES, "%s/usage/%.*s", runtime, (int)id_len, id);
    if (n >= FS_PATH_BYTES) return ENAMETOOLONG;
    error = region_usage_open(path, &fd);
    if (error != 0) return -error;
    close(fd);
    error = region_line_path(path, FS_PATH_BYTES, runtime, gpu_uuid, tag);
    if (error == 0) error = region_line_map(path, &line);
    if (error == 0) region_line_unmap(line);
    return -error;
}

/* A limit is promised only if the program will find it: otherwise it would be refused all memory, and not know why. */
static int check_files(struct plan *plan)
{
    char path[FS_PATH_BYTES];
    int error = 0;
    uint32_t flags = 0;
    plan->gate_flags = UINT32_MAX;
    for (const char *id = plan->slices; *id && error == 0; id += strcspn(id, ",") + (id[strcspn(id, ",")] == ',')) {
        for (int waited_ms = 0;; waited_ms += FILES_STEP_MS) {
            error = try_files(plan->runtime_dir, id, strcspn(id, ","), path, &flags);
            if (error == 0 || error == EACCES || error == EPERM || !plan->agent_is_there || waited_ms > FILES_WAIT_MS)
                break;
            nanosleep(&(struct timespec){0, FILES_STEP_MS * 1000000L}, NULL);
        }
        plan->gate_flags &= error == 0 ? flags : 0;
    }
    if (error == 0) return 0;
    return complain("%s cannot be used (%s), so the program would not be limited and was not started. %s", path,
                    error == EPROTO ? "it is not the file of such a slice, or of another version" : strerror(error),
                    error == EACCES || error == EPERM ? "Ask the slice's owner, or who manages this host, for access."
                    : plan->agent_is_there            ? "`tranche doctor` says more."
                                                      : "Start the agent: `tranche agent`.");
}

static int make_plan(struct plan *plan)
{
    struct client client;
    struct fetched fetched;
    char why[2048] = "", files_why[1200] = "";
    if (find_preload(plan) != 0) return EXIT_OWN_FAILURE;
    bool asked = client_open(&client, true, why, sizeof why) == 0;
    bool got = asked && fetch_all(&client, &fetched, why, sizeof why) == 0;
    if (asked && !got) fetched_free(&fetched);
    if (asked) client_close(&client);
    if (!got && fetch_from_files(&fetched, files_why, sizeof files_why) != 0)
        return complain("%s Slices cannot be looked up without it (%s).", why, files_why);
    if (!got) fprintf(stderr, "tranche: %s The limits recorded last are used.\n", why);
    int result = 0;
    for (size_t i = 0; i < plan->name_count && result == 0; i++) {
        const struct fetched_slice *s = fetched_find(&fetched, plan->names[i]);
        result = check_slice(&fetched, s, plan->names[i]);
        if (result == 0) result = add_slice(plan, s);
        if (result == 0 && plan->by_index) result = add_index(plan, &fetched, s);
        if (result == 0) join(plan, &fetched, s);
    }
    text_copy(plan->runtime_dir, sizeof plan->runtime_dir, fetched.runtime_dir);
    plan->agent_is_there = got;
    plan->is_simulated = got && fetched.simulated;
    plan->has_scopes = got && fetched.has_scopes;
    fetched_free(&fetched);
    return result == 0 ? check_files(plan) : result;
}

/* Which processes are one program: the descendants of this one. */
static const char *new_group(char *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(out, GROUP_TEXT_BYTES, "%ld.%lld.%ld", (long)getpid(), (long long)now.tv_sec, now.tv_nsec);
    return out;
}

/* The whole of it; what it points to is the plan's. */
static void put_variables(struct plan *plan, struct variables *out)
{
    *out = (struct variables){.count = 0};
    variables_put(out, ENV_PRELOAD, plan->preload);
    variables_put(out, ENV_SLICES, plan->slices);
    variables_put(out, ENV_RUNTIME_DIR, plan->runtime_dir);
    cuda_launch_put(&plan->cuda, plan->gpus, plan->by_index ? plan->indices : NULL, out);
    if (allow_asan(plan->asan, sizeof plan->asan) == 0) variables_put(out, ENV_ASAN, plan->asan);
    variables_put(out, ENV_GROUP, new_group(plan->group));
    variables_put(out, ENV_GATED, plan->is_gated || plan->is_inside ? "1" : NULL);
    variables_put(out, ENV_GATE_SOCKET, plan->late_fd >= 0 ? plan->late_name : NULL);
}

static int cannot_run(const char *program, int error)
{
    complain("%s cannot be run: %s", program, strerror(error));
    return error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

/* Where this process is in a gate already: a second one cannot be, and the one that is there keeps one slice's limit. */
static int check_inside(struct plan *plan)
{
    const char *gated = getenv(ENV_GATED), *slices = getenv(ENV_SLICES);
    if (!gated || strcmp(gated, "1") != 0 || !slices) return 0;
    plan->is_inside = strcmp(slices, plan->slices) == 0;
    if (plan->is_inside) return 0;
    return complain("this is a program of another slice (%s), which it cannot leave: a supervisor at the kernel's "
                    "boundary counts what it takes for that one. Nothing was started; start it from a shell that is "
                    "in no slice",
                    slices);
}

/* Before anything is set: whether it goes behind the gate. A program that was to be held from outside, whatever comes, is
 * not started without. */
static int decide_gate(struct plan *plan)
{
    char why[GATED_WHY_BYTES];
    uint32_t wanted = plan->is_shell ? REGION_POLICY_GATE_SHELLS : REGION_POLICY_GATE_PROGRAMS;
    if (check_inside(plan) != 0) return EXIT_OWN_FAILURE;
    bool must = plan->gate_wish == GATE_MUST;
    bool is_set = plan->gate_wish == GATE_AS_SET && !plan->is_inside && plan->name_count == 1;
    bool is_late = is_set && plan->is_shell && (plan->gate_flags & REGION_POLICY_GATE_SHELLS) == 0 &&
                   (plan->gate_flags & REGION_POLICY_GATE_PROGRAMS) != 0;
    /* Where there can be none, programs of a terminal are held by the library, as its row says of each. */
    if (is_late && gated_is_possible(why)) plan->late_fd = gated_listen(plan->late_name);
    bool asked = must || (plan->gate_wish == GATE_AS_SET && (plan->gate_flags & wanted) != 0);
    if (!asked || plan->is_inside) return 0;
    if (plan->name_count != 1) {
        return !must ? 0
                     : complain("--gate takes one slice: which GPU a request is for is not looked at yet. Nothing was "
                                "started");
    }
    plan->is_gated = gated_is_possible(why);
    if (plan->is_gated) return 0;
    if (must) {
        return complain(
            "the gate cannot be had here: %s Nothing was started; without --gate the library keeps the limits", why);
    }
    fprintf(stderr, "tranche: not behind the gate, though slice %s asks for it: %s The library keeps the limits.\n",
            plan->names[0], why);
    return 0;
}

static int run_gated(const struct plan *plan, char **program, int told_fd)
{
    char why[GATED_WHY_BYTES] = "";
    int error = 0;
    const struct gated_way way = {.runtime_dir = plan->runtime_dir,
                                  .slice_id = plan->slices,
                                  .is_simulated = plan->is_simulated,
                                  .told_fd = told_fd,
                                  .late_fd = plan->late_fd};
    int status = gated_start(program, &way, why, &error);
    if (status >= 0) return status;
    if (error != 0) return cannot_run(program[0], error);
    return complain("the program was not started: %s", why);
}

int command_run(int argc, char **argv)
{
    return run_telling(argc, argv, -1);
}

int run_telling(int argc, char **argv, int told_fd)
{
    static struct plan plan;
    struct variables variables;
    int rest;
    plan.late_fd = -1;
    if (take_options(&plan, "run", argc, argv, &rest) != 0) return EXIT_OWN_FAILURE;
    if (rest >= argc) return complain("say what to run: tranche run --slice NAME -- COMMAND…");
    if (make_plan(&plan) != 0) return EXIT_OWN_FAILURE;
    if (decide_gate(&plan) != 0) return EXIT_OWN_FAILURE;
    if (scope_enter_first(plan.slices, plan.runtime_dir, plan.has_scopes) != 0) return EXIT_OWN_FAILURE;
    put_variables(&plan, &variables);
    int error = variables_set(&variables);
    if (error != 0) return complain("the environment could not be set: %s", strerror(error));
    if (plan.is_gated || plan.late_fd >= 0) return run_gated(&plan, argv + rest, told_fd);
    execvp(argv[rest], argv + rest);
    return cannot_run(argv[rest], errno);
}

int command_env(int argc, char **argv)
{
    static struct plan plan;
    struct variables variables;
    int rest;
    plan.late_fd = -1;
    if (take_options(&plan, "env", argc, argv, &rest) != 0) return EXIT_OWN_FAILURE;
    if (rest < argc) return complain("env takes --slice NAME only");
    if (make_plan(&plan) != 0) return EXIT_OWN_FAILURE;
    put_variables(&plan, &variables);
    variables_print(&variables);
    return fflush(stdout) == 0 ? 0 : EXIT_OWN_FAILURE;
}
