/* ws_session.h - a WebSocket session to be tested: a fake backend and a clock that we hold. */
#pragma once

#include "signaling/session_ws.h"

#include "tests/unit/signaling/fake_backend.h"
#include "tests/unit/signaling/message_log.h"
#include "tests/unit/signaling/sdp_fixtures.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define NOTHING "{\"type\":\"streams-info\",\"streams\":[],\"ended\":[]}"
#define SECOND INT64_C(1000000)
#define JOIN                                                                                       \
    "{\"type\":\"join\",\"role\":\"viewer\",\"room\":\"swift-otter-042\",\"client\":\"test\"}"

struct test {
    struct fake fake;
    struct session_ws session;
    int64_t now;
    unsigned n_sent;
    char *sent[64]; /* owned */
};

static inline void keep(void *arg, char *text)
{
    struct test *t = arg;
    assert_true(t->n_sent < 64);
    t->sent[t->n_sent++] = text;
    message_log(MESSAGE_LOG_SENT, text);
}

static inline int setup(void **state)
{
    struct test *t = calloc(1, sizeof(*t));
    fake_init(&t->fake, 2);
    t->now = 1000 * SECOND;
    session_ws_init(&t->session, &t->fake.backend,
                    &(struct session_ws_output){.arg = t, .emit = keep, .allocate = fake_allocate},
                    NULL, t->now);
    *state = t;
    return 0;
}

static inline void forget_sent(struct test *t)
{
    while (t->n_sent > 0)
        free(t->sent[--t->n_sent]);
}

static inline int teardown(void **state)
{
    struct test *t = *state;
    forget_sent(t);
    session_ws_finish(&t->session);
    free(t);
    return 0;
}

static inline void count_sent(const struct test *t, unsigned answers, const char *to)
{
    if (t->n_sent == answers)
        return;
    for (unsigned i = 0; i < t->n_sent; i++)
        print_message("%u: %s\n", i, t->sent[i]);
    fail_msg("%u answers instead of %u to %s", t->n_sent, answers, to);
}

/* Sends `text` and expects that many answers. */
static inline void send_text(struct test *t, const char *text, unsigned answers)
{
    forget_sent(t);
    session_ws_on_text(&t->session, text, strlen(text), t->now);
    if (t->n_sent == 0 || !strstr(t->sent[0], "\"type\":\"error\""))
        message_log(MESSAGE_LOG_TAKEN, text);
    count_sent(t, answers, text);
}

static inline void sent_has(const struct test *t, unsigned i, const char *what)
{
    assert_true(i < t->n_sent);
    if (!strstr(t->sent[i], what))
        fail_msg("missing %s in %s", what, t->sent[i]);
}

static inline void is_error(const struct test *t, unsigned i, const char *code)
{
    char what[64];
    sprintf(what, "\"type\":\"error\",\"code\":\"%s\",\"error\":\"", code);
    sent_has(t, i, what);
}

static inline void send_sdp(struct test *t, const char *type, const char *sdp, const char *peer_id,
                            unsigned answers)
{
    static char text[40000];
    int n = sprintf(text, "{\"type\":\"%s\"%s%s%s,\"sdp\":\"", type,
                    peer_id ? ",\"peerId\":\"" : "", peer_id ? peer_id : "", peer_id ? "\"" : "");
    for (; *sdp; sdp++) {
        if (*sdp == '\r' || *sdp == '\n')
            n += sprintf(text + n, *sdp == '\r' ? "\\r" : "\\n");
        else
            text[n++] = *sdp;
    }
    strcpy(text + n, "\"}");
    send_text(t, text, answers);
}

static inline void send_answer(struct test *t, const char *sdp, const char *peer_id,
                               unsigned answers)
{
    send_sdp(t, "answer", sdp, peer_id, answers);
}

static inline void join(struct test *t)
{
    send_text(t, JOIN, 3);
    assert_int_equal(t->session.state, SESSION_WS_OFFERED);
}

static inline void join_and_answer(struct test *t)
{
    join(t);
    send_answer(t, chromium_answer, NULL, 0);
    assert_int_equal(t->session.state, SESSION_WS_ANSWERED);
}

static inline void viewer(struct test *t, uint32_t id, enum backend_viewer_state state,
                          const char *reason)
{
    forget_sent(t);
    session_ws_on_viewer(&t->session, id, state, reason);
}

static inline void room_changed(struct test *t, unsigned answers)
{
    struct session_ws_news news;
    forget_sent(t);
    session_ws_make_news(&news, &t->fake.backend, FAKE_ROOM);
    session_ws_on_room(&t->session, &news, t->now);
    session_ws_drop_news(&news);
    count_sent(t, answers, "a room that changed");
}

static inline void time_out(struct test *t, unsigned answers)
{
    forget_sent(t);
    int64_t due = session_ws_next_timeout(&t->session);
    assert_true(due < INT64_MAX);
    session_ws_on_timeout(&t->session, due - 1); /* not yet */
    assert_int_equal(t->n_sent, 0);
    t->now = due;
    session_ws_on_timeout(&t->session, due);
    assert_int_equal(t->n_sent, answers);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
