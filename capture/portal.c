#include "capture/portal.h"

#include "capture/portal_token.h"

#include <assert.h>
#include <errno.h>
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PORTAL_NAME "org.freedesktop.portal.Desktop"
#define PORTAL_PATH "/org/freedesktop/portal/desktop"
#define SCREENCAST "org.freedesktop.portal.ScreenCast"
#define CALL_MS 10000      /* a portal that takes longer hangs */
#define ANSWER_US 30000000 /* of what needs no person */
#define CLOSE_US 1000000

enum { TYPE_MONITOR = 1, TYPE_WINDOW = 2 };
enum { CURSOR_HIDDEN = 1, CURSOR_EMBEDDED = 2 };
enum { PERSIST_UNTIL_REVOKED = 2, PERSIST_SINCE_VERSION = 4 };
enum { RESPONSE_DONE = 0, RESPONSE_DECLINED = 1 };

struct portal {
    GMainContext *context; /* owned */
    int fd;                /* of the context, borrowed */
    GDBusConnection *bus;  /* owned */
    guint subscription[3];
    uint32_t version, types, cursors; /* what the portal says of itself */

    char *session;       /* owned: an object path; NULL before the share */
    char *handle;        /* owned: the request whose answer is waited for */
    char *response_path; /* owned: the request that `response` answers */
    GVariant *response;  /* owned */
    bool answered;       /* the one with the other */
    int end;             /* -errno once the share is over for a reason that the bus told */
};

/* A call that is under way. */
struct call {
    bool done;
    GVariant *reply;  /* owned */
    GUnixFDList *fds; /* owned */
    GError *error;    /* owned */
};

struct waiter {
    portal_wait_fn *wait;
    void *arg;
};

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* --- waiting --- */

/* For those waits that are short by themselves. */
static bool wait_alone(void *arg, int fd, int64_t deadline_us)
{
    (void)arg;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int64_t left_us = deadline_us == INT64_MAX ? INT64_MAX : deadline_us - now_us();
    if (left_us > CALL_MS * 1000)
        left_us = CALL_MS * 1000;
    poll(&p, 1, left_us > 0 ? (int)((left_us + 999) / 1000) : 0);
    return true;
}

static const struct waiter alone = {wait_alone, NULL};

/* Until *done: 0, -ETIMEDOUT, -ECANCELED when told to give up, or the reason why the share ended.
 */
static int await(struct portal *p, const bool *done, const struct waiter *w, int64_t deadline_us)
{
    for (;;) {
        while (g_main_context_iteration(p->context, FALSE))
            continue;
        if (*done)
            return 0;
        if (p->end)
            return p->end;
        if (now_us() >= deadline_us)
            return -ETIMEDOUT;
        if (!w->wait(w->arg, p->fd, deadline_us))
            return -ECANCELED;
    }
}

/* A call that was cancelled calls back at once: its memory is on the stack. */
static void drain(struct portal *p, const bool *done)
{
    while (!*done)
        g_main_context_iteration(p->context, TRUE);
}

/* The descriptor that wakes the context: nothing else is ever polled in it, since the bus has a
 * thread of its own and leaves signals and replies here. */
static int context_fd(GMainContext *context)
{
    GPollFD fds[4];
    gint priority, timeout;
    gboolean ours = g_main_context_acquire(context);
    assert(ours);
    g_main_context_prepare(context, &priority);
    gint n = g_main_context_query(context, priority, &timeout, fds, 4);
    g_main_context_release(context);
    assert(n == 1);
    return fds[0].fd;
}

/* --- saying what is wrong --- */

static int no_portal(char *error, size_t error_size, const char *why)
{
    snprintf(error, error_size, "no desktop portal answers on the session bus: %s", why);
    return -ENODEV;
}

static int explain(const GError *e, char *error, size_t error_size)
{
    char *name = g_dbus_error_get_remote_error(e);
    GError *plain = g_error_copy(e);
    g_dbus_error_strip_remote_error(plain);
    const char *text = plain->message;
    int r = -EIO;
    if ((e->domain == G_IO_ERROR && e->code != G_IO_ERROR_DBUS_ERROR) ||
        g_error_matches(e, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN) ||
        g_error_matches(e, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER) ||
        g_error_matches(e, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY) ||
        g_error_matches(e, G_DBUS_ERROR, G_DBUS_ERROR_DISCONNECTED) ||
        (name && g_str_has_prefix(name, "org.freedesktop.DBus.Error.Spawn."))) {
        r = no_portal(error, error_size, text);
    } else if (g_error_matches(e, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED) ||
               (name && strcmp(name, "org.freedesktop.portal.Error.NotAllowed") == 0)) {
        snprintf(error, error_size, "the desktop portal does not allow to share: %s", text);
        r = -EACCES;
    } else {
        snprintf(error, error_size, "the desktop portal refused: %s", text);
    }
    g_error_free(plain);
    g_free(name);
    return r;
}

