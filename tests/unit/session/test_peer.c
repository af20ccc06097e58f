#include "tests/unit/session/peer_scene.h"

static void test_connects_in_both_roles(void **state)
{
    (void)state;
    static const enum dtls_role roles[] = {DTLS_SERVER, DTLS_CLIENT};
    for (size_t i = 0; i < 2; i++) {
        struct scene s;
        create_scene(&s, roles[i]);
        assert_int_equal(s.peer.state, PEER_ICE);
        assert_int_equal(s.peer.reason, PEER_REASON_NONE);
        assert_int_equal(drain(&s), 0);
        check(&s, &s.viewer.from);
        assert_int_equal(s.peer.state, PEER_DTLS);
        assert_int_equal(drain(&s), roles[i] == DTLS_SERVER ? 1 : 2); /* a client speaks first */
        assert_int_equal(s.viewer.stun_answers, 1);
        dtls_start(s.viewer.dtls);
        pump(&s);
        assert_int_equal(s.peer.state, PEER_CONNECTED);
        assert_int_equal(s.peer.reason, PEER_REASON_NONE);
        assert_int_equal(s.peer.bad_datagrams, 0);
        destroy_scene(&s);
    }
}

static void test_media_both_ways(void **state)
{
    (void)state;
    struct scene s;
    uint8_t packet[512], plain[12], payload[100] = {42}, out[512];
    connect_scene(&s, DTLS_SERVER);

    size_t n = sealed_pli(&s, packet, sizeof(packet));
    assert_int_equal(peer_on_datagram(&s.peer, packet, &n, &s.viewer.from, s.now), PEER_INPUT_RTCP);
    assert_int_equal(n, write_pli(plain));
    assert_memory_equal(packet, plain, n);

    static const uint8_t header[12] = {0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7};
    memcpy(packet, header, sizeof(header));
    n = seal_rtp(s.viewer.seal, packet, sizeof(header), payload, sizeof(payload));
    assert_int_equal(peer_on_datagram(&s.peer, packet, &n, &s.viewer.from, s.now), PEER_INPUT_RTP);
    assert_int_equal(n, 112);
    assert_memory_equal(packet + 12, payload, 100);

    memcpy(out, header, sizeof(header));
    n = seal_rtp(s.peer.seal, out, sizeof(header), payload, sizeof(payload));
    assert_int_equal(unseal_rtp(s.viewer.seal, out, n), 112);
    assert_memory_equal(out + 12, payload, 100);
    n = seal_rtcp(s.peer.seal, out, write_pli(out), sizeof(out));
    assert_int_equal(unseal_rtcp(s.viewer.seal, out, n), 12);
    assert_int_equal(s.peer.bad_datagrams, 0);
    destroy_scene(&s);
}

static void test_bad_datagrams_are_counted(void **state)
{
    (void)state;
    struct scene s;
    struct address stranger = at("192.0.2.9", 5001);
    uint8_t packet[512], goodbye[DTLS_MTU];
    connect_scene(&s, DTLS_SERVER);

    size_t n = sealed_pli(&s, packet, sizeof(packet)), size = n;
    assert_int_equal(give(&s, packet, &size, &stranger), PEER_INPUT_NONE); /* wrong source */
    assert_int_equal(s.peer.bad_datagrams, 1);
    packet[n - 6] ^= 1;
    size = n;
    assert_int_equal(give(&s, packet, &size, &s.viewer.from), PEER_INPUT_NONE); /* forged */
    assert_int_equal(s.peer.bad_datagrams, 2);
    packet[n - 6] ^= 1;
    size = n;
    assert_int_equal(give(&s, packet, &size, &s.viewer.from), PEER_INPUT_RTCP);
    size = n;
    assert_int_equal(give(&s, packet, &size, &s.viewer.from), PEER_INPUT_NONE); /* replayed */
    assert_int_equal(s.peer.bad_datagrams, 3);

    size = 5;
    assert_int_equal(give(&s, "\x7fgarb", &size, &s.viewer.from), PEER_INPUT_NONE);
    size = 0;
    assert_int_equal(give(&s, "", &size, &s.viewer.from), PEER_INPUT_NONE);
    size = 30;
    assert_int_equal(give(&s, "\0\1not a stun message at all......", &size, &s.viewer.from),
                     PEER_INPUT_NONE);
    assert_int_equal(s.peer.bad_datagrams, 6);
    assert_int_equal(s.peer.ice.bad_checks, 1);

    dtls_shutdown(s.viewer.dtls);
    size = dtls_next_datagram(s.viewer.dtls, goodbye, sizeof(goodbye));
    assert_true(size > 0);
    assert_int_equal(give(&s, goodbye, &size, &stranger), PEER_INPUT_NONE); /* wrong source */
    assert_int_equal(s.peer.state, PEER_CONNECTED);
    assert_int_equal(s.peer.bad_datagrams, 7);
    assert_int_equal(give(&s, goodbye, &size, &s.viewer.from), PEER_INPUT_NONE);
    assert_int_equal(s.peer.state, PEER_CLOSED);
    destroy_scene(&s);
}

