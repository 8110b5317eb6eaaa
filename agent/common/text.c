#include "text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SAFE_INTEGER_MAX INT64_C(9007199254740991)

size_t text_utf8_next(const char *src, size_t len, uint32_t *code)
{
    if (len == 0) return 0;
    const unsigned char *s = (const unsigned char *)src;
    if (s[0] < 0x80) {
        *code = s[0];
        return 1;
    }
    size_t need;
    uint32_t c, least;
    if (s[0] >= 0xc2 && s[0] <= 0xdf)
        need = 2, c = s[0] & 0x1fu, least = 0x80;
    else if (s[0] >= 0xe0 && s[0] <= 0xef)
        need = 3, c = s[0] & 0x0fu, least = 0x800;
    else if (s[0] >= 0xf0 && s[0] <= 0xf4)
        need = 4, c = s[0] & 0x07u, least = 0x10000;
    else
        return 0;
    if (len < need) return 0;
    for (size_t i = 1; i < need; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0;
        c = c << 6 | (s[i] & 0x3fu);
    }
    if (c < least || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) return 0;
    *code = c;
    return need;
}

static bool is_unsafe(uint32_t c)
{
    if (c < 0x20 || (c >= 0x7f && c <= 0x9f)) return true;
    /* Marks, embeddings, overrides and isolates can make "exe.txt" read as something else; line separators break
     * a table; U+FEFF is invisible. */
    return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
           c == 0xfeff;
}

size_t text_sanitize(char *dst, size_t cap, const char *src, size_t len)
{
    size_t out = 0;
    for (size_t i = 0; i < len;) {
        uint32_t code = 0;
        size_t n = text_utf8_next(src + i, len - i, &code);
        const char *piece = src + i;
        size_t piece_len = n;
        if (n == 0 || is_unsafe(code)) {
            piece = "\xef\xbf\xbd";
            piece_len = 3;
        }
        if (out + piece_len > cap - 1) break;
        memcpy(dst + out, piece, piece_len);
        out += piece_len;
        i += n == 0 ? 1 : n;
    }
    dst[out] = '\0';
    return out;
}

static const char *skip_space(const char *s)
{
    while (*s == ' ' || *s == '\t') s++;
    return s;
}

static int unit_factor(const char *unit, size_t len, double *factor)
{
    static const struct {
        const char *name;
        double factor;
    } units[] = {
        {"", 1},
        {"b", 1},
        {"k", 1024.0},
        {"kib", 1024.0},
        {"m", 1048576.0},
        {"mib", 1048576.0},
        {"g", 1073741824.0},
        {"gib", 1073741824.0},
        {"t", 1099511627776.0},
        {"tib", 1099511627776.0},
    };
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strlen(units[i].name) == len && strncasecmp(units[i].name, unit, len) == 0) {
            *factor = units[i].factor;
            return 0;
        }
    }
    return -1;
}

int text_parse_bytes(const char *text, int64_t *out)
{
    const char *s = skip_space(text);
    const char *number = s;
    size_t whole = 0, fraction = 0;
    while (isdigit((unsigned char)*s)) s++, whole++;
    if (whole == 0 || whole > 15) return -1;
    if (*s == '.') {
        s++;
        while (isdigit((unsigned char)*s)) s++, fraction++;
        if (fraction == 0 || fraction > 6) return -1;
    }
    char digits[32];
    memcpy(digits, number, (size_t)(s - number));
    digits[s - number] = '\0';
    s = skip_space(s);
    const char *unit = s;
    while (isalpha((unsigned char)*s)) s++;
    double factor;
    if (unit_factor(unit, (size_t)(s - unit), &factor) != 0 || *skip_space(s) != '\0') return -1;
    /* At most 15 + 6 digits: the same double as JavaScript's Number(), and its Math.round for positive values. The
     * agent never calls setlocale, so that the point is a point. */
    double value = strtod(digits, NULL) * factor + 0.5;
    if (value >= (double)SAFE_INTEGER_MAX) return -1;
    *out = (int64_t)value;
    return 0;
}

int text_parse_percent(const char *text, int64_t *out)
{
    const char *s = skip_space(text);
    int64_t value = 0;
    size_t digits = 0;
    for (; isdigit((unsigned char)*s) && digits < 4; s++, digits++) value = value * 10 + (*s - '0');
    if (digits == 0 || digits > 3 || value > 100) return -1;
    s = skip_space(s);
    if (*s == '%') s++;
    if (*skip_space(s) != '\0') return -1;
    *out = value;
    return 0;
}

int text_parse_integer(const char *text, int64_t min, int64_t max, int64_t *out)
{
    if (!isdigit((unsigned char)text[0]) && !(text[0] == '-' && isdigit((unsigned char)text[1]))) return -1;
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno != 0 || *end != '\0' || value < min || value > max) return -1;
    *out = value;
    return 0;
}

bool text_is_slice_name(const char *text)
{
    size_t len = strlen(text);
    if (len < 1 || len > 40) return false;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!plain && (i == 0 || (c != '.' && c != '_' && c != '-'))) return false;
    }
    return true;
}

bool text_copy(char *dst, size_t cap, const char *src)
{
    size_t len = strlen(src);
    bool fits = len < cap;
    if (!fits) len = cap - 1;
    memmove(dst, src, len);
    dst[len] = '\0';
    return fits;
}

char *text_gib(char *buf, size_t cap, uint64_t bytes)
{
    snprintf(buf, cap, "%.1f GiB", (double)bytes / 1073741824.0);
    return buf;
}
