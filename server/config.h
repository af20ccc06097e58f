/* config.h - what the user asked for: the command line, and a JSON file with the same names.
 *
 * Filled once before any thread starts, then read only. Every refusal is one sentence that names
 * the option and the reason.
 */
#pragma once

#include "rtp/session/address.h"
#include "server/ice_url.h"
#include "server/media.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_SOURCES_MAX 8
#define CONFIG_ADVERTISE_MAX 16
#define CONFIG_TEXT_MAX 128
#define CONFIG_TURN_MAX 4
#define CONFIG_PATH_MAX 512
#define CONFIG_SECRET_MIN 16 /* characters, of a room here */
#define CONFIG_SECRET_MAX 64

enum config_action { CONFIG_RUN = 1, CONFIG_SHOW_HELP, CONFIG_SHOW_VERSION };

struct config {
    enum config_action action;
    bool publishes;                                        /* "amphi publish" */
    char to[1024], secret[CONFIG_TEXT_MAX], ca_file[1024]; /* of that; "": none */
    bool no_tui, no_settings;
    bool listens; /* --listen was given: who publishes does not listen else */
    char listen_ip[64];
    uint16_t listen_port;
    uint16_t udp_port;
    bool ice_full, has_stun, force_relay;
    struct ice_url stun;
    unsigned n_turn;
    struct ice_url turn[CONFIG_TURN_MAX];
    char turn_user[CONFIG_TEXT_MAX], turn_pass[CONFIG_TEXT_MAX]; /* "": none */
    bool no_ice_tcp;                                             /* the HTTP port takes no media */
    unsigned n_advertise;
    struct address advertise[CONFIG_ADVERTISE_MAX]; /* port 0 */
    unsigned n_sources;
    struct media_place sources[CONFIG_SOURCES_MAX];
    struct media_place audio; /* of the first source */
    struct media_coding coding;
    char room[CONFIG_TEXT_MAX]; /* "": make one up */
    int workers;                /* 0: one per core */
    bool pin_workers;
    bool adapt;
    bool open_rooms; /* anyone may make one */
    bool open_rooms_said;
    char password[CONFIG_TEXT_MAX];  /* to watch the room of --source; "": none */
    char token_key[CONFIG_PATH_MAX]; /* file; "": no watch tokens */
    int max_viewers;
    int max_connections_per_address;
    int max_rooms, max_viewers_per_room; /* the latter 0: as many as the process takes */
    int drain_s;                         /* the longest that SIGTERM waits for viewers; 0: not */
    bool drain_said;
    char drain_to[CONFIG_PATH_MAX];    /* URL of another server for them; "": none */
    int room_idle_s;                   /* a room where nobody presents ends after this time */
    char admin_token[CONFIG_TEXT_MAX]; /* "": make one up */
    char tls_cert[CONFIG_PATH_MAX], tls_key[CONFIG_PATH_MAX];             /* "": plain HTTP */
    char allow_origin[CONFIG_PATH_MAX], trusted_proxies[CONFIG_PATH_MAX]; /* "": any; none */
    bool metrics_open;
    int log_level; /* 0 error, 1 warning, 2 info, 3 debug */
    bool log_json;
};

/* `port_env` is the PORT of the environment or NULL. 0, or -EINVAL with a sentence in `error`. */
int config_read(struct config *c, int argc, char *const *argv, const char *port_env, char *error,
                size_t error_size);
const char *config_help(void);
