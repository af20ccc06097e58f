/* Sound through PulseAudio's protocol, which PipeWire's pulse server speaks as well.
 *
 * Everything runs in one pa_mainloop without a thread of its own: open iterates it until the stream
 * stands (corked), run until it is told to stop. `default` is the server's to choose and to change.
 * Neither a monitor nor a named input may be moved elsewhere by the server: a monitor that vanished
 * must not become a microphone. When the default output changes, `monitor` begins a new stream.
 */
#include "capture/audio_backends.h"
#include "capture/utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <pulse/pulseaudio.h>

#define ANSWER_US 5000000   /* a server that takes longer hangs */
#define FRAGMENT_BYTES 1920 /* 10 ms */
#define FRAME_BYTES 4       /* a sample of both channels */
#define READS_PER_TIMING 10

struct pulse {
    pa_mainloop *loop;           /* owned */
    pa_context *context;         /* owned */
    pa_stream *stream;           /* owned */
    char device[AUDIO_NAME_MAX]; /* what the stream was asked from; "" the server's choice */
    char output[AUDIO_NAME_MAX]; /* of `monitor`: the default output it listens to */
    bool is_monitor, has_moved;

    struct audio_sink *sink; /* borrowed, in run */
    int64_t timing_us;       /* when the server told its timing; 0: not yet */
    unsigned reads;
    bool stop;
};

/* --- waiting for the server --- */

static bool context_alive(const struct pulse *p)
{
    return PA_CONTEXT_IS_GOOD(pa_context_get_state(p->context));
}

/* One round of the loop, at most until the deadline. */
static bool iterate(struct pulse *p, int64_t deadline_us)
{
    int64_t left_us = deadline_us - audio_now_us();
    if (left_us <= 0)
        return false;
    return pa_mainloop_prepare(p->loop, (int)left_us) >= 0 && pa_mainloop_poll(p->loop) >= 0 &&
           pa_mainloop_dispatch(p->loop) >= 0;
}

/* Takes ownership of the operation, whose callback fills in what was asked. */
static void await(struct pulse *p, pa_operation *operation, int64_t deadline_us)
{
    if (!operation)
        return;
    while (pa_operation_get_state(operation) == PA_OPERATION_RUNNING && iterate(p, deadline_us))
        continue;
    pa_operation_cancel(operation);
    pa_operation_unref(operation);
}

static int no_server(char *error, size_t error_size, const char *why)
{
    snprintf(error, error_size, "no sound server answers (PulseAudio, or PipeWire's): %s", why);
    return -ENODEV;
}

static int connect_server(struct pulse *p, int64_t deadline_us, char *error, size_t error_size)
{
    p->loop = pa_mainloop_new();
    if (p->loop)
        p->context = pa_context_new(pa_mainloop_get_api(p->loop), "amphi");
    if (!p->context) {
        snprintf(error, error_size, "out of memory");
        return -ENOMEM;
    }
    if (pa_context_connect(p->context, NULL, PA_CONTEXT_NOAUTOSPAWN, NULL) < 0)
        return no_server(error, error_size, pa_strerror(pa_context_errno(p->context)));
    while (pa_context_get_state(p->context) != PA_CONTEXT_READY) {
        if (!context_alive(p))
            return no_server(error, error_size, pa_strerror(pa_context_errno(p->context)));
        if (!iterate(p, deadline_us))
            return no_server(error, error_size, "it said nothing for 5 seconds");
    }
    return 0;
}

static void disconnect_server(struct pulse *p)
{
    if (p->context) {
        pa_context_disconnect(p->context);
        pa_context_unref(p->context);
    }
    if (p->loop)
        pa_mainloop_free(p->loop);
}

/* --- the stream --- */

static void on_timing(pa_stream *stream, void *arg)
{
    (void)stream;
    struct pulse *p = arg;
    p->timing_us = audio_now_us();
}

