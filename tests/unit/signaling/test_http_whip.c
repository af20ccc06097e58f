/* test_http_whip.c - WHIP on a real port, and of WHEP what goes beyond offer and answer:
 * counter-offers, events, layers. */
#include "tests/unit/signaling/http_client.h"
#include "tests/unit/signaling/sdp_publish_fixtures.h"

static const char sdp[] = "Content-Type: application/sdp\r\n";
static const char json[] = "Content-Type: application/json\r\n";
static const char secret[] =
    "Content-Type: application/sdp\r\nAuthorization: Bearer " FAKE_SECRET "\r\n";
static const char whip[] = "/whip/" FAKE_ROOM, whep[] = "/whep/" FAKE_ROOM;

static int setup_publishing(void **state)
{
    struct server *s = calloc(1, sizeof(*s));
    fake_init(&s->fake, 1);
    fake_use_publishing(&s->fake);
    start(s);
    *state = s;
    return 0;
}

static void whip_from_post_to_delete(void **state)
{
    struct server *s = *state;
    char location[200], etag[100], patch[300];
    struct reply r = ask(s, "POST", whip, secret, obs_publish);
    assert_int_equal(r.status, 201);
    header_is(&r, "Content-Type", "application/sdp");
    header_is(&r, "Access-Control-Allow-Origin", "*");
    assert_null(strstr(r.head, "urn:ietf:params:whep")); /* those are for players */
    strcpy(location, header_of(&r, "Location"));
    strcpy(etag, header_of(&r, "ETag"));
    assert_memory_equal(location, "/whip/" FAKE_ROOM "/", 22);
    assert_int_equal(strlen(location), 22 + 22);
    assert_int_equal(etag[0], '"');
    sprintf(patch, "Content-Type: application/trickle-ice-sdpfrag\r\nIf-Match: %s\r\n", etag);
    r = ask(s, "PATCH", location, patch, "a=end-of-candidates\r\n");
    assert_int_equal(r.status, 204);
    assert_null(header_of(&r, "ETag"));
    r = ask(s, "GET", location, "", NULL);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.size, 0);
    r = ask(s, "GET", strcat(location, "/sse"), "", NULL);
    is_problem(&r, 404);
    location[44] = '\0';
    memcpy(location, "/whep", 5); /* it is no viewer's */
    r = ask(s, "DELETE", location, "", NULL);
    is_problem(&r, 404);
    memcpy(location, "/whip", 5);
    r = ask(s, "DELETE", location, "If-Match: \"whatever\"\r\n", NULL);
    assert_int_equal(r.status, 200);
    assert_int_equal(s->fake.last_publish_end, 1);
    r = ask(s, "DELETE", location, "", NULL);
    is_problem(&r, 404);
}

static void patches_may_have_to_wait(void **state)
{
    const struct server *s = *state;
    char location[200], patch[700];
    struct reply r = ask(s, "POST", whip, secret, obs_publish);
    strcpy(location, header_of(&r, "Location"));
    sprintf(patch, "Content-Type: application/trickle-ice-sdpfrag\r\nIf-Match: %s\r\n",
            header_of(&r, "ETag"));
    unsigned taken = 0;
    do {
        r = ask(s, "PATCH", location, patch, "a=end-of-candidates\r\n");
        taken += r.status == 204;
    } while (r.status == 204 && taken < 100000); /* a slow machine takes more than one second's */
    is_problem(&r, 429);
    header_is(&r, "Retry-After", "1");
    assert_true(taken >= 20);
    r = ask(s, "DELETE", location, "", NULL); /* which it may still */
    assert_int_equal(r.status, 200);
}

static void end_viewer_2(struct server *s)
{
    http_on_viewer(s->http, 2, BACKEND_VIEWER_CLOSED, "remote-closed");
}

static void end_viewer_3(struct server *s)
{
    http_on_viewer(s->http, 3, BACKEND_VIEWER_CLOSED, "consent-lost");
}

