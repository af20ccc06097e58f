/* fuzz_framing.c - a TCP stream cut into pieces (the sizes come from the input too) gives the same
 * frames as the plainest reading of the whole. */
#include "rtp/session/framing.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The next frame of the whole stream from *at on; NULL: none, or a bad one. */
static const uint8_t *next_plain(const uint8_t *data, size_t size, size_t *at, size_t *frame_size)
{
    while (size - *at >= 2) {
        size_t n = (size_t)data[*at] << 8 | data[*at + 1];
        if (n > FRAMING_FRAME_MAX || n > size - *at - 2)
            return NULL;
        *at += 2 + n;
        *frame_size = n;
        if (n > 0)
            return data + *at - n;
    }
    return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct framing *f = malloc(sizeof(*f));
    if (!f)
        abort();
    framing_init(f);
    size_t piece = (size_t)data[0] * 9 + 1, plain_at = 0, plain_size = 0;
    int rc = 0;
    data++;
    size--;
    for (size_t at = 0; at < size && rc == 0;) {
        size_t room, n, frame_size;
        uint8_t *frame, *to = framing_room(f, &room);
        n = piece < room ? piece : room;
        n = n < size - at ? n : size - at;
        if (n == 0)
            abort();
        memcpy(to, data + at, n);
        framing_added(f, n);
        at += n;
        while ((rc = framing_peek(f, &frame, &frame_size)) == 1) {
            const uint8_t *plain = next_plain(data, size, &plain_at, &plain_size);
            if (!plain || plain_size != frame_size || memcmp(plain, frame, frame_size) != 0)
                abort();
            memset(frame, 0xee, frame_size);
            framing_drop(f);
        }
    }
    if (next_plain(data, size, &plain_at, &plain_size))
        abort(); /* a whole one was not shown */
    free(f);
    return 0;
}
