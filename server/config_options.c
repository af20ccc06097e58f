#include "server/config_options.h"

#include "server/option_value.h"
#include "signaling/proxies.h"
#include "signaling/web_origins.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *set_listen(struct config *c, const char *value)
{
    const char *colon = strrchr(value, ':');
    long port;
    if (!colon || option_number(colon + 1, 0, 65535, &port))
        return "must be ADDRESS:PORT";
    const char *ip = value;
    size_t n = (size_t)(colon - value);
    if (n >= 2 && ip[0] == '[' && ip[n - 1] == ']') {
        ip++;
        n -= 2;
    }
    char text[sizeof(c->listen_ip)];
    struct address parsed;
    if (n == 0 || n >= sizeof(text))
        return "must be ADDRESS:PORT with a numeric address";
    memcpy(text, ip, n);
    text[n] = '\0';
    if (!address_parse(&parsed, text, (uint16_t)port))
        return "must be ADDRESS:PORT with a numeric address";
    memcpy(c->listen_ip, text, n + 1);
    c->listen_port = (uint16_t)port;
    c->listens = true;
    return NULL;
}

static const char *set_to(struct config *c, const char *value)
{
    if (strncmp(value, "http://", 7) != 0 && strncmp(value, "https://", 8) != 0)
        return "must be a URL like https://host/whip/ROOM";
    return option_text(c->to, sizeof(c->to), value);
}

static const char *set_ca_file(struct config *c, const char *value)
{
    return option_text(c->ca_file, sizeof(c->ca_file), value);
}

static const char *set_no_tui(struct config *c, const char *value)
{
    (void)value;
    c->no_tui = true;
    return NULL;
}

static const char *set_no_settings(struct config *c, const char *value)
{
    (void)value;
    c->no_settings = true;
    return NULL;
}

static const char *set_udp_port(struct config *c, const char *value)
{
    long n;
    const char *why = option_number(value, 0, 65535, &n);
    if (!why)
        c->udp_port = (uint16_t)n;
    return why;
}

static const char *set_no_ice_tcp(struct config *c, const char *value)
{
    (void)value;
    c->no_ice_tcp = true;
    return NULL;
}

static const char *set_advertise(struct config *c, const char *value)
{
    c->n_advertise = 0;
    while (*value) {
        size_t n = strcspn(value, ",");
        char ip[64];
        if (c->n_advertise == CONFIG_ADVERTISE_MAX)
            return "names too many addresses";
        if (n == 0 || n >= sizeof(ip))
            return "must be IP addresses separated by commas";
        memcpy(ip, value, n);
        ip[n] = '\0';
        if (!address_parse(&c->advertise[c->n_advertise], ip, 0))
            return "must be IP addresses separated by commas";
        c->n_advertise++;
        value += n + (value[n] == ',');
    }
    return c->n_advertise ? NULL : "must be IP addresses separated by commas";
}

static const char *set_ice(struct config *c, const char *value)
{
    c->ice_full = strcmp(value, "full") == 0;
    return c->ice_full || strcmp(value, "lite") == 0 ? NULL : "must be lite or full";
}

static const char *set_stun(struct config *c, const char *value)
{
    c->has_stun = ice_url_parse_stun(&c->stun, value);
    return c->has_stun ? NULL : "must be HOST[:PORT], with or without stun: before it";
}

static const char *set_turn(struct config *c, const char *value)
{
    c->n_turn = 0;
    do {
        char one[ICE_URL_MAX];
        size_t n = strcspn(value, ",");
        if (c->n_turn == CONFIG_TURN_MAX)
            return "names too many servers (4 at most)";
        if (n < sizeof(one)) {
            memcpy(one, value, n);
            one[n] = '\0';
        }
        if (n >= sizeof(one) || !ice_url_parse_turn(&c->turn[c->n_turn], one))
            return "must be HOST[:PORT][?transport=udp|tcp], with or without turn: before it, "
                   "separated by commas (turns: is not supported)";
        c->n_turn++;
        value += n + (value[n] == ',');
    } while (*value);
    return NULL;
}

/* Goes into header fields and JSON as it is. */
static const char *copy_credential(char *out, const char *value)
{
    for (const char *p = value; *p; p++) {
        if (*p <= ' ' || *p > '~' || strchr("\"\\<>", *p))
            return "may hold only visible ASCII characters, no quotes, backslashes, < or >";
    }
    return option_text(out, CONFIG_TEXT_MAX, value);
}

static const char *set_turn_user(struct config *c, const char *value)
{
    return copy_credential(c->turn_user, value);
}

