#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

#define NESTING_MAX 8

struct cursor {
    char *at, *end;
    const char *why;
};

static int refuse(struct cursor *c, const char *why)
{
    if (!c->why) c->why = why;
    return -1;
}

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\r' || *c->at == '\n')) c->at++;
}

static int hex4(const char *s, const char *end, uint32_t *out)
{
    if (end - s < 4) return -1;
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char d = s[i];
        uint32_t v;
        if (d >= '0' && d <= '9')
            v = (uint32_t)(d - '0');
        else if (d >= 'a' && d <= 'f')
            v = (uint32_t)(d - 'a') + 10;
        else if (d >= 'A' && d <= 'F')
            v = (uint32_t)(d - 'A') + 10;
        else
            return -1;
        value = value << 4 | v;
    }
    *out = value;
    return 0;
}

static char *put_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
        *out++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *out++ = (char)(0xe0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    } else {
        *out++ = (char)(0xf0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 0x3f));
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    }
    return out;
}

/* c->at is behind "\u"; decodes one code point, of two escapes when it is a surrogate pair. */
static int parse_unicode_escape(struct cursor *c, uint32_t *code)
{
    uint32_t high, low;
    if (hex4(c->at, c->end, &high) != 0) return refuse(c, "a \\u escape is not four hex digits");
    c->at += 4;
    if (high == 0) return refuse(c, "a string contains NUL");
    if (high >= 0xdc00 && high <= 0xdfff) return refuse(c, "a surrogate stands alone");
    if (high >= 0xd800 && high <= 0xdbff) {
        if (c->end - c->at < 6 || c->at[0] != '\\' || c->at[1] != 'u' || hex4(c->at + 2, c->end, &low) != 0 ||
            low < 0xdc00 || low > 0xdfff)
            return refuse(c, "a surrogate stands alone");
        c->at += 6;
        *code = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
        return 0;
    }
    *code = high;
    return 0;
}

static int parse_escape(struct cursor *c, char **out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (c->at >= c->end) return refuse(c, "a string does not end");
    char e = *c->at++;
    const char *found = e == '\0' ? NULL : strchr(from, e);
    if (found) {
        *(*out)++ = to[found - from];
        return 0;
    }
    if (e != 'u') return refuse(c, "a string has an unknown escape");
    uint32_t code;
    if (parse_unicode_escape(c, &code) != 0) return -1;
    *out = put_utf8(*out, code);
    return 0;
}

/* Decodes in place: what comes out is never longer than what went in, so the NUL always fits over the quote. */
static int parse_string(struct cursor *c, const char **text)
{
    if (c->at >= c->end || *c->at != '"') return refuse(c, "a string was expected");
    char *out = ++c->at;
    *text = out;
    while (c->at < c->end) {
        unsigned char b = (unsigned char)*c->at;
        if (b == '"') {
            c->at++;
            *out = '\0';
            return 0;
        }
        if (b == '\\') {
            c->at++;
            if (parse_escape(c, &out) != 0) return -1;
            continue;
        }
        if (b < 0x20) return refuse(c, "a string contains a bare control character");
        uint32_t code;
        size_t n = text_utf8_next(c->at, (size_t)(c->end - c->at), &code);
        if (n == 0) return refuse(c, "a string is not UTF-8");
        memmove(out, c->at, n);
        out += n;
        c->at += n;
    }
    return refuse(c, "a string does not end");
}

static bool is_digit(const struct cursor *c)
{
    return c->at < c->end && *c->at >= '0' && *c->at <= '9';
}

static int parse_number(struct cursor *c, struct json_field *field)
{
    bool negative = *c->at == '-', fits = true;
    if (negative) c->at++;
    if (!is_digit(c)) return refuse(c, "a value is no JSON");
    bool zero = *c->at == '0';
    int64_t value = 0;
    int digits = 0;
    for (; is_digit(c); c->at++, digits++) {
        if (value > (JSON_INTEGER_MAX - (*c->at - '0')) / 10) fits = false;
        if (fits) value = value * 10 + (*c->at - '0');
    }
    if (zero && digits > 1) return refuse(c, "a number begins with 0");
    if (c->at < c->end && *c->at == '.') {
        c->at++;
        if (!is_digit(c)) return refuse(c, "a number ends with a point");
        while (is_digit(c)) c->at++;
        fits = false;
    }
    if (c->at < c->end && (*c->at == 'e' || *c->at == 'E')) {
        c->at++;
        if (c->at < c->end && (*c->at == '+' || *c->at == '-')) c->at++;
        if (!is_digit(c)) return refuse(c, "a number has no exponent");
        while (is_digit(c)) c->at++;
        fits = false;
    }
    field->type = fits ? JSON_INTEGER : JSON_NUMBER;
    field->integer = negative ? -value : value;
    return 0;
}

static bool take_word(struct cursor *c, const char *word)
{
    size_t n = strlen(word);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, word, n) != 0) return false;
    c->at += n;
    return true;
}

