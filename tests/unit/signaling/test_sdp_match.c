/* test_sdp_match.c - what is agreed to: answers to our offers, and our answers to WHEP offers. */
#include "tests/unit/signaling/sdp_edit.h"

/* --- answers to it ------------------------------------------------------------------------------
 */

static int take_answer(struct backend_answer *out, const char *text, unsigned n_streams)
{
    struct fake f;
    struct sdp sdp;
    struct sdp_offered offered;
    fake_init(&f, n_streams);
    sdp_note_offered(&offered, &f.room);
    parse(&sdp, text);
    return sdp_take_answer(out, &sdp, &offered, sdp_error, sizeof(sdp_error));
}

static void answer_of_chromium(void **state)
{
    (void)state;
    struct backend_answer a;
    assert_int_equal(take_answer(&a, chromium_answer, 2), 0);
    assert_string_equal(a.ufrag, "tMg/");
    assert_string_equal(a.pwd, "b4/3CyoAcu2jFSGkviHIcYfi");
    assert_false(a.dtls_client);
    assert_int_equal(a.n_fingerprints, 1);
    assert_memory_equal(a.fingerprints[0], "sha-256 5D:73", 13);
    assert_int_equal(a.n_tracks, 2);
    assert_int_equal(a.tracks[0].stream, 0);
    assert_string_equal(a.tracks[1].mid, "1");
    assert_int_equal(a.tracks[0].payload_type, 96);
    assert_int_equal(a.tracks[0].rtx_payload_type, 97);
    assert_int_equal(a.tracks[1].payload_type, 98);
    assert_int_equal(a.tracks[1].transport_cc_id, 1);
    assert_int_equal(a.tracks[1].playout_delay_id, 2);
    assert_int_equal(a.tracks[1].mid_id, 3);
}

static void answer_of_firefox(void **state)
{
    (void)state;
    struct backend_answer a;
    assert_int_equal(take_answer(&a, firefox_answer, 1), 0);
    assert_int_equal(a.n_fingerprints, 1); /* from the session level */
    assert_int_equal(a.tracks[0].payload_type, 96);
    assert_int_equal(a.tracks[0].rtx_payload_type, 97);
}

/* Chromium's answer, edited so that it cannot be used; what the refusal says. */
static void bad_answers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *says;
        bool all;
    } rows[] = {
        {"a=recvonly", "a=sendonly", "sendonly", false},
        {"a=rtcp-mux\r\n", "", "rtcp-mux", false},
        {"a=setup:active", "a=setup:actpass", "a=setup", false},
        {"a=setup:active", "a=setup:holdconn", "holdconn", true},
        {"a=fingerprint:sha-256 ", "a=fingerprint:sha-1 ", "well-formed", true},
        {"a=fingerprint:", "a=print:", "no a=fingerprint", true},
        {"a=ice-ufrag:tMg/", "a=ice-ufrag:abc", "ice-ufrag", true},
        {"a=ice-ufrag:tMg/", "a=ice-ufrag:a b c", "ice-ufrag", true},
        {"a=ice-pwd:b4/3CyoAcu2jFSGkviHIcYfi", "a=ice-pwd:short", "ice-pwd", true},
        {"a=mid:1", "a=mid:2", "a=mid", false},
        {"a=mid:0\r\n", "", "a=mid", false},
        {"a=group:BUNDLE 0 1", "a=group:BUNDLE 0", "bundle", false},
        {"m=video", "m=audio", "not those of the offer", false},
        {"packetization-mode=1", "packetization-mode=0", "H.264", false},
        {"a=extmap-allow-mixed", "a=ice-lite", "ice-lite", false},
        {"a=recvonly", "a=inactive", "accepts no stream", true},
        {"m=video 9", "m=video 0", "accepts no stream", true},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct backend_answer a;
        char *text = (rows[i].all ? edit_all : edit)(chromium_answer, rows[i].from, rows[i].to);
        sdp_error[0] = '\0';
        assert_int_equal(take_answer(&a, text, 2), -EINVAL);
        if (!strstr(sdp_error, rows[i].says))
            fail_msg("row %u: \"%s\" does not say \"%s\"", i, sdp_error, rows[i].says);
        free(text);
    }
    struct backend_answer a;
    assert_int_equal(take_answer(&a, chromium_answer, 1), -EINVAL);
    assert_int_equal(take_answer(&a, chromium_answer, 3), -EINVAL);
}