/* When the next sample of the stream was taken. For a monitor the time at which it is heard.
 *
 * Latency is as of the last timing that the server told, and the library keeps it in step with what
 * has been read since. What it would interpolate is off by 20 ms for the first seconds. */
static bool sample_time(const struct pulse *p, int64_t *us)
{
    pa_usec_t latency;
    int negative;
    if (!p->timing_us || pa_stream_get_latency(p->stream, &latency, &negative) < 0)
        return false;
    *us = p->timing_us + (negative ? (int64_t)latency : -(int64_t)latency);
    return true;
}

/* The library's own updates become rare. */
static void ask_timing(struct pulse *p)
{
    if (p->reads++ % READS_PER_TIMING != 0)
        return;
    pa_operation *operation = pa_stream_update_timing_info(p->stream, NULL, NULL);
    if (operation)
        pa_operation_unref(operation);
}

static void on_read(pa_stream *stream, size_t bytes, void *arg)
{
    (void)bytes;
    struct pulse *p = arg;
    const void *data;
    size_t size;
    while (pa_stream_readable_size(stream) > 0 && pa_stream_peek(stream, &data, &size) >= 0 &&
           size > 0) {
        int64_t us;
        if (p->sink && sample_time(p, &us))
            audio_sink_write(p->sink, data, size / FRAME_BYTES, us); /* data NULL: a hole */
        pa_stream_drop(stream);
    }
    ask_timing(p);
}

static void close_stream(struct pulse *p)
{
    if (!p->stream)
        return;
    pa_stream_set_read_callback(p->stream, NULL, NULL);
    pa_stream_set_latency_update_callback(p->stream, NULL, NULL);
    p->timing_us = 0;
    pa_stream_disconnect(p->stream);
    pa_stream_unref(p->stream);
    p->stream = NULL;
}

static int no_input(const struct pulse *p, char *error, size_t error_size)
{
    const int why = pa_context_errno(p->context);
    if (why != PA_ERR_NOENTITY)
        snprintf(error, error_size, "the sound server refused: %s", pa_strerror(why));
    else if (!p->device[0])
        snprintf(error, error_size, "the sound server has no input");
    else
        snprintf(error, error_size, "the sound server has no input \"%s\"", p->device);
    return -ENODEV;
}

static int open_stream(struct pulse *p, bool corked, char *error, size_t error_size)
{
    static const pa_sample_spec spec = {
        .format = PA_SAMPLE_S16NE, .rate = AUDIO_RATE_HZ, .channels = AUDIO_CHANNELS};
    static const pa_buffer_attr buffer = {.maxlength = (uint32_t)-1, .fragsize = FRAGMENT_BYTES};
    const int64_t deadline_us = audio_now_us() + ANSWER_US;
    pa_stream_flags_t flags = PA_STREAM_ADJUST_LATENCY;
    if (corked)
        flags |= PA_STREAM_START_CORKED;
    if (p->device[0])
        flags |= PA_STREAM_DONT_MOVE;
    p->stream = pa_stream_new(p->context, "broadcast", &spec, NULL);
    if (!p->stream ||
        pa_stream_connect_record(p->stream, p->device[0] ? p->device : NULL, &buffer, flags) < 0)
        return no_input(p, error, error_size);
    pa_stream_set_read_callback(p->stream, on_read, p);
    pa_stream_set_latency_update_callback(p->stream, on_timing, p);
    while (pa_stream_get_state(p->stream) != PA_STREAM_READY) {
        if (!PA_STREAM_IS_GOOD(pa_stream_get_state(p->stream)))
            return no_input(p, error, error_size);
        if (!iterate(p, deadline_us))
            return no_server(error, error_size, "it said nothing for 5 seconds");
    }
    return 0;
}

/* --- the default output, for `monitor` --- */