static void test_dtls_before_ice_is_dropped(void **state)
{
    (void)state;
    struct scene s;
    create_scene(&s, DTLS_SERVER);
    dtls_start(s.viewer.dtls);
    assert_int_equal(viewer_speaks(&s), 1);
    assert_int_equal(s.peer.bad_datagrams, 1);
    assert_int_equal(s.peer.state, PEER_ICE);
    assert_int_equal(drain(&s), 0);
    destroy_scene(&s);
}

static void test_media_before_keys_is_dropped(void **state)
{
    (void)state;
    struct scene s;
    uint8_t packet[100] = {0x80, 96};
    size_t size = sizeof(packet);
    create_scene(&s, DTLS_SERVER);
    check(&s, &s.viewer.from);
    assert_int_equal(give(&s, packet, &size, &s.viewer.from), PEER_INPUT_NONE);
    packet[1] = 200;
    assert_int_equal(give(&s, packet, &size, &s.viewer.from), PEER_INPUT_NONE);
    assert_int_equal(s.peer.bad_datagrams, 2);
    destroy_scene(&s);
}

static void test_ice_times_out(void **state)
{
    (void)state;
    struct scene s;
    create_scene(&s, DTLS_SERVER);
    int64_t deadline = s.now + PEER_CONNECT_TIMEOUT_US;
    assert_true(peer_next_timeout(&s.peer, s.now) == deadline);
    peer_on_timeout(&s.peer, deadline - 1);
    assert_int_equal(s.peer.state, PEER_ICE);
    peer_on_timeout(&s.peer, deadline);
    assert_int_equal(s.peer.state, PEER_CLOSED);
    assert_int_equal(s.peer.reason, PEER_REASON_ICE_TIMEOUT);
    assert_true(peer_next_timeout(&s.peer, deadline) == INT64_MAX);
    assert_int_equal(drain(&s), 0);
    s.now = deadline;
    check(&s, &s.viewer.from); /* too late: not answered */
    assert_int_equal(drain(&s), 0);
    destroy_scene(&s);
}

static void test_dtls_times_out(void **state)
{
    (void)state;
    struct scene s;
    create_scene(&s, DTLS_SERVER);
    s.now += 9 * SECOND;
    check(&s, &s.viewer.from);
    int64_t deadline = s.now + PEER_CONNECT_TIMEOUT_US; /* counted from here */
    assert_true(peer_next_timeout(&s.peer, s.now) == deadline);
    peer_on_timeout(&s.peer, deadline - 1);
    assert_int_equal(s.peer.state, PEER_DTLS);
    peer_on_timeout(&s.peer, deadline);
    assert_int_equal(s.peer.state, PEER_CLOSED);
    assert_int_equal(s.peer.reason, PEER_REASON_DTLS_TIMEOUT);
    destroy_scene(&s);
}

static void test_handshake_timer_is_filed(void **state)
{
    (void)state;
    struct scene s;
    create_scene(&s, DTLS_CLIENT);
    check(&s, &s.viewer.from); /* sends the ClientHello */
    int64_t at_us = peer_next_timeout(&s.peer, s.now);
    assert_true(at_us > s.now - 1 && at_us <= s.now + 100000);
    destroy_scene(&s);
}

