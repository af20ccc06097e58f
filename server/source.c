#include "server/source.h"

#include "server/source_ops.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct source {
    const struct source_ops *ops;
    void *priv;                  /* owned */
    struct publisher *publisher; /* owned */
    bool started;
};

/* Worker threads. */
static void on_wake(void *arg)
{
    struct source *s = arg;
    s->ops->wake(s->priv);
}

static int open_parts(struct source *s, const struct source_config *config, char *error,
                      size_t error_size)
{
    const struct publisher_config publishing = {
        .forwarder = config->forwarder,
        .stream_id = config->stream_id,
        .on_change = config->on_change,
        .on_change_arg = config->on_change_arg,
        .wake = on_wake,
        .wake_arg = s,
    };
    int err = publisher_create(&s->publisher, &publishing);
    return err ? err : s->ops->open(s->priv, config, s->publisher, error, error_size);
}

int source_open(struct source **out, const struct source_config *config, char *error,
                size_t error_size)
{
    snprintf(error, error_size, "out of memory");
    struct source *s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->ops = strcmp(config->kind, "file") == 0 ? &source_file_ops : &source_native_ops;
    s->priv = calloc(1, s->ops->priv_size);
    int err = s->priv ? open_parts(s, config, error, error_size) : -ENOMEM;
    if (err) {
        source_close(s);
        return err;
    }
    *out = s;
    return 0;
}

int source_start(struct source *s)
{
    assert(!s->started);
    int err = publisher_attach(s->publisher);
    if (!err)
        err = s->ops->start(s->priv);
    s->started = err == 0;
    return err;
}

int source_set_rate(struct source *s, const struct encoder_rate *rate)
{
    return s->ops->set_rate ? s->ops->set_rate(s->priv, rate) : -ENOTSUP;
}

void source_set_most(struct source *s, uint64_t bps, uint64_t small_bps)
{
    if (s->ops->set_most)
        s->ops->set_most(s->priv, bps, small_bps);
}

void source_set_paused(struct source *s, bool paused)
{
    s->ops->set_paused(s->priv, paused);
    publisher_set_paused(s->publisher, paused);
}

void source_close(struct source *s)
{
    if (!s)
        return;
    if (s->started)
        s->ops->stop(s->priv);
    /* no worker wakes the source after this, so it may go */
    if (s->publisher)
        publisher_detach(s->publisher);
    if (s->priv)
        s->ops->close(s->priv);
    free(s->priv);
    publisher_destroy(s->publisher);
    free(s);
}

void source_info(struct source *s, struct source_info *out)
{
    publisher_info(s->publisher, out);
}

void source_stats(struct source *s, struct source_stats *out)
{
    *out = (struct source_stats){0};
    /* what was published first, and what was captured after it: never less */
    publisher_stats(s->publisher, out);
    s->ops->stats(s->priv, out);
}
