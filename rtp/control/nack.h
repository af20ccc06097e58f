/* nack.h - which packets a receiver asks for again (RFC 4585 6.2.1). Pure; one thread.
 *
 * Life: nack_init; nack_on_packet for every packet; nack_next when nack_next_timeout says so, until
 * it returns 0. A gap is asked for after NACK_REORDER_US (it may be reordering), then once per
 * round trip, NACK_TRIES times; then it is `lost`, and the caller wants a keyframe.
 *
 *     missing = recovered + lost + count      (every packet that was ever missed)
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NACK_MAX 256 /* missing packets at a time, and the widest gap that is asked for */
#define NACK_TRIES 10
#define NACK_REORDER_US 2000
#define NACK_RTT_MIN_US 5000
#define NACK_RTT_DEFAULT_US 100000 /* until one is known */

struct nack_entry {
    int64_t next_us;   /* when to ask, or to give up */
    uint32_t asked_ms; /* when it was last asked for, modulo 2^32 */
    uint16_t seq;
    uint8_t tries;
};

struct nack {
    struct nack_entry entry[NACK_MAX]; /* ascending, mod 2^16 */
    uint16_t count;
    uint16_t highest_seq;
    bool any;
    int64_t rtt_us;
    int64_t sample_us; /* from asking to its coming, of the newest that came at the first try; 0 */

    uint64_t missing, recovered, lost;
    uint64_t asked; /* sequence numbers given out by nack_next, repeats included */
    uint64_t jumps; /* gaps wider than NACK_MAX, either way: a new start */
};

void nack_init(struct nack *n);
void nack_set_rtt(struct nack *n, int64_t rtt_us);
void nack_on_packet(struct nack *n, uint16_t seq, int64_t now_us);
/* Nobody waits any more for what is before `seq`: lost, as far as it is missing. */
void nack_forget(struct nack *n, uint16_t seq);
bool nack_is_missing(const struct nack *n, uint16_t seq);
/* Writes up to `max` sequence numbers that are to be asked for now, ascending, as rtcp_write_nack
 * wants them; returns how many. Those out of tries become lost. */
size_t nack_next(struct nack *n, uint16_t *seqs, size_t max, int64_t now_us);
int64_t nack_next_timeout(const struct nack *n); /* INT64_MAX: nothing is missing */