static int explain_wait(int code, char *error, size_t error_size)
{
    if (code == -ETIMEDOUT)
        return no_portal(error, error_size, "it said nothing for 30 seconds");
    if (code == -ENODEV)
        snprintf(error, error_size, "the desktop portal went away");
    else if (code == -EACCES)
        snprintf(error, error_size, "the sharing was ended on the desktop");
    else
        snprintf(error, error_size, "told to stop");
    return code;
}

/* --- calls --- */

static void on_reply(GObject *bus, GAsyncResult *result, gpointer arg)
{
    struct call *c = arg;
    c->reply = g_dbus_connection_call_with_unix_fd_list_finish(G_DBUS_CONNECTION(bus), &c->fds,
                                                               result, &c->error);
    c->done = true;
}

/* *reply and *fds (NULL: not wanted) are the caller's. Takes a floating `args`. */
static int call(struct portal *p, const char *interface, const char *method, GVariant *args,
                const char *reply_type, const struct waiter *w, GVariant **reply, GUnixFDList **fds,
                char *error, size_t error_size)
{
    struct call c = {0};
    GCancellable *cancel = g_cancellable_new();
    GVariantType *type = g_variant_type_new(reply_type);
    g_dbus_connection_call_with_unix_fd_list(p->bus, PORTAL_NAME, PORTAL_PATH, interface, method,
                                             args, type, G_DBUS_CALL_FLAGS_NONE, CALL_MS, NULL,
                                             cancel, on_reply, &c);
    int r = await(p, &c.done, w, INT64_MAX);
    if (r < 0) {
        g_cancellable_cancel(cancel);
        drain(p, &c.done);
        explain_wait(r, error, error_size);
    } else if (c.error) {
        r = explain(c.error, error, error_size);
    }
    g_clear_error(&c.error);
    g_variant_type_free(type);
    g_object_unref(cancel);
    if (r == 0 && fds)
        *fds = g_steal_pointer(&c.fds);
    if (r == 0)
        *reply = g_steal_pointer(&c.reply);
    g_clear_pointer(&c.reply, g_variant_unref);
    g_clear_object(&c.fds);
    return r;
}

/* --- signals --- */

static void on_response(GDBusConnection *bus, const gchar *sender, const gchar *path,
                        const gchar *interface, const gchar *signal, GVariant *args, gpointer arg)
{
    (void)bus, (void)sender, (void)interface, (void)signal;
    struct portal *p = arg;
    if (!g_variant_is_of_type(args, G_VARIANT_TYPE("(ua{sv})")))
        return;
    g_free(p->response_path);
    g_clear_pointer(&p->response, g_variant_unref);
    p->response_path = g_strdup(path);
    p->response = g_variant_ref(args);
    p->answered = p->handle && strcmp(p->handle, path) == 0;
}

static void on_closed(GDBusConnection *bus, const gchar *sender, const gchar *path,
                      const gchar *interface, const gchar *signal, GVariant *args, gpointer arg)
{
    (void)bus, (void)sender, (void)interface, (void)signal, (void)args;
    struct portal *p = arg;
    if (p->session && strcmp(p->session, path) == 0 && !p->end)
        p->end = -EACCES;
}

static void on_owner(GDBusConnection *bus, const gchar *sender, const gchar *path,
                     const gchar *interface, const gchar *signal, GVariant *args, gpointer arg)
{
    (void)bus, (void)sender, (void)path, (void)interface, (void)signal;
    struct portal *p = arg;
    const char *name, *old, *new;
    if (!g_variant_is_of_type(args, G_VARIANT_TYPE("(sss)")))
        return;
    g_variant_get(args, "(&s&s&s)", &name, &old, &new);
    if (old[0]) /* sessions do not outlive the portal they were made with */
        p->end = -ENODEV;
}

static void on_disconnected(GDBusConnection *bus, gboolean by_bus, GError *error, gpointer arg)
{
    (void)bus, (void)by_bus, (void)error;
    struct portal *p = arg;
    p->end = -ENODEV;
}

