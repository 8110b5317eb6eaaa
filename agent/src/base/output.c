#include "base/output.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "text.h"

#define PIECE_BYTES 1024

struct output {
    int fd;
    char rest[4]; /* the beginning of a character whose end has not come yet */
    size_t rest_len;
};

static int put(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return -1;
        data += n;
        len -= (size_t)n;
    }
    return 0;
}

/* A piece of one line. */
static int put_clean(int fd, const char *data, size_t len)
{
    char clean[3 * PIECE_BYTES + 1];
    size_t n = text_sanitize(clean, sizeof clean, data, len);
    return put(fd, clean, n);
}

/* How many bytes at the end are the beginning of a character, or of the end of a line as CSV has it. */
static size_t unfinished(const char *data, size_t len)
{
    if (len > 0 && data[len - 1] == '\r') return 1;
    for (size_t n = 1; n <= 3 && n <= len; n++) {
        unsigned char c = (unsigned char)data[len - n];
        if ((c & 0xc0) == 0x80) continue;
        size_t need = c >= 0xf0 && c <= 0xf4 ? 4 : c >= 0xe0 && c < 0xf0 ? 3 : c >= 0xc2 && c < 0xe0 ? 2 : 1;
        return need > n ? n : 0;
    }
    return 0;
}

/* Bytes of what stands between pieces: a line feed, alone or after a carriage return, or a tab. 0: none is here. */
static size_t line_part(const char *data, size_t len)
{
    if (data[0] == '\n' || data[0] == '\t') return 1;
    return len > 1 && data[0] == '\r' && data[1] == '\n' ? 2 : 0;
}

static int put_all(struct output *o, const char *data, size_t len)
{
    for (size_t at = 0; at < len;) {
        size_t n = 0;
        while (at + n < len && n < PIECE_BYTES && line_part(data + at + n, len - at - n) == 0) n++;
        if (n == PIECE_BYTES) n -= unfinished(data + at, n);
        if (at + n == len) {
            size_t keep = unfinished(data + at, n);
            memcpy(o->rest, data + at + n - keep, keep);
            o->rest_len = keep;
            return put_clean(o->fd, data + at, n - keep);
        }
        if (put_clean(o->fd, data + at, n) != 0) return -1;
        at += n;
        size_t part = line_part(data + at, len - at);
        if (part > 0 && put(o->fd, data + at, part) != 0) return -1;
        at += part;
    }
    return 0;
}

static ssize_t on_write(void *cookie, const char *data, size_t size)
{
    struct output *o = cookie;
    char joined[PIECE_BYTES];
    size_t taken = 0;
    if (o->rest_len > 0) {
        /* The character that the last write cut, and some more. */
        memcpy(joined, o->rest, o->rest_len);
        taken = size < sizeof joined - o->rest_len ? size : sizeof joined - o->rest_len;
        memcpy(joined + o->rest_len, data, taken);
        size_t len = o->rest_len + taken;
        o->rest_len = 0;
        if (put_all(o, joined, len) != 0) return 0;
        if (o->rest_len > 0 && taken < size) {
            taken -= o->rest_len;
            o->rest_len = 0;
        }
    }
    return put_all(o, data + taken, size - taken) == 0 ? (ssize_t)size : 0;
}

static FILE *wrap(struct output *o, int buffering)
{
    cookie_io_functions_t functions = {.write = on_write};
    FILE *file = fopencookie(o, "w", functions);
    if (file) setvbuf(file, NULL, buffering, BUFSIZ);
    return file;
}

void output_is_text(void)
{
    static struct output outputs[] = {{.fd = STDOUT_FILENO}, {.fd = STDERR_FILENO}};
    FILE *out = wrap(&outputs[0], isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF), *err = wrap(&outputs[1], _IOLBF);
    /* Without memory for a stream there is none for anything else that a command does. */
    if (!out || !err) _exit(125);
    stdout = out;
    stderr = err;
}
