/* publish_inside.h - what the files of a publication share: its state. Signaling thread.
 *
 *     publish.c           life, rounds, when to try again, and what the server's replies mean
 *     publish_attempt.c   one session: what is offered, its candidates, its answer
 *     publish_restart.c   another way for the session that is live
 *     publish_relay.c     the TURN servers that the server names
 */
#pragma once

#include "server/ice_url.h"
#include "server/publish.h"
#include "server/publish_fragment.h"
#include "server/publish_room.h"
#include "server/whip_reply.h"
#include "signaling/sdp.h"

#define PUBLISH_TRICKLE_MAX 4096 /* candidates that wait to be told: more are left out */

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
    bool gathered;                     /* all of our candidates are known */
    bool asked;                        /* the offer is on its way, or was answered */
    bool started;                      /* the answer fits */
    bool lite;                         /* the server's ICE */
    bool silent;                       /* a move to a lite server: it needs no candidates */
    bool ends;                         /* what was trickled ends with our last candidate */
    unsigned n_looked_up;              /* relays whose address is being looked up */
    int64_t live_us;                   /* 0: not yet */
    char ufrag[32], pwd[64];           /* ours, of the last restart */
    char trickle[PUBLISH_TRICKLE_MAX]; /* lines that are still to be told */
    char offer[SDP_WRITE_MAX];
    struct publish_credentials theirs;
    char *answer; /* owned; its candidates are needed again when we move */
    size_t answer_size;
};

struct publish {
    struct backend backend;
    struct publish_agent agent;
    char room[BACKEND_ROOM_MAX];
    struct whip_client *client; /* owned */
    void (*on_api)(void *arg, const struct whip_reply *r);
    void *api_arg;
    int64_t now_us;
    char url[WHIP_CLIENT_URL_MAX];           /* as it was given */
    char endpoint[WHIP_CLIENT_URL_MAX];      /* "": there is no room yet */
    struct publish_room made;                /* at our request */
    struct ice_url relays[WHIP_SERVERS_MAX]; /* that the server of the last answer named */
    char users[WHIP_SERVERS_MAX][WHIP_SERVER_TEXT_MAX];
    char passwords[WHIP_SERVERS_MAX][WHIP_SERVER_TEXT_MAX];
    unsigned n_relays, n_answers; /* of all times; tells old lookups */

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

/* --- publish.c --- */

void publish_set_state(struct publish *p, enum publish_state state);
/* What was being set up has failed; -1: the server did not say when to come again. */
void publish_retry_later(struct publish *p, const char *why, int retry_after_s);

/* --- publish_attempt.c --- */

void publish_note_shown(struct shown *out, const struct backend_room *room);
bool publish_is_same_offer(const struct shown *a, const struct shown *b);
void attempt_begin(struct publish *p); /* becomes p->next, unless it fails: then later */
void attempt_ask(struct publish *p);   /* p->next is offered */
void attempt_drop(struct publish *p, struct attempt **a); /* one of ours; to NULL */
/* p->next with the server's answer; error: "", or what is wrong with it. */
void attempt_start(struct publish *p, const struct whip_reply *r, char error[300]);
bool attempt_is_of(const struct attempt *a, uint32_t viewer_id);
void attempt_tell_candidates(struct publish *p, struct attempt *a); /* late ones; NULL is fine */
/* Theirs, of an answer or a fragment: all there will be. */
void attempt_take_candidates(struct publish *p, struct attempt *a, const char *text, size_t size);

/* --- publish_relay.c --- */

void publish_note_relays(struct publish *p, const char *links); /* of an answer; NULL: none */
void publish_use_relays(struct publish *p, struct attempt *a);  /* that has started */
void publish_take_address(struct publish *p, const struct whip_reply *r); /* of one of them */

/* --- publish_restart.c --- */

void publish_look_at_silence(struct publish *p);
void publish_take_patched(struct publish *p, const struct whip_reply *r);
