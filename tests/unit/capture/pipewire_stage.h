/* pipewire_stage.h - PipeWire and a session manager of the test's own, and a program that shows
 * pictures there as a compositor does: frame by frame, in any size, with metadata. */
#pragma once

#include "tests/unit/capture/desktop_stage.h"

#include <pipewire/pipewire.h>
#include <spa/param/video/format-utils.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct {
    pid_t server, manager;
    char socket[96];
} pipewire;

/* What Debian's own has, without what asks a system bus for priorities. */
static const char pipewire_config[] =
    "context.properties = { core.daemon = true core.name = pipewire-0 }\n"
    "context.spa-libs = { support.* = support/libspa-support }\n"
    "context.modules = [\n"
    "  { name = libpipewire-module-protocol-native } { name = libpipewire-module-metadata }\n"
    "  { name = libpipewire-module-spa-device-factory }\n"
    "  { name = libpipewire-module-spa-node-factory }\n"
    "  { name = libpipewire-module-client-node } { name = libpipewire-module-client-device }\n"
    "  { name = libpipewire-module-access } { name = libpipewire-module-adapter }\n"
    "  { name = libpipewire-module-link-factory }\n"
    "  { name = libpipewire-module-session-manager }\n"
    "]\n"
    "context.objects = [ { factory = spa-node-factory args = {\n"
    "  factory.name = support.node.driver node.name = Dummy-Driver\n"
    "  node.group = pipewire.dummy priority.driver = 20000 } } ]\n";

/* The socket listens before the server begins, so nothing need wait for it. */
static inline void pipewire_start_server(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char config[96];
    snprintf(config, sizeof(config), "%s/pipewire.conf", desktop.folder);
    FILE *file = fopen(config, "w");
    assert_non_null(file);
    fputs(pipewire_config, file);
    fclose(file);
    snprintf(pipewire.socket, sizeof(pipewire.socket), "%s/pipewire-0", desktop.folder);
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", pipewire.socket);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 16), 0);
    char *argv[] = {"pipewire", "-c", config, NULL};
    pipewire.server = desktop_spawn(argv, fd);
    close(fd);
}

static inline void pipewire_start_manager(void)
{
    char *argv[] = {"wireplumber", NULL};
    pipewire.manager = desktop_spawn(argv, -1);
}

static inline void pipewire_stop_server(void)
{
    desktop_kill(&pipewire.manager);
    desktop_kill(&pipewire.server);
}

/* --- what shows pictures --- */

#define SHOWN "amphi-test-screen"
#define SHOWN_DAMAGE_MAX 4
#define SHOWN_WAITS_MAX 20 /* seconds */

static struct {
    struct pw_thread_loop *loop;
    struct pw_context *context;
    struct pw_core *core;
    struct pw_stream *stream;
    struct spa_hook hook;
    int width, height; /* wanted */
    uint32_t format;   /* wanted */
    struct spa_video_info_raw agreed;
    bool is_dead;
    uint64_t sequence;
} shown;

struct shown_frame {
    uint32_t rgb;
    struct spa_region damage[SHOWN_DAMAGE_MAX]; /* painted in this colour; none: all, not told */
    struct spa_region crop;
    int64_t us; /* 0: not told */
    bool is_corrupted;
};

static inline void shown_state_changed(void *arg, enum pw_stream_state old,
                                       enum pw_stream_state state, const char *error)
{
    (void)arg, (void)old, (void)error;
    shown.is_dead |= state == PW_STREAM_STATE_ERROR;
    pw_thread_loop_signal(shown.loop, false);
}

