/* fuzz_sdp.c - any text as an offer to us, of a viewer and of a publisher, and as an answer to
 * ours. What we write we can read. */
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
        assert(a->tracks[i].red_payload_type < 128 && (any || !a->tracks[i].red_payload_type));
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

static int next_slot(void *arg, unsigned taken)
{
    (void)arg;
    for (unsigned i = 2; i < BACKEND_STREAMS_MAX; i++)
        if (!(taken & 1u << i))
            return (int)i;
    return -1;
}

static void check_published(const struct backend_publication *p)
{
    unsigned pictures = 0;
    assert(p->n_tracks > 0 && p->n_tracks <= 2 * BACKEND_STREAMS_MAX);
    assert(p->n_fingerprints > 0 && strlen(p->ufrag) >= 4 && strlen(p->pwd) >= 22);
    for (unsigned i = 0; i < p->n_tracks; i++) {
        assert(memchr(p->tracks[i].title, '\0', sizeof(p->tracks[i].title)));
        const struct backend_publish_track *t = &p->tracks[i];
        bool any = t->opus_payload_type != 0;
        assert(any == t->audio && t->slot < BACKEND_STREAMS_MAX);
        assert(t->audio || !(pictures & 1u << t->slot));
        pictures |= t->audio ? 0 : 1u << t->slot;
        for (unsigned c = 0; c < BACKEND_CODECS; c++)
            any |= t->formats[c].payload_type != 0;
        assert(any && t->n_rids <= BACKEND_LAYERS_MAX);
        for (unsigned k = 0; k < t->n_rids; k++)
            assert(t->rids[k][0] != '\0' && t->rid_id != 0);
        assert(t->transport_cc == (t->transport_cc_id != 0));
    }
}

static void as_publisher(bool whole)
{
    static struct backend_publication agreed;
    const struct sdp_publish_wish wish = {.slot = next_slot, .whole = whole};
    const struct backend_seat seat = {.ufrag = "ours", .pwd = "0123456789012345678901"};
    struct sdp_places places;
    char error[200];
    if (sdp_take_publish_offer(&agreed, &places, &parsed, &wish, error, sizeof(error)) != 0)
        return;
    check_published(&agreed);
    int n = sdp_write_publish_answer(text, sizeof(text), &parsed, &seat, &agreed, &places);
    if (n == -ENOSPC)
        return;
    assert(sdp_parse(&written, text, (size_t)n, error, sizeof(error)) == 0);
    assert(written.n_media == parsed.n_media);
    for (unsigned i = 0; i < agreed.n_tracks; i++)
        assert(written.media[places.media[i]].direction == SDP_RECVONLY);
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
    as_publisher(false);
    as_publisher(true);
    as_offer(&f);
    as_answer(&f);
    f.room.streams[0].codec = BACKEND_AV1;
    f.room.streams[0].has_audio = true;
    f.room.streams[1].codec = BACKEND_VP8;
    as_offer(&f);
    as_answer(&f);
    return 0;
}
