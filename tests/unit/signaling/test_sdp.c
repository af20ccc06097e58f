/* test_sdp.c - the parser, the rules of H.264, and the offers that are written. */
#include "tests/unit/signaling/sdp_edit.h"

/* --- the parser ---------------------------------------------------------------------------------
 */

static void reads_chromium(void **state)
{
    (void)state;
    struct sdp sdp;
    parse(&sdp, chromium_offer);
    assert_int_equal(sdp.n_media, 2);
    assert_false(sdp.ice_lite);
    assert_true(sdp.extmap_allow_mixed);
    assert_false(sdp.media[0].is_video);
    const struct sdp_media *video = &sdp.media[1];
    assert_true(video->is_video && video->is_rtp && video->bundled && video->rtcp_mux);
    assert_true(video->reference_time);
    assert_true(video->rtcp_rsize);
    assert_int_equal(video->direction, SDP_RECVONLY);
    assert_true(sdp_text_is(video->mid, "1"));
    assert_int_equal(video->transport.setup, SDP_SETUP_ACTPASS);
    assert_int_equal(video->transport.n_fingerprints, 1);
    assert_int_equal(video->extensions.transport_cc, 3);
    unsigned h264 = 0;
    for (unsigned i = 0; i < video->n_formats; i++) {
        const struct sdp_format *f = &video->formats[i];
        h264 += f->codec == SDP_CODEC_H264;
        if (f->payload_type == 108) {
            assert_memory_equal(f->profile, ((uint8_t[]){0x42, 0xe0, 0x1f}), 3);
            assert_true(f->has_profile && f->level_asymmetry && f->has_fmtp);
            assert_int_equal(f->packetization_mode, 1);
            assert_int_equal(f->feedback, SDP_FEEDBACK_NACK | SDP_FEEDBACK_PLI | SDP_FEEDBACK_FIR |
                                              SDP_FEEDBACK_TRANSPORT_CC | SDP_FEEDBACK_REMB);
        }
    }
    assert_true(h264 >= 6);
}

static void session_level_is_inherited(void **state)
{
    (void)state;
    struct sdp sdp;
    parse(&sdp, "v=0\na=inactive\na=extmap:5 " SDP_URI_MID "\n"
                "m=video 9 RTP/SAVPF 96\nm=video 9 RTP/SAVPF 96\na=sendonly\n"
                "a=extmap:7/sendonly " SDP_URI_TRANSPORT_CC " with attributes\n");
    assert_int_equal(sdp.media[0].direction, SDP_INACTIVE);
    assert_int_equal(sdp.media[0].extensions.mid, 5);
    assert_int_equal(sdp.media[1].direction, SDP_SENDONLY);
    assert_int_equal(sdp.media[1].extensions.transport_cc, 7);
    assert_int_equal(sdp.media[1].extensions.mid, 0);
}

static void oddities_are_accepted(void **state)
{
    (void)state;
    struct sdp sdp;
    parse(&sdp,
          "v=0\r\nx=unknown\r\na=\r\na=:\r\na=group\r\na=group:BUNDLE\r\n"
          "m=video 9/2 UDP/TLS/RTP/SAVPF 96 96 97\r\n"
          "a=rtpmap:96\r\na=rtpmap:\r\na=rtpmap:200 H264/90000\r\na=rtpmap:96 H264/90000\r\n"
          "a=rtpmap:96 VP8/90000\r\na=fmtp\r\na=fmtp:97 apt=96; apt\r\na=fmtp:96 ;;=;a=;=b\r\n"
          "a=fmtp:96 profile-level-id=42e01g\r\na=rtcp-fb:* nack\r\na=rtcp-fb:97\r\n"
          "a=extmap:0 " SDP_URI_MID "\r\na=extmap:15 " SDP_URI_MID "\r\na=extmap:3\r\n"
          "a=extmap:3 " SDP_URI_MID "\r\na=extmap:3 " SDP_URI_TRANSPORT_CC "\r\n"
          "a=mid:x\r\na=mid:y\r\na=setup:new\r\na=setup:passive\r\na=setup:active\r\n"
          "a=candidate:\r\na=candidate:nonsense\r\n\r\n\r\n");
    const struct sdp_media *m = &sdp.media[0];
    assert_int_equal(m->n_formats, 2);
    assert_int_equal(m->formats[0].codec, SDP_CODEC_H264);
    assert_false(m->formats[0].has_profile);
    assert_int_equal(m->formats[1].apt, 96);
    assert_int_equal(m->formats[1].feedback, SDP_FEEDBACK_NACK);
    assert_true(sdp_text_is(m->mid, "x"));
    assert_int_equal(m->extensions.mid, 3);
    assert_int_equal(m->extensions.transport_cc, 0);
    assert_int_equal(m->transport.setup, SDP_SETUP_PASSIVE);
    assert_false(m->bundled);
}

