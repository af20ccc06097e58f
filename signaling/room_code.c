#include "signaling/room_code.h"

#include <stddef.h>

bool room_code_normalize(char out[BACKEND_ROOM_MAX], const char *text)
{
    size_t n = 0;
    for (; text[n] != '\0'; n++) {
        char c = text[n];
        if (c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        bool legal = (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
        if (!legal || n == BACKEND_ROOM_MAX - 1)
            return false;
        out[n] = c;
    }
    out[n] = '\0';
    return n > 0;
}
