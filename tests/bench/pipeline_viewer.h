/* pipeline_viewer.h - a forwarder of one worker with one viewer on loopback, which takes whatever
 * codec comes.
 *
 * Life: pipeline_viewer_new, pipeline_viewer_connect once the stream has a source,
 * pipeline_viewer_run for as long as wanted, pipeline_viewer_free after the source has been closed.
 * One thread beside the worker. Whatever fails ends the program.
 */
#pragma once

#include "rtp/forward/forwarder.h"
#include "tests/unit/forward/loopback_client.h"

#include <poll.h>
#include <stdio.h>

struct pipeline_viewer {
    struct forwarder *f;
    struct dtls_context *server, *client;
    uint32_t stream_id;
    struct loopback_client loop;
    bool open;
};

static inline void pipeline_fail(const char *what)
{
    fprintf(stderr, "pipeline: %s\n", what);
    exit(1);
}

static inline void pipeline_viewer_wake(void *arg)
{
    (void)arg;
}

static inline void pipeline_fingerprint(struct dtls_fingerprint *out, const struct dtls_context *c)
{
    char text[DTLS_FINGERPRINT_TEXT_MAX];
    dtls_context_fingerprint(c, text);
    if (!dtls_fingerprint_parse(out, text))
        pipeline_fail("no fingerprint");
}

static inline void pipeline_viewer_new(struct pipeline_viewer *v)
{
    char error[200];
    *v = (struct pipeline_viewer){.open = false};
    if (dtls_context_create(&v->server) != 0 || dtls_context_create(&v->client) != 0)
        pipeline_fail("no DTLS");
    const struct forwarder_config config = {
        .n_workers = 1, .max_viewers = 1, .dtls = v->server, .wake = pipeline_viewer_wake};
    if (forwarder_create(&v->f, &config, error, sizeof(error)) != 0)
        pipeline_fail(error);
    if (forwarder_add_stream(v->f, FORWARDER_VIDEO, 1, &v->stream_id) != 0)
        pipeline_fail("no stream");
}

/* Reads what comes until then. */
static inline void pipeline_viewer_run(struct pipeline_viewer *v, int64_t until_us)
{
    struct forwarder_event ignored;
    while (loopback_now_us() < until_us) {
        struct pollfd fd = {.fd = v->loop.fd, .events = POLLIN};
        poll(&fd, 1, 10);
        loopback_client_pump(&v->loop);
        while (forwarder_next_event(v->f, &ignored))
            ;
    }
}

static inline void pipeline_viewer_connect(struct pipeline_viewer *v)
{
    struct forwarder_seat seat;
    if (forwarder_reserve(v->f, &seat) != 0)
        pipeline_fail("no seat");
    struct viewer_config config = {
        .id = seat.viewer_id,
        .seed = 7,
        .cname = "bench",
        .peer = {.local = seat.ice,
                 .remote_ufrag = LOOPBACK_UFRAG,
                 .remote_pwd = LOOPBACK_PWD,
                 .role = DTLS_SERVER,
                 .n_fingerprints = 1},
        .n_tracks = 1,
        .tracks = {{.stream_id = v->stream_id,
                    .ssrc = 1,
                    .rtx_ssrc = 2,
                    .kind = FORWARDER_VIDEO,
                    .formats = {[PAYLOAD_H264] = {102, 103},
                                [PAYLOAD_VP8] = {104, 105},
                                [PAYLOAD_VP9] = {106, 107},
                                [PAYLOAD_AV1] = {108, 109}}}},
    };
    struct dtls_fingerprint server;
    pipeline_fingerprint(&server, v->server);
    pipeline_fingerprint(&config.peer.fingerprints[0], v->client);
    if (forwarder_add_viewer(v->f, &config) != 0)
        pipeline_fail("viewer refused");
    loopback_client_open(&v->loop, forwarder_port(v->f), &seat.ice, v->client, &server);
    v->open = true;
    int64_t end_us = loopback_now_us() + 20000000;
    while (v->loop.rtp == 0) {
        if (loopback_now_us() > end_us)
            pipeline_fail("nothing came to the viewer in time");
        pipeline_viewer_run(v, loopback_now_us() + 10000);
    }
}

static inline void pipeline_viewer_free(struct pipeline_viewer *v)
{
    forwarder_destroy(v->f);
    if (v->open)
        loopback_client_close(&v->loop);
    dtls_context_destroy(v->server);
    dtls_context_destroy(v->client);
}
