/* Who looks at a terminal: the requests at its socket, and what they are sent. */
#ifndef TRANCHE_TERMINAL_VIEWERS_H
#define TRANCHE_TERMINAL_VIEWERS_H

#include "terminals/terminal_pty.h"

/* Somebody is at the socket. */
void viewer_take(struct holder *h);
/* `says`: a request may be there. */
void viewer_serve(struct holder *h, struct viewer *v, bool says);
bool viewer_has_output(const struct holder *h, const struct viewer *v);
bool viewer_has_end(const struct holder *h, const struct viewer *v);
/* Everybody who looks was told of the end. */
bool viewers_know(const struct holder *h);

#endif