static void malformed_is_refused(void **state)
{
    (void)state;
    parse_fails("", "no m-line");
    parse_fails("v=0\r\ns=-\r\n", "no m-line");
    parse_fails("m=video 9 RTP/SAVPF 96\r\n", "line 1: a description starts with v=0");
    parse_fails("v=1\r\n", "starts with v=0");
    parse_fails("v=0\r\nnonsense\r\n", "line 2: not of the form");
    parse_fails("v=0\r\nA=1\r\n", "not of the form");
    parse_fails("v=0\r\ns=a\001b\r\n", "a control character");
    parse_fails("v=0\nm=video\n", "cannot be read");
    parse_fails("v=0\nm=video 65536 RTP/SAVPF 96\n", "cannot be read");
    parse_fails("v=0\nm=vi<eo 9 RTP/SAVPF 96\n", "cannot be read");
    parse_fails("v=0\nm=video 9 RTP/SAVPF\n", "without formats");
    parse_fails("v=0\nm=video 9 RTP/SAVPF 128\n", "payload type");
    parse_fails("v=0\nm=video 9 RTP/SAVPF x\n", "payload type");
    parse_fails("v=0\nm=video 9 RTP/SAVPF 96\na=mid:a b\n", "a=mid is not a token");
    parse_fails("v=0\nm=video 9 RTP/SAVPF 96\na=mid:12345678901234567\n", "a=mid is not a token");
    parse_fails("v=0\nm=video 9 RTP/SAVPF 96\na=mid:1\nm=video 9 RTP/SAVPF 96\na=mid:1\n",
                "the same a=mid");
}

static void limits_hold(void **state)
{
    (void)state;
    static char text[SDP_MAX + 2];
    struct sdp sdp;
    memset(text, 'x', sizeof(text));
    assert_int_equal(sdp_parse(&sdp, text, SDP_MAX + 1, sdp_error, sizeof(sdp_error)), -EBADMSG);
    has(sdp_error, "longer than");

    int n = sprintf(text, "v=0\n");
    for (int i = 0; i < SDP_MEDIA_MAX; i++)
        n += sprintf(text + n, "m=video 9 RTP/SAVPF 96\n");
    parse(&sdp, text);
    assert_int_equal(sdp.n_media, SDP_MEDIA_MAX);
    sprintf(text + n, "m=video 9 RTP/SAVPF 96\n");
    parse_fails(text, "m-lines");

    n = sprintf(text, "v=0\nm=video 9 RTP/SAVPF");
    for (int i = 0; i < SDP_FORMATS_MAX; i++)
        n += sprintf(text + n, " %d", i);
    parse(&sdp, text);
    assert_int_equal(sdp.media[0].n_formats, SDP_FORMATS_MAX);
    sprintf(text + n, " 127\n");
    parse_fails(text, "formats");

    n = sprintf(text, "v=0\nm=video 9 RTP/SAVPF 96\n");
    for (int i = 0; i <= SDP_FINGERPRINTS_MAX; i++)
        n += sprintf(text + n, "a=fingerprint:sha-256 00\n");
    parse_fails(text, "fingerprints");

    n = sprintf(text, "v=0\nm=video 9 RTP/SAVPF 96\na=");
    memset(text + n, 'x', SDP_LINE_MAX - 2);
    text[n + SDP_LINE_MAX - 2] = '\0';
    parse(&sdp, text);
    strcat(text, "x");
    parse_fails(text, "longer than");
}

/* --- H.264 --------------------------------------------------------------------------------------
 */

