/* bench_receivers.h - somebody who reads what a stage's viewers are sent, on a thread of its own,
 * as a browser's machine or amphi-load would: with UDP_GRO, so that a train arrives whole.
 *
 * On loopback the kernel runs the receive path inside the sender's call: what a sender pays depends
 * on whether its datagrams are dropped or taken. Life: bench_receivers_new makes the sinks take,
 * bench_receivers_free ends the thread.
 */
#pragma once

#include "tests/bench/bench_stage.h"

struct bench_receivers;

struct bench_receivers *bench_receivers_new(struct bench_stage *s);
/* Read so far, headers left out. */
uint64_t bench_receivers_bytes(struct bench_receivers *r);
void bench_receivers_free(struct bench_receivers *r);
