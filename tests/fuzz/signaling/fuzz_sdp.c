/* fuzz_sdp.c - any text as an offer to us and as an answer to ours. What we write we can read. */
#include "signaling/sdp.h"

#include "tests/unit/signaling/fake_backend.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sdp parsed, written;
static char text[SDP_WRITE_MAX];

static void check_agreed(const struct backend_answer *a, unsigned n_streams)
{
    assert(a->n_tracks > 0 && a->n_tracks <= n_streams);
    assert(a->n_fingerprints > 0 && a->n_fingerprints <= BACKEND_FINGERPRINTS_MAX);
    assert(strlen(a->ufrag) >= 4 && strlen(a->pwd) >= 22);
    for (unsigned i = 0; i < a->n_tracks; i++) {
        assert(a->tracks[i].stream < n_streams);
        assert(a->tracks[i].payload_type < 128 && a->tracks[i].rtx_payload_type < 128);
        assert(a->tracks[i].mid_id <= 14 && a->tracks[i].transport_cc_id <= 14);
    }
}

static void as_offer(struct fake *f)
{
    struct backend_answer agreed;
    struct sdp_places places;
    struct backend_room room;
    struct backend_seat seat;
    char error[200];
    fake_reserve(f, FAKE_ROOM, &room, &seat);
    if (sdp_take_offer(&agreed, &places, &parsed, &room, -1, error, sizeof(error)) != 0)
        return;
    check_agreed(&agreed, room.n_streams);
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
        check_agreed(&agreed, f->room.n_streams);
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
    f.room.n_streams = 1;
    as_answer(&f);
    return 0;
}
