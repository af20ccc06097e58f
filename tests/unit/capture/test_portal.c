/* The way to a share through a ScreenCast portal of the test's own on a bus of the test's own, and
 * where the permission is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#ifdef AMPHI_PIPEWIRE

#include "capture/portal.h"
#include "capture/portal_token.h"
#include "tests/unit/capture/desktop_stage.h"

#include <poll.h>

static char error[256];

static int setup(void **state)
{
    (void)state;
    error[0] = '\0';
    desktop_start();
    mock_start();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mock_stop();
    desktop_stop();
    return 0;
}

static bool wait_long(void *arg, int fd, int64_t deadline_us)
{
    (void)arg, (void)deadline_us;
    poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1);
    return true;
}

static struct portal *open_portal(void)
{
    struct portal *p = NULL;
    if (portal_open(&p, error, sizeof(error)) != 0)
        fail_msg("%s", error);
    return p;
}

static void expect_text(const char *word)
{
    if (!strstr(error, word))
        fail_msg("\"%s\" says nothing of \"%s\"", error, word);
}

static void expect_no_portal(int code, const char *word)
{
    struct portal *p = NULL;
    assert_int_equal(portal_open(&p, error, sizeof(error)), code);
    assert_null(p);
    expect_text(word);
}

static struct portal *share(const char *name)
{
    struct portal *p = open_portal();
    struct portal_share got;
    if (portal_share(p, name, wait_long, NULL, &got, error, sizeof(error)) != 0)
        fail_msg("%s", error);
    close(got.pipewire_fd);
    return p;
}

static void expect_no_share(int code, const char *word)
{
    struct portal *p = open_portal();
    struct portal_share got;
    assert_int_equal(portal_share(p, "x", wait_long, NULL, &got, error, sizeof(error)), code);
    expect_text(word);
    portal_close(p);
}

static int wait_for_end(struct portal *p)
{
    int r;
    while ((r = portal_dispatch(p, error, sizeof(error))) == 0)
        wait_long(NULL, portal_fd(p), INT64_MAX);
    return r;
}

/* --- a share --- */

static void a_share_is_asked_for_and_given(void **state)
{
    (void)state;
    for (int early = 0; early < 2; early++) {
        portal_mock.is_early = early;
        struct portal *p = open_portal();
        struct portal_share got;
        if (portal_share(p, "x", wait_long, NULL, &got, error, sizeof(error)) != 0)
            fail_msg("%s", error);
        assert_int_equal(got.node, 42);
        assert_int_equal(got.width, 640);
        assert_int_equal(got.height, 480);
        assert_int_equal(fcntl(got.pipewire_fd, F_GETFD), FD_CLOEXEC);
        assert_false(got.is_remembered);
        assert_int_equal(portal_mock.asked_types, 3);
        assert_int_equal(portal_mock.asked_cursor, 2);
        assert_int_equal(portal_mock.asked_persist, 2);
        assert_string_equal(portal_mock.restore_token, "");
        assert_int_equal(portal_dispatch(p, error, sizeof(error)), 0);
        close(got.pipewire_fd);
        portal_close(p);
    }
}