static const char *set_turn_pass(struct config *c, const char *value)
{
    return copy_credential(c->turn_pass, value);
}

static const char *set_secret(struct config *c, const char *value)
{
    return copy_credential(c->secret, value);
}

/* The first line of a file, so that it stands in no list of processes. */
static const char *set_secret_file(struct config *c, const char *value)
{
    char line[CONFIG_TEXT_MAX + 2] = "";
    FILE *file = fopen(value, "re");
    if (!file)
        return "cannot be read";
    bool any = fgets(line, sizeof(line), file) != NULL;
    (void)fclose(file);
    line[strcspn(line, "\r\n")] = '\0';
    const char *why = any ? copy_credential(c->secret, line) : "is empty";
    explicit_bzero(line, sizeof(line));
    return why;
}

static const char *set_force_relay(struct config *c, const char *value)
{
    (void)value;
    c->force_relay = true;
    return NULL;
}

static const char *set_source(struct config *c, const char *value)
{
    if (c->n_sources == CONFIG_SOURCES_MAX)
        return "was given too often (8 at most)";
    const char *why = media_set_source(&c->sources[c->n_sources], value);
    if (!why)
        c->n_sources++;
    return why;
}

static const char *set_audio(struct config *c, const char *value)
{
    return media_set_audio(&c->audio, value);
}

static const char *set_room(struct config *c, const char *value)
{
    size_t n = strlen(value);
    if (n == 0 || n > 63)
        return "must be 1 to 63 characters";
    for (size_t i = 0; i <= n; i++) {
        char ch = (char)toupper((unsigned char)value[i]);
        if (ch && !isalnum((unsigned char)ch) && ch != '-')
            return "may hold only letters, digits and hyphens";
        c->room[i] = ch;
    }
    return NULL;
}

static const char *set_codec(struct config *c, const char *value)
{
    return media_set_codec(&c->coding, value);
}

static const char *set_encoder(struct config *c, const char *value)
{
    return media_set_encoder(&c->coding, value);
}

static const char *set_quality(struct config *c, const char *value)
{
    return media_set_quality(&c->coding, value);
}

static const char *set_bitrate(struct config *c, const char *value)
{
    return media_set_bitrate(&c->coding, value);
}

static const char *set_rate_control(struct config *c, const char *value)
{
    return media_set_rate_control(&c->coding, value);
}

static const char *set_fps(struct config *c, const char *value)
{
    return media_set_fps(&c->coding, value);
}

static const char *set_audio_frame(struct config *c, const char *value)
{
    return media_set_audio_frame(&c->coding, value);
}

static const char *set_audio_bitrate(struct config *c, const char *value)
{
    return media_set_audio_bitrate(&c->coding, value);
}

static const char *set_audio_dtx(struct config *c, const char *value)
{
    (void)value;
    return media_set_audio_dtx(&c->coding, "on");
}

static const char *set_effort(struct config *c, const char *value)
{
    return media_set_effort(&c->coding, value);
}

static const char *set_layers(struct config *c, const char *value)
{
    return media_set_layers(&c->coding, value);
}

static const char *set_temporal_layers(struct config *c, const char *value)
{
    return media_set_temporal_layers(&c->coding, value);
}

static const char *set_workers(struct config *c, const char *value)
{
    long n;
    const char *why = option_number(value, 1, 64, &n);
    if (!why)
        c->workers = (int)n;
    return why ? "must be 1 to 64" : NULL;
}

static const char *set_pin_workers(struct config *c, const char *value)
{
    (void)value;
    c->pin_workers = true;
    return NULL;
}

static const char *set_adapt(struct config *c, const char *value)
{
    c->adapt = strcmp(value, "no") != 0;
    return c->adapt && strcmp(value, "yes") != 0 ? "must be yes or no" : NULL;
}

static const char *set_max_viewers(struct config *c, const char *value)
{
    long n;
    const char *why = option_number(value, 1, 100000, &n);
    if (!why)
        c->max_viewers = (int)n;
    return why ? "must be 1 to 100000" : NULL;
}

static const char *set_max_connections_per_address(struct config *c, const char *value)
{
    long n;
    const char *why = option_number(value, 1, 12000, &n);
    if (!why)
        c->max_connections_per_address = (int)n;
    return why ? "must be 1 to 12000" : NULL;
}

static const char *set_max_rooms(struct config *c, const char *value)
{
    long n;
    const char *why = option_number(value, 1, 4000, &n);
    if (!why)
        c->max_rooms = (int)n;
    return why ? "must be 1 to 4000" : NULL;
}

