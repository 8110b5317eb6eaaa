#include "base/login_shell.h"

#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "fs.h"
#include "text.h"

static bool reads_profile(const char *shell)
{
    static const char *const known[] = {"sh", "dash", "bash", "zsh", "ksh", "mksh", "ash", "fish"};
    const char *base = strrchr(shell, '/');
    base = base ? base + 1 : shell;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(base, known[i]) == 0) return true;
    return false;
}

const char *login_shell(const char **login_option)
{
    static char shell[FS_PATH_BYTES];
    const struct passwd *pw = getpwuid(getuid());
    bool own = pw && pw->pw_shell && pw->pw_shell[0] == '/' && reads_profile(pw->pw_shell);
    text_copy(shell, sizeof shell, own ? pw->pw_shell : "/bin/sh");
    *login_option = own ? "-l" : NULL;
    return shell;
}
