/* test_publish.c - publishing to a WHIP server, with a backend and a server that do as told; the
 * clock is the test's. */
#include "server/publish.h"

#include "tests/unit/server/fake_whip.h"
#include "tests/unit/signaling/fake_backend.h"

#include <semaphore.h>

#define SECOND INT64_C(1000000)

struct stage {
    struct fake_whip server;
    struct fake fake;
    struct publish *publish;
    sem_t woken;
    int64_t now_us;
    unsigned restarts; /* that were begun here */
    unsigned moves, n_relays;
    bool moved_alone; /* with the credentials that there were */
    struct ice_relay relays[8];
    char theirs[BACKEND_UFRAG_MAX];
    struct publish_status status;
};

static void wake(void *arg)
{
    sem_post(arg);
}

static struct stage *stage_of_fake(void *fake)
{
    return (struct stage *)((char *)fake - offsetof(struct stage, fake));
}

static int on_restart(void *arg, uint32_t viewer_id, const char *ufrag, const char *pwd,
                      struct backend_credentials *ours)
{
    struct stage *s = stage_of_fake(arg);
    assert_true(viewer_id > 0);
    assert_int_equal(ours == NULL, ufrag[0] != '\0');
    assert_int_equal(ours == NULL, pwd[0] != '\0');
    snprintf(s->theirs, sizeof(s->theirs), "%s", ufrag);
    if (ours) {
        s->restarts++;
        snprintf(ours->ufrag, sizeof(ours->ufrag), "anew");
        snprintf(ours->pwd, sizeof(ours->pwd), "anewanewanewanewanewanew");
    }
    return s->fake.restart_status;
}

static int on_relay(void *arg, uint32_t viewer_id, const struct ice_relay *relay)
{
    struct stage *s = arg;
    assert_true(viewer_id > 0);
    assert_true(s->n_relays < 8);
    s->relays[s->n_relays++] = *relay;
    return 0;
}

static int on_move(void *arg, uint32_t viewer_id, struct backend_credentials *ours)
{
    struct stage *s = arg;
    s->moves++;
    s->moved_alone = ours == NULL;
    return ours ? on_restart(&s->fake, viewer_id, "", "", ours) : 0;
}

static struct stage *open_stage_with(const char *path, bool moves)
{
    struct stage *s = calloc(1, sizeof(*s));
    char url[64];
    sem_init(&s->woken, 0, 0);
    fake_whip_start(&s->server);
    fake_init(&s->fake, 1);
    fake_use_agents(&s->fake);
    s->fake.backend.restart = on_restart;
    s->now_us = 1000 * SECOND;
    snprintf(url, sizeof(url), "http://127.0.0.1:%u%s", s->server.port, path);
    const struct publish_config config = {
        .backend = &s->fake.backend,
        .room = FAKE_ROOM,
        .url = url,
        .secret = "s3cret",
        .agent = {.arg = s, .add_relay = on_relay, .move = moves ? on_move : NULL},
        .wake = wake,
        .wake_arg = &s->woken};
    assert_int_equal(publish_create(&s->publish, &config), 0);
    return s;
}

static struct stage *open_stage_at(const char *path)
{
    return open_stage_with(path, false);
}

static struct stage *open_stage(void)
{
    return open_stage_at("/whip/ROOM");
}

static void close_stage(struct stage *s)
{
    publish_destroy(s->publish);
    fake_whip_stop(&s->server);
    sem_destroy(&s->woken);
    free(s);
}

static void go_on(struct stage *s, int64_t us)
{
    s->now_us += us;
    publish_round(s->publish, s->now_us);
    publish_status(s->publish, &s->status);
}

static void until_state(struct stage *s, enum publish_state state)
{
    for (go_on(s, 0); s->status.state != state; go_on(s, 0))
        sem_wait(&s->woken);
}

static void until_started(struct stage *s, unsigned n)
{
    for (go_on(s, 0); s->fake.started < n; go_on(s, 0))
        sem_wait(&s->woken);
}

