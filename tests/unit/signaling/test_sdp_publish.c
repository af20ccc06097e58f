/* test_sdp_publish.c - what is taken of publishers' offers, and our answers to them. */
#include "tests/unit/signaling/sdp_edit.h"
#include "tests/unit/signaling/sdp_publish_fixtures.h"

/* As a room whose first slots have native sources: `first` is the first free one. */
struct room_slots {
    unsigned first, n;
};

static int free_slot(void *arg, unsigned taken)
{
    const struct room_slots *room = arg;
    for (unsigned i = room->first; i < room->n; i++)
        if (!(taken & 1u << i))
            return (int)i;
    return -ENOSPC;
}

struct outcome {
    int status;
    struct backend_publication what;
    struct sdp_places places;
    char answer[SDP_WRITE_MAX]; /* "" unless status is 0 */
};

static void publish(struct outcome *out, const char *text, bool whole, unsigned first, unsigned n)
{
    static struct sdp offer;
    struct room_slots room = {first, n};
    struct sdp_publish_wish wish = {.slot = free_slot, .arg = &room, .whole = whole};
    struct backend_seat seat = {
        .viewer_id = 3,
        .ufrag = "ours",
        .pwd = "0123456789abcdefghijkl",
        .fingerprint = "sha-256 00",
        .n_candidates = 1,
        .candidates = {{.ip = "192.0.2.10", .port = 8189}},
    };
    parse(&offer, text);
    out->answer[0] = '\0';
    out->status = sdp_take_publish_offer(&out->what, &out->places, &offer, &wish, sdp_error,
                                         sizeof(sdp_error));
    if (out->status == 0)
        assert_true(sdp_write_publish_answer(out->answer, sizeof(out->answer), &offer, &seat,
                                             &out->what, &out->places) > 0);
}

/* What an answer says from its m-line `i` on, to the next one. The caller frees it. */
static char *section(const char *text, unsigned i)
{
    const char *at = text;
    for (unsigned k = 0; k <= i; k++) {
        at = strstr(k == 0 ? at : at + 2, "m=");
        assert_non_null(at);
    }
    const char *end = strstr(at + 2, "\r\nm=");
    return strndup(at, end ? (size_t)(end - at) + 2 : strlen(at));
}

static void chromium_with_layers(void **state)
{
    (void)state;
    struct outcome o;
    publish(&o, chromium_publish, true, 0, 8);
    assert_int_equal(o.status, 0);
    assert_int_equal(o.what.n_tracks, 2);
    assert_false(o.what.dtls_client);
    assert_int_equal(o.what.n_fingerprints, 1);
    const struct backend_publish_track *audio = &o.what.tracks[0], *video = &o.what.tracks[1];
    assert_true(audio->audio && !video->audio);
    assert_int_equal(audio->slot, 0);
    assert_int_equal(video->slot, 0);
    assert_int_equal(audio->opus_payload_type, 111);
    assert_string_equal(audio->mid, "0");
    assert_int_equal(audio->transport_cc_id, 3);
    assert_int_equal(audio->rid_id, 0);
    assert_string_equal(video->track_id, "6c8f300c-6163-4d01-a826-defb41781127");
    assert_int_equal(video->ssrc, 0);
    assert_int_equal(video->n_rids, 3);
    assert_string_equal(video->rids[0], "hi");
    assert_string_equal(video->rids[2], "lo");
    static const uint8_t formats[][2] = {{108, 109}, {96, 97}, {98, 99}, {45, 46}};
    for (unsigned c = BACKEND_H264; c < BACKEND_CODECS; c++) {
        assert_int_equal(video->formats[c].payload_type, formats[c - 1][0]);
        assert_int_equal(video->formats[c].rtx_payload_type, formats[c - 1][1]);
    }
    assert_true(video->nack && video->transport_cc && video->remb);
    assert_int_equal(video->transport_cc_id, 3);
    assert_int_equal(video->mid_id, 4);
    assert_int_equal(video->rid_id, 10);
    assert_int_equal(video->repaired_rid_id, 11);
    assert_int_equal(video->dependency_id, 12);
    assert_int_equal(video->abs_send_time_id, 2);
}

