#include "signaling/session_resource.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void session_answer_begin(struct session_answer *answer)
{
    answer->status = 0;
    answer->retry_after_s = 0;
    answer->detail[0] = '\0';
    answer->sdp_size = 0;
}

__attribute__((format(printf, 3, 4))) void session_answer_error(struct session_answer *answer,
                                                                int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(answer->detail, sizeof(answer->detail), format, args);
    va_end(args);
    answer->status = status;
}

void session_answer_retry(struct session_answer *answer, int status, const char *sentence)
{
    session_answer_error(answer, status, "%s", sentence);
    answer->retry_after_s = SESSION_RETRY_S;
}

bool session_is_type(const char *content_type, const char *wanted)
{
    size_t n = strlen(wanted);
    if (!content_type || strncasecmp(content_type, wanted, n) != 0)
        return false;
    return content_type[n] == '\0' || content_type[n] == ';' || content_type[n] == ' ';
}

/* --- who may come in ---------------------------------------------------------------------------
 */

bool session_may_guess(struct session_answer *answer, const struct session_request *request)
{
    unsigned wait_s =
        request->bearer && request->guess ? request->guess(request->guess_arg, false) : 0;
    if (wait_s == 0)
        return true;
    session_answer_error(answer, 429,
                         "too many wrong passwords or secrets came from your address; try again "
                         "in %u s",
                         wait_s);
    answer->retry_after_s = wait_s;
    return false;
}

bool session_check_access(enum backend_access access, struct session_answer *answer,
                          const struct session_request *request, const char *room,
                          const char *needs)
{
    switch (access) {
    case BACKEND_ACCESS_GRANTED:
        return true;
    case BACKEND_ACCESS_NO_ROOM:
        session_answer_error(answer, 404, "there is no room with the code %s", room);
        break;
    case BACKEND_ACCESS_REQUIRED:
        session_answer_error(answer, 401, "%s, as Authorization: Bearer", needs);
        break;
    case BACKEND_ACCESS_TOKEN_USED:
        session_answer_error(answer, 403,
                             "this token has been used or has run out; ask for another one");
        break;
    default:
        session_answer_error(answer, 403, "what was shown is not right: %s", needs);
        if (request->guess)
            request->guess(request->guess_arg, true);
    }
    return false;
}

/* --- fragments (RFC 8840 9) --------------------------------------------------------------------
 */

struct fragment {
    struct sdp_text ufrag, pwd, mid;
};

static void take_value(struct sdp_text *out, struct sdp_text line, const char *name)
{
    size_t n = strlen(name);
    if (!out->at && line.length >= n && memcmp(line.at, name, n) == 0)
        *out = (struct sdp_text){line.at + n, line.length - n};
}

static int read_fragment(const char *body, size_t size, struct fragment *out)
{
    const char *end = body + size;
    unsigned lines = 0;
    while (body < end) {
        const char *stop = memchr(body, '\n', (size_t)(end - body));
        size_t n = (size_t)((stop ? stop : end) - body);
        struct sdp_text line = {body, n > 0 && body[n - 1] == '\r' ? n - 1 : n};
        if (line.length > 0 &&
            (line.length < 2 || (line.at[0] != 'a' && line.at[0] != 'm') || line.at[1] != '='))
            return -1;
        take_value(&out->ufrag, line, "a=ice-ufrag:");
        take_value(&out->pwd, line, "a=ice-pwd:");
        take_value(&out->mid, line, "a=mid:");
        lines += line.length > 0;
        body = stop ? stop + 1 : end;
    }
    return lines > 0 ? 0 : -1;
}

static bool is_same(struct sdp_text text, const char *other)
{
    return text.length == strlen(other) && memcmp(text.at, other, text.length) == 0;
}

void session_pass_candidates(const struct backend *backend, uint32_t id,
                             const struct session_request *request)
{
    char candidate[BACKEND_CANDIDATE_MAX];
    struct sdp_text rest = {request->body, request->body_size};
    while (backend->candidate && sdp_next_candidate(&rest, candidate))
        backend->candidate(backend->arg, id, candidate);
}

/* --- the resource ------------------------------------------------------------------------------
 */

