/* test_http_trickle.c - WHEP on a real port where candidates are gathered after the POST. */
#include "tests/unit/signaling/http_client.h"

static const char sdp[] = "Content-Type: application/sdp\r\n";
static const char whep[] = "/whep/" FAKE_ROOM;

#define OURS "candidate:1 1 UDP 2015364095 127.0.0.1 40000 typ host"

static int setup_full(void **state)
{
    struct server *s = calloc(1, sizeof(*s));
    fake_init(&s->fake, 2);
    fake_use_agents(&s->fake);
    s->fake.backend.n_ice_servers = 2;
    strcpy(s->fake.backend.ice_servers[0].url, "stun:192.0.2.1:3478");
    strcpy(s->fake.backend.ice_servers[1].url, "turn:192.0.2.1:3478?transport=udp");
    strcpy(s->fake.backend.ice_servers[1].username, "user");
    strcpy(s->fake.backend.ice_servers[1].credential, "pass");
    start(s);
    *state = s;
    return 0;
}

/* Posts and waits until the backend was asked to start that viewer. */
static unsigned started;

static void count_started(struct server *s)
{
    started = s->fake.started;
}

static int post_and_wait(struct server *s, unsigned nth)
{
    int fd = connect_to(s);
    request(fd, "POST", whep, sdp, chromium_offer);
    do
        on_server(s, count_started);
    while (started < nth);
    return fd;
}

static void gather(struct server *s)
{
    http_on_candidate(s->http, 77, OURS); /* nobody's */
    http_on_candidate(s->http, 1, OURS);
    http_on_candidate(s->http, 77, NULL);
    http_on_candidate(s->http, 1, NULL);
    http_on_candidate(s->http, 1, OURS); /* too late, and no harm */
    http_on_candidate(s->http, 1, NULL);
}

static void gather_again(struct server *s)
{
    http_on_candidate(s->http, 1, OURS);
    http_on_candidate(s->http, 1, NULL);
}

static void an_answer_waits_for_candidates(void **state)
{
    struct server *s = *state;
    char location[200], headers[300];
    int fd = post_and_wait(s, 1);
    on_server(s, gather);
    struct reply r = read_reply(fd, false);
    assert_int_equal(r.status, 201);
    header_is(&r, "Access-Control-Allow-Origin", "*");
    assert_non_null(strstr(r.head, "\r\nLink: <stun:192.0.2.1:3478>; rel=\"ice-server\"\r\n"));
    assert_non_null(strstr(r.head, "\r\nLink: <turn:192.0.2.1:3478?transport=udp>; "
                                   "rel=\"ice-server\"; username=\"user\"; credential=\"pass\"; "
                                   "credential-type=\"password\"\r\n"));
    assert_non_null(strstr(r.body, "\r\na=" OURS "\r\na=end-of-candidates\r\n"));
    assert_null(strstr(r.body, "a=ice-lite"));

    /* the connection goes on, and so does the session */
    strcpy(location, header_of(&r, "Location"));
    sprintf(headers, "Content-Type: application/trickle-ice-sdpfrag\r\nIf-Match: *\r\n");
    request(fd, "PATCH", location, headers,
            "a=ice-ufrag:newu\r\na=ice-pwd:newpasswordnewpassword\r\n");
    struct reply busy;
    do { /* until the restart is under way, it may be asked for again */
        busy = ask(s, "PATCH", location, headers, "nonsense");
    } while (busy.status == 400);
    is_problem(&busy, 409);
    on_server(s, gather_again);
    r = read_reply(fd, false);
    assert_int_equal(r.status, 200);
    header_is(&r, "Content-Type", "application/trickle-ice-sdpfrag");
    assert_non_null(header_of(&r, "ETag"));
    assert_non_null(strstr(r.body, "a=ice-ufrag:again1\r\n"));
    assert_non_null(strstr(r.body, "a=" OURS "\r\na=end-of-candidates\r\n"));
    request(fd, "DELETE", location, "", NULL);
    r = read_reply(fd, false);
    assert_int_equal(r.status, 200);
    assert_int_equal(s->fake.left, 1);
    close(fd);
}

static void an_answer_does_not_wait_for_ever(void **state)
{
    struct server *s = *state;
    int fd = post_and_wait(s, 1);
    struct reply r = read_reply(fd, false); /* what there is, which is nothing */
    assert_int_equal(r.status, 201);
    assert_null(strstr(r.body, "a=candidate"));
    assert_null(strstr(r.body, "a=end-of-candidates"));
    on_server(s, gather);
    close(fd);
}

static unsigned left;

static void count_left(struct server *s)
{
    left = s->fake.left;
}

static void whoever_hangs_up_gives_the_seat_back(void **state)
{
    struct server *s = *state;
    close(post_and_wait(s, 1));
    do
        on_server(s, count_left);
    while (left == 0);
    assert_int_equal(s->fake.last_left, 1);
    on_server(s, gather);
}

static void a_viewer_that_fails_meanwhile(void **state)
{
    struct server *s = *state;
    int fd = post_and_wait(s, 1);
    on_server(s, end_viewer_1);
    on_server(s, gather);
    struct reply r = read_reply(fd, false);
    is_problem(&r, 500);
    header_is(&r, "Access-Control-Allow-Origin", "*");
    assert_int_equal(s->fake.left, 0); /* it has ended by itself */
    close(fd);
}

static void the_server_stops_meanwhile(void **state)
{
    close(post_and_wait(*state, 1)); /* teardown follows */
    (void)post_and_wait(*state, 2);
}

#define FULL(name) cmocka_unit_test_setup_teardown(name, setup_full, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FULL(an_answer_waits_for_candidates),       FULL(an_answer_does_not_wait_for_ever),
        FULL(whoever_hangs_up_gives_the_seat_back), FULL(a_viewer_that_fails_meanwhile),
        FULL(the_server_stops_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
