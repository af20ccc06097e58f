#include "server/publish_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- what is offered --- */

void attempt_drop(struct publish *p, struct attempt **a)
{
    if (!*a)
        return;
    p->backend.leave(p->backend.arg, (*a)->seat.viewer_id);
    free((*a)->answer);
    explicit_bzero(*a, sizeof(**a)); /* its credentials */
    free(*a);
    *a = NULL;
}

void publish_note_shown(struct shown *out, const struct backend_room *room)
{
    sdp_note_sent(&out->media, room);
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++)
        out->codecs[i] = room->streams[i].active ? (uint8_t)room->streams[i].codec : 0;
}

/* Which profile of H.264 stands in an m-line does not matter here. */
bool publish_is_same_offer(const struct shown *a, const struct shown *b)
{
    bool same = a->media.n_media == b->media.n_media;
    for (unsigned i = 0; same && i < a->media.n_media; i++)
        same = a->media.media[i].slot == b->media.media[i].slot &&
               a->media.media[i].audio == b->media.media[i].audio;
    return same && memcmp(a->codecs, b->codecs, sizeof(a->codecs)) == 0;
}

/* At least one picture has to arrive in the codec it is in. */
static bool takes_codec(const struct shown *offered, const struct backend_answer *agreed)
{
    bool any_video = false, taken = false;
    for (unsigned i = 0; i < agreed->n_tracks; i++) {
        unsigned codec = offered->codecs[agreed->tracks[i].slot];
        any_video |= !agreed->tracks[i].audio;
        taken |= !agreed->tracks[i].audio && agreed->tracks[i].formats[codec].payload_type != 0;
    }
    return taken || !any_video;
}

static struct attempt *reserve(struct publish *p, struct backend_room *room)
{
    struct attempt *a = calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    a->seat.offering = true;
    if (p->backend.reserve(p->backend.arg, p->room, room, &a->seat) != 0) {
        free(a);
        return NULL;
    }
    a->begun_us = p->now_us;
    snprintf(a->ufrag, sizeof(a->ufrag), "%s", a->seat.ufrag);
    snprintf(a->pwd, sizeof(a->pwd), "%s", a->seat.pwd);
    return a;
}

void attempt_begin(struct publish *p)
{
    struct backend_room room = {0};
    struct attempt *a = reserve(p, &room);
    if (!a) {
        publish_retry_later(p, "nothing can be sent at the moment", -1);
        return;
    }
    p->next = a;
    p->changed = false;
    publish_note_shown(&a->offered, &room);
    if (sdp_write_sent(a->offer, sizeof(a->offer), &room, &a->seat) < 0) {
        attempt_drop(p, &p->next);
        publish_retry_later(p, "what is shown does not fit into one offer", -1);
        return;
    }
    if (!p->now)
        publish_set_state(p, PUBLISH_CONNECTING);
}

void attempt_ask(struct publish *p)
{
    struct attempt *a = p->next;
    int err = whip_client_post(p->client, a->offer);
    if (err) {
        attempt_drop(p, &p->next);
        publish_retry_later(p, "too many requests wait for the server", -1);
        return;
    }
    a->asked = p->posting = true;
}

/* --- candidates of ours --- */

static void keep_line(struct attempt *a, const char *text)
{
    size_t used = strlen(a->trickle);
    int n = snprintf(a->trickle + used, sizeof(a->trickle) - used, "a=%s\r\n", text);
    if (n < 0 || (size_t)n >= sizeof(a->trickle) - used)
        a->trickle[used] = '\0';
}

void attempt_tell_candidates(struct publish *p, struct attempt *a)
{
    char fragment[PUBLISH_TRICKLE_MAX + 512];
    if (!a || !a->started || p->patching || !p->can_patch)
        return;
    if (a->ends && a->gathered && a->n_looked_up == 0) {
        keep_line(a, "end-of-candidates");
        a->ends = false;
    }
    if (!a->trickle[0])
        return;
    int n = publish_fragment_write(fragment, sizeof(fragment), a->ufrag, a->pwd, a->trickle);
    a->trickle[0] = '\0';
    p->patching = n > 0 && whip_client_patch(p->client, fragment) == 0;
}

bool attempt_is_of(const struct attempt *a, uint32_t viewer_id)
{
    return a && a->seat.viewer_id == viewer_id;
}

void publish_on_candidate(struct publish *p, uint32_t viewer_id, const char *text)
{
    struct attempt *a = attempt_is_of(p->next, viewer_id) ? p->next : p->now;
    if (!attempt_is_of(a, viewer_id))
        return;
    /* That an offer has them all is not said: the answer may name relays (RFC 8838 14). */
    a->gathered |= text == NULL;
    if (!text || a->silent)
        return;
    if (a->asked || sdp_add_candidate(a->offer, sizeof(a->offer), text) < 0) {
        keep_line(a, text);
        a->ends = true;
    }
}

/* --- what the server answers --- */

void attempt_take_candidates(struct publish *p, struct attempt *a, const char *text, size_t size)
{
    char candidate[BACKEND_CANDIDATE_MAX];
    struct sdp_text rest = {text, size};
    while (sdp_next_candidate(&rest, candidate)) {
        if (candidate[0])
            p->backend.candidate(p->backend.arg, a->seat.viewer_id, candidate);
    }
    /* WHIP has no way for a server to tell more of them (RFC 9725 4.3.1) */
    p->backend.candidate(p->backend.arg, a->seat.viewer_id, "");
}

/* "" or what is wrong with the answer. */
void attempt_start(struct publish *p, const struct whip_reply *r, char error[300])
{
    struct attempt *a = p->next;
    struct backend_answer agreed;
    struct sdp sdp;
    char detail[200];
    error[0] = '\0';
    if (!r->body || sdp_parse(&sdp, r->body, r->body_size, detail, sizeof(detail)) != 0 ||
        sdp_take_answer(&agreed, &sdp, &a->offered.media, detail, sizeof(detail)) != 0) {
        snprintf(error, 300, "the server's answer cannot be used: %s", r->body ? detail : "none");
        return;
    }
    if (!takes_codec(&a->offered, &agreed)) {
        snprintf(error, 300, "the server does not take this codec (--codec)");
        return;
    }
    if (p->backend.start(p->backend.arg, a->seat.viewer_id, &agreed) != 0) {
        snprintf(error, 300, "the server's answer has no credentials or fingerprint of use");
        return;
    }
    a->started = true;
    a->lite = sdp.ice_lite;
    snprintf(a->theirs.ufrag, sizeof(a->theirs.ufrag), "%s", agreed.ufrag);
    snprintf(a->theirs.pwd, sizeof(a->theirs.pwd), "%s", agreed.pwd);
    a->answer = strdup(r->body);
    a->answer_size = r->body_size;
    attempt_take_candidates(p, a, r->body, r->body_size);
    publish_use_relays(p, a);
}
