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
    int status = sdp_parse(&sdp, text, strlen(text), sdp_error, sizeof(sdp_error));
    if (status != 0)
        return status;
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
    assert_int_equal(a.n_tracks, BACKEND_STREAMS_MAX + SDP_AUDIO_SLOTS);
    static const uint8_t formats[][2] = {{96, 97}, {112, 113}, {114, 115}, {116, 117}};
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        assert_int_equal(a.tracks[i].slot, i);
        assert_false(a.tracks[i].audio);
        assert_int_equal(a.tracks[i].opus_payload_type, 0);
        for (unsigned c = BACKEND_H264; c < BACKEND_CODECS; c++) {
            unsigned other = i == 1 && c == BACKEND_H264 ? 2 : 0; /* another profile */
            assert_int_equal(a.tracks[i].formats[c].payload_type, formats[c - 1][0] + other);
            assert_int_equal(a.tracks[i].formats[c].rtx_payload_type, formats[c - 1][1] + other);
        }
    }
    assert_string_equal(a.tracks[1].mid, "1");
    assert_int_equal(a.tracks[1].transport_cc_id, 1);
    assert_int_equal(a.tracks[1].playout_delay_id, 2);
    assert_int_equal(a.tracks[1].mid_id, 3);
    for (unsigned i = BACKEND_STREAMS_MAX; i < a.n_tracks; i++) {
        assert_true(a.tracks[i].audio);
        assert_int_equal(a.tracks[i].slot, i - BACKEND_STREAMS_MAX);
        assert_int_equal(a.tracks[i].opus_payload_type, 118);
        assert_int_equal(a.tracks[i].formats[BACKEND_H264].payload_type, 0);
        assert_int_equal(a.tracks[i].playout_delay_id, 0);
        assert_int_equal(a.tracks[i].mid_id, 3);
    }
}

static void answer_of_firefox(void **state)
{
    (void)state;
    struct backend_answer a;
    assert_int_equal(take_answer(&a, firefox_answer, 1), 0);
    assert_int_equal(a.n_fingerprints, 1); /* from the session level */
    assert_int_equal(a.n_tracks, BACKEND_STREAMS_MAX);
    assert_int_equal(a.tracks[0].formats[BACKEND_H264].payload_type, 96);
    assert_int_equal(a.tracks[0].formats[BACKEND_H264].rtx_payload_type, 97);
    assert_int_equal(a.tracks[0].formats[BACKEND_VP8].payload_type, 0);
}

/* A server's answer to what we publish: two pictures in slots 0 and 2, the sound of the first. */
static const char server_answer[] =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1 2\r\na=ice-lite\r\n"
    "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n"
    "a=fingerprint:sha-256 "
    "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:"
    "00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\na=setup:passive\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 112 113\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=recvonly\r\n"
    "a=rtcp-mux\r\na=rtpmap:112 VP8/90000\r\na=rtpmap:113 rtx/90000\r\na=fmtp:113 apt=112\r\n"
    "a=extmap:1 " SDP_URI_TRANSPORT_CC "\r\n"
    "m=video 0 UDP/TLS/RTP/SAVPF 112\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=inactive\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 118\r\nc=IN IP4 0.0.0.0\r\na=mid:2\r\na=recvonly\r\n"
    "a=rtcp-mux\r\na=rtpmap:118 opus/48000/2\r\n";

static void note_sent(struct sdp_offered *out, struct fake *f)
{
    fake_init(f, 3);
    f->room.streams[1].active = false;
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++)
        f->room.streams[i].has_audio = i == 0;
    sdp_note_sent(out, &f->room);
}

