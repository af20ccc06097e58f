/* "portal[:NAME]": what the person at the desktop chose to share, as Wayland desktops and sandboxes
 * give it; "pipewire:NODE": a video node of PipeWire by its name or number, without being asked.
 *
 * Everything runs in the capture thread: PipeWire's loop and the bus are polled with the sink, so a
 * stop comes through wherever it waits. (PipeWire moves buffers on a thread of its own and calls
 * back here.) The newest buffer is kept until the next one comes, since a screen that stands still
 * sends none and its picture is wanted again.
 */
#include "capture/capture_backends.h"
#include "capture/fps_limit.h"
#include "capture/pipewire_frame.h"
#include "capture/pixels.h"
#include "capture/portal.h"
#include "capture/portal_token.h"
#include "capture/sources.h"

#include <errno.h>
#include <pipewire/pipewire.h>
#include <pthread.h>
#include <signal.h>
#include <spa/param/video/format-utils.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REPEAT_US 1000000
#define ANSWER_US 5000000   /* a PipeWire that takes longer hangs */
#define SILENCE_US 20000000 /* in which the first picture comes, or never */
#define LAST_WORDS_US 1000000
#define BUFFERS_MIN 2 /* one is kept */
#define BUFFERS_MAX 8
#define DAMAGE_MAX 16
/* Before the person has chosen nobody knows; the encoder follows the first picture. */
#define GUESSED_WIDTH 1280
#define GUESSED_HEIGHT 720

struct screencast {
    struct portal *portal; /* owned; NULL without */
    char name[96];         /* of the kept permission, or the node that was asked for */

    struct pw_loop *loop;         /* owned */
    struct pw_context *context;   /* owned */
    struct pw_core *core;         /* owned */
    struct pw_registry *registry; /* owned */
    struct pw_stream *stream;     /* owned */
    struct spa_hook core_hook, registry_hook, stream_hook;
    int sync;      /* the number of the round trip that is waited for, and */
    bool has_sync; /* whether it is over */
    uint32_t node;
    bool has_node;

    struct spa_video_info_raw format;
    bool has_format;
    struct pw_buffer *held;       /* the newest, borrowed from the stream until it is given back */
    struct pipewire_frame frame;  /* what is in it */
    struct picture_damage damage; /* of `held` since the picture published last */
    bool is_fresh, is_poked;      /* `held` was not published yet; somebody wants it again */
    int64_t published_us, captured_us;
    struct fps_limit limit;

    int end; /* -errno once it is over */
    char reason[256];
};

static void finish(struct screencast *s, int code, const char *reason)
{
    if (s->end)
        return;
    s->end = code;
    snprintf(s->reason, sizeof(s->reason), "%s", reason);
}

/* --- buffers --- */

static void drop_held(struct screencast *s)
{
    s->held = NULL;
    s->is_fresh = false;
    s->damage = (struct picture_damage){0};
}

static bool is_same_place(const struct pipewire_frame *a, const struct pipewire_frame *b)
{
    return a->left == b->left && a->top == b->top && a->width == b->width && a->height == b->height;
}

static void hold(struct screencast *s, struct pw_buffer *b, const struct pipewire_frame *frame)
{
    const bool lost_one = frame->sequence != s->frame.sequence + 1 && frame->sequence != 0;
    if (!s->held || lost_one || !is_same_place(frame, &s->frame))
        s->damage = (struct picture_damage){0};
    else
        picture_damage_merge(&s->damage, &frame->damage);
    if (s->held)
        pw_stream_queue_buffer(s->stream, s->held);
    s->held = b;
    s->frame = *frame;
    s->is_fresh = true;
}

static void on_process(void *arg)
{
    struct screencast *s = arg;
    struct pw_buffer *b;
    while ((b = pw_stream_dequeue_buffer(s->stream)) != NULL) {
        struct pipewire_frame frame;
        if (s->has_format && pipewire_frame_read(&frame, b->buffer, &s->format, capture_now_us())) {
            hold(s, b, &frame);
        } else {
            s->damage = (struct picture_damage){0}; /* what it changed is not known */
            pw_stream_queue_buffer(s->stream, b);
        }
    }
}

