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

/* What there is of it goes on its way already. */
struct parts {
    struct packetize_cut cut;
    struct payload_assembler far;
    uint8_t unit[ROOM];
    bool useless;
};

static void cut(struct parts *p, const struct payload_assembler *a, bool whole)
{
    static uint8_t bytes[2 * ROOM];
    static struct packetize_packet packets[4096];
    if (!payload_is_video(a->codec) || payload_assemble_broken(a) || p->useless)
        return;
    struct packetize out = {bytes, sizeof(bytes), packets, 4096, 0, 0};
    struct packetize_unit unit = payload_assemble_part(a);
    unit.whole = whole;
    p->useless = payload_cut(a->codec, &out, &p->cut, &unit, 100) != 0;
    assert(p->cut.at <= unit.size && (!p->useless || out.n_packets == 0));
    assert(p->useless || !whole || (out.n_packets > 0 && packets[out.n_packets - 1].marker));
    for (unsigned i = 0; i < out.n_packets; i++) {
        assert(packets[i].size > 0 && packets[i].size <= 100);
        payload_assemble(&p->far, bytes + packets[i].offset, packets[i].size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct parts parts;
    static uint8_t once[ROOM], twice[ROOM], thrice[ROOM];
    if (size < 1)
        return 0;
    enum payload_codec codec =
        (enum payload_codec)(PAYLOAD_H264 + data[0] % (PAYLOAD_CODECS - PAYLOAD_H264));
    struct payload_assembler a;
    /* Little room, so that its end is reached. */
    payload_assemble_begin(&a, codec, once, 2048);
    payload_assemble_begin(&parts.far, codec, parts.unit, ROOM);
    parts.cut = (struct packetize_cut){.at = 0};
    parts.useless = false;
    for (data++, size--; size >= 2;) {
        size_t n = get_u16(data) <= size - 2 ? get_u16(data) : size - 2;
        struct payload_info info;
        bool good = payload_inspect(codec, &info, data + 2, n);
        assert(good || codec == PAYLOAD_H264 || !info.starts_keyframe || codec == PAYLOAD_OPUS);
        payload_assemble(&a, data + 2, n);
        assert(good || codec == PAYLOAD_H264 || payload_assemble_broken(&a));
        cut(&parts, &a, false);
        data += 2 + n;
        size -= 2 + n;
    }
    size_t n = payload_assemble_end(&a);
    if (n > 0)
        cut(&parts, &a, true);
    if (n > 0 && !parts.useless && payload_is_video(codec) && codec != PAYLOAD_H264)
        assert(payload_assemble_end(&parts.far) == n && !memcmp(parts.unit, once, n));
    assert(n <= 2048 && (n == 0 || !payload_assemble_broken(&a)));
    bool key = n > 0 && payload_is_keyframe(codec, once, n);
    size_t m = n > 0 ? through(codec, once, n, twice) : 0;
    assert(m == 0 || payload_is_keyframe(codec, twice, m) == key);
    assert(m == 0 || (through(codec, twice, m, thrice) == m && !memcmp(twice, thrice, m)));
    /* H.264 leaves out and reorders, the others give back what they took. */
    assert(m == 0 || codec == PAYLOAD_H264 || (m == n && !memcmp(once, twice, n)));
    return 0;
}