/* The codecs stay in the publisher's order, and only what was offered is answered. */
static void answer_to_chromium(void **state)
{
    (void)state;
    struct outcome o;
    publish(&o, chromium_publish, true, 0, 8);
    has(o.answer, "a=group:BUNDLE 0 1\r\n");
    has(o.answer, "a=ice-lite\r\n");
    assert_int_equal(count(o.answer, "a=recvonly\r\n"), 2);
    assert_int_equal(count(o.answer, "a=candidate:"), 1);
    has_not(o.answer, "a=ssrc");
    has_not(o.answer, "a=msid:");
    char *audio = section(o.answer, 0), *video = section(o.answer, 1);
    has(audio, "m=audio 8189 UDP/TLS/RTP/SAVPF 111\r\n");
    has(audio, "a=fmtp:111 minptime=10;stereo=1;useinbandfec=1\r\n");
    has(video, "m=video 8189 UDP/TLS/RTP/SAVPF 96 97 108 109 45 46 98 99\r\n");
    has(video, "a=setup:passive\r\n");
    has(video, "a=rtcp-fb:96 goog-remb\r\n");
    has(video, "a=rtcp-fb:96 transport-cc\r\n");
    has(video, "a=rtcp-fb:96 nack pli\r\n");
    has(video, "a=rtcp-fb:96 ccm fir\r\n");
    has(video, "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id\r\n");
    has(video, "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time\r\n");
    has_not(video, "playout-delay");
    has(video, "a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=1;"
               "profile-level-id=42e034\r\n");
    has(video, "a=rid:hi recv\r\na=rid:mid recv\r\na=rid:lo recv\r\n"
               "a=simulcast:recv hi;mid;lo\r\n");
    free(audio);
    free(video);
}

static void firefox_with_layers(void **state)
{
    (void)state;
    struct outcome o;
    publish(&o, firefox_publish, true, 2, 8);
    assert_int_equal(o.status, 0);
    const struct backend_publish_track *video = &o.what.tracks[1];
    assert_int_equal(video->slot, 2);
    assert_int_equal(o.what.tracks[0].slot, 2);
    assert_string_equal(video->track_id, "{b70a93ef-ba1b-4141-a290-cb16cdaab56a}");
    assert_int_equal(video->n_rids, 3);
    assert_int_equal(video->formats[BACKEND_VP8].payload_type, 120);
    assert_int_equal(video->formats[BACKEND_VP9].payload_type, 121);
    assert_int_equal(video->formats[BACKEND_AV1].payload_type, 99);
    assert_int_equal(video->formats[BACKEND_H264].payload_type, 0);
    assert_int_equal(video->rid_id, 9);
    assert_int_equal(video->dependency_id, 8);
    has(o.answer, "SAVPF 120 124 121 125 99 100\r\n");
    has(o.answer, "a=simulcast:recv hi;mid;lo\r\n");
}

static void obs(void **state)
{
    (void)state;
    struct outcome o;
    publish(&o, obs_publish, true, 0, 8);
    assert_int_equal(o.status, 0);
    assert_int_equal(o.what.n_tracks, 2);
    assert_string_equal(o.what.ufrag, "Ub8c"); /* of the session level */
    const struct backend_publish_track *audio = &o.what.tracks[0], *video = &o.what.tracks[1];
    assert_int_equal(audio->ssrc, 1826309121);
    assert_int_equal(video->ssrc, 1826309122);
    assert_int_equal(video->rtx_ssrc, 0);
    assert_true(video->nack && video->remb && !video->transport_cc);
    assert_false(audio->nack);
    assert_int_equal(video->mid_id, 0);
    assert_int_equal(video->n_rids, 0);
    has(o.answer, "a=fmtp:96 level-asymmetry-allowed=1;packetization-mode=1;"
                  "profile-level-id=42e034\r\n");
    has_not(o.answer, "transport-cc");
    has_not(o.answer, "ccm fir");
    has_not(o.answer, "extmap");
    has_not(o.answer, "simulcast");
}

