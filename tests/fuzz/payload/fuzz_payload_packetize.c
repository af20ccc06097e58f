/* fuzz_payload_packetize.c - units from anywhere: payloads keep to the limit, are well-formed, and
 * give the unit back. */
#include "rtp/payload/payload.h"

#include <assert.h>
#include <string.h>

#define ROOM (1 << 18)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t through(enum payload_codec codec, const uint8_t *unit, size_t size,
                      size_t max_payload, uint8_t *out)
{
    static uint8_t bytes[ROOM];
    static struct packetize_packet packets[UINT16_MAX];
    struct packetize p = {bytes, ROOM, packets, UINT16_MAX, 0, 0};
    if (payload_packetize(codec, &p, unit, size, max_payload) != 0) {
        assert(p.n_packets == 0 && p.size == 0);
        return 0;
    }
    struct payload_assembler a;
    payload_assemble_begin(&a, codec, out, ROOM);
    for (unsigned i = 0; i < p.n_packets; i++) {
        struct payload_info info;
        assert(packets[i].size > 0 && packets[i].size <= max_payload);
        bool good = payload_inspect(codec, &info, bytes + packets[i].offset, packets[i].size);
        assert(good || codec == PAYLOAD_OPUS);
        assert(codec == PAYLOAD_H264 || codec == PAYLOAD_AV1 || info.starts_frame == (i == 0));
        payload_assemble(&a, bytes + packets[i].offset, packets[i].size);
    }
    size_t n = payload_assemble_end(&a);
    assert(n > 0 || codec == PAYLOAD_OPUS);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t once[ROOM], twice[ROOM];
    if (size < 2 || size > ROOM / 4)
        return 0;
    enum payload_codec codec =
        (enum payload_codec)(PAYLOAD_H264 + data[0] % (PAYLOAD_CODECS - PAYLOAD_H264));
    size_t max_payload = PAYLOAD_MIN_SIZE + data[1];
    bool key = payload_is_keyframe(codec, data + 2, size - 2);
    size_t n = through(codec, data + 2, size - 2, max_payload, once);
    assert(n == 0 || payload_is_keyframe(codec, once, n) == key);
    assert(n == 0 || (through(codec, once, n, max_payload, twice) == n && !memcmp(once, twice, n)));
    return 0;
}
