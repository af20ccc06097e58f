/* sdp_parse.c - reads a description (RFC 8866) into what sdp_match.c and sdp_write.c need. */
#include "signaling/sdp.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct parser {
    struct sdp *sdp;
    struct sdp_media *media; /* NULL while at session level */
    unsigned line;
    char *error;
    size_t error_size;
};

__attribute__((format(printf, 2, 3))) static int fail(struct parser *p, const char *format, ...)
{
    char what[160];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    snprintf(p->error, p->error_size, "SDP line %u: %s", p->line, what);
    return -EBADMSG;
}

bool sdp_text_is(struct sdp_text text, const char *word)
{
    return text.length == strlen(word) &&
           strncasecmp(text.at ? text.at : "", word, text.length) == 0;
}

static bool is_empty(struct sdp_text text)
{
    return text.length == 0;
}

/* Cuts the part before the first `separator` off `rest`; all of it when there is none. */
static struct sdp_text cut(struct sdp_text *rest, char separator)
{
    struct sdp_text part = *rest;
    const char *end = rest->length > 0 ? memchr(rest->at, separator, rest->length) : NULL;
    if (!end) {
        *rest = (struct sdp_text){rest->at + rest->length, 0};
        return part;
    }
    part.length = (size_t)(end - part.at);
    rest->length -= part.length + 1;
    rest->at = end + 1;
    return part;
}

static struct sdp_text trim(struct sdp_text text)
{
    while (text.length > 0 && (*text.at == ' ' || *text.at == '\t')) {
        text.at++;
        text.length--;
    }
    while (text.length > 0 && (text.at[text.length - 1] == ' ' || text.at[text.length - 1] == '\t'))
        text.length--;
    return text;
}

/* The next word between spaces, empty at the end. */
static struct sdp_text next_word(struct sdp_text *rest)
{
    *rest = trim(*rest);
    return cut(rest, ' ');
}

static bool number_of(struct sdp_text text, unsigned max, unsigned *out)
{
    unsigned n = 0;
    if (text.length == 0 || text.length > 6)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        n = n * 10 + (unsigned)(text.at[i] - '0');
    }
    *out = n;
    return n <= max;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool profile_of(struct sdp_text text, uint8_t out[3])
{
    if (text.length != 6)
        return false;
    for (unsigned i = 0; i < 3; i++) {
        int high = hex_digit(text.at[2 * i]), low = hex_digit(text.at[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (uint8_t)(high * 16 + low);
    }
    return true;
}

/* RFC 8866 9, token: what may stand in a mid, and so what we may echo. */
static bool is_token(struct sdp_text text)
{
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c <= ' ' || c > '~' || strchr("\"(),/:;<=>?@[\\]", c))
            return false;
    }
    return text.length > 0;
}

static struct sdp_format *find_format(struct sdp_media *media, struct sdp_text payload_type)
{
    unsigned n;
    if (!media || !number_of(payload_type, 127, &n))
        return NULL;
    for (unsigned i = 0; i < media->n_formats; i++)
        if (media->formats[i].payload_type == n)
            return &media->formats[i];
    return NULL;
}

static enum sdp_codec codec_of(struct sdp_text name, struct sdp_text rate)
{
    static const struct {
        const char *name, *rate;
        enum sdp_codec codec;
    } rows[] = {
        {"H264", "90000", SDP_CODEC_H264},   {"VP8", "90000", SDP_CODEC_VP8},
        {"VP9", "90000", SDP_CODEC_VP9},     {"AV1", "90000", SDP_CODEC_AV1},
        {"opus", "48000/2", SDP_CODEC_OPUS}, /* RFC 7587 7: whatever is in it */
        {"rtx", "90000", SDP_CODEC_RTX},     {"red", "48000/2", SDP_CODEC_RED},
    };
    struct sdp_text parameters = rate, clock = cut(&parameters, '/');
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (sdp_text_is(name, rows[i].name) &&
            (sdp_text_is(rate, rows[i].rate) || sdp_text_is(clock, rows[i].rate)))
            return rows[i].codec;
    return SDP_CODEC_OTHER;
}

/* a=rtpmap:96 H264/90000 */
static void on_rtpmap(struct parser *p, struct sdp_text value)
{
    struct sdp_format *format = find_format(p->media, next_word(&value));
    struct sdp_text encoding = next_word(&value);
    struct sdp_text name = cut(&encoding, '/');
    if (format && format->codec == 0 && !is_empty(name))
        format->codec = (uint8_t)codec_of(name, encoding);
}