static void test_consent_is_kept_and_lost(void **state)
{
    (void)state;
    struct scene s;
    connect_scene(&s, DTLS_SERVER);
    for (int i = 0; i < 10; i++) {
        s.now += 25 * SECOND;
        peer_on_timeout(&s.peer, s.now);
        assert_int_equal(s.peer.state, PEER_CONNECTED);
        check(&s, &s.viewer.from);
        assert_int_equal(drain(&s), 1);
    }
    uint8_t packet[512]; /* media is no consent */
    s.now += 20 * SECOND;
    size_t n = sealed_pli(&s, packet, sizeof(packet));
    assert_int_equal(give(&s, packet, &n, &s.viewer.from), PEER_INPUT_RTCP);
    int64_t deadline = s.now + 10 * SECOND;
    assert_true(peer_next_timeout(&s.peer, s.now) == deadline);
    peer_on_timeout(&s.peer, deadline - 1);
    assert_int_equal(s.peer.state, PEER_CONNECTED);
    n = ice_lite_write_check(packet, sizeof(packet), "theirs", credentials.ufrag, "wrong", 1,
                             (const uint8_t *)"transaction");
    assert_int_equal(give(&s, packet, &n, &s.viewer.from), PEER_INPUT_NONE);
    assert_true(s.peer.stun_reply_size > 0); /* an answer waits */
    peer_on_timeout(&s.peer, deadline);
    assert_int_equal(s.peer.state, PEER_CLOSED);
    assert_int_equal(s.peer.reason, PEER_REASON_CONSENT_LOST);
    assert_int_equal(drain(&s), 0); /* RFC 7675: not even a goodbye */
    peer_close(&s.peer, deadline);
    assert_int_equal(drain(&s), 0);
    assert_int_equal(s.peer.reason, PEER_REASON_CONSENT_LOST);
    destroy_scene(&s);
}

static void test_remote_closes(void **state)
{
    (void)state;
    struct scene s;
    connect_scene(&s, DTLS_SERVER);
    dtls_shutdown(s.viewer.dtls);
    pump(&s);
    assert_int_equal(s.peer.state, PEER_CLOSED);
    assert_int_equal(s.peer.reason, PEER_REASON_REMOTE_CLOSED);
    destroy_scene(&s);
}

static void test_local_closes(void **state)
{
    (void)state;
    struct scene s;
    connect_scene(&s, DTLS_SERVER);
    peer_close(&s.peer, s.now);
    assert_int_equal(s.peer.state, PEER_CLOSED);
    assert_int_equal(s.peer.reason, PEER_REASON_LOCAL_CLOSED);
    assert_int_equal(drain(&s), 1);
    assert_int_equal(dtls_state(s.viewer.dtls), DTLS_CLOSED);
    destroy_scene(&s);

    create_scene(&s, DTLS_SERVER); /* before anything happened */
    peer_close(&s.peer, s.now);
    assert_int_equal(s.peer.reason, PEER_REASON_LOCAL_CLOSED);
    assert_int_equal(drain(&s), 0);
    destroy_scene(&s);
}

/* The first authentic packet frees OpenSSL's session; goodbyes work both ways all the same. */
static void test_goodbyes_once_media_flows(void **state)
{
    (void)state;
    static const enum dtls_role roles[] = {DTLS_SERVER, DTLS_CLIENT};
    for (size_t i = 0; i < 4; i++) {
        struct scene s;
        uint8_t packet[512], goodbye[DTLS_MTU];
        connect_scene(&s, roles[i / 2]);
        size_t n = sealed_pli(&s, packet, sizeof(packet));
        assert_int_equal(give(&s, packet, &n, &s.viewer.from), PEER_INPUT_RTCP);
        if (i % 2) {
            peer_close(&s.peer, s.now);
            assert_int_equal(drain(&s), 1);
            assert_int_equal(dtls_state(s.viewer.dtls), DTLS_CLOSED);
            assert_int_equal(s.peer.reason, PEER_REASON_LOCAL_CLOSED);
            destroy_scene(&s);
            continue;
        }
        dtls_shutdown(s.viewer.dtls);
        size_t size = dtls_next_datagram(s.viewer.dtls, goodbye, sizeof(goodbye));
        struct address stranger = at("192.0.2.9", 5001);
        assert_int_equal(give(&s, goodbye, &size, &stranger), PEER_INPUT_NONE);
        goodbye[size - 1] ^= 1;
        assert_int_equal(give(&s, goodbye, &size, &s.viewer.from), PEER_INPUT_NONE);
        assert_int_equal(s.peer.state, PEER_CONNECTED);
        goodbye[size - 1] ^= 1;
        assert_int_equal(give(&s, goodbye, &size, &s.viewer.from), PEER_INPUT_NONE);
        assert_int_equal(s.peer.state, PEER_CLOSED);
        assert_int_equal(s.peer.reason, PEER_REASON_REMOTE_CLOSED);
        destroy_scene(&s);
    }
}

