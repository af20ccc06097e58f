/* bench_pipeline.c - a whole source with one viewer on loopback: what a picture costs from capture
 * to wire, and how long it takes.
 *
 *     bench_pipeline [--encoder NAME] [--codec NAME] [--size WxH] [--fps N] [--kbps N]
 *                    [--scene text|typing|natural|still] [--display :N] [--seconds N]
 *                    [--warm N]
 *                    [--without simd|avx2|avx512|damage|newest|decoupling]
 *
 * Prints one JSON line. Pictures are replayed by a backend of this program, which draws them before
 * and copies into each what has changed, as a grab does, with true damage; with --display they are
 * grabbed from that X server instead.
 *
 * text: a page scrolls; typing: a letter a picture; natural: textures drift; still: nothing
 * happens.
 *
 * --without leaves one thing out: simd, or what is above a level of it; damage (whole pictures are
 * converted); newest (a picture that waits is let go for the next one); decoupling (a picture is
 * captured once the one before has left).
 *
 * What happens in the first seconds (10; --warm) does not count: frame pools have grown to their
 * size once there has been a second GOP, and the history of it.
 *
 * CPU is that of all threads but the viewer's. Latency is from captured_us until the kernel has the
 * frame's first packets; `rest` of it is what was not spent in the encoder.
 */
#include "tests/unit/server/encoder_allocations.h"

#include "capture/capture_backends.h"
#include "encode/convert.h"
#include "encode/cpu.h"
#include "rtp/forward/worker_samples.h"
#include "rtp/session/cipher.h"
#include "server/source.h"
#include "tests/bench/pipeline_viewer.h"
#include "tests/unit/encode/scene.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    SAMPLES = 1 << 14,
    MOVING = 6, /* pictures that are drawn of what moves everywhere: there and back */
    LETTER_WIDTH = 12,
    LETTER_HEIGHT = 24,
};

enum scene_choice { TEXT = 1, TYPING, NATURAL, STILL };

struct options {
    const char *encoder, *scene_name, *display, *without;
    enum codec codec;
    enum scene_choice scene;
    int width, height, fps, kbps, seconds, warm;
};

static struct options options = {.codec = CODEC_H264,
                                 .scene = TEXT,
                                 .scene_name = "text",
                                 .without = "",
                                 .width = 1920,
                                 .height = 1080,
                                 .fps = 30,
                                 .kbps = 6000,
                                 .seconds = 4,
                                 .warm = 10};

static bool is_without(const char *what)
{
    return strcmp(options.without, what) == 0;
}

static int64_t cpu_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* --- what is noted while it runs; each field by one thread --- */

struct samples {
    int64_t value[SAMPLES];
    unsigned n;
};

static atomic_bool measuring;
static struct samples total, rest, encoder_cpu, encoder_wall;
static uint64_t copied, units; /* bytes written per picture; frames published */
static _Atomic int64_t encoder_us;
static _Atomic uint64_t replayed, left_out, left; /* pictures; sent by the worker */
static _Thread_local const struct frame *sending;

static void note(struct samples *s, int64_t value)
{
    if (atomic_load(&measuring) && s->n < SAMPLES)
        s->value[s->n++] = value;
}

int __wrap_encoder_submit(struct encoder *e, const struct picture *pic, bool keyframe)
{
    int64_t begin_us = loopback_now_us(), begin_cpu = cpu_us();
    allocations_inside = true;
    int err = __real_encoder_submit(e, pic, keyframe);
    allocations_inside = false;
    note(&encoder_cpu, cpu_us() - begin_cpu);
    int64_t took_us = loopback_now_us() - begin_us;
    note(&encoder_wall, took_us);
    atomic_store(&encoder_us, took_us);
    return err;
}

int __wrap_encoder_receive(struct encoder *e, struct encoded *out)
{
    allocations_inside = true;
    int err = __real_encoder_receive(e, out);
    allocations_inside = false;
    return err;
}

void __real_convert_picture(const struct convert_dsp *dsp, const struct picture *bgra,
                            struct picture *out);
void __wrap_convert_picture(const struct convert_dsp *dsp, const struct picture *bgra,
                            struct picture *out);
void __real_convert_damage(const struct convert_dsp *dsp, const struct picture *bgra,
                           struct picture *out);
void __wrap_convert_damage(const struct convert_dsp *dsp, const struct picture *bgra,
                           struct picture *out);

