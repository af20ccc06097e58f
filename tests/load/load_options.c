#include "tests/load/load_options.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { THREADS_MAX = 16, VIEWERS_PER_THREAD = 2500 };

struct reader {
    struct load_options *o;
    double ramp_seconds; /* 0: not given */
    const char *url;
};

/* Each setter returns NULL or what the value must be. */
struct option {
    const char *name, *value; /* value NULL: takes none */
    const char *(*set)(struct reader *r, const char *value);
    const char *help;
};

static bool number(const char *text, double min, double max, double *out)
{
    char *end;
    double n = strtod(text, &end);
    if (end == text || *end != '\0' || !(n >= min && n <= max))
        return false;
    *out = n;
    return true;
}

static bool whole(const char *text, double max, unsigned *out)
{
    double n;
    if (!number(text, 0, max, &n) || n != (double)(unsigned)n)
        return false;
    *out = (unsigned)n;
    return true;
}

static bool seconds(const char *text, double min, int64_t *out)
{
    double n;
    if (!number(text, min, 86400, &n))
        return false;
    *out = (int64_t)(n * 1e6);
    return true;
}

static const char *set_url(struct reader *r, const char *v)
{
    r->url = v;
    return NULL;
}

static const char *set_signaling(struct reader *r, const char *v)
{
    r->o->signaling = strcmp(v, "whep") == 0 ? JOINER_WHEP : JOINER_WS;
    return strcmp(v, "whep") == 0 || strcmp(v, "ws") == 0 ? NULL : "must be whep or ws";
}

static const char *set_viewers(struct reader *r, const char *v)
{
    return whole(v, 1e6, &r->o->viewers) && r->o->viewers > 0 ? NULL : "must be a whole number";
}

static const char *set_sample(struct reader *r, const char *v)
{
    return whole(v, 1e6, &r->o->sample) ? NULL : "must be a whole number";
}

static const char *set_threads(struct reader *r, const char *v)
{
    return whole(v, THREADS_MAX, &r->o->threads) && r->o->threads > 0 ? NULL : "must be 1 to 16";
}

static const char *set_ramp(struct reader *r, const char *v)
{
    return number(v, 0.1, 100000, &r->o->ramp_per_s) ? NULL : "must be 0.1 to 100000 a second";
}

static const char *set_ramp_seconds(struct reader *r, const char *v)
{
    return number(v, 0.001, 86400, &r->ramp_seconds) ? NULL : "must be a number of seconds";
}

static const char *set_duration(struct reader *r, const char *v)
{
    return seconds(v, 0.1, &r->o->duration_us) ? NULL : "must be 0.1 or more seconds";
}

static const char *set_baseline(struct reader *r, const char *v)
{
    return seconds(v, 0, &r->o->baseline_us) ? NULL : "must be a number of seconds";
}

static const char *set_join_timeout(struct reader *r, const char *v)
{
    return seconds(v, 0.1, &r->o->join_timeout_us) ? NULL : "must be 0.1 or more seconds";
}

static const char *set_feedback(struct reader *r, const char *v)
{
    double ms;
    if (!number(v, 0, 10000, &ms) || (ms > 0 && ms < 10))
        return "must be 0 (none), or 10 to 10000 ms";
    r->o->feedback_us = (int64_t)(ms * 1000);
    return NULL;
}

static const char *set_loss(struct reader *r, const char *v)
{
    double percent;
    if (!number(v, 0, 100, &percent))
        return "must be 0 to 100 percent";
    r->o->impair.loss = percent / 100;
    return NULL;
}

static const char *set_reorder(struct reader *r, const char *v)
{
    double percent;
    if (!number(v, 0, 100, &percent))
        return "must be 0 to 100 percent";
    r->o->impair.reorder = percent / 100;
    return NULL;
}

static const char *set_jitter(struct reader *r, const char *v)
{
    double ms;
    if (!number(v, 0, 1000, &ms))
        return "must be 0 to 1000 ms";
    r->o->impair.jitter_us = (int64_t)(ms * 1000);
    return NULL;
}

static const char *set_rate(struct reader *r, const char *v)
{
    double kbps;
    if (!number(v, 10, 1e6, &kbps))
        return "must be 10 to 1000000 kbit/s";
    r->o->impair.rate_bps = (uint64_t)(kbps * 1000);
    return NULL;
}

static const char *set_seed(struct reader *r, const char *v)
{
    char *end;
    errno = 0;
    r->o->seed = strtoull(v, &end, 0);
    return errno == 0 && end != v && *end == '\0' && *v != '-' ? NULL : "must be a whole number";
}

static const char *set_admin_token(struct reader *r, const char *v)
{
    if (strlen(v) >= sizeof(r->o->admin_token) || strpbrk(v, "\r\n"))
        return "is too long or not one line";
    snprintf(r->o->admin_token, sizeof(r->o->admin_token), "%s", v);
    return NULL;
}

static const char *set_json(struct reader *r, const char *v)
{
    if (strlen(v) >= sizeof(r->o->json) || v[0] == '\0')
        return "must be a file name, or - for standard output";
    snprintf(r->o->json, sizeof(r->o->json), "%s", v);
    return NULL;
}

