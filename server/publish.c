#define G_LOG_DOMAIN "server"

#include "server/publish_inside.h"

#include <errno.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define TAG_ROOM (-1)   /* of the request for a room */
#define BEAT_BUSY_MS 50 /* while something is due sooner than the rounds come by themselves */
#define BEAT_WAIT_MS 200

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

void publish_set_state(struct publish *p, enum publish_state state)
{
    if (p->state == state)
        return;
    p->state = state;
    p->since_us = p->now_us;
}

/* --- attempts --- */

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
        publish_set_state(p, PUBLISH_WAITING);
}

/* What was being set up has failed. */
void publish_retry_later(struct publish *p, const char *why, int retry_after_s)
{
    retry_in(p, why, publish_delay_us(p->failures + 1, retry_after_s, random_number()));
}

static void refuse(struct publish *p, const char *why)
{
    say(p, why);
    p->refused = true;
    publish_set_state(p, PUBLISH_REFUSED);
    g_warning("publishing: %s", why);
}
/* --- a room of our own --- */

static void ask_room(struct publish *p)
{
    char json[128];
    publish_room_request(json, p->made.code);
    int err = whip_client_api(p->client, TAG_ROOM, "POST", "/api/v1/rooms", json);
    p->posting = err == 0;
    if (err)
        publish_retry_later(p, "too many requests wait for the server", -1);
    else if (!p->now)
        publish_set_state(p, PUBLISH_CONNECTING);
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
        publish_retry_later(p, why, r->retry_after_s);
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
        publish_retry_later(p, "the server made a room that cannot be used", -1);
        return;
    }
    size_t n = strlen(p->url);
    n -= n > 0 && p->url[n - 1] == '/';
    g_message("publishing: into a new room, to be watched at %.*s/%s", (int)n, p->url,
              p->made.code);
}

static void take_answer(struct publish *p, const struct whip_reply *r)
{
    publish_note_relays(p, r->links);
    char error[300];
    if (!p->next || !p->next->asked) { /* nobody wants it any more */
        (void)whip_client_delete(p->client);
        return;
    }
    p->can_patch = true;
    attempt_start(p, r, error);
    if (!error[0])
        return;
    attempt_drop(p, &p->next);
    (void)whip_client_delete(p->client);
    if (p->times_live == 0)
        refuse(p, error);
    else
        publish_retry_later(p, error, -1);
}

static void take_refusal(struct publish *p, const struct whip_reply *r)
{
    if (!p->next)
        return;
    attempt_drop(p, &p->next);
    if (r->status == 409) /* it may be we who are there: then this ends us */
        (void)whip_client_delete(p->client);
    if (r->status == 404 && p->made.code[0])
        p->endpoint[0] = '\0'; /* it has forgotten the room: it is to make it again */
    /* a server that was restarted may not have its rooms back yet */
    if (r->permanent && p->times_live == 0)
        refuse(p, r->error);
    else
        publish_retry_later(p, r->error, r->retry_after_s);
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
            publish_take_patched(p, &r);
        } else if (r.what == WHIP_DELETE) {
            if (p->stopped)
                attempt_drop(p, &p->now);
        } else if (r.what == WHIP_LOOK_UP) {
            publish_take_address(p, &r);
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
    attempt_drop(p, &p->now);
    p->now = p->next;
    p->next = NULL;
    p->now->live_us = p->now_us;
    p->times_live++;
    p->silent = false;
    p->restart_us = 0;
    say(p, "");
    publish_set_state(p, PUBLISH_LIVE);
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
    bool no_way = strncmp(reason, "ice-", 4) == 0 && p->n_relays > 0;
    snprintf(why, sizeof(why), "%s%s%s", sentence_of(reason),
             no_way ? "; nor over the server's relay " : "", no_way ? p->relays[0].text : "");
    attempt_drop(p, a);
    if (p->stopped)
        return;
    if (was_live && p->next)
        publish_set_state(p, PUBLISH_CONNECTING); /* taken over, or soon */
    else if (was_live)
        retry_in(p, why, publish_delay_us(p->failures, -1, random_number()));
    else
        publish_retry_later(p, why, -1);
}

void publish_on_viewer(struct publish *p, uint32_t viewer_id, enum backend_viewer_state state,
                       const char *reason, int64_t now_us)
{
    p->now_us = now_us;
    bool is_next = attempt_is_of(p->next, viewer_id);
    if (state == BACKEND_VIEWER_LIVE && is_next)
        become_live(p);
    else if (state == BACKEND_VIEWER_CLOSED && is_next)
        lose(p, &p->next, reason);
    else if (state == BACKEND_VIEWER_CLOSED && attempt_is_of(p->now, viewer_id))
        lose(p, &p->now, reason);
}

/* --- rounds --- */

/* Is there anything to send, and is it what the session was agreed for? */
static bool look_at_room(struct publish *p)
{
    struct backend_room room;
    struct shown shown = {.media = {.n_media = 0}};
    bool live = p->backend.room(p->backend.arg, p->room, &room) && room.live;
    if (live)
        publish_note_shown(&shown, &room);
    if (!publish_is_same_offer(&shown, &p->shown))
        p->shown_us = p->now_us;
    p->shown = shown;
    bool settled = p->now_us - p->shown_us >= PUBLISH_SETTLE_US;
    if (live && settled && p->now && !publish_is_same_offer(&shown, &p->now->offered))
        p->changed = true;
    return live && settled;
}

static void look_at_attempts(struct publish *p)
{
    bool ready = look_at_room(p);
    publish_look_at_silence(p);
    if (p->now && p->now_us - p->now->live_us >= PUBLISH_STABLE_US)
        p->failures = 0;
    if (p->next && !p->next->asked &&
        (p->next->gathered || p->now_us - p->next->begun_us >= PUBLISH_GATHER_US))
        attempt_ask(p);
    bool wanted = !p->now || p->changed;
    if (!p->next && !p->posting && ready && wanted && p->now_us >= p->retry_us)
        (p->endpoint[0] ? attempt_begin : ask_room)(p);
    if (!p->now && !p->next && !ready && !p->shown.media.n_media)
        publish_set_state(p, PUBLISH_IDLE);
    attempt_tell_candidates(p, p->next ? p->next : p->now);
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
    attempt_drop(p, &p->next);
    /* word of it goes first: media that just ends looks like a loss */
    if (!stopped || !whip_client_has_resource(p->client) || whip_client_delete(p->client) != 0)
        attempt_drop(p, &p->now);
    say(p, "");
    publish_set_state(p, stopped ? PUBLISH_STOPPED : PUBLISH_IDLE);
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
    p->agent = config->agent;
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
    attempt_drop(p, &p->now);
    attempt_drop(p, &p->next);
    explicit_bzero(p, sizeof(*p)); /* the room's secret, credentials of relays */
    free(p);
}
