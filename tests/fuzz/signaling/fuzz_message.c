/* fuzz_message.c - a WebSocket session fed with messages and events. The input is lines: one that
 * is a single letter is an event, every other one a message. What is sent is JSON, and no seat is
 * lost. */
#include "signaling/session_ws.h"

#include "tests/unit/signaling/fake_backend.h"

#include <assert.h>
#include <jansson.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
    struct fake fake;
    struct session_ws session;
    int64_t now;
    unsigned ended; /* viewers that the server has ended */
    unsigned wait_s;
};

static unsigned admit(void *arg)
{
    return ((struct run *)arg)->wait_s;
}

static void check_text(char *text)
{
    json_t *root = json_loads(text, 0, NULL);
    assert(root && json_is_string(json_object_get(root, "type")));
    json_decref(root);
    free(text);
}

static void check_json(void *arg, char *text)
{
    (void)arg;
    check_text(text);
}

static void check_told(void *arg, const char *room, enum session_ws_role role, char *text)
{
    assert(strcmp(((struct run *)arg)->session.room, room) == 0 && role < SESSION_WS_ROLES);
    check_text(text);
}

static unsigned guess(void *arg, bool wrong)
{
    return wrong ? 0 : ((struct run *)arg)->wait_s;
}

static void end_viewer(struct run *r, const char *reason)
{
    r->ended += r->session.viewer_id != 0;
    session_ws_on_viewer(&r->session, r->session.viewer_id, BACKEND_VIEWER_CLOSED, reason);
}

static void tell_room(struct run *r)
{
    struct session_ws_news news;
    session_ws_make_news(&news, &r->fake.backend, FAKE_ROOM);
    session_ws_on_room(&r->session, &news, r->now);
    session_ws_drop_news(&news);
}

static void on_event(struct run *r, char event)
{
    struct session_ws *s = &r->session;
    switch (event) {
    case 'l':
        session_ws_on_viewer(s, s->viewer_id, BACKEND_VIEWER_LIVE, "connected");
        break;
    case 'c':
        end_viewer(r, "consent-lost");
        break;
    case 'x':
        end_viewer(r, "\"\n");
        break;
    case 'r':
        tell_room(r);
        break;
    case 'a':
        r->fake.room.streams[1].active = !r->fake.room.streams[1].active;
        break;
    case 'w':
        r->wait_s = r->wait_s ? 0 : 3;
        break;
    case 'n':
        r->now += 1000000;
        break;
    case 'o':
        r->fake.room.live = !r->fake.room.live;
        break;
    case 'e':
        r->fake.exists = !r->fake.exists;
        break;
    case 'f':
        r->fake.reserve_status = r->fake.reserve_status ? 0 : -EAGAIN;
        break;
    case 's':
        r->fake.start_status = r->fake.start_status ? 0 : -EINVAL;
        break;
    case 't':
        if (session_ws_next_timeout(s) < INT64_MAX)
            r->now = session_ws_next_timeout(s);
        session_ws_on_timeout(s, r->now);
        break;
    case 'p': /* the server takes presenters, and has passwords */
        fake_use_publishing(&r->fake);
        break;
    case 'k':
        strcpy(r->fake.password, "sesame");
        break;
    case 'i':
        fake_use_agents(&r->fake);
        break;
    case 'u':
        r->fake.publish_start_status = r->fake.publish_start_status ? 0 : -EBUSY;
        break;
    case 'h':
        session_ws_on_publish_wish(s, s->viewer_id, 1, 7, "more");
        break;
    case 'v':
        session_ws_on_viewer_news(s, "{\"type\":\"viewer-joined\"}", r->now);
        break;
    case 'b':
        session_ws_on_binary(s, r->now);
        break;
    default:
        break;
    }
}

static void check_state(const struct session_ws *s)
{
    bool seated = s->state == SESSION_WS_OFFERED || s->state == SESSION_WS_ANSWERED ||
                  s->state == SESSION_WS_LIVE;
    assert(seated == (s->viewer_id != 0));
    assert(s->state != SESSION_WS_OFFERED || s->deadline_us < INT64_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run r = {.now = 1000000};
    const char *at = (const char *)data, *end = at + size;
    fake_init(&r.fake, 2);
    session_ws_init(&r.session, &r.fake.backend,
                    &(struct session_ws_output){.arg = &r,
                                                .emit = check_json,
                                                .allocate = fake_allocate,
                                                .admit = admit,
                                                .guess = guess,
                                                .tell = check_told},
                    NULL, r.now);
    while (at < end && !r.session.finished) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((stop ? stop : end) - at);
        if (n == 1)
            on_event(&r, *at);
        else
            session_ws_on_text(&r.session, at, n, r.now);
        check_state(&r.session);
        at = stop ? stop + 1 : end;
    }
    bool plays = r.session.state == SESSION_WS_ANSWERED || r.session.state == SESSION_WS_LIVE;
    session_ws_on_socket_closed(&r.session);
    session_ws_finish(&r.session);
    assert(r.fake.reserved == r.fake.left + r.ended + r.fake.n_publish_ends + plays);
    return 0;
}
