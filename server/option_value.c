#include "server/option_value.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *option_number(const char *text, long min, long max, long *out)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (!*text || isspace((unsigned char)*text) || *end || errno || n < min || n > max)
        return "is not a whole number in its range";
    *out = n;
    return NULL;
}

const char *option_text(char *out, size_t room, const char *value)
{
    if (!*value)
        return "must not be empty";
    if (strlen(value) >= room)
        return "is too long";
    memcpy(out, value, strlen(value) + 1);
    return NULL;
}