static void subscribe(struct portal *p)
{
    g_signal_connect(p->bus, "closed", G_CALLBACK(on_disconnected), p);
    p->subscription[0] = g_dbus_connection_signal_subscribe(
        p->bus, PORTAL_NAME, "org.freedesktop.portal.Request", "Response", NULL, NULL,
        G_DBUS_SIGNAL_FLAGS_NONE, on_response, p, NULL);
    p->subscription[1] = g_dbus_connection_signal_subscribe(
        p->bus, PORTAL_NAME, "org.freedesktop.portal.Session", "Closed", NULL, NULL,
        G_DBUS_SIGNAL_FLAGS_NONE, on_closed, p, NULL);
    p->subscription[2] = g_dbus_connection_signal_subscribe(
        p->bus, "org.freedesktop.DBus", "org.freedesktop.DBus", "NameOwnerChanged",
        "/org/freedesktop/DBus", PORTAL_NAME, G_DBUS_SIGNAL_FLAGS_NONE, on_owner, p, NULL);
}

/* --- opening --- */

/* Without asking GLib, which would start a bus by itself where there is an X display. */
static bool find_bus(char *out, size_t size)
{
    const char *address = getenv("DBUS_SESSION_BUS_ADDRESS"), *run = getenv("XDG_RUNTIME_DIR");
    if (address && address[0])
        return snprintf(out, size, "%s", address) < (int)size;
    if (!run || run[0] != '/')
        return false;
    char *escaped = g_dbus_address_escape_value(run);
    int n = snprintf(out, size, "unix:path=%s/bus", escaped);
    g_free(escaped);
    return n > 0 && n < (int)size;
}

struct connecting {
    bool done;
    GDBusConnection *bus; /* owned */
    GError *error;        /* owned */
};

static void on_connected(GObject *source, GAsyncResult *result, gpointer arg)
{
    (void)source;
    struct connecting *c = arg;
    c->bus = g_dbus_connection_new_for_address_finish(result, &c->error);
    c->done = true;
}

static int connect_bus(struct portal *p, char *error, size_t error_size)
{
    char address[1024];
    struct connecting c = {0};
    if (!find_bus(address, sizeof(address))) {
        snprintf(error, error_size, "there is no session bus: is this a desktop session?");
        return -ENODEV;
    }
    GCancellable *cancel = g_cancellable_new();
    g_dbus_connection_new_for_address(address,
                                      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                          G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                      NULL, cancel, on_connected, &c);
    int r = await(p, &c.done, &alone, now_us() + CALL_MS * 1000);
    if (r < 0) {
        g_cancellable_cancel(cancel);
        drain(p, &c.done);
    }
    g_object_unref(cancel);
    p->bus = c.bus;
    if (!p->bus) {
        snprintf(error, error_size, "the session bus does not answer: %s", c.error->message);
        r = -ENODEV;
    }
    g_clear_error(&c.error);
    return p->bus ? 0 : r;
}

static int ask_version(struct portal *p, char *error, size_t error_size)
{
    GVariant *reply, *about;
    int r = call(p, "org.freedesktop.DBus.Properties", "GetAll", g_variant_new("(s)", SCREENCAST),
                 "(a{sv})", &alone, &reply, NULL, error, error_size);
    if (r < 0)
        return r;
    about = g_variant_get_child_value(reply, 0);
    g_variant_lookup(about, "version", "u", &p->version);
    g_variant_lookup(about, "AvailableSourceTypes", "u", &p->types);
    g_variant_lookup(about, "AvailableCursorModes", "u", &p->cursors);
    g_variant_unref(about);
    g_variant_unref(reply);
    if (p->types & (TYPE_MONITOR | TYPE_WINDOW))
        return 0;
    snprintf(error, error_size, "the desktop portal here can share neither screens nor windows");
    return -ENOTSUP;
}

int portal_open(struct portal **out, char *error, size_t error_size)
{
    struct portal *p = calloc(1, sizeof(*p));
    if (!p) {
        snprintf(error, error_size, "out of memory");
        return -ENOMEM;
    }
    /* polled by whoever owns the thread, without GLib's loop */
    p->context = g_main_context_new_with_flags(G_MAIN_CONTEXT_FLAGS_OWNERLESS_POLLING);
    p->fd = context_fd(p->context);
    g_main_context_push_thread_default(p->context);
    int r = connect_bus(p, error, error_size);
    if (r == 0) {
        subscribe(p);
        r = ask_version(p, error, error_size);
    }
    g_main_context_pop_thread_default(p->context);
    if (r < 0) {
        portal_close(p);
        return r;
    }
    *out = p;
    return 0;
}

