#define G_LOG_DOMAIN "server"

#include "server/publish.h"

#include "server/publish_fragment.h"
#include "server/publish_room.h"
#include "server/whip_reply.h"
#include "signaling/sdp.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define TRICKLE_MAX 4096 /* candidates that wait to be told: more are left out */
#define TAG_ROOM (-1)    /* of the request for a room */
#define BEAT_BUSY_MS 50  /* while something is due sooner than the rounds come by themselves */
#define BEAT_WAIT_MS 200

/* What is to be sent: the m-lines, and which codec each slot has. */
struct shown {
    struct sdp_offered media;
    uint8_t codecs[BACKEND_STREAMS_MAX]; /* enum backend_codec */
};

/* One session at the server, from its seat to its end. */
struct attempt {
    struct backend_seat seat;
    struct shown offered;
    int64_t begun_us;
    bool gathered;             /* all of our candidates are known */
    bool asked;                /* the offer is on its way, or was answered */
    bool started;              /* the answer fits */
    int64_t live_us;           /* 0: not yet */
    char ufrag[32], pwd[64];   /* ours, of the last restart */
    char trickle[TRICKLE_MAX]; /* lines that are still to be told */
    char offer[SDP_WRITE_MAX];
};

struct publish {
    struct backend backend;
    char room[BACKEND_ROOM_MAX];
    struct whip_client *client; /* owned */
    void (*on_api)(void *arg, const struct whip_reply *r);
    void *api_arg;
    int64_t now_us;
    char url[WHIP_CLIENT_URL_MAX];      /* as it was given */
    char endpoint[WHIP_CLIENT_URL_MAX]; /* "": there is no room yet */
    struct publish_room made;           /* at our request */
    char relay[WHIP_SERVER_TEXT_MAX];   /* a TURN server that the server named, or "" */

    enum publish_state state;
    int64_t since_us;
    char why[360];
    bool stopped, refused;
    unsigned failures, times_live, restarts;
    int64_t retry_us; /* not before */

    struct attempt *now, *next; /* owned; that is live, that is being set up; NULL: none */
    bool posting;               /* an offer is under way */
    bool patching;
    bool can_patch; /* the server of the last answer has not refused it */
    bool changed;   /* a new session is wanted beside the live one */
    bool silent;    /* the far side of the live one */
    int64_t silent_us;
    bool restarting;    /* the answer to an ICE restart is awaited */
    int64_t restart_us; /* when it was begun; 0: not since the far side was heard */
    struct shown shown; /* what there is to be sent */
    int64_t shown_us;   /* since when it is that */
    int beat_ms;
};

int64_t publish_delay_us(unsigned failures, int retry_after_s, uint32_t random)
{
    if (failures == 0)
        return random % 300000;
    int64_t most = INT64_C(1000000) << (failures < 6 ? failures - 1 : 5);
    if (most > PUBLISH_RETRY_MAX_US)
        most = PUBLISH_RETRY_MAX_US;
    int64_t delay = most / 2 + random % (most / 2 + 1);
    int64_t asked = retry_after_s > 0 ? retry_after_s * INT64_C(1000000) + random % 500000 : 0;
    return delay > asked ? delay : asked;
}

static uint32_t random_number(void)
{
    uint32_t n = 0;
    (void)!getrandom(&n, sizeof(n), 0); /* only spreads retries */
    return n;
}

static void set_state(struct publish *p, enum publish_state state)
{
    if (p->state == state)
        return;
    p->state = state;
    p->since_us = p->now_us;
}

/* --- attempts --- */

static void drop(struct publish *p, struct attempt **a)
{
    if (!*a)
        return;
    p->backend.leave(p->backend.arg, (*a)->seat.viewer_id);
    explicit_bzero(*a, sizeof(**a)); /* its credentials */
    free(*a);
    *a = NULL;
}

static void say(struct publish *p, const char *why)
{
    snprintf(p->why, sizeof(p->why), "%s", why);
}

static void retry_in(struct publish *p, const char *why, int64_t delay)
{
    say(p, why);
    p->failures++;
    p->retry_us = p->now_us + delay;
    g_warning("publishing: %s; trying again in %.1f s", why, (double)delay / 1e6);
    if (p->now)
        p->changed = true;
    else
        set_state(p, PUBLISH_WAITING);
}

