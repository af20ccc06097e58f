/* message_log.h - notes messages in the file that AMPHI_MESSAGES names, for tests/schema, a line
 * each: what it is, a space, the message. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum message_log_kind {
    MESSAGE_LOG_SENT = 'S',    /* by the server */
    MESSAGE_LOG_TAKEN = 'C',   /* of a client, and understood */
    MESSAGE_LOG_REFUSED = 'X', /* of a client, and not a message of the protocol */
};

static inline void message_log(enum message_log_kind kind, const char *text)
{
    const char *path = getenv("AMPHI_MESSAGES");
    FILE *file = path && !strchr(text, '\n') ? fopen(path, "a") : NULL;
    if (!file)
        return;
    fprintf(file, "%c %s\n", kind, text);
    fclose(file);
}