/* What ends by itself may come back, unless it says that it does not. */
static void whip_ends_with_its_publisher(void **state)
{
    struct server *s = *state;
    char location[200], before[200];
    struct reply r = ask(s, "POST", whip, secret, obs_publish);
    assert_int_equal(r.status, 201);
    strcpy(location, header_of(&r, "Location"));
    on_server(s, end_viewer_1);
    r = ask(s, "GET", location, "", NULL);
    is_problem(&r, 404);
    r = ask(s, "PATCH", location, "Content-Type: application/trickle-ice-sdpfrag\r\n", "a=x\r\n");
    is_problem(&r, 404);
    assert_int_equal(s->fake.n_publish_ends, 0);
    r = ask(s, "DELETE", location, "", NULL);
    assert_int_equal(r.status, 200);
    assert_int_equal(s->fake.last_publish_end, 1);
    r = ask(s, "DELETE", location, "", NULL);
    is_problem(&r, 404);
    /* of each room the last one that was lost */
    r = ask(s, "POST", whip, secret, obs_publish);
    strcpy(before, header_of(&r, "Location"));
    on_server(s, end_viewer_2);
    r = ask(s, "POST", whip, secret, obs_publish);
    strcpy(location, header_of(&r, "Location"));
    on_server(s, end_viewer_3);
    r = ask(s, "DELETE", before, "", NULL);
    is_problem(&r, 404);
    r = ask(s, "DELETE", location, "", NULL);
    assert_int_equal(r.status, 200);
    assert_int_equal(s->fake.last_publish_end, 3);
}

static void whip_endpoint(void **state)
{
    const struct server *s = *state;
    struct reply r = ask(s, "OPTIONS", whip, "", NULL);
    assert_int_equal(r.status, 200);
    header_is(&r, "Accept-Post", "application/sdp");
    r = ask(s, "HEAD", whip, "", NULL);
    assert_int_equal(r.status, 200);
    r = ask(s, "PUT", whip, secret, "x");
    is_problem(&r, 405);
    header_is(&r, "Allow", "POST, GET, HEAD, OPTIONS");
    r = ask(s, "POST", whip, sdp, obs_publish);
    is_problem(&r, 401);
    header_is(&r, "WWW-Authenticate", "Bearer realm=\"amphi\"");
    r = ask(s, "POST", whip, "Authorization: Basic " FAKE_SECRET "\r\n", obs_publish);
    is_problem(&r, 401);
    r = ask(s, "POST", "/whip/OTHER", secret, obs_publish);
    is_problem(&r, 404);
    r = ask(s, "POST", whip, secret, chromium_offer);
    is_problem(&r, 406);
}

static const char only_h265[] = "v=0\nm=video 9 UDP/TLS/RTP/SAVPF 96\na=rtpmap:96 H265/90000\n";

static void counter_offer(void **state)
{
    struct server *s = *state;
    char location[200];
    struct reply r = ask(s, "POST", whep, sdp, only_h265);
    assert_int_equal(r.status, 406);
    assert_memory_equal(header_of(&r, "Content-Type"), "application/sdp; valid-until=\"", 30);
    assert_memory_equal(r.body, "v=0\r\n", 5);
    strcpy(location, header_of(&r, "Location"));
    r = ask(s, "PATCH", location, sdp, chromium_answer);
    assert_int_equal(r.status, 204);
    assert_int_equal(s->fake.started, 1);
    r = ask(s, "DELETE", location, "", NULL);
    assert_int_equal(r.status, 200);
}

/* --- events ------------------------------------------------------------------------------------
 */

static struct reply watch(const struct server *s, char location[200])
{
    struct reply r = ask(s, "POST", whep, sdp, chromium_offer);
    assert_int_equal(r.status, 201);
    strcpy(location, header_of(&r, "Location"));
    return r;
}