static int parse_value(struct cursor *c, struct json_field *field)
{
    if (c->at >= c->end) return refuse(c, "a value is missing");
    char b = *c->at;
    if (b == '"') {
        field->type = JSON_STRING;
        return parse_string(c, &field->text);
    }
    if (b == '{' || b == '[') return refuse(c, "a value is nested; requests are flat");
    if (b == '-' || (b >= '0' && b <= '9')) return parse_number(c, field);
    if (take_word(c, "null")) {
        field->type = JSON_NULL;
        return 0;
    }
    field->type = JSON_BOOL;
    if (take_word(c, "true")) {
        field->boolean = true;
        return 0;
    }
    if (take_word(c, "false")) return 0;
    return refuse(c, "a value is no JSON");
}

static int parse_member(struct cursor *c, struct json_object *out)
{
    struct json_field field = {0};
    skip_space(c);
    if (parse_string(c, &field.key) != 0) return -1;
    skip_space(c);
    if (c->at >= c->end || *c->at != ':') return refuse(c, "a colon is missing");
    c->at++;
    skip_space(c);
    if (parse_value(c, &field) != 0) return -1;
    for (size_t i = 0; i < out->count; i++) {
        if (strcmp(out->fields[i].key, field.key) == 0) {
            out->fields[i] = field;
            return 0;
        }
    }
    if (out->count == JSON_FIELDS_MAX) return refuse(c, "there are too many fields");
    out->fields[out->count++] = field;
    return 0;
}

int json_parse_flat(char *line, size_t len, struct json_object *out, const char **why)
{
    struct cursor c = {.at = line, .end = line + len};
    out->count = 0;
    skip_space(&c);
    bool ok = c.at < c.end && *c.at == '{';
    if (!ok) refuse(&c, "it is not an object");
    if (ok) {
        c.at++;
        skip_space(&c);
        bool empty = c.at < c.end && *c.at == '}';
        while (ok && !empty) {
            ok = parse_member(&c, out) == 0;
            skip_space(&c);
            if (!ok || (c.at < c.end && *c.at == '}')) break;
            if (c.at >= c.end || *c.at != ',') {
                refuse(&c, "a comma or the closing brace is missing");
                ok = false;
            } else {
                c.at++;
            }
        }
    }
    if (ok) {
        c.at++;
        skip_space(&c);
        if (c.at != c.end) {
            refuse(&c, "something follows the object");
            ok = false;
        }
    }
    if (why) *why = c.why;
    return ok ? 0 : -1;
}

const struct json_field *json_get(const struct json_object *object, const char *key)
{
    for (size_t i = 0; i < object->count; i++)
        if (strcmp(object->fields[i].key, key) == 0) return &object->fields[i];
    return NULL;
}

int json_get_text(const struct json_object *object, const char *key, const char **out)
{
    const struct json_field *f = json_get(object, key);
    if (!f || f->type == JSON_NULL) return 0;
    if (f->type != JSON_STRING) return -1;
    *out = f->text;
    return 1;
}

int json_get_integer(const struct json_object *object, const char *key, int64_t min, int64_t max, int64_t *out)
{
    const struct json_field *f = json_get(object, key);
    if (!f || f->type == JSON_NULL) return 0;
    if (f->type != JSON_INTEGER || f->integer < min || f->integer > max) return -1;
    *out = f->integer;
    return 1;
}

int json_get_bool(const struct json_object *object, const char *key, bool *out)
{
    const struct json_field *f = json_get(object, key);
    if (!f || f->type == JSON_NULL) return 0;
    if (f->type != JSON_BOOL) return -1;
    *out = f->boolean;
    return 1;
}

/* ---- nested values ------------------------------------------------------------------------------------- */

static const char *span_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n')) at++;
    return at;
}

/* End of the string whose opening quote is at `at`, or NULL. */
static const char *span_string(const char *at, const char *end)
{
    for (at++; at < end; at++)
        if (*at == '\\')
            at++;
        else if (*at == '"')
            return at + 1;
    return NULL;
}