/* What was being set up has failed. */
static void retry_later(struct publish *p, const char *why, int retry_after_s)
{
    retry_in(p, why, publish_delay_us(p->failures + 1, retry_after_s, random_number()));
}

static void refuse(struct publish *p, const char *why)
{
    say(p, why);
    p->refused = true;
    set_state(p, PUBLISH_REFUSED);
    g_warning("publishing: %s", why);
}

static void note_shown(struct shown *out, const struct backend_room *room)
{
    sdp_note_sent(&out->media, room);
    for (unsigned i = 0; i < BACKEND_STREAMS_MAX; i++)
        out->codecs[i] = room->streams[i].active ? (uint8_t)room->streams[i].codec : 0;
}

/* Which profile of H.264 stands in an m-line does not matter here. */
static bool is_same_offer(const struct shown *a, const struct shown *b)
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

static void begin(struct publish *p)
{
    struct backend_room room = {0};
    struct attempt *a = reserve(p, &room);
    if (!a) {
        retry_later(p, "nothing can be sent at the moment", -1);
        return;
    }
    p->next = a;
    p->changed = false;
    note_shown(&a->offered, &room);
    if (sdp_write_sent(a->offer, sizeof(a->offer), &room, &a->seat) < 0) {
        drop(p, &p->next);
        retry_later(p, "what is shown does not fit into one offer", -1);
        return;
    }
    if (!p->now)
        set_state(p, PUBLISH_CONNECTING);
}

static void ask(struct publish *p)
{
    struct attempt *a = p->next;
    int err = whip_client_post(p->client, a->offer);
    if (err) {
        drop(p, &p->next);
        retry_later(p, "too many requests wait for the server", -1);
        return;
    }
    a->asked = p->posting = true;
}

/* --- a room of our own --- */

static void ask_room(struct publish *p)
{
    char json[128];
    publish_room_request(json, p->made.code);
    int err = whip_client_api(p->client, TAG_ROOM, "POST", "/api/v1/rooms", json);
    p->posting = err == 0;
    if (err)
        retry_later(p, "too many requests wait for the server", -1);
    else if (!p->now)
        set_state(p, PUBLISH_CONNECTING);
}

static void take_no_room(struct publish *p, const struct whip_reply *r)
{
    bool none = r->status == 404 || r->status == 405 || r->status == 501;
    const char *why = none ? "the server makes no rooms: name one (--to URL/whip/ROOM)"
                      : r->status == 401 || r->status == 403
                          ? "the server does not let everybody make rooms: name one (--to "
                            "URL/whip/ROOM) and give its secret (--secret-file)"
                          : r->error;
    if (r->status == 409)
        p->made.code[0] = '\0'; /* somebody else has it now: then another one */
    if (r->permanent && p->times_live == 0)
        refuse(p, why);
    else
        retry_later(p, why, r->retry_after_s);
}

static void take_room(struct publish *p, const struct whip_reply *r)
{
    p->posting = false;
    if (!r->ok) {
        take_no_room(p, r);
        return;
    }
    if (r->body && publish_room_read(&p->made, r->body))
        publish_room_endpoint(p->endpoint, p->url, p->made.code);
    if (!p->endpoint[0] || whip_client_set_target(p->client, p->endpoint, p->made.secret) != 0) {
        p->endpoint[0] = '\0';
        retry_later(p, "the server made a room that cannot be used", -1);
        return;
    }
    size_t n = strlen(p->url);
    n -= n > 0 && p->url[n - 1] == '/';
    g_message("publishing: into a new room, to be watched at %.*s/%s", (int)n, p->url,
              p->made.code);
}

/* --- candidates of ours --- */

static void flush_candidates(struct publish *p, struct attempt *a)
{
    char fragment[TRICKLE_MAX + 512];
    if (!a || !a->started || !a->trickle[0] || p->patching || !p->can_patch)
        return;
    int n = publish_fragment_write(fragment, sizeof(fragment), a->ufrag, a->pwd, a->trickle);
    a->trickle[0] = '\0';
    p->patching = n > 0 && whip_client_patch(p->client, fragment) == 0;
}

static void keep_candidate(struct attempt *a, const char *text)
{
    size_t used = strlen(a->trickle);
    int n = snprintf(a->trickle + used, sizeof(a->trickle) - used, "a=%s\r\n",
                     text ? text : "end-of-candidates");
    if (n < 0 || (size_t)n >= sizeof(a->trickle) - used)
        a->trickle[used] = '\0';
}

