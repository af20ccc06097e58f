#include "server/tui_host.h"

#include "server/log.h"
#include "server/tui.h"
#include "server/tui_fill.h"
#include "server/tui_screen.h"
#include "server/tui_share.h"
#include "server/source_listing.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <jansson.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_US 1000000
#define LIST_US 5000000
#define LIST_AUTO_US 1000000 /* while what is worked in decides */
#define ROOM_US 5000000      /* the server elsewhere is asked how many watch */

enum { ASK_ROOM = 1, ASK_PASSWORD };

struct tui_host {
    struct server *server;        /* borrowed */
    struct publish_host *publish; /* borrowed; NULL: none */
    struct tui ui;
    struct tui_model *model; /* owned */
    struct tui_canvas canvas;
    struct share share;
    struct source_listing *lister; /* owned */
    struct sources_entry list[SOURCES_MAX];
    int n_list;
    char wanted_password[TUI_PASSWORD_MAX];
    bool dirty, can_ask; /* the server elsewhere knows our requests */
    int64_t look_us, list_us, room_us;

    pthread_t input;
    int wake_pipe[2]; /* to end the thread */
    sem_t taken;      /* the keys that it told of */
    atomic_bool pressed, ends;

    pthread_mutex_t lock;
    /* under lock */
    unsigned n_log;
    char log[TUI_LOG_MAX][200];
    bool new_log;
};

/* --- other threads --- */

static void on_line(void *arg, const char *line)
{
    struct tui_host *h = arg;
    pthread_mutex_lock(&h->lock);
    if (h->n_log == TUI_LOG_MAX)
        memmove(h->log[0], h->log[1], (TUI_LOG_MAX - 1) * sizeof(h->log[0]));
    else
        h->n_log++;
    snprintf(h->log[h->n_log - 1], sizeof(h->log[0]), "%s", line);
    h->new_log = true;
    pthread_mutex_unlock(&h->lock);
}

/* Keys wake the server's thread, which reads them: ncurses is of one thread. */
static void *watch_input(void *arg)
{
    struct tui_host *h = arg;
    while (!atomic_load(&h->ends)) {
        struct pollfd fds[2] = {{.fd = STDIN_FILENO, .events = POLLIN},
                                {.fd = h->wake_pipe[0], .events = POLLIN}};
        if (poll(fds, 2, -1) <= 0 || !fds[0].revents)
            continue;
        atomic_store(&h->pressed, true);
        server_wake(h->server);
        while (sem_wait(&h->taken) != 0) {
        }
    }
    return NULL;
}

static void wake(void *arg)
{
    server_wake(arg);
}

/* --- what actions do --- */

static int64_t now(void)
{
    return server_now_us();
}

static void flash(struct tui_host *h, const char *text)
{
    tui_flash(&h->ui, text, now());
}

static void toggle(struct tui_host *h, int index)
{
    char error[300] = "";
    const struct tui_source *s = &h->model->sources[index];
    int err = s->slot >= 0 ? share_remove(&h->share, (unsigned)s->slot)
                           : share_add(&h->share, s->source, error, sizeof(error));
    if (err)
        flash(h, error[0] ? error : "that cannot be done at the moment");
}

static void stop_or_go_on(struct tui_host *h)
{
    char error[300] = "";
    bool stops = !share_is_stopped(&h->share);
    if (stops)
        share_stop(&h->share);
    else if (share_go_on(&h->share, error, sizeof(error)) != 0)
        flash(h, error);
    h->model->auto_share = h->model->auto_share && !stops;
    if (h->publish)
        publish_host_set_stopped(h->publish, share_is_stopped(&h->share));
}

static void copy_link(struct tui_host *h)
{
    if (h->model->link[0])
        tui_screen_copy(h->model->link);
    flash(h, h->model->link[0] ? "Copied!" : "there is no link to copy");
}

