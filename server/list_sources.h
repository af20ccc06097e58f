/* list_sources.h - "amphi sources [--json]": what --source and --audio accept on this machine. */
#pragma once

#include "capture/sources.h"

#include <stdio.h>

/* What follows "sources" on the command line. The exit status: 0, or 2 with a line on `err`. */
int list_sources(int argc, char *const *argv, FILE *out, FILE *err);
/* The same of such a list, as one JSON object: malloc'd, or NULL. */
char *list_sources_json(const struct sources_entry *list, int n);
