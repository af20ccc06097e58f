#include "rtp/session/framing.h"

#include "rtp/wire/bytes.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

void framing_init(struct framing *f)
{
    f->begin = f->end = 0;
}

uint8_t *framing_room(struct framing *f, size_t *room)
{
    memmove(f->data, f->data + f->begin, (size_t)(f->end - f->begin));
    f->end = (uint16_t)(f->end - f->begin);
    f->begin = 0;
    *room = sizeof(f->data) - f->end;
    return f->data + f->end;
}

void framing_added(struct framing *f, size_t size)
{
    assert(size <= sizeof(f->data) - f->end);
    f->end = (uint16_t)(f->end + size);
}

int framing_peek(struct framing *f, uint8_t **frame, size_t *size)
{
    while (f->end - f->begin >= FRAMING_HEADER) {
        size_t length = get_u16(f->data + f->begin);
        if (length > FRAMING_FRAME_MAX)
            return -EMSGSIZE;
        if (length > 0) {
            *frame = f->data + f->begin + FRAMING_HEADER;
            *size = length;
            return f->end - f->begin - FRAMING_HEADER >= (int)length ? 1 : 0;
        }
        f->begin = (uint16_t)(f->begin + FRAMING_HEADER); /* RFC 4571 2: a null packet */
    }
    return 0;
}

void framing_drop(struct framing *f)
{
    size_t whole = FRAMING_HEADER + (size_t)get_u16(f->data + f->begin);
    assert(whole <= (size_t)(f->end - f->begin));
    f->begin = (uint16_t)(f->begin + whole);
}

void framing_write(uint8_t out[FRAMING_HEADER], size_t size)
{
    assert(size > 0 && size <= UINT16_MAX);
    put_u16(out, (uint16_t)size);
}
