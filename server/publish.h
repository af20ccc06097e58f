/* publish.h - what a room of this program shows, sent on to a WHIP server elsewhere (RFC 9725).
 *
 * To our own side a publication is a viewer with a full ICE agent, so that loss, keyframes and the
 * path are dealt with as every viewer's; to the server it is a publisher.
 *
 *     IDLE --something is shown--> CONNECTING --connected--> LIVE
 *                                   ^      |                   |
 *                                   |      v                   |
 *                                  WAITING <------ lost -------+        any --> REFUSED, STOPPED
 *
 * What was lost is tried again: at once, then 1, 2, 4 ... 30 s apart, with a random part so that
 * many do not come back together, and not before a Retry-After. A server that refuses for good
 * before anything was ever live ends it. When what is shown changes its m-lines, a second session
 * is begun beside the first, which goes on until the other one stands: who publishes with the same
 * secret takes over. A server that does not know that (409) is told to end the first one.
 *
 * A server that is named without a room is asked to make one first (publish_room.h), again with the
 * same code if it has forgotten it.
 *
 * When the far side has gone silent, or this machine has other addresses, another way is looked for
 * for the same session: by an ICE restart, or, as a server with ICE-lite takes whoever knows the
 * credentials from anywhere, from new sockets alone. If that does not help, a new session does.
 *
 * TURN servers that the server names with its answer (Link) are added to our own.
 *
 * Life: publish_create, then publish_round whenever `wake` was called or anything happened, at
 * least once a second, and what the backend tells about viewers; publish_destroy ends the session
 * at the server (DELETE), and waits for it WHIP_CLIENT_END_S at most. Signaling thread.
 */
#pragma once

#include "rtp/session/ice_full.h"
#include "server/whip_client.h"
#include "signaling/backend.h"

#include <stdbool.h>
#include <stdint.h>

#define PUBLISH_GATHER_US 1500000  /* STUN and TURN servers: who answers later is trickled */
#define PUBLISH_SETTLE_US 300000   /* changes of what is shown go together */
#define PUBLISH_STABLE_US 20000000 /* what was live for so long has worked */
#define PUBLISH_RETRY_MAX_US 30000000
#define PUBLISH_RESTART_US 4000000 /* an ICE restart has so long */

enum publish_state {
    PUBLISH_IDLE = 1,   /* nothing is shown yet */
    PUBLISH_CONNECTING, /* being agreed, or on the way to media */
    PUBLISH_LIVE,
    PUBLISH_WAITING, /* to try again */
    PUBLISH_REFUSED, /* for good */
    PUBLISH_STOPPED, /* by the person */
};

/* What ICE agents can do beyond what signaling wants of them; each as the forwarder's, or NULL. */
struct publish_agent {
    void *arg;
    int (*add_relay)(void *arg, uint32_t viewer_id, const struct ice_relay *relay);
    /* With new credentials, into `ours`, or NULL: with the old ones. */
    int (*move)(void *arg, uint32_t viewer_id, struct backend_credentials *ours);
};

struct publish_config {
    const struct backend *backend;      /* borrowed; with full ICE */
    const char *room;                   /* of the backend; copied, like the rest */
    const char *url, *secret, *ca_file; /* the latter two may be NULL */
    struct publish_agent agent;
    void (*wake)(void *arg); /* any thread: publish_round is due */
    void *wake_arg;
};

struct publish_status {
    enum publish_state state;
    char why[360];                      /* "" or what went wrong last, for a person */
    unsigned failures;                  /* in a row */
    int64_t since_us;                   /* the state */
    int64_t retry_us;                   /* when it is tried again; of WAITING */
    uint32_t viewer_id;                 /* of the session that is live; 0: none */
    unsigned times_live;                /* sessions that ever were */
    unsigned restarts;                  /* of ICE, that the server agreed to */
    char endpoint[WHIP_CLIENT_URL_MAX]; /* where to; "": a room is still to be made there */
};

struct publish;

/* 0, -ENOMEM, or -EINVAL: the URL is none. */
int publish_create(struct publish **out, const struct publish_config *config);
void publish_destroy(struct publish *p); /* NULL is fine */
void publish_round(struct publish *p, int64_t now_us);
void publish_on_viewer(struct publish *p, uint32_t viewer_id, enum backend_viewer_state state,
                       const char *reason, int64_t now_us);
void publish_on_candidate(struct publish *p, uint32_t viewer_id, const char *text);

/* This machine's addresses have changed: media goes on from the new ones. */
void publish_on_addresses(struct publish *p);
/* Of the live session the far side is not heard any more, or is again. */
void publish_on_silence(struct publish *p, bool silent);
void publish_set_stopped(struct publish *p, bool stopped);
void publish_status(const struct publish *p, struct publish_status *out);
/* Requests of the server beside, with tags above 0: its replies of kind WHIP_API go to `on_api`. */
void publish_set_api(struct publish *p, void (*on_api)(void *arg, const struct whip_reply *r),
                     void *arg);
struct whip_client *publish_client(struct publish *p);

/* Until the next attempt after that many failures in a row; `random` is any. */
int64_t publish_delay_us(unsigned failures, int retry_after_s, uint32_t random);