static uint64_t damaged_pixels(const struct picture *p)
{
    uint64_t all = (uint64_t)p->width * (uint64_t)p->height, n = 0;
    for (int i = 0; p->damage.known && i < p->damage.n; i++)
        n += (uint64_t)p->damage.rect[i].width * (uint64_t)p->damage.rect[i].height;
    return !p->damage.known || n > all ? all : n;
}

/* A pixel is 4 bytes as captured and 1.5 as encoded. */
void __wrap_convert_picture(const struct convert_dsp *dsp, const struct picture *bgra,
                            struct picture *out)
{
    __real_convert_picture(dsp, bgra, out);
    if (atomic_load(&measuring))
        copied += damaged_pixels(bgra) * 4 + (uint64_t)bgra->width * (uint64_t)bgra->height * 3 / 2;
}

void __wrap_convert_damage(const struct convert_dsp *dsp, const struct picture *bgra,
                           struct picture *out)
{
    __real_convert_damage(dsp, bgra, out);
    if (atomic_load(&measuring))
        copied += damaged_pixels(bgra) * 11 / 2;
}

void __real_forwarder_publish(struct forwarder *f, uint32_t stream_id, unsigned layer,
                              struct frame *frame);
void __wrap_forwarder_publish(struct forwarder *f, uint32_t stream_id, unsigned layer,
                              struct frame *frame);

/* Written once by packetize and once by seal, for one viewer. */
void __wrap_forwarder_publish(struct forwarder *f, uint32_t stream_id, unsigned layer,
                              struct frame *frame)
{
    if (atomic_load(&measuring)) {
        copied += 2 * (uint64_t)frame->payload.size;
        units++;
    }
    __real_forwarder_publish(f, stream_id, layer, frame);
}

struct worker;
struct worker_stream;
void __real_worker_viewers_on_frame(struct worker *w, struct worker_stream *ws, unsigned layer,
                                    const struct frame *f);
void __wrap_worker_viewers_on_frame(struct worker *w, struct worker_stream *ws, unsigned layer,
                                    const struct frame *f);
void __real_worker_samples_add(struct worker_samples *s, int64_t value);
void __wrap_worker_samples_add(struct worker_samples *s, int64_t value);

void __wrap_worker_viewers_on_frame(struct worker *w, struct worker_stream *ws, unsigned layer,
                                    const struct frame *f)
{
    sending = f;
    __real_worker_viewers_on_frame(w, ws, layer, f);
    sending = NULL;
    atomic_fetch_add(&left, 1);
}

/* While a frame is being sent this is how old it is when the kernel has it. */
void __wrap_worker_samples_add(struct worker_samples *s, int64_t value)
{
    if (sending) {
        note(&total, value);
        note(&rest, value - atomic_load(&encoder_us));
    }
    __real_worker_samples_add(s, value);
}

/* --- the backend that replays --- */

struct replay {
    struct picture drawn[MOVING]; /* planes owned */
    int n_drawn;
};

static void replay_draw(struct replay *r)
{
    struct scene s = scene_new(options.scene == NATURAL ? SCENE_NATURAL : SCENE_TEXT, options.width,
                               options.height);
    size_t size = (size_t)options.width * (size_t)options.height * 4;
    r->n_drawn = options.scene == TEXT || options.scene == NATURAL ? MOVING : 1;
    for (int i = 0; i < r->n_drawn; i++) {
        struct picture p = scene_picture(&s, i, options.fps);
        r->drawn[i] = p;
        r->drawn[i].plane[0] = malloc(size);
        if (!r->drawn[i].plane[0])
            pipeline_fail("out of memory");
        memcpy(r->drawn[i].plane[0], p.plane[0], size);
    }
    scene_free(&s);
}

static int replay_open(void *priv, const struct capture_config *config, struct capture_info *info,
                       char *error, size_t error_size)
{
    (void)config, (void)error, (void)error_size;
    replay_draw(priv);
    *info =
        (struct capture_info){.name = "Replay", .width = options.width, .height = options.height};
    return 0;
}

static void copy_rect(const struct picture *to, const struct picture *from,
                      const struct picture_rect *r)
{
    for (ptrdiff_t y = r->y; y < r->y + r->height; y++)
        memcpy(to->plane[0] + y * to->stride[0] + 4 * r->x,
               from->plane[0] + y * from->stride[0] + 4 * r->x, (size_t)r->width * 4);
}

