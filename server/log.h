/* log.h - where log lines go: standard error, as text or as one JSON object a line.
 *
 * Everything is logged through GLib's structured logging with a domain per folder; log_init sets
 * the one writer. Call it once, before any thread starts.
 */
#pragma once

#include <stdbool.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

void log_init(enum log_level level, bool json);
void log_set_level(enum log_level level); /* after log_init; any thread */
/* Lines go to `line` from now on, without their date, where standard error is a terminal, and to
 * both where it is not; NULL: as before. No line is under way to the old one afterwards. `line` is
 * called by any thread, and logs nothing. */
void log_divert(void (*line)(void *arg, const char *text), void *arg);
