#include "server/whip_client.h"

#include "server/whip_reply.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define CONNECT_S 10
#define LINKS_MAX 4096
#define ETAG_MAX 256
#define BEARER_MAX 600

struct request {
    enum whip_client_what what;
    int tag;
    bool restarts; /* a PATCH: ICE */
    char method[8];
    char *path, *body; /* owned */
};

struct whip_client {
    /* immutable after create */
    void (*wake)(void *arg);
    void *wake_arg;
    char *ca_file; /* owned */
    CURL *curl;    /* owned; the client's thread */
    pthread_t thread;
    bool has_thread;
    atomic_bool abort; /* what is under way ends now */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under lock */
    bool stop;
    int beat_ms;
    char url[WHIP_CLIENT_URL_MAX], bearer[BEARER_MAX];
    bool has_resource;
    struct request requests[WHIP_CLIENT_QUEUE];
    unsigned n_requests;
    struct whip_reply replies[WHIP_CLIENT_QUEUE + 1];
    unsigned n_replies;

    /* the client's thread */
    char location[WHIP_CLIENT_URL_MAX]; /* of the resource; "": none */
    bool trusted;                       /* the origin that we were told made it */
    char etag[ETAG_MAX];
};

/* --- one request, on the client's thread --- */

struct exchange {
    char *body; /* owned */
    size_t size;
    bool too_long;
    char location[WHIP_CLIENT_URL_MAX], etag[ETAG_MAX];
    char links[LINKS_MAX];
    char why[CURL_ERROR_SIZE];
};

static size_t on_body(char *data, size_t one, size_t n, void *arg)
{
    struct exchange *x = arg;
    (void)one;
    char *grown = x->size + n <= WHIP_CLIENT_BODY_MAX ? realloc(x->body, x->size + n + 1) : NULL;
    x->too_long = !grown;
    if (!grown)
        return CURL_WRITEFUNC_ERROR;
    memcpy(grown + x->size, data, n);
    x->body = grown;
    x->size += n;
    x->body[x->size] = '\0';
    return n;
}