/* Draws the next letter; where. */
static struct picture_rect type_letter(const struct picture *page, uint64_t n)
{
    int columns = page->width / LETTER_WIDTH, rows = page->height / LETTER_HEIGHT;
    struct picture_rect r = {(int)(n % (uint64_t)columns) * LETTER_WIDTH,
                             (int)(n / (uint64_t)columns % (uint64_t)rows) * LETTER_HEIGHT,
                             LETTER_WIDTH, LETTER_HEIGHT};
    for (int y = 0; y < LETTER_HEIGHT - 4; y++) {
        for (int x = 0; x < LETTER_WIDTH - 2; x++) {
            int ink = scene_ink((uint32_t)n % 64, x, y);
            memset(page->plane[0] + (r.y + y) * page->stride[0] + 4 * (r.x + x),
                   250 - ink * 220 / 255, 4);
        }
    }
    return r;
}

/* Picture number n; where pixels change, and only there, they are copied. */
static void replay_grab(struct capture_sink *sink, struct replay *r, struct picture *p, uint64_t n)
{
    int turn = (int)(n % (2 * MOVING - 2));
    const struct picture *from = &r->drawn[r->n_drawn == 1 ? 0
                                           : turn < MOVING ? turn
                                                           : 2 * MOVING - 2 - turn];
    p->damage = (struct picture_damage){.known = true};
    if (r->n_drawn > 1 || n == 0) {
        struct picture_rect all = {0, 0, p->width, p->height};
        picture_damage_add(&p->damage, &all);
        copy_rect(p, from, &all);
        return;
    }
    struct picture_rect letter = type_letter(&r->drawn[0], n);
    const struct picture_damage *stale = capture_sink_stale(sink, p);
    for (int i = 0; i < stale->n; i++)
        copy_rect(p, from, &stale->rect[i]);
    picture_damage_add(&p->damage, &letter);
    copy_rect(p, from, &letter);
}

/* Without decoupling: until the picture before has left. */
static void wait_for_the_last(void)
{
    const struct timespec pause = {.tv_nsec = 200000};
    for (int i = 0; i < 5000 && atomic_load(&left) < atomic_load(&replayed); i++)
        nanosleep(&pause, NULL);
}

static bool replay_one(struct capture_sink *sink, struct replay *r, uint64_t n)
{
    if (is_without("decoupling"))
        wait_for_the_last();
    struct picture *p = capture_sink_begin(sink, options.width, options.height);
    if (!p)
        return false;
    p->captured_us = capture_now_us();
    p->repeat = options.scene == STILL && n > 0;
    if (p->repeat)
        copy_rect(p, &r->drawn[0], &(struct picture_rect){0, 0, p->width, p->height});
    else
        replay_grab(sink, r, p, n);
    capture_sink_publish(sink, p);
    atomic_fetch_add(&replayed, 1);
    return true;
}

/* What is still is repeated once a second, and when somebody asks, as other backends do. */
static int replay_run(void *priv, struct capture_sink *sink, char *error, size_t error_size)
{
    (void)error, (void)error_size;
    int64_t start_us = capture_now_us(), interval_us = 1000000 / options.fps, due_us = start_us;
    uint64_t n = 0;
    for (;;) {
        enum capture_wake wake = capture_sink_wait(sink, -1, due_us);
        if (wake == CAPTURE_WAKE_STOP)
            return 0;
        if (wake == CAPTURE_WAKE_POKE && options.scene == STILL)
            due_us = capture_now_us() + interval_us;
        if (wake != CAPTURE_WAKE_TIMEOUT)
            continue;
        if (!replay_one(sink, priv, n++))
            atomic_fetch_add(&left_out, 1);
        due_us += options.scene == STILL ? 1000000 : interval_us;
        for (; due_us < capture_now_us(); due_us += interval_us)
            atomic_fetch_add(&left_out, 1);
    }
}

static void replay_close(void *priv)
{
    struct replay *r = priv;
    for (int i = 0; i < r->n_drawn; i++)
        free(r->drawn[i].plane[0]);
}

static const struct capture_ops replay_ops = {
    .kind = "replay",
    .priv_size = sizeof(struct replay),
    .open = replay_open,
    .run = replay_run,
    .close = replay_close,
};

/* --- CPU of threads --- */

struct cpu {
    int64_t capture_ns, encode_ns, worker_ns, other_ns;
};

