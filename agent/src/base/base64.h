/* Bytes as text that a JSON line can carry (RFC 4648, with padding). Pure. */
#ifndef TRANCHE_BASE64_H
#define TRANCHE_BASE64_H

#include <stddef.h>
#include <sys/types.h>

#define BASE64_BYTES(n) (((n) + 2) / 3 * 4 + 1) /* of the text for n bytes, with its NUL */

/* Writes BASE64_BYTES(len) bytes to out. */
void base64_encode(char *out, const void *data, size_t len);

/* The bytes of text, or -1 when it is no base64 or they do not fit. */
ssize_t base64_decode(void *out, size_t cap, const char *text);

#endif