#define CREATED                                                                                    \
    "201 Created\r\nLocation: /session/7\r\nETag: \"one\"\r\nContent-Type: application/sdp\r\n"
#define SECTION                                                                                    \
    "m=video 9 UDP/TLS/RTP/SAVPF 104\r\nc=IN IP4 0.0.0.0\r\na=recvonly\r\na=rtcp-mux\r\n"          \
    "a=rtpmap:104 H264/90000\r\n"                                                                  \
    "a=fmtp:104 packetization-mode=1;profile-level-id=42e01f;level-asymmetry-allowed=1\r\n"

static const char one_stream[] =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=ice-lite\r\n"
    "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n"
    "a=fingerprint:sha-256 "
    "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
    "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\na=setup:passive\r\n" SECTION "a=mid:0\r\n"
    "a=candidate:1 1 udp 2130706431 192.0.2.7 8189 typ host\r\na=end-of-candidates\r\n";

/* To the moment when the offer is asked for: everything is gathered. */
static void offer(struct stage *s)
{
    go_on(s, 0);
    go_on(s, PUBLISH_SETTLE_US);
    assert_int_equal(s->status.state, PUBLISH_CONNECTING);
    uint32_t id = s->fake.next_viewer;
    publish_on_candidate(s->publish, id, "candidate:1 1 udp 1 192.0.2.1 1000 typ host");
    publish_on_candidate(s->publish, id, NULL);
    go_on(s, 0);
}

static void become_live_with(struct stage *s, const char *answer)
{
    fake_whip_says(&s->server, CREATED, answer);
    offer(s);
    until_started(s, s->fake.started + 1);
    publish_on_viewer(s->publish, s->fake.last_started, BACKEND_VIEWER_LIVE, "none", s->now_us);
    go_on(s, 0);
    assert_int_equal(s->status.state, PUBLISH_LIVE);
    assert_int_equal(s->status.viewer_id, s->fake.last_started);
}

static void become_live(struct stage *s)
{
    become_live_with(s, one_stream);
}

static void publishes_what_is_shown(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    s->fake.room.live = false;
    go_on(s, 0);
    go_on(s, 5 * SECOND);
    assert_int_equal(s->status.state, PUBLISH_IDLE);
    assert_int_equal(s->fake.reserved, 0);
    s->fake.room.live = true;
    strcpy(s->fake.room.streams[0].window_name, "Two\r\nlines \xc3\xa4");
    become_live(s);
    assert_true(s->fake.offering);
    const char *asked = fake_whip_asked(&s->server, 0);
    assert_non_null(strstr(asked, "\r\ni=Two  lines \xc3\xa4\r\nc=IN"));
    assert_memory_equal(asked, "POST /whip/ROOM HTTP/1.1\r\n", 26);
    assert_non_null(strstr(asked, "Authorization: Bearer s3cret\r\n"));
    assert_non_null(strstr(asked, "a=candidate:1 1 udp 1 192.0.2.1 1000 typ host\r\n"));
    assert_null(strstr(asked, "a=end-of-candidates\r\n")); /* relays may be named yet */
    assert_int_equal(s->fake.answer.n_tracks, 1);
    assert_string_equal(s->fake.answer.ufrag, "abcd");
    assert_int_equal(s->fake.n_candidates, 2);
    assert_non_null(strstr(s->fake.candidates[0].text, "192.0.2.7"));
    assert_string_equal(s->fake.candidates[1].text, "");

    fake_whip_says(&s->server, "200 OK\r\n", "");
    publish_destroy(s->publish); /* says goodbye */
    s->publish = NULL;
    assert_int_equal(s->fake.left, 1);
    assert_memory_equal(fake_whip_asked(&s->server, 1), "DELETE /session/7 HTTP/1.1\r\n", 28);
    close_stage(s);
}

