/* session_ws_words.c - what the end of a media session means, in words, and what to do about it. */
#include "signaling/session_ws_inside.h"

#include <string.h>

const char *session_ws_sentence(const char *code, enum session_ws_role role)
{
    static const struct {
        const char *code, *to_viewer, *to_sharer;
    } rows[] = {
        {"ice-timeout",
         "no media packet of yours reached the server: UDP may be blocked where you are, and the "
         "way "
         "over TCP too; try another network, or ask for a TURN server",
         "no media packet of yours reached the server: UDP may be blocked where you are, and the "
         "way "
         "over TCP too; try another network, or ask for a TURN server"},
        {"ice-failed",
         "none of your addresses could reach one of the server's; try another network or without a "
         "VPN",
         "none of your addresses could reach one of the server's; try another network or without a "
         "VPN"},
        {"dtls-timeout",
         "packets get through, but the encryption was not set up in time; a firewall may drop the "
         "longer ones",
         "packets get through, but the encryption was not set up in time; a firewall may drop the "
         "longer ones"},
        {"dtls-failed",
         "the encryption of the media connection could not be set up; a proxy may be in the way, "
         "or "
         "the browser is too old",
         "the encryption of the media connection could not be set up; a proxy may be in the way, "
         "or "
         "the browser is too old"},
        {"consent-lost",
         "your player has not answered on the media connection for 30 s; the network may have "
         "changed",
         "your browser has not answered on the media connection for 30 s; publish again, and the "
         "viewers go on"},
        {"remote-closed", "your player has ended the media connection; join again to watch on",
         "your browser has ended the media connection; publish again, and the viewers go on"},
        {"local-closed", "the server has ended the media connection; join again to watch on",
         "the server has ended the media connection; publish again, and the viewers go on"},
        {"replaced", "somebody else watches with your session",
         "another presenter has taken over this room with its secret"},
        {"room-closed", "the room has ended", "the room has ended"},
        {"draining", "the server is about to stop; join again in a minute",
         "the server is about to stop; publish again in a minute"},
        {"shutdown", "the server stops; join again in a minute",
         "the server stops; publish again in a minute"},
        {"removed", "the operator of this server has ended your session",
         "the operator of this server has ended your session"},
    };
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (strcmp(rows[i].code, code) == 0)
            return role == SESSION_WS_SHARER ? rows[i].to_sharer : rows[i].to_viewer;
    return role == SESSION_WS_SHARER ? "the media session has ended; publish again to go on"
                                     : "the media session has ended; join again to watch on";
}
