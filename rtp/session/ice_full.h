/* ice_full.h - the full side of ICE for one peer: a NiceAgent on a GMainContext of its own (RFC
 * 8445, RFC 8838, RFC 8656).
 *
 *     CHECKING --pair chosen--> READY --no consent--> FAILED --restart--> CHECKING
 *
 * Life: ice_full_create starts gathering; candidates of both sides trickle. ice_full_close gives
 * relays back, ice_full_destroy frees. There is no thread inside: the owner watches the
 * descriptors of ice_full_poll, says which were readable with ice_full_on_ready, and calls
 * ice_full_run then and when ice_full_timeout is reached; after every call both have to be asked
 * again, but after ice_full_send only if it is relayed. Callbacks come out of the calls; they must
 * not destroy the agent.
 *
 * Media goes past the agent: a train leaves with one UDP_SEGMENT send on the chosen pair's socket.
 * Over a relay its datagrams go through the agent, which wraps them.
 *
 * One thread, that of ice_full_create. Not sans-IO: libnice has sockets and a clock
 * (CLOCK_MONOTONIC, like all `now_us` here).
 */
#pragma once

#include "rtp/session/ice.h"

#include <poll.h>

#define ICE_FULL_TURN_MAX 4
#define ICE_FULL_ADDRESSES_MAX 16
#define ICE_FULL_TEXT_MAX 256     /* of a candidate, a user name, a password; with its terminator */
#define ICE_FULL_REMOTE_MAX 32    /* candidates taken from a peer */
#define ICE_FULL_POLL_MAX 40      /* descriptors of one agent */
#define ICE_FULL_SEGMENTS_MAX 64  /* datagrams of one train */
#define ICE_FULL_CLOSE_US 1000000 /* the longest wait for relays to be given back */

/* A TURN server. */
struct ice_relay {
    struct address address;
    bool tcp; /* to the relay; media from there on is UDP */
    char user[ICE_FULL_TEXT_MAX], password[ICE_FULL_TEXT_MAX];
};

/* What every agent of a process is told alike. */
struct ice_servers {
    bool has_stun;
    struct address stun;
    unsigned n_turn;
    struct ice_relay turn[ICE_FULL_TURN_MAX];
    bool force_relay;     /* no other candidates than relayed ones */
    unsigned n_addresses; /* 0: every address of this machine but loopback */
    struct address addresses[ICE_FULL_ADDRESSES_MAX];
};

enum ice_full_state {
    ICE_FULL_CHECKING = 1,
    ICE_FULL_READY,
    ICE_FULL_FAILED, /* before READY only libnice's opinion: a late check may still succeed */
};

struct ice_full_events {
    void *arg;
    /* "candidate:..." of RFC 8839 5.1; NULL: there will be no more */
    void (*on_candidate)(void *arg, const char *text);
    void (*on_datagram)(void *arg, uint8_t *data, size_t size); /* never STUN; may be modified */
    /* With READY `remote` is where media goes; it is said again when that changes. */
    void (*on_state)(void *arg, enum ice_full_state state, const struct address *remote);
};

struct ice_full_config {
    const struct ice_servers *servers; /* borrowed: outlives the agent */
    struct ice_full_events events;
    struct ice_local local;
    bool controlling;   /* RFC 8445 6.1.1: the side that offers; checks settle it if both do */
    int64_t consent_us; /* 0: ICE_CONSENT_US; not under 13 s, libnice reports silence after 10 */
};

struct ice_full_counters {
    uint64_t packets_sent, bytes_sent, send_calls;
    uint64_t send_errors;        /* datagrams the kernel or the relay did not take */
    uint64_t datagrams_received; /* of the peer's media, STUN left out */
    uint64_t candidates_refused; /* of the peer: malformed, TCP, a .local name, too many */
};

struct ice_full;

int ice_full_create(struct ice_full **out, const struct ice_full_config *config);
void ice_full_destroy(struct ice_full *ice); /* NULL is fine */

/* The peer's credentials; checks begin. False if they are not of RFC 8839 5.4. */
bool ice_full_set_remote(struct ice_full *ice, const char *ufrag, const char *pwd);
/* "candidate:..." with or without "a=" before it; "" ends the list. May come before the
 * credentials. What cannot be used is counted. */
void ice_full_add_candidate(struct ice_full *ice, const char *text);
/* RFC 8445 2.4: new credentials of ours, candidates are gathered again, the old pair stays in use
 * until a new one is chosen. The peer's new credentials have to follow. */
bool ice_full_restart(struct ice_full *ice, const struct ice_local *local);
/* One more relay than the servers it was made with, at any time: its candidates are told as they
 * come, and then that there will be no more. False: it is there already, or ICE_FULL_TURN_MAX are.
 */
bool ice_full_add_relay(struct ice_full *ice, const struct ice_relay *relay);
/* `next`, made with the same servers, takes over: it gets the relays that were added, and this one
 * goes on sending and receiving on the pair it has, but tells nothing of candidates and states. */
void ice_full_hand_over(struct ice_full *ice, struct ice_full *next);

/* How many descriptors stand in `fds` (ICE_FULL_POLL_MAX), with the events to wait for. */
unsigned ice_full_poll(struct ice_full *ice, struct pollfd *fds);
int64_t ice_full_timeout(const struct ice_full *ice); /* as of the last ice_full_poll */
void ice_full_on_ready(struct ice_full *ice, int fd, short revents);
void ice_full_run(struct ice_full *ice, int64_t now_us);

/* Datagrams back to back, all of segment_size but the last, which may be shorter. Returns how many
 * left; 0 before a pair was chosen. */
unsigned ice_full_send(struct ice_full *ice, const uint8_t *data, size_t size,
                       uint16_t segment_size);

/* Gives relays back, which takes a round trip: run on until ice_full_is_closed, at most
 * ICE_FULL_CLOSE_US. No callback comes any more. */
void ice_full_close(struct ice_full *ice);
bool ice_full_is_closed(const struct ice_full *ice);

enum ice_full_state ice_full_state(const struct ice_full *ice);
bool ice_full_has_gathered(const struct ice_full *ice);
bool ice_full_is_relayed(const struct ice_full *ice); /* the chosen pair's local candidate */
const struct ice_full_counters *ice_full_counters(const struct ice_full *ice);
void ice_full_disable_gso(struct ice_full *ice);
