#include "server/publish_fragment.h"

#include "signaling/sdp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int publish_fragment_write(char *out, size_t size, const char *ufrag, const char *pwd,
                           const char *lines)
{
    int n = snprintf(out, size,
                     "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\n"
                     "a=mid:0\r\n%s",
                     ufrag, pwd, lines);
    return n >= 0 && (size_t)n < size ? n : -ENOSPC;
}

static void take(char *out, size_t room, size_t min, struct sdp_text line, const char *name)
{
    size_t n = strlen(name);
    if (out[0] || line.length < n || memcmp(line.at, name, n) != 0)
        return;
    struct sdp_text value = {line.at + n, line.length - n};
    if (!sdp_is_ice_text(value, min, room - 1))
        return;
    memcpy(out, value.at, value.length);
    out[value.length] = '\0';
}

bool publish_fragment_read(struct publish_credentials *out, const char *text, size_t size)
{
    const char *end = text + size;
    *out = (struct publish_credentials){.ufrag = ""};
    while (text < end) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        size_t n = (size_t)((stop ? stop : end) - text);
        struct sdp_text line = {text, n > 0 && text[n - 1] == '\r' ? n - 1 : n};
        take(out->ufrag, sizeof(out->ufrag), 4, line, "a=ice-ufrag:");
        take(out->pwd, sizeof(out->pwd), 22, line, "a=ice-pwd:");
        text = stop ? stop + 1 : end;
    }
    return out->ufrag[0] && out->pwd[0];
}