static const char *set_max_viewers(struct reader *r, const char *v)
{
    return whole(v, 1e6, &r->o->max_viewers) ? NULL : "must be a whole number";
}

static const char *set_max_duration(struct reader *r, const char *v)
{
    return seconds(v, 1, &r->o->max_duration_us) ? NULL : "must be 1 or more seconds";
}

static const char *set_drop(struct reader *r, const char *v)
{
    (void)v;
    r->o->drop = true;
    return NULL;
}

static const char *set_no_gro(struct reader *r, const char *v)
{
    (void)v;
    r->o->no_gro = true;
    return NULL;
}

static const char *set_allow_remote(struct reader *r, const char *v)
{
    (void)v;
    r->o->allow_remote = true;
    return NULL;
}

static const char *set_expect_no_loss(struct reader *r, const char *v)
{
    (void)v;
    r->o->expect_no_loss = true;
    return NULL;
}

static const char *set_expect_no_freeze(struct reader *r, const char *v)
{
    (void)v;
    r->o->expect_no_freeze = true;
    return NULL;
}

static const char *set_media_port(struct reader *r, const char *v)
{
    return whole(v, 65535, &r->o->media_port) && r->o->media_port > 0 ? NULL : "must be 1 to 65535";
}

static const char *set_help(struct reader *r, const char *v)
{
    (void)v;
    r->o->help = true;
    return NULL;
}

static const struct option options[] = {
    {"url", "URL", set_url, "http://ADDRESS:PORT/ROOM (http://127.0.0.1:8080, its first room)"},
    {"signaling", "whep|ws", set_signaling, "how viewers join (whep)"},
    {"admin-token", "TEXT", set_admin_token, "reads the server's own figures"},
    {"viewers", "N", set_viewers, "how many (100)"},
    {"ramp", "N", set_ramp, "viewers that join each second (100)"},
    {"ramp-seconds", "S", set_ramp_seconds, "the same as the time in which all join"},
    {"duration", "S", set_duration, "steady phase that is measured (10)"},
    {"baseline", "S", set_baseline, "the server is measured without viewers before (1)"},
    {"join-timeout", "S", set_join_timeout, "from the first request to a keyframe (15)"},
    {"sample", "N", set_sample, "viewers whose frames are followed to the end (16)"},
    {"feedback", "MS", set_feedback, "between two transport-cc feedbacks, 0: none (100)"},
    {"loss", "PERCENT", set_loss, "of what viewers receive is lost"},
    {"jitter", "MS", set_jitter, "evenly from 0 to this is added on arrival, in order"},
    {"reorder", "PERCENT", set_reorder, "of what viewers receive comes 5 ms late"},
    {"rate", "KBPS", set_rate, "a viewer's access line; what queues 300 ms is lost"},
    {"seed", "N", set_seed, "of these four (1)"},
    {"media-port", "N", set_media_port, "media goes here and not to the port the server names"},
    {"drop", NULL, set_drop, "the kernel drops media at the sockets, except the sample's"},
    {"no-gro", NULL, set_no_gro, "receive datagrams one by one"},
    {"threads", "N", set_threads, "of this program (one per 2500 viewers)"},
    {"json", "FILE", set_json, "the figures as JSON; - for standard output"},
    {"expect-no-loss", NULL, set_expect_no_loss, "fail if a media packet is missing"},
    {"expect-no-freeze", NULL, set_expect_no_freeze, "fail if the sample sees a freeze"},
    {"allow-remote", NULL, set_allow_remote, "load a server that is not on loopback"},
    {"max-viewers", "N", set_max_viewers, "bound of --viewers (10000)"},
    {"max-duration", "S", set_max_duration, "bound of --duration and of the ramp (600)"},
    {"help", NULL, set_help, ""},
};

enum { N_OPTIONS = sizeof(options) / sizeof(options[0]) };

const char *load_options_help(void)
{
    static char text[4096];
    size_t n = (size_t)snprintf(text, sizeof(text),
                                "amphi-load [URL] [options]   many viewers of one amphi room\n\n");
    for (int i = 0; i < N_OPTIONS && n < sizeof(text); i++) {
        char head[64];
        snprintf(head, sizeof(head), "--%s %s", options[i].name,
                 options[i].value ? options[i].value : "");
        n += (size_t)snprintf(text + n, sizeof(text) - n, "  %-24s %s\n", head, options[i].help);
    }
    if (n < sizeof(text))
        snprintf(text + n, sizeof(text) - n,
                 "\nExit status: 0 every viewer connected and every expectation held; 1 not so; "
                 "2 options\n");
    return text;
}

/* --- the URL --- */

static bool is_loopback(const struct address *a)
{
    if (a->sa.sa_family == AF_INET)
        return ntohl(a->in.sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr);
}