static void test_wrong_fingerprint_closes(void **state)
{
    (void)state;
    struct scene s;
    create_scene(&s, DTLS_SERVER);
    peer_finish(&s.peer);
    struct peer_config config = {.local = credentials,
                                 .role = DTLS_SERVER,
                                 .n_fingerprints = 1,
                                 .fingerprints = {fingerprint_of(server_context)}};
    assert_int_equal(peer_init(&s.peer, &config, server_context, s.now), 0);
    check(&s, &s.viewer.from);
    dtls_start(s.viewer.dtls);
    pump(&s);
    assert_int_equal(s.peer.state, PEER_CLOSED);
    assert_int_equal(s.peer.reason, PEER_REASON_DTLS_FAILED);
    assert_null(s.peer.seal);
    assert_int_equal(dtls_state(s.viewer.dtls), DTLS_FAILED); /* the alert still went out */
    destroy_scene(&s);
}

static void test_fingerprint_is_demanded(void **state)
{
    (void)state;
    struct peer p;
    struct peer_config config = {.local = credentials, .role = DTLS_SERVER};
    assert_int_equal(peer_init(&p, &config, server_context, 0), -EINVAL);
    peer_finish(&p);
    memset(&p, 0, sizeof(p));
    peer_finish(&p); /* zeroed memory is fine */
}

static void test_media_follows_a_new_address(void **state)
{
    (void)state;
    struct scene s;
    uint8_t packet[512];
    connect_scene(&s, DTLS_SERVER);
    struct address old = s.viewer.from;
    s.viewer.from = at("2001:db8::5", 6000);
    assert_true(peer_may_send(&s.peer));
    check(&s, &s.viewer.from); /* with USE-CANDIDATE */
    assert_int_equal(drain(&s), 2);
    assert_true(address_equal(&s.peer.ice.remote, &s.viewer.from));
    assert_false(peer_may_send(&s.peer)); /* it may be somebody else's */
    assert_int_equal(peer_next_timeout(&s.peer, s.now), s.now + ICE_PROOF_AGAIN_US);
    size_t answer_size = s.viewer.proof_size;
    assert_int_equal(give(&s, s.viewer.proof, &answer_size, &s.viewer.from), PEER_INPUT_NONE);
    assert_true(peer_may_send(&s.peer));
    assert_true(peer_next_timeout(&s.peer, s.now) > s.now + ICE_PROOF_AGAIN_US);
    size_t n = sealed_pli(&s, packet, sizeof(packet));
    assert_int_equal(give(&s, packet, &n, &old), PEER_INPUT_NONE);
    assert_int_equal(give(&s, packet, &n, &s.viewer.from), PEER_INPUT_RTCP);
    peer_close(&s.peer, s.now);
    assert_int_equal(drain(&s), 1); /* drain checks where it goes */
    assert_int_equal(dtls_state(s.viewer.dtls), DTLS_CLOSED);
    destroy_scene(&s);
}

/* A NAT changed the address: what it says next tells, not only its next check. */
static void test_an_authentic_report_tells_a_new_address(void **state)
{
    (void)state;
    struct scene s;
    uint8_t packet[512], copy[512];
    connect_scene(&s, DTLS_SERVER);
    struct address old = s.viewer.from, fresh = at("192.0.2.9", 6000);
    size_t n = sealed_pli(&s, packet, sizeof(packet)), size = n;
    memcpy(copy, packet, n);
    copy[n / 2] ^= 1;
    assert_false(peer_on_stray(&s.peer, copy, &size, &fresh, s.now)); /* not authentic */
    memcpy(copy, packet, n);
    assert_int_equal(give(&s, copy, &size, &old), PEER_INPUT_RTCP);
    size = n;
    assert_false(peer_on_stray(&s.peer, packet, &size, &fresh, s.now)); /* a replay */
    assert_true(address_equal(&s.peer.ice.remote, &old));
    assert_true(peer_may_send(&s.peer));

    int64_t consent = ice_lite_consent_deadline(&s.peer.ice);
    size = sealed_pli(&s, packet, sizeof(packet));
    assert_true(peer_on_stray(&s.peer, packet, &size, &fresh, s.now + SECOND));
    assert_int_equal(size, 12);
    assert_true(address_equal(&s.peer.ice.remote, &fresh));
    assert_int_equal(ice_lite_consent_deadline(&s.peer.ice), consent);
    assert_false(peer_may_send(&s.peer)); /* it may be somebody else's */
    s.viewer.from = fresh;
    assert_int_equal(drain(&s), 1); /* our check, and the viewer's answer to it: */
    size = s.viewer.proof_size;
    assert_int_equal(give(&s, s.viewer.proof, &size, &fresh), PEER_INPUT_NONE);
    assert_true(peer_may_send(&s.peer));
    destroy_scene(&s);
}

