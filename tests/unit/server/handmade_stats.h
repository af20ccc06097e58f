/* handmade_stats.h - figures that no two fields share, so that a swapped pair shows. */
#pragma once

#include "server/stats.h"

#include <string.h>

struct handmade {
    struct stats stats;
    struct room room;
    struct stats_room rooms[1];
    struct stats_slot slots[1];
    struct forwarder_worker_stats worker;
    struct forwarder_stream_stats stream;
    struct forwarder_viewer_stats viewer;
    struct forwarder_ingest_stats ingest;
    struct histogram convert_us, encode_us;
};

static inline struct forwarder_worker_stats handmade_worker(void)
{
    return (struct forwarder_worker_stats){
        .viewers = 3,
        .packets_sent = 101,
        .bytes_sent = 102,
        .send_calls = 103,
        .send_errors = 104,
        .datagrams_received = 105,
        .datagrams_unknown = 106,
        .datagrams_passed_on = 107,
        .frames_dropped = 108,
        .loop_lag_p99_us = 109,
        .mailbox_high_water = 110,
        .tcp_connections = 111,
        .tcp_refused = 112,
        .send_blocked = 113,
        .handshakes = 114,
        .handshakes_waited = 115,
        .handshakes_deferred = 116,
        .gso = true,
    };
}

static inline bool handmade_guest(void *arg, uint32_t viewer_id, struct stats_guest *out)
{
    const struct handmade *h = arg;
    *out = (struct stats_guest){
        .room = &h->room, .kind = "whip", .has_report = true, .report = {501, 502, 503, 504.5, -1}};
    return viewer_id == 77 || viewer_id == 78;
}

/* Of a presenter elsewhere, in the second slot. */
static inline void handmade_ingest(struct handmade *h)
{
    h->room.slots[1].video_stream = 10;
    h->room.slots[1].feed = (struct feed){
        .presenter = 78,
        .has_video = true,
        .arrived = true,
        .window_name = "Slides",
        .codec = BACKEND_VP8,
        .width = 640,
        .height = 360,
        .fps = 24.5,
        .n_layers = 1,
        .layers = {{.width = 640, .height = 360, .bitrate_bps = 901}},
    };
    h->ingest = (struct forwarder_ingest_stats){
        .id = 78,
        .state = INGEST_LIVE,
        .reason = PEER_REASON_NONE,
        .rtt_us = 1500,
        .remb_bps = 902,
        .counters = {.packets = 903,
                     .bytes = 904,
                     .unknown = 905,
                     .malformed = 906,
                     .padding = 907,
                     .duplicates = 908,
                     .late = 909,
                     .overflows = 910,
                     .rtx = 911,
                     .nacks = 912,
                     .plis = 913,
                     .feedback = 914,
                     .bad_rtcp = 915,
                     .no_frames = 916},
        .n_tracks = 1,
    };
    h->ingest.tracks[0] =
        (struct ingest_track_info){.stream_id = 10, .kind = FORWARDER_VIDEO, .n_layers = 2};
    h->ingest.tracks[0].layers[0] = (struct ingest_layer_info){.known = true,
                                                               .live = true,
                                                               .codec = PAYLOAD_VP8,
                                                               .width = 640,
                                                               .height = 360,
                                                               .packets = 921,
                                                               .bytes = 922,
                                                               .missing = 923,
                                                               .recovered = 924,
                                                               .lost = 925,
                                                               .nacks = 926,
                                                               .plis = 927,
                                                               .frames = 928,
                                                               .keyframes = 929,
                                                               .frames_dropped = 930,
                                                               .bps = 931,
                                                               .fraction_lost = 64,
                                                               .delay_us_p50 = 932,
                                                               .delay_us_p99 = 933};
}

static inline void handmade_slot(struct handmade *h)
{
    h->slots[0].info = (struct source_info){.stream_id = 9,
                                            .name = "Test pattern",
                                            .kind = "pattern",
                                            .codec = "h264",
                                            .encoder = "openh264",
                                            .live = true,
                                            .width = 1280,
                                            .height = 720};
    h->slots[0].stream = &h->stream;
    h->slots[0].source = (struct source_stats){.capture_fps = 29.5,
                                               .encode_fps = 28.5,
                                               .bitrate_bps = 401,
                                               .frames_captured = 402,
                                               .frames_superseded = 403,
                                               .frames_encoded = 404,
                                               .frames_dropped = 405,
                                               .keyframes = 406,
                                               .keyframe_requests = 407,
                                               .keyframe_requests_coalesced = 408,
                                               .convert_us = &h->convert_us,
                                               .encode_us = &h->encode_us};
}

static inline void handmade_init(struct handmade *h)
{
    memset(h, 0, sizeof(*h));
    strcpy(h->room.code, "CALM-FOX-007");
    h->room.viewers = 3;
    h->room.viewers_peak = 5;
    h->worker = handmade_worker();
    h->stream = (struct forwarder_stream_stats){
        .stream_id = 9,
        .joins_from_cache = 201,
        .joins_waited = 202,
        .capture_to_send_us_p50 = 203,
        .capture_to_send_us_p99 = 204,
    };
    h->viewer = (struct forwarder_viewer_stats){
        .id = 77,
        .state = VIEWER_PLAYING,
        .reason = PEER_REASON_NONE,
        .state_age_us = 2500000,
        .first_frame_us = 42000,
        .rtt_us = -1,
        .fraction_lost = 64,
        .jitter_us = 1500,
        .sent_bps = 301,
        .target_bps = 2000000,
        .estimate_bps = -1,
        .queue_us = 4500,
        .mode = LAYER_SLIDES,
        .layer = 1,
        .temporal = LAYER_ANY,
        .counters =
            {.packets_sent = 302, .nacks = 303, .resent = 304, .resend_misses = 305, .plis = 306},
    };
    for (int i = 0; i < 100; i++) {
        histogram_add(&h->convert_us, 300);
        histogram_add(&h->encode_us, 7000);
    }
    h->stats = (struct stats){
        .uptime_us = 12500000,
        .udp_port = 8189,
        .process = {.cpu_us = 1, .rss_bytes = 2, .threads = 3, .open_fds = 4},
        .forwarder = {.n_workers = 1,
                      .workers = &h->worker,
                      .n_streams = 1,
                      .streams = &h->stream,
                      .n_viewers = 1,
                      .viewers = &h->viewer,
                      .n_ingests = 1,
                      .ingests = &h->ingest},
        .http = {.joins = 601,
                 .joins_refused = 602,
                 .connections = 603,
                 .connections_refused = 604,
                 .address_refused = 605},
        .denied = {801, 802, 803, 804},
        .rooms_opened = 701,
        .rooms_idle_end = 702,
        .n_rooms = 1,
        .rooms = h->rooms,
        .slots = h->slots,
        .guest = handmade_guest,
        .guest_arg = h,
    };
    handmade_ingest(h);
    h->rooms[0] =
        (struct stats_room){.room = &h->room, .age_us = 11000000, .n_slots = 1, .slots = h->slots};
    handmade_slot(h);
}