void session_resource_begin(struct session_resource *r, const struct backend *backend,
                            const char *room, const struct session_request *request,
                            const struct backend_seat *seat)
{
    *r = (struct session_resource){
        .backend = backend, .gathers = seat->full_ice, .id = seat->viewer_id};
    snprintf(r->token, sizeof(r->token), "%s", request->token);
    snprintf(r->etag, sizeof(r->etag), "\"%.*s\"", TOKEN_SIZE - 1, request->tag);
    snprintf(r->room, sizeof(r->room), "%s", room);
}

/* Whether If-Match names this tag: a list of strong ones (RFC 9110 13.1.1). A tag is base64url, so
 * that its quotes are nobody else's. */
static bool names_tag(const char *if_match, const char *etag)
{
    const char *at = strstr(if_match, etag);
    return at && (at == if_match || at[-1] != '/'); /* W/"..." is a weak one */
}

bool session_resource_may_patch(const struct session_resource *r, struct session_answer *answer,
                                const struct session_request *request, const char *content_type)
{
    if (!session_is_type(request->content_type, content_type))
        session_answer_error(answer, 415, "the body of this PATCH has to be %s", content_type);
    else if (!request->if_match)
        session_answer_error(answer, 428, "a PATCH needs If-Match with the ETag of the 201");
    else if (strcmp(request->if_match, "*") != 0 && !names_tag(request->if_match, r->etag))
        session_answer_error(answer, 412, "If-Match is not the ETag of this session");
    return answer->status == 0;
}

/* RFC 9725 4.3.3: the fragment has the same ice-options as the answer had. */
static void write_fragment(struct session_answer *answer, const struct fragment *from,
                           const struct backend_credentials *ours)
{
    size_t mid = from->mid.length <= SDP_MID_MAX ? from->mid.length : 0;
    int n = snprintf(answer->sdp, sizeof(answer->sdp),
                     "a=ice-options:trickle\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:%.*s\r\n"
                     "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n",
                     (int)mid, mid > 0 ? from->mid.at : "", ours->ufrag, ours->pwd);
    answer->sdp_size = (size_t)n;
}

static void restart(struct session_resource *r, struct session_answer *answer,
                    const struct session_request *request, const struct fragment *from)
{
    char ufrag[BACKEND_UFRAG_MAX], pwd[BACKEND_PWD_MAX];
    struct backend_credentials ours;
    if (!r->backend->restart || !r->backend->candidate) { /* there would be none to tell */
        session_answer_error(answer, 422,
                             "ICE restart is not supported; DELETE this session, POST again");
        return;
    }
    if (!from->ufrag.at || is_same(from->ufrag, r->ufrag) ||
        !sdp_is_ice_text(from->ufrag, 4, BACKEND_UFRAG_MAX - 1) || !from->pwd.at ||
        !sdp_is_ice_text(from->pwd, 22, BACKEND_PWD_MAX - 1)) {
        session_answer_error(answer, 422, "an ICE restart needs a new a=ice-ufrag and a=ice-pwd");
        return;
    }
    snprintf(ufrag, sizeof(ufrag), "%.*s", (int)from->ufrag.length, from->ufrag.at);
    snprintf(pwd, sizeof(pwd), "%.*s", (int)from->pwd.length, from->pwd.at);
    if (r->backend->restart(r->backend->arg, r->id, ufrag, pwd, &ours) != 0) {
        session_answer_retry(answer, 503, "ICE cannot be restarted now; try again in a moment");
        return;
    }
    snprintf(r->ufrag, sizeof(r->ufrag), "%s", ufrag);
    snprintf(r->etag, sizeof(r->etag), "\"%.*s\"", TOKEN_SIZE - 1, request->tag);
    write_fragment(answer, from, &ours);
    answer->status = 200;
}

void session_resource_patch(struct session_resource *r, struct session_answer *answer,
                            const struct session_request *request)
{
    struct fragment fragment = {0};
    session_answer_begin(answer);
    if (!session_resource_may_patch(r, answer, request, "application/trickle-ice-sdpfrag"))
        return;
    if (read_fragment(request->body, request->body_size, &fragment) != 0) {
        session_answer_error(answer, 400, "the body is not an SDP fragment of a= and m= lines");
        return;
    }
    bool any = strcmp(request->if_match, "*") == 0; /* RFC 9725 4.3.3 */
    answer->status = 204;
    if (any || (fragment.ufrag.at && !is_same(fragment.ufrag, r->ufrag)))
        restart(r, answer, request, &fragment);
    if (answer->status < 300 && r->id != 0)
        session_pass_candidates(r->backend, r->id, request);
}
