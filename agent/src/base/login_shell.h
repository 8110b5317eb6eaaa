/* The shell that this user logs in with. */
#ifndef TRANCHE_LOGIN_SHELL_H
#define TRANCHE_LOGIN_SHELL_H

/* The user's shell from the passwd file and, if it is known to have it, the option that makes it a login shell
 * (NULL: it is not); /bin/sh where there is none or it is no shell of ours to know. */
const char *login_shell(const char **login_option);

#endif