static void parts_of_an_answer(void **state)
{
    (void)state;
    struct backend_answer a;
    char *text = edit(chromium_answer, "a=recvonly", "a=inactive");
    assert_int_equal(take_answer(&a, text, 2), 0);
    assert_int_equal(a.n_tracks, 1);
    assert_int_equal(a.tracks[0].stream, 1);
    free(text);
    text = edit(chromium_answer, "m=video 9", "m=video 0"); /* the first one is rejected */
    assert_int_equal(take_answer(&a, text, 2), 0);
    assert_int_equal(a.tracks[0].stream, 1);
    free(text);
    text = edit_all(chromium_answer, "a=setup:active", "a=setup:passive");
    assert_int_equal(take_answer(&a, text, 2), 0);
    assert_true(a.dtls_client);
    free(text);
    text = edit_all(chromium_answer, "a=fmtp:97 apt=96\r\n", "");
    assert_int_equal(take_answer(&a, text, 2), 0);
    assert_int_equal(a.tracks[0].rtx_payload_type, 0);
    assert_int_equal(a.tracks[1].rtx_payload_type, 99);
    free(text);
    text = edit(chromium_answer, "a=extmap:2 " SDP_URI_PLAYOUT_DELAY "\r\n", "");
    assert_int_equal(take_answer(&a, text, 2), 0);
    assert_int_equal(a.tracks[0].playout_delay_id, 0);
    assert_int_equal(a.tracks[1].playout_delay_id, 2);
    free(text);
    text = edit(chromium_answer, "a=recvonly", "a=sendrecv");
    assert_int_equal(take_answer(&a, text, 2), 0);
    assert_int_equal(a.n_tracks, 2);
    free(text);
}

/* --- WHEP ---------------------------------------------------------------------------------------
 */

struct whep {
    int status;
    struct backend_answer plan;
    struct sdp_places places;
    char text[SDP_WRITE_MAX];
};

/* Answers `offer` with `n_streams` streams. */
static struct whep *answer_offer(const char *offer, unsigned n_streams, int only)
{
    static struct whep w;
    struct fake f;
    struct sdp sdp;
    struct backend_room room;
    struct backend_seat seat;
    memset(&w, 0, sizeof(w));
    fake_init(&f, n_streams);
    fake_reserve(&f, FAKE_ROOM, &room, &seat);
    parse(&sdp, offer);
    w.status = sdp_take_offer(&w.plan, &w.places, &sdp, &room, only, sdp_error, sizeof(sdp_error));
    if (w.status == 0)
        assert_true(
            sdp_write_answer(w.text, sizeof(w.text), &sdp, &room, &seat, &w.plan, &w.places) > 0);
    return &w;
}

static void whep_of_chromium(void **state)
{
    (void)state;
    const struct whep *w = answer_offer(chromium_offer, 1, -1);
    assert_int_equal(w->status, 0);
    assert_int_equal(w->places.media[0], 1);
    assert_int_equal(w->plan.tracks[0].payload_type, 108);
    assert_int_equal(w->plan.tracks[0].rtx_payload_type, 109);
    assert_false(w->plan.dtls_client);
    has(w->text, "a=group:BUNDLE 1\r\n");
    has(w->text,
        "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=inactive\r\n");
    has(w->text, "m=video 8189 UDP/TLS/RTP/SAVPF 108 109\r\n");
    has(w->text, "a=setup:passive\r\n");
    has(w->text, "profile-level-id=42c028\r\n"); /* the stream's, not the 42e01f of the offer */
    has(w->text, "a=fmtp:109 apt=108\r\n");
    has(w->text, "a=extmap:3 " SDP_URI_TRANSPORT_CC "\r\n");
    has(w->text, "a=ice-lite\r\n");
    has(w->text, "a=sendonly\r\n");
    has(w->text, "a=end-of-candidates\r\n");
    assert_int_equal(count(w->text, "m="), 2);
    has_not(w->text, "actpass");
    has_not(w->text, "goog-remb");
    struct sdp sdp;
    parse(&sdp, w->text);
    assert_true(sdp.media[1].bundled && !sdp.media[0].bundled);
}

