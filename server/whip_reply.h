/* whip_reply.h - what a WHIP server's answer means, in words for the person who publishes. Pure. */
#pragma once

#include "server/whip_client.h"

/* Of reply->what and ->status: fills in ok, permanent and error. `body` NULL: none; what a problem
 * document (RFC 9457) says is taken over. */
void whip_reply_judge(struct whip_reply *reply, const char *body);

/* It goes to a terminal: nothing that moves its cursor. */
void whip_reply_clean(char *text);

#define WHIP_SERVERS_MAX 5
#define WHIP_SERVER_TEXT_MAX 256

/* A STUN or TURN server of a Link header field (RFC 9725 4.6). */
struct whip_server {
    char url[WHIP_SERVER_TEXT_MAX];
    char username[WHIP_SERVER_TEXT_MAX], credential[WHIP_SERVER_TEXT_MAX]; /* or "" */
};

/* Of header field values, a line each; how many. What is malformed is skipped. */
unsigned whip_reply_servers(struct whip_server out[WHIP_SERVERS_MAX], const char *links);