/* The next event or comment, up to its empty line; NULL: the stream has ended. */
static const char *next_event(int fd)
{
    static char text[4096];
    size_t n = 0;
    do {
        assert_true(n + 1 < sizeof(text));
        if (recv(fd, text + n, 1, 0) != 1)
            return NULL;
        text[++n] = '\0';
    } while (n < 2 || strcmp(text + n - 2, "\n\n") != 0);
    return text;
}

static int listen_to(const struct server *s, const char *path)
{
    int fd = connect_to(s);
    request(fd, "GET", path, "Accept: text/event-stream\r\n", NULL);
    struct reply r = read_reply(fd, false);
    assert_int_equal(r.status, 200);
    header_is(&r, "Content-Type", "text/event-stream");
    assert_null(header_of(&r, "Content-Length"));
    return fd;
}

static void show_nothing(struct server *s)
{
    s->fake.room.live = s->fake.room.streams[0].active = false;
    http_on_room(s->http, FAKE_ROOM);
}

static void show_layers(struct server *s)
{
    struct backend_stream *stream = &s->fake.room.streams[0];
    s->fake.room.live = stream->active = true;
    stream->n_layers = 2;
    stream->layers[0].width = 1920;
    stream->layers[0].height = 1080;
    stream->layers[0].bitrate_bps = 4000000;
    stream->layers[1].width = 960;
    stream->layers[1].height = 540;
    stream->layers[1].bitrate_bps = 900000;
    http_on_room(s->http, FAKE_ROOM);
}

static void drain(struct server *s)
{
    http_on_drain(s->http, "https://other.example", 60);
}

static void events(void **state)
{
    struct server *s = *state;
    char location[200], path[400];
    on_server(s, show_layers);
    struct reply r = watch(s, location);
    sprintf(path,
            "Link: <%s/sse>; rel=\"urn:ietf:params:whep:ext:core:server-sent-events\"; "
            "events=\"active,inactive,layers,viewercount,reconnect\"\r\n",
            location);
    assert_non_null(strstr(r.head, path));
    sprintf(path, "Link: <%s/layer>; rel=\"urn:ietf:params:whep:ext:core:layer\"\r\n", location);
    assert_non_null(strstr(r.head, path));
    sprintf(path, "%s/sse", location);
    r = ask(s, "POST", path, json, "[\"active\",\"inactive\",\"layers\",\"reconnect\"]");
    assert_int_equal(r.status, 201);
    strcpy(path, header_of(&r, "Location"));
    int fd = listen_to(s, path);
    assert_string_equal(next_event(fd), "event: active\ndata: {}\n\n");
    const char *layers = next_event(fd);
    assert_memory_equal(layers, "event: layers\ndata: {\"", 22);
    assert_non_null(strstr(layers, ":[{\"rid\":\"0\",\"width\":1920,\"height\":1080,"
                                   "\"bitrate\":4000000},{\"rid\":\"1\",\"width\":960,"
                                   "\"height\":540,\"bitrate\":900000}]}\n\n"));
    on_server(s, show_nothing);
    assert_string_equal(next_event(fd), "event: inactive\ndata: {}\n\n");
    assert_non_null(strstr(next_event(fd), ":[]}\n\n"));
    on_server(s, drain);
    assert_string_equal(next_event(fd), "event: reconnect\ndata: {}\n\n");
    on_server(s, show_layers);
    assert_string_equal(next_event(fd), "event: active\ndata: {}\n\n");
    assert_memory_equal(next_event(fd), "event: layers\n", 14);
    int again = listen_to(s, path); /* it takes over, and is told all of it */
    assert_null(next_event(fd));
    close(fd);
    assert_string_equal(next_event(again), "event: active\ndata: {}\n\n");
    r = ask(s, "DELETE", path, "", NULL);
    assert_int_equal(r.status, 200);
    while (next_event(again)) /* what it was told already, and its end */
        ;
    close(again);
    r = ask(s, "GET", path, "", NULL);
    is_problem(&r, 404);
}