static bool is_of(const struct attempt *a, uint32_t viewer_id)
{
    return a && a->seat.viewer_id == viewer_id;
}

void publish_on_candidate(struct publish *p, uint32_t viewer_id, const char *text)
{
    struct attempt *a = is_of(p->next, viewer_id) ? p->next : p->now;
    if (!is_of(a, viewer_id))
        return;
    bool late = a->asked || sdp_add_candidate(a->offer, sizeof(a->offer), text) < 0;
    if (late)
        keep_candidate(a, text);
    a->gathered |= text == NULL;
}

/* --- what the server answers --- */

static void give_candidates(struct publish *p, uint32_t viewer_id, const char *text, size_t size)
{
    char candidate[BACKEND_CANDIDATE_MAX];
    struct sdp_text rest = {text, size};
    while (sdp_next_candidate(&rest, candidate)) {
        if (candidate[0])
            p->backend.candidate(p->backend.arg, viewer_id, candidate);
    }
    /* WHIP has no way for a server to tell more of them (RFC 9725 4.3.1) */
    p->backend.candidate(p->backend.arg, viewer_id, "");
}

/* "" or what is wrong with the answer. */
static void start(struct publish *p, const struct whip_reply *r, char error[300])
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
    give_candidates(p, a->seat.viewer_id, r->body, r->body_size);
}

static void note_relay(struct publish *p, const char *links)
{
    struct whip_server servers[WHIP_SERVERS_MAX];
    unsigned n = links ? whip_reply_servers(servers, links) : 0;
    p->relay[0] = '\0';
    for (unsigned i = 0; i < n && !p->relay[0]; i++) {
        if (strncmp(servers[i].url, "turn", 4) == 0)
            memcpy(p->relay, servers[i].url, sizeof(p->relay));
    }
}

static void take_answer(struct publish *p, const struct whip_reply *r)
{
    note_relay(p, r->links);
    char error[300];
    if (!p->next || !p->next->asked) { /* nobody wants it any more */
        (void)whip_client_delete(p->client);
        return;
    }
    p->can_patch = true;
    start(p, r, error);
    if (!error[0])
        return;
    drop(p, &p->next);
    (void)whip_client_delete(p->client);
    if (p->times_live == 0)
        refuse(p, error);
    else
        retry_later(p, error, -1);
}

static void take_refusal(struct publish *p, const struct whip_reply *r)
{
    if (!p->next)
        return;
    drop(p, &p->next);
    if (r->status == 409) /* it may be we who are there: then this ends us */
        (void)whip_client_delete(p->client);
    if (r->status == 404 && p->made.code[0])
        p->endpoint[0] = '\0'; /* it has forgotten the room: it is to make it again */
    /* a server that was restarted may not have its rooms back yet */
    if (r->permanent && p->times_live == 0)
        refuse(p, r->error);
    else
        retry_later(p, r->error, r->retry_after_s);
}

static void give_up_restart(struct publish *p)
{
    p->restarting = false;
    p->changed = true;
}

static void take_patched(struct publish *p, const struct whip_reply *r)
{
    struct publish_credentials theirs;
    struct attempt *a = p->now;
    p->patching = false;
    if (r->status == 405 || r->status == 501 || r->status == 404)
        p->can_patch = false;
    if (!p->restarting)
        return;
    p->restarting = false;
    if (!r->ok || r->status != 200 || !r->body || !a ||
        !publish_fragment_read(&theirs, r->body, r->body_size) ||
        p->backend.restart(p->backend.arg, a->seat.viewer_id, theirs.ufrag, theirs.pwd, NULL) !=
            0) {
        give_up_restart(p);
        return;
    }
    p->restarts++;
    g_message("publishing: another way to the server is being looked for");
    give_candidates(p, a->seat.viewer_id, r->body, r->body_size);
}

static void take_replies(struct publish *p)
{
    struct whip_reply r;
    while (whip_client_next(p->client, &r)) {
        if (r.what == WHIP_POST) {
            p->posting = false;
            if (r.ok)
                take_answer(p, &r);
            else
                take_refusal(p, &r);
        } else if (r.what == WHIP_PATCH) {
            take_patched(p, &r);
        } else if (r.what == WHIP_DELETE) {
            if (p->stopped)
                drop(p, &p->now);
        } else if (r.tag == TAG_ROOM) {
            take_room(p, &r);
        } else if (p->on_api) {
            p->on_api(p->api_arg, &r);
        }
        whip_reply_free(&r);
    }
}