/* a=fmtp:63 111/111: what blocks may be, the first one before the others (RFC 2198 5) */
static void on_blocks(struct sdp_format *format, struct sdp_text value)
{
    unsigned n;
    struct sdp_text rest = value, first = cut(&rest, '/');
    if (!is_empty(rest) && number_of(first, 127, &n)) {
        format->apt = (uint8_t)n;
        format->has_apt = true;
    }
}

/* a=fmtp:96 packetization-mode=1;profile-level-id=42e01f */
static void on_fmtp(struct parser *p, struct sdp_text value)
{
    struct sdp_format *format = find_format(p->media, next_word(&value));
    if (!format)
        return;
    format->has_fmtp = true;
    on_blocks(format, value);
    while (!is_empty(value)) {
        struct sdp_text pair = trim(cut(&value, ';'));
        struct sdp_text key = trim(cut(&pair, '='));
        unsigned n;
        pair = trim(pair);
        if (sdp_text_is(key, "apt") && number_of(pair, 127, &n)) {
            format->apt = (uint8_t)n;
            format->has_apt = true;
        } else if (sdp_text_is(key, "packetization-mode") && number_of(pair, 2, &n)) {
            format->packetization_mode = (uint8_t)n;
        } else if (sdp_text_is(key, "level-asymmetry-allowed")) {
            format->level_asymmetry = sdp_text_is(pair, "1");
        } else if (sdp_text_is(key, "profile-level-id")) {
            format->has_profile = profile_of(pair, format->profile);
        } else if ((sdp_text_is(key, "profile-id") || sdp_text_is(key, "profile")) &&
                   number_of(pair, 7, &n)) {
            format->profile_number = (uint8_t)n;
        }
    }
}

static uint8_t feedback_of(struct sdp_text value)
{
    value = trim(value);
    if (sdp_text_is(value, "nack"))
        return SDP_FEEDBACK_NACK;
    if (sdp_text_is(value, "nack pli"))
        return SDP_FEEDBACK_PLI;
    if (sdp_text_is(value, "ccm fir"))
        return SDP_FEEDBACK_FIR;
    if (sdp_text_is(value, "goog-remb"))
        return SDP_FEEDBACK_REMB;
    return sdp_text_is(value, "transport-cc") ? SDP_FEEDBACK_TRANSPORT_CC : 0;
}

/* a=rtcp-fb:96 nack pli, or * for every format */
static void on_rtcp_fb(struct parser *p, struct sdp_text value)
{
    struct sdp_text word = next_word(&value);
    uint8_t feedback = feedback_of(value);
    if (p->media && sdp_text_is(word, "*")) {
        for (unsigned i = 0; i < p->media->n_formats; i++)
            p->media->formats[i].feedback |= feedback;
        return;
    }
    struct sdp_format *format = find_format(p->media, word);
    if (format)
        format->feedback |= feedback;
}

/* a=extmap:3/recvonly URI. The first of two lines that collide wins. */
static void on_extmap(struct parser *p, struct sdp_text value)
{
    struct sdp_extensions *ext = p->media ? &p->media->extensions : &p->sdp->extensions;
    const struct {
        const char *uri;
        uint8_t *id;
    } rows[] = {
        {SDP_URI_TRANSPORT_CC, &ext->transport_cc},
        {SDP_URI_PLAYOUT_DELAY, &ext->playout_delay},
        {SDP_URI_MID, &ext->mid},
        {SDP_URI_DEPENDENCY, &ext->dependency},
        {SDP_URI_RID, &ext->rid},
        {SDP_URI_REPAIRED_RID, &ext->repaired_rid},
        {SDP_URI_ABS_SEND_TIME, &ext->abs_send_time},
    };
    struct sdp_text word = next_word(&value), uri = next_word(&value);
    uint8_t *place = NULL;
    unsigned id;
    if (!number_of(cut(&word, '/'), 14, &id) || id == 0)
        return;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (*rows[i].id == id)
            return;
        if (sdp_text_is(uri, rows[i].uri))
            place = rows[i].id;
    }
    if (place && *place == 0)
        *place = (uint8_t)id;
}

/* a=msid:STREAM TRACK */
static void on_msid(struct parser *p, struct sdp_text value)
{
    if (!p->media || p->media->msid.at)
        return;
    p->media->msid = next_word(&value);
    p->media->track_id = next_word(&value);
}

