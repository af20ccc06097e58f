/* worker_handshakes.h - how much DTLS a worker does at a time, so that those who join do not
 * disturb those who watch.
 *
 * A handshake costs its worker two steps of 0.1 to 0.2 ms of public-key arithmetic. In one round of
 * its loop a worker spends WORKER_HANDSHAKES_ROUND_US on them; what comes beyond that waits, in
 * order, for the next round, behind that round's frames. Of viewers in the middle of a handshake
 * there are at most `max`; the first datagrams of more are dropped and counted, and their peers
 * repeat them. After WORKER_HANDSHAKES_TURN_US, whatever one still says, its place is for whoever
 * has had none yet: so nobody keeps others out by never coming to an end. One thread.
 */
#pragma once

#include "rtp/forward/datagram_pool.h"

#include <stdbool.h>

#define WORKER_HANDSHAKES_MAX 200 /* of all workers together, unless configured */
#define WORKER_HANDSHAKES_ROUND_US 2000
#define WORKER_HANDSHAKES_WAITING_MAX 512 /* datagrams */
#define WORKER_HANDSHAKES_TURN_US 1000000 /* several round trips, of which one is needed */

struct worker;
struct worker_viewer;

struct worker_handshakes {
    unsigned max; /* immutable after init */
    struct datagram_pool pool;
    struct pooled_datagram *first, *last; /* that wait, in the order they came */

    struct worker_viewer *oldest, *newest; /* under way, by when they began */
    unsigned n;
    int64_t spent_us; /* in this round */

    uint64_t waited;   /* datagrams that waited for another round */
    uint64_t deferred; /* datagrams dropped: too many under way or waiting */
};

int worker_handshakes_init(struct worker_handshakes *h, unsigned max);
void worker_handshakes_finish(struct worker_handshakes *h); /* zeroed memory is fine */

/* Is this datagram a part of the viewer's handshake? */
bool worker_handshakes_concern(const struct worker_viewer *wv, const uint8_t *data, size_t size);
/* Deals with it now, or later, or not at all. The viewer may be gone afterwards. */
void worker_handshakes_give(struct worker *w, struct worker_viewer *wv, uint8_t *data, size_t size,
                            const struct address *from, unsigned via);
/* Once a round: those that wait, as far as its time goes. */
void worker_handshakes_run(struct worker *w);
bool worker_handshakes_wait(const struct worker *w);
/* Of a viewer whose handshake has ended, whichever way; not in one is fine. */
void worker_handshakes_leave(struct worker *w, struct worker_viewer *wv);
