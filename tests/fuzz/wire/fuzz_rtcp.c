/* fuzz_rtcp.c - every reader on every packet of a compound; a NACK that was read writes again. */
#include "rtp/wire/rtcp.h"

#include <assert.h>

#define SEQS 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_transport_cc(const struct rtcp_feedback *f)
{
    struct rtcp_transport_cc t;
    struct rtcp_arrival a;
    unsigned n = 0;
    if (!rtcp_read_transport_cc(f, &t))
        return;
    for (; rtcp_next_arrival(&t, &a); n++)
        assert(a.seq == (uint16_t)(t.base_seq + n) && (a.received || a.at_us == 0));
    assert(n == t.n_statuses && t.delta <= f->fci + f->fci_size);
}

static void read_feedback(const struct rtcp_feedback *f)
{
    uint16_t seqs[SEQS];
    uint8_t out[12 + 4 * SEQS], seq;
    uint64_t bps;
    uint32_t ssrc;
    size_t n = rtcp_read_nack(f, seqs, SEQS);
    assert(n <= SEQS && (rtcp_write_nack(out, sizeof(out), 1, 2, seqs, n) > 0) == (n > 0));
    for (unsigned i = 0; rtcp_read_fir(f, i, &ssrc, &seq); i++)
        assert((i + 1) * 8 <= f->fci_size);
    rtcp_read_remb(f, &bps);
    read_transport_cc(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rtcp_packet p;
    while (rtcp_next(&p, &data, &size)) {
        struct rtcp_sender_info info;
        struct rtcp_report_block block;
        struct rtcp_feedback f;
        uint32_t ssrc;
        uint64_t ntp;
        rtcp_read_sender_info(&p, &info);
        rtcp_read_dlrr(&p, 1, &block);
        assert(!rtcp_read_rrtr(&p, &ssrc, &ntp) || p.body_size >= 16);
        for (unsigned i = 0; i < 33; i++)
            assert(!(rtcp_read_block(&p, i, &block) || rtcp_read_bye(&p, i, &ssrc)) || i < p.count);
        if (rtcp_read_feedback(&p, &f))
            read_feedback(&f);
    }
    return 0;
}