static void set_password_elsewhere(struct tui_host *h, const char *text)
{
    char path[128];
    json_t *body = json_pack("{s:s}", "password", text);
    char *json = body ? json_dumps(body, JSON_COMPACT) : NULL;
    snprintf(path, sizeof(path), "/api/v1/rooms/%s", h->model->room);
    if (!json || publish_host_ask(h->publish, ASK_PASSWORD, "PATCH", path, json) != 0)
        flash(h, "too many requests wait for the server");
    snprintf(h->wanted_password, sizeof(h->wanted_password), "%s", text);
    if (json)
        explicit_bzero(json, strlen(json));
    free(json);
    json_decref(body);
}

static void show_password(struct tui_host *h, const char *text)
{
    struct tui_model *m = h->model;
    snprintf(m->password, sizeof(m->password), "%s", text);
    m->has_password = text[0] != '\0';
    flash(h, text[0] ? "who comes from now on is asked for the password"
                     : "whoever has the link may watch");
}

static void set_password(struct tui_host *h, const char *text)
{
    if (h->publish) {
        set_password_elsewhere(h, text);
        return;
    }
    const struct backend *b = server_backend(h->server);
    const struct backend_room_wish wish = {.password = text, .max_viewers = -1};
    if (!b->change_room || b->change_room(b->arg, h->model->room, &wish) != 0)
        flash(h, "this is no password");
    else
        show_password(h, text);
}

static void set_coding(struct tui_host *h, const struct tui_action *a)
{
    struct media_coding *c = &h->share.coding;
    char error[300] = "";
    const char *why = NULL;
    if (a->what == TUI_DO_QUALITY) {
        why = media_set_quality(c, tui_qualities[a->index].name);
        c->rate.bitrate_bps = c->quality_bps;
    } else if (a->what == TUI_DO_FPS) {
        why = media_set_fps(c, tui_rates[a->index].name);
    } else if (a->what == TUI_DO_CODEC) {
        why = media_set_codec(c, tui_codecs[a->index].name);
        c->encoder[0] = '\0'; /* of the other codec */
    } else {
        bool quality = c->rate.rate_control == ENCODER_QUALITY;
        why = media_set_rate_control(c, quality ? "cbr" : "quality");
    }
    if (why) {
        snprintf(error, sizeof(error), "this %s", why);
        flash(h, error);
    } else if (a->what != TUI_DO_CODEC) {
        share_set_rate(&h->share);
    } else if (!share_is_stopped(&h->share) &&
               share_set_codec(&h->share, error, sizeof(error)) != 0) {
        flash(h, error);
    }
    tui_fill_coding(h->model, c);
}

static void do_action(struct tui_host *h, const struct tui_action *a)
{
    switch (a->what) {
    case TUI_DO_NOTHING:
        return;
    case TUI_DO_QUIT:
        server_stop(h->server);
        return;
    case TUI_DO_TOGGLE:
        toggle(h, a->index);
        return;
    case TUI_DO_STOP:
        stop_or_go_on(h);
        return;
    case TUI_DO_REFRESH:
        source_listing_ask(h->lister);
        return;
    case TUI_DO_COPY:
        copy_link(h);
        return;
    case TUI_DO_PASSWORD:
        set_password(h, a->text);
        return;
    case TUI_DO_AUTO_SHARE:
        h->model->auto_share = !h->model->auto_share;
        h->list_us = 0;
        return;
    default:
        set_coding(h, a);
    }
}

/* --- rounds --- */

static void take_keys(struct tui_host *h)
{
    uint32_t key;
    while (tui_screen_key(&key)) {
        struct tui_action a = tui_key(&h->ui, h->model, key);
        do_action(h, &a);
        explicit_bzero(a.text, sizeof(a.text));
        h->dirty = true;
    }
    if (!atomic_exchange(&h->pressed, false))
        return;
    if (tui_screen_is_gone()) { /* nobody is there to press another key */
        atomic_store(&h->ends, true);
        server_stop(h->server);
    }
    sem_post(&h->taken);
}

static void follow_focus(struct tui_host *h)
{
    char error[300] = "";
    for (unsigned i = 0; i < h->model->n_sources && h->model->auto_share; i++) {
        const struct tui_source *s = &h->model->sources[i];
        if (s->is_window && s->focused &&
            share_follow(&h->share, s->source, error, sizeof(error)) != 0)
            flash(h, error);
    }
}