static void on_server(pa_context *context, const pa_server_info *server, void *arg)
{
    (void)context;
    struct pulse *p = arg;
    const char *output = server && server->default_sink_name ? server->default_sink_name : "";
    p->has_moved |= p->output[0] && strcmp(p->output, output) != 0;
    snprintf(p->output, sizeof(p->output), "%s", output);
}

static void on_event(pa_context *context, pa_subscription_event_type_t type, uint32_t index,
                     void *arg)
{
    (void)type;
    (void)index;
    pa_operation *operation = pa_context_get_server_info(context, on_server, arg);
    if (operation)
        pa_operation_unref(operation);
}

static void on_sink(pa_context *context, const pa_sink_info *sink, int end, void *arg)
{
    (void)context;
    struct pulse *p = arg;
    if (end == 0 && sink->monitor_source_name)
        snprintf(p->device, sizeof(p->device), "%s", sink->monitor_source_name);
}

/* By its name: PipeWire's server refuses PulseAudio's @DEFAULT_MONITOR@. */
static int find_monitor(struct pulse *p, int64_t deadline_us, char *error, size_t error_size)
{
    p->device[0] = '\0';
    if (p->output[0])
        await(p, pa_context_get_sink_info_by_name(p->context, p->output, on_sink, p), deadline_us);
    if (p->device[0])
        return 0;
    snprintf(error, error_size, "the sound server has no output to listen to");
    return -ENODEV;
}

static int follow_output(struct pulse *p, int64_t deadline_us, char *error, size_t error_size)
{
    await(p, pa_context_get_server_info(p->context, on_server, p), deadline_us);
    pa_context_set_subscribe_callback(p->context, on_event, p);
    await(p, pa_context_subscribe(p->context, PA_SUBSCRIPTION_MASK_SERVER, NULL, NULL),
          deadline_us);
    return find_monitor(p, deadline_us, error, error_size);
}

/* --- the backend --- */

static void on_source(pa_context *context, const pa_source_info *source, int end, void *arg)
{
    (void)context;
    struct audio_info *info = arg;
    if (end == 0 && source->description)
        utf8_copy(info->name, sizeof(info->name), source->description, strlen(source->description));
}

static int choose_device(struct pulse *p, const struct audio_config *config, char *error,
                         size_t error_size)
{
    const bool named = strcmp(config->kind, "pulse") == 0;
    const char *arg = config->arg ? config->arg : "";
    if (named && !arg[0]) {
        snprintf(error, error_size, "which input? pulse:NAME, as \"amphi sources\" lists them");
        return -EINVAL;
    }
    if (!named && config->arg) {
        snprintf(error, error_size, "%s takes no argument (\"%s\")", config->kind, arg);
        return -EINVAL;
    }
    if (strlen(arg) >= sizeof(p->device)) {
        snprintf(error, error_size, "the name of the input is longer than any");
        return -EINVAL;
    }
    p->is_monitor = strcmp(config->kind, "monitor") == 0;
    snprintf(p->device, sizeof(p->device), "%s", arg);
    return 0;
}

static int pulse_open(void *priv, const struct audio_config *config, struct audio_info *info,
                      char *error, size_t error_size)
{
    struct pulse *p = priv;
    const int64_t deadline_us = audio_now_us() + ANSWER_US;
    int err = choose_device(p, config, error, error_size);
    if (!err)
        err = connect_server(p, deadline_us, error, error_size);
    if (err)
        return err;
    if (p->is_monitor)
        err = follow_output(p, deadline_us, error, error_size);
    if (!err)
        err = open_stream(p, true, error, error_size);
    if (err)
        return err;
    const char *device = pa_stream_get_device_name(p->stream);
    snprintf(info->name, sizeof(info->name), "%s", device ? device : "Sound");
    if (device)
        await(p, pa_context_get_source_info_by_name(p->context, device, on_source, info),
              deadline_us);
    return 0;
}

