/* metrics.h - the figures of stats.h in the Prometheus text format (version 0.0.4). */
#pragma once

#include "server/stats.h"

char *metrics_text(const struct stats *s); /* malloc'd, or NULL */
