/* stats_inside.h - what the files of the figures share: putting them into JSON. */
#pragma once

#include "server/stats.h"

#include <jansson.h>

void stats_set_int(json_t *o, const char *key, uint64_t value);
void stats_set_real(json_t *o, const char *key, double value);
void stats_set_text(json_t *o, const char *key, const char *value);
void stats_set_bool(json_t *o, const char *key, bool value);
void stats_set_percentiles(json_t *o, const char *name, uint64_t p50, uint64_t p99);
/* A figure nobody has measured yet is null, not zero: where it is negative. */
void stats_set_ms(json_t *o, const char *key, int64_t us);
void stats_set_known(json_t *o, const char *key, double value);
void stats_set_count(json_t *o, const char *key, int64_t value);
void stats_set_remote(json_t *o, const struct address *remote); /* and its transport */
void stats_set_stream(json_t *o,
                      const struct forwarder_stream_stats *f); /* what viewers do to it */
void stats_find_guest(const struct stats *s, uint32_t id, struct stats_guest *out);

/* stats_presenters.c: what presenters elsewhere send into a room */
void stats_list_feeds(const struct stats *s, const struct room *room, json_t *streams);
/* Each presenter into the list of its room. */
void stats_list_presenters(const struct stats *s, json_t *rooms);
