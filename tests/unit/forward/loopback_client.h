/* loopback_client.h - a viewer on a real socket: ICE checks, DTLS, and RTP that is opened and
 * counted.
 *
 * Life: loopback_client_open (UDP; or loopback_client_begin and loopback_client_use_tcp, which may
 * also be called later, to go on over a connection), loopback_client_pump as often as there is
 * something to read or time has passed, loopback_client_close. One thread. What it asserts ends the
 * program.
 */
#pragma once

#include "rtp/forward/forwarder.h"
#include "rtp/session/framing.h"
#include "rtp/wire/rtcp.h"
#include "rtp/wire/rtp.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LOOPBACK_CHECK_AGAIN_US 200000 /* until the first answer */
#define LOOPBACK_CHECK_US 2000000
#define LOOPBACK_UFRAG "loop"
#define LOOPBACK_PWD "loopbackloopbackloopback"
#define LOOPBACK_SSRC 1u /* of its RTCP */

struct loopback_client {
    int fd; /* -1: none */
    bool tcp;
    bool ended;         /* TCP: by the other side */
    struct framing *in; /* owned; of TCP */
    struct ice_local server;
    uint8_t transaction[12];
    int64_t check_us;
    bool ice_done;
    struct dtls *dtls;
    struct seal *seal; /* NULL until connected */
    void (*on_rtp)(void *arg, struct loopback_client *c, const struct rtp_header *h,
                   const uint8_t *payload);
    void *arg;
    /* another way than `fd`, see loopback_client_open_without_socket */
    void (*send)(void *arg, const uint8_t *data, size_t size);
    void *send_arg;

    bool mute; /* answers no checks */

    uint64_t questions, checks; /* of the server's that came, and that it answered */
    uint64_t datagrams_sent, datagrams, rtp, sender_reports, byes, not_authentic;
    bool closed;       /* close_notify came */
    uint64_t position; /* for on_rtp */
};

static inline int64_t loopback_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static inline void loopback_client_send(struct loopback_client *c, const uint8_t *data, size_t size)
{
    if (c->send) {
        c->send(c->send_arg, data, size);
        c->datagrams_sent++;
        return;
    }
    uint8_t framed[FRAMING_HEADER + FRAMING_FRAME_MAX];
    if (c->tcp) {
        framing_write(framed, size);
        memcpy(framed + FRAMING_HEADER, data, size);
        data = framed;
        size += FRAMING_HEADER;
    }
    ssize_t n = send(c->fd, data, size, MSG_NOSIGNAL);
    assert(n < 0 || (size_t)n == size);
    if (n >= 0) /* else nobody listens there any more */
        c->datagrams_sent++;
}

static inline void loopback_client_begin(struct loopback_client *c, const struct ice_local *server,
                                         struct dtls_context *dtls,
                                         const struct dtls_fingerprint *fingerprint)
{
    *c = (struct loopback_client){.fd = -1, .server = *server};
    memcpy(c->transaction, server->pwd, sizeof(c->transaction)); /* random enough */
    int rc = dtls_create(&c->dtls, dtls, DTLS_CLIENT, fingerprint, 1);
    assert(rc == 0);
}

/* Takes nothing from anywhere but the address it sends to. */
static inline void loopback_client_open_to(struct loopback_client *c, const char *ip, uint16_t port,
                                           const struct ice_local *server,
                                           struct dtls_context *dtls,
                                           const struct dtls_fingerprint *fingerprint)
{
    loopback_client_begin(c, server, dtls, fingerprint);
    struct address to;
    int room = 4 << 20;
    bool ok = address_parse(&to, ip, port);
    c->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    ok = ok && c->fd >= 0 && connect(c->fd, &to.sa, address_size(&to)) == 0;
    assert(ok);
    (void)setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
}

static inline void loopback_client_open(struct loopback_client *c, uint16_t port,
                                        const struct ice_local *server, struct dtls_context *dtls,
                                        const struct dtls_fingerprint *fingerprint)
{
    loopback_client_open_to(c, "127.0.0.1", port, server, dtls, fingerprint);
}

/* Goes on over a connection with a receive buffer of `room` bytes (0: the kernel's choice), and
 * leaves the descriptor it had to the caller. Returns the other end. */
static inline int loopback_client_use_tcp(struct loopback_client *c, int room)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(name);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    bool ok = listener >= 0 && bind(listener, (struct sockaddr *)&name, size) == 0 &&
              listen(listener, 1) == 0 &&
              getsockname(listener, (struct sockaddr *)&name, &size) == 0;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    ok = ok && c->fd >= 0;
    if (room > 0)
        ok = ok && setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)) == 0;
    ok = ok && connect(c->fd, (struct sockaddr *)&name, size) == 0;
    int other = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    assert(ok && other >= 0);
    close(listener);
    c->tcp = true;
    c->ended = false;
    if (!c->in)
        c->in = malloc(sizeof(*c->in));
    assert(c->in);
    framing_init(c->in);
    return other;
}

/* Somebody else checks, sends, hands in what comes and calls dtls_start. */
static inline void loopback_client_open_without_socket(
    struct loopback_client *c, void (*send)(void *arg, const uint8_t *data, size_t size),
    void *send_arg, struct dtls_context *dtls, const struct dtls_fingerprint *fingerprint)
{
    *c = (struct loopback_client){
        .fd = -1, .check_us = INT64_MAX, .send = send, .send_arg = send_arg};
    int rc = dtls_create(&c->dtls, dtls, DTLS_CLIENT, fingerprint, 1);
    assert(rc == 0);
}

