#include "tests/load/sdp_scan.h"

#include "rtp/wire/extensions.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { LINE_MAX_SIZE = 1024, PAYLOAD_TYPES = 128 };

struct scanner {
    struct sdp_scan *sdp;
    bool in_media, at_video, found; /* at_video: this m-line is the one that counts */
    bool is_h264[PAYLOAD_TYPES], is_rtx[PAYLOAD_TYPES];
    int apt[PAYLOAD_TYPES];
    char formats[256]; /* of the m-line that counts */
    char parameters[PAYLOAD_TYPES][160];
};

static const char *after(const char *line, const char *prefix)
{
    size_t n = strlen(prefix);
    return strncmp(line, prefix, n) == 0 ? line + n : NULL;
}

/* The first one counts; what is too long for us is left out, and then lacks. */
static void copy_once(char *out, size_t room, const char *value)
{
    size_t n = strlen(value);
    if (out[0] == '\0' && n < room)
        memcpy(out, value, n + 1);
}

static int payload_type_of(const char *value)
{
    char *end;
    long n = strtol(value, &end, 10);
    return end != value && n >= 0 && n < PAYLOAD_TYPES ? (int)n : -1;
}

static void on_media(struct scanner *s, const char *value)
{
    unsigned port = 0;
    char kind[16] = "", formats[256] = "";
    s->in_media = true;
    s->at_video = false;
    if (s->sdp->n_media == SDP_SCAN_MEDIA_MAX)
        return;
    unsigned i = s->sdp->n_media++;
    int n = sscanf(value, "%15s %u %*s %255[^\n]", kind, &port, formats);
    memcpy(s->sdp->kinds[i], kind, sizeof(kind));
    if (n == 3 && strcmp(kind, "video") == 0 && port != 0 && !s->found) {
        s->found = s->at_video = true;
        s->sdp->video = i;
        memcpy(s->formats, formats, sizeof(formats));
    }
}

static void on_rtpmap(struct scanner *s, const char *value)
{
    int type = payload_type_of(value);
    const char *name = strchr(value, ' ');
    if (type < 0 || !name)
        return;
    s->is_h264[type] = strncasecmp(name + 1, "H264/90000", 10) == 0;
    s->is_rtx[type] = strncasecmp(name + 1, "rtx/90000", 9) == 0;
}

static void on_fmtp(struct scanner *s, const char *value)
{
    int type = payload_type_of(value);
    const char *parameters = strchr(value, ' ');
    if (type < 0 || !parameters)
        return;
    snprintf(s->parameters[type], sizeof(s->parameters[type]), "%s", parameters + 1);
    const char *apt = strstr(parameters, "apt=");
    s->apt[type] = apt ? payload_type_of(apt + 4) : -1;
}

/* a=candidate:1 1 udp 2130706431 127.0.0.1 8189 typ host */
static void on_candidate(struct scanner *s, const char *value)
{
    unsigned component, port;
    char transport[8], ip[64];
    struct address a;
    if (sscanf(value, "%*s %u %7s %*s %63s %u", &component, transport, ip, &port) != 4 ||
        component != 1 || strcasecmp(transport, "udp") != 0 || port == 0 || port > 65535 ||
        !address_parse(&a, ip, (uint16_t)port))
        return;
    if (s->sdp->n_candidates < SDP_SCAN_CANDIDATES_MAX)
        s->sdp->candidates[s->sdp->n_candidates++] = a;
}

static void on_extmap(struct scanner *s, const char *value)
{
    char *end;
    long id = strtol(value, &end, 10);
    const char *uri = strchr(value, ' ');
    if (id < 1 || id > 14 || !uri)
        return;
    if (after(uri + 1, EXTENSION_URI_TRANSPORT_CC))
        s->sdp->transport_cc_id = (uint8_t)id;
    else if (after(uri + 1, EXTENSION_URI_PLAYOUT_DELAY))
        s->sdp->playout_delay_id = (uint8_t)id;
    else if (after(uri + 1, EXTENSION_URI_MID))
        s->sdp->mid_id = (uint8_t)id;
}

