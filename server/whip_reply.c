#include "server/whip_reply.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* --- what went wrong --- */

void whip_reply_clean(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = ' ';
    }
}

/* What the server says of it; "" if nothing. */
static void read_detail(char out[200], const char *body)
{
    out[0] = '\0';
    json_t *root = body ? json_loads(body, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *detail = json_string_value(json_object_get(root, "detail"));
    if (detail)
        snprintf(out, 200, "%s", detail);
    whip_reply_clean(out);
    json_decref(root);
}

static const char *meaning_of(int status)
{
    switch (status) {
    case 400:
    case 422:
        return "the server cannot use what was offered";
    case 401:
        return "the server wants the room's secret (--secret)";
    case 403:
        return "the server does not accept this secret for the room";
    case 404:
    case 410:
        return "the server has no such room";
    case 405:
    case 415:
    case 501:
        return "the server does not take WHIP at this address";
    case 406:
        return "the server takes none of the codecs that were offered (--codec)";
    case 409:
        return "the room is taken by somebody else at the moment";
    case 413:
        return "what was offered is too long for the server";
    case 429:
        return "the server asks for fewer attempts";
    case 503:
        return "the server is full or about to stop";
    default:
        return status >= 500 ? "the server failed" : "the server answered what WHIP does not know";
    }
}

static bool is_permanent(int status)
{
    return status >= 300 && status < 500 && status != 408 && status != 409 && status != 425 &&
           status != 429;
}

static bool is_success(const struct whip_reply *reply)
{
    switch (reply->what) {
    case WHIP_POST:
        return reply->status == 201;
    case WHIP_PATCH:
        return reply->status == 204 || reply->status == 200;
    default:
        return reply->status >= 200 && reply->status < 300;
    }
}

void whip_reply_judge(struct whip_reply *reply, const char *body)
{
    char detail[200];
    reply->ok = is_success(reply);
    reply->permanent = !reply->ok && is_permanent(reply->status);
    reply->error[0] = '\0';
    if (reply->ok)
        return;
    read_detail(detail, body);
    snprintf(reply->error, sizeof(reply->error), "%s (%d%s%s)", meaning_of(reply->status),
             reply->status, detail[0] ? ": " : "", detail);
}

/* --- Link header fields (RFC 8288 3) --- */

struct cursor {
    const char *at; /* never past a line's end */
};

static void skip_blank(struct cursor *c)
{
    while (*c->at == ' ' || *c->at == '\t')
        c->at++;
}

/* A token or a quoted string; false if there is neither or it is too long. */
static bool read_value(struct cursor *c, char out[WHIP_SERVER_TEXT_MAX])
{
    size_t n = 0;
    bool quoted = *c->at == '"';
    c->at += quoted;
    while (*c->at && *c->at != '\n' && (quoted ? *c->at != '"' : !strchr(";, \t", *c->at))) {
        if (quoted && *c->at == '\\' && c->at[1] && c->at[1] != '\n')
            c->at++;
        if (n + 1 >= WHIP_SERVER_TEXT_MAX || (unsigned char)*c->at < ' ')
            return false;
        out[n++] = *c->at++;
    }
    out[n] = '\0';
    if (quoted && *c->at != '"')
        return false;
    c->at += quoted;
    return true;
}

static bool read_target(struct cursor *c, struct whip_server *out)
{
    skip_blank(c);
    size_t n = *c->at == '<' ? strcspn(c->at + 1, ">\n") : 0;
    if (n == 0 || c->at[1 + n] != '>' || n >= sizeof(out->url))
        return false;
    memcpy(out->url, c->at + 1, n);
    out->url[n] = '\0';
    c->at += n + 2;
    return true;
}

/* The parameters behind a target; *wanted: one of them says rel="ice-server". */
static bool read_parameters(struct cursor *c, struct whip_server *out, bool *wanted)
{
    bool usable = true;
    for (skip_blank(c); *c->at == ';'; skip_blank(c)) {
        char value[WHIP_SERVER_TEXT_MAX] = "";
        c->at++;
        skip_blank(c);
        const char *name = c->at;
        size_t n = strcspn(name, "=;, \t\n");
        c->at += n;
        if (*c->at == '=') {
            c->at++;
            if (!read_value(c, value))
                return false;
        }
        if (n == 3 && strncasecmp(name, "rel", n) == 0)
            *wanted = strcasecmp(value, "ice-server") == 0;
        else if (n == 8 && strncasecmp(name, "username", n) == 0)
            memcpy(out->username, value, sizeof(value));
        else if (n == 10 && strncasecmp(name, "credential", n) == 0)
            memcpy(out->credential, value, sizeof(value));
        else if (n == 15 && strncasecmp(name, "credential-type", n) == 0)
            usable = strcasecmp(value, "password") == 0; /* none else is known */
    }
    *wanted &= usable;
    return true;
}

/* One link-value; false: the rest of the line cannot be read. */
static bool read_link(struct cursor *c, struct whip_server *out, bool *wanted)
{
    *out = (struct whip_server){.url = ""};
    *wanted = false;
    if (!read_target(c, out) || !read_parameters(c, out, wanted))
        return false;
    if (*c->at == ',')
        c->at++;
    else if (*c->at && *c->at != '\n')
        return false;
    return true;
}

unsigned whip_reply_servers(struct whip_server out[WHIP_SERVERS_MAX], const char *links)
{
    struct cursor c = {links};
    unsigned n = 0;
    while (*c.at && n < WHIP_SERVERS_MAX) {
        bool wanted, readable = read_link(&c, &out[n], &wanted);
        n += readable && wanted;
        if (!readable)
            c.at += strcspn(c.at, "\n");
        if (*c.at == '\n')
            c.at++;
    }
    return n;
}