static void late_candidates_are_trickled(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    fake_whip_says(&s->server, CREATED, one_stream);
    go_on(s, 0);
    go_on(s, PUBLISH_SETTLE_US);
    go_on(s, PUBLISH_GATHER_US - 1);
    publish_on_candidate(s->publish, 99, "candidate:9 of nobody");
    go_on(s, 1); /* the servers had their time */
    publish_on_candidate(s->publish, 1, "candidate:2 1 udp 1 198.51.100.1 1000 typ srflx");
    publish_on_candidate(s->publish, 1, NULL);
    fake_whip_says(&s->server, "204 No Content\r\n", "");
    until_started(s, 1);
    assert_null(strstr(fake_whip_asked(&s->server, 0), "candidate:"));
    go_on(s, 0);
    const char *asked = fake_whip_asked(&s->server, 1);
    assert_memory_equal(asked, "PATCH /session/7 HTTP/1.1\r\n", 27);
    assert_non_null(strstr(asked, "If-Match: \"one\"\r\n"));
    assert_non_null(strstr(asked, "\r\n\r\na=ice-ufrag:ufrag1\r\na=ice-pwd:"));
    assert_non_null(strstr(asked, "a=candidate:2 1 udp 1 198.51.100.1 1000 typ srflx\r\n"
                                  "a=end-of-candidates\r\n"));
    close_stage(s);
}

static void a_refusal_ends_it(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    fake_whip_says(&s->server, "403 Forbidden\r\n", "{\"detail\":\"wrong secret\"}");
    offer(s);
    until_state(s, PUBLISH_REFUSED);
    assert_non_null(strstr(s->status.why, "wrong secret"));
    go_on(s, 100 * SECOND);
    assert_int_equal(s->status.state, PUBLISH_REFUSED);
    assert_int_equal(s->fake.reserved, 1);
    assert_int_equal(s->fake.left, 1);
    close_stage(s);
}

static void an_answer_that_does_not_fit_ends_it(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    s->fake.room.streams[0].codec = BACKEND_AV1; /* which it does not take */
    fake_whip_says(&s->server, CREATED, one_stream);
    fake_whip_says(&s->server, "200 OK\r\n", "");
    offer(s);
    until_state(s, PUBLISH_REFUSED);
    assert_string_equal(s->status.why, "the server does not take this codec (--codec)");
    assert_memory_equal(fake_whip_asked(&s->server, 1), "DELETE ", 7);
    assert_int_equal(s->fake.started, 0);
    close_stage(s);
}

static void another_codec_is_offered_anew(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    become_live(s);
    s->fake.room.streams[0].codec = BACKEND_VP8;
    go_on(s, SECOND);
    go_on(s, PUBLISH_SETTLE_US);
    assert_int_equal(s->fake.reserved, 2);
    close_stage(s);
}

static void a_full_server_is_asked_again_when_it_says(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    fake_whip_says(&s->server, "503 Service Unavailable\r\nRetry-After: 7\r\n", "");
    offer(s);
    until_state(s, PUBLISH_WAITING);
    assert_true(s->status.retry_us >= s->now_us + 7 * SECOND);
    assert_true(s->status.retry_us <= s->now_us + 8 * SECOND);
    assert_int_equal(s->status.failures, 1);
    go_on(s, 6 * SECOND);
    assert_int_equal(s->fake.reserved, 1);
    go_on(s, 2 * SECOND);
    assert_int_equal(s->fake.reserved, 2);
    assert_int_equal(s->status.state, PUBLISH_CONNECTING);
    close_stage(s);
}