/* An agent that nominates all it checks: the last check to come is not of the pair it uses. */
static void test_a_handshake_stays_where_it_began(void **state)
{
    (void)state;
    struct scene s;
    uint8_t hello[DTLS_MTU], out[DTLS_MTU];
    struct address to, used = at("192.0.2.9", 5000), other = at("198.51.100.7", 5001),
                       stranger = at("203.0.113.1", 5002);
    create_scene(&s, DTLS_SERVER);
    check(&s, &used);
    drain(&s);
    s.viewer.from = other;
    check(&s, &other);
    drain(&s);
    assert_true(address_equal(&s.peer.ice.remote, &other));
    dtls_start(s.viewer.dtls);
    size_t size = dtls_next_datagram(s.viewer.dtls, hello, sizeof(hello)), n = size;
    give(&s, hello, &n, &stranger); /* has checked nothing */
    assert_true(address_equal(&s.peer.ice.remote, &other));
    assert_int_equal(peer_next_datagram(&s.peer, out, sizeof(out), &to), 0);
    s.viewer.from = used;
    give(&s, hello, &size, &used);
    assert_true(drain(&s) > 0); /* all of it to where it came from */
    s.viewer.from = other;
    check(&s, &other); /* once more, in the middle */
    drain(&s);
    s.viewer.from = used;
    pump(&s);
    assert_int_equal(s.peer.state, PEER_CONNECTED);
    assert_int_equal(dtls_state(s.viewer.dtls), DTLS_CONNECTED);
    check(&s, &other); /* afterwards a check decides, as ever */
    assert_true(address_equal(&s.peer.ice.remote, &other));
    destroy_scene(&s);
}

static void test_no_stray_moves_a_peer_that_is_not_connected(void **state)
{
    (void)state;
    struct scene s;
    uint8_t packet[512];
    connect_scene(&s, DTLS_SERVER);
    struct address fresh = at("192.0.2.9", 6000), tcp = fresh;
    tcp.path = 1;
    size_t n = sealed_pli(&s, packet, sizeof(packet));
    assert_false(peer_on_stray(&s.peer, packet, &n, &tcp, s.now));
    peer_close(&s.peer, s.now);
    assert_false(peer_on_stray(&s.peer, packet, &n, &fresh, s.now));
    assert_false(address_equal(&s.peer.ice.remote, &fresh));
    destroy_scene(&s);
}

/* Garbage of every kind at every stage changes nothing but counters. */
static void test_garbage_changes_nothing(void **state)
{
    (void)state;
    struct scene s;
    uint32_t seed = 7;
    create_scene(&s, DTLS_SERVER);
    for (int stage = 0; stage < 3; stage++) {
        enum peer_state before = s.peer.state;
        for (int i = 0; i < 2000; i++) {
            uint8_t bytes[200];
            for (size_t b = 0; b < sizeof(bytes); b++)
                bytes[b] = (uint8_t)((seed = seed * 1664525u + 1013904223u) >> 24);
            size_t size = (seed >> 8) % sizeof(bytes);
            assert_int_equal(give(&s, bytes, &size, &s.viewer.from), PEER_INPUT_NONE);
        }
        assert_int_equal(s.peer.state, before);
        if (stage == 0) {
            check(&s, &s.viewer.from);
        } else if (stage == 1) {
            dtls_start(s.viewer.dtls);
            pump(&s);
        }
        assert_int_equal(s.peer.state, stage == 0 ? PEER_DTLS : PEER_CONNECTED);
    }
    assert_true(s.peer.bad_datagrams > 3000);
    destroy_scene(&s);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(peer_state_name(PEER_ICE), "ice");
    assert_string_equal(peer_state_name(PEER_DTLS), "dtls");
    assert_string_equal(peer_state_name(PEER_CONNECTED), "connected");
    assert_string_equal(peer_state_name(PEER_CLOSED), "closed");
    static const char *const reasons[] = {"none",        "ice-timeout",  "dtls-timeout",
                                          "dtls-failed", "consent-lost", "remote-closed",
                                          "local-closed"};
    for (unsigned r = PEER_REASON_NONE; r <= PEER_REASON_LOCAL_CLOSED; r++)
        assert_string_equal(peer_reason_name((enum peer_reason)r), reasons[r - PEER_REASON_NONE]);
}

static int setup(void **state)
{
    (void)state;
    return cipher_install(CIPHER_AUTO) || dtls_context_create(&server_context) ||
           dtls_context_create(&client_context);
}