static bool ssrc_of(struct sdp_text text, uint32_t *out)
{
    uint64_t n = 0;
    if (text.length == 0 || text.length > 10)
        return false;
    for (size_t i = 0; i < text.length; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
        n = n * 10 + (unsigned)(text.at[i] - '0');
    }
    *out = (uint32_t)n;
    return n > 0 && n <= UINT32_MAX;
}

/* a=ssrc:1234 msid:STREAM TRACK (RFC 5576) */
static void on_ssrc(struct parser *p, struct sdp_text value)
{
    struct sdp_media *media = p->media;
    uint32_t ssrc;
    if (!media || !ssrc_of(next_word(&value), &ssrc))
        return;
    value = trim(value);
    if (value.length > 5 && strncasecmp(value.at, "msid:", 5) == 0)
        on_msid(p, (struct sdp_text){value.at + 5, value.length - 5});
    for (unsigned i = 0; i < media->n_ssrcs; i++)
        if (media->ssrcs[i] == ssrc)
            return;
    if (media->n_ssrcs < SDP_SOURCES_MAX)
        media->ssrcs[media->n_ssrcs++] = ssrc;
}

/* a=ssrc-group:FID 1234 5678 */
static void on_ssrc_group(struct parser *p, struct sdp_text value)
{
    struct sdp_media *media = p->media;
    uint32_t ssrc, rtx_ssrc;
    if (!media || media->n_repairs == SDP_SOURCES_MAX || !sdp_text_is(next_word(&value), "FID") ||
        !ssrc_of(next_word(&value), &ssrc) || !ssrc_of(next_word(&value), &rtx_ssrc))
        return;
    media->repairs[media->n_repairs].ssrc = ssrc;
    media->repairs[media->n_repairs++].rtx_ssrc = rtx_ssrc;
}

/* a=rid:hi send pt=96;max-width=1280 */
static void on_rid(struct parser *p, struct sdp_text value)
{
    struct sdp_text id = next_word(&value);
    bool sends = sdp_text_is(next_word(&value), "send");
    if (p->media && sends && is_token(id) && p->media->n_rids < SDP_RIDS_MAX)
        p->media->rids[p->media->n_rids++] = (struct sdp_rid){id, trim(value)};
}

/* a=simulcast:send hi;mid,mid2;~lo recv 1 */
static void on_simulcast(struct parser *p, struct sdp_text value)
{
    if (!p->media || p->media->simulcast.at)
        return;
    for (;;) {
        struct sdp_text direction = next_word(&value), list = next_word(&value);
        if (is_empty(list))
            return;
        if (sdp_text_is(direction, "send"))
            p->media->simulcast = list;
    }
}

static int on_mid(struct parser *p, struct sdp_text value)
{
    if (!p->media || p->media->mid.at)
        return 0;
    if (!is_token(value) || value.length > SDP_MID_MAX)
        return fail(p, "a=mid is not a token of at most %d characters", SDP_MID_MAX);
    for (unsigned i = 0; i < p->sdp->n_media; i++) {
        struct sdp_text other = p->sdp->media[i].mid;
        if (other.length == value.length && memcmp(other.at, value.at, value.length) == 0)
            return fail(p, "two m-lines have the same a=mid");
    }
    p->media->mid = value;
    return 0;
}

static void on_setup(struct sdp_transport *transport, struct sdp_text value)
{
    if (transport->setup != 0)
        return;
    if (sdp_text_is(value, "actpass"))
        transport->setup = SDP_SETUP_ACTPASS;
    else if (sdp_text_is(value, "active"))
        transport->setup = SDP_SETUP_ACTIVE;
    else if (sdp_text_is(value, "passive"))
        transport->setup = SDP_SETUP_PASSIVE;
    else if (sdp_text_is(value, "holdconn"))
        transport->setup = SDP_SETUP_HOLDCONN;
}