/* The portal ends the sessions of who leaves the bus. */
static void closing_leaves_the_bus(void **state)
{
    (void)state;
    struct portal *p = share("x");
    portal_close(p);
    gboolean is_there = TRUE;
    while (is_there) {
        GVariant *reply = g_dbus_connection_call_sync(
            portal_mock.bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
            "org.freedesktop.DBus", "NameHasOwner", g_variant_new("(s)", portal_mock.client), NULL,
            G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
        assert_non_null(reply);
        g_variant_get(reply, "(b)", &is_there);
        g_variant_unref(reply);
    }
}

static void an_old_portal_is_asked_less(void **state)
{
    (void)state;
    portal_mock.version = 1;
    portal_mock.types = 1;
    portal_mock.cursors = 1;
    portal_close(share("x"));
    assert_int_equal(portal_mock.asked_types, 1);
    assert_int_equal(portal_mock.asked_cursor, 0);
    assert_int_equal(portal_mock.asked_persist, 0);
}

/* --- the token --- */

static void the_permission_is_kept(void **state)
{
    (void)state;
    char path[128];
    struct stat about;
    portal_mock.token = "first";
    portal_close(share("desk"));
    assert_string_equal(portal_mock.restore_token, "");
    snprintf(path, sizeof(path), "%s/amphi/portal-desk", desktop.folder);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);

    portal_mock.token = "second"; /* each is good for one use */
    portal_close(share("desk"));
    assert_string_equal(portal_mock.restore_token, "first");
    portal_close(share("other"));
    assert_string_equal(portal_mock.restore_token, "");

    portal_mock.token = NULL;
    portal_close(share("desk"));
    assert_string_equal(portal_mock.restore_token, "second");
    portal_close(share("desk"));
    assert_string_equal(portal_mock.restore_token, "");
}

static void tokens_are_saved_as_a_whole(void **state)
{
    (void)state;
    char token[PORTAL_TOKEN_MAX], large[PORTAL_TOKEN_MAX + 1];
    assert_int_equal(portal_token_load("a", token, sizeof(token)), -ENOENT);
    assert_int_equal(portal_token_save("a", NULL), 0);
    assert_int_equal(portal_token_save("a", ""), -EINVAL);
    memset(large, 'x', sizeof(large));
    large[PORTAL_TOKEN_MAX] = '\0';
    assert_int_equal(portal_token_save("a", large), -EINVAL);
    large[PORTAL_TOKEN_MAX - 1] = '\0';
    assert_int_equal(portal_token_save("a", large), 0);
    assert_int_equal(portal_token_load("a", token, sizeof(token)), 0);
    assert_string_equal(token, large);
    assert_int_equal(portal_token_load("a", token, 100), -EBADMSG);
    assert_int_equal(portal_token_save("a", NULL), 0);
    assert_int_equal(portal_token_load("a", token, sizeof(token)), -ENOENT);

    unsetenv("XDG_STATE_HOME");
    assert_int_equal(portal_token_save("a", "b"), 0);
    char path[128];
    snprintf(path, sizeof(path), "%s/.local/state/amphi/portal-a", desktop.folder);
    assert_int_equal(access(path, R_OK), 0);
    setenv("HOME", "relative", 1);
    assert_int_equal(portal_token_save("a", "b"), -ENOENT);
}

static void names_cannot_leave_the_folder(void **state)
{
    (void)state;
    static const char *const good[] = {"a", "Desk-1_b"};
    static const char *const bad[] = {"", "..", "a/b", "a b", ".a", "\xc3\xa4"};
    char long_name[66];
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_true(portal_token_is_name(good[i]));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(portal_token_is_name(bad[i]));
    memset(long_name, 'a', sizeof(long_name));
    long_name[65] = '\0';
    assert_false(portal_token_is_name(long_name));
    long_name[64] = '\0';
    assert_true(portal_token_is_name(long_name));
}

/* --- what can go wrong --- */

static void a_person_may_decline(void **state)
{
    (void)state;
    assert_int_equal(portal_token_save("x", "kept"), 0);
    portal_mock.response = 1;
    expect_no_share(-EACCES, "the person at the desktop declined to share");
    portal_mock.response = 2;
    expect_no_share(-EACCES, "ended its dialogue without an answer");
}

static bool give_up_once_started(void *arg, int fd, int64_t deadline_us)
{
    (void)arg, (void)deadline_us;
    poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, 20);
    g_mutex_lock(&portal_mock.lock);
    const bool has_started = portal_mock.has_started;
    g_mutex_unlock(&portal_mock.lock);
    return !has_started;
}

static void who_waits_may_give_up(void **state)
{
    (void)state;
    portal_mock.is_silent = true;
    struct portal *p = open_portal();
    struct portal_share got;
    assert_int_equal(portal_share(p, "x", give_up_once_started, NULL, &got, error, sizeof(error)),
                     -ECANCELED);
    portal_close(p);
}