static void take_list(struct tui_host *h, int64_t now_us)
{
    int n = source_listing_take(h->lister, h->list, SOURCES_MAX);
    if (n >= 0) {
        h->n_list = n;
        tui_fill_sources(h->model, h->share.room, h->list, n);
        follow_focus(h);
        h->dirty = true;
    }
    if (now_us >= h->list_us) {
        h->list_us = now_us + (h->model->auto_share ? LIST_AUTO_US : LIST_US);
        source_listing_ask(h->lister);
    }
}

static void take_log(struct tui_host *h)
{
    pthread_mutex_lock(&h->lock);
    if (h->new_log) {
        h->model->n_log = h->n_log;
        memcpy(h->model->log, h->log, sizeof(h->log));
        h->dirty = true;
    }
    h->new_log = false;
    pthread_mutex_unlock(&h->lock);
}

/* Of the server elsewhere: who watches there. */
static void on_api(void *arg, const struct whip_reply *r)
{
    struct tui_host *h = arg;
    if (r->tag == ASK_PASSWORD) {
        if (r->ok)
            show_password(h, h->wanted_password);
        else
            flash(h, r->error);
        return;
    }
    json_t *root = r->ok && r->body ? json_loads(r->body, 0, NULL) : NULL;
    json_int_t viewers = json_integer_value(json_object_get(root, "viewers"));
    h->can_ask = r->ok || r->status == 0 || r->status >= 500;
    if (json_is_object(root)) {
        h->model->viewers = viewers > 0 && viewers < 1000000 ? (unsigned)viewers : 0;
        h->model->has_password = json_is_true(json_object_get(root, "password_required"));
        h->model->can_set_password = true;
    }
    json_decref(root);
}

static void ask_room(struct tui_host *h, int64_t now_us)
{
    char path[128];
    if (!h->can_ask || !h->model->room[0] || now_us < h->room_us)
        return;
    h->room_us = now_us + ROOM_US;
    snprintf(path, sizeof(path), "/api/v1/rooms/%s", h->model->room);
    (void)publish_host_ask(h->publish, ASK_ROOM, "GET", path, NULL);
}

/* It may come later, when a room has been made. */
static void note_endpoint(struct tui_host *h, const char *endpoint)
{
    char link[300], room[64];
    tui_fill_link(link, room, endpoint);
    if (strcmp(link, h->model->link) == 0)
        return;
    memcpy(h->model->link, link, sizeof(link));
    memcpy(h->model->room, room, sizeof(room));
    h->can_ask = room[0] != '\0';
}

static void look(struct tui_host *h, int64_t now_us)
{
    h->look_us = now_us + LOOK_US;
    h->dirty = true;
    if (h->publish) {
        struct publish_status status;
        publish_host_status(h->publish, &status);
        tui_fill_uplink(h->model, &status, now_us);
        note_endpoint(h, status.endpoint);
        ask_room(h, now_us);
    }
    tui_fill_room(h->model, h->server, h->share.room, now_us);
    h->model->stopped = share_is_stopped(&h->share);
    tui_fill_sources(h->model, h->share.room, h->list, h->n_list);
}

static void draw(struct tui_host *h, int64_t now_us)
{
    int rows, columns;
    tui_screen_size(&rows, &columns);
    if (rows != h->canvas.rows || columns != h->canvas.columns) {
        tui_canvas_finish(&h->canvas);
        if (tui_canvas_init(&h->canvas, rows, columns) != 0)
            return;
    }
    tui_draw(&h->canvas, &h->ui, h->model, now_us);
    tui_screen_show(&h->canvas);
}

static void on_round(void *arg)
{
    struct tui_host *h = arg;
    int64_t now_us = now();
    take_keys(h);
    take_list(h, now_us);
    take_log(h);
    if (h->dirty || now_us >= h->look_us)
        look(h, now_us);
    if (h->dirty)
        draw(h, now_us);
    h->dirty = false;
}

/* --- life --- */

bool tui_host_is_possible(void)
{
    const char *term = getenv("TERM");
    return isatty(STDIN_FILENO) && isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
}

