#include "launch/environment.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/complain.h"
#include "base/detached.h"
#include "base/login_shell.h"
#include "base/now.h"
#include "base/places.h"
#include "env.h"
#include "fs.h"
#include "text.h"

#define KIND "environment"
#define KEPT "shell"
#define MARK_BYTES 48
#define KEY_BYTES 512
#define HEAD "tranche-environment 1 "

extern char **environ;

/* ---- what was kept -------------------------------------------------------------------------------------- */

/* The shell, and when each file that it reads was last changed. */
static void key_of_shell(const char *shell, char key[KEY_BYTES])
{
    static const char *const files[] = {
        ".profile",  ".bash_profile", ".bash_login", ".bashrc", ".zshenv",
        ".zprofile", ".zshrc",        ".zlogin",     ".kshrc",  ".config/fish/config.fish"};
    const char *home = getenv(ENV_HOME);
    char path[FS_PATH_BYTES];
    struct stat st;
    size_t n = (size_t)snprintf(key, KEY_BYTES, "%s", shell);
    for (size_t i = 0; i < sizeof files / sizeof files[0] && n < KEY_BYTES; i++) {
        bool there = home && fs_join(path, home, files[i]) == 0 && stat(path, &st) == 0;
        n += (size_t)snprintf(key + n, KEY_BYTES - n, " %lld.%lld", there ? (long long)st.st_mtime : 0,
                              there ? (long long)st.st_size : -1);
    }
}

static int load_kept(const char *key, struct environment *out)
{
    char folder[FS_PATH_BYTES], path[FS_PATH_BYTES], why[256], head[KEY_BYTES + 64];
    if (detached_folders_find(KIND, folder, why, sizeof why) != 0 || fs_join(path, folder, KEPT) != 0) return -1;
    struct stat st;
    char *data;
    size_t len;
    if (lstat(path, &st) != 0 || st.st_uid != getuid() || (st.st_mode & 077) != 0) return -1;
    int64_t age_ms = now_wall_ms() - (int64_t)st.st_mtime * 1000;
    if (age_ms < -1000 || age_ms > ENVIRONMENT_AGE_MS) return -1;
    if (fs_read_file(path, ENVIRONMENT_MAX_BYTES + sizeof head, &data, &len) != 0) return -1;
    size_t n = (size_t)snprintf(head, sizeof head, HEAD "%s\n", key);
    if (len <= n || memcmp(data, head, n) != 0 || data[len - 1] != '\0') {
        free(data);
        return -1;
    }
    memmove(data, data + n, len - n);
    *out = (struct environment){.data = data, .len = len - n, .kept = true};
    return 0;
}

/* That it could not be kept costs the next one the same time again, and no more. */
static void keep(const char *key, const struct environment *environment)
{
    char folder[FS_PATH_BYTES], why[256];
    char *data = malloc(environment->len + KEY_BYTES + 64);
    if (!data) return;
    if (detached_folders_make(KIND, folder, why, sizeof why) == 0) {
        size_t n = (size_t)sprintf(data, HEAD "%s\n", key);
        memcpy(data + n, environment->data, environment->len);
        (void)fs_write_atomic(folder, KEPT, data, n + environment->len, 0600, false);
    }
    free(data);
}

/* ---- asking the shell ----------------------------------------------------------------------------------- */

/* What the shell is to run: this very executable, which prints what it was given. */
int command_print_environment(int argc, char **argv)
{
    if (argc != 2) return EXIT_OWN_FAILURE;
    fputs(argv[1], stdout);
    for (char **at = environ; *at; at++) {
        fputs(*at, stdout);
        fputc('\0', stdout);
    }
    fputs(argv[1], stdout);
    return fflush(stdout) == 0 ? 0 : EXIT_OWN_FAILURE;
}

