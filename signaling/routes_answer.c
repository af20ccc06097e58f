/* routes_answer.c - what every path's answers are made with. */
#include "signaling/routes_answer.h"

#include "signaling/message.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static const char *title_of(int status)
{
    static const struct {
        int status;
        const char *title;
    } titles[] = {
        {200, "OK"},
        {201, "Created"},
        {204, "No Content"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
    };
    for (unsigned i = 0; i < sizeof(titles) / sizeof(titles[0]); i++)
        if (titles[i].status == status)
            return titles[i].title;
    return "Error";
}

/* All are ours or checked before, so that they fit: two thirds of the room. */
__attribute__((format(printf, 2, 3))) void answer_header(struct routes_answer *a,
                                                         const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(a->head + a->head_size, sizeof(a->head) - a->head_size, format, args);
    va_end(args);
    assert(n >= 0 && a->head_size + (size_t)n + 2 < sizeof(a->head));
    a->head_size += (size_t)n;
    memcpy(a->head + a->head_size, "\r\n", 3);
    a->head_size += 2;
}

void answer_begin(struct routes_answer *a, int status)
{
    struct tm tm;
    time_t now = time(NULL);
    char date[40];
    *a = (struct routes_answer){.status = status};
    answer_header(a, "HTTP/1.1 %d %s", status, title_of(status));
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &tm));
    answer_header(a, "Date: %s", date);
    answer_header(a, "Server: amphi");
    answer_header(a, "X-Content-Type-Options: nosniff");
    answer_header(a, "Referrer-Policy: no-referrer");
}

void answer_body(struct routes_answer *a, const char *content_type, const void *body, size_t size)
{
    answer_header(a, "Content-Type: %s", content_type);
    a->body = body;
    a->body_size = size;
}

/* Takes the malloc'd text; false if it is NULL. */
bool answer_owned_text(struct routes_answer *a, const char *content_type, char *text)
{
    if (!text)
        return false;
    answer_body(a, content_type, text, strlen(text));
    a->owned = text;
    return true;
}

void answer_problem_body(struct routes_answer *a, const char *detail)
{
    static const char short_of_memory[] = "{\"type\":\"about:blank\",\"title\":\"Out of memory\"}";
    answer_header(a, "Cache-Control: no-store");
    if (!answer_owned_text(a, "application/problem+json",
                           message_problem(a->status, title_of(a->status), detail)))
        answer_body(a, "application/problem+json", short_of_memory, sizeof(short_of_memory) - 1);
}

void answer_problem(struct routes_answer *a, int status, const char *detail)
{
    answer_begin(a, status);
    answer_problem_body(a, detail);
}

void answer_finish(struct routes_answer *a)
{
    if (a->status != 204 && a->status != 304 && a->events == 0) /* RFC 9110 8.6 */
        answer_header(a, "Content-Length: %zu", a->body_size);
    memcpy(a->head + a->head_size, "\r\n", 3);
    a->head_size += 2;
}

void answer_not_found(struct routes_answer *a, const char *detail)
{
    answer_problem(a, 404, detail);
}

void answer_method_not_allowed(struct routes_answer *a, const char *allow)
{
    char detail[160];
    snprintf(detail, sizeof(detail), "this path takes %s", allow);
    answer_begin(a, 405);
    answer_header(a, "Allow: %s", allow);
    answer_problem_body(a, detail);
}

void answer_options(struct routes_answer *a, const char *allow)
{
    answer_begin(a, 204);
    answer_header(a, "Allow: %s", allow);
}

/* True if a GET-only path was asked in another way, which then is answered. */
bool answer_other_method(const struct routes_request *q, struct routes_answer *a)
{
    if (q->method == ROUTES_GET || q->method == ROUTES_HEAD)
        return false;
    if (q->method == ROUTES_OPTIONS)
        answer_options(a, "GET, HEAD, OPTIONS");
    else
        answer_method_not_allowed(a, "GET, HEAD, OPTIONS");
    return true;
}

const char *answer_bearer(const struct routes_request *q)
{
    static const char scheme[] = "Bearer ";
    if (!q->authorization || strncasecmp(q->authorization, scheme, sizeof(scheme) - 1) != 0)
        return NULL;
    return q->authorization + sizeof(scheme) - 1;
}

bool answer_is_admin(const struct backend *backend, const struct routes_request *q)
{
    return backend->is_admin(backend->arg, answer_bearer(q));
}

void answer_challenge(struct routes_answer *a, const char *detail)
{
    answer_begin(a, 401);
    answer_header(a, ANSWER_CHALLENGE);
    answer_problem_body(a, detail);
}

void answer_unauthorized(struct routes_answer *a)
{
    answer_challenge(a, "this needs the admin token, as Authorization: Bearer TOKEN");
}

void answer_retry(struct routes_answer *a, int status, unsigned wait_s, const char *detail)
{
    answer_begin(a, status);
    answer_header(a, "Retry-After: %u", wait_s);
    answer_problem_body(a, detail);
}

void answer_too_many(struct routes_answer *a, unsigned wait_s)
{
    answer_retry(a, 429, wait_s,
                 "there are too many joins from your address, or wrong secrets; try again later");
}

/* Players on other sites. Authorization is not covered by "*" (Fetch 3.2.5), so it is named. */
void answer_cors(struct routes_answer *a, enum routes_method method, const char *allow_origin)
{
    if (!allow_origin)
        return;
    answer_header(a, "Access-Control-Allow-Origin: %s", allow_origin);
    if (strcmp(allow_origin, "*") != 0)
        answer_header(a, "Vary: Origin");
    answer_header(a, "Access-Control-Expose-Headers: Location, ETag, Link, Retry-After, "
                     "Accept-Patch, Accept-Post, WWW-Authenticate");
    if (method != ROUTES_OPTIONS)
        return;
    answer_header(a, "Access-Control-Allow-Methods: GET, HEAD, POST, PATCH, DELETE, OPTIONS");
    answer_header(a, "Access-Control-Allow-Headers: Authorization, Content-Type, If-Match");
    answer_header(a, "Access-Control-Max-Age: 600");
}

/* A text that the backend made. */
void answer_text(struct routes_answer *a, const char *content_type, char *text)
{
    answer_begin(a, 200);
    answer_header(a, "Cache-Control: no-store");
    if (!answer_owned_text(a, content_type, text))
        answer_problem(a, 500, "the server is out of memory");
}