static void what_is_lost_comes_back(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    become_live(s);
    go_on(s, PUBLISH_STABLE_US);
    publish_on_viewer(s->publish, 1, BACKEND_VIEWER_CLOSED, "consent-lost", s->now_us);
    go_on(s, 0);
    assert_int_equal(s->status.state, PUBLISH_WAITING);
    assert_string_equal(s->status.why, "the connection to the server is lost");
    assert_true(s->status.retry_us < s->now_us + SECOND);
    fake_whip_says(&s->server, "404 Not Found\r\n", ""); /* not for good: it was there before */
    s->now_us = s->status.retry_us;
    go_on(s, 0);
    publish_on_candidate(s->publish, 2, NULL);
    until_state(s, PUBLISH_WAITING);
    assert_int_equal(s->status.failures, 2);
    s->now_us = s->status.retry_us;
    fake_whip_says(&s->server, CREATED, one_stream);
    go_on(s, 0);
    publish_on_candidate(s->publish, 3, NULL);
    until_started(s, 2);
    publish_on_viewer(s->publish, 3, BACKEND_VIEWER_LIVE, "none", s->now_us);
    go_on(s, 0);
    assert_int_equal(s->status.state, PUBLISH_LIVE);
    assert_int_equal(s->status.times_live, 2);
    assert_string_equal(s->status.why, "");
    assert_int_equal(s->fake.left, 2); /* the lost one, and the refused one */
    close_stage(s);
}

static void more_to_show_is_a_session_beside(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    become_live(s);
    s->fake.room.streams[3] = s->fake.room.streams[0];
    s->fake.room.n_streams = 2;
    go_on(s, SECOND);
    go_on(s, PUBLISH_SETTLE_US);
    assert_int_equal(s->fake.reserved, 2);
    assert_int_equal(s->fake.left, 0);
    assert_int_equal(s->status.state, PUBLISH_LIVE);
    fake_whip_says(&s->server, CREATED, one_stream); /* one m-line, where there are two */
    publish_on_candidate(s->publish, 2, NULL);
    fake_whip_says(&s->server, "200 OK\r\n", "");
    for (go_on(s, 0); s->status.failures == 0; go_on(s, 0))
        sem_wait(&s->woken);
    assert_non_null(strstr(fake_whip_asked(&s->server, 1), "a=group:BUNDLE 0 1\r\n"));
    assert_memory_equal(fake_whip_asked(&s->server, 2), "DELETE ", 7);
    assert_non_null(strstr(s->status.why, "answer cannot be used"));
    assert_int_equal(s->status.state, PUBLISH_LIVE); /* the first one goes on */
    assert_int_equal(s->status.viewer_id, 1);
    s->now_us = s->status.retry_us;
    go_on(s, 0);
    assert_int_equal(s->fake.reserved, 3);
    close_stage(s);
}

static void a_taken_room_is_left_first(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    become_live(s);
    publish_on_addresses(s->publish);
    fake_whip_says(&s->server, "409 Conflict\r\n", "");
    fake_whip_says(&s->server, "200 OK\r\n", "");
    go_on(s, 0);
    assert_int_equal(s->fake.reserved, 2);
    publish_on_candidate(s->publish, 2, NULL);
    for (go_on(s, 0); s->status.failures == 0; go_on(s, 0))
        sem_wait(&s->woken);
    assert_memory_equal(fake_whip_asked(&s->server, 2), "DELETE /session/7 ", 18);
    close_stage(s);
}

static void silence_restarts_ice(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    become_live(s);
    fake_whip_says(&s->server, "200 OK\r\nETag: \"two\"\r\n",
                   "a=ice-ufrag:efgh\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n"
                   "a=candidate:1 1 udp 1 192.0.2.9 8189 typ host\r\n");
    unsigned before = s->fake.n_candidates;
    publish_on_silence(s->publish, true);
    go_on(s, SECOND);
    assert_int_equal(s->restarts, 1);
    const char *asked = fake_whip_asked(&s->server, 1);
    assert_memory_equal(asked, "PATCH /session/7 ", 17);
    assert_non_null(strstr(asked, "If-Match: *\r\n"));
    assert_non_null(strstr(asked, "a=ice-ufrag:anew\r\n"));
    for (go_on(s, 0); s->status.restarts == 0; go_on(s, 0))
        sem_wait(&s->woken);
    assert_string_equal(s->theirs, "efgh");
    assert_int_equal(s->fake.n_candidates, before + 2);
    go_on(s, PUBLISH_RESTART_US - SECOND); /* it has its time */
    assert_int_equal(s->fake.reserved, 1);
    publish_on_silence(s->publish, false);
    go_on(s, 10 * SECOND);
    assert_int_equal(s->fake.reserved, 1);
    assert_int_equal(s->restarts, 1);
    close_stage(s);
}

