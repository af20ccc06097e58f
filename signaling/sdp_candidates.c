/* sdp_candidates.c - candidates that come one by one (RFC 8838, RFC 8840). */
#include "signaling/sdp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Where the first section with a transport ends: the others of the bundle need none (RFC 9143
 * 7.1.3). */
static size_t end_of_transport(const char *sdp, size_t size)
{
    const char *transport = strstr(sdp, "a=ice-ufrag:");
    const char *next = transport ? strstr(transport, "\r\nm=") : NULL;
    return next ? (size_t)(next - sdp) + 2 : size;
}

int sdp_add_candidate(char *sdp, size_t size, const char *candidate)
{
    char line[BACKEND_CANDIDATE_MAX + 8];
    int n = snprintf(line, sizeof(line), "a=%s\r\n", candidate ? candidate : "end-of-candidates");
    size_t used = strlen(sdp);
    if (n < 0 || (size_t)n >= sizeof(line) || used + (size_t)n >= size)
        return -ENOSPC;
    size_t at = end_of_transport(sdp, used);
    memmove(sdp + at + n, sdp + at, used - at + 1);
    memcpy(sdp + at, line, (size_t)n);
    return (int)(used + (size_t)n);
}

/* The next line, without its end. */
static struct sdp_text next_line(struct sdp_text *text)
{
    struct sdp_text line = *text;
    const char *end = memchr(text->at, '\n', text->length);
    if (end)
        line.length = (size_t)(end - text->at);
    size_t skip = line.length + (end != NULL);
    *text = (struct sdp_text){text->at + skip, text->length - skip};
    if (line.length > 0 && line.at[line.length - 1] == '\r')
        line.length--;
    return line;
}

static bool has_prefix(struct sdp_text line, const char *prefix)
{
    size_t n = strlen(prefix);
    return line.length >= n && memcmp(line.at, prefix, n) == 0;
}

bool sdp_next_candidate(struct sdp_text *text, char out[BACKEND_CANDIDATE_MAX])
{
    while (text->length > 0) {
        struct sdp_text line = next_line(text);
        if (has_prefix(line, "a=end-of-candidates")) {
            out[0] = '\0';
            return true;
        }
        if (!has_prefix(line, "a=candidate:") || line.length - 2 >= BACKEND_CANDIDATE_MAX ||
            memchr(line.at, '\0', line.length))
            continue;
        memcpy(out, line.at + 2, line.length - 2);
        out[line.length - 2] = '\0';
        return true;
    }
    return false;
}
