/* main.c - the program: options, signals, the banner, and the signaling thread's loop. */
#include "server/config.h"
#include "server/list_sources.h"
#include "server/interface.h"
#include "server/log.h"
#include "server/publish_host.h"
#include "server/server.h"
#include "server/tui_screen.h"

#include <pthread.h>
#include <qrencode.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { STATUS_FAILED = 1, STATUS_REFUSED = 2 };

static void print_version(void)
{
    printf("amphi %s\nencoders:", AMPHI_VERSION);
    for (const struct encoder_ops *const *o = encoder_backends(); *o; o++)
        printf(" %s (%s)", (*o)->name, codec_name((*o)->codec));
    printf("\n");
}

/* Two modules in one character: a QR code's dark modules are the terminal's dark background, so
 * light ones are drawn. */
static void print_qr(const char *text)
{
    static const char *const halves[] = {" ", "▄", "▀", "█"}; /* light: none, lower, upper, both */
    QRcode *code = QRcode_encodeString(text, 0, QR_ECLEVEL_L, QR_MODE_8, 1);
    if (!code)
        return;
    int w = code->width, quiet = 2;
    for (int y = -quiet; y < w + quiet; y += 2) {
        for (int x = -quiet; x < w + quiet; x++) {
            unsigned light = 0;
            for (int k = 0; k < 2; k++) {
                int row = y + k;
                bool inside = x >= 0 && x < w && row >= 0 && row < w;
                bool dark = inside && code->data[row * w + x] & 1;
                light |= dark ? 0u : k ? 1u : 2u;
            }
            printf("%s", halves[light]);
        }
        printf("\n");
    }
    QRcode_free(code);
}

static void print_banner(const struct server *s, const struct config *config)
{
    bool listens = !config->publishes || config->listens;
    printf("amphi %s\n", AMPHI_VERSION);
    if (config->publishes)
        printf("publish: %s\n", config->to);
    if (listens)
        printf("watch: %s\n", server_url(s));
    if (listens && config->room[0] && !config->n_sources && !config->secret[0])
        printf("secret: %s\n", server_secret(s));
    if (listens && !config->admin_token[0])
        printf("admin token: %s\n", server_admin_token(s));
    if (listens && config->n_sources && isatty(STDOUT_FILENO))
        print_qr(server_url(s));
    fflush(stdout);
}

/* --- signals: blocked everywhere, waited for on a thread of their own --- */

struct signals {
    pthread_mutex_t lock;  /* of what follows */
    struct server *server; /* NULL: it has ended */
    bool drains;           /* or there is nobody to wait for */
};

/* Whoever asks again does not want to wait: the first time everybody may leave, the second time
 * they are sent away, the third time it just ends. */
static void end_by_signal(struct signals *s, int which)
{
    if (!s->server) {
        tui_screen_restore();
        _exit(128 + which);
    }
    if (s->drains) {
        server_stop(s->server);
        s->server = NULL;
    } else {
        server_drain(s->server);
        s->drains = true;
    }
}

static void fill_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

static void *signal_thread(void *arg)
{
    struct signals *s = arg;
    sigset_t set;
    fill_signals(&set);
    for (;;) {
        int which;
        sigwait(&set, &which);
        pthread_mutex_lock(&s->lock);
        if (which != SIGHUP)
            end_by_signal(s, which);
        else if (s->server)
            server_reload(s->server);
        pthread_mutex_unlock(&s->lock);
    }
    return NULL;
}

static void block_signals(void)
{
    sigset_t set;
    fill_signals(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* A socket per WebSocket and per viewer over TCP: the soft limit of 1024 is for programs that use
 * select(). If it cannot be raised, new connections are refused where it ends. */
static void raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static int refuse(const char *why)
{
    fprintf(stderr, "amphi: %s\n", why);
    return STATUS_REFUSED;
}

/* The exit status. */
static int end_publishing(struct publish_host *publish)
{
    struct publish_status status;
    publish_host_status(publish, &status);
    publish_host_destroy(publish);
    if (status.state != PUBLISH_REFUSED)
        return 0;
    fprintf(stderr, "amphi: %s\n", status.why);
    return STATUS_FAILED;
}

struct arguments {
    int argc;
    char **argv;
};

static int read_again(void *arg, struct config *out, char *error, size_t error_size)
{
    const struct arguments *a = arg;
    return config_read(out, a->argc, a->argv, getenv("PORT"), error, error_size);
}

/* False: there is nothing to publish, and nobody to choose it. */
static bool prepare_publishing(struct config *c, const struct interface *i)
{
    const char *secret = getenv("AMPHI_SECRET");
    if (!c->secret[0] && secret && strlen(secret) < sizeof(c->secret))
        memcpy(c->secret, secret, strlen(secret) + 1);
    if (c->n_sources == 0 && i->wanted && !c->room[0])
        snprintf(c->room, sizeof(c->room), "HERE"); /* nobody else sees it */
    return c->n_sources > 0 || i->wanted;
}

static int run(const struct config *config, struct arguments *arguments,
               struct interface *interface)
{
    char error[512];
    struct server *s;
    if (server_create(&s, config, error, sizeof(error)) != 0)
        return refuse(error);
    struct publish_host *publish = NULL;
    if (config->publishes &&
        publish_host_create(&publish, s, config, interface->wanted, error, sizeof(error)) != 0) {
        server_destroy(s);
        return refuse(error);
    }
    struct signals signals = {.lock = PTHREAD_MUTEX_INITIALIZER,
                              .server = s,
                              .drains = config->publishes || interface->wanted};
    pthread_t thread;
    server_on_reload(s, read_again, arguments);
    if (pthread_create(&thread, NULL, signal_thread, &signals) != 0) {
        publish_host_destroy(publish);
        server_destroy(s);
        return refuse("cannot start a thread");
    }
    print_banner(s, config);
    interface_open(interface, s, publish);
    server_run(s);
    pthread_mutex_lock(&signals.lock);
    signals.server = NULL;
    pthread_mutex_unlock(&signals.lock);
    interface_close(interface, config);
    int status = publish ? end_publishing(publish) : 0;
    server_destroy(s);
    pthread_cancel(thread);
    pthread_join(thread, NULL);
    return status;
}

int main(int argc, char **argv)
{
    struct config config;
    struct interface interface = {.wanted = false};
    char error[512];
    if (argc > 1 && strcmp(argv[1], "sources") == 0)
        return list_sources(argc - 2, argv + 2, stdout, stderr);
    if (interface_read(&interface, &config, argc, argv, error, sizeof(error)) != 0)
        return refuse(error);
    if (config.action == CONFIG_SHOW_HELP) {
        fputs(config_help(), stdout);
        return 0;
    }
    if (config.action == CONFIG_SHOW_VERSION) {
        print_version();
        return 0;
    }
    if (config.publishes && !prepare_publishing(&config, &interface))
        return refuse("--source is needed: what is to be published");
    block_signals();
    raise_descriptor_limit();
    log_init((enum log_level)config.log_level, config.log_json);
    return run(&config, &(struct arguments){argc, argv}, &interface);
}