/* Its level is its own: without asymmetry the answer keeps to it. */
static void gstreamer(void **state)
{
    (void)state;
    struct outcome o;
    publish(&o, gstreamer_publish, true, 0, 8);
    assert_int_equal(o.status, 0);
    assert_int_equal(o.what.n_tracks, 2);
    const struct backend_publish_track *video = &o.what.tracks[0], *audio = &o.what.tracks[1];
    assert_int_equal(video->ssrc, 1468373513);
    assert_int_equal(video->rtx_ssrc, 2750427023);
    assert_string_equal(video->track_id, "webrtctransceiver0");
    assert_true(video->transport_cc && video->nack);
    assert_int_equal(audio->opus_payload_type, 98);
    assert_int_equal(audio->ssrc, 3484078951);
    has(o.answer, "a=fmtp:96 packetization-mode=1;profile-level-id=42c015\r\n");
    has(o.answer, "a=rtcp-mux-only\r\n");
    char *second = section(o.answer, 1);
    has_not(second, "m=audio 0 "); /* bundle-only is no refusal */
    free(second);
}

static void a_title_is_the_name_of_the_stream(void **state)
{
    (void)state;
    struct outcome o;
    char *text = edit(obs_publish, "a=ssrc:1826309122", "i=Slides \xc3\xa4\r\na=ssrc:1826309122");
    publish(&o, text, true, 0, 8);
    assert_int_equal(o.status, 0);
    assert_string_equal(o.what.tracks[0].title, ""); /* of its m-line alone */
    assert_string_equal(o.what.tracks[1].title, "Slides \xc3\xa4");
    free(text);
    char line[120] = "i=", with[200];
    memset(line + 2, 'x', 100);
    snprintf(with, sizeof(with), "%s\r\na=ssrc:1826309122", line);
    text = edit(obs_publish, "a=ssrc:1826309122", with);
    publish(&o, text, true, 0, 8);
    assert_int_equal(strlen(o.what.tracks[1].title), sizeof(o.what.tracks[1].title) - 1);
    free(text);
}

static void gopeep_gets_four_slots(void **state)
{
    (void)state;
    struct outcome o;
    publish(&o, gopeep_publish, false, 1, 8);
    assert_int_equal(o.status, 0);
    assert_int_equal(o.what.n_tracks, 4);
    for (unsigned i = 0; i < 4; i++) {
        char id[8];
        snprintf(id, sizeof(id), "video%u", i);
        assert_int_equal(o.what.tracks[i].slot, i + 1);
        assert_string_equal(o.what.tracks[i].track_id, id);
        assert_int_equal(o.what.tracks[i].ssrc, 2581832418u + i);
        assert_false(o.what.tracks[i].transport_cc); /* an extension without the feedback */
    }
    has_not(o.answer, "transport-wide");
}

/* With two slots left the others are refused one by one, or together. */
static void more_pictures_than_slots(void **state)
{
    (void)state;
    struct outcome o;
    publish(&o, gopeep_publish, false, 6, 8);
    assert_int_equal(o.status, 0);
    assert_int_equal(o.what.n_tracks, 2);
    has(o.answer, "a=group:BUNDLE 0 1\r\n");
    assert_int_equal(count(o.answer, "m=video 0 "), 2);
    publish(&o, gopeep_publish, true, 6, 8);
    assert_int_equal(o.status, -ENOSPC);
    assert_non_null(strstr(sdp_error, "no place left"));
    publish(&o, gopeep_publish, false, 8, 8);
    assert_int_equal(o.status, -ENOSPC);
}