static void on_line(struct scanner *s, const char *line)
{
    struct sdp_scan *sdp = s->sdp;
    const char *v;
    if ((v = after(line, "m=")))
        on_media(s, v);
    else if ((v = after(line, "a=mid:")) && sdp->n_media > 0)
        copy_once(sdp->mids[sdp->n_media - 1], sizeof(sdp->mids[0]), v);
    if (s->in_media && !s->at_video)
        return; /* what counts is the session's and the track's own */
    if ((v = after(line, "a=ice-ufrag:")))
        copy_once(sdp->ufrag, sizeof(sdp->ufrag), v);
    else if ((v = after(line, "a=ice-pwd:")))
        copy_once(sdp->pwd, sizeof(sdp->pwd), v);
    else if ((v = after(line, "a=fingerprint:")))
        copy_once(sdp->fingerprint, sizeof(sdp->fingerprint), v);
    else if ((v = after(line, "a=candidate:")))
        on_candidate(s, v);
    else if ((v = after(line, "a=extmap:")))
        on_extmap(s, v);
    else if ((v = after(line, "a=rtpmap:")))
        on_rtpmap(s, v);
    else if ((v = after(line, "a=fmtp:")))
        on_fmtp(s, v);
}

static bool choose_formats(struct scanner *s)
{
    int chosen = -1;
    for (char *save, *word = strtok_r(s->formats, " ", &save); word && chosen < 0;
         word = strtok_r(NULL, " ", &save)) {
        int type = payload_type_of(word);
        if (type >= 0 && s->is_h264[type])
            chosen = type;
    }
    if (chosen < 0)
        return false;
    s->sdp->payload_type = (uint8_t)chosen;
    memcpy(s->sdp->format, s->parameters[chosen], sizeof(s->sdp->format));
    for (int type = 0; type < PAYLOAD_TYPES; type++) {
        if (s->is_rtx[type] && s->apt[type] == chosen)
            s->sdp->rtx_payload_type = (uint8_t)type;
    }
    return true;
}

static const char *what_lacks(struct scanner *s)
{
    struct sdp_scan *sdp = s->sdp;
    if (!s->found)
        return "no m=video that is not refused";
    if (!choose_formats(s))
        return "no H.264 format in its m=video";
    if (strlen(sdp->ufrag) < 4 || strlen(sdp->pwd) < 22)
        return "no usable ICE credentials";
    if (sdp->fingerprint[0] == '\0')
        return "no a=fingerprint";
    return sdp->n_candidates == 0 ? "no UDP candidate" : NULL;
}

int sdp_scan(struct sdp_scan *out, const char *text, size_t size, char *error, size_t error_size)
{
    struct scanner s = {.sdp = out};
    char line[LINE_MAX_SIZE];
    memset(out, 0, sizeof(*out));
    for (const char *at = text, *end = text + size; at < end;) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((stop ? stop : end) - at);
        if (n < sizeof(line)) {
            memcpy(line, at, n);
            line[n > 0 && line[n - 1] == '\r' ? n - 1 : n] = '\0';
            on_line(&s, line);
        }
        at = stop ? stop + 1 : end;
    }
    const char *lacks = what_lacks(&s);
    if (lacks)
        snprintf(error, error_size, "the server's SDP has %s", lacks);
    return lacks ? -EBADMSG : 0;
}

/* --- what is written --- */

struct writer {
    char *out;
    size_t room, used;
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(w->out + w->used, w->room - w->used, format, args);
    va_end(args);
    w->used = n < 0 || (size_t)n >= w->room - w->used ? w->room : w->used + (size_t)n;
}

static size_t finish(const struct writer *w)
{
    return w->used < w->room ? w->used : 0;
}

