/* Text from outside: hostile names made safe to show, and the sizes and shares that people type. Pure. */
#ifndef TRANCHE_TEXT_H
#define TRANCHE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest text from the host that leaves the agent, in bytes without the NUL. */
#define TEXT_SHOWN_BYTES 256

/* Copies len bytes of src to dst as valid UTF-8: control characters (C0, DEL, C1), characters that turn the writing
 * direction and bytes that are no UTF-8 become U+FFFD; cut at cap - 1 bytes on a character boundary. Returns the
 * length. dst is always terminated; cap must be at least 1. */
size_t text_sanitize(char *dst, size_t cap, const char *src, size_t len);

/* Length of the UTF-8 character at src (1..4) and its code point, or 0 when the bytes there are none. */
size_t text_utf8_next(const char *src, size_t len, uint32_t *code);

/* `20g`, `20 GiB`, `20480m`, `1.5g`, plain bytes; the same answers as model/units.ts. 0, or -1 when it is no size. */
int text_parse_bytes(const char *text, int64_t *out);

/* `25`, `25%`, `25 %`: 0..100. 0, or -1. */
int text_parse_percent(const char *text, int64_t *out);

/* A whole decimal number that fits, nothing before or after it. 0, or -1. */
int text_parse_integer(const char *text, int64_t min, int64_t max, int64_t *out);

/* 1..40 characters of [A-Za-z0-9._-], the first a letter or digit. */
bool text_is_slice_name(const char *text);

/* snprintf("%s") with truncation: the one way that fixed text fields are filled. Returns false if it was cut. */
bool text_copy(char *dst, size_t cap, const char *src);

/* "16.0 GiB" for messages; needs 32 bytes. Returns buf. */
char *text_gib(char *buf, size_t cap, uint64_t bytes);

#endif