static bool read_line(const char *id, const char *file, char *out, int size)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/task/%.16s/%s", id, file);
    FILE *f = fopen(path, "r");
    bool ok = f && fgets(out, size, f);
    if (f)
        fclose(f);
    return ok;
}

static struct cpu cpu_now(void)
{
    struct cpu c = {0};
    char name[64], times[128], own[16];
    snprintf(own, sizeof(own), "%d", (int)getpid());
    DIR *dir = opendir("/proc/self/task");
    for (struct dirent *d; dir && (d = readdir(dir));) {
        if (d->d_name[0] == '.' || strcmp(d->d_name, own) == 0 ||
            !read_line(d->d_name, "comm", name, sizeof(name)) ||
            !read_line(d->d_name, "schedstat", times, sizeof(times)))
            continue;
        int64_t ns = strtoll(times, NULL, 10);
        if (strncmp(name, "capture", 7) == 0)
            c.capture_ns += ns;
        else if (strncmp(name, "amphi-encode", 12) == 0)
            c.encode_ns += ns;
        else if (strncmp(name, "amphi-worker", 12) == 0)
            c.worker_ns += ns;
        else
            c.other_ns += ns;
    }
    if (dir)
        closedir(dir);
    return c;
}

/* --- one run --- */

static void ignore(void *arg)
{
    (void)arg;
}

