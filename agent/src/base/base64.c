#include "base/base64.h"

#include <stdint.h>
#include <string.h>

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(char *out, const void *data, size_t len)
{
    const unsigned char *in = data;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t v = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) | (left > 2 ? in[i + 2] : 0);
        *out++ = letters[v >> 18];
        *out++ = letters[v >> 12 & 63];
        *out++ = left > 1 ? letters[v >> 6 & 63] : '=';
        *out++ = left > 2 ? letters[v & 63] : '=';
    }
    *out = '\0';
}

ssize_t base64_decode(void *out, size_t cap, const char *text)
{
    unsigned char *to = out;
    size_t len = strlen(text), n = 0;
    if (len % 4 != 0) return -1;
    for (size_t i = 0; i < len; i += 4) {
        size_t count = text[i + 3] != '=' ? 3 : text[i + 2] != '=' ? 2 : 1;
        uint32_t v = 0;
        if (count < 3 && i + 4 < len) return -1;
        for (size_t k = 0; k <= count; k++) {
            const char *at = memchr(letters, text[i + k], 64);
            if (!at) return -1;
            v |= (uint32_t)(at - letters) << (18 - 6 * k);
        }
        if (n + count > cap) return -1;
        for (size_t k = 0; k < count; k++) to[n++] = (unsigned char)(v >> (16 - 8 * k));
    }
    return (ssize_t)n;
}
