/* payload_fixture.h - room to packetize into, what every packetizer's result must be, and seeded
 * random numbers. */
#pragma once

#include "rtp/payload/packetize.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define FIXTURE_ROOM (1 << 20)
#define FIXTURE_PACKETS 8192

static inline struct packetize fixture_room(void)
{
    static uint8_t data[FIXTURE_ROOM];
    static struct packetize_packet packets[FIXTURE_PACKETS];
    return (struct packetize){
        .data = data, .capacity = FIXTURE_ROOM, .packets = packets, .max_packets = FIXTURE_PACKETS};
}

static inline uint32_t fixture_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static inline const uint8_t *fixture_payload(const struct packetize *p, unsigned i)
{
    assert_true(i < p->n_packets);
    return p->data + p->packets[i].offset;
}

static inline void fixture_assert_packet(const struct packetize *p, unsigned i, const void *bytes,
                                         size_t size)
{
    assert_true(i < p->n_packets);
    assert_int_equal(p->packets[i].size, size);
    assert_memory_equal(fixture_payload(p, i), bytes, size);
}

/* Whole, without gaps, and within the limit; and the marker on the last packet alone. */
static inline void fixture_assert_layout(const struct packetize *p, size_t max_payload)
{
    uint32_t at = 0;
    assert_true(p->n_packets > 0);
    for (unsigned i = 0; i < p->n_packets; i++) {
        assert_int_equal(p->packets[i].offset, at);
        assert_in_range(p->packets[i].size, 1, max_payload);
        assert_int_equal(p->packets[i].marker, i + 1 == p->n_packets);
        at += p->packets[i].size;
    }
    assert_int_equal(p->size, at);
}

/* Of one size but for the last, which is no longer. */
static inline void fixture_assert_equal_sizes(const struct packetize *p)
{
    for (unsigned i = 0; i + 1 < p->n_packets; i++)
        assert_int_equal(p->packets[i].size, p->packets[0].size);
    assert_true(p->packets[p->n_packets - 1].size <= p->packets[0].size);
}
