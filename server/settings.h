/* settings.h - what a person chose in the terminal interface, kept from one run to the next.
 *
 * One JSON file, $XDG_CONFIG_HOME/amphi/settings.json or ~/.config/amphi/settings.json, readable by
 * its owner alone and replaced whole. It holds no secrets. What cannot be read, is of another
 * version, or makes no sense is as if it were not there.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define SETTINGS_VERSION 1

/* "": not chosen. As on the command line. */
struct settings {
    char quality[16], fps[8], codec[8], rate_control[12];
    char to[1024]; /* where was last published to */
    bool hides_streams, shows_log;
};

/* Where the file is; false: nowhere. Of the environment. */
bool settings_path(char *out, size_t size);
/* `out` is zeroed in any case. 0, or -errno: -ENOENT there is none yet, -EINVAL it says nothing. */
int settings_load(struct settings *out, const char *path);
/* Makes the folder if need be. 0 or -errno. */
int settings_save(const struct settings *s, const char *path);
