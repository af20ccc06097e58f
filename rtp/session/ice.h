/* ice.h - the narrow interface to ICE (RFC 8445): credentials and what a check leads to.
 *
 * ice_lite.h implements it on one shared port. Nothing above this folder knows STUN.
 */
#pragma once

#include "rtp/session/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RFC 8839 5.4: 4-256 and 22-256 characters. Ours are short, a peer's may be long. */
#define ICE_UFRAG_MAX 256
#define ICE_PWD_MAX 256
#define ICE_LOCAL_UFRAG_SIZE 16 /* characters, see forwarder.h for what they say */
#define ICE_LOCAL_PWD_SIZE 24

#define ICE_CONSENT_US 30000000 /* RFC 7675 5.1 */

struct ice_local {
    char ufrag[ICE_LOCAL_UFRAG_SIZE + 1];
    char pwd[ICE_LOCAL_PWD_SIZE + 1];
};
