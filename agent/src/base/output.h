/* What the command line prints. An agent of another user, or whoever stands in for one, wrote most of it: nothing of that
 * reaches a terminal as it came. */
#ifndef TRANCHE_OUTPUT_H
#define TRANCHE_OUTPUT_H

/* From now on everything that goes through stdout and stderr is text (text_sanitize), lines and tabs apart. For commands
 * that print what a program of the user's said, or speak a protocol, it is not called. */
void output_is_text(void);

#endif