/* --- what becomes of it --- */

static void become_live(struct publish *p)
{
    drop(p, &p->now);
    p->now = p->next;
    p->next = NULL;
    p->now->live_us = p->now_us;
    p->times_live++;
    p->silent = false;
    p->restart_us = 0;
    say(p, "");
    set_state(p, PUBLISH_LIVE);
    g_message("publishing: live");
}

static const char *sentence_of(const char *reason)
{
    static const struct {
        const char *reason, *sentence;
    } known[] = {
        {"ice-timeout", "no way for media to the server was found: is UDP blocked? (--turn)"},
        {"ice-failed", "no way for media to the server was found: is UDP blocked? (--turn)"},
        {"dtls-timeout", "the server did not finish the handshake of its media"},
        {"dtls-failed", "the server's media has another key than its answer said"},
        {"consent-lost", "the connection to the server is lost"},
        {"remote-closed", "the server ended the session"},
    };
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(reason, known[i].reason) == 0)
            return known[i].sentence;
    }
    return reason;
}

static void lose(struct publish *p, struct attempt **a, const char *reason)
{
    bool was_live = a == &p->now;
    char why[360];
    bool no_way = strncmp(reason, "ice-", 4) == 0 && p->relay[0];
    snprintf(why, sizeof(why), "%s%s%s", sentence_of(reason),
             no_way ? "; the server names the relay " : "", no_way ? p->relay : "");
    drop(p, a);
    if (p->stopped)
        return;
    if (was_live && p->next)
        set_state(p, PUBLISH_CONNECTING); /* taken over, or soon */
    else if (was_live)
        retry_in(p, why, publish_delay_us(p->failures, -1, random_number()));
    else
        retry_later(p, why, -1);
}

void publish_on_viewer(struct publish *p, uint32_t viewer_id, enum backend_viewer_state state,
                       const char *reason, int64_t now_us)
{
    p->now_us = now_us;
    bool is_next = is_of(p->next, viewer_id);
    if (state == BACKEND_VIEWER_LIVE && is_next)
        become_live(p);
    else if (state == BACKEND_VIEWER_CLOSED && is_next)
        lose(p, &p->next, reason);
    else if (state == BACKEND_VIEWER_CLOSED && is_of(p->now, viewer_id))
        lose(p, &p->now, reason);
}

/* --- ICE restarts (RFC 9725 4.3.3) --- */

static void restart(struct publish *p)
{
    struct attempt *a = p->now;
    struct backend_credentials ours;
    char fragment[1024];
    p->restart_us = p->now_us;
    if (!p->can_patch || p->patching || !p->backend.restart ||
        p->backend.restart(p->backend.arg, a->seat.viewer_id, "", "", &ours) != 0) {
        give_up_restart(p);
        return;
    }
    snprintf(a->ufrag, sizeof(a->ufrag), "%s", ours.ufrag);
    snprintf(a->pwd, sizeof(a->pwd), "%s", ours.pwd);
    a->trickle[0] = '\0';
    int n = publish_fragment_write(fragment, sizeof(fragment), a->ufrag, a->pwd, "");
    p->restarting = p->patching = n > 0 && whip_client_restart(p->client, fragment) == 0;
    if (!p->restarting)
        give_up_restart(p);
}

static void look_at_silence(struct publish *p)
{
    if (!p->now || !p->silent || p->next)
        return;
    if (p->restart_us == 0)
        restart(p);
    else if (!p->restarting && p->now_us - p->restart_us >= PUBLISH_RESTART_US)
        p->changed = true;
}

void publish_on_silence(struct publish *p, bool silent)
{
    p->silent = silent;
    if (!silent && !p->restarting)
        p->restart_us = 0;
}

void publish_on_addresses(struct publish *p)
{
    p->changed = p->now != NULL;
    p->failures = 0;
    p->retry_us = p->now_us; /* whatever was in the way may be away */
}

/* --- rounds --- */