static const char *set_max_viewers_per_room(struct config *c, const char *value)
{
    long n;
    const char *why = option_number(value, 0, 100000, &n);
    if (!why)
        c->max_viewers_per_room = (int)n;
    return why ? "must be 0 to 100000" : NULL;
}

static const char *set_open_rooms(struct config *c, const char *value)
{
    c->open_rooms = strcmp(value, "yes") == 0;
    c->open_rooms_said = true;
    return c->open_rooms || strcmp(value, "no") == 0 ? NULL : "must be yes or no";
}

static const char *set_password(struct config *c, const char *value)
{
    return option_text(c->password, sizeof(c->password), value);
}

static const char *set_token_key(struct config *c, const char *value)
{
    return option_text(c->token_key, sizeof(c->token_key), value);
}

static const char *set_tls_cert(struct config *c, const char *value)
{
    return option_text(c->tls_cert, sizeof(c->tls_cert), value);
}

static const char *set_tls_key(struct config *c, const char *value)
{
    return option_text(c->tls_key, sizeof(c->tls_key), value);
}

static const char *set_allow_origin(struct config *c, const char *value)
{
    struct web_origins origins;
    if (!web_origins_parse(&origins, value))
        return "must be *, self, or origins like https://a.example with commas between";
    return option_text(c->allow_origin, sizeof(c->allow_origin), value);
}

static const char *set_trusted_proxy(struct config *c, const char *value)
{
    struct proxies proxies;
    if (!proxies_parse(&proxies, value))
        return "must be addresses or networks like 10.0.0.0/8 with commas between";
    return option_text(c->trusted_proxies, sizeof(c->trusted_proxies), value);
}

static const char *set_room_idle(struct config *c, const char *value)
{
    long n;
    const char *why = option_number(value, 10, 86400, &n);
    if (!why)
        c->room_idle_s = (int)n;
    return why ? "must be 10 to 86400 seconds" : NULL;
}

static const char *set_drain_timeout(struct config *c, const char *value)
{
    long n;
    const char *why = option_number(value, 0, 86400, &n);
    if (!why)
        c->drain_s = (int)n;
    c->drain_said = true;
    return why ? "must be 0 to 86400 seconds" : NULL;
}

static const char *set_drain_to(struct config *c, const char *value)
{
    if (strncmp(value, "http://", 7) != 0 && strncmp(value, "https://", 8) != 0)
        return "must be a URL like https://other.example";
    return option_text(c->drain_to, sizeof(c->drain_to), value);
}

static const char *set_admin_token(struct config *c, const char *value)
{
    if (strlen(value) < 8)
        return "must be at least 8 characters";
    return option_text(c->admin_token, sizeof(c->admin_token), value);
}

static const char *set_metrics_open(struct config *c, const char *value)
{
    (void)value;
    c->metrics_open = true;
    return NULL;
}

static const char *set_log_level(struct config *c, const char *value)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(names[i], value) == 0) {
            c->log_level = i;
            return NULL;
        }
    }
    return "must be error, warning, info or debug";
}

static const char *set_log_json(struct config *c, const char *value)
{
    (void)value;
    c->log_json = true;
    return NULL;
}