static int fit(uint32_t stream, uint32_t peer, bool asymmetry)
{
    struct sdp_format f = {.codec = SDP_CODEC_H264,
                           .has_fmtp = true,
                           .has_profile = true,
                           .packetization_mode = 1,
                           .level_asymmetry = asymmetry,
                           .profile = {(uint8_t)(peer >> 16), (uint8_t)(peer >> 8), (uint8_t)peer}};
    uint8_t id[3] = {(uint8_t)(stream >> 16), (uint8_t)(stream >> 8), (uint8_t)stream};
    return sdp_h264_fit(id, &f);
}

static void profiles_match(void **state)
{
    (void)state;
    int same = fit(0x42c028, 0x42c028, true);
    assert_true(same > 0);
    /* constrained baseline in its spellings, RFC 6184 table 5 */
    assert_int_equal(fit(0x42c028, 0x42e01f, true), same);
    assert_int_equal(fit(0x42c028, 0x4d801f, true), same);
    assert_int_equal(fit(0x42c028, 0x58c01f, true), same);
    assert_int_equal(fit(0x640028, 0x64001f, true), same);
    assert_int_equal(fit(0x640c28, 0x640c1f, true), same);
    assert_int_equal(fit(0x6e0028, 0x6e0028, true), same); /* High 10: not in the table */
    /* its stream plays on any of these, but less gladly */
    const uint32_t higher[] = {0x42001f, 0x4d001f, 0x64001f, 0x640c1f};
    for (unsigned i = 0; i < 4; i++) {
        assert_true(fit(0x42c028, higher[i], true) > 0);
        assert_true(fit(0x42c028, higher[i], true) < same);
        assert_int_equal(fit(higher[i], 0x42e01f, true), 0); /* and never the other way round */
    }
    assert_true(fit(0x4d0028, 0x640028, true) > 0);
    assert_int_equal(fit(0x420028, 0x640028, true), 0); /* FMO and ASO are no part of High */
    assert_int_equal(fit(0x6e0028, 0x7a0028, true), 0);
}

static void levels_limit_without_asymmetry(void **state)
{
    (void)state;
    assert_true(fit(0x42c028, 0x42e01f, true) > 0);
    assert_int_equal(fit(0x42c028, 0x42e01f, false), 0);
    assert_true(fit(0x42c01f, 0x42e01f, false) > 0);
    assert_true(fit(0x42c01e, 0x42e01f, false) > 0);
    /* 1b lies between 1 and 1.1 */
    assert_true(fit(0x42c00a, 0x42d00b, false) > 0);
    assert_int_equal(fit(0x42c00b, 0x42d00b, false), 0);
    assert_true(fit(0x42d00b, 0x42c00b, false) > 0);
}

static void formats_without_words(void **state)
{
    (void)state;
    const uint8_t id[3] = {0x42, 0xc0, 0x28};
    struct sdp_format f = {.codec = SDP_CODEC_H264};
    int nothing_said = sdp_h264_fit(id, &f);
    assert_true(nothing_said > 0);
    f.has_fmtp = true; /* and so packetization-mode 0 */
    assert_int_equal(sdp_h264_fit(id, &f), 0);
    f.packetization_mode = 1;
    assert_true(sdp_h264_fit(id, &f) > nothing_said);
    f.codec = SDP_CODEC_OTHER;
    assert_int_equal(sdp_h264_fit(id, &f), 0);
}

/* --- fingerprints and ICE -----------------------------------------------------------------------
 */

static bool fingerprint(char out[BACKEND_FINGERPRINT_MAX], const char *text)
{
    return sdp_fingerprint(out, (struct sdp_text){text, strlen(text)});
}

static void fingerprints_are_checked(void **state)
{
    (void)state;
    char out[BACKEND_FINGERPRINT_MAX], text[256];
    strcpy(text, "SHA-512 ");
    for (int i = 0; i < 64; i++)
        sprintf(text + strlen(text), i ? ":ab" : "ab");
    assert_true(fingerprint(out, text));
    assert_int_equal(strlen(out), BACKEND_FINGERPRINT_MAX - 1);
    assert_memory_equal(out, "sha-512 AB:AB", 13);
    strcat(text, ":ab");
    assert_false(fingerprint(out, text));
    strcpy(text, "sha-1 ");
    for (int i = 0; i < 20; i++)
        sprintf(text + strlen(text), i ? ":AB" : "AB");
    assert_false(fingerprint(out, text));
    strcpy(text, "sha-256 ");
    for (int i = 0; i < 32; i++)
        sprintf(text + strlen(text), i ? ":AB" : "AB");
    assert_true(fingerprint(out, text));
    text[10] = '-';
    assert_false(fingerprint(out, text));
    text[10] = ':';
    text[9] = 'G';
    assert_false(fingerprint(out, text));
    assert_false(fingerprint(out, ""));
    assert_false(fingerprint(out, "sha-256"));
    assert_false(fingerprint(out, "sha-256 "));
}

