/* fuzz_h264_assemble.c - payloads from anywhere, each preceded by its size in two bytes. */
#include "rtp/payload/h264.h"
#include "rtp/wire/bytes.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t out[4096];
    struct h264_assembler a;
    bool starts = false;
    h264_assemble_begin(&a, out, sizeof(out));
    while (size >= 2) {
        size_t n = get_u16(data) <= size - 2 ? get_u16(data) : size - 2;
        starts |= h264_payload_starts_keyframe(data + 2, n);
        h264_assemble(&a, data + 2, n);
        assert(a.size <= sizeof(out));
        data += 2 + n;
        size -= 2 + n;
    }
    if (!h264_assemble_end(&a))
        return 0;
    assert(a.size >= 5 && memcmp(out, "\0\0\0\1", 4) == 0);
    struct h264_nal_unit nal;
    const uint8_t *p = out;
    size_t left = a.size;
    while (h264_next_nal(&nal, &p, &left))
        assert(nal.data >= out && nal.data + nal.size <= out + a.size);
    assert(starts || (out[4] & 0x1f) != H264_IDR);
    return 0;
}
