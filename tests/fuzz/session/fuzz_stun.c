/* fuzz_stun.c - checks as anyone may send them, and (first byte odd) arbitrary attributes correctly
 * signed, as a peer with the password may. */
#include "rtp/session/ice_lite.h"
#include "rtp/wire/bytes.h"

#include <stdlib.h>
#include <string.h>
#include <stun/stunagent.h>

#define MESSAGE_MAX 1500

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ice_local local = {.ufrag = "0123456789abcdef",
                                       .pwd = "abcdefghijklmnopqrstuvwx"};

/* Puts MESSAGE-INTEGRITY and FINGERPRINT behind the attributes given. */
static size_t sign(uint8_t *out, size_t room, const uint8_t *attributes, size_t size)
{
    static const uint16_t none[] = {0};
    StunAgent agent;
    StunMessage m = {.agent = &agent, .buffer = out, .buffer_len = room};
    stun_agent_init(&agent, none, STUN_COMPATIBILITY_RFC5389,
                    STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS | STUN_AGENT_USAGE_USE_FINGERPRINT);
    size &= ~(size_t)3;
    memset(out, 0, 20);
    put_u16(out, 0x0001);
    put_u16(out + 2, (uint16_t)size);
    put_u32(out + 4, STUN_MAGIC_COOKIE);
    memcpy(out + 20, attributes, size);
    return stun_agent_finish_message(&agent, &m, (const uint8_t *)local.pwd, strlen(local.pwd));
}

static void ask(const uint8_t *data, size_t size, bool authentic)
{
    struct ice_lite ice;
    struct address from;
    uint8_t reply[512];
    size_t reply_size = sizeof(reply);
    char ufrag[ICE_LOCAL_UFRAG_SIZE + 1];
    uint8_t *exact = malloc(size ? size : 1); /* the sanitizer sees a read past the end */
    if (!exact)
        abort();
    memcpy(exact, data, size);
    address_parse(&from, "192.0.2.1", 1234);
    ice_lite_init(&ice, &local, "theirs", "abcdefghijklmnopqrstuv", 0);
    enum ice_result result =
        ice_lite_on_stun(&ice, exact, size, &from, reply, &reply_size, 1000000);
    if (reply_size > 3 * size || ice.selected != (result == ICE_SELECTED))
        abort();
    if (ice.selected && (reply_size == 0 || !ice_lite_peek_ufrag(exact, size, ufrag)))
        abort();
    /* nobody finds an HMAC by chance: what counts was in the seeds or signed here */
    if (ice.selected && !authentic && size < 20 + 20 + 24 + 8)
        abort();
    (void)ice_lite_is_success(exact, size, local.pwd, (const uint8_t *)"123456789012");
    free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t message[MESSAGE_MAX];
    if (size == 0 || size > MESSAGE_MAX - 100)
        return 0;
    ask(data, size, false);
    if (data[0] & 1) {
        size_t signed_size = sign(message, sizeof(message), data + 1, size - 1);
        ask(message, signed_size, true);
    }
    return 0;
}