static void events_end_with_their_session(void **state)
{
    struct server *s = *state;
    char location[200], path[400];
    watch(s, location);
    sprintf(path, "%s/sse", location);
    int fd = listen_to(s, path); /* all of them, without asking for a stream first */
    assert_string_equal(next_event(fd), "event: active\ndata: {}\n\n");
    assert_memory_equal(next_event(fd), "event: layers\n", 14);
    assert_string_equal(next_event(fd), "event: viewercount\ndata: {\"viewercount\":4}\n\n");
    struct reply r = ask(s, "DELETE", location, "", NULL);
    assert_int_equal(r.status, 200);
    assert_null(next_event(fd));
    close(fd);
}

static void events_are_refused(void **state)
{
    struct server *s = *state;
    static const char *const bad[] = {"{}", "[\"scte35\"]", "[7]", "[", "[[[[[[[[[[[[[["};
    char location[200], path[400];
    watch(s, location);
    sprintf(path, "%s/sse", location);
    struct reply r;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        r = ask(s, "POST", path, json, bad[i]);
        is_problem(&r, 400);
    }
    r = ask(s, "POST", path, "Content-Type: text/plain\r\n", "[]");
    is_problem(&r, 415);
    r = ask(s, "PUT", path, "", "x");
    is_problem(&r, 405);
    for (unsigned i = 0; i < 4; i++) {
        r = ask(s, "POST", path, "", "");
        assert_int_equal(r.status, 201);
    }
    r = ask(s, "POST", path, "", "");
    is_problem(&r, 409);
    r = ask(s, "GET", path, "", NULL);
    is_problem(&r, 409);
    r = ask(s, "GET", strcat(path, "/99"), "", NULL);
    is_problem(&r, 404);
    r = ask(s, "GET", strcat(path, "x"), "", NULL);
    is_problem(&r, 404);
}

static void layers(void **state)
{
    struct server *s = *state;
    char location[200], path[400];
    on_server(s, show_layers);
    watch(s, location);
    sprintf(path, "%s/layer", location);
    struct reply r = ask(s, "POST", path, json, "{\"rid\":\"1\",\"temporalLayerId\":0}");
    assert_int_equal(r.status, 200);
    assert_int_equal(s->fake.select.layer, 1);
    assert_int_equal(s->fake.select.max_temporal, 0);
    /* as the draft spells it */
    r = ask(s, "POST", path, "Content-Type: application/sjon\r\n", "{\"maxHeigth\":540}");
    assert_int_equal(r.status, 200);
    r = ask(s, "POST", path, json, "{}");
    assert_int_equal(r.status, 200);
    assert_int_equal(s->fake.select.layer, -1);
    r = ask(s, "POST", path, json, "{\"mediaId\":\"9\"}");
    is_problem(&r, 404);
    r = ask(s, "POST", path, json, "{\"mediaId\":\"x\"}");
    is_problem(&r, 400);
    r = ask(s, "POST", path, json, "{\"maxWidth\":-1}");
    is_problem(&r, 400);
    r = ask(s, "POST", path, json, "{\"rid\":\"7\"}");
    is_problem(&r, 422);
    r = ask(s, "POST", path, "", "{}");
    is_problem(&r, 415);
    r = ask(s, "GET", path, "", NULL);
    is_problem(&r, 405);
    r = ask(s, "GET", strcat(location, "/other"), "", NULL);
    is_problem(&r, 404);
    assert_int_equal(s->fake.n_selects, 3);
}

#define PUBLISH_TEST(name) cmocka_unit_test_setup_teardown(name, setup_publishing, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PUBLISH_TEST(whip_from_post_to_delete),
        PUBLISH_TEST(patches_may_have_to_wait),
        PUBLISH_TEST(whip_ends_with_its_publisher),
        PUBLISH_TEST(whip_endpoint),
        PUBLISH_TEST(counter_offer),
        PUBLISH_TEST(events),
        PUBLISH_TEST(events_end_with_their_session),
        PUBLISH_TEST(events_are_refused),
        PUBLISH_TEST(layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