/* "127.0.0.1:8080", "[::1]:8080", "localhost" */
static const char *set_host(struct load_options *o, const char *host)
{
    char ip[64];
    unsigned port = 80;
    bool v6 = host[0] == '[';
    size_t n = v6 ? strcspn(host + 1, "]") : strcspn(host, ":");
    const char *rest = host + n + (v6 ? 1 : 0) + (v6 && host[n + 1] == ']');
    if (n == 0 || n >= sizeof(ip))
        return "has no host";
    memcpy(ip, host + v6, n);
    ip[n] = '\0';
    if (rest[0] == ':' && (!whole(rest + 1, 65535, &port) || port == 0))
        return "has no valid port";
    if (strcmp(ip, "localhost") == 0)
        memcpy(ip, "127.0.0.1", sizeof("127.0.0.1"));
    if (!address_parse(&o->server, ip, (uint16_t)port))
        return "needs a numeric address, or localhost";
    if (!o->allow_remote && !is_loopback(&o->server))
        return "is not a loopback address; --allow-remote if that server is yours";
    return NULL;
}

static const char *read_url(struct load_options *o, const char *url)
{
    static const char scheme[] = "http://";
    if (strncmp(url, scheme, sizeof(scheme) - 1) != 0)
        return "must begin with http://";
    const char *host = url + sizeof(scheme) - 1;
    size_t n = strcspn(host, "/");
    if (n >= sizeof(o->host))
        return "is too long";
    memcpy(o->host, host, n);
    o->host[n] = '\0';
    const char *room = host[n] == '/' ? host + n + 1 : "";
    size_t length = strspn(room, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-");
    if (room[length] != '\0' || length >= sizeof(o->room))
        return "must end with a room code";
    memcpy(o->room, room, length + 1);
    return set_host(o, o->host);
}

/* --- all together --- */

static int refuse(char *error, size_t size, const char *option, const char *why)
{
    snprintf(error, size, "--%s %s", option, why);
    return -EINVAL;
}

static int check(struct reader *r, char *error, size_t size)
{
    struct load_options *o = r->o;
    if (o->viewers > o->max_viewers)
        return refuse(error, size, "viewers", "is over --max-viewers");
    if (o->duration_us > o->max_duration_us)
        return refuse(error, size, "duration", "is over --max-duration");
    if (r->ramp_seconds > 0)
        o->ramp_per_s = o->viewers / r->ramp_seconds;
    if (o->viewers / o->ramp_per_s * 1e6 > (double)o->max_duration_us)
        return refuse(error, size, "ramp", "takes longer than --max-duration");
    const char *why = read_url(o, r->url);
    if (why)
        return refuse(error, size, "url", why);
    if (o->room[0] == '\0' && o->admin_token[0] == '\0')
        return refuse(error, size, "url", "needs a room, or --admin-token to find one");
    if (o->drop && !impair_is_idle(&o->impair))
        return refuse(error, size, "drop",
                      "does not go with --loss, --reorder, --jitter or --rate");
    if (o->sample > o->viewers)
        o->sample = o->viewers;
    if (o->threads == 0)
        o->threads = 1 + (o->viewers - 1) / VIEWERS_PER_THREAD;
    if (o->threads > THREADS_MAX)
        o->threads = THREADS_MAX;
    return 0;
}

static const struct option *find_option(const char *name, size_t size)
{
    for (int i = 0; i < N_OPTIONS; i++) {
        if (strlen(options[i].name) == size && memcmp(options[i].name, name, size) == 0)
            return &options[i];
    }
    return NULL;
}

static int take(struct reader *r, int argc, char *const *argv, int *i, char *error, size_t size)
{
    const char *arg = argv[*i], *value = "";
    if (strncmp(arg, "--", 2) != 0) {
        set_url(r, arg);
        return 0;
    }
    size_t n = strcspn(arg + 2, "=");
    const struct option *option = find_option(arg + 2, n);
    if (!option) {
        snprintf(error, size, "unknown option %.60s (amphi-load --help shows the options)", arg);
        return -EINVAL;
    }
    bool joined = arg[2 + n] == '=';
    if (joined && !option->value)
        return refuse(error, size, option->name, "takes no value");
    if (joined)
        value = arg + 3 + n;
    else if (option->value && *i + 1 == argc)
        return refuse(error, size, option->name, "needs a value");
    else if (option->value)
        value = argv[++*i];
    const char *why = option->set(r, value);
    return why ? refuse(error, size, option->name, why) : 0;
}

int load_options_read(struct load_options *o, int argc, char *const *argv, char *error,
                      size_t error_size)
{
    struct reader r = {.o = o, .url = "http://127.0.0.1:8080"};
    *o = (struct load_options){
        .signaling = JOINER_WHEP,
        .viewers = 100,
        .sample = 16,
        .ramp_per_s = 100,
        .duration_us = 10000000,
        .baseline_us = 1000000,
        .join_timeout_us = 15000000,
        .feedback_us = 100000,
        .seed = 1,
        .max_viewers = 10000,
        .max_duration_us = 600000000,
    };
    for (int i = 1; i < argc; i++) {
        int rc = take(&r, argc, argv, &i, error, error_size);
        if (rc != 0)
            return rc;
    }
    return o->help ? 0 : check(&r, error, error_size);
}