/* The value of a header field of that name, or NULL; `*size` becomes its length. */
static const char *value_of(const char *line, size_t *size, const char *name)
{
    size_t n = strlen(name);
    if (*size <= n || strncasecmp(line, name, n) != 0 || line[n] != ':')
        return NULL;
    const char *at = line + n + 1, *end = line + *size;
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    while (end > at && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
        end--;
    *size = (size_t)(end - at);
    return at;
}

static void keep(char *out, size_t room, const char *line, size_t size, const char *name)
{
    const char *value = value_of(line, &size, name);
    if (value && size < room) {
        memcpy(out, value, size);
        out[size] = '\0';
    }
}

static void keep_link(struct exchange *x, const char *line, size_t size)
{
    const char *value = value_of(line, &size, "Link");
    size_t used = strlen(x->links);
    if (value && used + size + 2 <= sizeof(x->links))
        snprintf(x->links + used, sizeof(x->links) - used, "%.*s\n", (int)size, value);
}

static size_t on_header(char *line, size_t one, size_t n, void *arg)
{
    struct exchange *x = arg;
    (void)one;
    if (n > 5 && memcmp(line, "HTTP/", 5) == 0) /* the next one, after a redirection */
        x->location[0] = x->etag[0] = x->links[0] = '\0';
    keep(x->location, sizeof(x->location), line, n, "Location");
    keep(x->etag, sizeof(x->etag), line, n, "ETag");
    keep_link(x, line, n);
    return n;
}

static int on_progress(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct whip_client *client = arg;
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(&client->abort);
}

/* `reference` as seen from `base` (RFC 3986 5.2). */
static bool resolve(char out[WHIP_CLIENT_URL_MAX], const char *base, const char *reference)
{
    CURLU *u = curl_url();
    char *text = NULL;
    bool ok = u && curl_url_set(u, CURLUPART_URL, base, 0) == CURLUE_OK &&
              curl_url_set(u, CURLUPART_URL, reference, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_URL, &text, 0) == CURLUE_OK &&
              strlen(text) < WHIP_CLIENT_URL_MAX &&
              (strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0);
    if (ok)
        memcpy(out, text, strlen(text) + 1);
    curl_free(text);
    curl_url_cleanup(u);
    return ok;
}

static char *part_of(CURLU *u, CURLUPart part)
{
    char *text = NULL;
    return curl_url_get(u, part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK ? text : NULL;
}

/* RFC 6454 5 */
static bool is_same_origin(const char *a, const char *b)
{
    static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
    CURLU *ua = curl_url(), *ub = curl_url();
    bool same = ua && ub && curl_url_set(ua, CURLUPART_URL, a, 0) == CURLUE_OK &&
                curl_url_set(ub, CURLUPART_URL, b, 0) == CURLUE_OK;
    for (size_t i = 0; same && i < sizeof(parts) / sizeof(parts[0]); i++) {
        char *pa = part_of(ua, parts[i]), *pb = part_of(ub, parts[i]);
        same = pa && pb && strcasecmp(pa, pb) == 0;
        curl_free(pa);
        curl_free(pb);
    }
    curl_url_cleanup(ua);
    curl_url_cleanup(ub);
    return same;
}

static void set_common(struct whip_client *c, struct exchange *x, const char *url,
                       const char *bearer)
{
    curl_easy_reset(c->curl); /* its connections stay */
    curl_easy_setopt(c->curl, CURLOPT_URL, url);
    curl_easy_setopt(c->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c->curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_S);
    curl_easy_setopt(c->curl, CURLOPT_TIMEOUT, (long)WHIP_CLIENT_TIMEOUT_S);
    curl_easy_setopt(c->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    bool secure = strncmp(url, "https:", 6) == 0;
    curl_easy_setopt(c->curl, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
    curl_easy_setopt(c->curl, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c->curl, CURLOPT_MAXREDIRS, (long)WHIP_CLIENT_REDIRECTS);
    curl_easy_setopt(c->curl, CURLOPT_POSTREDIR, (long)CURL_REDIR_POST_ALL);
    curl_easy_setopt(c->curl, CURLOPT_UNRESTRICTED_AUTH, 0L); /* the secret is for one origin */
    curl_easy_setopt(c->curl, CURLOPT_USERAGENT, "amphi/" AMPHI_VERSION);
    curl_easy_setopt(c->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c->curl, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(c->curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(c->curl, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(c->curl, CURLOPT_ERRORBUFFER, x->why);
    curl_easy_setopt(c->curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(c->curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(c->curl, CURLOPT_XFERINFODATA, c);
    if (c->ca_file)
        curl_easy_setopt(c->curl, CURLOPT_CAINFO, c->ca_file);
    if (bearer[0]) {
        curl_easy_setopt(c->curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
        curl_easy_setopt(c->curl, CURLOPT_XOAUTH2_BEARER, bearer);
    }
}

/* The header fields of this request; owned by the caller. */
static struct curl_slist *fields_of(const struct whip_client *c, const struct request *r)
{
    static const char *const types[] = {
        [WHIP_POST] = "Content-Type: application/sdp",
        [WHIP_PATCH] = "Content-Type: application/trickle-ice-sdpfrag",
        [WHIP_API] = "Content-Type: application/json",
    };
    struct curl_slist *list = curl_slist_append(NULL, "Expect:"); /* no pause before a body */
    if (r->body)
        list = curl_slist_append(list, types[r->what]);
    if (r->what == WHIP_POST)
        list = curl_slist_append(list, "Accept: application/sdp");
    if (r->what == WHIP_PATCH && r->restarts)
        list = curl_slist_append(list, "If-Match: *"); /* RFC 9725 4.3.3 */
    if (r->what == WHIP_PATCH && !r->restarts && c->etag[0]) {
        char line[ETAG_MAX + 16];
        snprintf(line, sizeof(line), "If-Match: %s", c->etag);
        list = curl_slist_append(list, line);
    }
    return list;
}

static void set_method(struct whip_client *c, const struct request *r)
{
    if (r->body) {
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDSIZE, (long)strlen(r->body));
        curl_easy_setopt(c->curl, CURLOPT_POSTFIELDS, r->body);
    }
    if (strcmp(r->method, "POST") == 0)
        curl_easy_setopt(c->curl, CURLOPT_POST, 1L);
    else if (strcmp(r->method, "GET") != 0)
        curl_easy_setopt(c->curl, CURLOPT_CUSTOMREQUEST, r->method);
}

/* Another origin that we were passed on to wants what it is not sent. */
static void judge_passing_on(struct whip_client *c, const char *url, struct whip_reply *reply)
{
    char *last = NULL;
    curl_easy_getinfo(c->curl, CURLINFO_EFFECTIVE_URL, &last);
    if ((reply->status != 401 && reply->status != 403) || !last || is_same_origin(url, last))
        return;
    snprintf(reply->error, sizeof(reply->error),
             "the server passed us on to another, which gets no secret unless you name it: --to "
             "%.180s (%d)",
             last, reply->status);
    whip_reply_clean(reply->error);
}

/* A 201 without a Location, or with one that is none, leaves nothing to DELETE later. */
static void take_resource(struct whip_client *c, const struct exchange *x, const char *url,
                          struct whip_reply *reply)
{
    char *base = NULL;
    curl_easy_getinfo(c->curl, CURLINFO_EFFECTIVE_URL, &base);
    if (!x->location[0] || !base || !resolve(c->location, base, x->location))
        c->location[0] = '\0';
    c->trusted = base && is_same_origin(url, base);
    memcpy(c->etag, x->etag, sizeof(c->etag));
    reply->links = x->links[0] ? strdup(x->links) : NULL;
}

/* A session that begins, or looks for another way, may do so from another network: the connections
 * of the old one would only be waited for, and its names may mean something else. */
static void forget_connections(struct whip_client *c)
{
    CURL *fresh = curl_easy_init();
    if (!fresh)
        return;
    curl_easy_cleanup(c->curl);
    c->curl = fresh;
}

static const char *failure_of(CURLcode rc)
{
    switch (rc) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return "the server's name cannot be found";
    case CURLE_PEER_FAILED_VERIFICATION:
        return "the server's certificate is not trusted here (--ca-file)";
    case CURLE_SSL_CONNECT_ERROR:
        return "no TLS connection to the server (is it http: there?)";
    case CURLE_OPERATION_TIMEDOUT:
        return "the server does not answer";
    default:
        return "cannot reach the server";
    }
}

static void perform(struct whip_client *c, const struct request *r, const char *url,
                    const char *bearer, struct whip_reply *reply)
{
    struct exchange x = {.body = NULL};
    set_common(c, &x, url, bearer);
    set_method(c, r);
    struct curl_slist *fields = fields_of(c, r);
    curl_easy_setopt(c->curl, CURLOPT_HTTPHEADER, fields);
    CURLcode rc = curl_easy_perform(c->curl);
    long status = 0;
    curl_off_t retry = 0;
    if (rc == CURLE_OK) {
        curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(c->curl, CURLINFO_RETRY_AFTER, &retry);
    }
    reply->status = (int)status;
    reply->retry_after_s = retry > 0 ? (int)(retry < 3600 ? retry : 3600) : -1;
    if (rc == CURLE_OK) {
        whip_reply_judge(reply, x.body);
        if (bearer[0])
            judge_passing_on(c, url, reply);
    } else {
        const char *why = x.too_long ? "its answer is longer than 64 KiB"
                          : x.why[0] ? x.why
                                     : curl_easy_strerror(rc);
        snprintf(reply->error, sizeof(reply->error), "%s: %s", failure_of(rc), why);
        whip_reply_clean(reply->error);
        reply->permanent = rc == CURLE_PEER_FAILED_VERIFICATION || rc == CURLE_UNSUPPORTED_PROTOCOL;
    }
    if (r->what == WHIP_POST && reply->ok)
        take_resource(c, &x, url, reply);
    if (r->what == WHIP_PATCH && reply->ok && x.etag[0])
        memcpy(c->etag, x.etag, sizeof(c->etag)); /* a restart's (RFC 9725 4.3.3) */
    reply->body = x.body;
    reply->body_size = x.size;
    curl_slist_free_all(fields);
}

static void look_up(const struct request *r, struct whip_reply *reply)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM}, *found;
    char ip[INET6_ADDRSTRLEN];
    *reply = (struct whip_reply){.what = r->what, .tag = r->tag, .retry_after_s = -1};
    int rc = getaddrinfo(r->path, NULL, &hints, &found);
    if (rc == 0) {
        rc =
            getnameinfo(found->ai_addr, found->ai_addrlen, ip, sizeof(ip), NULL, 0, NI_NUMERICHOST);
        freeaddrinfo(found);
    }
    reply->body = rc == 0 ? strdup(ip) : NULL;
    reply->body_size = reply->body ? strlen(ip) : 0;
    reply->ok = reply->body != NULL;
    if (rc != 0)
        snprintf(reply->error, sizeof(reply->error), "%s", gai_strerror(rc));
}

static void serve(struct whip_client *c, const struct request *r, struct whip_reply *reply)
{
    char url[WHIP_CLIENT_URL_MAX], base[WHIP_CLIENT_URL_MAX], bearer[BEARER_MAX];
    pthread_mutex_lock(&c->lock);
    memcpy(base, c->url, sizeof(base));
    memcpy(bearer, c->bearer, sizeof(bearer));
    pthread_mutex_unlock(&c->lock);
    *reply = (struct whip_reply){.what = r->what, .tag = r->tag, .retry_after_s = -1};
    bool of_resource = r->what == WHIP_PATCH || r->what == WHIP_DELETE;
    bool has_url = true;
    if (of_resource && !c->trusted)
        explicit_bzero(bearer, sizeof(bearer));
    if (of_resource)
        memcpy(url, c->location, sizeof(url));
    else if (r->path)
        has_url = resolve(url, base, r->path);
    else
        memcpy(url, base, sizeof(url));
    if (r->what == WHIP_POST || r->restarts)
        forget_connections(c);
    if (has_url && url[0])
        perform(c, r, url, bearer, reply);
    else
        snprintf(reply->error, sizeof(reply->error), "there is nothing at the server to change");
    if (r->what == WHIP_DELETE)
        c->location[0] = '\0';
    explicit_bzero(bearer, sizeof(bearer));
}

/* --- the thread --- */

static void free_request(struct request *r)
{
    free(r->path);
    free(r->body);
}

static struct timespec after_ms(int ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

/* False: the beat, or nothing to do any more. */
static bool wait_locked(struct whip_client *c, struct request *out)
{
    struct timespec until = after_ms(c->beat_ms);
    int rc = 0;
    while (!c->n_requests && !c->stop && rc != ETIMEDOUT)
        rc = c->beat_ms > 0 ? pthread_cond_timedwait(&c->changed, &c->lock, &until)
                            : pthread_cond_wait(&c->changed, &c->lock);
    if (!c->n_requests)
        return false;
    *out = c->requests[0];
    c->n_requests--;
    memmove(c->requests, c->requests + 1, c->n_requests * sizeof(c->requests[0]));
    return true;
}

/* There is always room: requests are only taken while there is (push). */
static void put_reply_locked(struct whip_client *c, const struct whip_reply *reply)
{
    c->has_resource = c->location[0] != '\0';
    c->replies[c->n_replies++] = *reply;
}

static void *run(void *arg)
{
    struct whip_client *c = arg;
    struct request r;
    struct whip_reply reply;
    pthread_mutex_lock(&c->lock);
    while (!c->stop || c->n_requests) {
        bool any = wait_locked(c, &r);
        pthread_mutex_unlock(&c->lock);
        if (any) {
            if (r.what == WHIP_LOOK_UP)
                look_up(&r, &reply);
            else
                serve(c, &r, &reply);
            free_request(&r);
        }
        pthread_mutex_lock(&c->lock);
        if (any)
            put_reply_locked(c, &reply);
        bool stops = c->stop;
        pthread_mutex_unlock(&c->lock);
        if (!stops)
            c->wake(c->wake_arg);
        pthread_mutex_lock(&c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    if (c->location[0]) {
        const struct request goodbye = {.what = WHIP_DELETE, .method = "DELETE"};
        serve(c, &goodbye, &reply);
        whip_reply_free(&reply);
    }
    return NULL;
}

/* --- life --- */

static bool is_url(const char *url)
{
    char out[WHIP_CLIENT_URL_MAX];
    return strlen(url) < WHIP_CLIENT_URL_MAX && resolve(out, url, "/");
}

int whip_client_set_target(struct whip_client *c, const char *url, const char *bearer)
{
    if (!is_url(url) || (bearer && strlen(bearer) >= BEARER_MAX))
        return -EINVAL;
    pthread_mutex_lock(&c->lock);
    snprintf(c->url, sizeof(c->url), "%s", url);
    snprintf(c->bearer, sizeof(c->bearer), "%s", bearer ? bearer : "");
    pthread_mutex_unlock(&c->lock);
    return 0;
}

static void init_lock(struct whip_client *c)
{
    pthread_condattr_t monotonic;
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

int whip_client_create(struct whip_client **out, const struct whip_client_config *config)
{
    struct whip_client *c = calloc(1, sizeof(*c));
    if (!c || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(c);
        return -ENOMEM;
    }
    init_lock(c);
    c->wake = config->wake;
    c->wake_arg = config->wake_arg;
    c->ca_file = config->ca_file ? strdup(config->ca_file) : NULL;
    int err = whip_client_set_target(c, config->url, config->bearer);
    if (!err) {
        c->curl = curl_easy_init();
        c->has_thread = c->curl && pthread_create(&c->thread, NULL, run, c) == 0;
        err = c->has_thread ? 0 : -ENOMEM;
    }
    if (err) {
        whip_client_destroy(c);
        return err;
    }
    *out = c;
    return 0;
}

static void drop_requests_locked(struct whip_client *c)
{
    for (unsigned i = 0; i < c->n_requests; i++)
        free_request(&c->requests[i]);
    c->n_requests = 0;
}

static void end_thread(struct whip_client *c)
{
    pthread_mutex_lock(&c->lock);
    drop_requests_locked(c);
    c->stop = true;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until); /* people set the other one */
    until.tv_sec += WHIP_CLIENT_END_S;
    if (pthread_clockjoin_np(c->thread, NULL, CLOCK_MONOTONIC, &until) == 0)
        return;
    atomic_store(&c->abort, true);
    pthread_join(c->thread, NULL);
}

void whip_client_destroy(struct whip_client *c)
{
    if (!c)
        return;
    if (c->has_thread)
        end_thread(c);
    for (unsigned i = 0; i < c->n_replies; i++)
        whip_reply_free(&c->replies[i]);
    curl_easy_cleanup(c->curl);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    explicit_bzero(c->bearer, sizeof(c->bearer));
    free(c->ca_file);
    free(c);
    curl_global_cleanup();
}

/* --- requests --- */

static int push(struct whip_client *c, struct request r, const char *path, const char *body)
{
    int err = 0;
    r.path = path ? strdup(path) : NULL;
    r.body = body ? strdup(body) : NULL;
    if ((path && !r.path) || (body && !r.body))
        err = -ENOMEM;
    pthread_mutex_lock(&c->lock);
    bool of_resource = r.what == WHIP_PATCH || r.what == WHIP_DELETE;
    if (!err && of_resource && !c->has_resource)
        err = -ENOTSUP;
    /* one may be under way, so that every reply finds room */
    else if (!err && c->n_requests + c->n_replies >= WHIP_CLIENT_QUEUE)
        err = -ENOBUFS;
    if (!err)
        c->requests[c->n_requests++] = r;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
    if (err)
        free_request(&r);
    return err;
}

int whip_client_post(struct whip_client *c, const char *offer)
{
    return push(c, (struct request){.what = WHIP_POST, .method = "POST"}, NULL, offer);
}

int whip_client_patch(struct whip_client *c, const char *fragment)
{
    return push(c, (struct request){.what = WHIP_PATCH, .method = "PATCH"}, NULL, fragment);
}

int whip_client_restart(struct whip_client *c, const char *fragment)
{
    const struct request r = {.what = WHIP_PATCH, .method = "PATCH", .restarts = true};
    return push(c, r, NULL, fragment);
}

int whip_client_delete(struct whip_client *c)
{
    int err = push(c, (struct request){.what = WHIP_DELETE, .method = "DELETE"}, NULL, NULL);
    return err == -ENOTSUP ? 0 : err;
}

bool whip_client_has_resource(struct whip_client *c)
{
    pthread_mutex_lock(&c->lock);
    bool has = c->has_resource;
    pthread_mutex_unlock(&c->lock);
    return has;
}

int whip_client_api(struct whip_client *c, int tag, const char *method, const char *path,
                    const char *json)
{
    struct request r = {.what = WHIP_API, .tag = tag};
    snprintf(r.method, sizeof(r.method), "%s", method);
    return push(c, r, path, json);
}

int whip_client_look_up(struct whip_client *c, int tag, const char *host)
{
    return push(c, (struct request){.what = WHIP_LOOK_UP, .tag = tag}, host, NULL);
}

bool whip_client_next(struct whip_client *c, struct whip_reply *out)
{
    pthread_mutex_lock(&c->lock);
    bool any = c->n_replies > 0;
    if (any) {
        *out = c->replies[0];
        c->n_replies--;
        memmove(c->replies, c->replies + 1, c->n_replies * sizeof(c->replies[0]));
    }
    pthread_mutex_unlock(&c->lock);
    return any;
}

void whip_reply_free(struct whip_reply *r)
{
    free(r->body);
    if (r->links)
        explicit_bzero(r->links, strlen(r->links)); /* credentials of relays */
    free(r->links);
    *r = (struct whip_reply){0};
}

void whip_client_set_beat(struct whip_client *c, int every_ms)
{
    pthread_mutex_lock(&c->lock);
    c->beat_ms = every_ms;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
}
