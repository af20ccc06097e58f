/* peer_scene.h - a peer and a scripted browser for it, for test_peer.c. One thread.
 * thread.
 *
 * The test makes `server_context` and `client_context` before the first scene.
 */
#pragma once

#include "rtp/session/cipher.h"
#include "rtp/session/peer.h"
#include "rtp/wire/bytes.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define SECOND 1000000

static struct dtls_context *server_context, *client_context;

/* A browser's side, scripted: checks, a DTLS session of its own and its keys. */
struct viewer {
    struct dtls *dtls;
    struct seal *seal;
    struct address from;
    uint8_t transactions;
    unsigned stun_answers;
    uint8_t proof[512]; /* its answer to our last check */
    size_t proof_size;
};

struct scene {
    struct peer peer;
    struct viewer viewer;
    int64_t now;
};

static const struct ice_local credentials = {.ufrag = "0123456789abcdef",
                                             .pwd = "abcdefghijklmnopqrstuvwx"};
static const struct ice_local viewer_credentials = {.ufrag = "theirs",
                                                    .pwd = "zyxwvutsrqponmlkjihgfedc"};

static inline struct dtls_fingerprint fingerprint_of(struct dtls_context *ctx)
{
    char text[DTLS_FINGERPRINT_TEXT_MAX];
    struct dtls_fingerprint f;
    dtls_context_fingerprint(ctx, text);
    assert_true(dtls_fingerprint_parse(&f, text));
    return f;
}

static inline struct address at(const char *ip, uint16_t port)
{
    struct address a;
    assert_true(address_parse(&a, ip, port));
    return a;
}

static inline void create_scene(struct scene *s, enum dtls_role role)
{
    memset(s, 0, sizeof(*s));
    struct peer_config config = {.local = credentials,
                                 .remote_ufrag = "theirs",
                                 .remote_pwd = "zyxwvutsrqponmlkjihgfedc",
                                 .role = role,
                                 .n_fingerprints = 1,
                                 .fingerprints = {fingerprint_of(client_context)}};
    struct dtls_fingerprint expected = fingerprint_of(server_context);
    s->now = 1000 * SECOND;
    s->viewer.from = at("192.0.2.9", 5000);
    assert_int_equal(peer_init(&s->peer, &config, server_context, s->now), 0);
    assert_int_equal(dtls_create(&s->viewer.dtls, client_context,
                                 role == DTLS_SERVER ? DTLS_CLIENT : DTLS_SERVER, &expected, 1),
                     0);
}

static inline void destroy_scene(struct scene *s)
{
    peer_finish(&s->peer);
    dtls_destroy(s->viewer.dtls);
    seal_destroy(s->viewer.seal);
}

static inline enum peer_input give(struct scene *s, const void *data, size_t *size,
                                   const struct address *from)
{
    static uint8_t buffer[2048];
    memcpy(buffer, data, *size);
    return peer_on_datagram(&s->peer, buffer, size, from, s->now);
}

static inline void check(struct scene *s, const struct address *from)
{
    uint8_t out[512], transaction[12] = {++s->viewer.transactions};
    size_t n = ice_lite_write_check(out, sizeof(out), "theirs", credentials.ufrag, credentials.pwd,
                                    1, transaction);
    assert_int_equal(give(s, out, &n, from), PEER_INPUT_NONE);
}

/* What the peer sends goes to the viewer; returns the number of datagrams. */
static inline unsigned drain(struct scene *s)
{
    uint8_t out[DTLS_MTU];
    struct address to;
    unsigned n = 0;
    for (size_t size; (size = peer_next_datagram(&s->peer, out, sizeof(out), &to)) > 0; n++) {
        assert_true(address_equal(&to, &s->viewer.from));
        uint8_t transaction[12] = {s->viewer.transactions};
        if (get_u16(out) == 1) {
            s->viewer.proof_size = ice_lite_answer(&viewer_credentials, out, size, &s->viewer.from,
                                                   s->viewer.proof, sizeof(s->viewer.proof));
            assert_true(s->viewer.proof_size > 0);
        } else if (out[0] < 4) {
            assert_true(ice_lite_is_success(out, size, credentials.pwd, transaction));
            s->viewer.stun_answers++;
        } else {
            dtls_on_datagram(s->viewer.dtls, out, size);
        }
    }
    return n;
}

static inline unsigned viewer_speaks(struct scene *s)
{
    uint8_t out[DTLS_MTU];
    unsigned n = 0;
    for (size_t size; (size = dtls_next_datagram(s->viewer.dtls, out, sizeof(out))) > 0; n++)
        assert_int_equal(give(s, out, &size, &s->viewer.from), PEER_INPUT_NONE);
    return n;
}

static inline void pump(struct scene *s)
{
    while (drain(s) + viewer_speaks(s) > 0)
        ;
}

static inline void connect_scene(struct scene *s, enum dtls_role role)
{
    struct seal_keys keys;
    create_scene(s, role);
    check(s, &s->viewer.from);
    dtls_start(s->viewer.dtls);
    pump(s);
    assert_int_equal(s->peer.state, PEER_CONNECTED);
    assert_int_equal(dtls_state(s->viewer.dtls), DTLS_CONNECTED);
    dtls_keys(s->viewer.dtls, &keys);
    assert_int_equal(seal_create(&s->viewer.seal, &keys), 0);
}

static inline size_t write_pli(uint8_t *out)
{
    put_u32(out, 0x81ce0002);
    put_u32(out + 4, 77);
    put_u32(out + 8, 88);
    return 12;
}

static inline size_t sealed_pli(struct scene *s, uint8_t *out, size_t room)
{
    return seal_rtcp(s->viewer.seal, out, write_pli(out), room);
}