static void begin_model(struct tui_host *h, const struct config *config)
{
    struct tui_model *m = h->model;
    snprintf(m->title, sizeof(m->title), "amphi %s", AMPHI_VERSION);
    tui_fill_coding(m, &h->share.coding);
    if (h->publish) {
        m->uplink = TUI_UPLINK_BUSY;
        tui_fill_link(m->link, m->room, config->to);
        h->can_ask = m->room[0] != '\0';
        return;
    }
    snprintf(m->room, sizeof(m->room), "%s", h->share.room->code);
    snprintf(m->link, sizeof(m->link), "%s", server_url(h->server));
    snprintf(m->password, sizeof(m->password), "%.64s", h->share.room->rights.password);
    m->has_password = m->password[0] != '\0';
    m->can_set_password = true;
}

static int start_threads(struct tui_host *h)
{
    int err = source_listing_create(&h->lister, wake, h->server);
    if (!err && pipe2(h->wake_pipe, O_CLOEXEC) != 0)
        err = -errno;
    if (!err)
        err = -pthread_create(&h->input, NULL, watch_input, h);
    return err;
}

static int begin(struct tui_host *h, const struct settings *kept)
{
    int err = tui_screen_open();
    if (err)
        return err;
    tui_init(&h->ui);
    h->ui.shows_streams = !kept->hides_streams;
    h->ui.shows_log = kept->shows_log;
    log_divert(on_line, h);
    err = start_threads(h);
    if (err) {
        log_divert(NULL, NULL);
        tui_screen_close();
    }
    return err;
}

int tui_host_create(struct tui_host **out, struct server *s, struct publish_host *publish,
                    const struct settings *kept, char *error, size_t error_size)
{
    struct tui_host *h = g_new0(struct tui_host, 1);
    h->server = s;
    h->publish = publish;
    h->model = g_new0(struct tui_model, 1);
    share_init(&h->share, s, s->source_room);
    begin_model(h, &s->config);
    pthread_mutex_init(&h->lock, NULL);
    sem_init(&h->taken, 0, 0);
    int err = begin(h, kept);
    if (err) {
        snprintf(error, error_size, "the terminal cannot be used: %s (--no-tui)", strerror(-err));
        source_listing_destroy(h->lister);
        g_free(h->model);
        g_free(h);
        return err;
    }
    if (publish)
        publish_host_set_api(publish, on_api, h);
    const struct server_companion companion = {.arg = h, .on_round = on_round};
    server_join(s, &companion);
    *out = h;
    return 0;
}

static void keep_settings(const struct tui_host *h, struct settings *out)
{
    const struct tui_model *m = h->model;
    if (m->quality >= 0)
        snprintf(out->quality, sizeof(out->quality), "%s", tui_qualities[m->quality].name);
    if (m->fps >= 0)
        snprintf(out->fps, sizeof(out->fps), "%s", tui_rates[m->fps].name);
    if (m->codec >= 0)
        snprintf(out->codec, sizeof(out->codec), "%s", tui_codecs[m->codec].name);
    snprintf(out->rate_control, sizeof(out->rate_control), "%s",
             m->constant_quality ? "quality" : "cbr");
    out->hides_streams = !h->ui.shows_streams;
    out->shows_log = h->ui.shows_log;
}

static void end_input(struct tui_host *h)
{
    atomic_store(&h->ends, true);
    (void)!write(h->wake_pipe[1], "", 1);
    sem_post(&h->taken);
    pthread_join(h->input, NULL);
    close(h->wake_pipe[0]);
    close(h->wake_pipe[1]);
}

void tui_host_destroy(struct tui_host *h, struct settings *kept)
{
    if (!h)
        return;
    log_divert(NULL, NULL);
    end_input(h);
    tui_screen_close();
    source_listing_destroy(h->lister);
    if (kept)
        keep_settings(h, kept);
    share_finish(&h->share);
    tui_canvas_finish(&h->canvas);
    pthread_mutex_destroy(&h->lock);
    sem_destroy(&h->taken);
    explicit_bzero(h->model->password, sizeof(h->model->password));
    explicit_bzero(h->wanted_password, sizeof(h->wanted_password));
    g_free(h->model);
    g_free(h);
}