static void on_remove_buffer(void *arg, struct pw_buffer *b)
{
    struct screencast *s = arg;
    if (b == s->held)
        drop_held(s);
}

/* --- the stream --- */

#define POD_BYTES 1024

/* Memory that can be read, not a graphics card's: SPA_DATA_DmaBuf is not among it. */
static void offer_buffers(struct screencast *s)
{
    uint8_t bytes[POD_BYTES];
    struct spa_pod_builder b = SPA_POD_BUILDER_INIT(bytes, sizeof(bytes));
    const int region = sizeof(struct spa_meta_region);
    const struct spa_pod *params[] = {
        spa_pod_builder_add_object(
            &b, SPA_TYPE_OBJECT_ParamBuffers, SPA_PARAM_Buffers, SPA_PARAM_BUFFERS_buffers,
            SPA_POD_CHOICE_RANGE_Int(4, BUFFERS_MIN, BUFFERS_MAX), SPA_PARAM_BUFFERS_dataType,
            SPA_POD_CHOICE_FLAGS_Int(1 << SPA_DATA_MemFd | 1 << SPA_DATA_MemPtr)),
        spa_pod_builder_add_object(&b, SPA_TYPE_OBJECT_ParamMeta, SPA_PARAM_Meta,
                                   SPA_PARAM_META_type, SPA_POD_Id(SPA_META_Header),
                                   SPA_PARAM_META_size,
                                   SPA_POD_Int(sizeof(struct spa_meta_header))),
        spa_pod_builder_add_object(&b, SPA_TYPE_OBJECT_ParamMeta, SPA_PARAM_Meta,
                                   SPA_PARAM_META_type, SPA_POD_Id(SPA_META_VideoCrop),
                                   SPA_PARAM_META_size, SPA_POD_Int(region)),
        spa_pod_builder_add_object(
            &b, SPA_TYPE_OBJECT_ParamMeta, SPA_PARAM_Meta, SPA_PARAM_META_type,
            SPA_POD_Id(SPA_META_VideoDamage), SPA_PARAM_META_size,
            SPA_POD_CHOICE_RANGE_Int(region * DAMAGE_MAX, region, region * DAMAGE_MAX)),
    };
    pw_stream_update_params(s->stream, params, sizeof(params) / sizeof(params[0]));
}

static void on_param_changed(void *arg, uint32_t id, const struct spa_pod *param)
{
    struct screencast *s = arg;
    if (id != SPA_PARAM_Format || !param)
        return;
    struct spa_video_info_raw format = {0};
    s->has_format = spa_format_video_raw_parse(param, &format) >= 0;
    if (s->held) { /* it is of the format before */
        pw_stream_queue_buffer(s->stream, s->held);
        drop_held(s);
    }
    s->format = format;
    if (s->has_format)
        offer_buffers(s);
}

static void on_state_changed(void *arg, enum pw_stream_state old, enum pw_stream_state state,
                             const char *error)
{
    struct screencast *s = arg;
    char reason[200];
    if (state == PW_STREAM_STATE_UNCONNECTED && old > PW_STREAM_STATE_CONNECTING) {
        finish(s, -ENODEV, "PipeWire ended the stream");
    } else if (state == PW_STREAM_STATE_ERROR) {
        snprintf(reason, sizeof(reason), "PipeWire gives no pictures: %s",
                 error ? error : "it does not say why");
        finish(s, -ENODEV, reason);
    }
}

static const struct pw_stream_events stream_events = {
    .version = PW_VERSION_STREAM_EVENTS,
    .state_changed = on_state_changed,
    .param_changed = on_param_changed,
    .remove_buffer = on_remove_buffer,
    .process = on_process,
};

