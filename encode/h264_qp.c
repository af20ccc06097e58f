#include "encode/h264_qp.h"

enum { NAL_SLICE = 1, NAL_IDR = 5, NAL_SPS = 7, NAL_PPS = 8, MAX_QP = 51, BASELINE = 66 };

/* A NAL unit's bits after its header byte. Emulation prevention bytes are left out; beyond the end
 * stand zeros and `is_over` is set. */
struct bits {
    const uint8_t *at, *end;
    unsigned left; /* bits of *at not yet read */
    int zeros;     /* zero bytes read in a row */
    bool is_over;
};

static struct bits bits_of(const uint8_t *data, const uint8_t *end)
{
    return (struct bits){.at = data, .end = end, .left = 8};
}

static void next_byte(struct bits *b)
{
    b->zeros = *b->at == 0 ? b->zeros + 1 : 0;
    b->at++;
    if (b->zeros >= 2 && b->at < b->end && *b->at == 3) {
        b->at++;
        b->zeros = 0;
    }
    b->left = 8;
}

static uint32_t u(struct bits *b, unsigned n)
{
    uint32_t value = 0;
    for (; n > 0; n--) {
        if (b->at >= b->end) {
            b->is_over = true;
            return 0;
        }
        b->left--;
        value = value << 1 | (*b->at >> b->left & 1u);
        if (b->left == 0)
            next_byte(b);
    }
    return value;
}

static uint32_t ue(struct bits *b)
{
    unsigned zeros = 0;
    while (!b->is_over && u(b, 1) == 0) {
        if (++zeros > 31)
            b->is_over = true;
    }
    return b->is_over ? 0 : (1u << zeros) - 1 + u(b, zeros);
}

static int se(struct bits *b)
{
    uint32_t k = ue(b);
    return k & 1 ? (int)(k / 2 + 1) : -(int)(k / 2);
}

/* H.264 7.3.2.1.1, as far as a slice header depends on it */
static void read_sps(struct h264_qp *q, struct bits b)
{
    uint32_t profile = u(&b, 8);
    u(&b, 16); /* constraints, level */
    ue(&b);
    q->frame_num_bits = ue(&b) + 4;
    q->poc_type = ue(&b);
    if (q->poc_type == 0)
        q->poc_bits = ue(&b) + 4;
    q->has_sps = profile == BASELINE && !b.is_over && q->frame_num_bits <= 16 && q->poc_bits <= 16;
}

/* H.264 7.3.2.2 */
static void read_pps(struct h264_qp *q, struct bits b)
{
    ue(&b);
    ue(&b);
    bool is_cabac = u(&b, 1);
    q->poc_in_slice = u(&b, 1);
    bool is_one_group = ue(&b) == 0;
    ue(&b);
    ue(&b);
    bool is_weighted = u(&b, 1);
    u(&b, 2);
    q->init_qp = 26 + se(&b);
    q->has_pps = !is_cabac && is_one_group && !is_weighted && !b.is_over;
}

/* H.264 7.3.3.1: each command has one operand, 3 ends the list */
static void skip_modification(struct bits *b)
{
    if (!u(b, 1))
        return;
    while (ue(b) != 3 && !b->is_over)
        ue(b);
}

/* H.264 7.3.3.3 */
static void skip_marking(struct bits *b, bool is_idr)
{
    if (is_idr) {
        u(b, 2);
        return;
    }
    if (!u(b, 1))
        return;
    for (uint32_t command; (command = ue(b)) != 0 && !b->is_over;) {
        if (command != 5)
            ue(b);
        if (command == 3)
            ue(b);
    }
}

/* H.264 7.3.3 */
static int read_slice(const struct h264_qp *q, uint8_t header, struct bits b)
{
    bool is_idr = (header & 31) == NAL_IDR;
    ue(&b);
    bool is_p = ue(&b) % 5 == 0;
    ue(&b);
    u(&b, q->frame_num_bits);
    if (is_idr)
        ue(&b);
    if (q->poc_type == 0) {
        u(&b, q->poc_bits);
        if (q->poc_in_slice)
            ue(&b);
    }
    if (is_p) {
        if (u(&b, 1))
            ue(&b);
        skip_modification(&b);
    }
    if (header & 0x60)
        skip_marking(&b, is_idr);
    int qp = q->init_qp + se(&b);
    return b.is_over || qp < 0 || qp > MAX_QP ? -1 : qp;
}

/* Behind the next start code; NULL when there is none. */
static const uint8_t *next_nal(const uint8_t *at, const uint8_t *end)
{
    for (; end - at > 3; at++) {
        if (at[0] == 0 && at[1] == 0 && at[2] == 1)
            return at + 3;
    }
    return NULL;
}

int h264_qp_slice(struct h264_qp *q, const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size;
    /* the slice stands last, so that nothing is searched but parameter sets */
    for (const uint8_t *nal = next_nal(data, end); nal; nal = next_nal(nal, end)) {
        struct bits b = bits_of(nal + 1, end);
        int type = nal[0] & 31;
        if (type == NAL_SPS)
            read_sps(q, b);
        else if (type == NAL_PPS)
            read_pps(q, b);
        else if (type == NAL_SLICE || type == NAL_IDR)
            return q->has_sps && q->has_pps && q->poc_type != 1 ? read_slice(q, nal[0], b) : -1;
    }
    return -1;
}

int h264_qp_percent(struct h264_qp *q, const uint8_t *data, size_t size)
{
    int qp = h264_qp_slice(q, data, size);
    return qp < 0 ? -1 : qp * 100 / MAX_QP;
}
