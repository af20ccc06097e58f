/* ivf_write.h - an IVF file, frame by frame. */
#pragma once

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct ivf_writer {
    uint8_t data[1 << 17];
    size_t size;
};

static inline void ivf_write_number(struct ivf_writer *w, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++, value >>= 8) {
        assert(w->size < sizeof(w->data));
        w->data[w->size++] = (uint8_t)value;
    }
}

static inline void ivf_write_header(struct ivf_writer *w, const char *fourcc, uint32_t rate,
                                    uint32_t scale)
{
    w->size = 0;
    ivf_write_number(w, 0x46494b44, 4); /* DKIF */
    ivf_write_number(w, 0, 2);
    ivf_write_number(w, 32, 2);
    for (int i = 0; i < 4; i++)
        ivf_write_number(w, (uint8_t)fourcc[i], 1);
    ivf_write_number(w, 16, 2);
    ivf_write_number(w, 16, 2);
    ivf_write_number(w, rate, 4);
    ivf_write_number(w, scale, 4);
    ivf_write_number(w, 0, 8);
}

static inline void ivf_write_frame(struct ivf_writer *w, uint64_t timestamp, const uint8_t *data,
                                   size_t size)
{
    ivf_write_number(w, size, 4);
    ivf_write_number(w, timestamp, 8);
    for (size_t i = 0; i < size; i++)
        ivf_write_number(w, data[i], 1);
}
