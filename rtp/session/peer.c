#include "rtp/session/peer.h"
#include "rtp/wire/rtp.h"

#include <assert.h>
#include <string.h>

static bool is_legal_move(enum peer_state from, enum peer_state to)
{
    switch (from) {
    case PEER_ICE:
        return to == PEER_DTLS || to == PEER_CLOSED;
    case PEER_DTLS:
        return to == PEER_CONNECTED || to == PEER_CLOSED;
    case PEER_CONNECTED:
        return to == PEER_CLOSED;
    case PEER_CLOSED:
        return false;
    }
    return false;
}

static void set_state(struct peer *p, enum peer_state to, enum peer_reason reason, int64_t now_us)
{
    assert(is_legal_move(p->state, to));
    p->state = to;
    p->reason = reason;
    p->state_since_us = now_us;
    p->deadline_us = to == PEER_DTLS ? now_us + PEER_CONNECT_TIMEOUT_US : INT64_MAX;
}

int peer_init(struct peer *p, const struct peer_config *config, struct dtls_context *ctx,
              int64_t now_us)
{
    memset(p, 0, sizeof(*p));
    int error =
        dtls_create(&p->dtls, ctx, config->role, config->fingerprints, config->n_fingerprints);
    if (error != 0)
        return error;
    ice_lite_init(&p->ice, &config->local, config->remote_ufrag, config->remote_pwd, now_us);
    p->full_ice = config->full_ice;
    p->state = PEER_ICE;
    p->reason = PEER_REASON_NONE;
    p->state_since_us = now_us;
    p->deadline_us = now_us + PEER_CONNECT_TIMEOUT_US;
    return 0;
}

void peer_finish(struct peer *p)
{
    dtls_destroy(p->dtls);
    seal_destroy(p->seal);
    explicit_bzero(p, sizeof(*p));
}

static void connect_seal(struct peer *p, int64_t now_us)
{
    struct seal_keys keys;
    dtls_keys(p->dtls, &keys);
    int error = seal_create(&p->seal, &keys);
    explicit_bzero(&keys, sizeof(keys));
    if (error == 0) {
        ice_lite_on_handshake(&p->ice);
        set_state(p, PEER_CONNECTED, PEER_REASON_NONE, now_us);
        return;
    }
    dtls_shutdown(p->dtls);
    set_state(p, PEER_CLOSED, PEER_REASON_DTLS_FAILED, now_us);
}

/* Follows the DTLS session after anything was done to it. */
static void follow_dtls(struct peer *p, int64_t now_us)
{
    switch (dtls_state(p->dtls)) {
    case DTLS_HANDSHAKE:
        break;
    case DTLS_CONNECTED:
        if (p->state == PEER_DTLS)
            connect_seal(p, now_us);
        break;
    case DTLS_FAILED:
        set_state(p, PEER_CLOSED, PEER_REASON_DTLS_FAILED, now_us);
        break;
    case DTLS_CLOSED:
        set_state(p, PEER_CLOSED, PEER_REASON_REMOTE_CLOSED, now_us);
        break;
    }
}

/* There is a path: the handshake may begin. */
static void begin_dtls(struct peer *p, int64_t now_us)
{
    set_state(p, PEER_DTLS, PEER_REASON_NONE, now_us);
    dtls_start(p->dtls);
    follow_dtls(p, now_us);
}

static void on_stun(struct peer *p, const uint8_t *data, size_t size, const struct address *from,
                    int64_t now_us)
{
    p->stun_reply_size = sizeof(p->stun_reply);
    p->stun_reply_to = *from;
    enum ice_result result =
        ice_lite_on_stun(&p->ice, data, size, from, p->stun_reply, &p->stun_reply_size, now_us);
    if (result == ICE_IGNORED)
        p->bad_datagrams++;
    if (result == ICE_SELECTED && p->state == PEER_ICE)
        begin_dtls(p, now_us);
}

void peer_restart(struct peer *p, const struct ice_local *local, const char *remote_ufrag,
                  const char *remote_pwd)
{
    assert(!p->full_ice);
    ice_lite_restart(&p->ice, local, remote_ufrag, remote_pwd);
}

void peer_on_path(struct peer *p, const struct address *remote, int64_t now_us)
{
    assert(p->full_ice);
    p->ice.remote = *remote;
    p->ice.selected = p->ice.proved = true;
    if (p->state == PEER_ICE)
        begin_dtls(p, now_us);
}

void peer_on_path_lost(struct peer *p, int64_t now_us)
{
    assert(p->full_ice);
    if (p->state != PEER_CLOSED)
        set_state(p, PEER_CLOSED, PEER_REASON_CONSENT_LOST, now_us);
}

