#include "rtp/session/ice_lite.h"
#include "rtp/wire/bytes.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <stun/stunagent.h>
#include <stun/usages/ice.h>

#define BINDING_REQUEST 0x0001
#define BINDING_SUCCESS 0x0101
#define TRANSACTION_AT 8
#define INTEGRITY_SIZE 20
#define FINGERPRINT_SIZE 4
#define REPLY_ROOM_MIN 512
#define AMPLIFICATION_MAX 3
#define PROOFS_A_CHECK 2 /* with the answer that makes three datagrams for one of theirs */
#define USERNAME_MAX (ICE_LOCAL_UFRAG_SIZE + 1 + ICE_UFRAG_MAX)

/* Anything else below 0x8000 in a request is answered with 420 (RFC 8489 6.3.1). */
static const uint16_t known_attributes[] = {
    STUN_ATTRIBUTE_USERNAME,           STUN_ATTRIBUTE_MESSAGE_INTEGRITY,
    STUN_ATTRIBUTE_PRIORITY,           STUN_ATTRIBUTE_USE_CANDIDATE,
    STUN_ATTRIBUTE_ICE_CONTROLLED,     STUN_ATTRIBUTE_ICE_CONTROLLING,
    STUN_ATTRIBUTE_ERROR_CODE,         STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES,
    STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS, 0,
};

/* A StunAgent remembers requests it has sent; we send none, so one per call on the stack is enough
 * and nothing is shared between threads. */