static void whep_of_firefox(void **state)
{
    (void)state;
    const struct whep *w = answer_offer(firefox_offer, 1, -1);
    assert_int_equal(w->status, 0);
    assert_int_equal(w->plan.tracks[0].payload_type, 126);
    assert_int_equal(w->plan.tracks[0].rtx_payload_type, 127);
    assert_int_equal(w->plan.tracks[0].playout_delay_id, 6);
    assert_int_equal(w->plan.tracks[0].transport_cc_id, 7);
    assert_int_equal(w->plan.n_fingerprints, 1);
}

static void whep_of_others(void **state)
{
    (void)state;
    const struct whep *w = answer_offer(gstreamer_offer, 1, -1);
    assert_int_equal(w->status, 0);
    assert_int_equal(w->plan.tracks[0].rtx_payload_type, 0);
    has(w->text, "m=video 8189 UDP/TLS/RTP/SAVPF 96\r\n");
    has(w->text, "a=mid:video0\r\n");
    has(w->text, "a=fmtp:96 packetization-mode=1;profile-level-id=42c028\r\n");
    has_not(w->text, "rtx");
    has_not(w->text, "FID");
    has_not(w->text, "extmap");
    has_not(w->text, "transport-cc");

    w = answer_offer(aiortc_offer, 1, -1);
    assert_int_equal(w->status, 0);
    assert_int_equal(w->plan.n_fingerprints, 3);
    assert_int_equal(w->plan.tracks[0].payload_type, 101);
    assert_int_equal(w->plan.tracks[0].mid_id, 1);
    has_not(w->text, "ccm fir");
    has_not(w->text, "a=rtcp-rsize");

    w = answer_offer(libdatachannel_offer, 1, -1);
    assert_int_equal(w->status, 0);
    assert_string_equal(w->plan.ufrag, "GxQv");
    assert_int_equal(w->plan.n_fingerprints, 1);
    has(w->text, "a=setup:passive\r\n");
}

/* Two m=video for two streams; `?stream=` puts one on the first. */
static void whep_streams_in_order(void **state)
{
    (void)state;
    const char *video = strstr(firefox_offer, "m=video");
    char *text = malloc(sizeof(firefox_offer) + strlen(video) + 1);
    sprintf(text, "%s%s", firefox_offer, video);
    char *two = edit(text, "a=group:BUNDLE 0 1", "a=group:BUNDLE 0 1 2");
    char *last = strstr(strstr(two, "a=mid:1") + 1, "a=mid:1");
    last[6] = '2';
    const struct whep *w = answer_offer(two, 2, -1);
    assert_int_equal(w->status, 0);
    assert_int_equal(w->plan.n_tracks, 2);
    assert_int_equal(w->plan.tracks[1].stream, 1);
    assert_int_equal(w->places.media[1], 2);
    has(w->text, "a=group:BUNDLE 1 2\r\n");
    has(w->text, "a=msid:screen-1 screen-1\r\n");
    has(w->text, "a=ssrc:1001 cname:amphi\r\n");
    w = answer_offer(two, 2, 1);
    assert_int_equal(w->plan.n_tracks, 1);
    assert_int_equal(w->plan.tracks[0].stream, 1);
    assert_int_equal(w->places.media[0], 1);
    has(w->text, "a=msid:screen-1 screen-1\r\n");
    has(w->text, "a=ssrc:1001 cname:amphi\r\n");
    has_not(w->text, "screen-0");
    w = answer_offer(two, 1, -1); /* more m-lines than streams */
    assert_int_equal(w->plan.n_tracks, 1);
    has(w->text, "m=video 0 ");
    free(two);
    two = edit(text, "a=group:BUNDLE 0 1\r\n", ""); /* no bundle: one transport, one m-line */
    strstr(strstr(two, "a=mid:1") + 1, "a=mid:1")[6] = '2';
    w = answer_offer(two, 2, -1);
    assert_int_equal(w->plan.n_tracks, 1);
    has_not(w->text, "BUNDLE");
    free(two);
    free(text);
}

