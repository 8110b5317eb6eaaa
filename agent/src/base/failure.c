#include "base/failure.h"

#include <stdarg.h>
#include <stdio.h>

int fail(struct failure *failure, const char *code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(failure->message, sizeof failure->message, format, args);
    va_end(args);
    failure->code = code;
    return -1;
}

int fail_field(struct failure *failure, const char *key, const char *what)
{
    return fail(failure, "bad-request", "The field %s of the request must be %s; nothing was done.", key, what);
}