static inline void shown_param_changed(void *arg, uint32_t id, const struct spa_pod *param)
{
    (void)arg;
    uint8_t bytes[1024];
    struct spa_pod_builder b = SPA_POD_BUILDER_INIT(bytes, sizeof(bytes));
    if (id != SPA_PARAM_Format || !param)
        return;
    spa_format_video_raw_parse(param, &shown.agreed);
    const int stride = (int)shown.agreed.size.width * 4;
    const int size = stride * (int)shown.agreed.size.height;
    const struct spa_pod *params[] = {
        spa_pod_builder_add_object(
            &b, SPA_TYPE_OBJECT_ParamBuffers, SPA_PARAM_Buffers, SPA_PARAM_BUFFERS_buffers,
            SPA_POD_CHOICE_RANGE_Int(3, 2, 8), SPA_PARAM_BUFFERS_blocks, SPA_POD_Int(1),
            SPA_PARAM_BUFFERS_size, SPA_POD_Int(size), SPA_PARAM_BUFFERS_stride,
            SPA_POD_Int(stride), SPA_PARAM_BUFFERS_dataType,
            SPA_POD_CHOICE_FLAGS_Int(1 << SPA_DATA_MemFd | 1 << SPA_DATA_DmaBuf)),
        spa_pod_builder_add_object(&b, SPA_TYPE_OBJECT_ParamMeta, SPA_PARAM_Meta,
                                   SPA_PARAM_META_type, SPA_POD_Id(SPA_META_Header),
                                   SPA_PARAM_META_size,
                                   SPA_POD_Int(sizeof(struct spa_meta_header))),
        spa_pod_builder_add_object(&b, SPA_TYPE_OBJECT_ParamMeta, SPA_PARAM_Meta,
                                   SPA_PARAM_META_type, SPA_POD_Id(SPA_META_VideoCrop),
                                   SPA_PARAM_META_size,
                                   SPA_POD_Int(sizeof(struct spa_meta_region))),
        spa_pod_builder_add_object(&b, SPA_TYPE_OBJECT_ParamMeta, SPA_PARAM_Meta,
                                   SPA_PARAM_META_type, SPA_POD_Id(SPA_META_VideoDamage),
                                   SPA_PARAM_META_size,
                                   SPA_POD_Int(SHOWN_DAMAGE_MAX * sizeof(struct spa_meta_region))),
    };
    pw_stream_update_params(shown.stream, params, 4);
    pw_thread_loop_signal(shown.loop, false);
}

static const struct pw_stream_events shown_events = {.version = PW_VERSION_STREAM_EVENTS,
                                                     .state_changed = shown_state_changed,
                                                     .param_changed = shown_param_changed};

static inline const struct spa_pod *shown_format(struct spa_pod_builder *b)
{
    return spa_pod_builder_add_object(
        b, SPA_TYPE_OBJECT_Format, SPA_PARAM_EnumFormat, SPA_FORMAT_mediaType,
        SPA_POD_Id(SPA_MEDIA_TYPE_video), SPA_FORMAT_mediaSubtype,
        SPA_POD_Id(SPA_MEDIA_SUBTYPE_raw), SPA_FORMAT_VIDEO_format, SPA_POD_Id(shown.format),
        SPA_FORMAT_VIDEO_size,
        SPA_POD_Rectangle(&SPA_RECTANGLE((uint32_t)shown.width, (uint32_t)shown.height)),
        SPA_FORMAT_VIDEO_framerate, SPA_POD_Fraction(&SPA_FRACTION(0, 1)));
}

/* The number of its node. */
static inline uint32_t shown_start(int width, int height, enum spa_video_format format)
{
    uint8_t bytes[1024];
    struct spa_pod_builder b = SPA_POD_BUILDER_INIT(bytes, sizeof(bytes));
    memset(&shown, 0, sizeof(shown));
    shown.width = width;
    shown.height = height;
    shown.format = format;
    pw_init(NULL, NULL);
    shown.loop = pw_thread_loop_new("shown", NULL);
    shown.context = pw_context_new(pw_thread_loop_get_loop(shown.loop), NULL, 0);
    assert_int_equal(pw_thread_loop_start(shown.loop), 0);
    pw_thread_loop_lock(shown.loop);
    shown.core = pw_context_connect(shown.context, NULL, 0);
    if (!shown.core)
        fail_msg("PipeWire did not start: \"deploy/install tests\" installs it");
    shown.stream = pw_stream_new(
        shown.core, SHOWN,
        pw_properties_new(PW_KEY_NODE_NAME, SHOWN, PW_KEY_MEDIA_CLASS, "Video/Source", NULL));
    pw_stream_add_listener(shown.stream, &shown.hook, &shown_events, NULL);
    const struct spa_pod *param = shown_format(&b);
    pw_stream_connect(shown.stream, PW_DIRECTION_OUTPUT, PW_ID_ANY,
                      PW_STREAM_FLAG_DRIVER | PW_STREAM_FLAG_MAP_BUFFERS, &param, 1);
    int waits = 0;
    while (pw_stream_get_node_id(shown.stream) == SPA_ID_INVALID && !shown.is_dead &&
           waits < SHOWN_WAITS_MAX)
        waits += pw_thread_loop_timed_wait(shown.loop, 1) != 0;
    if (shown.is_dead || waits == SHOWN_WAITS_MAX)
        fail_msg("PipeWire does not take a stream");
    uint32_t node = pw_stream_get_node_id(shown.stream);
    pw_thread_loop_unlock(shown.loop);
    return node;
}

static inline void shown_resize(int width, int height)
{
    uint8_t bytes[1024];
    struct spa_pod_builder b = SPA_POD_BUILDER_INIT(bytes, sizeof(bytes));
    pw_thread_loop_lock(shown.loop);
    shown.width = width;
    shown.height = height;
    const struct spa_pod *param = shown_format(&b);
    pw_stream_update_params(shown.stream, &param, 1);
    pw_thread_loop_unlock(shown.loop);
}

