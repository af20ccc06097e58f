/* routes_sources.h - the admin's paths for what a room shows: sources are listed, added, changed
 * and taken away while it runs. All of it is asked of the backend. Signaling thread only.
 */
#pragma once

#include "signaling/routes.h"

/* /api/v1/sources */
void routes_list_sources(const struct backend *backend, const struct routes_request *q,
                         struct routes_answer *a);
/* /api/v1/rooms/{ROOM}/sources and /api/v1/rooms/{ROOM}/sources/{trackId}; `rest` begins with the
 * room. Any other path gets its 404. */
void routes_serve_sources(const struct backend *backend, const struct routes_request *q,
                          struct routes_answer *a, const char *rest);
/* Of a source that was being opened, or a list: without what stands in every answer. */
void routes_answer_source(struct routes_answer *a, const struct backend_source_added *result);