enum peer_input peer_on_datagram(struct peer *p, uint8_t *data, size_t *size,
                                 const struct address *from, int64_t now_us)
{
    enum datagram_kind kind = datagram_kind(data, *size);
    if (p->state == PEER_CLOSED) {
        p->bad_datagrams++;
        return PEER_INPUT_NONE;
    }
    if (kind == DATAGRAM_STUN && !p->full_ice) {
        on_stun(p, data, *size, from, now_us);
        return PEER_INPUT_NONE;
    }
    size_t plain = 0;
    if (kind == DATAGRAM_DTLS && p->state == PEER_DTLS && !p->full_ice)
        ice_lite_on_record(&p->ice, from, now_us);
    if (p->ice.selected && address_equal(from, &p->ice.remote)) {
        if (kind == DATAGRAM_DTLS) {
            dtls_on_datagram(p->dtls, data, *size);
            follow_dtls(p, now_us);
            return PEER_INPUT_NONE;
        }
        if (p->seal && kind == DATAGRAM_RTP)
            plain = unseal_rtp(p->seal, data, *size);
        else if (p->seal && kind == DATAGRAM_RTCP)
            plain = unseal_rtcp(p->seal, data, *size);
    }
    if (plain == 0) {
        p->bad_datagrams++;
        return PEER_INPUT_NONE;
    }
    dtls_release(p->dtls); /* it has our last flight, or it could not have made this */
    *size = plain;
    return kind == DATAGRAM_RTP ? PEER_INPUT_RTP : PEER_INPUT_RTCP;
}

bool peer_on_stray(struct peer *p, uint8_t *data, size_t *size, const struct address *from,
                   int64_t now_us)
{
    if (p->state != PEER_CONNECTED || p->full_ice || !p->seal || !address_is_udp(from) ||
        !address_is_udp(&p->ice.remote) || datagram_kind(data, *size) != DATAGRAM_RTCP)
        return false;
    size_t plain = unseal_rtcp(p->seal, data, *size);
    if (plain == 0)
        return false;
    ice_lite_on_authentic(&p->ice, from, now_us);
    *size = plain;
    return true;
}

bool peer_may_send(const struct peer *p)
{
    return p->state == PEER_CONNECTED && p->ice.proved;
}

static size_t next_proof(struct peer *p, uint8_t *out, size_t room)
{
    uint8_t transaction[ICE_TRANSACTION_SIZE];
    if (!p->ice.proof_due || !dtls_random(transaction, sizeof(transaction)))
        return 0;
    return ice_lite_next_proof(&p->ice, out, room, transaction);
}

size_t peer_next_datagram(struct peer *p, uint8_t *out, size_t room, struct address *to)
{
    assert(room >= DTLS_MTU);
    /* RFC 7675 5.1: once consent is lost nothing more leaves, not even a goodbye */
    if (p->reason == PEER_REASON_CONSENT_LOST)
        return 0;
    if (p->stun_reply_size > 0) {
        size_t size = p->stun_reply_size;
        memcpy(out, p->stun_reply, size);
        *to = p->stun_reply_to;
        p->stun_reply_size = 0;
        return size;
    }
    if (!p->ice.selected)
        return 0;
    *to = p->ice.remote;
    size_t proof = next_proof(p, out, room);
    return proof > 0 ? proof : dtls_next_datagram(p->dtls, out, room);
}

int64_t peer_next_timeout(struct peer *p, int64_t now_us)
{
    int64_t at = p->deadline_us, other = INT64_MAX;
    if (p->state != PEER_CLOSED && ice_lite_proof_timeout(&p->ice) < at)
        at = ice_lite_proof_timeout(&p->ice);
    if (p->state == PEER_DTLS)
        other = dtls_next_timeout(p->dtls, now_us);
    else if (p->state == PEER_CONNECTED && !p->full_ice)
        other = ice_lite_consent_deadline(&p->ice);
    return other < at ? other : at;
}

void peer_on_timeout(struct peer *p, int64_t now_us)
{
    ice_lite_on_timeout(&p->ice, now_us);
    switch (p->state) {
    case PEER_ICE:
        if (now_us >= p->deadline_us)
            set_state(p, PEER_CLOSED, PEER_REASON_ICE_TIMEOUT, now_us);
        break;
    case PEER_DTLS:
        if (now_us >= p->deadline_us) {
            set_state(p, PEER_CLOSED, PEER_REASON_DTLS_TIMEOUT, now_us);
        } else {
            dtls_on_timeout(p->dtls);
            follow_dtls(p, now_us);
        }
        break;
    case PEER_CONNECTED:
        if (!p->full_ice && now_us >= ice_lite_consent_deadline(&p->ice))
            set_state(p, PEER_CLOSED, PEER_REASON_CONSENT_LOST, now_us);
        break;
    case PEER_CLOSED:
        break;
    }
}

void peer_close(struct peer *p, int64_t now_us)
{
    if (p->state == PEER_CLOSED)
        return;
    dtls_shutdown(p->dtls);
    set_state(p, PEER_CLOSED, PEER_REASON_LOCAL_CLOSED, now_us);
}

const char *peer_state_name(enum peer_state s)
{
    switch (s) {
    case PEER_ICE:
        return "ice";
    case PEER_DTLS:
        return "dtls";
    case PEER_CONNECTED:
        return "connected";
    case PEER_CLOSED:
        return "closed";
    }
    return "unknown";
}

const char *peer_reason_name(enum peer_reason r)
{
    switch (r) {
    case PEER_REASON_NONE:
        return "none";
    case PEER_REASON_ICE_TIMEOUT:
        return "ice-timeout";
    case PEER_REASON_DTLS_TIMEOUT:
        return "dtls-timeout";
    case PEER_REASON_DTLS_FAILED:
        return "dtls-failed";
    case PEER_REASON_CONSENT_LOST:
        return "consent-lost";
    case PEER_REASON_REMOTE_CLOSED:
        return "remote-closed";
    case PEER_REASON_LOCAL_CLOSED:
        return "local-closed";
    }
    return "unknown";
}