static void run_shell(const char *shell, const char *option, const char *mark, int output)
{
    static const int defaults[] = {SIGPIPE, SIGHUP, SIGINT, SIGTERM, SIGCHLD, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU};
    char exe[FS_PATH_BYTES], command[128];
    int null = open("/dev/null", O_RDWR);
    setsid(); /* without a terminal nothing in the shell's files can wait for a key */
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) signal(defaults[i], SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (null < 0 || places_own_exe(exe) != 0 || setenv(ENV_SELF, exe, 1) != 0) _exit(EXIT_OWN_FAILURE);
    dup2(null, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    setenv(ENV_TERM, "dumb", 1);
    snprintf(command, sizeof command, "\"$" ENV_SELF "\" print-environment %s", mark);
    if (option)
        execl(shell, shell, "-i", option, "-c", command, (char *)NULL);
    else
        execl(shell, shell, "-c", command, (char *)NULL);
    _exit(EXIT_CANNOT_RUN);
}

/* All that the shell prints, until its end or the time is over. Bytes read; -1: it was too much or too late. */
static ssize_t read_all(int fd, char *data, size_t cap, int64_t until_ms)
{
    size_t len = 0;
    for (;;) {
        int64_t left = until_ms - now_mono_ms();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (left <= 0 || len == cap || (poll(&p, 1, (int)left) < 0 && errno != EINTR)) return -1;
        if (!p.revents) continue;
        ssize_t n = read(fd, data + len, cap - len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return n < 0 ? -1 : (ssize_t)len;
        len += (size_t)n;
    }
}

/* What stands between the two marks. */
static int take_marked(const char *data, size_t len, const char *mark, struct environment *out)
{
    size_t size = strlen(mark);
    const char *from = memmem(data, len, mark, size);
    if (!from) return -1;
    from += size;
    const char *to = memmem(from, len - (size_t)(from - data), mark, size);
    if (!to || to == from || to[-1] != '\0') return -1;
    out->len = (size_t)(to - from);
    out->data = malloc(out->len);
    if (!out->data) return -1;
    memcpy(out->data, from, out->len);
    return 0;
}

static int ask(const char *shell, const char *option, struct environment *out, char *why, size_t cap)
{
    char mark[MARK_BYTES];
    uint64_t number[2];
    int ends[2];
    const size_t most = 2 * ENVIRONMENT_MAX_BYTES;
    char *data = malloc(most);
    if (!data || fs_random(number, sizeof number) != 0 || pipe2(ends, O_CLOEXEC) != 0) {
        snprintf(why, cap, "%s could not be asked: %s", shell, strerror(errno));
        free(data);
        return -1;
    }
    snprintf(mark, sizeof mark, "%016llx%016llx", (unsigned long long)number[0], (unsigned long long)number[1]);
    int64_t began_ms = now_mono_ms();
    pid_t child = fork();
    if (child == 0) run_shell(shell, option, mark, ends[1]);
    close(ends[1]);
    ssize_t len = child < 0 ? -1 : read_all(ends[0], data, most, began_ms + ENVIRONMENT_WAIT_MS);
    int64_t took_ms = now_mono_ms() - began_ms;
    close(ends[0]);
    if (child > 0) {
        kill(-child, SIGKILL); /* it has said what it had to say, or never will */
        kill(child, SIGKILL);
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) continue;
    }
    int result = len < 0 ? -1 : take_marked(data, (size_t)len, mark, out);
    free(data);
    if (result == 0) {
        out->took_ms = took_ms;
        return 0;
    }
    snprintf(why, cap,
             took_ms >= ENVIRONMENT_WAIT_MS ? "the files of %s did not come to an end within %d s"
                                            : "the files of %s ended it before it was asked (%d s)",
             shell, took_ms >= ENVIRONMENT_WAIT_MS ? ENVIRONMENT_WAIT_MS / 1000 : (int)(took_ms / 1000));
    return -1;
}

int environment_of_shell(struct environment *out, char *why, size_t cap)
{
    char key[KEY_BYTES];
    const char *option, *shell = login_shell(&option);
    memset(out, 0, sizeof *out);
    key_of_shell(shell, key);
    if (load_kept(key, out) == 0) return 0;
    if (ask(shell, option, out, why, cap) != 0) return -1;
    keep(key, out);
    return 0;
}

void environment_free(struct environment *environment)
{
    free(environment->data);
    memset(environment, 0, sizeof *environment);
}

/* ---- using it ------------------------------------------------------------------------------------------- */

/* Set by `tranche run`, or of this session and not of the one that the shell was asked in. */
static bool is_ours(const char *entry)
{
    static const char *const names[] = {"LD_PRELOAD=",   "CUDA_VISIBLE_DEVICES=",
                                        "CUDA_MPS_",     "TRANCHE_",
                                        "PWD=",          "OLDPWD=",
                                        "SHLVL=",        "_=",
                                        "TERM=",         "COLORTERM=",
                                        "SSH_",          "XDG_SESSION_",
                                        "ASAN_OPTIONS=", "PYTHONUNBUFFERED="};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strncmp(entry, names[i], strlen(names[i])) == 0) return true;
    return false;
}

int environment_apply(const struct environment *environment)
{
    size_t count = 0, n = 0;
    for (char **at = environ; *at; at++) count++;
    for (size_t i = 0; i < environment->len; i++) count += environment->data[i] == '\0';
    char **made = calloc(count + 1, sizeof *made);
    char *copy = malloc(environment->len + 1);
    if (!made || !copy) {
        free(made);
        free(copy);
        return ENOMEM;
    }
    memcpy(copy, environment->data, environment->len);
    for (char **at = environ; *at; at++)
        if (is_ours(*at)) made[n++] = *at;
    for (size_t at = 0; at < environment->len; at += strlen(copy + at) + 1)
        if (strchr(copy + at, '=') && !is_ours(copy + at)) made[n++] = copy + at;
    environ = made; /* for the rest of this process's life */
    return unsetenv(ENV_SELF) == 0 ? 0 : errno;
}

