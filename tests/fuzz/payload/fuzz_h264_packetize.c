/* fuzz_h264_packetize.c - what was packetized and assembled packetizes and assembles to itself. */
#include "rtp/payload/h264.h"

#include <assert.h>
#include <string.h>

#define ROOM (1 << 18)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Through packets and back; 0 if there is nothing to send or no room. */
static size_t through(const uint8_t *data, size_t size, size_t max_payload, uint8_t *out)
{
    static uint8_t bytes[ROOM];
    static struct packetize_packet packets[UINT16_MAX];
    struct packetize p = {bytes, ROOM, packets, UINT16_MAX, 0, 0};
    if (h264_packetize(&p, data, size, max_payload) != 0)
        return 0;
    struct h264_assembler a;
    h264_assemble_begin(&a, out, ROOM);
    for (unsigned i = 0; i < p.n_packets; i++) {
        assert(packets[i].size > 0 && packets[i].size <= max_payload);
        h264_assemble(&a, bytes + packets[i].offset, packets[i].size);
    }
    bool whole = h264_assemble_end(&a);
    assert(whole && packets[p.n_packets - 1].marker);
    return a.size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t once[ROOM], twice[ROOM];
    if (size < 1 || size > ROOM / 2)
        return 0;
    size_t max_payload = 3 + data[0];
    size_t n = through(data + 1, size - 1, max_payload, once);
    assert(h264_is_keyframe(data + 1, size - 1) == h264_is_keyframe(once, n) || n == 0);
    assert(n == 0 || (through(once, n, max_payload, twice) == n && !memcmp(once, twice, n)));
    return 0;
}
