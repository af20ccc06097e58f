/* config_options.h - every option there is, and what its value must be like. For config.c, which
 * knows where values come from. Static memory only.
 */
#pragma once

#include "server/config.h"

/* One option: its long name, what the help says, and how its value gets into the struct. A setter
 * returns NULL or the reason why the value is refused. */
struct option {
    const char *name;
    const char *value; /* NULL: a switch */
    const char *(*set)(struct config *c, const char *value);
    const char *help;
};

const struct option *config_option(unsigned i); /* in the order of the help; NULL: no more */
/* It may come several times, and as a list in the file. */
bool config_option_repeats(const struct option *o);
const struct option *config_find_option(const char *name, size_t size); /* or NULL */
