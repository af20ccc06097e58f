/* fuzz_sdp.c - any text as an offer to us and as an answer to ours. What we write we can read. */
#include "signaling/sdp.h"

#include "tests/unit/signaling/fake_backend.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sdp parsed, written;
static char text[SDP_WRITE_MAX];

static void check_agreed(const struct backend_answer *a)
{
    assert(a->n_tracks > 0 && a->n_tracks <= 2 * BACKEND_STREAMS_MAX);
    assert(a->n_fingerprints > 0 && a->n_fingerprints <= BACKEND_FINGERPRINTS_MAX);
    assert(strlen(a->ufrag) >= 4 && strlen(a->pwd) >= 22);
    for (unsigned i = 0; i < a->n_tracks; i++) {
        bool any = a->tracks[i].opus_payload_type != 0;
        assert(a->tracks[i].slot < BACKEND_STREAMS_MAX);
        assert(a->tracks[i].opus_payload_type < 128 && any == a->tracks[i].audio);
        for (unsigned c = 0; c < BACKEND_CODECS; c++) {
            any |= a->tracks[i].formats[c].payload_type != 0;
            assert(a->tracks[i].formats[c].payload_type < 128);
            assert(a->tracks[i].formats[c].rtx_payload_type < 128);
        }
        assert(any);
        assert(a->tracks[i].mid_id <= 14 && a->tracks[i].transport_cc_id <= 14);
    }
}

static void as_offer(struct fake *f)
{
    struct backend_answer agreed;
    struct sdp_places places;
    struct backend_room room;
    struct backend_seat seat = {0};
    char error[200];
    fake_reserve(f, FAKE_ROOM, &room, &seat);
    if (sdp_take_offer(&agreed, &places, &parsed, &room, -1, error, sizeof(error)) != 0)
        return;
    check_agreed(&agreed);
    int n = sdp_write_answer(text, sizeof(text), &parsed, &room, &seat, &agreed, &places);
    if (n == -ENOSPC)
        return;
    assert(sdp_parse(&written, text, (size_t)n, error, sizeof(error)) == 0);
    assert(written.n_media == parsed.n_media);
    for (unsigned i = 0; i < agreed.n_tracks; i++)
        assert(written.media[places.media[i]].direction == SDP_SENDONLY);
}

static void as_answer(const struct fake *f)
{
    struct backend_answer agreed;
    struct sdp_offered offered;
    char error[200];
    sdp_note_offered(&offered, &f->room);
    if (sdp_take_answer(&agreed, &parsed, &offered, error, sizeof(error)) == 0)
        check_agreed(&agreed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fake f;
    char error[200];
    fake_init(&f, 2);
    if (sdp_parse(&parsed, (const char *)data, size, error, sizeof(error)) != 0) {
        assert(error[0] != '\0');
        return 0;
    }
    as_offer(&f);
    as_answer(&f);
    f.room.streams[0].codec = BACKEND_AV1;
    f.room.streams[0].has_audio = true;
    f.room.streams[1].codec = BACKEND_VP8;
    as_offer(&f);
    as_answer(&f);
    return 0;
}