/* A lite server takes whoever knows the credentials from anywhere. */
static void other_addresses_need_no_word_to_a_lite_server(void **state)
{
    (void)state;
    struct stage *s = open_stage_with("/whip/ROOM", true);
    become_live(s);
    unsigned before = s->fake.n_candidates;
    publish_on_addresses(s->publish);
    go_on(s, 0);
    assert_int_equal(s->moves, 1);
    assert_true(s->moved_alone);
    assert_string_equal(s->theirs, "abcd");
    assert_int_equal(s->fake.n_candidates, before + 2);
    publish_on_candidate(s->publish, 1, "candidate:3 1 udp 1 192.0.2.8 1000 typ host");
    publish_on_candidate(s->publish, 1, NULL);
    go_on(s, 10 * SECOND);
    assert_int_equal(s->status.restarts, 1);
    assert_int_equal(s->fake.reserved, 1);
    assert_int_equal(s->server.n_asked, 1);
    publish_on_silence(s->publish, true); /* it did not help */
    go_on(s, 0);
    assert_int_equal(s->fake.reserved, 2);
    close_stage(s);
}

static void other_addresses_restart_ice(void **state)
{
    (void)state;
    struct stage *s = open_stage_with("/whip/ROOM", true);
    char answer[sizeof(one_stream)];
    char *lite = strstr(strcpy(answer, one_stream), "a=ice-lite\r\n");
    memmove(lite, lite + 12, strlen(lite + 12) + 1);
    become_live_with(s, answer);
    fake_whip_says(&s->server, "200 OK\r\nETag: \"two\"\r\n",
                   "a=ice-ufrag:efgh\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n"
                   "a=candidate:1 1 udp 1 192.0.2.9 8189 typ host\r\n");
    publish_on_addresses(s->publish);
    assert_int_equal(s->moves, 1);
    assert_false(s->moved_alone);
    for (go_on(s, 0); s->status.restarts == 0; go_on(s, 0))
        sem_wait(&s->woken);
    const char *asked = fake_whip_asked(&s->server, 1);
    assert_non_null(strstr(asked, "If-Match: *\r\n"));
    assert_non_null(strstr(asked, "a=ice-ufrag:anew\r\n"));
    assert_string_equal(s->theirs, "efgh");
    fake_whip_says(&s->server, "204 No Content\r\n", "");
    publish_on_candidate(s->publish, 1, "candidate:3 1 udp 1 192.0.2.8 1000 typ host");
    publish_on_candidate(s->publish, 1, NULL);
    go_on(s, 0);
    asked = fake_whip_asked(&s->server, 2);
    assert_non_null(strstr(asked, "If-Match: \"two\"\r\n"));
    assert_non_null(strstr(asked, "192.0.2.8 1000 typ host\r\na=end-of-candidates\r\n"));
    assert_int_equal(s->fake.reserved, 1);
    close_stage(s);
}

static void without_restarts_a_new_session_comes(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    become_live(s);
    fake_whip_says(&s->server, "422 Unprocessable Content\r\n", "");
    publish_on_silence(s->publish, true);
    for (go_on(s, 0); s->fake.reserved < 2; go_on(s, 0))
        sem_wait(&s->woken);
    assert_int_equal(s->status.restarts, 0);
    close_stage(s);
}

static void a_restart_that_does_not_help_is_followed_by_a_session(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    become_live(s);
    fake_whip_says(&s->server, "200 OK\r\n",
                   "a=ice-ufrag:efgh\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n");
    publish_on_silence(s->publish, true);
    for (go_on(s, 0); s->status.restarts == 0; go_on(s, 0))
        sem_wait(&s->woken);
    go_on(s, PUBLISH_RESTART_US);
    assert_int_equal(s->fake.reserved, 2);
    close_stage(s);
}