static int connect_stream(struct screencast *s)
{
    uint8_t bytes[POD_BYTES];
    struct spa_pod_builder b = SPA_POD_BUILDER_INIT(bytes, sizeof(bytes));
    const uint32_t fps = (uint32_t)(1000000 / s->limit.interval_us);
    const struct spa_pod *format = spa_pod_builder_add_object(
        &b, SPA_TYPE_OBJECT_Format, SPA_PARAM_EnumFormat, SPA_FORMAT_mediaType,
        SPA_POD_Id(SPA_MEDIA_TYPE_video), SPA_FORMAT_mediaSubtype,
        SPA_POD_Id(SPA_MEDIA_SUBTYPE_raw), SPA_FORMAT_VIDEO_format,
        SPA_POD_CHOICE_ENUM_Id(5, SPA_VIDEO_FORMAT_BGRx, SPA_VIDEO_FORMAT_BGRx,
                               SPA_VIDEO_FORMAT_BGRA, SPA_VIDEO_FORMAT_RGBx, SPA_VIDEO_FORMAT_RGBA),
        SPA_FORMAT_VIDEO_size,
        SPA_POD_CHOICE_RANGE_Rectangle(&SPA_RECTANGLE(1920, 1080), &SPA_RECTANGLE(2, 2),
                                       &SPA_RECTANGLE(PICTURE_MAX_WIDTH, PICTURE_MAX_HEIGHT)),
        SPA_FORMAT_VIDEO_framerate,
        SPA_POD_CHOICE_RANGE_Fraction(&SPA_FRACTION(fps, 1), &SPA_FRACTION(0, 1),
                                      &SPA_FRACTION(1000, 1)));
    s->stream = pw_stream_new(s->core, "amphi",
                              pw_properties_new(PW_KEY_MEDIA_TYPE, "Video", PW_KEY_MEDIA_CATEGORY,
                                                "Capture", PW_KEY_MEDIA_ROLE, "Screen", NULL));
    if (!s->stream)
        return -errno;
    pw_stream_add_listener(s->stream, &s->stream_hook, &stream_events, s);
    /* What vanishes may not be replaced by another node: a camera, for example. */
    const enum pw_stream_flags flags =
        PW_STREAM_FLAG_AUTOCONNECT | PW_STREAM_FLAG_MAP_BUFFERS | PW_STREAM_FLAG_DONT_RECONNECT;
    return pw_stream_connect(s->stream, PW_DIRECTION_INPUT, s->node, flags, &format, 1);
}

/* --- the connection --- */

static void on_core_error(void *arg, uint32_t id, int seq, int code, const char *message)
{
    (void)seq;
    struct screencast *s = arg;
    char reason[200];
    if (id != PW_ID_CORE)
        return; /* the stream hears of its own */
    snprintf(reason, sizeof(reason), "PipeWire fails: %s", message);
    finish(s, -ENODEV, code == -EPIPE ? "PipeWire went away" : reason);
}

static void on_core_done(void *arg, uint32_t id, int seq)
{
    struct screencast *s = arg;
    if (id == PW_ID_CORE && seq == s->sync)
        s->has_sync = true;
}

static const struct pw_core_events core_events = {
    .version = PW_VERSION_CORE_EVENTS, .done = on_core_done, .error = on_core_error};

static bool is_wanted(const struct screencast *s, uint32_t id, const struct spa_dict *props)
{
    char number[16];
    const char *name = props ? spa_dict_lookup(props, PW_KEY_NODE_NAME) : NULL;
    snprintf(number, sizeof(number), "%u", id);
    return strcmp(number, s->name) == 0 || (name && strcmp(name, s->name) == 0);
}

static void on_global(void *arg, uint32_t id, uint32_t permissions, const char *type,
                      uint32_t version, const struct spa_dict *props)
{
    (void)permissions, (void)version;
    struct screencast *s = arg;
    if (strcmp(type, PW_TYPE_INTERFACE_Node) != 0 || s->portal || s->has_node)
        return;
    s->has_node = is_wanted(s, id, props);
    s->node = id;
}

static void on_global_remove(void *arg, uint32_t id)
{
    struct screencast *s = arg;
    if (s->has_node && id == s->node)
        finish(s, -ENODEV, "what was shared is gone");
}

