/* Who is who on this host: names for uids (asked once each) and the people with a login. */
#ifndef TRANCHE_PEOPLE_H
#define TRANCHE_PEOPLE_H

#include <stdbool.h>
#include <sys/types.h>

#define OWNER_BYTES 72 /* of a name, with its end */

/* In a private root the file ROOT/passwd, where there is one, tells who lives there, before the machine's own users. */
void people_use_root(const char *root);

/* The user's name, or NULL when the system knows none. Cached; made safe to show. */
const char *people_name_of(uid_t uid);

/* 0, or -1 when there is no such user. */
int people_uid_of(const char *name, uid_t *uid);

/* Names and uids are asked for anew from now on. */
void people_forget(void);

/* Is that uid still the person of that name? False if the name is another uid's, or the uid another person's; where the
 * directory knows neither nothing has changed that anybody could use. */
bool people_agree(uid_t uid, const char *name);

struct person {
    uid_t uid;
    char name[OWNER_BYTES];
};

/* People of /etc/passwd with uid >= 1000 and a real shell; read again when the file changed. *out stays ours. */
size_t people_logins(const struct person **out);

#endif
