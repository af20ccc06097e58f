/* test_server.c - a whole server, as those who come to it see it. */
#include "server/source.h"
#include "tests/unit/server/server_fixture.h"

static int setup(void **state)
{
    static const char *const options[] = {"--source", "pattern:384x176", NULL};
    struct fixture *f = calloc(1, sizeof(*f));
    fixture_start(f, options);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    fixture_stop(*state);
    free(*state);
    return 0;
}

static void is_news(int presenter, const char *type, unsigned viewers, const char *id)
{
    char text[120];
    snprintf(text, sizeof(text), "{\"type\":\"%s\",\"viewers\":%u,\"peerId\":\"%s\"}", type,
             viewers, id);
    fixture_until(presenter, type);
    assert_string_equal(body_buffer, text);
}

static void presenters_hear_how_many_watch(void **state)
{
    const struct fixture *f = *state;
    char first[16], second[16], third[16], path[64];
    int presenter = fixture_present(f);
    int a = fixture_watch(f, first);
    is_news(presenter, "viewer-joined", 1, first);
    int idle = fixture_join(f, third); /* it never answers: nobody hears of it */
    close(idle);
    int b = fixture_watch(f, second);
    is_news(presenter, "viewer-joined", 2, second);
    ws_send(a, "{\"type\":\"join\",\"role\":\"viewer\",\"client\":\"test\"}"); /* and begins anew */
    is_news(presenter, "viewer-left", 1, first);
    snprintf(path, sizeof(path), "/api/v1/viewers/%s", second);
    assert_int_equal(fixture_ask(f, "DELETE", path, FIXTURE_ADMIN, NULL).status, 204);
    is_news(presenter, "viewer-left", 0, second);
    close(a);
    close(b);
    close(presenter);
}

static void who_watches_hears_of_draining(void **state)
{
    static const char *const options[] = {"--source", "pattern:384x176", "--drain-timeout", "50",
                                          NULL};
    struct fixture f;
    char id[16];
    (void)state;
    fixture_start(&f, options);
    int presenter = fixture_present(&f), viewer = fixture_watch(&f, id);
    is_news(presenter, "viewer-joined", 1, id); /* who only has an offer is not waited for */
    server_drain(f.server);
    fixture_until(viewer, "draining");
    assert_string_equal(body_buffer, "{\"type\":\"draining\",\"endsInS\":50}");
    fixture_until(presenter, "draining");
    close(viewer);
    close(presenter);
    fixture_stop(&f);
}

/* --- options read anew --- */

static void write_options(const char *path, const char *text)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static bool may_page(const struct fixture *f, const char *origin)
{
    char headers[200];
    snprintf(headers, sizeof(headers), "Origin: %s\r\n", origin);
    struct reply r = fixture_ask(f, "GET", "/api/v1/rooms/" FIXTURE_ROOM, headers, NULL);
    assert_int_equal(r.status, 200);
    return header_of(&r, "Access-Control-Allow-Origin") != NULL;
}

static bool is_proxy_believed(const struct fixture *f)
{
    struct reply r = fixture_ask(f, "POST", "/api/v1/rooms",
                                 FIXTURE_ADMIN "Content-Type: application/json\r\n"
                                               "X-Forwarded-Proto: https\r\n",
                                 "{}");
    assert_int_equal(r.status, 201);
    return strstr(r.body, "\"watch_url\":\"https:") != NULL;
}

static void policies_are_read_anew(void **state)
{
    char path[] = "/tmp/amphi-test-options-XXXXXX";
    struct fixture f;
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    write_options(path, "{\"allow-origin\": \"https://a.example\"}");
    fixture_start(&f, (const char *const[]){"--config", path, NULL});
    assert_true(may_page(&f, "https://a.example"));
    assert_false(may_page(&f, "https://b.example"));
    assert_false(is_proxy_believed(&f));
    write_options(path, "{\"allow-origin\": \"https://b.example\","
                        " \"trusted-proxy\": \"127.0.0.0/8\"}");
    server_reload(f.server);
    while (!may_page(&f, "https://b.example"))
        ;
    assert_false(may_page(&f, "https://a.example"));
    assert_true(is_proxy_believed(&f));
    fixture_stop(&f);
    unlink(path);
}

/* --- sources whose display hangs --- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool hangs; /* whatever is opened from now on */
    unsigned n; /* that hang */
} display = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

int __real_source_open(struct source **out, const struct source_config *config, char *error,
                       size_t error_size);
int __wrap_source_open(struct source **out, const struct source_config *config, char *error,
                       size_t error_size);

int __wrap_source_open(struct source **out, const struct source_config *config, char *error,
                       size_t error_size)
{
    pthread_mutex_lock(&display.lock);
    display.n++;
    pthread_cond_broadcast(&display.changed);
    while (display.hangs)
        pthread_cond_wait(&display.changed, &display.lock);
    display.n--;
    pthread_cond_broadcast(&display.changed);
    pthread_mutex_unlock(&display.lock);
    return __real_source_open(out, config, error, error_size);
}

static void set_hanging(bool hangs)
{
    pthread_mutex_lock(&display.lock);
    display.hangs = hangs;
    pthread_cond_broadcast(&display.changed);
    pthread_mutex_unlock(&display.lock);
}

static void wait_for_hanging(unsigned n)
{
    pthread_mutex_lock(&display.lock);
    while (display.n != n)
        pthread_cond_wait(&display.changed, &display.lock);
    pthread_mutex_unlock(&display.lock);
}