/* End of the value at `at`, or NULL. Brackets are only counted: the parts are parsed strictly when they are used. */
static const char *span_value(const char *at, const char *end)
{
    int depth = 0;
    while (at < end) {
        if (*at == '"') {
            at = span_string(at, end);
            if (!at) return NULL;
            if (depth == 0) return at;
            continue;
        }
        if (*at == '{' || *at == '[') {
            if (++depth > NESTING_MAX) return NULL;
        } else if (*at == '}' || *at == ']') {
            if (depth == 0) return at;
            if (--depth == 0) return at + 1;
        } else if (depth == 0 && (*at == ',' || *at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) {
            return at;
        }
        at++;
    }
    return depth == 0 ? at : NULL;
}

int json_member(struct json_span object, const char *key, struct json_span *value)
{
    size_t key_len = strlen(key);
    const char *at = span_space(object.start, object.end);
    if (at >= object.end || *at != '{') return -1;
    for (at = span_space(at + 1, object.end); at < object.end && *at == '"';) {
        const char *name = at + 1, *name_end = span_string(at, object.end);
        if (!name_end) return -1;
        at = span_space(name_end, object.end);
        if (at >= object.end || *at != ':') return -1;
        at = span_space(at + 1, object.end);
        const char *value_end = span_value(at, object.end);
        if (!value_end || value_end == at) return -1;
        if ((size_t)(name_end - 1 - name) == key_len && memcmp(name, key, key_len) == 0) {
            *value = (struct json_span){at, value_end};
            return 0;
        }
        at = span_space(value_end, object.end);
        if (at < object.end && *at == ',') at = span_space(at + 1, object.end);
    }
    return -1;
}

int json_next(struct json_span array, struct json_span *position, struct json_span *element)
{
    const char *at = position->start ? position->start : span_space(array.start, array.end);
    if (!position->start) {
        if (at >= array.end || *at != '[') return -1;
        at++;
    }
    at = span_space(at, array.end);
    if (at < array.end && *at == ',') at = span_space(at + 1, array.end);
    if (at >= array.end || *at == ']') return 0;
    const char *end = span_value(at, array.end);
    if (!end || end == at) return -1;
    *element = (struct json_span){at, end};
    position->start = end;
    return 1;
}

/* ---- writer -------------------------------------------------------------------------------------------- */

void json_writer_init(struct json_writer *w, size_t max)
{
    *w = (struct json_writer){.max = max};
}

void json_writer_free(struct json_writer *w)
{
    free(w->data);
    *w = (struct json_writer){.max = w->max};
}

void json_writer_clear(struct json_writer *w)
{
    w->len = 0;
    w->failed = w->comma = false;
}

void json_raw(struct json_writer *w, const char *text, size_t len)
{
    if (w->failed) return;
    if (len > w->max - w->len) {
        w->failed = true;
        return;
    }
    if (w->len + len > w->cap) {
        size_t cap = w->cap ? w->cap : 512;
        while (cap < w->len + len) cap *= 2;
        if (cap > w->max) cap = w->max;
        char *data = realloc(w->data, cap);
        if (!data) {
            w->failed = true;
            return;
        }
        w->data = data;
        w->cap = cap;
    }
    memcpy(w->data + w->len, text, len);
    w->len += len;
}

static void separate(struct json_writer *w)
{
    if (w->comma) json_raw(w, ",", 1);
    w->comma = true;
}

void json_open(struct json_writer *w, char bracket)
{
    separate(w);
    json_raw(w, &bracket, 1);
    w->comma = false;
}

void json_close(struct json_writer *w, char bracket)
{
    json_raw(w, &bracket, 1);
    w->comma = true;
}

void json_end_line(struct json_writer *w)
{
    json_raw(w, "}\n", 2);
    w->comma = false;
}

static void quoted(struct json_writer *w, const char *text)
{
    json_raw(w, "\"", 1);
    const char *run = text, *s = text;
    for (; *s; s++) {
        unsigned char b = (unsigned char)*s;
        if (b >= 0x20 && b != '"' && b != '\\') continue;
        json_raw(w, run, (size_t)(s - run));
        char escape[8];
        int n = b == '"' || b == '\\' ? snprintf(escape, sizeof escape, "\\%c", b)
                                      : snprintf(escape, sizeof escape, "\\u%04x", b);
        json_raw(w, escape, (size_t)n);
        run = s + 1;
    }
    json_raw(w, run, (size_t)(s - run));
    json_raw(w, "\"", 1);
}

void json_key(struct json_writer *w, const char *key)
{
    separate(w);
    quoted(w, key);
    json_raw(w, ":", 1);
    w->comma = false;
}

void json_text(struct json_writer *w, const char *text)
{
    if (!text) {
        json_null(w);
        return;
    }
    separate(w);
    quoted(w, text);
}

void json_integer(struct json_writer *w, int64_t value)
{
    /* A sample holds thousands of numbers, twice a second: printf would be half of its cost. */
    char digits[24];
    size_t at = sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (value < 0) digits[--at] = '-';
    separate(w);
    json_raw(w, digits + at, sizeof digits - at);
}

void json_null(struct json_writer *w)
{
    separate(w);
    json_raw(w, "null", 4);
}

void json_bool(struct json_writer *w, bool value)
{
    separate(w);
    json_raw(w, value ? "true" : "false", value ? 4 : 5);
}

void json_put_text(struct json_writer *w, const char *key, const char *text)
{
    json_key(w, key);
    json_text(w, text);
}

void json_put_integer(struct json_writer *w, const char *key, int64_t value)
{
    json_key(w, key);
    json_integer(w, value);
}

void json_put_known(struct json_writer *w, const char *key, bool known, int64_t value)
{
    json_key(w, key);
    if (known)
        json_integer(w, value);
    else
        json_null(w);
}

void json_put_bool(struct json_writer *w, const char *key, bool value)
{
    json_key(w, key);
    json_bool(w, value);
}

struct json_mark json_mark(const struct json_writer *w)
{
    return (struct json_mark){w->len, w->comma};
}

void json_rewind(struct json_writer *w, struct json_mark mark)
{
    w->len = mark.len;
    w->comma = mark.comma;
    w->failed = false;
}