static void answer_of_a_server_is_of_what_was_sent(void **state)
{
    (void)state;
    struct fake f;
    struct sdp sdp;
    struct sdp_offered offered;
    struct backend_answer a;
    note_sent(&offered, &f);
    assert_int_equal(offered.n_media, 3);
    parse(&sdp, server_answer);
    assert_int_equal(sdp_take_answer(&a, &sdp, &offered, sdp_error, sizeof(sdp_error)), 0);
    assert_int_equal(a.n_tracks, 2);
    assert_true(a.dtls_client);
    assert_int_equal(a.tracks[0].slot, 0);
    assert_int_equal(a.tracks[0].formats[BACKEND_VP8].payload_type, 112);
    assert_int_equal(a.tracks[0].formats[BACKEND_VP8].rtx_payload_type, 113);
    assert_int_equal(a.tracks[0].formats[BACKEND_H264].payload_type, 0);
    assert_int_equal(a.tracks[0].transport_cc_id, 1);
    assert_true(a.tracks[1].audio);
    assert_int_equal(a.tracks[1].slot, 0);
    assert_string_equal(a.tracks[1].mid, "2");

    char *swapped = edit(server_answer, "m=audio 9", "m=video 9");
    parse(&sdp, swapped);
    assert_int_equal(sdp_take_answer(&a, &sdp, &offered, sdp_error, sizeof(sdp_error)), -EINVAL);
    assert_non_null(strstr(sdp_error, "not those of the offer"));
    free(swapped);
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
        {"a=mid:1", "a=mid:11", "a=mid", false},
        {"a=mid:1", "a=mid:2", "same a=mid", false},
        {"a=mid:0\r\n", "", "a=mid", false},
        {"a=group:BUNDLE 0 1", "a=group:BUNDLE 0", "bundle", false},
        {"m=video", "m=audio", "not those of the offer", false},
        {"m=audio", "m=video", "not those of the offer", false},
        {"m=audio", "m=application", "not those of the offer", true},
        {"opus/48000/2", "opus/48000/1", "without a format", false},
        {"a=extmap-allow-mixed", "a=ice-lite", "ice-lite", false},
        {"a=recvonly", "a=inactive", "accepts no stream", true},
        {" 9 UDP", " 0 UDP", "accepts no stream", true},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct backend_answer a;
        char *text = (rows[i].all ? edit_all : edit)(chromium_answer, rows[i].from, rows[i].to);
        sdp_error[0] = '\0';
        assert_true(take_answer(&a, text, 2) < 0);
        if (!strstr(sdp_error, rows[i].says))
            fail_msg("row %u: \"%s\" does not say \"%s\"", i, sdp_error, rows[i].says);
        free(text);
    }
    struct backend_answer a;
    char *text = strdup(chromium_answer); /* one m-line less */
    *(strstr(strstr(text, "m=audio") + 1, "m=audio")) = '\0';
    assert_int_equal(take_answer(&a, text, 2), -EINVAL);
    assert_non_null(strstr(sdp_error, "as many m-lines"));
    free(text);
    text = edit_all(chromium_answer, "H264/90000", "H265/90000");
    char *none = edit_all(text, "VP9/90000", "VP9/8000");
    free(text);
    text = edit_all(none, "profile=0", "profile=1");
    free(none);
    assert_int_equal(take_answer(&a, text, 2), 0); /* VP8 is left */
    assert_int_equal(a.tracks[0].formats[BACKEND_VP8].payload_type, 112);
    assert_int_equal(a.tracks[0].formats[BACKEND_AV1].payload_type, 0);
    none = edit_all(text, "VP8/90000", "AV2/90000");
    assert_int_equal(take_answer(&a, none, 2), -EINVAL);
    assert_non_null(strstr(sdp_error, "without a format"));
    free(none);
    free(text);
}

