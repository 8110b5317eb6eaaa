/* Containers, jobs and services out of literal texts of /proc/PID/cgroup: both versions, every engine, and hostile names.
 * build: agent/src/base/workload.c
 * sanitize: address,undefined
 */
#include "check.h"
#include "base/workload.h"

#define ID "3f2a91c0b1de4c55a0f4d2b6e8970123456789abcdef0123456789abcdef0123"
#define POD "1f2e3d4c-5b6a-7980-91a2-b3c4d5e6f708"
#define POD_ "1f2e3d4c_5b6a_7980_91a2_b3c4d5e6f708"

static const struct {
    const char *name, *text, *container, *unit;
} cases[] = {
    {"a login shell, v2", "0::/user.slice/user-1000.slice/session-3.scope\n", "", ""},
    {"the root group", "0::/\n", "", ""},
    {"docker, v2, systemd", "0::/system.slice/docker-" ID ".scope\n", "docker 3f2a91c0b1de", ""},
    {"docker, v1, cgroupfs",
     "12:memory:/docker/" ID "\n1:name=systemd:/docker/" ID "\n0::/system.slice/docker.service\n",
     "docker 3f2a91c0b1de", ""},
    {"docker without root", "0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" ID ".scope\n",
     "docker 3f2a91c0b1de", ""},
    {"an engine that gives the id alone", "4:memory:/" ID "\n", "container 3f2a91c0b1de", ""},
    {"podman", "0::/machine.slice/libpod-" ID ".scope/container\n", "podman 3f2a91c0b1de", ""},
    {"podman without root",
     "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope/container\n",
     "podman 3f2a91c0b1de", ""},
    {"podman, payload apart", "0::/machine.slice/libpod-payload-" ID "\n", "podman 3f2a91c0b1de", ""},
    {"podman's monitor is in none", "0::/machine.slice/libpod-conmon-" ID ".scope\n", "", ""},
    {"kubernetes, systemd",
     "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" POD_ ".slice/cri-containerd-" ID
     ".scope\n",
     "kubernetes pod 1f2e3d4c, containerd 3f2a91c0b1de", ""},
    {"kubernetes, cgroupfs, v1", "5:devices:/kubepods/burstable/pod" POD "/" ID "\n",
     "kubernetes pod 1f2e3d4c, container 3f2a91c0b1de", ""},
    {"kubernetes with cri-o", "0::/kubepods.slice/kubepods-pod" POD_ ".slice/crio-" ID ".scope/container\n",
     "kubernetes pod 1f2e3d4c, cri-o 3f2a91c0b1de", ""},
    {"nerdctl", "0::/system.slice/nerdctl-" ID ".scope\n", "nerdctl 3f2a91c0b1de", ""},
    {"lxc, new", "0::/lxc.payload.web-1/user.slice/session-1.scope\n", "lxc web-1", ""},
    {"lxc, old, v1", "3:memory:/lxc/web\n", "lxc web", ""},
    {"lxc's monitor is in none", "0::/lxc.monitor.web-1\n", "", ""},
    {"systemd-nspawn", "0::/machine.slice/machine-lab.scope/payload\n", "nspawn lab", ""},
    {"systemd-nspawn, a service", "0::/machine.slice/systemd-nspawn@lab.service/payload\n", "nspawn lab", ""},
    {"apptainer", "0::/user.slice/user-1000.slice/user@1000.service/user.slice/apptainer-4711.scope\n", "apptainer",
     ""},
    {"singularity", "0::/system.slice/singularity-4711.scope\n", "singularity", ""},
    {"docker in lxc: the inner one", "0::/lxc.payload.web/docker/" ID "\n", "docker 3f2a91c0b1de", ""},
    {"Slurm, v2", "0::/system.slice/slurmstepd.scope/job_4711/step_0/user/task_0\n", "", "Slurm job 4711"},
    {"Slurm, v2, a named node", "0::/system.slice/n7_slurmstepd.scope/job_12/step_batch/user/task_0\n", "",
     "Slurm job 12"},
    {"Slurm, v1", "9:freezer:/slurm/uid_1000/job_123/step_0\n1:name=systemd:/system.slice/slurmd.service\n", "",
     "Slurm job 123"},
    {"Slurm, v1, the service first",
     "9:name=systemd:/system.slice/slurmd.service\n4:memory:/slurm_n7/uid_1000/job_123/step_batch/task_0\n", "",
     "Slurm job 123"},
    {"a container in a Slurm job", "0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0/docker/" ID "\n",
     "docker 3f2a91c0b1de", "Slurm job 7"},
    {"job_ of somebody who is not Slurm", "0::/user.slice/job_66\n", "", ""},
    {"a service", "0::/system.slice/jupyterhub.service\n", "", "jupyterhub.service"},
    {"a service of a user", "0::/user.slice/user-1000.slice/user@1000.service/app.slice/train.service\n", "",
     "train.service"},
    {"a scope with a name", "0::/user.slice/user-1000.slice/user@1000.service/train.scope\n", "", "train.scope"},
    {"a template", "0::/system.slice/system-vllm.slice/vllm@7b.service\n", "", "vllm@7b.service"},
    {"sshd tells nothing", "0::/system.slice/sshd.service\n", "", ""},
    {"hybrid: v1 and v2", "4:memory:/docker/" ID "\n0::/\n", "docker 3f2a91c0b1de", ""},
    /* Names that somebody chose. */
    {"an id that is none",
     "0::/docker/"
     "zz2a91c0b1de4c55a0f4d2b6e8970123456789abcdef0123456789abcdef0123"
     "\n",
     "", ""},
    {"a short id", "0::/system.slice/docker-3f2a91c0b1de.scope\n", "", "docker-3f2a91c0b1de.scope"},
    {"control characters", "0::/lxc/\x1b[31mred\n", "", ""},
    {"a name too long", "0::/lxc/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n", "",
     ""},
    {"a job that is no number", "0::/slurm/job_1;id\n", "", ""},
    {"a job of too many digits", "0::/slurm/job_1234567890123456789\n", "", ""},
    {"no colon", "docker/" ID "\n", "", ""},
    {"one colon", "0:/docker/" ID "\n", "", ""},
    {"no end of the line", "0::/docker/" ID, "docker 3f2a91c0b1de", ""},
    {"slashes", "0:://///docker///" ID "//\n", "docker 3f2a91c0b1de", ""},
    {"outside of our own group's namespace", "0::/../docker-x/../" ID "\n", "container 3f2a91c0b1de", ""},
    {"nothing", "", "", ""},
};