static inline void loopback_client_close(struct loopback_client *c)
{
    dtls_destroy(c->dtls);
    seal_destroy(c->seal);
    if (c->fd >= 0)
        close(c->fd);
    free(c->in);
}

static inline void loopback_client_check(struct loopback_client *c, int64_t now_us)
{
    uint8_t out[600];
    size_t size = ice_lite_write_check(out, sizeof(out), LOOPBACK_UFRAG, c->server.ufrag,
                                       c->server.pwd, 1, c->transaction);
    assert(size > 0);
    loopback_client_send(c, out, size);
    c->check_us = now_us + (c->ice_done ? LOOPBACK_CHECK_US : LOOPBACK_CHECK_AGAIN_US);
}

static inline void loopback_client_flush_dtls(struct loopback_client *c)
{
    uint8_t out[2048];
    size_t size;
    while ((size = dtls_next_datagram(c->dtls, out, sizeof(out))) > 0)
        loopback_client_send(c, out, size);
    if (!c->seal && dtls_state(c->dtls) == DTLS_CONNECTED) {
        struct seal_keys keys;
        dtls_keys(c->dtls, &keys);
        int rc = seal_create(&c->seal, &keys);
        assert(rc == 0);
    }
    c->closed = c->closed || dtls_state(c->dtls) == DTLS_CLOSED;
}

static inline void loopback_client_on_rtcp(struct loopback_client *c, const uint8_t *data,
                                           size_t size)
{
    struct rtcp_packet p;
    while (rtcp_next(&p, &data, &size)) {
        c->sender_reports += p.type == RTCP_SR;
        c->byes += p.type == RTCP_BYE;
    }
}

static inline void loopback_client_on_media(struct loopback_client *c, uint8_t *data, size_t size,
                                            bool rtcp)
{
    size_t plain = rtcp ? unseal_rtcp(c->seal, data, size) : unseal_rtp(c->seal, data, size);
    struct rtp_header h;
    if (plain == 0 || (!rtcp && !rtp_parse(&h, data, plain))) {
        c->not_authentic++;
    } else if (rtcp) {
        loopback_client_on_rtcp(c, data, plain);
    } else {
        c->rtp++;
        if (c->on_rtp)
            c->on_rtp(c->arg, c, &h, data + h.header_size);
    }
}

/* A check of the server's: it asks whether this is where we are. */
static inline bool loopback_client_answer(struct loopback_client *c, const uint8_t *data,
                                          size_t size)
{
    static const struct ice_local own = {.ufrag = LOOPBACK_UFRAG, .pwd = LOOPBACK_PWD};
    struct address from;
    uint8_t out[512];
    bool ok = address_parse(&from, "127.0.0.1", 1);
    assert(ok);
    size_t n = ice_lite_answer(&own, data, size, &from, out, sizeof(out));
    c->questions += n > 0;
    if (n == 0 || c->mute)
        return n > 0;
    loopback_client_send(c, out, n);
    c->checks++;
    return true;
}

static inline void loopback_client_on_datagram(struct loopback_client *c, uint8_t *data,
                                               size_t size)
{
    c->datagrams++;
    enum datagram_kind kind = datagram_kind(data, size);
    if (kind == DATAGRAM_STUN && ice_lite_is_success(data, size, c->server.pwd, c->transaction)) {
        if (!c->ice_done)
            dtls_start(c->dtls);
        c->ice_done = true;
    } else if (kind == DATAGRAM_STUN && loopback_client_answer(c, data, size)) {
        return;
    } else if (kind == DATAGRAM_DTLS) {
        dtls_on_datagram(c->dtls, data, size);
        loopback_client_flush_dtls(c); /* media may be the next datagram */
    } else if (c->seal && (kind == DATAGRAM_RTP || kind == DATAGRAM_RTCP)) {
        loopback_client_on_media(c, data, size, kind == DATAGRAM_RTCP);
    } else {
        c->not_authentic++;
    }
}

static inline void loopback_client_read_tcp(struct loopback_client *c)
{
    size_t room, size;
    uint8_t *data = framing_room(c->in, &room);
    ssize_t n;
    while ((n = recv(c->fd, data, room, MSG_DONTWAIT)) > 0) {
        framing_added(c->in, (size_t)n);
        int rc;
        while ((rc = framing_peek(c->in, &data, &size)) == 1) {
            loopback_client_on_datagram(c, data, size);
            framing_drop(c->in);
        }
        assert(rc == 0);
        data = framing_room(c->in, &room);
    }
    c->ended = c->ended || n == 0 || errno != EAGAIN;
}

/* Reads all there is, then does what is due. */
static inline void loopback_client_pump(struct loopback_client *c)
{
    uint8_t data[2048];
    ssize_t n;
    if (c->tcp)
        loopback_client_read_tcp(c);
    while (!c->tcp && c->fd >= 0 && (n = recv(c->fd, data, sizeof(data), 0)) >= 0)
        loopback_client_on_datagram(c, data, (size_t)n);
    int64_t now_us = loopback_now_us();
    if (now_us >= c->check_us && !c->closed)
        loopback_client_check(c, now_us);
    if (now_us >= dtls_next_timeout(c->dtls, now_us))
        dtls_on_timeout(c->dtls);
    loopback_client_flush_dtls(c);
}

/* A plain RTCP packet with SEAL_TRAILER_MAX bytes of room behind it. */
static inline void loopback_client_send_rtcp(struct loopback_client *c, uint8_t *packet,
                                             size_t size)
{
    size = seal_rtcp(c->seal, packet, size, size + SEAL_TRAILER_MAX);
    assert(size > 0);
    loopback_client_send(c, packet, size);
}