static void stops_and_goes_on(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    become_live(s);
    fake_whip_says(&s->server, "200 OK\r\n", "");
    publish_set_stopped(s->publish, true);
    assert_int_equal(s->fake.left, 0); /* word of it goes before the media */
    for (go_on(s, 0); s->fake.left == 0; go_on(s, 0))
        sem_wait(&s->woken);
    assert_memory_equal(fake_whip_asked(&s->server, 1), "DELETE ", 7);
    go_on(s, 100 * SECOND);
    assert_int_equal(s->status.state, PUBLISH_STOPPED);
    assert_int_equal(s->fake.reserved, 1);
    publish_set_stopped(s->publish, false);
    become_live(s);
    assert_int_equal(s->fake.reserved, 2);
    close_stage(s);
}

static void a_server_without_a_room_makes_one(void **state)
{
    (void)state;
    struct stage *s = open_stage_at("/");
    fake_whip_says(&s->server, "201 Created\r\n",
                   "{\"room\":\"A-B-001\",\"secret\":\"made-here\",\"publish_url\":\"http://x/\"}");
    go_on(s, 0);
    go_on(s, PUBLISH_SETTLE_US);
    assert_string_equal(s->status.endpoint, "");
    for (go_on(s, 0); !s->status.endpoint[0]; go_on(s, 0))
        sem_wait(&s->woken);
    assert_memory_equal(fake_whip_asked(&s->server, 0), "POST /api/v1/rooms HTTP/1.1\r\n", 29);
    assert_non_null(strstr(fake_whip_asked(&s->server, 0), "\r\n\r\n{}"));
    assert_non_null(strstr(s->status.endpoint, "/whip/A-B-001"));

    fake_whip_says(&s->server, CREATED, one_stream);
    go_on(s, 0);
    publish_on_candidate(s->publish, 1, NULL);
    until_started(s, 1);
    const char *asked = fake_whip_asked(&s->server, 1);
    assert_memory_equal(asked, "POST /whip/A-B-001 HTTP/1.1\r\n", 29);
    assert_non_null(strstr(asked, "Authorization: Bearer made-here\r\n"));
    publish_on_viewer(s->publish, 1, BACKEND_VIEWER_LIVE, "none", s->now_us);

    /* it has forgotten the room: the same one is wanted again */
    publish_on_viewer(s->publish, 1, BACKEND_VIEWER_CLOSED, "remote-closed", s->now_us);
    go_on(s, SECOND);
    fake_whip_says(&s->server, "404 Not Found\r\n", "");
    publish_on_candidate(s->publish, 2, NULL);
    until_state(s, PUBLISH_WAITING);
    fake_whip_says(&s->server, "409 Conflict\r\n", ""); /* somebody was faster */
    s->now_us = s->status.retry_us;
    go_on(s, 0);
    until_state(s, PUBLISH_WAITING);
    assert_non_null(strstr(fake_whip_asked(&s->server, 3), "\r\n\r\n{\"room\":\"A-B-001\"}"));
    s->now_us = s->status.retry_us;
    go_on(s, 0);
    assert_non_null(strstr(fake_whip_asked(&s->server, 4), "\r\n\r\n{}"));
    close_stage(s);
}

static void a_server_that_makes_no_rooms_says_so(void **state)
{
    (void)state;
    struct stage *s = open_stage_at("");
    fake_whip_says(&s->server, "404 Not Found\r\n", "");
    go_on(s, 0);
    go_on(s, PUBLISH_SETTLE_US);
    until_state(s, PUBLISH_REFUSED);
    assert_non_null(strstr(s->status.why, "--to URL/whip/ROOM"));
    close_stage(s);
}

#define NAMES(links) "201 Created\r\nLocation: /session/7\r\nETag: \"one\"\r\n" links

