/* What time it is on this host. */
#ifndef TRANCHE_NOW_H
#define TRANCHE_NOW_H

#include <stdint.h>

int64_t now_mono_ms(void); /* monotonic */
int64_t now_mono_ns(void);
int64_t now_wall_ms(void); /* since 1970, UTC */

#endif
