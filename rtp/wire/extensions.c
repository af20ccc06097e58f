#include "rtp/wire/extensions.h"

#include "rtp/wire/bytes.h"
#include "rtp/wire/dependency_descriptor.h"

#include <assert.h>
#include <string.h>

#define PROFILE_ONE_BYTE 0xbede
#define PROFILE_TWO_BYTE 0x1000 /* its low four bits belong to the application */
#define ID_MAX 14
#define PLAYOUT_MAX 0xfff /* 12 bits of 10 ms */

/* Appends the element's header and returns where its value goes. */
static uint8_t *add(struct extensions_block *b, uint8_t id, size_t value_size)
{
    assert(value_size >= 1 && value_size <= 16);
    assert(b->size + 1 + value_size <= EXTENSIONS_MAX_SIZE);
    b->bytes[b->size] = (uint8_t)(id << 4 | (value_size - 1));
    uint8_t *value = b->bytes + b->size + 1;
    b->size = (uint8_t)(b->size + 1 + value_size);
    return value;
}

static bool usable(uint8_t id)
{
    return id >= 1 && id <= ID_MAX;
}

static uint32_t playout_steps(uint16_t ms)
{
    return ms / 10 < PLAYOUT_MAX ? ms / 10u : PLAYOUT_MAX;
}

/* Pads to whole words and says how many there are. */
static void finish(struct extensions_block *b)
{
    while (b->size % 4 != 0)
        b->bytes[b->size++] = 0;
    put_u16(b->bytes, PROFILE_ONE_BYTE);
    put_u16(b->bytes + 2, (uint16_t)(b->size / 4 - 1));
}

void extensions_build(struct extensions_block *b, const struct extensions_ids *ids,
                      uint16_t playout_min_ms, uint16_t playout_max_ms, const char *mid)
{
    size_t mid_size = mid ? strlen(mid) : 0;

    *b = (struct extensions_block){.size = 4};
    if (usable(ids->transport_cc))
        b->transport_cc_at = (uint8_t)(add(b, ids->transport_cc, 2) - b->bytes);
    if (usable(ids->playout_delay))
        b->playout_at = (uint8_t)(add(b, ids->playout_delay, 3) - b->bytes);
    extensions_set_playout(b, playout_min_ms, playout_max_ms);
    if (usable(ids->mid) && mid_size >= 1 && mid_size <= EXTENSIONS_MID_MAX)
        memcpy(add(b, ids->mid, mid_size), mid, mid_size);
    if (usable(ids->dependency))
        b->dependency_at = (uint8_t)(add(b, ids->dependency, DEPENDENCY_MIN_SIZE) - b->bytes);

    if (b->size == 4)
        b->size = 0;
    else
        finish(b);
}

void extensions_set_playout(struct extensions_block *b, uint16_t min_ms, uint16_t max_ms)
{
    if (b->playout_at != 0)
        put_u24(b->bytes + b->playout_at, playout_steps(min_ms) << 12 | playout_steps(max_ms));
}

void extensions_set_dependency(struct extensions_block *b, const uint8_t *value, size_t size,
                               size_t room)
{
    assert(size >= DEPENDENCY_MIN_SIZE && size <= room && room <= EXTENSIONS_DEPENDENCY_MAX);
    if (b->dependency_at == 0)
        return;
    uint8_t *at = b->bytes + b->dependency_at;
    at[-1] = (uint8_t)((at[-1] & 0xf0) | (size - 1));
    memcpy(at, value, size);
    memset(at + size, 0, room - size);
    b->size = (uint8_t)(b->dependency_at + room);
    finish(b);
}

static const uint8_t *find_one_byte(const uint8_t *p, size_t size, uint8_t id, size_t *value_size)
{
    for (size_t at = 0; at < size;) {
        uint8_t head = p[at++];
        if (head == 0)
            continue; /* padding */
        /* RFC 8285 4.2: an id of 15, or of 0 with a length, ends the whole extension. */
        if (head >> 4 == 15 || head >> 4 == 0)
            return NULL;
        size_t value = (head & 0x0fu) + 1;
        if (value > size - at)
            return NULL;
        if (head >> 4 == id) {
            *value_size = value;
            return p + at;
        }
        at += value;
    }
    return NULL;
}

static const uint8_t *find_two_byte(const uint8_t *p, size_t size, uint8_t id, size_t *value_size)
{
    for (size_t at = 0; at < size;) {
        uint8_t found = p[at++];
        if (found == 0)
            continue; /* padding */
        if (at == size)
            return NULL;
        size_t value = p[at++];
        if (value > size - at)
            return NULL;
        if (found == id) {
            *value_size = value;
            return p + at;
        }
        at += value;
    }
    return NULL;
}

const uint8_t *extensions_find(uint16_t profile, const uint8_t *extension, size_t size, uint8_t id,
                               size_t *value_size)
{
    if (id == 0)
        return NULL;
    if (profile == PROFILE_ONE_BYTE)
        return find_one_byte(extension, size, id, value_size);
    if ((profile & 0xfff0) == PROFILE_TWO_BYTE)
        return find_two_byte(extension, size, id, value_size);
    return NULL;
}