/* Its answer is read later. */
static int add_source(const struct fixture *f, const char *room)
{
    char path[100];
    int fd = connect_to_port(f->port);
    snprintf(path, sizeof(path), "/api/v1/rooms/%s/sources", room);
    request(fd, "POST", path, FIXTURE_ADMIN "Content-Type: application/json\r\n",
            "{\"source\":\"pattern:384x176\"}");
    return fd;
}

static void answer_is(int fd, int status, const char *text)
{
    struct reply r = read_reply(fd, false);
    if (r.status != status || !strstr(r.body, text))
        fail_msg("%d %s", r.status, r.body);
    close(fd);
}

static void make_room(const struct fixture *f, const char *code)
{
    char body[100];
    snprintf(body, sizeof(body), "{\"room\":\"%s\"}", code);
    struct reply r = fixture_ask(f, "POST", "/api/v1/rooms",
                                 FIXTURE_ADMIN "Content-Type: application/json\r\n", body);
    assert_int_equal(r.status, 201);
}

static void a_display_that_hangs_holds_nobody_up(void **state)
{
    const struct fixture *f = *state;
    int waiting[7];
    set_hanging(true);
    for (unsigned i = 0; i < 7; i++) {
        waiting[i] = add_source(f, FIXTURE_ROOM);
        wait_for_hanging(i + 1); /* so that they come in this order */
    }
    struct reply r = fixture_ask(f, "GET", "/api/v1/rooms/" FIXTURE_ROOM, "", NULL);
    assert_int_equal(r.status, 200);
    assert_null(strstr(r.body, "video1"));
    answer_is(add_source(f, FIXTURE_ROOM), 409, "streams already"); /* each slot is kept for one */
    make_room(f, "CALM-FOX-008");
    int other = add_source(f, "CALM-FOX-008");
    wait_for_hanging(8);
    answer_is(add_source(f, "CALM-FOX-008"), 503, "being opened already");
    r = fixture_ask(f, "DELETE", "/api/v1/rooms/CALM-FOX-008", FIXTURE_ADMIN, NULL);
    assert_int_equal(r.status, 204);
    answer_is(other, 404, "the room has ended");
    close(waiting[0]); /* it comes nevertheless */
    set_hanging(false);
    for (unsigned i = 1; i < 7; i++) {
        char track[16];
        snprintf(track, sizeof(track), "video%u", i + 1);
        answer_is(waiting[i], 201, track);
    }
    do
        r = fixture_ask(f, "GET", "/api/v1/rooms/" FIXTURE_ROOM, "", NULL);
    while (!strstr(r.body, "video1"));
    r = fixture_ask(f, "DELETE", "/api/v1/rooms/" FIXTURE_ROOM "/sources/video1", FIXTURE_ADMIN,
                    NULL);
    assert_int_equal(r.status, 204);
}

static void a_server_ends_while_a_display_hangs(void **state)
{
    struct fixture f;
    (void)state;
    fixture_start(&f, (const char *const[]){NULL});
    set_hanging(true);
    int fd = add_source(&f, FIXTURE_ROOM);
    wait_for_hanging(1);
    fixture_stop(&f);
    assert_true(is_closed(fd));
    close(fd);
    set_hanging(false);
    wait_for_hanging(0);
}

/* A display that takes connections and answers nothing. */
static int hang_display(void)
{
    char name[40];
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval guard = {.tv_sec = GUARD_S};
    socklen_t size = sizeof(own);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&own, sizeof(own)), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&own, &size), 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &guard, sizeof(guard));
    sprintf(name, "127.0.0.1:%d", ntohs(own.sin_port) - 6000); /* X11's port of display 0 */
    setenv("DISPLAY", name, 1);
    return fd;
}

static int ask_for_list(const struct fixture *f)
{
    int fd = connect_to_port(f->port);
    request(fd, "GET", "/api/v1/sources", "Authorization: Bearer " FIXTURE_TOKEN "\r\n", NULL);
    return fd;
}

static void a_list_of_sources_holds_nobody_up(void **state)
{
    const struct fixture *f = *state;
    int screen = hang_display(), first = ask_for_list(f), second = ask_for_list(f);
    int listing = accept(screen, NULL, NULL);
    assert_true(listing >= 0);
    struct reply r = fixture_ask(f, "GET", "/healthz", "", NULL);
    assert_int_equal(r.status, 200);
    close(screen); /* nor for whoever is asked next */
    close(listing);
    const int asked[] = {first, second};
    for (int i = 0; i < 2; i++) {
        r = read_reply(asked[i], false);
        assert_int_equal(r.status, 200);
        assert_non_null(strstr(r.body, "\"source\":\"pattern\""));
        close(asked[i]);
    }
}

static void a_server_ends_while_sources_are_listed(void **state)
{
    struct fixture f;
    (void)state;
    fixture_start(&f, (const char *const[]){NULL});
    int screen = hang_display(), fd = ask_for_list(&f);
    int listing = accept(screen, NULL, NULL);
    assert_true(listing >= 0);
    fixture_stop(&f);
    assert_true(is_closed(fd));
    close(fd);
    close(screen);
    close(listing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(presenters_hear_how_many_watch, setup, teardown),
        cmocka_unit_test(who_watches_hears_of_draining),
        cmocka_unit_test(policies_are_read_anew),
        cmocka_unit_test_setup_teardown(a_display_that_hangs_holds_nobody_up, setup, teardown),
        cmocka_unit_test(a_server_ends_while_a_display_hangs),
        cmocka_unit_test_setup_teardown(a_list_of_sources_holds_nobody_up, setup, teardown),
        cmocka_unit_test(a_server_ends_while_sources_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