static void init_agent(StunAgent *agent)
{
    stun_debug_disable(); /* one word of libnice's, always set to the same; its output has passwords
                           */
    stun_agent_init(agent, known_attributes, STUN_COMPATIBILITY_RFC5389,
                    STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
}

/* Checks the shape of a whole STUN message and finds the username. libnice believes the size of
 * MESSAGE-INTEGRITY without looking, so nothing reaches it that has not passed here. */
static bool scan(const uint8_t *data, size_t size, const uint8_t **username, size_t *username_size)
{
    *username = NULL;
    *username_size = 0;
    if (size < STUN_MESSAGE_HEADER_LENGTH || size % 4 != 0 || data[0] > 3 ||
        get_u16(data + 2) + (size_t)STUN_MESSAGE_HEADER_LENGTH != size ||
        get_u32(data + 4) != STUN_MAGIC_COOKIE)
        return false;
    bool integrity = false, fingerprint = false;
    for (size_t at = STUN_MESSAGE_HEADER_LENGTH; at < size;) {
        size_t value_size = get_u16(data + at + 2); /* size and at are multiples of 4 */
        size_t padded = (value_size + 3) & ~(size_t)3;
        if (fingerprint || padded > size - at - 4)
            return false; /* RFC 8489 14.7: FINGERPRINT is last */
        switch (get_u16(data + at)) {
        case STUN_ATTRIBUTE_USERNAME:
            if (!*username && !integrity) {
                *username = data + at + 4;
                *username_size = value_size;
            }
            break;
        case STUN_ATTRIBUTE_MESSAGE_INTEGRITY:
            if (integrity || value_size != INTEGRITY_SIZE)
                return false;
            integrity = true;
            break;
        case STUN_ATTRIBUTE_FINGERPRINT:
            if (value_size != FINGERPRINT_SIZE)
                return false;
            fingerprint = true;
            break;
        default:
            break;
        }
        at += 4 + padded;
    }
    return integrity && fingerprint;
}

void ice_lite_init(struct ice_lite *ice, const struct ice_local *local, const char *remote_ufrag,
                   const char *remote_pwd, int64_t now_us)
{
    memset(ice, 0, sizeof(*ice));
    ice->local = *local;
    snprintf(ice->remote_ufrag, sizeof(ice->remote_ufrag), "%s", remote_ufrag);
    snprintf(ice->remote_pwd, sizeof(ice->remote_pwd), "%s", remote_pwd);
    ice->last_check_us = now_us;
    ice->proof_next_us = INT64_MAX;
}

void ice_lite_restart(struct ice_lite *ice, const struct ice_local *local, const char *remote_ufrag,
                      const char *remote_pwd)
{
    ice->local = *local;
    snprintf(ice->remote_ufrag, sizeof(ice->remote_ufrag), "%s", remote_ufrag);
    snprintf(ice->remote_pwd, sizeof(ice->remote_pwd), "%s", remote_pwd);
    ice->has_transaction = false; /* its answer would be signed with what was before */
}

/* RFC 8445 7.2.2: "ours:theirs". */
static bool is_local_ufrag(const struct ice_lite *ice, const uint8_t *username, size_t size)
{
    size_t n = strlen(ice->local.ufrag);
    return size > n && size <= USERNAME_MAX && memcmp(username, ice->local.ufrag, n) == 0 &&
           username[n] == ':';
}

static bool is_remote_ufrag(const struct ice_lite *ice, const uint8_t *username, size_t size)
{
    size_t skip = strlen(ice->local.ufrag) + 1, n = strlen(ice->remote_ufrag);
    return n == 0 || (size - skip == n && memcmp(username + skip, ice->remote_ufrag, n) == 0);
}

/* Hands libnice the password if the username is the one we expect. */
static bool give_password(StunAgent *agent, StunMessage *message, uint8_t *username,
                          uint16_t username_size, uint8_t **password, size_t *password_size,
                          void *user_data)
{
    (void)agent;
    (void)message;
    struct ice_lite *ice = user_data;
    if (!is_local_ufrag(ice, username, username_size) ||
        !is_remote_ufrag(ice, username, username_size))
        return false;
    *password = (uint8_t *)ice->local.pwd;
    *password_size = strlen(ice->local.pwd);
    return true;
}

static size_t write_error(StunAgent *agent, const StunMessage *request, StunError code,
                          uint8_t *reply, size_t room)
{
    StunMessage message;
    if (!stun_agent_init_error(agent, &message, reply, room, request, code))
        return 0;
    return stun_agent_finish_message(agent, &message, NULL, 0);
}

static size_t write_success(StunAgent *agent, StunMessage *request, const struct address *from,
                            bool controlling, uint8_t *reply, size_t room)
{
    StunMessage message;
    struct sockaddr_storage source = {0};
    memcpy(&source, from, sizeof(*from));
    StunUsageIceReturn result = stun_usage_ice_conncheck_create_reply(
        agent, request, &message, reply, &room, &source, address_size(from), &controlling, 0,
        STUN_USAGE_ICE_COMPATIBILITY_RFC5245);
    return result == STUN_USAGE_ICE_RETURN_SUCCESS ? room : 0;
}

struct check {
    const char *from_ufrag, *to_ufrag, *to_pwd;
    bool controlling; /* then it nominates too */
    uint64_t tie_breaker;
    const uint8_t *transaction;
};

static size_t write_check(uint8_t *out, size_t room, const struct check *c)
{
    /* RFC 8445 5.1.2.1: a peer-reflexive candidate, component 1 */
    const uint32_t priority = (110u << 24) | (65535u << 8) | 255u;
    char username[2 * ICE_UFRAG_MAX + 2];
    int n = snprintf(username, sizeof(username), "%s:%s", c->to_ufrag, c->from_ufrag);
    assert(n > 0 && (size_t)n < sizeof(username));
    StunAgent agent;
    StunMessage message;
    init_agent(&agent);
    if (!stun_agent_init_request(&agent, &message, out, room, STUN_BINDING))
        return 0;
    memcpy(out + TRANSACTION_AT, c->transaction, ICE_TRANSACTION_SIZE);
    uint16_t role = c->controlling ? STUN_ATTRIBUTE_ICE_CONTROLLING : STUN_ATTRIBUTE_ICE_CONTROLLED;
    if ((c->controlling && stun_message_append_flag(&message, STUN_ATTRIBUTE_USE_CANDIDATE)) ||
        stun_message_append32(&message, STUN_ATTRIBUTE_PRIORITY, priority) ||
        stun_message_append64(&message, role, c->tie_breaker) ||
        stun_message_append_bytes(&message, STUN_ATTRIBUTE_USERNAME, username, (size_t)n))
        return 0;
    return stun_agent_finish_message(&agent, &message, (const uint8_t *)c->to_pwd,
                                     strlen(c->to_pwd));
}

/* Validates one request and writes its answer. Returns true if it is a valid check. */
static bool answer(struct ice_lite *ice, const uint8_t *data, size_t size,
                   const struct address *from, uint8_t *reply, size_t *reply_size, bool *nominated)
{
    size_t room = *reply_size;
    StunAgent agent;
    StunMessage request, message;
    init_agent(&agent);
    *reply_size = 0;
    switch (stun_agent_validate(&agent, &request, data, size, give_password, ice)) {
    case STUN_VALIDATION_SUCCESS:
        break;
    case STUN_VALIDATION_UNAUTHORIZED:
        *reply_size = write_error(&agent, &request, STUN_ERROR_UNAUTHORIZED, reply, room);
        return false;
    case STUN_VALIDATION_UNKNOWN_REQUEST_ATTRIBUTE:
        *reply_size =
            stun_agent_build_unknown_attributes_error(&agent, &message, reply, room, &request);
        return false;
    default:
        return false;
    }
    /* A lite agent is always the controlled one: it has no checks to nominate with, so there is no
     * tie to break, and 487 makes the peer take its role (RFC 8445 6.1.1, 7.2.5.1). */
    if (stun_message_has_attribute(&request, STUN_ATTRIBUTE_ICE_CONTROLLED)) {
        *reply_size = write_error(&agent, &request, STUN_ERROR_ROLE_CONFLICT, reply, room);
        return false;
    }
    *reply_size = write_success(&agent, &request, from, false, reply, room);
    *nominated = stun_usage_ice_conncheck_use_candidate(&request);
    return *reply_size > 0;
}

/* One of the peer's checks from an address that is not proved pays for a few of ours. */
static void begin_proof(struct ice_lite *ice, int64_t now_us)
{
    ice->proof_due = true;
    ice->proof_left = PROOFS_A_CHECK;
    ice->proof_next_us = now_us + ICE_PROOF_AGAIN_US;
}

static void set_proved(struct ice_lite *ice)
{
    ice->proved = true;
    ice->proof_due = false;
    ice->proof_next_us = INT64_MAX;
}

/* A connection is proved by TCP's own handshake, and another one later is another one. */
static void remember(struct ice_lite *ice)
{
    if (!address_is_udp(&ice->remote))
        return;
    ice->has_proved_before = true;
    ice->proved_before = ice->remote;
}

void ice_lite_on_handshake(struct ice_lite *ice)
{
    if (ice->proved)
        remember(ice);
}

static void move_to(struct ice_lite *ice, const struct address *to, int64_t now_us)
{
    bool first = !ice->selected;
    bool stays = ice->proved && address_is_udp(&ice->remote) && address_same_end(&ice->remote, to);
    bool was = ice->has_proved_before && address_same_end(&ice->proved_before, to);
    if (!first) {
        ice->address_changes++;
        ice->has_before = true;
        ice->before = ice->remote;
    }
    ice->selected = true;
    ice->remote = *to;
    if (first || stays || was || !address_is_udp(to)) {
        set_proved(ice);
        return;
    }
    ice->proved = ice->has_transaction = false;
    begin_proof(ice, now_us);
}

static enum ice_result take_check(struct ice_lite *ice, const struct address *from, bool nominated,
                                  int64_t now_us)
{
    ice->checks++;
    if (ice->selected && address_equal(&ice->remote, from)) {
        ice->last_check_us = now_us;
        if (!ice->proved)
            begin_proof(ice, now_us);
        return ICE_CHECKED;
    }
    if (ice->selected && !nominated && now_us - ice->last_check_us < ICE_SILENCE_US)
        return ICE_CHECKED;
    move_to(ice, from, now_us);
    ice->last_check_us = now_us;
    return ICE_SELECTED;
}

static enum ice_result take_answer(struct ice_lite *ice, const uint8_t *data, size_t size,
                                   const struct address *from)
{
    if (!ice->has_transaction || ice->proved || !address_equal(&ice->remote, from) ||
        !ice_lite_is_success(data, size, ice->remote_pwd, ice->transaction))
        return ICE_IGNORED;
    set_proved(ice);
    remember(ice);
    return ICE_PROVED;
}

enum ice_result ice_lite_on_stun(struct ice_lite *ice, const uint8_t *data, size_t size,
                                 const struct address *from, uint8_t *reply, size_t *reply_size,
                                 int64_t now_us)
{
    assert(*reply_size >= REPLY_ROOM_MIN);
    const uint8_t *username;
    size_t username_size, room = *reply_size;
    bool valid = false, nominated = false;
    enum ice_result result = ICE_IGNORED;
    *reply_size = 0;
    if (scan(data, size, &username, &username_size)) {
        if (get_u16(data) == BINDING_SUCCESS) {
            result = take_answer(ice, data, size, from);
        } else if (get_u16(data) == BINDING_REQUEST && username &&
                   is_local_ufrag(ice, username, username_size)) {
            *reply_size = room;
            valid = answer(ice, data, size, from, reply, reply_size, &nominated);
        }
    }
    if (*reply_size > AMPLIFICATION_MAX * size)
        *reply_size = 0;
    if (valid)
        result = take_check(ice, from, nominated, now_us);
    if (result == ICE_IGNORED)
        ice->bad_checks++;
    return result;
}

void ice_lite_on_authentic(struct ice_lite *ice, const struct address *from, int64_t now_us)
{
    if (ice->selected && !address_equal(&ice->remote, from))
        move_to(ice, from, now_us);
}

void ice_lite_on_record(struct ice_lite *ice, const struct address *from, int64_t now_us)
{
    if (ice->has_before && address_equal(&ice->before, from))
        move_to(ice, from, now_us);
}

int64_t ice_lite_consent_deadline(const struct ice_lite *ice)
{
    return ice->last_check_us + ICE_CONSENT_US;
}

size_t ice_lite_next_proof(struct ice_lite *ice, uint8_t *out, size_t room,
                           const uint8_t transaction[ICE_TRANSACTION_SIZE])
{
    if (!ice->proof_due)
        return 0;
    ice->proof_due = false;
    ice->proof_left--;
    if (ice->proof_left == 0)
        ice->proof_next_us = INT64_MAX; /* the peer's next check begins again */
    if (!ice->has_transaction)          /* sent again, it is the same one (RFC 8489 6.2.1) */
        memcpy(ice->transaction, transaction, ICE_TRANSACTION_SIZE);
    ice->has_transaction = true;
    return write_check(out, room,
                       &(struct check){
                           .from_ufrag = ice->local.ufrag,
                           .to_ufrag = ice->remote_ufrag,
                           .to_pwd = ice->remote_pwd,
                           .transaction = ice->transaction,
                       });
}

int64_t ice_lite_proof_timeout(const struct ice_lite *ice)
{
    return ice->proof_next_us;
}

void ice_lite_on_timeout(struct ice_lite *ice, int64_t now_us)
{
    if (now_us < ice->proof_next_us)
        return;
    ice->proof_due = true;
    ice->proof_next_us = now_us + ICE_PROOF_AGAIN_US;
}

bool ice_lite_peek_ufrag(const uint8_t *data, size_t size, char out[ICE_LOCAL_UFRAG_SIZE + 1])
{
    const uint8_t *username;
    size_t username_size;
    if (!scan(data, size, &username, &username_size) || get_u16(data) != BINDING_REQUEST ||
        !username)
        return false;
    const uint8_t *colon = memchr(username, ':', username_size);
    if (!colon || colon == username || colon - username > ICE_LOCAL_UFRAG_SIZE)
        return false;
    size_t n = (size_t)(colon - username);
    memcpy(out, username, n);
    out[n] = 0;
    return strlen(out) == n; /* no NUL inside */
}

size_t ice_lite_write_check(uint8_t *out, size_t room, const char *local_ufrag,
                            const char *remote_ufrag, const char *remote_pwd, uint64_t tie_breaker,
                            const uint8_t transaction[12])
{
    return write_check(out, room,
                       &(struct check){
                           .from_ufrag = local_ufrag,
                           .to_ufrag = remote_ufrag,
                           .to_pwd = remote_pwd,
                           .controlling = true,
                           .tie_breaker = tie_breaker,
                           .transaction = transaction,
                       });
}

bool ice_lite_is_success(const uint8_t *data, size_t size, const char *remote_pwd,
                         const uint8_t transaction[12])
{
    const uint8_t *username;
    size_t username_size;
    if (!scan(data, size, &username, &username_size))
        return false;
    StunAgent agent;
    StunMessage message;
    init_agent(&agent);
    StunAgentSavedIds *sent = &agent.sent_ids[0];
    memset(sent, 0, sizeof(*sent));
    put_u32(sent->id, STUN_MAGIC_COOKIE);
    memcpy(sent->id + 4, transaction, ICE_TRANSACTION_SIZE);
    sent->method = STUN_BINDING;
    sent->key = (uint8_t *)remote_pwd;
    sent->key_len = strlen(remote_pwd);
    sent->valid = true;
    return stun_agent_validate(&agent, &message, data, size, NULL, NULL) ==
               STUN_VALIDATION_SUCCESS &&
           stun_message_get_class(&message) == STUN_RESPONSE &&
           stun_message_get_method(&message) == STUN_BINDING;
}

size_t ice_lite_answer(const struct ice_local *own, const uint8_t *data, size_t size,
                       const struct address *from, uint8_t *out, size_t room)
{
    const uint8_t *username;
    size_t username_size;
    struct ice_lite ice;
    StunAgent agent;
    StunMessage request;
    ice_lite_init(&ice, own, "", "", 0);
    init_agent(&agent);
    if (!scan(data, size, &username, &username_size) || get_u16(data) != BINDING_REQUEST ||
        stun_agent_validate(&agent, &request, data, size, give_password, &ice) !=
            STUN_VALIDATION_SUCCESS)
        return 0;
    return write_success(&agent, &request, from, true, out, room);
}