static gpointer vanish_once_started(gpointer arg)
{
    mock_wait_for_start();
    mock_vanish();
    return arg;
}

static void a_portal_that_goes_away_is_named(void **state)
{
    (void)state;
    struct portal *p = share("x");
    mock_vanish();
    assert_int_equal(wait_for_end(p), -ENODEV);
    expect_text("the desktop portal went away");
    portal_close(p);
    expect_no_portal(-ENODEV, "no desktop portal answers");

    mock_ask_bus("RequestName", g_variant_new("(su)", DESKTOP, 0));
    portal_mock.is_silent = true;
    portal_mock.has_started = false;
    GThread *thread = g_thread_new("vanish", vanish_once_started, NULL);
    expect_no_share(-ENODEV, "the desktop portal went away");
    g_thread_join(thread);
}

static void a_person_may_end_it(void **state)
{
    (void)state;
    struct portal *p = share("x");
    mock_close_session();
    assert_int_equal(wait_for_end(p), -EACCES);
    expect_text("the sharing was ended on the desktop");
    portal_close(p);
}

static void a_bus_that_ends_is_the_end(void **state)
{
    (void)state;
    struct portal *p = share("x");
    mock_stop();
    desktop_kill(&desktop.bus);
    assert_int_equal(wait_for_end(p), -ENODEV);
    portal_close(p);
    expect_no_portal(-ENODEV, "the session bus does not answer");
}

static void without_a_desktop_it_says_so(void **state)
{
    (void)state;
    mock_vanish();
    expect_no_portal(-ENODEV, "no desktop portal answers on the session bus");
    setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus", 1);
    expect_no_portal(-ENODEV, "the session bus does not answer");
    unsetenv("DBUS_SESSION_BUS_ADDRESS");
    expect_no_portal(-ENODEV, "the session bus does not answer"); /* none in the folder */
    unsetenv("XDG_RUNTIME_DIR");
    expect_no_portal(-ENODEV, "there is no session bus");
}

static void a_portal_without_screens_is_refused(void **state)
{
    (void)state;
    portal_mock.types = 4;
    expect_no_portal(-ENOTSUP, "can share neither screens nor windows");
}

static void refusals_are_told(void **state)
{
    static const struct {
        const char *method, *error;
        int code;
        const char *word;
    } rows[] = {
        {"CreateSession", "org.freedesktop.DBus.Error.AccessDenied", -EACCES,
         "the desktop portal does not allow to share: not today"},
        {"SelectSources", "org.freedesktop.portal.Error.NotAllowed", -EACCES,
         "does not allow to share: not today"},
        {"Start", "org.freedesktop.portal.Error.Failed", -EIO,
         "the desktop portal refused: not today"},
        {"OpenPipeWireRemote", "org.freedesktop.DBus.Error.Failed", -EIO, "refused: not today"},
        {"Start", "org.freedesktop.DBus.Error.NoReply", -ENODEV, "no desktop portal answers"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        portal_mock.refuses = rows[i].method;
        portal_mock.error = rows[i].error;
        expect_no_share(rows[i].code, rows[i].word);
    }
    portal_mock.refuses = NULL;
    portal_mock.is_confused = true;
    expect_no_share(-EIO, "answer to CreateSession makes no sense");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_share_is_asked_for_and_given),
        TEST(closing_leaves_the_bus),
        TEST(an_old_portal_is_asked_less),
        TEST(the_permission_is_kept),
        TEST(tokens_are_saved_as_a_whole),
        TEST(names_cannot_leave_the_folder),
        TEST(a_person_may_decline),
        TEST(who_waits_may_give_up),
        TEST(a_portal_that_goes_away_is_named),
        TEST(a_person_may_end_it),
        TEST(a_bus_that_ends_is_the_end),
        TEST(without_a_desktop_it_says_so),
        TEST(a_portal_without_screens_is_refused),
        TEST(refusals_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void nothing_to_test(void **state)
{
    (void)state;
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_to_test)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