static void parts_of_an_answer(void **state)
{
    (void)state;
    struct backend_answer a;
    char *text = edit(chromium_answer, "a=recvonly", "a=inactive");
    assert_int_equal(take_answer(&a, text, 2), 0);
    assert_int_equal(a.n_tracks, BACKEND_STREAMS_MAX + SDP_AUDIO_SLOTS - 1);
    assert_int_equal(a.tracks[0].slot, 1);
    free(text);
    text = edit(chromium_answer, "m=video 9", "m=video 0"); /* the first one is rejected */
    assert_int_equal(take_answer(&a, text, 2), 0);
    assert_int_equal(a.tracks[0].slot, 1);
    free(text);
    text = edit_all(chromium_answer, "m=video 9", "m=video 0"); /* sound only */
    assert_int_equal(take_answer(&a, text, 2), 0);
    assert_int_equal(a.n_tracks, SDP_AUDIO_SLOTS);
    assert_true(a.tracks[0].audio && a.tracks[0].slot == 0);
    free(text);
    text = edit_all(chromium_answer, "a=setup:active", "a=setup:passive");
    assert_int_equal(take_answer(&a, text, 2), 0);
    assert_true(a.dtls_client);
    free(text);
    text = edit_all(chromium_answer, "a=fmtp:97 apt=96\r\n", "");
    assert_int_equal(take_answer(&a, text, 2), 0);
    assert_int_equal(a.tracks[0].formats[BACKEND_H264].rtx_payload_type, 0);
    assert_int_equal(a.tracks[0].formats[BACKEND_VP8].rtx_payload_type, 113);
    assert_int_equal(a.tracks[1].formats[BACKEND_H264].rtx_payload_type, 99);
    free(text);
    text = edit(chromium_answer, "a=extmap:2 " SDP_URI_PLAYOUT_DELAY "\r\n", "");
    assert_int_equal(take_answer(&a, text, 2), 0);
    assert_int_equal(a.tracks[0].playout_delay_id, 0);
    assert_int_equal(a.tracks[1].playout_delay_id, 2);
    free(text);
    text = edit(chromium_answer, "a=recvonly", "a=sendrecv");
    assert_int_equal(take_answer(&a, text, 2), 0);
    assert_int_equal(a.n_tracks, BACKEND_STREAMS_MAX + SDP_AUDIO_SLOTS);
    free(text);
    /* RFC 9143: of a bundle the first m-line may say it for the others */
    text = edit_all(chromium_answer, "a=rtcp-mux\r\n", "");
    char *once = edit(text, "a=mid:0\r\n", "a=mid:0\r\na=rtcp-mux\r\n");
    assert_int_equal(take_answer(&a, once, 2), -EINVAL); /* but here each has its own transport */
    free(once);
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

/* Answers `offer` with what the room has. */
static struct whep *answer_with(struct fake *f, const char *offer, int only)
{
    static struct whep w;
    struct sdp sdp;
    struct backend_room room;
    struct backend_seat seat = {0};
    memset(&w, 0, sizeof(w));
    fake_reserve(f, FAKE_ROOM, &room, &seat);
    parse(&sdp, offer);
    w.status = sdp_take_offer(&w.plan, &w.places, &sdp, &room, only, sdp_error, sizeof(sdp_error));
    if (w.status == 0)
        assert_true(
            sdp_write_answer(w.text, sizeof(w.text), &sdp, &room, &seat, &w.plan, &w.places) > 0);
    return &w;
}

/* Answers `offer` with `n_streams` streams. */
static struct whep *answer_offer(const char *offer, unsigned n_streams, int only)
{
    struct fake f;
    fake_init(&f, n_streams);
    return answer_with(&f, offer, only);
}

static void whep_of_chromium(void **state)
{
    (void)state;
    const struct whep *w = answer_offer(chromium_offer, 1, -1);
    assert_int_equal(w->status, 0);
    assert_int_equal(w->places.media[0], 1);
    assert_int_equal(w->plan.tracks[0].formats[BACKEND_H264].payload_type, 108);
    assert_int_equal(w->plan.tracks[0].formats[BACKEND_H264].rtx_payload_type, 109);
    assert_false(w->plan.dtls_client);
    has(w->text, "a=group:BUNDLE 1\r\n");
    has(w->text,
        "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=inactive\r\n");
    has(w->text, "m=video 8189 UDP/TLS/RTP/SAVPF 108 109 96 97 "); /* what it carries first */
    has(w->text, "a=setup:passive\r\n");
    has(w->text, "profile-level-id=42c028\r\n"); /* the stream's, not the 42e01f of the offer */
    has(w->text, "a=fmtp:109 apt=108\r\n");
    has(w->text, "a=rtcp-xr:rcvr-rtt=all\r\n");
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
    assert_int_equal(w->plan.tracks[0].formats[BACKEND_H264].payload_type, 126);
    assert_int_equal(w->plan.tracks[0].formats[BACKEND_H264].rtx_payload_type, 127);
    assert_int_equal(w->plan.tracks[0].playout_delay_id, 6);
    assert_int_equal(w->plan.tracks[0].transport_cc_id, 7);
    assert_int_equal(w->plan.n_fingerprints, 1);
}

static void whep_of_others(void **state)
{
    (void)state;
    const struct whep *w = answer_offer(gstreamer_offer, 1, -1);
    assert_int_equal(w->status, 0);
    assert_int_equal(w->plan.tracks[0].formats[BACKEND_H264].rtx_payload_type, 0);
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
    assert_int_equal(w->plan.tracks[0].formats[BACKEND_H264].payload_type, 101);
    assert_int_equal(w->plan.tracks[0].mid_id, 1);
    has_not(w->text, "ccm fir");
    has_not(w->text, "a=rtcp-rsize");
    has_not(w->text, "a=rtcp-xr");

    w = answer_offer(libdatachannel_offer, 1, -1);
    assert_int_equal(w->status, 0);
    assert_string_equal(w->plan.ufrag, "GxQv");
    assert_int_equal(w->plan.n_fingerprints, 1);
    has(w->text, "a=setup:passive\r\n");
}

/* RFC 3611 5.1: as its player asks, whatever else it knows. */
static void whep_reference_times(void **state)
{
    static const struct {
        const char *attribute;
        bool answered;
    } rows[] = {{"rcvr-rtt=sender:10000", true},
                {"pkt-loss-rle rcvr-rtt=all", true},
                {"stat-summary=loss,dup", false},
                {"rcvr-rttx=all", false},
                {"", false}};
    (void)state;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[80];
        snprintf(line, sizeof(line), "a=rtcp-mux\r\na=rtcp-xr:%s\r\n", rows[i].attribute);
        char *offer = edit(aiortc_offer, "a=rtcp-mux\r\n", line);
        const struct whep *w = answer_offer(offer, 1, -1);
        assert_int_equal(w->status, 0);
        assert_int_equal(strstr(w->text, "a=rtcp-xr:rcvr-rtt=all\r\n") != NULL, rows[i].answered);
        free(offer);
    }
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
    assert_int_equal(w->plan.tracks[1].slot, 1);
    assert_int_equal(w->places.media[1], 2);
    has(w->text, "a=group:BUNDLE 1 2\r\n");
    has(w->text, "a=msid:video1 video1\r\n");
    has(w->text, "a=ssrc:1001 cname:amphi\r\n");
    w = answer_offer(two, 2, 1);
    assert_int_equal(w->plan.n_tracks, 1);
    assert_int_equal(w->plan.tracks[0].slot, 1);
    assert_int_equal(w->places.media[0], 1);
    has(w->text, "a=msid:video1 video1\r\n");
    has(w->text, "a=ssrc:1001 cname:amphi\r\n");
    has_not(w->text, "video0");
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

static void whep_codec_of_the_stream_first(void **state)
{
    (void)state;
    static const struct {
        enum backend_codec codec;
        uint8_t payload_type;
        const char *line;
    } rows[] = {
        {BACKEND_VP8, 96, "m=video 8189 UDP/TLS/RTP/SAVPF 96 97 108 109 98 99 45 46\r\n"},
        {BACKEND_VP9, 98, "m=video 8189 UDP/TLS/RTP/SAVPF 98 99 108 109 96 97 45 46\r\n"},
        {BACKEND_AV1, 45, "m=video 8189 UDP/TLS/RTP/SAVPF 45 46 108 109 96 97 98 99\r\n"},
    };
    for (unsigned i = 0; i < 3; i++) {
        struct fake f;
        fake_init(&f, 1);
        f.room.streams[0].codec = rows[i].codec;
        const struct whep *w = answer_with(&f, chromium_offer, -1);
        assert_int_equal(w->status, 0);
        has(w->text, rows[i].line);
        has(w->text, "a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;"
                     "profile-level-id=42e01f\r\n"); /* there is no stream to tell of */
        assert_int_equal(w->plan.tracks[0].formats[rows[i].codec].payload_type,
                         rows[i].payload_type);
    }
    /* an offer that has only another codec than the stream: never fits */
    struct fake f;
    fake_init(&f, 2);
    f.room.streams[0].codec = BACKEND_AV1;
    f.room.streams[1].codec = BACKEND_VP9;
    assert_int_equal(answer_with(&f, gstreamer_offer, -1)->status, -ENOTSUP);
    f.room.streams[1].codec = BACKEND_H264;
    const struct whep *w = answer_with(&f, gstreamer_offer, -1); /* but one of two is enough */
    assert_int_equal(w->status, 0);
    assert_int_equal(w->plan.tracks[0].slot, 1);
}

static void whep_slots_are_sparse(void **state)
{
    (void)state;
    struct fake f;
    fake_init(&f, 6);
    for (unsigned i = 0; i < 5; i++)
        f.room.streams[i].active = false;
    f.room.n_streams = 1;
    const struct whep *w = answer_with(&f, chromium_offer, -1);
    assert_int_equal(w->plan.tracks[0].slot, 5);
    has(w->text, "a=msid:video5 video5\r\n");
    has(w->text, "a=ssrc:1005 cname:amphi\r\n");
    assert_int_equal(answer_with(&f, chromium_offer, 2)->status, -ENOTSUP);
}

static void whep_sound_goes_with_its_picture(void **state)
{
    (void)state;
    struct fake f;
    fake_init(&f, 2);
    f.room.streams[0].has_audio = true;
    const struct whep *w = answer_with(&f, chromium_offer, -1);
    assert_int_equal(w->status, 0);
    assert_int_equal(w->plan.n_tracks, 2); /* in the order of the m-lines */
    assert_true(w->plan.tracks[0].audio && !w->plan.tracks[1].audio);
    assert_int_equal(w->plan.tracks[0].opus_payload_type, 111);
    assert_int_equal(w->places.media[1], 1);
    has(w->text, "a=group:BUNDLE 0 1\r\n");
    assert_int_equal(w->plan.tracks[0].red_payload_type, 63);
    has(w->text, "m=audio 8189 UDP/TLS/RTP/SAVPF 111 63\r\n");
    has(w->text, "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n");
    has(w->text, "a=rtpmap:111 opus/48000/2\r\n"
                 "a=fmtp:111 minptime=10;stereo=1;sprop-stereo=1;useinbandfec=1\r\n");
    has(w->text, "a=msid:video0 audio0\r\n");
    has(w->text, "a=ssrc:3000 cname:amphi\r\n");
    w = answer_with(&f, chromium_offer, 1); /* which has none */
    assert_int_equal(w->plan.n_tracks, 1);
    assert_int_equal(w->plan.tracks[0].slot, 1);
    has(w->text, "m=audio 0 ");
    char *text = edit(chromium_offer, "m=video 9", "m=video 0"); /* a listener */
    w = answer_with(&f, text, -1);
    assert_int_equal(w->status, 0);
    assert_int_equal(w->plan.n_tracks, 1);
    assert_true(w->plan.tracks[0].audio);
    assert_int_equal(answer_with(&f, text, 1)->status, -ENOTSUP);
    free(text);
}

/* RED of something else than our Opus, of nothing that is said, or of pictures is not for us. */
static void whep_red_is_of_opus(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        unsigned red;
    } rows[] = {
        {"a=fmtp:63 111/111\r\n", "a=fmtp:63 111/111/111\r\n", 63},
        {"a=fmtp:63 111/111\r\n", "a=fmtp:63 0/111\r\n", 0},
        {"a=fmtp:63 111/111\r\n", "a=fmtp:63 111\r\n", 0},
        {"a=fmtp:63 111/111\r\n", "a=fmtp:63 /\r\n", 0},
        {"a=fmtp:63 111/111\r\n", "a=fmtp:63 300/300\r\n", 0},
        {"a=fmtp:63 111/111\r\n", "", 0},
        {"red/48000/2", "red/8000", 0},
    };
    struct fake f;
    fake_init(&f, 2);
    f.room.streams[0].has_audio = true;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *text = edit(chromium_offer, rows[i].from, rows[i].to);
        const struct whep *w = answer_with(&f, text, -1);
        assert_int_equal(w->status, 0);
        assert_int_equal(w->plan.tracks[0].opus_payload_type, 111);
        assert_int_equal(w->plan.tracks[0].red_payload_type, rows[i].red);
        assert_int_equal(strstr(w->text, " red/") != NULL, rows[i].red != 0);
        free(text);
    }
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
        {"H264/90000", "H265/90000", -ENOTSUP, "H.264"},
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
    struct backend_seat seat = {0};
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
        cmocka_unit_test(answer_of_a_server_is_of_what_was_sent),
        cmocka_unit_test(bad_answers_are_refused),
        cmocka_unit_test(parts_of_an_answer),
        cmocka_unit_test(whep_of_chromium),
        cmocka_unit_test(whep_of_firefox),
        cmocka_unit_test(whep_of_others),
        cmocka_unit_test(whep_reference_times),
        cmocka_unit_test(whep_streams_in_order),
        cmocka_unit_test(whep_codec_of_the_stream_first),
        cmocka_unit_test(whep_slots_are_sparse),
        cmocka_unit_test(whep_sound_goes_with_its_picture),
        cmocka_unit_test(whep_red_is_of_opus),
        cmocka_unit_test(whep_bundle_only),
        cmocka_unit_test(whep_that_does_not_fit),
        cmocka_unit_test(an_answer_too_long_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