static void on_stop(pa_mainloop_api *api, pa_io_event *event, int fd, pa_io_event_flags_t flags,
                    void *arg)
{
    (void)fd;
    (void)flags;
    struct pulse *p = arg;
    p->stop = true;
    api->io_enable(event, PA_IO_EVENT_NULL); /* it stays readable */
}

static int gone(const struct pulse *p, char *error, size_t error_size)
{
    if (!context_alive(p))
        snprintf(error, error_size, "the sound server went away");
    else if (p->is_monitor)
        snprintf(error, error_size, "the audio output went away");
    else
        snprintf(error, error_size, "the audio input went away");
    return -ENODEV;
}

/* Listens to the new default output. Stop is looked at in the loop, so nothing waits for it. */
static int move_monitor(struct pulse *p, char *error, size_t error_size)
{
    p->has_moved = false;
    close_stream(p);
    int err = find_monitor(p, audio_now_us() + ANSWER_US, error, error_size);
    return err ? err : open_stream(p, false, error, error_size);
}

static int pulse_run(void *priv, struct audio_sink *sink, char *error, size_t error_size)
{
    struct pulse *p = priv;
    pa_mainloop_api *api = pa_mainloop_get_api(p->loop);
    pa_io_event *stop = api->io_new(api, audio_sink_fd(sink), PA_IO_EVENT_INPUT, on_stop, p);
    int err = stop ? 0 : -ENOMEM;
    p->sink = sink;
    pa_operation *uncork = pa_stream_cork(p->stream, 0, NULL, NULL);
    if (uncork)
        pa_operation_unref(uncork);
    while (!err && !p->stop) {
        if (p->has_moved)
            err = move_monitor(p, error, error_size);
        else if (!context_alive(p) || !PA_STREAM_IS_GOOD(pa_stream_get_state(p->stream)))
            err = gone(p, error, error_size);
        else if (pa_mainloop_iterate(p->loop, 1, NULL) < 0)
            err = -EIO;
    }
    p->sink = NULL;
    if (stop)
        api->io_free(stop);
    return p->stop ? 0 : err;
}

static void pulse_close(void *priv)
{
    struct pulse *p = priv;
    close_stream(p);
    disconnect_server(p);
}

#define PULSE_OPS(name)                                                                            \
    {                                                                                              \
        .kind = name, .priv_size = sizeof(struct pulse), .open = pulse_open, .run = pulse_run,     \
        .close = pulse_close,                                                                      \
    }
const struct audio_ops audio_default_ops = PULSE_OPS("default");
const struct audio_ops audio_monitor_ops = PULSE_OPS("monitor");
const struct audio_ops audio_pulse_ops = PULSE_OPS("pulse");

/* --- the list --- */

struct list {
    struct audio_input *out;
    int n, max;
};

static void on_listed(pa_context *context, const pa_source_info *source, int end, void *arg)
{
    (void)context;
    struct list *list = arg;
    if (end != 0 || list->n == list->max)
        return;
    struct audio_input *input = &list->out[list->n];
    int size = snprintf(input->arg, sizeof(input->arg), "pulse:%s", source->name);
    if (size < 0 || (size_t)size >= sizeof(input->arg))
        return; /* could not be named on the command line */
    const char *name = source->description ? source->description : source->name;
    utf8_copy(input->name, sizeof(input->name), name, strlen(name));
    input->is_monitor = source->monitor_of_sink != PA_INVALID_INDEX;
    list->n++;
}

int audio_pulse_list(struct audio_input *out, int max, char *error, size_t error_size)
{
    struct pulse p = {0};
    struct list list = {.out = out, .max = max};
    const int64_t deadline_us = audio_now_us() + ANSWER_US;
    int err = connect_server(&p, deadline_us, error, error_size);
    if (!err)
        await(&p, pa_context_get_source_info_list(p.context, on_listed, &list), deadline_us);
    disconnect_server(&p);
    return err ? err : list.n;
}
