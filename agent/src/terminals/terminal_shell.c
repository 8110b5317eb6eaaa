#include "terminals/terminal_shell.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/complain.h"
#include "base/login_shell.h"
#include "env.h"
#include "fs.h"
#include "launch/environment.h"
#include "launch/run.h"

/* The environment of a login shell, and `tranche` in PATH behind all else: as a login shell it would set PATH anew and
 * lose it. Where its files do not come to an end it is one all the same, and says so. */
static bool enter_environment(const char **option)
{
    char why[FS_PATH_BYTES + 128];
    struct environment environment;
    bool known = *option && environment_of_shell(&environment, why, sizeof why) == 0;
    if (known && environment_apply(&environment) == 0) *option = "-i";
    if (*option && !known) complain("%s; this is a login shell, and tranche may not be in its PATH", why);
    if (environment_add_own_folder() != 0) complain("the folder of tranche could not be added to PATH");
    return known;
}

static void run_shell(const char *slice_id, const char *terminal)
{
    static const int defaults[] = {SIGPIPE, SIGHUP, SIGINT, SIGTERM, SIGCHLD, SIGQUIT, SIGTSTP, SIGTTIN, SIGTTOU};
    const char *home = getenv(ENV_HOME), *option;
    const char *shell = login_shell(&option);
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++) signal(defaults[i], SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    int fd = open(terminal, O_RDWR);
    if (fd < 0 || ioctl(fd, TIOCSCTTY, 0) != 0) _exit(EXIT_OWN_FAILURE);
    for (int i = 0; i < 3; i++) dup2(fd, i);
    if (fd > 2) close(fd);
    setenv(ENV_TERM, "xterm-256color", 1); /* what the window's terminal understands */
    setenv(ENV_COLORTERM, "truecolor", 1);
    char bashrc[FS_PATH_BYTES];
    bool is_login = !enter_environment(&option);
    bool is_bash = strcmp(strrchr(shell, '/'), "/bash") == 0 && !is_login && environment_bashrc(bashrc) == 0;
    char *argv[10] = {(char *)"run",    (char *)"--shell", (char *)"--slice",
                      (char *)slice_id, (char *)"--",      (char *)shell};
    int count = 6;
    if (is_bash) argv[count++] = (char *)"--rcfile";
    if (is_bash) argv[count++] = bashrc;
    if (option) argv[count++] = (char *)option;
    if (!home || chdir(home) != 0) complain("the home folder %s cannot be entered; this is /", home ? home : "");
    _exit(command_run(count, argv));
}

int terminal_shell_start(const char *slice_id, int64_t columns, int64_t rows, int *pty, pid_t *shell)
{
    struct winsize size = {.ws_col = (unsigned short)columns, .ws_row = (unsigned short)rows};
    char name[64];
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (master < 0) return errno;
    /* A slave that stays open here would keep the end of the shell from being seen; it is opened by its child alone. */
    pid_t child = -1;
    if (grantpt(master) == 0 && unlockpt(master) == 0 && ptsname_r(master, name, sizeof name) == 0 &&
        ioctl(master, TIOCSWINSZ, &size) == 0) {
        child = fork();
        if (child == 0) run_shell(slice_id, name);
    }
    if (child < 0) {
        int error = errno;
        close(master);
        return error;
    }
    *pty = master;
    *shell = child;
    return 0;
}