static void every_case_is_as_written(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct workload w;
        size_t len = strlen(cases[i].text);
        char *exact = malloc(len + 1); /* no byte behind it may be read */
        memcpy(exact, cases[i].text, len);
        char *text = realloc(exact, len > 0 ? len : 1);
        workload_of_cgroup(text, len, &w);
        free(text);
        CHECK_THAT(strcmp(w.container, cases[i].container) == 0, "%s: container “%s”, not “%s”", cases[i].name,
                   w.container, cases[i].container);
        CHECK_THAT(strcmp(w.unit, cases[i].unit) == 0, "%s: unit “%s”, not “%s”", cases[i].name, w.unit,
                   cases[i].unit);
    }
}

/* Only root makes groups below system.slice: a group of the same name elsewhere is somebody's own. */
static void a_unit_of_the_system_is_none_of_a_users(void)
{
    static const struct {
        const char *text;
        bool is_it;
    } groups[] = {
        {"0::/system.slice/dcgm.service\n", true},
        {"4:pids:/\n0::/system.slice/dcgm.service/worker\n", true},
        {"0::/system.slice/dcgm.service", true},
        {"0::/system.slice/dcgm.service.d\n", false},
        {"0::/system.slice/xdcgm.service\n", false},
        {"0::/system.slice/other.service/dcgm.service\n", false},
        {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/dcgm.service\n", false},
        {"0::/user.slice/system.slice/dcgm.service\n", false},
        {"0::/\n", false},
        {"dcgm.service", false},
        {"", false},
    };
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        bool is_it = workload_in_group(groups[i].text, strlen(groups[i].text), "/system.slice/dcgm.service");
        CHECK_THAT(is_it == groups[i].is_it, "“%s”", groups[i].text);
    }
}

int main(void)
{
    RUN(a_unit_of_the_system_is_none_of_a_users);
    RUN(every_case_is_as_written);
    return check_done();
}
