/* metrics_inside.h - what the files of the Prometheus text share. */
#pragma once

#include "server/metrics.h"
#include "server/stats.h"

#include <stdio.h>

void metrics_family(FILE *f, const char *name, const char *type, const char *help);

/* metrics_media.c: of every stream, whoever makes it; of who sends from elsewhere */
void metrics_write_forwarder(FILE *f, const struct stats *s);
void metrics_write_presenters(FILE *f, const struct stats *s);
