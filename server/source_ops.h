/* source_ops.h - a kind of source, as source.c drives it: open, start, stop, close, on one thread.
 *
 * Between start and stop its own thread uses the publisher; before and after, the caller's.
 */
#pragma once

#include "server/publisher.h"
#include "server/source.h"

struct source_ops {
    size_t priv_size; /* zeroed memory handed to every call below */
    /* Names the stream and its coding to the publisher. 0, or -errno with a sentence in `error`;
     * close follows a failed open too. */
    int (*open)(void *priv, const struct source_config *config, struct publisher *publisher,
                char *error, size_t error_size);
    int (*start)(void *priv);
    void (*stop)(void *priv); /* only after start; afterwards nothing is published */
    void (*wake)(void *priv); /* worker threads, never blocks: a keyframe or a layer is wanted */
    int (*set_rate)(void *priv, const struct encoder_rate *rate); /* NULL: cannot be changed */
    /* NULL: it is what it is */
    void (*set_most)(void *priv, uint64_t bps, uint64_t small_bps);
    void (*set_paused)(void *priv, bool paused);
    /* Any thread: fills in what the publisher does not know. */
    void (*stats)(void *priv, struct source_stats *out);
    void (*close)(void *priv); /* after the last wake */
};

extern const struct source_ops source_native_ops; /* capture, convert, encode */
extern const struct source_ops source_file_ops;   /* an encoded file in a loop */
