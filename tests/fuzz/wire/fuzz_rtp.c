/* fuzz_rtp.c - RTP headers, their extensions and the kind of a datagram. */
#include "rtp/wire/extensions.h"
#include "rtp/wire/rtp.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum datagram_kind kind = datagram_kind(data, size);
    assert(kind >= DATAGRAM_UNKNOWN && kind <= DATAGRAM_RTCP);

    struct rtp_header h;
    if (!rtp_parse(&h, data, size))
        return 0;
    assert(kind == DATAGRAM_RTP || kind == DATAGRAM_RTCP);
    assert(h.header_size + h.payload_size + h.padding_size == size);

    for (unsigned id = 0; id < 256; id++) {
        size_t value_size = 0;
        const uint8_t *value = extensions_find(h.extension_profile, h.extension, h.extension_size,
                                               (uint8_t)id, &value_size);
        if (value)
            assert(value >= h.extension && value + value_size <= h.extension + h.extension_size);
    }

    uint8_t out[RTP_HEADER_SIZE];
    struct rtp_header again;
    rtp_write(out, &h, false);
    bool whole = rtp_parse(&again, out, sizeof(out));
    assert(whole && again.seq == h.seq && again.ssrc == h.ssrc && again.marker == h.marker);
    return 0;
}
