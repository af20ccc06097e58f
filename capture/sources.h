/* sources.h - everything that --source and --audio accept on this machine, for a person to choose
 * from. Any thread; asks displays, devices and sound servers anew each time, and may take as long
 * as they do. Files are not listed.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define SOURCES_MAX 512

enum sources_kind {
    SOURCES_SCREEN = 1,
    SOURCES_WINDOW,
    SOURCES_CAMERA,
    SOURCES_PORTAL, /* the person is asked once it is started */
    SOURCES_PATTERN,
    SOURCES_AUDIO,
};

struct sources_entry {
    enum sources_kind kind;
    char source[160];  /* for --source, or of SOURCES_AUDIO for --audio */
    char name[256];    /* for people, UTF-8 */
    char app[64];      /* of a window: the program it belongs to; else "" */
    int width, height; /* 0: known once it is opened */
    bool focused;      /* of a window */
};

const char *sources_kind_name(enum sources_kind kind);

/* How many there are, `max` at most. `notes` becomes a line for each kind that could not be listed
 * and why ("" if all could). */
int sources_list(struct sources_entry *out, int max, char *notes, size_t notes_size);