/* Sound goes where the picture of its own stream goes, whatever comes first. */
static void sound_goes_with_its_picture(void **state)
{
    (void)state;
    struct outcome o;
    char *text = edit(chromium_publish, "a=group:BUNDLE 0 1", "a=group:BUNDLE 0 1 2");
    const char *video = strstr(gopeep_publish, "m=video");
    const char *end = strstr(video + 2, "m=video");
    char *both = malloc(strlen(text) + strlen(gopeep_publish));
    assert_non_null(both);
    const char *at = strstr(text, "m=audio");
    sprintf(both, "%.*s%.*s%s", (int)(at - text), text, (int)(end - video), video, at);
    char *fixed = edit(both, "a=mid:0",
                       "a=mid:2\r\na=fingerprint:sha-256 "
                       "0F:74:31:25:CB:A2:13:EC:28:6F:6D:2C:61:FF:5D:C2:"
                       "BC:B9:DB:3D:98:14:8D:1A:BB:EA:33:0C:A4:60:A8:8E");
    publish(&o, fixed, true, 0, 8);
    assert_int_equal(o.status, 0);
    assert_int_equal(o.what.n_tracks, 3);
    assert_int_equal(o.what.tracks[0].slot, 0);
    assert_true(o.what.tracks[1].audio);
    assert_int_equal(o.what.tracks[1].slot, 1);
    assert_int_equal(o.what.tracks[2].slot, 1);
    free(text);
    free(both);
    free(fixed);
}

static void sound_alone_has_a_slot(void **state)
{
    (void)state;
    struct outcome o;
    char *text = edit(chromium_publish, "m=video 9", "m=video 0");
    publish(&o, text, true, 5, 8);
    assert_int_equal(o.status, 0);
    assert_int_equal(o.what.n_tracks, 1);
    assert_true(o.what.tracks[0].audio);
    assert_int_equal(o.what.tracks[0].slot, 5);
    free(text);
}

struct row {
    const char *from, *to;
    int status;
    const char *says;
};

static void check_rows(const char *fixture, const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct outcome o;
        char *text = edit_all(fixture, rows[i].from, rows[i].to);
        publish(&o, text, true, 0, 8);
        if (o.status != rows[i].status)
            fail_msg("%s -> %s: %d, %s", rows[i].from, rows[i].to, o.status, sdp_error);
        has(o.status == 0 ? o.answer : sdp_error, rows[i].says);
        free(text);
    }
}

static void what_cannot_be_taken(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"a=sendonly", "a=recvonly", -ENOTSUP, "that sends"},
        {"a=sendonly", "a=sendrecv", 0, "a=recvonly"},
        {"H264/90000", "H265/90000", -ENOTSUP, "no codec"},
        {"packetization-mode=1;", "packetization-mode=0;", -ENOTSUP, "no codec"},
        {"profile-level-id=42e01f", "profile-level-id=f4001f", -ENOTSUP, "no codec"},
        {"profile-level-id=42e01f", "profile-level-id=640028", 0, "profile-level-id=640034"},
        {"profile-level-id=42e01f;", "", 0, "profile-level-id=42e034"},
        {"opus/48000/2", "opus/8000/1", -ENOTSUP, "no codec"},
        {"a=group:BUNDLE 0 1", "a=group:BUNDLE 0", -ENOTSUP, "bundle"},
        {"a=rtcp-mux\r\n", "", -EINVAL, "rtcp-mux"},
        {"a=setup:actpass", "a=setup:active", 0, "a=setup:passive"},
        {"a=setup:actpass", "a=setup:passive", 0, "a=setup:active"},
        {"a=setup:actpass", "a=setup:holdconn", -EINVAL, "holdconn"},
        {"a=setup:actpass", "a=ice-lite", -EINVAL, "ice-lite"},
        {"a=fingerprint:", "a=print:", -EINVAL, "no a=fingerprint"},
        {"a=ice-ufrag:Ub8c", "a=ice-ufrag:U", -EINVAL, "ice-ufrag"},
    };
    check_rows(obs_publish, rows, sizeof(rows) / sizeof(rows[0]));
}

