/* JSON lines: a strict parser for flat objects, a reader for nested ones that we wrote ourselves, and a writer with a
 * bound. No allocation while parsing: strings are decoded in place. */
#ifndef TRANCHE_JSON_H
#define TRANCHE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define JSON_INTEGER_MAX INT64_C(9007199254740991) /* 2^53 - 1, exact in every reader */
#define JSON_FIELDS_MAX 48

enum json_type { JSON_NULL, JSON_BOOL, JSON_INTEGER, JSON_NUMBER, JSON_STRING };

struct json_field {
    const char *key;
    const char *text; /* JSON_STRING: decoded, NUL-terminated, without a NUL inside */
    int64_t integer;  /* JSON_INTEGER */
    enum json_type type;
    bool boolean;
};

struct json_object {
    size_t count;
    struct json_field fields[JSON_FIELDS_MAX];
};

/* Parses one flat object out of line[0..len), which is changed and must live as long as the object; line[len] must be
 * writable too. Of duplicate keys the last counts. 0, or -1 with *why set to a fixed sentence part. */
int json_parse_flat(char *line, size_t len, struct json_object *out, const char **why);

/* NULL when the key is absent. */
const struct json_field *json_get(const struct json_object *object, const char *key);

/* 1: present and right, 0: absent or null, -1: of another type or out of range. */
int json_get_text(const struct json_object *object, const char *key, const char **out);
int json_get_integer(const struct json_object *object, const char *key, int64_t min, int64_t max, int64_t *out);
int json_get_bool(const struct json_object *object, const char *key, bool *out);

/* ---- nested values, for the command line that reads the agent's events --------------------------------- */

struct json_span {
    const char *start, *end;
};

/* Finds a member's value in the object at `object`. 0, or -1. Depth is bounded. */
int json_member(struct json_span object, const char *key, struct json_span *value);

/* Walks an array: *position starts as {NULL, NULL}. 1: *element is the next one, 0: no more, -1: not an array. */
int json_next(struct json_span array, struct json_span *position, struct json_span *element);

/* ---- writer -------------------------------------------------------------------------------------------- */

/* Grows up to max bytes; past it (or out of memory) `failed` is set and everything further is dropped, so that a
 * caller checks once at the end. */
struct json_writer {
    char *data;
    size_t len, cap, max;
    bool failed;
    bool comma;
};

void json_writer_init(struct json_writer *w, size_t max);
void json_writer_free(struct json_writer *w);
void json_writer_clear(struct json_writer *w);
void json_raw(struct json_writer *w, const char *text, size_t len);

void json_open(struct json_writer *w, char bracket);  /* '{' or '[' */
void json_close(struct json_writer *w, char bracket); /* '}' or ']' */
void json_end_line(struct json_writer *w);            /* closes the object; what follows begins a line of its own */
void json_key(struct json_writer *w, const char *key);
void json_text(struct json_writer *w, const char *text); /* NULL writes null */
void json_integer(struct json_writer *w, int64_t value);
void json_null(struct json_writer *w);
void json_bool(struct json_writer *w, bool value);

void json_put_text(struct json_writer *w, const char *key, const char *text);
void json_put_integer(struct json_writer *w, const char *key, int64_t value);
void json_put_known(struct json_writer *w, const char *key, bool known, int64_t value); /* null unless known */
void json_put_bool(struct json_writer *w, const char *key, bool value);

struct json_mark {
    size_t len;
    bool comma;
};
struct json_mark json_mark(const struct json_writer *w);
void json_rewind(struct json_writer *w, struct json_mark mark); /* forgets what came after, a failure included */

#endif