/* Is there anything to send, and is it what the session was agreed for? */
static bool look_at_room(struct publish *p)
{
    struct backend_room room;
    struct shown shown = {.media = {.n_media = 0}};
    bool live = p->backend.room(p->backend.arg, p->room, &room) && room.live;
    if (live)
        note_shown(&shown, &room);
    if (!is_same_offer(&shown, &p->shown))
        p->shown_us = p->now_us;
    p->shown = shown;
    bool settled = p->now_us - p->shown_us >= PUBLISH_SETTLE_US;
    if (live && settled && p->now && !is_same_offer(&shown, &p->now->offered))
        p->changed = true;
    return live && settled;
}

static void look_at_attempts(struct publish *p)
{
    bool ready = look_at_room(p);
    look_at_silence(p);
    if (p->now && p->now_us - p->now->live_us >= PUBLISH_STABLE_US)
        p->failures = 0;
    if (p->next && !p->next->asked &&
        (p->next->gathered || p->now_us - p->next->begun_us >= PUBLISH_GATHER_US))
        ask(p);
    bool wanted = !p->now || p->changed;
    if (!p->next && !p->posting && ready && wanted && p->now_us >= p->retry_us)
        (p->endpoint[0] ? begin : ask_room)(p);
    if (!p->now && !p->next && !ready && !p->shown.media.n_media)
        set_state(p, PUBLISH_IDLE);
    flush_candidates(p, p->next ? p->next : p->now);
}

static void set_beat(struct publish *p)
{
    bool busy = p->next && !p->next->asked;
    bool waits = !p->now || p->changed || p->now_us - p->shown_us < PUBLISH_SETTLE_US;
    int ms = p->stopped || p->refused ? 0 : busy ? BEAT_BUSY_MS : waits ? BEAT_WAIT_MS : 0;
    if (ms != p->beat_ms)
        whip_client_set_beat(p->client, ms);
    p->beat_ms = ms;
}

void publish_round(struct publish *p, int64_t now_us)
{
    p->now_us = now_us;
    take_replies(p);
    if (!p->stopped && !p->refused)
        look_at_attempts(p);
    set_beat(p);
}

void publish_set_stopped(struct publish *p, bool stopped)
{
    if (p->stopped == stopped)
        return;
    p->stopped = stopped;
    p->refused = p->changed = p->restarting = false;
    p->failures = 0;
    p->retry_us = 0;
    drop(p, &p->next);
    /* word of it goes first: media that just ends looks like a loss */
    if (!stopped || !whip_client_has_resource(p->client) || whip_client_delete(p->client) != 0)
        drop(p, &p->now);
    say(p, "");
    set_state(p, stopped ? PUBLISH_STOPPED : PUBLISH_IDLE);
}

void publish_status(const struct publish *p, struct publish_status *out)
{
    *out = (struct publish_status){
        .state = p->state,
        .failures = p->failures,
        .since_us = p->since_us,
        .retry_us = p->retry_us,
        .viewer_id = p->now ? p->now->seat.viewer_id : 0,
        .times_live = p->times_live,
        .restarts = p->restarts,
    };
    memcpy(out->why, p->why, sizeof(out->why));
    memcpy(out->endpoint, p->endpoint, sizeof(out->endpoint));
}

void publish_set_api(struct publish *p, void (*on_api)(void *arg, const struct whip_reply *r),
                     void *arg)
{
    p->on_api = on_api;
    p->api_arg = arg;
}

struct whip_client *publish_client(struct publish *p)
{
    return p->client;
}

/* --- life --- */

int publish_create(struct publish **out, const struct publish_config *config)
{
    const struct whip_client_config client = {
        .url = config->url,
        .bearer = config->secret,
        .ca_file = config->ca_file,
        .wake = config->wake,
        .wake_arg = config->wake_arg,
    };
    struct publish *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    p->backend = *config->backend;
    p->state = PUBLISH_IDLE;
    snprintf(p->room, sizeof(p->room), "%s", config->room);
    snprintf(p->url, sizeof(p->url), "%s", config->url);
    if (!publish_room_is_wanted(config->url))
        memcpy(p->endpoint, p->url, sizeof(p->endpoint));
    int err = whip_client_create(&p->client, &client);
    if (err) {
        free(p);
        return err;
    }
    *out = p;
    return 0;
}

void publish_destroy(struct publish *p)
{
    if (!p)
        return;
    whip_client_destroy(p->client); /* first, so that the server knows it from us */
    drop(p, &p->now);
    drop(p, &p->next);
    explicit_bzero(&p->made, sizeof(p->made));
    free(p);
}