static void ice_text_is_checked(void **state)
{
    (void)state;
    assert_true(sdp_is_ice_text((struct sdp_text){"aZ0+/", 5}, 4, 256));
    assert_true(sdp_is_ice_text((struct sdp_text){"abcd", 4}, 4, 4));
    assert_false(sdp_is_ice_text((struct sdp_text){"abc", 3}, 4, 256));
    assert_false(sdp_is_ice_text((struct sdp_text){"abcde", 5}, 4, 4));
    assert_false(sdp_is_ice_text((struct sdp_text){"ab-d", 4}, 4, 256));
    assert_false(sdp_is_ice_text((struct sdp_text){NULL, 0}, 4, 256));
}

/* --- our offer ----------------------------------------------------------------------------------
 */

static void write_offer(char out[SDP_WRITE_MAX], struct fake *f)
{
    struct backend_room room;
    struct backend_seat seat = {0};
    assert_int_equal(fake_reserve(f, FAKE_ROOM, &room, &seat), 0);
    int n = sdp_write_offer(out, SDP_WRITE_MAX, &room, &seat);
    assert_int_equal(n, strlen(out));
}

static void publisher_offers_what_it_sends(void **state)
{
    (void)state;
    struct fake f;
    struct backend_room room;
    struct backend_seat seat = {0};
    struct sdp sdp;
    static char out[SDP_WRITE_MAX];
    fake_init(&f, 3);
    f.room.streams[1].active = false;
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++)
        f.room.streams[i].has_audio = i == 0;
    assert_int_equal(fake_reserve(&f, FAKE_ROOM, &room, &seat), 0);
    seat.full_ice = true;
    int n = sdp_write_sent(out, sizeof(out), &room, &seat);
    assert_int_equal(n, strlen(out));
    parse(&sdp, out);
    assert_int_equal(sdp.n_media, 3);
    assert_false(sdp.ice_lite);
    assert_non_null(strstr(out, "a=group:BUNDLE 0 1 2\r\n"));
    static const char *const msids[] = {"a=msid:video0 video0\r\n", "a=msid:video2 video2\r\n",
                                        "a=msid:video0 audio0\r\n"};
    const char *at = out;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(sdp.media[i].direction, SDP_SENDONLY);
        assert_true(i < 2 ? sdp.media[i].is_video : sdp.media[i].is_audio);
        at = strstr(at, msids[i]);
        assert_non_null(at);
    }
    assert_int_equal(sdp_write_sent(out, 500, &room, &seat), -ENOSPC);
}

