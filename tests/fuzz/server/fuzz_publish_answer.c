/* fuzz_publish_answer.c - what a WHIP server answers to an offer, an ICE restart or the wish for a
 * room. */
#include "server/publish_fragment.h"
#include "server/publish_room.h"
#include "signaling/sdp.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_answer(const char *text, size_t size)
{
    static struct backend_room room = {
        .live = true,
        .n_streams = 2,
        .streams = {{.active = true, .has_audio = true}, {.active = true}}};
    struct sdp_offered offered;
    struct backend_answer agreed;
    struct sdp sdp;
    char error[200] = "", candidate[BACKEND_CANDIDATE_MAX];
    sdp_note_sent(&offered, &room);
    if (sdp_parse(&sdp, text, size, error, sizeof(error)) == 0 &&
        sdp_take_answer(&agreed, &sdp, &offered, error, sizeof(error)) == 0)
        assert(agreed.n_tracks > 0 && agreed.n_tracks <= 3);
    struct sdp_text rest = {text, size};
    while (sdp_next_candidate(&rest, candidate))
        assert(strlen(candidate) < sizeof(candidate));
}

static void read_room(const char *data, size_t size)
{
    struct publish_room room;
    char endpoint[WHIP_CLIENT_URL_MAX];
    char *text = malloc(size + 1);
    assert(text);
    memcpy(text, data, size);
    text[size] = '\0';
    if (publish_room_read(&room, text)) {
        publish_room_endpoint(endpoint, "https://h.example", room.code);
        assert(strcmp(endpoint + strlen("https://h.example/whip/"), room.code) == 0);
        assert(room.secret[0] && !strpbrk(room.secret, "\r\n \"\\"));
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct publish_credentials c;
    char *text = malloc(size ? size : 1); /* exactly, so that a byte too far is seen */
    assert(text);
    memcpy(text, data, size);
    if (publish_fragment_read(&c, text, size)) {
        assert(strlen(c.ufrag) >= 4 && strlen(c.ufrag) < sizeof(c.ufrag));
        assert(strlen(c.pwd) >= 22 && strlen(c.pwd) < sizeof(c.pwd));
    }
    read_answer(text, size);
    read_room(text, size);
    free(text);
    return 0;
}