/* With max-bundle only the first m-line has the transport, and others a port of 0 (RFC 9143 6). */
static void whep_bundle_only(void **state)
{
    (void)state;
    static const char offer[] =
        "v=0\r\na=group:BUNDLE a v\r\n"
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:a\r\na=recvonly\r\na=rtcp-mux\r\n"
        "a=rtpmap:111 opus/48000/2\r\na=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"
        "a=setup:passive\r\na=fingerprint:sha-256 "
        "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:"
        "EE:FF\r\n"
        "m=video 0 UDP/TLS/RTP/SAVPF 96\r\na=bundle-only\r\na=mid:v\r\na=recvonly\r\n"
        "a=rtcp-mux\r\na=rtpmap:96 H264/90000\r\n"
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:d\r\n";
    const struct whep *w = answer_offer(offer, 1, -1);
    assert_int_equal(w->status, 0);
    assert_string_equal(w->plan.ufrag, "abcd");
    assert_true(w->plan.dtls_client);
    has(w->text, "a=setup:active\r\n");
    has(w->text, "a=group:BUNDLE v\r\n");
    has(w->text, "m=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\n");
}

static void whep_that_does_not_fit(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        int status;
        const char *says;
    } rows[] = {
        {"H264/90000", "VP8/90000", -ENOTSUP, "H.264"},
        {"packetization-mode=1", "packetization-mode=0", -ENOTSUP, "H.264"},
        {"level-asymmetry-allowed=1", "level-asymmetry-allowed=0", -ENOTSUP, "level"},
        {"a=recvonly", "a=sendonly", -ENOTSUP, "wants to receive"},
        {"UDP/TLS/RTP/SAVPF", "RTP/AVP", -ENOTSUP, "DTLS-SRTP"},
        {"a=rtcp-mux\r\n", "", -EINVAL, "rtcp-mux"},
        {"a=setup:actpass", "a=setup:holdconn", -EINVAL, "holdconn"},
        {"a=fingerprint:sha-256", "a=fingerprint:sha-1", -EINVAL, "fingerprint"},
        {"a=fingerprint", "a=finger", -EINVAL, "fingerprint"},
        {"a=ice-ufrag:1b2c3d4e", "a=ice-ufrag:-", -EINVAL, "ice-ufrag"},
        {"a=ice-pwd", "a=ice-password", -EINVAL, "ice-pwd"},
        {"a=ice-options:trickle", "a=ice-lite", -EINVAL, "ice-lite"},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *text = edit_all(firefox_offer, rows[i].from, rows[i].to);
        sdp_error[0] = '\0';
        const struct whep *w = answer_offer(text, 1, -1);
        if (w->status != rows[i].status || !strstr(sdp_error, rows[i].says))
            fail_msg("row %u: %d \"%s\", not %d \"%s\"", i, w->status, sdp_error, rows[i].status,
                     rows[i].says);
        free(text);
    }
}

static void an_answer_too_long_is_refused(void **state)
{
    (void)state;
    static char text[SDP_MAX];
    static char out[SDP_WRITE_MAX];
    struct sdp sdp;
    struct fake f;
    struct backend_room room;
    struct backend_seat seat;
    struct backend_answer plan;
    struct sdp_places places;
    int n = sprintf(text, "%s", gstreamer_offer);
    for (int i = 0; i < 8; i++) {
        n += sprintf(text + n, "m=application 9 x ");
        memset(text + n, 'f', 7000);
        n += 7000;
        n += sprintf(text + n, "\r\n");
    }
    fake_init(&f, 1);
    fake_reserve(&f, FAKE_ROOM, &room, &seat);
    parse(&sdp, text);
    assert_int_equal(sdp_take_offer(&plan, &places, &sdp, &room, -1, sdp_error, sizeof(sdp_error)),
                     0);
    assert_int_equal(sdp_write_answer(out, sizeof(out), &sdp, &room, &seat, &plan, &places),
                     -ENOSPC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answer_of_chromium),
        cmocka_unit_test(answer_of_firefox),
        cmocka_unit_test(bad_answers_are_refused),
        cmocka_unit_test(parts_of_an_answer),
        cmocka_unit_test(whep_of_chromium),
        cmocka_unit_test(whep_of_firefox),
        cmocka_unit_test(whep_of_others),
        cmocka_unit_test(whep_streams_in_order),
        cmocka_unit_test(whep_bundle_only),
        cmocka_unit_test(whep_that_does_not_fit),
        cmocka_unit_test(an_answer_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