static void offer_says_everything(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "a=group:BUNDLE 0 1 2 3 4 5 6 7 8 9\r\n",
        "a=ice-lite\r\n",
        "a=extmap-allow-mixed\r\n",
        "m=video 8189 UDP/TLS/RTP/SAVPF 96 97 112 113 114 115 116 117\r\nc=IN IP4 192.0.2.10\r\n",
        "m=audio 8189 UDP/TLS/RTP/SAVPF 118 119\r\n",
        "a=rtpmap:112 VP8/90000\r\n",
        "a=rtpmap:113 rtx/90000\r\na=fmtp:113 apt=112\r\n",
        "a=rtpmap:114 VP9/90000\r\na=fmtp:114 profile-id=0\r\n",
        "a=rtpmap:116 AV1/90000\r\na=fmtp:116 profile=0\r\n",
        "a=rtcp-fb:116 nack pli\r\n",
        "a=rtpmap:118 opus/48000/2\r\n"
        "a=fmtp:118 minptime=10;stereo=1;sprop-stereo=1;useinbandfec=1\r\n"
        "a=rtcp-fb:118 transport-cc\r\n"
        "a=rtpmap:119 red/48000/2\r\na=fmtp:119 118/118\r\na=ssrc:3000 cname:amphi\r\n",
        "a=mid:2\r\n",
        "a=sendonly\r\n",
        "a=setup:actpass\r\n",
        "a=rtcp-mux\r\n",
        "a=rtcp-rsize\r\na=rtcp-xr:rcvr-rtt=all\r\n",
        "a=msid:video0 video0\r\n",
        "a=msid:video7 video7\r\n",
        "a=msid:video0 audio0\r\n",
        "a=msid:video1 audio1\r\n",
        "a=rtpmap:96 H264/90000\r\n",
        "a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42c028\r\n",
        "a=fmtp:98 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=64001f\r\n",
        "a=rtcp-fb:96 nack\r\n",
        "a=rtcp-fb:96 nack pli\r\n",
        "a=rtcp-fb:96 ccm fir\r\n",
        "a=rtcp-fb:96 transport-cc\r\n",
        "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n",
        "a=ssrc-group:FID 1000 2000\r\n",
        "a=ssrc:1000 cname:amphi\r\n",
        "a=ssrc:2002 cname:amphi\r\n",
        "a=extmap:1 " SDP_URI_TRANSPORT_CC "\r\n",
        "a=candidate:1 1 udp 2130706431 192.0.2.10 8189 typ host\r\n",
        "a=candidate:2 1 udp 2130706175 2001:db8::10 8189 typ host\r\n",
        "a=end-of-candidates\r\n",
    };
    static char text[SDP_WRITE_MAX];
    struct fake f;
    fake_init(&f, 3);
    memcpy(f.room.streams[1].h264_profile, ((uint8_t[]){0x64, 0x00, 0x1f}), 3);
    write_offer(text, &f);
    for (unsigned i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        has(text, lines[i]);
    assert_int_equal(count(text, "m=video 8189 UDP/TLS/RTP/SAVPF 96 97 "), 7);
    assert_int_equal(count(text, "m=video 8189 UDP/TLS/RTP/SAVPF 98 99 "), 1);
    assert_int_equal(count(text, "a=end-of-candidates"), 1); /* the others are bundled */
    struct sdp sdp;                                          /* and our own parser agrees */
    parse(&sdp, text);
    assert_int_equal(sdp.n_media, BACKEND_STREAMS_MAX + SDP_AUDIO_SLOTS);
    assert_int_equal(sdp.media[9].formats[0].codec, SDP_CODEC_OPUS);
    assert_true(sdp.ice_lite && sdp.media[2].bundled);
    assert_int_equal(sdp.media[1].formats[0].profile[0], 0x64);
}

static void offers_have_their_own_session_id(void **state)
{
    (void)state;
    static char a[SDP_WRITE_MAX], b[SDP_WRITE_MAX];
    struct fake f;
    fake_init(&f, 1);
    write_offer(a, &f);
    write_offer(b, &f);
    unsigned long long id_a = strtoull(strstr(a, "o=- ") + 4, NULL, 10);
    unsigned long long id_b = strtoull(strstr(b, "o=- ") + 4, NULL, 10);
    assert_true(id_a != id_b);
    assert_true(id_a >> 62 == 0 && id_b >> 62 == 0);
}

static void the_largest_offer_fits(void **state)
{
    (void)state;
    static char text[SDP_WRITE_MAX];
    struct fake f;
    struct backend_room room;
    struct backend_seat seat = {0};
    fake_init(&f, BACKEND_STREAMS_MAX);
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++) {
        f.room.streams[i].h264_profile[2] = (uint8_t)(i + 10);
    }
    assert_int_equal(fake_reserve(&f, FAKE_ROOM, &room, &seat), 0);
    memset(seat.ufrag, 'u', sizeof(seat.ufrag) - 1);
    memset(seat.pwd, 'p', sizeof(seat.pwd) - 1);
    memset(seat.cname, 'c', sizeof(seat.cname) - 1);
    strcpy(seat.fingerprint, "sha-512 ");
    memset(seat.fingerprint + 8, 'F', sizeof(seat.fingerprint) - 9);
    seat.n_candidates = BACKEND_CANDIDATES_MAX;
    for (unsigned i = 0; i < BACKEND_CANDIDATES_MAX; i++) {
        memset(seat.candidates[i].ip, '1', sizeof(seat.candidates[i].ip) - 1);
        seat.candidates[i].ip[47] = '\0';
        seat.candidates[i].port = seat.candidates[i].tcp_port = 65535;
        seat.video[i / 2].ssrc = seat.video[i / 2].rtx_ssrc = seat.audio[i / 2].ssrc = UINT32_MAX;
    }
    assert_true(sdp_write_offer(text, sizeof(text), &room, &seat) > 10000);
    has(text, " 110 111 112 113 "); /* the eighth profile's payload types */
    assert_int_equal(sdp_write_offer(text, 2000, &room, &seat), -ENOSPC);
}

