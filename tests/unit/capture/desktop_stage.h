/* desktop_stage.h - what a desktop session has, of the test's own: a folder for its files, a
 * session bus, and a ScreenCast portal on it that answers as the test says. */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define DESKTOP "org.freedesktop.portal.Desktop"
#define DESKTOP_PATH "/org/freedesktop/portal/desktop"

static struct {
    char folder[64];
    pid_t bus;
    char address[256];
} desktop;

/* --- programs --- */

#define DESKTOP_ARGS_MAX 24

/* `keep` stays open in it as descriptor 3 (-1: none), as systemd hands over a socket that listens.
 * It does not outlive a test that dies. Nothing of ours runs after a fork: the bus has threads. */
static inline pid_t desktop_spawn(char *const argv[], int keep)
{
    char *all[DESKTOP_ARGS_MAX] = {"setpriv", "--pdeathsig", "KILL", "sh", "-c", NULL, "sh"};
    all[5] = keep >= 0 ? "LISTEN_PID=$$ LISTEN_FDS=1 exec \"$@\"" : "exec \"$@\"";
    int n = 7;
    for (int i = 0; argv[i] && n < DESKTOP_ARGS_MAX - 1; i++)
        all[n++] = argv[i];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    for (int fd = 0; fd < 3; fd++)
        posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    if (keep >= 0)
        posix_spawn_file_actions_adddup2(&actions, keep, 3);
    pid_t pid = 0;
    assert_int_equal(posix_spawnp(&pid, all[0], &actions, NULL, all, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static inline void desktop_kill(pid_t *pid)
{
    if (*pid > 0) {
        kill(*pid, SIGKILL);
        waitpid(*pid, NULL, 0);
    }
    *pid = 0;
}

/* --- the folder and the bus --- */

static inline int desktop_remove(const char *path, const struct stat *about, int type,
                                 struct FTW *where)
{
    (void)about, (void)type, (void)where;
    return remove(path);
}

static inline void desktop_write_config(const char *path)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
            "<busconfig><type>session</type><listen>unix:dir=%s</listen>"
            "<policy context=\"default\"><allow send_destination=\"*\"/><allow eavesdrop=\"true\"/>"
            "<allow own=\"*\"/></policy></busconfig>",
            desktop.folder);
    fclose(file);
}

/* Without the programs that the machine's own bus would start. */
static inline void desktop_start_bus(void)
{
    int fds[2];
    char config[96];
    size_t n = 0;
    snprintf(config, sizeof(config), "%s/bus.conf", desktop.folder);
    desktop_write_config(config);
    char option[128];
    snprintf(option, sizeof(option), "--config-file=%s", config);
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    char *argv[] = {"dbus-daemon", option, "--nofork", "--nopidfile", "--print-address=3", NULL};
    desktop.bus = desktop_spawn(argv, fds[1]);
    close(fds[1]);
    while (n < sizeof(desktop.address) - 1 && read(fds[0], desktop.address + n, 1) == 1 &&
           desktop.address[n] != '\n')
        n++;
    desktop.address[n] = '\0';
    close(fds[0]);
    if (n == 0)
        fail_msg("dbus-daemon did not start: \"deploy/install tests\" installs it");
    setenv("DBUS_SESSION_BUS_ADDRESS", desktop.address, 1);
}

static inline void desktop_start(void)
{
    static const char *const homes[] = {"HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME",
                                        "XDG_CONFIG_HOME"};
    memset(&desktop, 0, sizeof(desktop));
    snprintf(desktop.folder, sizeof(desktop.folder), "/tmp/amphi-desktop-XXXXXX");
    assert_non_null(mkdtemp(desktop.folder));
    for (size_t i = 0; i < sizeof(homes) / sizeof(homes[0]); i++)
        setenv(homes[i], desktop.folder, 1);
    desktop_start_bus();
}

static inline void desktop_stop(void)
{
    desktop_kill(&desktop.bus);
    nftw(desktop.folder, desktop_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* --- the portal --- */

static struct {
    GDBusConnection *bus;
    GMainContext *context;
    GMainLoop *loop;
    GThread *thread;
    guint object;

    /* what it answers; set before it is asked */
    guint version, types, cursors;
    guint response;      /* to Start */
    bool is_silent;      /* Start is never answered, as if the person went for a walk */
    bool is_early;       /* the answers overtake the replies */
    bool is_confused;    /* the answers hold nothing */
    const char *refuses; /* a method that fails, and */
    const char *error;   /* how */
    const char *token;   /* of the next time; NULL: none */
    guint node;
    const char *socket; /* of PipeWire; NULL: a pipe */

    /* what it was asked */
    GMutex lock;
    GCond asked;
    int calls;
    bool has_started;
    char client[64], restore_token[64];
    guint asked_types, asked_cursor, asked_persist;
} portal_mock;

static const char portal_xml[] =
    "<node><interface name='org.freedesktop.portal.ScreenCast'>"
    "<method name='CreateSession'><arg type='a{sv}' direction='in'/>"
    "<arg type='o' direction='out'/></method>"
    "<method name='SelectSources'><arg type='o' direction='in'/><arg type='a{sv}' direction='in'/>"
    "<arg type='o' direction='out'/></method>"
    "<method name='Start'><arg type='o' direction='in'/><arg type='s' direction='in'/>"
    "<arg type='a{sv}' direction='in'/><arg type='o' direction='out'/></method>"
    "<method name='OpenPipeWireRemote'><arg type='o' direction='in'/>"
    "<arg type='a{sv}' direction='in'/><arg type='h' direction='out'/></method>"
    "<property name='version' type='u' access='read'/>"
    "<property name='AvailableSourceTypes' type='u' access='read'/>"
    "<property name='AvailableCursorModes' type='u' access='read'/></interface></node>";

#define MOCK_SESSION DESKTOP_PATH "/session/mock/1"

static inline GVariant *mock_property(GDBusConnection *bus, const gchar *sender, const gchar *path,
                                      const gchar *interface, const gchar *name, GError **error,
                                      gpointer arg)
{
    (void)bus, (void)sender, (void)path, (void)interface, (void)error, (void)arg;
    if (strcmp(name, "version") == 0)
        return g_variant_new_uint32(portal_mock.version);
    if (strcmp(name, "AvailableSourceTypes") == 0)
        return g_variant_new_uint32(portal_mock.types);
    return g_variant_new_uint32(portal_mock.cursors);
}

static inline void mock_remember(const char *sender, const char *method, GVariant *args)
{
    const char *token;
    GVariant *options = g_variant_get_child_value(args, g_variant_n_children(args) - 1);
    g_mutex_lock(&portal_mock.lock);
    portal_mock.calls++;
    snprintf(portal_mock.client, sizeof(portal_mock.client), "%s", sender);
    if (strcmp(method, "SelectSources") == 0) {
        portal_mock.restore_token[0] = '\0';
        portal_mock.asked_types = portal_mock.asked_cursor = portal_mock.asked_persist = 0;
        if (g_variant_lookup(options, "restore_token", "&s", &token))
            snprintf(portal_mock.restore_token, sizeof(portal_mock.restore_token), "%s", token);
        g_variant_lookup(options, "types", "u", &portal_mock.asked_types);
        g_variant_lookup(options, "cursor_mode", "u", &portal_mock.asked_cursor);
        g_variant_lookup(options, "persist_mode", "u", &portal_mock.asked_persist);
    }
    portal_mock.has_started |= strcmp(method, "Start") == 0;
    g_cond_broadcast(&portal_mock.asked);
    g_mutex_unlock(&portal_mock.lock);
    g_variant_unref(options);
}

static inline void mock_respond(const char *to, const char *path, const char *method)
{
    GVariantBuilder results;
    guint code = strcmp(method, "Start") == 0 ? portal_mock.response : 0;
    g_variant_builder_init(&results, G_VARIANT_TYPE("a{sv}"));
    if (strcmp(method, "CreateSession") == 0 && !portal_mock.is_confused)
        g_variant_builder_add(&results, "{sv}", "session_handle",
                              g_variant_new_string(MOCK_SESSION));
    if (strcmp(method, "Start") == 0 && code == 0) {
        g_variant_builder_add(
            &results, "{sv}", "streams",
            g_variant_new_parsed("[(%u, {'size': <(640, 480)>})]", portal_mock.node));
        if (portal_mock.token)
            g_variant_builder_add(&results, "{sv}", "restore_token",
                                  g_variant_new_string(portal_mock.token));
    }
    g_dbus_connection_emit_signal(portal_mock.bus, to, path, "org.freedesktop.portal.Request",
                                  "Response", g_variant_new("(ua{sv})", code, &results), NULL);
}

static inline int mock_open_pipewire(void)
{
    int fds[2];
    if (!portal_mock.socket) {
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        close(fds[1]);
        return fds[0];
    }
    GSocketAddress *address = g_unix_socket_address_new(portal_mock.socket);
    GSocket *s = g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, 0, NULL);
    assert_true(g_socket_connect(s, address, NULL, NULL));
    int fd = dup(g_socket_get_fd(s));
    g_object_unref(address);
    g_object_unref(s);
    return fd;
}

static inline void mock_open_remote(GDBusMethodInvocation *call)
{
    int fd = mock_open_pipewire();
    GUnixFDList *list = g_unix_fd_list_new_from_array(&fd, 1); /* owns it */
    g_dbus_method_invocation_return_value_with_unix_fd_list(call, g_variant_new("(h)", 0), list);
    g_object_unref(list);
}

static inline void mock_called(GDBusConnection *bus, const gchar *sender, const gchar *path,
                               const gchar *interface, const gchar *method, GVariant *args,
                               GDBusMethodInvocation *call, gpointer arg)
{
    (void)bus, (void)path, (void)interface, (void)arg;
    char request[64];
    snprintf(request, sizeof(request), DESKTOP_PATH "/request/mock/%d", portal_mock.calls);
    mock_remember(sender, method, args);
    if (portal_mock.refuses && strcmp(portal_mock.refuses, method) == 0) {
        g_dbus_method_invocation_return_dbus_error(call, portal_mock.error, "not today");
        return;
    }
    if (strcmp(method, "OpenPipeWireRemote") == 0) {
        mock_open_remote(call);
        return;
    }
    char *client = g_strdup(sender); /* it goes with the call */
    const bool answers = strcmp(method, "Start") != 0 || !portal_mock.is_silent;
    /* one that is for another request, which is nobody's */
    mock_respond(client, DESKTOP_PATH "/request/mock/other", "SelectSources");
    if (answers && portal_mock.is_early)
        mock_respond(client, request, method);
    g_dbus_method_invocation_return_value(call, g_variant_new("(o)", request));
    if (answers && !portal_mock.is_early)
        mock_respond(client, request, method);
    g_free(client);
}

static inline gpointer mock_thread(gpointer arg)
{
    (void)arg;
    g_main_context_push_thread_default(portal_mock.context);
    g_main_loop_run(portal_mock.loop);
    g_main_context_pop_thread_default(portal_mock.context);
    return NULL;
}

static inline void mock_ask_bus(const char *method, GVariant *args)
{
    GError *error = NULL;
    GVariant *reply = g_dbus_connection_call_sync(
        portal_mock.bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
        method, args, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
    if (!reply)
        fail_msg("%s", error->message);
    g_variant_unref(reply);
}

static inline void mock_start(void)
{
    static const GDBusInterfaceVTable table = {mock_called, mock_property, NULL, {NULL}};
    memset(&portal_mock, 0, sizeof(portal_mock));
    g_mutex_init(&portal_mock.lock);
    g_cond_init(&portal_mock.asked);
    portal_mock.version = 4;
    portal_mock.types = 3;
    portal_mock.cursors = 7;
    portal_mock.node = 42;
    portal_mock.context = g_main_context_new();
    portal_mock.loop = g_main_loop_new(portal_mock.context, FALSE);
    portal_mock.bus =
        g_dbus_connection_new_for_address_sync(desktop.address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, NULL);
    assert_non_null(portal_mock.bus);
    GDBusNodeInfo *info = g_dbus_node_info_new_for_xml(portal_xml, NULL);
    g_main_context_push_thread_default(portal_mock.context);
    portal_mock.object = g_dbus_connection_register_object(
        portal_mock.bus, DESKTOP_PATH, info->interfaces[0], &table, NULL, NULL, NULL);
    g_main_context_pop_thread_default(portal_mock.context);
    g_dbus_node_info_unref(info);
    assert_true(portal_mock.object > 0);
    mock_ask_bus("RequestName", g_variant_new("(su)", DESKTOP, 0));
    portal_mock.thread = g_thread_new("portal", mock_thread, NULL);
}

static inline void mock_vanish(void)
{
    mock_ask_bus("ReleaseName", g_variant_new("(s)", DESKTOP));
}

static inline void mock_close_session(void)
{
    g_dbus_connection_emit_signal(portal_mock.bus, portal_mock.client, MOCK_SESSION,
                                  "org.freedesktop.portal.Session", "Closed", NULL, NULL);
    g_dbus_connection_flush_sync(portal_mock.bus, NULL, NULL);
}

static inline void mock_wait_for_start(void)
{
    g_mutex_lock(&portal_mock.lock);
    while (!portal_mock.has_started)
        g_cond_wait(&portal_mock.asked, &portal_mock.lock);
    g_mutex_unlock(&portal_mock.lock);
}

static inline gboolean mock_quit(gpointer arg)
{
    (void)arg;
    g_main_loop_quit(portal_mock.loop);
    return G_SOURCE_REMOVE;
}

static inline void mock_stop(void)
{
    if (!portal_mock.bus)
        return;
    GSource *quit = g_idle_source_new(); /* in the loop, which may not have begun yet */
    g_source_set_callback(quit, mock_quit, NULL, NULL);
    g_source_attach(quit, portal_mock.context);
    g_source_unref(quit);
    g_thread_join(portal_mock.thread);
    g_dbus_connection_unregister_object(portal_mock.bus, portal_mock.object);
    g_dbus_connection_close_sync(portal_mock.bus, NULL, NULL);
    g_object_unref(portal_mock.bus);
    while (g_main_context_iteration(portal_mock.context, FALSE))
        continue;
    g_main_loop_unref(portal_mock.loop);
    g_main_context_unref(portal_mock.context);
    g_mutex_clear(&portal_mock.lock);
    g_cond_clear(&portal_mock.asked);
    memset(&portal_mock, 0, sizeof(portal_mock));
}