static inline void shown_fill(uint8_t *pixels, const struct spa_region *r, uint32_t rgb)
{
    for (int y = r->position.y; y < r->position.y + (int)r->size.height; y++) {
        for (int x = r->position.x; x < r->position.x + (int)r->size.width; x++) {
            uint8_t *p = pixels + ((size_t)y * shown.agreed.size.width + (size_t)x) * 4;
            p[0] = (uint8_t)rgb;
            p[1] = (uint8_t)(rgb >> 8);
            p[2] = (uint8_t)(rgb >> 16);
            p[3] = 0x55;
        }
    }
}

static inline void *shown_meta(struct pw_buffer *b, uint32_t type)
{
    void *meta = spa_buffer_find_meta_data(b->buffer, type, 0);
    assert_non_null(meta);
    return meta;
}

static inline void shown_describe(struct pw_buffer *b, const struct shown_frame *f)
{
    struct spa_meta_header *header = shown_meta(b, SPA_META_Header);
    struct spa_meta_region *crop = shown_meta(b, SPA_META_VideoCrop);
    struct spa_meta_region *damage = shown_meta(b, SPA_META_VideoDamage);
    *header =
        (struct spa_meta_header){.flags = f->is_corrupted ? SPA_META_HEADER_FLAG_CORRUPTED : 0,
                                 .pts = f->us ? f->us * 1000 : -1,
                                 .seq = ++shown.sequence};
    crop->region = f->crop;
    for (int i = 0; i < SHOWN_DAMAGE_MAX; i++)
        damage[i].region = f->damage[i];
    struct spa_chunk *chunk = b->buffer->datas[0].chunk;
    chunk->offset = 0;
    chunk->stride = 0; /* some leave it out */
    chunk->size = shown.agreed.size.width * shown.agreed.size.height * 4;
}

/* A consumer gives buffers back and the stream begins when they please: until then, the loop turns.
 */
static inline struct pw_buffer *shown_wait_for_buffer(void)
{
    struct pw_buffer *b = NULL;
    for (int waits = 0; !shown.is_dead && !b && waits < SHOWN_WAITS_MAX;) {
        const bool ready = pw_stream_get_state(shown.stream, NULL) == PW_STREAM_STATE_STREAMING &&
                           (int)shown.agreed.size.width == shown.width &&
                           (int)shown.agreed.size.height == shown.height;
        if (ready)
            b = pw_stream_dequeue_buffer(shown.stream);
        if (!b)
            waits += pw_thread_loop_timed_wait(shown.loop, 1) != 0;
    }
    assert_non_null(b);
    return b;
}

static inline void show(const struct shown_frame *f)
{
    pw_thread_loop_lock(shown.loop);
    struct pw_buffer *b = shown_wait_for_buffer();
    const struct spa_region all = {.size = shown.agreed.size};
    uint8_t *pixels = b->buffer->datas[0].data;
    assert_non_null(pixels);
    if (f->damage[0].size.width == 0)
        shown_fill(pixels, &all, f->rgb);
    else
        shown_fill(pixels, &all, 0xdead00); /* must not be looked at */
    for (int i = 0; i < SHOWN_DAMAGE_MAX; i++)
        shown_fill(pixels, &f->damage[i], f->rgb);
    shown_describe(b, f);
    pw_stream_queue_buffer(shown.stream, b);
    pw_stream_trigger_process(shown.stream);
    pw_thread_loop_unlock(shown.loop);
}

/* Once more for those who were not ready: what was shown is still there. */
static inline void shown_nudge(void)
{
    pw_thread_loop_lock(shown.loop);
    pw_stream_trigger_process(shown.stream);
    pw_thread_loop_unlock(shown.loop);
}

/* Its node is gone; nothing else is. */
static inline void shown_vanish(void)
{
    pw_thread_loop_lock(shown.loop);
    pw_stream_destroy(shown.stream);
    shown.stream = NULL;
    pw_thread_loop_unlock(shown.loop);
}

static inline void shown_stop(void)
{
    if (!shown.loop)
        return;
    pw_thread_loop_lock(shown.loop);
    if (shown.stream)
        pw_stream_destroy(shown.stream);
    pw_core_disconnect(shown.core);
    pw_thread_loop_unlock(shown.loop);
    pw_thread_loop_stop(shown.loop);
    pw_context_destroy(shown.context);
    pw_thread_loop_destroy(shown.loop);
    memset(&shown, 0, sizeof(shown));
}
