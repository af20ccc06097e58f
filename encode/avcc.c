#include "encode/avcc.h"

#include <string.h>

enum { NAL_SLICE = 1, NAL_IDR = 5 };

size_t avcc_put(uint8_t *out, const uint8_t *nal, size_t size)
{
    static const uint8_t start_code[AVCC_START_CODE] = {0, 0, 0, 1};
    memcpy(out, start_code, sizeof(start_code));
    memcpy(out + sizeof(start_code), nal, size);
    return sizeof(start_code) + size;
}

static size_t read_length(const uint8_t *p, int length_size)
{
    size_t n = 0;
    for (int i = 0; i < length_size; i++)
        n = n << 8 | p[i];
    return n;
}

bool avcc_to_annexb(const uint8_t *data, size_t size, int length_size, uint8_t *out,
                    struct avcc_unit *unit)
{
    *unit = (struct avcc_unit){.size = 0};
    if (length_size < 1 || length_size > 4)
        return false;
    size_t prefix = (size_t)length_size;
    while (size > 0) {
        if (size < prefix)
            return false;
        size_t n = read_length(data, length_size);
        data += prefix;
        size -= prefix;
        if (n == 0 || n > size || data[0] & 0x80)
            return false;
        int type = data[0] & 31;
        if (type >= NAL_SLICE && type <= NAL_IDR) {
            unit->idr |= type == NAL_IDR;
            unit->is_reference |= (data[0] & 0x60) != 0;
            unit->size += out ? avcc_put(out + unit->size, data, n) : AVCC_START_CODE + n;
        }
        data += n;
        size -= n;
    }
    return unit->size > 0;
}
