/* room_code.h - the code a room is known by: 1 to 63 of A-Z, 0-9 and '-', written in any case.
 * Pure. */
#pragma once

#include "signaling/backend.h"

#include <stdbool.h>

/* Upper case, or false if `text` is no code. */
bool room_code_normalize(char out[BACKEND_ROOM_MAX], const char *text);
