/* viewer_internal.h - what viewer.c, viewer_media.c and viewer_rtcp.c share; nobody else uses it.
 *
 * viewer.c follows the transport and decides what goes next; viewer_media.c turns frames into
 * trains; viewer_rtcp.c reads feedback and writes reports.
 */
#pragma once

#include "rtp/forward/viewer.h"

/* viewer.c */
void viewer_set_state(struct viewer *v, enum viewer_state state, int64_t now_us);

/* viewer_media.c */
/* Lets every track that waits start from its stream's cache, if that has something new. */
void viewer_start_tracks(struct viewer *v, const struct stream *only); /* NULL: any */
bool viewer_send_resends(struct viewer *v, struct viewer_train *train, uint8_t *out,
                         int64_t now_us);
bool viewer_send_media(struct viewer *v, struct viewer_train *train, uint8_t *out, int64_t now_us);
bool viewer_has_media(const struct viewer *v); /* the pacer holds something back */
void viewer_skip_late(struct viewer *v);

/* viewer_rtcp.c */
void viewer_on_rtcp(struct viewer *v, const uint8_t *data, size_t size, int64_t now_us);
/* Each writes one sealed datagram; 0: nothing is due. */
size_t viewer_write_report(struct viewer *v, uint8_t *out, size_t room, int64_t now_us);
size_t viewer_write_bye(struct viewer *v, uint8_t *out, size_t room);
int64_t viewer_report_timeout(const struct viewer *v);