static const struct pw_registry_events registry_events = {
    .version = PW_VERSION_REGISTRY_EVENTS, .global = on_global, .global_remove = on_global_remove};

static int out_of_memory(char *error, size_t error_size)
{
    snprintf(error, error_size, "out of memory");
    return -ENOMEM;
}

/* Takes ownership of the descriptor; -1: PipeWire of this session. */
static int connect_core(struct screencast *s, int fd, char *error, size_t error_size)
{
    s->loop = pw_loop_new(NULL);
    s->context = s->loop ? pw_context_new(s->loop, NULL, 0) : NULL;
    if (!s->context) {
        if (fd >= 0)
            close(fd);
        return out_of_memory(error, error_size);
    }
    s->core = fd >= 0 ? pw_context_connect_fd(s->context, fd, NULL, 0)
                      : pw_context_connect(s->context, NULL, 0);
    if (!s->core) {
        snprintf(error, error_size, "PipeWire does not answer: %s", strerror(errno));
        return -ENODEV;
    }
    pw_core_add_listener(s->core, &s->core_hook, &core_events, s);
    s->registry = pw_core_get_registry(s->core, PW_VERSION_REGISTRY, 0);
    if (!s->registry)
        return out_of_memory(error, error_size);
    pw_registry_add_listener(s->registry, &s->registry_hook, &registry_events, s);
    return 0;
}

static void disconnect(struct screencast *s)
{
    if (s->stream) {
        spa_hook_remove(&s->stream_hook);
        pw_stream_destroy(s->stream);
    }
    if (s->registry) {
        spa_hook_remove(&s->registry_hook);
        pw_proxy_destroy((struct pw_proxy *)s->registry);
    }
    if (s->core) {
        spa_hook_remove(&s->core_hook);
        pw_core_disconnect(s->core);
    }
    if (s->context)
        pw_context_destroy(s->context);
    if (s->loop)
        pw_loop_destroy(s->loop);
}

/* --- publishing --- */

static void copy_rect(const struct pipewire_frame *f, const struct picture *p,
                      const struct picture_rect *rect)
{
    (f->is_rgb ? pixels_from_rgbx : pixels_from_bgrx)(f->pixels, f->stride, p, rect);
}

static void copy_rects(const struct pipewire_frame *f, const struct picture *p,
                       const struct picture_damage *d)
{
    for (int i = 0; i < d->n; i++)
        copy_rect(f, p, &d->rect[i]);
}

/* Only what this slot's picture lacks: what it missed, and what is new. */
static void copy_pixels(const struct screencast *s, const struct capture_sink *sink,
                        const struct picture *p)
{
    const struct picture_damage *stale = capture_sink_stale(sink, p);
    if (stale->known && s->damage.known) {
        copy_rects(&s->frame, p, stale);
        copy_rects(&s->frame, p, &s->damage);
    } else {
        copy_rect(&s->frame, p, &(struct picture_rect){0, 0, p->width, p->height});
    }
}

static void publish(struct screencast *s, struct capture_sink *sink, int64_t now_us)
{
    s->published_us = now_us;
    s->is_poked = false;
    struct picture *p = capture_sink_begin(sink, s->frame.width, s->frame.height);
    if (!p)
        return; /* no memory now; the next try is a repeat */
    copy_pixels(s, sink, p);
    int64_t us = s->is_fresh && s->frame.taken_us ? s->frame.taken_us : now_us;
    p->captured_us = s->captured_us = us > s->captured_us ? us : s->captured_us + 1;
    p->repeat = !s->is_fresh;
    p->damage = s->damage;
    capture_sink_publish(sink, p);
    s->is_fresh = false;
    s->damage = (struct picture_damage){.known = true};
    fps_limit_passed(&s->limit, now_us);
}