static void relays_of_the_server_are_used(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    fake_whip_says(&s->server,
                   NAMES("Link: <stun:127.0.0.1>; rel=\"ice-server\"\r\n"
                         "Link: <turn:127.0.0.1:3479?transport=tcp>; rel=\"ice-server\"; "
                         "username=\"u\"; credential=\"c\"; credential-type=\"password\", "
                         "<turn:[::1]>; rel=\"ice-server\"; username=u2; credential=c2\r\n"
                         "Link: <turns:127.0.0.1>; rel=\"ice-server\"; username=u; credential=c\r\n"
                         "Link: <turn:127.0.0.2>; rel=\"ice-server\"\r\n"),
                   one_stream);
    offer(s);
    for (go_on(s, 0); s->n_relays < 2; go_on(s, 0))
        sem_wait(&s->woken);
    assert_int_equal(address_port(&s->relays[0].address), 3479);
    assert_true(s->relays[0].tcp);
    assert_string_equal(s->relays[0].user, "u");
    assert_string_equal(s->relays[0].password, "c");
    assert_int_equal(s->relays[1].address.sa.sa_family, AF_INET6);
    assert_int_equal(address_port(&s->relays[1].address), 3478);
    assert_false(s->relays[1].tcp);
    assert_string_equal(s->relays[1].password, "c2");

    /* what is gathered there is told, and that it was the last of it */
    fake_whip_says(&s->server, "204 No Content\r\n", "");
    publish_on_candidate(s->publish, 1, "candidate:9 1 udp 1 192.0.2.3 1000 typ relay");
    publish_on_candidate(s->publish, 1, NULL);
    go_on(s, 0);
    assert_int_equal(s->n_relays, 2);
    assert_non_null(strstr(fake_whip_asked(&s->server, 1),
                           "a=candidate:9 1 udp 1 192.0.2.3 1000 typ relay\r\n"
                           "a=end-of-candidates\r\n"));
    publish_on_viewer(s->publish, 1, BACKEND_VIEWER_CLOSED, "ice-timeout", s->now_us);
    go_on(s, 0);
    assert_int_equal(s->status.state, PUBLISH_WAITING);
    assert_non_null(strstr(s->status.why, "nor over the server's relay turn:127.0.0.1:3479"));
    assert_null(strstr(s->status.why, "c2"));
    close_stage(s);
}

static void a_relay_that_cannot_be_found_is_left_out(void **state)
{
    (void)state;
    struct stage *s = open_stage();
    fake_whip_says(&s->server,
                   NAMES("Link: <turn:no-such-host.invalid>; rel=\"ice-server\"; username=u; "
                         "credential=c, <turn:127.0.0.1>; rel=\"ice-server\"; username=u; "
                         "credential=c\r\n"),
                   one_stream);
    offer(s);
    for (go_on(s, 0); s->n_relays < 1; go_on(s, 0))
        sem_wait(&s->woken);
    assert_int_equal(s->n_relays, 1);
    close_stage(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(publishes_what_is_shown),
        cmocka_unit_test(late_candidates_are_trickled),
        cmocka_unit_test(a_refusal_ends_it),
        cmocka_unit_test(an_answer_that_does_not_fit_ends_it),
        cmocka_unit_test(another_codec_is_offered_anew),
        cmocka_unit_test(a_full_server_is_asked_again_when_it_says),
        cmocka_unit_test(what_is_lost_comes_back),
        cmocka_unit_test(more_to_show_is_a_session_beside),
        cmocka_unit_test(a_taken_room_is_left_first),
        cmocka_unit_test(silence_restarts_ice),
        cmocka_unit_test(other_addresses_need_no_word_to_a_lite_server),
        cmocka_unit_test(other_addresses_restart_ice),
        cmocka_unit_test(without_restarts_a_new_session_comes),
        cmocka_unit_test(a_restart_that_does_not_help_is_followed_by_a_session),
        cmocka_unit_test(stops_and_goes_on),
        cmocka_unit_test(a_server_without_a_room_makes_one),
        cmocka_unit_test(a_server_that_makes_no_rooms_says_so),
        cmocka_unit_test(relays_of_the_server_are_used),
        cmocka_unit_test(a_relay_that_cannot_be_found_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