static int on_transport(struct parser *p, struct sdp_text name, struct sdp_text value)
{
    struct sdp_transport *transport = p->media ? &p->media->transport : &p->sdp->transport;
    if (sdp_text_is(name, "ice-ufrag")) {
        if (!transport->ufrag.at)
            transport->ufrag = value;
    } else if (sdp_text_is(name, "ice-pwd")) {
        if (!transport->pwd.at)
            transport->pwd = value;
    } else if (sdp_text_is(name, "setup")) {
        on_setup(transport, value);
    } else if (sdp_text_is(name, "fingerprint")) {
        if (transport->n_fingerprints == SDP_FINGERPRINTS_MAX)
            return fail(p, "more than %d fingerprints", SDP_FINGERPRINTS_MAX);
        transport->fingerprints[transport->n_fingerprints++] = value;
    }
    return 0;
}

static void on_group(struct parser *p, struct sdp_text value)
{
    struct sdp_text semantics = next_word(&value);
    if (!p->media && !p->sdp->bundle.at && sdp_text_is(semantics, "BUNDLE"))
        p->sdp->bundle = value;
}

/* Attributes without a value. */
static void on_flag(struct parser *p, struct sdp_text name)
{
    static const struct {
        const char *name;
        enum sdp_direction direction;
    } directions[] = {
        {"sendrecv", SDP_SENDRECV},
        {"sendonly", SDP_SENDONLY},
        {"recvonly", SDP_RECVONLY},
        {"inactive", SDP_INACTIVE},
    };
    for (unsigned i = 0; i < sizeof(directions) / sizeof(directions[0]); i++)
        if (sdp_text_is(name, directions[i].name))
            *(p->media ? &p->media->direction : &p->sdp->direction) = directions[i].direction;
    if (sdp_text_is(name, "ice-lite"))
        p->sdp->ice_lite = true;
    else if (sdp_text_is(name, "extmap-allow-mixed"))
        p->sdp->extmap_allow_mixed = true;
    else if (p->media && (sdp_text_is(name, "rtcp-mux") || sdp_text_is(name, "rtcp-mux-only")))
        p->media->rtcp_mux = true;
    else if (p->media && sdp_text_is(name, "rtcp-rsize"))
        p->media->rtcp_rsize = true;
    else if (p->media && sdp_text_is(name, "bundle-only"))
        p->media->bundle_only = true;
}

/* rcvr-rtt=all rcvr-rtt=sender:10000 pkt-loss-rle (RFC 3611 5.1) */
static void on_rtcp_xr(struct parser *p, struct sdp_text line)
{
    for (;;) {
        struct sdp_text format = next_word(&line);
        if (is_empty(format))
            return;
        if (p->media && sdp_text_is(cut(&format, '='), "rcvr-rtt"))
            p->media->reference_time = true;
    }
}

static int on_attribute(struct parser *p, struct sdp_text line)
{
    struct sdp_text name = cut(&line, ':');
    if (sdp_text_is(name, "mid"))
        return on_mid(p, line);
    if (sdp_text_is(name, "group"))
        on_group(p, line);
    else if (sdp_text_is(name, "rtpmap"))
        on_rtpmap(p, line);
    else if (sdp_text_is(name, "fmtp"))
        on_fmtp(p, line);
    else if (sdp_text_is(name, "rtcp-fb"))
        on_rtcp_fb(p, line);
    else if (sdp_text_is(name, "rtcp-xr"))
        on_rtcp_xr(p, line);
    else if (sdp_text_is(name, "extmap"))
        on_extmap(p, line);
    else if (sdp_text_is(name, "msid"))
        on_msid(p, line);
    else if (sdp_text_is(name, "ssrc"))
        on_ssrc(p, line);
    else if (sdp_text_is(name, "ssrc-group"))
        on_ssrc_group(p, line);
    else if (sdp_text_is(name, "rid"))
        on_rid(p, line);
    else if (sdp_text_is(name, "simulcast"))
        on_simulcast(p, line);
    else
        on_flag(p, name);
    return on_transport(p, name, line);
}

static int read_formats(struct parser *p, struct sdp_media *media, struct sdp_text list)
{
    media->first_format = trim(list);
    media->first_format = next_word(&media->first_format);
    if (is_empty(media->first_format))
        return fail(p, "an m-line without formats");
    if (!media->is_rtp)
        return 0;
    for (;;) {
        struct sdp_text word = next_word(&list);
        unsigned n;
        if (is_empty(word))
            return 0;
        if (!number_of(word, 127, &n))
            return fail(p, "a payload type that is not a number up to 127");
        if (find_format(media, word))
            continue;
        if (media->n_formats == SDP_FORMATS_MAX)
            return fail(p, "more than %d formats", SDP_FORMATS_MAX);
        media->formats[media->n_formats++] = (struct sdp_format){.payload_type = (uint8_t)n};
    }
}