static void put_transport(struct writer *w, const struct sdp_scan_local *local, const char *setup)
{
    put(w,
        "c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\na=ice-ufrag:%s\r\na=ice-pwd:%s\r\n"
        "a=ice-options:trickle\r\na=fingerprint:%s\r\na=setup:%s\r\n",
        local->ufrag, local->pwd, local->fingerprint, setup);
    put(w, "a=recvonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\n");
}

static void put_extension(struct writer *w, uint8_t id, const char *uri)
{
    if (id != 0)
        put(w, "a=extmap:%u %s\r\n", id, uri);
}

static void put_extensions(struct writer *w, uint8_t transport_cc, uint8_t playout_delay,
                           uint8_t mid)
{
    put_extension(w, transport_cc, EXTENSION_URI_TRANSPORT_CC);
    put_extension(w, playout_delay, EXTENSION_URI_PLAYOUT_DELAY);
    put_extension(w, mid, EXTENSION_URI_MID);
}

static void put_format(struct writer *w, unsigned type, unsigned rtx, const char *parameters)
{
    put(w, "a=rtpmap:%u H264/90000\r\n", type);
    put(w,
        "a=rtcp-fb:%u transport-cc\r\na=rtcp-fb:%u ccm fir\r\na=rtcp-fb:%u nack\r\n"
        "a=rtcp-fb:%u nack pli\r\n",
        type, type, type, type);
    if (parameters[0] != '\0')
        put(w, "a=fmtp:%u %s\r\n", type, parameters);
    if (rtx != 0)
        put(w, "a=rtpmap:%u rtx/90000\r\na=fmtp:%u apt=%u\r\n", rtx, rtx, type);
}

size_t sdp_scan_write_offer(char *out, size_t room, const struct sdp_scan_local *local)
{
    static const char *const profiles[] = {"42e01f", "4d001f", "64001f"};
    struct writer w = {.out = out, .room = room};
    put(&w, "v=0\r\no=- 4611686018427387904 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
            "a=group:BUNDLE 0\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS\r\n"
            "m=video 9 UDP/TLS/RTP/SAVPF 102 103 104 105 106 107\r\n");
    put_transport(&w, local, "actpass");
    put(&w, "a=mid:0\r\n");
    put_extensions(&w, 3, 5, 4);
    for (unsigned i = 0; i < 3; i++) {
        char parameters[100];
        snprintf(parameters, sizeof(parameters),
                 "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=%s", profiles[i]);
        put_format(&w, 102 + 2 * i, 103 + 2 * i, parameters);
    }
    return finish(&w);
}

size_t sdp_scan_write_answer(char *out, size_t room, const struct sdp_scan_local *local,
                             const struct sdp_scan *offer)
{
    struct writer w = {.out = out, .room = room};
    put(&w,
        "v=0\r\no=- 4611686018427387904 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
        "a=group:BUNDLE %s\r\na=msid-semantic: WMS\r\n",
        offer->mids[offer->video]);
    for (unsigned i = 0; i < offer->n_media; i++) {
        if (i != offer->video) {
            put(&w, "m=%s 0 UDP/TLS/RTP/SAVPF %u\r\nc=IN IP4 0.0.0.0\r\na=mid:%s\r\na=inactive\r\n",
                offer->kinds[i], offer->payload_type, offer->mids[i]);
            continue;
        }
        put(&w, "m=video 9 UDP/TLS/RTP/SAVPF %u", offer->payload_type);
        if (offer->rtx_payload_type != 0)
            put(&w, " %u", offer->rtx_payload_type);
        put(&w, "\r\n");
        put_transport(&w, local, "active");
        put(&w, "a=mid:%s\r\n", offer->mids[i]);
        put_extensions(&w, offer->transport_cc_id, offer->playout_delay_id, offer->mid_id);
        put_format(&w, offer->payload_type, offer->rtx_payload_type, offer->format);
    }
    return finish(&w);
}