static struct source *open_source(struct pipeline_viewer *v)
{
    char error[256];
    struct source *s;
    bool grab = options.display != NULL;
    if (grab)
        setenv("DISPLAY", options.display, 1);
    const struct source_config config = {
        .kind = grab ? "screen" : "pattern",
        .encoder = options.encoder,
        .codec = options.codec,
        .rate = {.bitrate_bps = (uint32_t)options.kbps * 1000, .fps = options.fps},
        .n_layers = 1,
        .forwarder = v->f,
        .stream_id = v->stream_id,
        .on_change = ignore,
        .trial = {.capture = grab ? NULL : &replay_ops,
                  .converts_all = is_without("damage"),
                  .waits_for_newer = is_without("newest")},
    };
    if (source_open(&s, &config, error, sizeof(error)) != 0)
        pipeline_fail(error);
    if (source_start(s) != 0)
        pipeline_fail("source does not start");
    return s;
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double percentile_ms(struct samples *s, unsigned percent)
{
    if (s->n == 0)
        return 0;
    qsort(s->value, s->n, sizeof(s->value[0]), compare);
    unsigned at = s->n * percent / 100;
    return (double)s->value[at < s->n ? at : s->n - 1] / 1e3;
}

static double share(int64_t after_ns, int64_t before_ns, double seconds)
{
    return (double)(after_ns - before_ns) / 1e7 / seconds;
}

struct moment {
    struct source_stats stats;
    struct cpu cpu;
    uint64_t left_out;
    int64_t at_us;
};

static void take_moment(struct moment *m, struct source *s)
{
    m->at_us = loopback_now_us();
    m->cpu = cpu_now();
    m->left_out = atomic_load(&left_out);
    source_stats(s, &m->stats);
}

static void print(const struct moment *a, const struct moment *b, struct source *s)
{
    struct source_info info;
    source_info(s, &info);
    double seconds = (double)(b->at_us - a->at_us) / 1e6;
    double missed = (double)(b->left_out - a->left_out);
    double due = (double)(b->stats.frames_captured - a->stats.frames_captured) + missed;
    double lost = missed + (double)(b->stats.frames_superseded - a->stats.frames_superseded) +
                  (double)(b->stats.frames_dropped - a->stats.frames_dropped);
    double capture = share(b->cpu.capture_ns, a->cpu.capture_ns, seconds);
    double encode = share(b->cpu.encode_ns, a->cpu.encode_ns, seconds);
    double worker = share(b->cpu.worker_ns, a->cpu.worker_ns, seconds);
    double other = share(b->cpu.other_ns, a->cpu.other_ns, seconds);
    double frames = units > 0 ? (double)units : 1;
    double in_encoder = 0;
    for (unsigned i = 0; i < encoder_cpu.n; i++)
        in_encoder += (double)encoder_cpu.value[i] / 1e3;
    printf("{\"name\":\"pipeline\",\"encoder\":\"%s\",\"codec\":\"%s\",\"size\":\"%dx%d\","
           "\"fps\":%d,\"scene\":\"%s\",\"without\":\"%s\",",
           info.encoder, info.codec, info.width, info.height, options.fps,
           options.display ? "display" : options.scene_name, options.without);
    printf("\"cpu_percent\":%.1f,\"capture_percent\":%.1f,\"encode_percent\":%.1f,"
           "\"worker_percent\":%.1f,\"encoder_cpu_ms\":%.2f,\"rest_cpu_ms\":%.3f,",
           capture + encode + worker + other, capture, encode, worker, in_encoder / frames,
           (capture + encode + worker + other) * seconds * 10 / frames - in_encoder / frames);
    printf("\"latency_p50_ms\":%.2f,\"latency_p99_ms\":%.2f,\"encoder_p50_ms\":%.2f,"
           "\"rest_p50_ms\":%.2f,\"rest_p99_ms\":%.2f,",
           percentile_ms(&total, 50), percentile_ms(&total, 99), percentile_ms(&encoder_wall, 50),
           percentile_ms(&rest, 50), percentile_ms(&rest, 99));
    printf("\"dropped_percent\":%.1f,\"frames_per_second\":%.1f,\"kilobytes_copied\":%.1f,"
           "\"allocations_per_second\":%.2f,\"encoder_allocations_per_second\":%.1f,"
           "\"kbps\":%.0f}\n",
           due > 0 ? lost * 100 / due : 0, (double)units / seconds, (double)copied / frames / 1e3,
           (double)atomic_load(&allocations_ours) / seconds,
           (double)atomic_load(&allocations_apart) / seconds, (double)b->stats.bitrate_bps / 1e3);
}

static void run(void)
{
    static struct moment before, after;
    struct pipeline_viewer v;
    pipeline_viewer_new(&v);
    struct source *s = open_source(&v);
    pipeline_viewer_connect(&v);
    pipeline_viewer_run(&v, loopback_now_us() + (int64_t)options.warm * 1000000);
    take_moment(&before, s);
    v.loop.check_us = INT64_MAX; /* libnice's HMAC of a check allocates */
    allocations_begin();
    atomic_store(&measuring, true);
    pipeline_viewer_run(&v, loopback_now_us() + (int64_t)options.seconds * 1000000);
    atomic_store(&measuring, false);
    allocations_end();
    take_moment(&after, s);
    print(&before, &after, s);
    source_close(s);
    pipeline_viewer_free(&v);
}

static void choose_scene(const char *name)
{
    static const char *const names[] = {"text", "typing", "natural", "still"};
    for (int i = 0; i < 4; i++) {
        if (strcmp(names[i], name) == 0) {
            options.scene = (enum scene_choice)(i + 1);
            options.scene_name = names[i];
            return;
        }
    }
    pipeline_fail("no such scene");
}

static void parse(const char *name, const char *value)
{
    if (strcmp(name, "--encoder") == 0)
        options.encoder = value;
    else if (strcmp(name, "--codec") == 0)
        options.codec = codec_from_name(value);
    else if (strcmp(name, "--size") == 0)
        sscanf(value, "%dx%d", &options.width, &options.height);
    else if (strcmp(name, "--fps") == 0)
        options.fps = atoi(value);
    else if (strcmp(name, "--kbps") == 0)
        options.kbps = atoi(value);
    else if (strcmp(name, "--scene") == 0)
        choose_scene(value);
    else if (strcmp(name, "--display") == 0)
        options.display = value;
    else if (strcmp(name, "--seconds") == 0)
        options.seconds = atoi(value);
    else if (strcmp(name, "--warm") == 0)
        options.warm = atoi(value);
    else if (strcmp(name, "--without") == 0)
        options.without = value;
    else
        pipeline_fail("no such option; the first comment of bench_pipeline.c tells them");
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        unsigned mask;
    } levels[] = {{"simd", 0}, {"avx2", CPU_SSE41}, {"avx512", CPU_SSE41 | CPU_AVX2}};
    allocations_exempt = true;
    for (int i = 1; i + 1 < argc; i += 2)
        parse(argv[i], argv[i + 1]);
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (is_without(levels[i].name))
            cpu_set_mask(levels[i].mask);
    }
    if (options.codec == 0 || options.width < 16 || options.height < 16 || options.fps < 1 ||
        options.seconds < 1 || cipher_install(CIPHER_AUTO) != 0)
        pipeline_fail("not possible");
    run();
    return 0;
}
