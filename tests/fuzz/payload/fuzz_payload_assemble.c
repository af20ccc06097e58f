/* fuzz_payload_assemble.c - payloads of any codec from anywhere, each preceded by its size in two
 * bytes. What comes out whole comes out the same after packetizing it again. */
#include "rtp/payload/payload.h"
#include "rtp/wire/bytes.h"

#include <assert.h>
#include <string.h>

#define ROOM 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t through(enum payload_codec codec, const uint8_t *unit, size_t size, uint8_t *out)
{
    static uint8_t bytes[2 * ROOM];
    static struct packetize_packet packets[4096];
    struct packetize p = {bytes, sizeof(bytes), packets, 4096, 0, 0};
    if (payload_packetize(codec, &p, unit, size, 100) != 0)
        return 0;
    struct payload_assembler a;
    payload_assemble_begin(&a, codec, out, ROOM);
    for (unsigned i = 0; i < p.n_packets; i++)
        payload_assemble(&a, bytes + packets[i].offset, packets[i].size);
    return payload_assemble_end(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t once[ROOM], twice[ROOM], thrice[ROOM];
    if (size < 1)
        return 0;
    enum payload_codec codec =
        (enum payload_codec)(PAYLOAD_H264 + data[0] % (PAYLOAD_CODECS - PAYLOAD_H264));
    struct payload_assembler a;
    /* Little room, so that its end is reached. */
    payload_assemble_begin(&a, codec, once, 2048);
    for (data++, size--; size >= 2;) {
        size_t n = get_u16(data) <= size - 2 ? get_u16(data) : size - 2;
        struct payload_info info;
        bool good = payload_inspect(codec, &info, data + 2, n);
        assert(good || codec == PAYLOAD_H264 || !info.starts_keyframe || codec == PAYLOAD_OPUS);
        payload_assemble(&a, data + 2, n);
        assert(good || codec == PAYLOAD_H264 || payload_assemble_broken(&a));
        data += 2 + n;
        size -= 2 + n;
    }
    size_t n = payload_assemble_end(&a);
    assert(n <= 2048 && (n == 0 || !payload_assemble_broken(&a)));
    bool key = n > 0 && payload_is_keyframe(codec, once, n);
    size_t m = n > 0 ? through(codec, once, n, twice) : 0;
    assert(m == 0 || payload_is_keyframe(codec, twice, m) == key);
    assert(m == 0 || (through(codec, twice, m, thrice) == m && !memcmp(twice, thrice, m)));
    /* H.264 leaves out and reorders, the others give back what they took. */
    assert(m == 0 || codec == PAYLOAD_H264 || (m == n && !memcmp(once, twice, n)));
    return 0;
}
