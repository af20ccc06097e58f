/* ice_url.h - the address of a STUN or TURN server (RFC 7064, RFC 7065). Pure. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ICE_URL_HOST_MAX 128
#define ICE_URL_MAX 192

struct ice_url {
    char host[ICE_URL_HOST_MAX]; /* a name, or a numeric address without brackets */
    uint16_t port;
    bool tcp;               /* to a TURN server */
    char text[ICE_URL_MAX]; /* "turn:[::1]:3478?transport=tcp", every part said */
};

/* "stun:HOST[:PORT]" or "turn:HOST[:PORT][?transport=udp|tcp]", with or without the scheme. */
bool ice_url_parse_stun(struct ice_url *out, const char *text);
bool ice_url_parse_turn(struct ice_url *out, const char *text);
