/* Every environment name that Tranche reads on a GPU host: meaning, range, default. Names stand nowhere else: scripts/check-layers.mjs
 * refuses getenv, setenv and unsetenv of a literal. */
#ifndef TRANCHE_ENV_H
#define TRANCHE_ENV_H

/* Comma-separated ids of the slices this process runs in, one per GPU. Set by `tranche run` and `tranche env`.
 * Unset: the shim forwards everything. */
#define ENV_SLICES "TRANCHE_SLICES"

/* Directory that holds policy/, usage/ and board/. Set by `tranche run`; an absolute path. */
#define ENV_RUNTIME_DIR "TRANCHE_RUNTIME_DIR"

/* Says of the processes of one `tranche run` with several slices that they are one program, which is held back as one.
 * Any text, another one each time. Unset: their collectives are not told apart from other kernels. */
#define ENV_GROUP "TRANCHE_GROUP"

/* "index", set by `tranche run --visible index`: the numbers in CUDA_VISIBLE_DEVICES are the host's. Unset: numbers there
 * are somebody's who counts the slices of the program. */
#define ENV_VISIBLE "TRANCHE_VISIBLE"

/* 1 to 100, set by `tranche run` where programs run at the same time: the percent of the GPU's multiprocessors that MPS
 * lets this one use. Its GPU time counts by that part. Default: takes turns, all of it counts. */
#define ENV_CONCURRENT "TRANCHE_CONCURRENT"
/* Set by `tranche run` for the CUDA driver, and never read by us. */
#define ENV_MPS_PIPE "CUDA_MPS_PIPE_DIRECTORY"
#define ENV_MPS_PERCENT "CUDA_MPS_ACTIVE_THREAD_PERCENTAGE"
#define ENV_MPS_PRIORITY "CUDA_MPS_CLIENT_PRIORITY"

/* Options of AddressSanitizer's runtime; `tranche run` adds that it need not be the first library. */
#define ENV_ASAN "ASAN_OPTIONS"

/* "1", set by `tranche run --gate`: a supervisor counts what this program takes, so that the shim need not guess what
 * contexts and code will take. Unset: it estimates them until they are measured. */
#define ENV_GATED "TRANCHE_GATED"

/* In a terminal whose shell is not behind the gate: where a program goes to come behind it when it first opens the driver
 * (agent/gate/late_gate.h). */
#define ENV_GATE_SOCKET "TRANCHE_GATE_SOCKET"

/* "1": the shim forwards everything and limits nothing; the agent then lists the process as unmanaged. Default unset. */
#define ENV_DISABLE "TRANCHE_DISABLE"

/* Private root for agent, state, runtime files and socket, an absolute path; used by the demo lab and by tests so
 * that they never meet the user's real agent. Default unset: the places in docs/protocol.md. */
#define ENV_ROOT "TRANCHE_ROOT"

/* Directory searched first for libcuda.so.1 and libnvidia-ml.so.1 by the agent. Default unset: the loader's own way. */
#define ENV_DRIVER_DIR "TRANCHE_DRIVER_DIR"

/* Group of a cgroup v2 hierarchy below which the agent makes those of its slices, an absolute path to its folder; for
 * tests and for hosts where it lies elsewhere. Default unset: docs/kernel-limit.md. */
#define ENV_CGROUP_ROOT "TRANCHE_CGROUP_ROOT"

/* "user" or "system": which scope `tranche agent` manages. Default: system for root, else user. */
#define ENV_SCOPE "TRANCHE_SCOPE"

/* For tests of the door, which must not be shut for the machine that they run on. The cgroup (version 2, an absolute path
 * where it is mounted) that the agent attaches the door to instead of the root; and the devices that it guards instead of
 * the GPUs', as "MAJOR:MINOR" or "MAJOR:*" with commas between. An agent with a private root has no door without them.
 * Default unset. */
#define ENV_DOOR_CGROUP "TRANCHE_DOOR_CGROUP"
#define ENV_DOOR_DEVICES "TRANCHE_DOOR_DEVICES"

/* Set by sshd: "client-address port server-address port". Its first word goes into the audit, marked as claimed. */
#define ENV_SSH_CONNECTION "SSH_CONNECTION"

/* Set while a person's shell is asked for its environment: this executable, which the shell is to run. */
#define ENV_SELF "TRANCHE_SELF"

/* Of the person, as login sets them. */
#define ENV_HOME "HOME"
#define ENV_PATH "PATH"
#define ENV_STATE_HOME "XDG_STATE_HOME"
#define ENV_RUNTIME_HOME "XDG_RUNTIME_DIR"

/* The loader's list of libraries that come first; `tranche run` puts the shim there. */
#define ENV_PRELOAD "LD_PRELOAD"

/* CUDA's: which GPUs a program sees, and by which numbers. Set by `tranche run`. */
#define ENV_CUDA_VISIBLE "CUDA_VISIBLE_DEVICES"
#define ENV_CUDA_ORDER "CUDA_DEVICE_ORDER"
/* Set for the MPS daemon that the agent starts. */
#define ENV_MPS_LOG "CUDA_MPS_LOG_DIRECTORY"

/* What the window's terminal understands; set for shells. */
#define ENV_TERM "TERM"
#define ENV_COLORTERM "COLORTERM"

/* Python's: set for jobs, so that a log is written line by line; a chosen environment says which it is. */
#define ENV_PYTHON_UNBUFFERED "PYTHONUNBUFFERED"
#define ENV_PYTHON_HOME "PYTHONHOME"
#define ENV_VENV "VIRTUAL_ENV"
#define ENV_CONDA "CONDA_PREFIX"

/* Simulated driver only: set, it has no events; and what its program was told to do, for its children. */
#define ENV_SIM_NO_EVENTS "TRANCHE_SIM_NO_EVENTS"
#define ENV_SIM_WORKLOAD "TRANCHE_SIM_WORKLOAD"

/* Simulated driver only: directory of its shared state (sim.shm and sim.conf). */
#define ENV_SIM_DIR "TRANCHE_SIM_DIR"

/* Simulated driver only: directory with stand-ins for the real driver's devices, nvidiactl and nvidia0, nvidia1, …, to
 * which the simulated libcuda then makes the real one's requests for memory. Default unset: it makes none. */
#define ENV_SIM_RM_DEVICES "TRANCHE_SIM_RM_DEVICES"

#endif