/* RFC 8853 5.3.2: in the order of the offer, "~" kept, of alternatives the first that is described,
 * and what is not described is left out. */
static void layers_as_they_are_offered(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"send hi;mid;lo", "send ~hi;mid;~lo", 0, "a=simulcast:recv ~hi;mid;~lo\r\n"},
        {"send hi;mid;lo", "send lo;hi", 0, "a=simulcast:recv lo;hi\r\n"},
        {"send hi;mid;lo", "recv 1;2 send lo;hi", 0, "a=simulcast:recv lo;hi\r\n"},
        {"send hi;mid;lo", "send none,~mid;hi", 0, "a=simulcast:recv ~mid;hi\r\n"},
        {"send hi;mid;lo", "send hi;hi;;,;lo", 0, "a=simulcast:recv hi;lo\r\n"},
        {"send hi;mid;lo", "send HI;mid", 0, "a=simulcast:recv mid\r\n"},
        {"a=rid:hi send", "a=rid:hi recv", 0, "a=simulcast:recv mid;lo\r\n"},
        {"a=rid:hi send", "a=rid:hi send pt=97,96;max-width=1280", 0, "a=rid:hi recv pt=96\r\n"},
        {"a=rid:hi send", "a=rid:hi send max-fps=5;pt=97", 0, "a=simulcast:recv mid;lo\r\n"},
    };
    check_rows(chromium_publish, rows, sizeof(rows) / sizeof(rows[0]));
}

static void layers_that_are_not_taken(void **state)
{
    (void)state;
    struct outcome o;
    static const char *const edits[][2] = {
        {"urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id", "urn:none"},
        {"a=simulcast:", "a=multicast:"},
        {"a=simulcast:send hi;mid;lo", "a=simulcast:send"},
        {"a=simulcast:send hi;mid;lo", "a=simulcast:send ~"},
        {"send hi;mid;lo", "send far-too-long-for-one-byte"},
    };
    for (unsigned i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        char *text = edit_all(chromium_publish, edits[i][0], edits[i][1]);
        publish(&o, text, true, 0, 8);
        assert_int_equal(o.status, 0);
        assert_int_equal(o.what.tracks[1].n_rids, 0);
        has_not(o.answer, "a=rid:");
        has_not(o.answer, "a=simulcast:");
        free(text);
    }
}

static void more_layers_than_there_are(void **state)
{
    (void)state;
    struct outcome o;
    char *text = edit(chromium_publish, "a=simulcast:send hi;mid;lo",
                      "a=rid:x send\r\na=simulcast:send x;lo;mid;hi");
    publish(&o, text, true, 0, 8);
    assert_int_equal(o.what.tracks[1].n_rids, 3);
    has(o.answer, "a=simulcast:recv x;lo;mid\r\n");
    has_not(o.answer, "a=rid:hi");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chromium_with_layers),
        cmocka_unit_test(answer_to_chromium),
        cmocka_unit_test(firefox_with_layers),
        cmocka_unit_test(obs),
        cmocka_unit_test(gstreamer),
        cmocka_unit_test(a_title_is_the_name_of_the_stream),
        cmocka_unit_test(gopeep_gets_four_slots),
        cmocka_unit_test(more_pictures_than_slots),
        cmocka_unit_test(sound_goes_with_its_picture),
        cmocka_unit_test(sound_alone_has_a_slot),
        cmocka_unit_test(what_cannot_be_taken),
        cmocka_unit_test(layers_as_they_are_offered),
        cmocka_unit_test(layers_that_are_not_taken),
        cmocka_unit_test(more_layers_than_there_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