static void candidates_without_any(void **state)
{
    (void)state;
    static char text[SDP_WRITE_MAX];
    struct fake f;
    struct backend_room room;
    struct backend_seat seat = {0};
    fake_init(&f, 1);
    fake_reserve(&f, FAKE_ROOM, &room, &seat);
    seat.n_candidates = 0;
    assert_true(sdp_write_offer(text, sizeof(text), &room, &seat) > 0);
    has(text, "m=video 9 UDP/TLS/RTP/SAVPF 96 97 112 113 114 115 116 117\r\nc=IN IP4 0.0.0.0\r\n");
    seat.n_candidates = 2;
    strcpy(seat.candidates[0].ip, "::1");
    strcpy(seat.candidates[1].ip, "::1");
    assert_true(sdp_write_offer(text, sizeof(text), &room, &seat) > 0);
    has(text, "c=IN IP6 ::1\r\n");
    assert_int_equal(count(text, "a=candidate:1 1 udp"), 2); /* one address, one foundation */
}

/* Behind those of UDP, with lower priorities and foundations of their own. */
static void tcp_candidates_are_passive(void **state)
{
    (void)state;
    static char text[SDP_WRITE_MAX];
    struct fake f;
    struct backend_room room;
    struct backend_seat seat = {0};
    fake_init(&f, 2);
    fake_reserve(&f, FAKE_ROOM, &room, &seat);
    assert_true(sdp_write_offer(text, sizeof(text), &room, &seat) > 0);
    has_not(text, " tcp ");
    seat.candidates[0].tcp_port = 8080;
    seat.candidates[1].tcp_port = 443;
    assert_true(sdp_write_offer(text, sizeof(text), &room, &seat) > 0);
    has(text, "a=candidate:1 1 udp 2130706431 192.0.2.10 8189 typ host\r\n"
              "a=candidate:2 1 udp 2130706175 2001:db8::10 8189 typ host\r\n"
              "a=candidate:3 1 tcp 1520435199 192.0.2.10 8080 typ host tcptype passive\r\n"
              "a=candidate:4 1 tcp 1520434943 2001:db8::10 443 typ host tcptype passive\r\n"
              "a=end-of-candidates\r\n");
    assert_int_equal(count(text, " tcptype passive\r\n"), 2);
    seat.candidates[0].tcp_port = 0; /* one address of two */
    assert_true(sdp_write_offer(text, sizeof(text), &room, &seat) > 0);
    assert_int_equal(count(text, "a=candidate:4 1 tcp 1520434943 2001:db8::10 443"), 1);
    assert_int_equal(count(text, " tcp "), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_chromium),
        cmocka_unit_test(session_level_is_inherited),
        cmocka_unit_test(oddities_are_accepted),
        cmocka_unit_test(malformed_is_refused),
        cmocka_unit_test(limits_hold),
        cmocka_unit_test(profiles_match),
        cmocka_unit_test(levels_limit_without_asymmetry),
        cmocka_unit_test(formats_without_words),
        cmocka_unit_test(fingerprints_are_checked),
        cmocka_unit_test(ice_text_is_checked),
        cmocka_unit_test(offer_says_everything),
        cmocka_unit_test(publisher_offers_what_it_sends),
        cmocka_unit_test(offers_have_their_own_session_id),
        cmocka_unit_test(the_largest_offer_fits),
        cmocka_unit_test(candidates_without_any),
        cmocka_unit_test(tcp_candidates_are_passive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