static void forget_request(struct portal *p)
{
    g_clear_pointer(&p->response, g_variant_unref);
    g_clear_pointer(&p->response_path, g_free);
    g_clear_pointer(&p->handle, g_free);
    p->answered = false;
}

static void on_bus_closed(GObject *bus, GAsyncResult *result, gpointer arg)
{
    g_dbus_connection_close_finish(G_DBUS_CONNECTION(bus), result, NULL);
    *(bool *)arg = true;
}

/* The portal ends the sessions of a connection that is closed. */
static void disconnect_bus(struct portal *p)
{
    for (size_t i = 0; i < sizeof(p->subscription) / sizeof(p->subscription[0]); i++)
        g_dbus_connection_signal_unsubscribe(p->bus, p->subscription[i]);
    g_signal_handlers_disconnect_by_data(p->bus, p);
    bool closed = false;
    p->end = 0;
    g_main_context_push_thread_default(p->context);
    GCancellable *cancel = g_cancellable_new();
    g_dbus_connection_close(p->bus, cancel, on_bus_closed, &closed);
    if (await(p, &closed, &alone, now_us() + CLOSE_US) < 0) {
        g_cancellable_cancel(cancel);
        drain(p, &closed);
    }
    g_object_unref(cancel);
    g_main_context_pop_thread_default(p->context);
    g_object_unref(p->bus);
}

void portal_close(struct portal *p)
{
    if (!p)
        return;
    if (p->bus)
        disconnect_bus(p);
    while (g_main_context_iteration(p->context, FALSE))
        continue; /* what still refers to the connection */
    g_main_context_unref(p->context);
    forget_request(p);
    g_free(p->session);
    free(p);
}

int portal_fd(const struct portal *p)
{
    return p->fd;
}

int portal_dispatch(struct portal *p, char *error, size_t error_size)
{
    while (g_main_context_iteration(p->context, FALSE))
        continue;
    return p->end ? explain_wait(p->end, error, error_size) : 0;
}

/* --- sharing --- */

/* Calls a method that answers by a signal of a request object, and returns what that says in
 * *results, the caller's. Takes a floating `args`. */
static int request(struct portal *p, const char *method, GVariant *args, const struct waiter *w,
                   int64_t patience_us, GVariant **results, char *error, size_t error_size)
{
    GVariant *reply;
    uint32_t code;
    forget_request(p);
    int r = call(p, SCREENCAST, method, args, "(o)", w, &reply, NULL, error, error_size);
    if (r < 0)
        return r;
    g_variant_get(reply, "(o)", &p->handle);
    g_variant_unref(reply);
    /* the signal may overtake the reply */
    p->answered = p->response && strcmp(p->handle, p->response_path) == 0;
    const int64_t deadline_us = patience_us == INT64_MAX ? INT64_MAX : now_us() + patience_us;
    r = await(p, &p->answered, w, deadline_us);
    if (r < 0)
        return explain_wait(r, error, error_size);
    g_variant_get(p->response, "(u@a{sv})", &code, results);
    if (code == RESPONSE_DONE)
        return 0;
    g_clear_pointer(results, g_variant_unref);
    snprintf(error, error_size, "%s",
             code == RESPONSE_DECLINED ? "the person at the desktop declined to share"
                                       : "the desktop portal ended its dialogue without an answer");
    return -EACCES;
}

static int odd_answer(const char *method, char *error, size_t error_size)
{
    snprintf(error, error_size, "the desktop portal's answer to %s makes no sense", method);
    return -EIO;
}

static int create_session(struct portal *p, const struct waiter *w, char *error, size_t error_size)
{
    GVariantBuilder options;
    GVariant *results;
    g_variant_builder_init(&options, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&options, "{sv}", "session_handle_token", g_variant_new_string("amphi"));
    int r = request(p, "CreateSession", g_variant_new("(a{sv})", &options), w, ANSWER_US, &results,
                    error, error_size);
    if (r < 0)
        return r;
    /* a string by a slip of the specification that is kept for ever */
    GVariant *session = g_variant_lookup_value(results, "session_handle", NULL);
    if (session && (g_variant_is_of_type(session, G_VARIANT_TYPE_STRING) ||
                    g_variant_is_of_type(session, G_VARIANT_TYPE_OBJECT_PATH)))
        p->session = g_variant_dup_string(session, NULL);
    g_clear_pointer(&session, g_variant_unref);
    g_variant_unref(results);
    if (!p->session || !g_variant_is_object_path(p->session))
        return odd_answer("CreateSession", error, error_size);
    return 0;
}