static int put_path(const char *format, const char *first, const char *second)
{
    char *path = NULL;
    if (asprintf(&path, format, first, second) < 0) return ENOMEM;
    int error = setenv(ENV_PATH, path, 1) == 0 ? 0 : errno;
    free(path);
    return error;
}

/* Beside the shim that `run` preloads: the link that outlives an upgrade, where there is one. */
static int own_folder(char exe[FS_PATH_BYTES])
{
    char shim[FS_PATH_BYTES];
    if (places_own_exe(exe) != 0) return ENOENT;
    if (places_shim_for(exe, shim) == 0) text_copy(exe, FS_PATH_BYTES, shim);
    char *slash = strrchr(exe, '/');
    if (!slash || slash == exe) return ENOENT;
    *slash = '\0';
    return 0;
}

int environment_bashrc(char path[FS_PATH_BYTES])
{
    static const char form[] = "if [ -r ~/.bashrc ]; then . ~/.bashrc; fi\n"
                               "case \":$PATH:\" in *':%s:'*) ;; *) PATH=$PATH:'%s' ;; esac\n";
    char folder[FS_PATH_BYTES], own[FS_PATH_BYTES], text[sizeof form + 2 * FS_PATH_BYTES], why[256];
    if (own_folder(own) != 0 || strchr(own, '\'')) return -1;
    if (detached_folders_make(KIND, folder, why, sizeof why) != 0 || fs_join(path, folder, "bashrc") != 0) return -1;
    int n = snprintf(text, sizeof text, form, own, own);
    return fs_write_atomic(folder, "bashrc", text, (size_t)n, 0600, false) == 0 ? 0 : -1;
}

int environment_add_own_folder(void)
{
    char exe[FS_PATH_BYTES];
    const char *path = getenv(ENV_PATH);
    if (own_folder(exe) != 0) return ENOENT;
    if (!path || !path[0]) path = "/usr/local/bin:/usr/bin:/bin";
    return strstr(path, exe) ? 0 : put_path("%s:%s", path, exe);
}

int environment_activate(const char *prefix, char *why, size_t cap)
{
    char python[FS_PATH_BYTES], mark[FS_PATH_BYTES], bin[FS_PATH_BYTES];
    const char *path = getenv(ENV_PATH);
    bool fits = fs_join(python, prefix, "bin/python") == 0 && fs_join(mark, prefix, "conda-meta") == 0 &&
                fs_join(bin, prefix, "bin") == 0;
    if (prefix[0] != '/' || !fits || access(python, X_OK) != 0) {
        snprintf(why, cap, "%s is no environment: there is no bin/python in it", prefix);
        return -1;
    }
    bool conda = access(mark, F_OK) == 0;
    if (put_path("%s:%s", bin, path ? path : "/usr/bin:/bin") != 0 ||
        setenv(conda ? "CONDA_PREFIX" : "VIRTUAL_ENV", prefix, 1) != 0 ||
        unsetenv(conda ? ENV_VENV : ENV_CONDA) != 0 || unsetenv(ENV_PYTHON_HOME) != 0) {
        snprintf(why, cap, "%s could not be activated: %s", prefix, strerror(errno));
        return -1;
    }
    return 0;
}

/* ---- the command ---------------------------------------------------------------------------------------- */

/* `tranche in-shell [--environment PREFIX] COMMAND`: what a command that was typed into the window runs as. */
int command_in_shell(int argc, char **argv)
{
    const char *prefix = NULL, *option, *shell = login_shell(&option);
    char why[FS_PATH_BYTES + 128];
    struct environment environment;
    if (argc == 4 && strcmp(argv[1], "--environment") == 0)
        prefix = argv[2];
    else if (argc != 2)
        return complain("in-shell takes one command");
    const char *command = argv[argc - 1];
    bool known = environment_of_shell(&environment, why, sizeof why) == 0;
    if (known && environment_apply(&environment) != 0) return complain("there is no memory for the environment");
    if (!known) {
        complain("%s; the command has the environment of a login shell without them. A conda or venv that they set up "
                 "is not there: name it under Environment, or look at them.",
                 why);
    }
    if (environment_add_own_folder() != 0) complain("the folder of tranche could not be added to PATH");
    if (prefix && environment_activate(prefix, why, sizeof why) != 0) return complain("%s. Nothing was run.", why);
    if (known || !option)
        execl(shell, shell, "-c", command, (char *)NULL);
    else
        execl(shell, shell, option, "-c", command, (char *)NULL);
    int error = errno;
    complain("%s cannot be run: %s", shell, strerror(error));
    return error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}