/* m=video 9 UDP/TLS/RTP/SAVPF 96 97 */
static int on_media(struct parser *p, struct sdp_text line)
{
    if (p->sdp->n_media == SDP_MEDIA_MAX)
        return fail(p, "more than %d m-lines", SDP_MEDIA_MAX);
    struct sdp_media *media = &p->sdp->media[p->sdp->n_media];
    media->kind = next_word(&line);
    struct sdp_text port = next_word(&line);
    media->protocol = next_word(&line);
    if (!is_token(media->kind) || !number_of(cut(&port, '/'), 65535, &media->port) ||
        is_empty(media->protocol))
        return fail(p, "an m-line that cannot be read");
    media->is_video = sdp_text_is(media->kind, "video");
    media->is_audio = sdp_text_is(media->kind, "audio");
    /* RFC 5764 9; RFC 9429 5.1.2 wants the TCP and the older plain forms accepted too */
    media->is_rtp = sdp_text_is(media->protocol, "UDP/TLS/RTP/SAVPF") ||
                    sdp_text_is(media->protocol, "TCP/DTLS/RTP/SAVPF") ||
                    sdp_text_is(media->protocol, "RTP/SAVPF");
    p->media = media;
    p->sdp->n_media++;
    return read_formats(p, media, line);
}

static int on_line(struct parser *p, struct sdp_text line)
{
    if (line.length > SDP_LINE_MAX)
        return fail(p, "longer than %d bytes", SDP_LINE_MAX);
    for (size_t i = 0; i < line.length; i++) {
        unsigned char c = (unsigned char)line.at[i];
        if ((c < ' ' && c != '\t') || c == 0x7f)
            return fail(p, "a control character");
    }
    if (line.length < 2 || line.at[0] < 'a' || line.at[0] > 'z' || line.at[1] != '=')
        return fail(p, "not of the form <letter>=<value>");
    struct sdp_text value = {line.at + 2, line.length - 2};
    if (p->line == 1 && (line.at[0] != 'v' || !sdp_text_is(value, "0")))
        return fail(p, "a description starts with v=0");
    if (line.at[0] == 'm')
        return on_media(p, value);
    if (line.at[0] == 'i' && p->sdp->n_media > 0)
        p->sdp->media[p->sdp->n_media - 1].title = value;
    return line.at[0] == 'a' ? on_attribute(p, value) : 0;
}

/* What the session level says holds where an m-line says nothing. */
static void inherit(struct sdp *sdp)
{
    static const struct sdp_extensions none;
    for (unsigned i = 0; i < sdp->n_media; i++) {
        struct sdp_media *media = &sdp->media[i];
        if (media->direction == 0)
            media->direction = sdp->direction != 0 ? sdp->direction : SDP_SENDRECV;
        if (memcmp(&media->extensions, &none, sizeof(none)) == 0)
            media->extensions = sdp->extensions;
    }
}

static void mark_bundled(struct sdp *sdp)
{
    struct sdp_text rest = sdp->bundle;
    if (!rest.at)
        return;
    for (struct sdp_text mid = next_word(&rest); !is_empty(mid); mid = next_word(&rest))
        for (unsigned i = 0; i < sdp->n_media; i++) {
            struct sdp_text own = sdp->media[i].mid;
            if (own.length == mid.length && memcmp(own.at, mid.at, mid.length) == 0)
                sdp->media[i].bundled = true;
        }
}

int sdp_parse(struct sdp *out, const char *text, size_t size, char *error, size_t error_size)
{
    struct parser p = {.sdp = out, .error = error, .error_size = error_size};
    struct sdp_text rest = {text, size};
    memset(out, 0, sizeof(*out));
    if (size > SDP_MAX)
        return fail(&p, "the description is longer than %d bytes", SDP_MAX);
    while (!is_empty(rest)) {
        struct sdp_text line = cut(&rest, '\n');
        if (line.length > 0 && line.at[line.length - 1] == '\r')
            line.length--;
        p.line++;
        if (line.length == 0 && p.line > 1)
            continue; /* seen at the end of descriptions that were pasted or templated */
        int error_code = on_line(&p, line);
        if (error_code != 0)
            return error_code;
    }
    if (out->n_media == 0)
        return fail(&p, "the description has no m-line");
    inherit(out);
    mark_bundled(out);
    return 0;
}