static int select_sources(struct portal *p, const char *name, const struct waiter *w, char *error,
                          size_t error_size)
{
    GVariantBuilder options;
    GVariant *results;
    char token[PORTAL_TOKEN_MAX];
    g_variant_builder_init(&options, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&options, "{sv}", "types",
                          g_variant_new_uint32(p->types & (TYPE_MONITOR | TYPE_WINDOW)));
    if (p->cursors & CURSOR_EMBEDDED)
        g_variant_builder_add(&options, "{sv}", "cursor_mode",
                              g_variant_new_uint32(CURSOR_EMBEDDED));
    if (p->version >= PERSIST_SINCE_VERSION) {
        g_variant_builder_add(&options, "{sv}", "persist_mode",
                              g_variant_new_uint32(PERSIST_UNTIL_REVOKED));
        if (portal_token_load(name, token, sizeof(token)) == 0 && g_utf8_validate(token, -1, NULL))
            g_variant_builder_add(&options, "{sv}", "restore_token", g_variant_new_string(token));
    }
    int r = request(p, "SelectSources", g_variant_new("(oa{sv})", p->session, &options), w,
                    ANSWER_US, &results, error, error_size);
    if (r == 0)
        g_variant_unref(results);
    return r;
}

/* Here the person is asked. */
static int start(struct portal *p, const char *name, const struct waiter *w,
                 struct portal_share *out, char *error, size_t error_size)
{
    GVariantBuilder options;
    GVariant *results, *streams, *about = NULL;
    const char *token = NULL;
    g_variant_builder_init(&options, G_VARIANT_TYPE("a{sv}"));
    int r = request(p, "Start", g_variant_new("(osa{sv})", p->session, "", &options), w, INT64_MAX,
                    &results, error, error_size);
    if (r < 0)
        return r;
    streams = g_variant_lookup_value(results, "streams", G_VARIANT_TYPE("a(ua{sv})"));
    if (streams && g_variant_n_children(streams) > 0) {
        g_variant_get_child(streams, 0, "(u@a{sv})", &out->node, &about);
        g_variant_lookup(about, "size", "(ii)", &out->width, &out->height);
    }
    /* the one before was good for this once */
    g_variant_lookup(results, "restore_token", "&s", &token);
    out->is_remembered = portal_token_save(name, token) == 0 && token;
    g_variant_unref(results);
    g_clear_pointer(&streams, g_variant_unref);
    if (!about)
        return odd_answer("Start", error, error_size);
    g_variant_unref(about);
    return 0;
}

static int open_remote(struct portal *p, const struct waiter *w, struct portal_share *out,
                       char *error, size_t error_size)
{
    GVariantBuilder options;
    GVariant *reply;
    GUnixFDList *fds = NULL;
    gint32 index = -1;
    g_variant_builder_init(&options, G_VARIANT_TYPE("a{sv}"));
    int r =
        call(p, SCREENCAST, "OpenPipeWireRemote", g_variant_new("(oa{sv})", p->session, &options),
             "(h)", w, &reply, &fds, error, error_size);
    if (r < 0)
        return r;
    g_variant_get(reply, "(h)", &index);
    g_variant_unref(reply);
    if (fds && index >= 0 && index < g_unix_fd_list_get_length(fds))
        out->pipewire_fd = g_unix_fd_list_get(fds, index, NULL); /* a duplicate */
    g_clear_object(&fds);
    return out->pipewire_fd < 0 ? odd_answer("OpenPipeWireRemote", error, error_size) : 0;
}

int portal_share(struct portal *p, const char *name, portal_wait_fn *wait, void *arg,
                 struct portal_share *out, char *error, size_t error_size)
{
    const struct waiter w = {wait, arg};
    assert(!p->session && portal_token_is_name(name));
    *out = (struct portal_share){.pipewire_fd = -1};
    g_main_context_push_thread_default(p->context);
    int r = create_session(p, &w, error, error_size);
    if (r == 0)
        r = select_sources(p, name, &w, error, error_size);
    if (r == 0)
        r = start(p, name, &w, out, error, error_size);
    if (r == 0)
        r = open_remote(p, &w, out, error, error_size);
    g_main_context_pop_thread_default(p->context);
    return r;
}