static int teardown(void **state)
{
    (void)state;
    dtls_context_destroy(server_context);
    dtls_context_destroy(client_context);
    return 0;
}

/* --- beside a full agent --- */

static void create_beside_agent(struct scene *s)
{
    create_scene(s, DTLS_SERVER);
    peer_finish(&s->peer);
    struct peer_config config = {.local = credentials,
                                 .full_ice = true,
                                 .role = DTLS_SERVER,
                                 .n_fingerprints = 1,
                                 .fingerprints = {fingerprint_of(client_context)}};
    assert_int_equal(peer_init(&s->peer, &config, server_context, s->now), 0);
}

static void an_agent_chooses_the_path(void **state)
{
    (void)state;
    struct scene s;
    create_beside_agent(&s);
    check(&s, &s.viewer.from); /* it is the agent that reads these */
    assert_int_equal(s.peer.state, PEER_ICE);
    assert_int_equal(s.peer.bad_datagrams, 1);
    assert_int_equal(drain(&s), 0);

    peer_on_path(&s.peer, &s.viewer.from, s.now);
    assert_int_equal(s.peer.state, PEER_DTLS);
    dtls_start(s.viewer.dtls);
    pump(&s);
    assert_int_equal(s.peer.state, PEER_CONNECTED);
    s.now += 100 * SECOND; /* consent is the agent's business */
    assert_int_equal(peer_next_timeout(&s.peer, s.now), INT64_MAX);
    peer_on_timeout(&s.peer, s.now);
    assert_int_equal(s.peer.state, PEER_CONNECTED);

    s.viewer.from = at("192.0.2.10", 6000);
    peer_on_path(&s.peer, &s.viewer.from, s.now);
    assert_int_equal(s.peer.state, PEER_CONNECTED);
    peer_close(&s.peer, s.now);
    assert_int_equal(drain(&s), 1); /* close_notify, to the new address */
    assert_int_equal(dtls_state(s.viewer.dtls), DTLS_CLOSED);
    destroy_scene(&s);
}

static void an_agent_loses_the_path(void **state)
{
    (void)state;
    struct scene s;
    create_beside_agent(&s);
    peer_on_path(&s.peer, &s.viewer.from, s.now);
    dtls_start(s.viewer.dtls);
    pump(&s);
    peer_on_path_lost(&s.peer, s.now);
    assert_int_equal(s.peer.state, PEER_CLOSED);
    assert_int_equal(s.peer.reason, PEER_REASON_CONSENT_LOST);
    assert_int_equal(drain(&s), 0);
    peer_on_path_lost(&s.peer, s.now);
    destroy_scene(&s);
}

static void no_path_is_chosen(void **state)
{
    (void)state;
    struct scene s;
    create_beside_agent(&s);
    s.now += PEER_CONNECT_TIMEOUT_US;
    peer_on_timeout(&s.peer, s.now);
    assert_int_equal(s.peer.state, PEER_CLOSED);
    assert_int_equal(s.peer.reason, PEER_REASON_ICE_TIMEOUT);
    destroy_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connects_in_both_roles),
        cmocka_unit_test(test_media_both_ways),
        cmocka_unit_test(test_bad_datagrams_are_counted),
        cmocka_unit_test(test_dtls_before_ice_is_dropped),
        cmocka_unit_test(test_media_before_keys_is_dropped),
        cmocka_unit_test(test_ice_times_out),
        cmocka_unit_test(test_dtls_times_out),
        cmocka_unit_test(test_handshake_timer_is_filed),
        cmocka_unit_test(test_consent_is_kept_and_lost),
        cmocka_unit_test(test_remote_closes),
        cmocka_unit_test(test_local_closes),
        cmocka_unit_test(test_goodbyes_once_media_flows),
        cmocka_unit_test(test_wrong_fingerprint_closes),
        cmocka_unit_test(test_fingerprint_is_demanded),
        cmocka_unit_test(test_media_follows_a_new_address),
        cmocka_unit_test(test_an_authentic_report_tells_a_new_address),
        cmocka_unit_test(test_a_handshake_stays_where_it_began),
        cmocka_unit_test(test_no_stray_moves_a_peer_that_is_not_connected),
        cmocka_unit_test(test_garbage_changes_nothing),
        cmocka_unit_test(test_names),
        cmocka_unit_test(an_agent_chooses_the_path),
        cmocka_unit_test(an_agent_loses_the_path),
        cmocka_unit_test(no_path_is_chosen),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