/* Publishes what is due; when it must be asked again. */
static int64_t act(struct screencast *s, struct capture_sink *sink, int64_t now_us)
{
    if (!s->held)
        return s->published_us ? INT64_MAX : s->limit.due_us + SILENCE_US;
    const int64_t repeat_us = s->published_us + REPEAT_US;
    const bool wanted = s->is_fresh || s->is_poked;
    if ((wanted && fps_limit_allows(&s->limit, now_us)) || now_us >= repeat_us)
        publish(s, sink, now_us);
    else if (wanted)
        return fps_limit_next_us(&s->limit);
    return s->published_us + REPEAT_US;
}

/* --- running --- */

/* A share that the person ends loses its node and its session, in any order. Who ended it decides
 * whether it may come back. */
static void hear_last_words(struct screencast *s, struct capture_sink *sink)
{
    const int64_t deadline_us = capture_now_us() + LAST_WORDS_US;
    int r = 0;
    while (s->portal && r == 0 && capture_now_us() < deadline_us &&
           capture_sink_wait(sink, portal_fd(s->portal), deadline_us) != CAPTURE_WAKE_STOP)
        r = portal_dispatch(s->portal, s->reason, sizeof(s->reason));
    if (r)
        s->end = r;
}

static void on_bus(void *arg, int fd, uint32_t mask)
{
    (void)fd, (void)mask;
    struct screencast *s = arg;
    char reason[sizeof(s->reason)];
    int r = portal_dispatch(s->portal, reason, sizeof(reason));
    if (r < 0)
        finish(s, r, reason);
}

/* 1 when told to stop, 0 when it ended by itself. */
static int stream(struct screencast *s, struct capture_sink *sink)
{
    for (;;) {
        while (!s->end && pw_loop_iterate(s->loop, 0) > 0)
            continue;
        if (s->end)
            return 0;
        const int64_t due_us = act(s, sink, capture_now_us());
        switch (capture_sink_wait(sink, pw_loop_get_fd(s->loop), due_us)) {
        case CAPTURE_WAKE_STOP:
            return 1;
        case CAPTURE_WAKE_POKE:
            s->is_poked = true;
            break;
        case CAPTURE_WAKE_TIMEOUT:
            if (!s->published_us && !s->held)
                finish(s, -ENODEV, "PipeWire sends no pictures");
            break;
        case CAPTURE_WAKE_FD:
            break;
        }
    }
}

static int run_stream(struct screencast *s, struct capture_sink *sink, char *error,
                      size_t error_size)
{
    pw_loop_enter(s->loop);
    s->limit.due_us = capture_now_us(); /* also when waiting for the first one began */
    struct spa_source *bus =
        s->portal ? pw_loop_add_io(s->loop, portal_fd(s->portal), SPA_IO_IN, false, on_bus, s)
                  : NULL;
    int r = connect_stream(s);
    if (r < 0)
        finish(s, r, "PipeWire refuses a stream");
    const bool stopped = stream(s, sink);
    if (bus)
        pw_loop_destroy_source(s->loop, bus);
    if (!stopped)
        hear_last_words(s, sink);
    drop_held(s);
    pw_loop_leave(s->loop);
    if (stopped)
        return 0;
    snprintf(error, error_size, "%s", s->reason);
    return s->end;
}

static bool wait_for_person(void *arg, int fd, int64_t deadline_us)
{
    return capture_sink_wait(arg, fd, deadline_us) != CAPTURE_WAKE_STOP;
}

static int portal_run(void *priv, struct capture_sink *sink, char *error, size_t error_size)
{
    struct screencast *s = priv;
    struct portal_share share;
    int r = portal_share(s->portal, s->name, wait_for_person, sink, &share, error, error_size);
    if (r == -ECANCELED)
        return 0;
    if (r < 0)
        return r;
    s->node = share.node;
    s->has_node = true;
    r = connect_core(s, share.pipewire_fd, error, error_size);
    return r < 0 ? r : run_stream(s, sink, error, error_size);
}

static int pipewire_run(void *priv, struct capture_sink *sink, char *error, size_t error_size)
{
    return run_stream(priv, sink, error, error_size);
}

