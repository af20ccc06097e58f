/* joiner.h - how one viewer comes to its SDP and goes again: WHEP, or amphi.v1 over a WebSocket.
 * Sans-IO: the caller owns the TCP connection.
 *
 *            200, 201, offer             joiner_leave          200
 *     ASKING ───────────────▶ AGREED ──────────────▶ LEAVING ────▶ LEFT
 *       │ 503, 409: RETRY, then joiner_ask again
 *       └▶ FAILED
 *
 * Life: joiner_init; joiner_ask on a new connection; joiner_on_bytes with what comes and
 * joiner_on_close when it closes; joiner_output has what is to be sent. joiner.done_with_connection
 * says that the connection is to be closed. joiner_leave for WHEP needs a new connection again.
 * joiner_finish. One thread.
 */
#pragma once

#include "tests/load/sdp_scan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum joiner_signaling { JOINER_WHEP = 1, JOINER_WS };
enum joiner_state {
    JOINER_ASKING = 1,
    JOINER_RETRY, /* after joiner.retry_after_s */
    JOINER_AGREED,
    JOINER_LEAVING,
    JOINER_LEFT,
    JOINER_FAILED,
};

/* The same for all viewers; lives as long as they do. */
struct joiner_config {
    enum joiner_signaling signaling;
    const char *host; /* "127.0.0.1:8080" */
    const char *room;
    const char *fingerprint, *pwd; /* of our SDP */
};

struct joiner {
    const struct joiner_config *config;
    enum joiner_state state;
    char ufrag[16];
    bool upgraded; /* the WebSocket is open */
    bool done_with_connection;
    int retry_after_s;
    uint32_t mask;
    char *location; /* owned; of the WHEP session, NULL: there is none */
    char *out;      /* owned; out_sent bytes of out_size have been taken */
    size_t out_size, out_sent, out_room;
    char *in; /* owned; NUL behind in_size */
    size_t in_size, in_room;
    struct sdp_scan remote; /* once AGREED */
    char error[160];        /* why FAILED or RETRY */
};

void joiner_init(struct joiner *j, const struct joiner_config *config, const char *ufrag,
                 uint32_t mask);
void joiner_finish(struct joiner *j); /* zeroed memory is fine */
void joiner_ask(struct joiner *j);
void joiner_on_bytes(struct joiner *j, const char *data, size_t size);
void joiner_on_close(struct joiner *j);
const char *joiner_output(const struct joiner *j, size_t *size);
void joiner_on_sent(struct joiner *j, size_t size);
/* Begins the goodbye: true if WHEP's DELETE waits for a new connection to be sent on. */
bool joiner_leave(struct joiner *j);