static const struct option options[] = {
    {"to", "URL", set_to, "publish: https://host/whip/ROOM, or https://host for a room of its own"},
    {"secret", "TEXT", set_secret, "publish: of that room; else what publishes into --room"},
    {"secret-file", "FILE", set_secret_file, "a file with it; or AMPHI_SECRET in the environment"},
    {"ca-file", "FILE", set_ca_file, "publish: who may sign its certificate (the system's)"},
    {"no-tui", NULL, set_no_tui, "plain lines on a terminal, too"},
    {"no-settings", NULL, set_no_settings, "neither read nor keep settings"},
    {"listen", "ADDRESS:PORT", set_listen, "HTTP and WebSocket (127.0.0.1:8080)"},
    {"udp-port", "N", set_udp_port, "the one UDP port of all media (8189; 0: any free one)"},
    {"ice", "lite|full", set_ice, "one port for all, or an agent for each viewer (lite)"},
    {"stun", "HOST[:PORT]", set_stun, "STUN server, for agents and browsers (none)"},
    {"turn", "HOST[:PORT]", set_turn, "TURN servers; ?transport=tcp behind one, commas between"},
    {"turn-user", "TEXT", set_turn_user, "user name at the TURN servers"},
    {"turn-pass", "TEXT", set_turn_pass, "password at the TURN servers; every viewer is told"},
    {"force-relay", NULL, set_force_relay, "with --ice full: media over TURN only"},
    {"no-ice-tcp", NULL, set_no_ice_tcp, "no media over the HTTP port (behind a proxy)"},
    {"advertise", "IP[,IP]", set_advertise, "addresses to announce (those of the host)"},
    {"source", "KIND[:ARG]", set_source,
     "screen[:N], window:ID, camera[:DEV], pattern[:WxH] or file:PATH; repeatable"},
    {"audio", "KIND", set_audio, "with the first source: default, monitor, pulse:NAME or tone"},
    {"audio-bitrate", "KBPS", set_audio_bitrate, "of Opus, 6 to 160 (96)"},
    {"audio-frame", "MS", set_audio_frame, "of Opus, 20, 40 or 60: longer costs less to send (20)"},
    {"audio-dtx", NULL, set_audio_dtx, "send nothing while it is silent"},
    {"room", "CODE", set_room, "code of the room for --source (a random one)"},
    {"codec", "NAME", set_codec, "h264, vp8, vp9 or av1 (h264)"},
    {"encoder", "NAME", set_encoder, "backend of the codec (the best one built in)"},
    {"quality", "NAME", set_quality, "low medium high very-high ultra extreme max insane"},
    {"bitrate", "KBPS", set_bitrate, "overrides --quality"},
    {"rate-control", "NAME", set_rate_control, "cbr, or quality with the rate as ceiling (cbr)"},
    {"effort", "NAME", set_effort, "time spent on quality: less, normal or more (normal)"},
    {"fps", "N", set_fps, "most pictures a second (30)"},
    {"layers", "N", set_layers, "sizes of each source for viewers to choose from, 1 to 3 (1)"},
    {"temporal-layers", "N", set_temporal_layers,
     "frame rates for viewers to fall back to, 1 to 3; costs some quality (1)"},
    {"workers", "N", set_workers, "forwarder threads (one per core)"},
    {"pin-workers", NULL, set_pin_workers, "each forwarder thread on a processor of its own"},
    {"adapt", "yes|no", set_adapt, "send each viewer what its path takes (yes)"},
    {"password", "TEXT", set_password, "asked of who watches the room of --source (none)"},
    {"token-key", "FILE", set_token_key,
     "what watch tokens are signed with: a secret, or a public key in PEM (none)"},
    {"open-rooms", "yes|no", set_open_rooms, "anyone may make a room (yes; with --source no)"},
    {"max-viewers", "N", set_max_viewers, "viewers of the process (10000)"},
    {"max-viewers-per-room", "N", set_max_viewers_per_room,
     "of each room (0: no limit of its own)"},
    {"max-rooms", "N", set_max_rooms, "rooms of the process (2000)"},
    {"max-connections-per-address", "N", set_max_connections_per_address,
     "HTTP connections of one client address (3000)"},
    {"room-idle", "SECONDS", set_room_idle,
     "a room where nobody presents ends after this time (300)"},
    {"drain-timeout", "SECONDS", set_drain_timeout,
     "at SIGTERM: wait so long for viewers to leave (60; with --source 0)"},
    {"drain-to", "URL", set_drain_to, "at SIGTERM: another server, which they are sent to (none)"},
    {"admin-token", "TEXT", set_admin_token, "bearer token of the admin API (a random one)"},
    {"tls-cert", "FILE", set_tls_cert, "HTTPS and WSS: the certificate and its chain, PEM (none)"},
    {"tls-key", "FILE", set_tls_key, "its key, PEM, without a password"},
    {"allow-origin", "LIST", set_allow_origin,
     "sites whose pages may use this server, commas between; self: none (*)"},
    {"trusted-proxy", "CIDR", set_trusted_proxy,
     "whose X-Forwarded-For is believed, commas between (nobody's)"},
    {"metrics-open", NULL, set_metrics_open, "serve /metrics without the token"},
    {"log-level", "NAME", set_log_level, "error, warning, info or debug (info)"},
    {"log-json", NULL, set_log_json, "one JSON object per log line"},
};

enum { N_OPTIONS = sizeof(options) / sizeof(options[0]) };

const struct option *config_option(unsigned i)
{
    return i < N_OPTIONS ? &options[i] : NULL;
}

bool config_option_repeats(const struct option *o)
{
    return o->set == set_source;
}

const struct option *config_find_option(const char *name, size_t size)
{
    for (int i = 0; i < N_OPTIONS; i++) {
        if (strlen(options[i].name) == size && memcmp(options[i].name, name, size) == 0)
            return &options[i];
    }
    return NULL;
}