static void screencast_close(void *priv)
{
    struct screencast *s = priv;
    disconnect(s);
    portal_close(s->portal);
}

/* --- opening --- */

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_library(void)
{
    pw_init(NULL, NULL);
}

/* Both libraries begin threads, and signals are for the main one. */
static void block_signals(sigset_t *old)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, old);
}

static void set_up(struct screencast *s, const struct capture_config *config)
{
    pthread_once(&once, init_library);
    s->limit.interval_us = 1000000 / config->fps;
}

static int portal_open_source(void *priv, const struct capture_config *config,
                              struct capture_info *info, char *error, size_t error_size)
{
    struct screencast *s = priv;
    sigset_t old;
    const char *name = config->arg ? config->arg : "default";
    if (!portal_token_is_name(name)) {
        snprintf(error, error_size,
                 "portal \"%s\" is not a name to remember the choice by: letters, digits, - and _",
                 name);
        return -EINVAL;
    }
    snprintf(s->name, sizeof(s->name), "%s", name);
    *info = (struct capture_info){
        .name = "Shared screen", .width = GUESSED_WIDTH, .height = GUESSED_HEIGHT};
    block_signals(&old);
    set_up(s, config);
    int r = portal_open(&s->portal, error, error_size);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return r;
}

/* Until all nodes that are there now have been told. */
static int find_node(struct screencast *s, char *error, size_t error_size)
{
    const int64_t deadline_us = capture_now_us() + ANSWER_US;
    s->sync = pw_core_sync(s->core, PW_ID_CORE, 0);
    pw_loop_enter(s->loop);
    int64_t left_us = ANSWER_US;
    while (!s->has_sync && !s->end && left_us > 0) {
        pw_loop_iterate(s->loop, (int)(left_us / 1000) + 1);
        left_us = deadline_us - capture_now_us();
    }
    pw_loop_leave(s->loop);
    if (s->end)
        snprintf(error, error_size, "%s", s->reason);
    else if (!s->has_sync)
        snprintf(error, error_size, "PipeWire does not answer: it said nothing for 5 seconds");
    else if (!s->has_node)
        snprintf(error, error_size, "PipeWire has no node \"%s\"", s->name);
    else
        return 0;
    return -ENODEV;
}

static int pipewire_open(void *priv, const struct capture_config *config, struct capture_info *info,
                         char *error, size_t error_size)
{
    struct screencast *s = priv;
    sigset_t old;
    if (!config->arg || !config->arg[0] || strlen(config->arg) >= sizeof(s->name)) {
        snprintf(error, error_size, "which node? pipewire:NAME or its number");
        return -EINVAL;
    }
    snprintf(s->name, sizeof(s->name), "%s", config->arg);
    *info = (struct capture_info){.width = GUESSED_WIDTH, .height = GUESSED_HEIGHT};
    snprintf(info->name, sizeof(info->name), "%.63s", s->name);
    block_signals(&old);
    set_up(s, config);
    int r = connect_core(s, -1, error, error_size);
    if (r == 0)
        r = find_node(s, error, error_size);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return r;
}

/* A machine without a desktop is no error: there is nothing to choose from. */
static int portal_list(struct sources_entry *out, int max, char *error, size_t error_size)
{
    struct portal *p;
    (void)max;
    if (portal_open(&p, error, error_size) < 0) {
        error[0] = '\0';
        return 0;
    }
    portal_close(p);
    out[0] = (struct sources_entry){.kind = SOURCES_PORTAL,
                                    .source = "portal",
                                    .name = "A screen or window chosen on the desktop"};
    return 1;
}

const struct capture_ops capture_portal_ops = {
    .kind = "portal",
    .priv_size = sizeof(struct screencast),
    .open = portal_open_source,
    .run = portal_run,
    .close = screencast_close,
    .list = portal_list,
};

const struct capture_ops capture_pipewire_ops = {
    .kind = "pipewire",
    .priv_size = sizeof(struct screencast),
    .open = pipewire_open,
    .run = pipewire_run,
    .close = screencast_close,
};
