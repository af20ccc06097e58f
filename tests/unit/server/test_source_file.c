/* The file kind of source, from films of the encoders to a forwarder that keeps what it is given.
 */
#include "server/cadence.h"
#include "server/source.h"

#include "tests/unit/capture/ivf_write.h"
#include "tests/unit/server/encoded_film.h"
#include "rtp/payload/payload.h"
#include "tests/unit/server/fake_forwarder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

static struct forwarder forwarder;
static atomic_uint changes;
static char path[64], error[512];
static uint8_t unit[1 << 20];

static void on_change(void *arg)
{
    (void)arg;
    atomic_fetch_add(&changes, 1);
}

static int setup(void **state)
{
    (void)state;
    atomic_store(&changes, 0);
    fake_init(&forwarder);
    strcpy(path, "film-XXXXXX");
    int fd = mkstemp(path);
    close(fd);
    return fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    fake_finish(&forwarder);
    return 0;
}

static void save(const void *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static int open_path(struct source **s, const char *file, int fps)
{
    const struct source_config config = {
        .kind = "file",
        .arg = file,
        .codec = CODEC_H264,
        .rate = {.bitrate_bps = 500000, .fps = fps},
        .stream_id = FAKE_STREAM_ID,
        .forwarder = &forwarder,
        .on_change = on_change,
    };
    error[0] = '\0';
    return source_open(s, &config, error, sizeof(error));
}

/* Plays what was saved until that many frames came, and closes it. */
static void play(int fps, unsigned frames)
{
    struct source *s;
    if (open_path(&s, path, fps) != 0)
        fail_msg("%s", error);
    assert_int_equal(source_start(s), 0);
    assert_true(fake_wait(&forwarder, frames));
    source_close(s);
}

/* Frame `i` holds picture `k` of the film, after `headers` of it. */
static void assert_frame(unsigned i, const struct film *film, unsigned k, size_t headers)
{
    size_t size = fake_unit(&forwarder, i, unit, sizeof(unit));
    size_t own = film->offset[k + 1] - film->offset[k];
    if (size != headers + own)
        fail_msg("frame %u has %zu bytes, not %zu + %zu", i, size, headers, own);
    assert_memory_equal(unit, film->data, headers);
    assert_memory_equal(unit + headers, film->data + film->offset[k], own);
    assert_int_equal(forwarder.frames[i]->keyframe, film->keyframe[k]);
}

static void assert_plays_over(const char *backend)
{
    struct film film;
    film_make(&film, backend, 176, 144, 12, 5);
    save(film.data, film.size);
    unsigned frames = 3 * film.n + 2;
    play(120, frames);
    for (unsigned i = 0; i < frames; i++) {
        const struct frame *f = forwarder.frames[i];
        assert_frame(i, &film, i % film.n, 0);
        assert_int_equal(f->id, i + 1);
        assert_true(f->rtp_ts == (uint32_t)(f->captured_us * 9 / 100));
    }
    film_free(&film);
}

static void a_film_plays_over_and_over(void **state)
{
    (void)state;
    assert_plays_over(NULL);
}

static void a_film_of_the_fake_encoder_does_too(void **state)
{
    (void)state;
    assert_plays_over("fake");
}

/* Frame n is due n periods after the first. A machine that stood still for longer than a second
 * moves all that follow. */
static void assert_due(unsigned frames, int rate)
{
    int64_t begin = forwarder.frames[0]->captured_us;
    for (unsigned i = 0; i < frames; i++) {
        int64_t late = forwarder.frames[i]->captured_us - begin - (int64_t)i * 1000000 / rate;
        if (late > CADENCE_MAX_LATE_US)
            begin += late;
        else if (late != 0)
            fail_msg("frame %u is due %lld us late", i, (long long)late);
    }
}

static void pictures_are_due_at_the_exact_rate_over_the_loop(void **state)
{
    (void)state;
    struct film film;
    film_make(&film, "fake", 64, 64, 7, 7);
    save(film.data, film.size);
    play(70, 3 * 7 + 1);
    assert_due(3 * 7 + 1, 70);
    film_free(&film);
}

static void save_ivf(const struct film *film, const char *fourcc, uint32_t rate, uint32_t ticks)
{
    static struct ivf_writer ivf;
    ivf_write_header(&ivf, fourcc, rate, 1);
    for (unsigned i = 0; i < film->n; i++)
        ivf_write_frame(&ivf, (uint64_t)i * ticks, film->data + film->offset[i],
                        film->offset[i + 1] - film->offset[i]);
    save(ivf.data, ivf.size);
}

/* The packets of frame i hold the picture as it stands in the file. */
static void assert_coded_frame(unsigned i, const struct film *film, unsigned k)
{
    const struct frame *f = forwarder.frames[i];
    struct payload_assembler a;
    payload_assemble_begin(&a, (enum payload_codec)f->codec, unit, sizeof(unit));
    for (unsigned p = 0; p < f->payload.n_packets; p++)
        payload_assemble(&a, f->payload.data + f->payload.packets[p].offset,
                         f->payload.packets[p].size);
    size_t size = payload_assemble_end(&a), own = film->offset[k + 1] - film->offset[k];
    /* sizes of OBUs may be written shorter than they were */
    bool is_av1 = f->codec == PAYLOAD_AV1;
    if (is_av1 ? size == 0 || size > own || own - size > 8 : size != own)
        fail_msg("frame %u has %zu bytes, not %zu", i, size, own);
    if (!is_av1)
        assert_memory_equal(unit, film->data + film->offset[k], own);
    assert_int_equal(f->keyframe, film->keyframe[k]);
    assert_int_equal(payload_is_keyframe((enum payload_codec)f->codec, unit, size), f->keyframe);
}

static void films_of_other_codecs_play_from_ivf(void **state)
{
    (void)state;
    static const struct {
        enum codec codec;
        enum payload_codec payload;
        const char *fourcc;
    } rows[] = {{CODEC_VP8, PAYLOAD_VP8, "VP80"},
                {CODEC_VP9, PAYLOAD_VP9, "VP90"},
                {CODEC_AV1, PAYLOAD_AV1, "AV01"}};
    for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
        struct film film;
        film_make_of(&film, rows[r].codec, NULL, 176, 144, 8, 4);
        save_ivf(&film, rows[r].fourcc, 60, 1);
        unsigned frames = 2 * film.n + 1, first = forwarder.n_frames;
        play(1, first + frames);
        for (unsigned i = 0; i < frames; i++) {
            assert_int_equal(forwarder.frames[first + i]->codec, rows[r].payload);
            assert_coded_frame(first + i, &film, i % film.n);
        }
        film_free(&film);
    }
}

static void ivf_plays_at_its_own_rate(void **state)
{
    (void)state;
    struct film film;
    film_make(&film, "fake", 64, 64, 6, 3);
    save_ivf(&film, "H264", 90000, 900);
    play(1, 13); /* --fps does not count */
    for (unsigned i = 0; i < 13; i++)
        assert_frame(i, &film, i % 6, 0);
    assert_due(13, 100);
    film_free(&film);
}

static void pictures_before_the_first_keyframe_are_not_played(void **state)
{
    (void)state;
    struct film film;
    film_make(&film, "fake", 64, 64, 6, 3);
    save(film.data + film.offset[1], film.size - film.offset[1]);
    play(120, 9);
    for (unsigned i = 0; i < 9; i++)
        assert_frame(i, &film, 3 + i % 3, 0);
    film_free(&film);
}

static void every_keyframe_is_sent_with_parameter_sets(void **state)
{
    (void)state;
    struct film film;
    film_make(&film, "fake", 64, 64, 6, 3);
    /* the same without those of picture 3, as encoders do that write them once */
    size_t headers = 0;
    const uint8_t *at = film.data;
    for (size_t i = 0; i + 4 < film.offset[1] && !headers; i++) {
        if (memcmp(at + i, "\0\0\0\1\x65", 5) == 0)
            headers = i;
    }
    assert_true(headers > 0);
    assert_memory_equal(film.data + film.offset[3], film.data, headers);
    size_t cut = film.offset[3];
    memmove(film.data + cut, film.data + cut + headers, film.size - cut - headers);
    for (unsigned i = 4; i <= film.n; i++)
        film.offset[i] -= headers;
    film.size -= headers;
    save(film.data, film.size);
    play(120, 12);
    for (unsigned i = 0; i < 12; i++)
        assert_frame(i, &film, i % 6, i % 6 == 3 ? headers : 0);
    film_free(&film);
}

static void a_new_size_in_the_film_is_told(void **state)
{
    (void)state;
    struct film small, large;
    film_make(&small, "fake", 64, 64, 2, 2);
    film_make(&large, "fake", 128, 96, 2, 2);
    for (unsigned i = 0; i < large.n; i++)
        film_add(&small, &(struct encoded){.data = large.data + large.offset[i],
                                           .size = large.offset[i + 1] - large.offset[i],
                                           .keyframe = large.keyframe[i]});
    save(small.data, small.size);
    struct source *s;
    assert_int_equal(open_path(&s, path, 120), 0);
    struct source_info info;
    source_info(s, &info);
    assert_int_equal(info.width, 64);
    assert_int_equal(source_start(s), 0);
    assert_true(fake_wait(&forwarder, 6)); /* small, large, small */
    source_close(s);
    assert_true(atomic_load(&changes) >= 3);
    film_free(&small);
    film_free(&large);
}

static void the_figures_are_those_of_what_was_played(void **state)
{
    (void)state;
    struct film film;
    film_make(&film, NULL, 322, 182, 4, 4); /* not whole macroblocks */
    save(film.data, film.size);
    struct source *s;
    struct source_info info;
    struct source_stats stats;
    assert_int_equal(open_path(&s, path, 120), 0);
    source_info(s, &info);
    assert_false(info.live);
    assert_int_equal(info.width, 322);
    assert_int_equal(info.height, 182);
    assert_string_equal(info.name, path);
    assert_string_equal(info.kind, "file");
    assert_string_equal(info.codec, "h264");
    assert_string_equal(info.encoder, "none");
    assert_int_equal(source_start(s), 0);
    assert_true(fake_wait(&forwarder, 9));
    source_info(s, &info);
    source_stats(s, &stats);
    assert_true(info.live);
    assert_int_equal(atomic_load(&changes), 1);
    assert_memory_equal(info.h264_profile, film.data + 5, 3); /* behind 00 00 00 01 67 */
    assert_true(stats.frames_encoded >= 9 && stats.keyframes >= 3);
    assert_true(stats.frames_captured >= stats.frames_encoded);
    assert_int_equal(stats.frames_dropped + stats.frames_superseded, 0);
    assert_int_equal(histogram_percentile(stats.encode_us, 1), 0);
    assert_int_equal(histogram_percentile(stats.convert_us, 1), 0);
    source_close(s);
    film_free(&film);
}

static void a_request_is_granted_by_the_next_keyframe_of_the_film(void **state)
{
    (void)state;
    struct film film;
    film_make(&film, "fake", 64, 64, 8, 8);
    save(film.data, film.size);
    struct source *s;
    struct source_stats stats;
    assert_int_equal(open_path(&s, path, 120), 0);
    assert_int_equal(source_start(s), 0);
    assert_true(fake_wait(&forwarder, 2));
    forwarder.source.want_keyframe(forwarder.source.arg, 0, 3);
    assert_true(fake_wait(&forwarder, 20)); /* two keyframes later */
    forwarder.source.want_keyframe(forwarder.source.arg, 0, 1);
    assert_true(fake_wait(&forwarder, 22));
    source_stats(s, &stats);
    assert_int_equal(stats.keyframe_requests, 4);
    assert_int_equal(stats.keyframe_requests_coalesced, 2); /* the fourth did not join them */
    source_close(s);
    for (unsigned i = 0; i < 20; i++) /* and none was made for it */
        assert_int_equal(forwarder.frames[i]->keyframe, i % 8 == 0);
    film_free(&film);
}

static void names_are_utf8_and_fit(void **state)
{
    (void)state;
    struct film film;
    film_make(&film, "fake", 64, 64, 1, 1);
    char longer[200] = "";
    for (int i = 0; i < 40; i++)
        strcat(longer, "\xc3\xa4"); /* 80 bytes of two each */
    static const char odd[] = "film-\xff-odd";
    const char *const names[] = {longer, odd};
    for (int i = 0; i < 2; i++) {
        save(film.data, film.size);
        assert_int_equal(rename(path, names[i]), 0);
        struct source *s;
        int err = open_path(&s, names[i], 30);
        unlink(names[i]);
        assert_int_equal(err, 0);
        struct source_info info;
        source_info(s, &info);
        source_close(s);
        if (i == 0) {
            assert_int_equal(strlen(info.name), 62);
            assert_memory_equal(info.name, longer, 62);
        } else {
            assert_string_equal(info.name, "film-\xef\xbf\xbd-odd");
        }
    }
    film_free(&film);
}

static void assert_refused(const char *file, const char *says)
{
    struct source *s = NULL;
    int err = open_path(&s, file, 30);
    if (err >= 0 || !strstr(error, says) || strchr(error, '\n') || s)
        fail_msg("%s: %d \"%s\", not \"%s\"", file, err, error, says);
    assert_false(forwarder.has_source);
}

static void what_cannot_be_played_is_said(void **state)
{
    (void)state;
    struct film film;
    film_make(&film, "fake", 64, 64, 3, 3);
    assert_refused("no/such/file.h264", "no/such/file.h264 cannot be opened: No such file");
    assert_refused(".", "not a regular file");
    assert_refused(path, "is empty");
    save("hello", 5);
    assert_refused(path, "neither");
    save_ivf(&film, "VP70", 30, 1);
    assert_refused(path, "not known");
    save_ivf(&film, "H264", 30, 1);
    struct stat about;
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(truncate(path, about.st_size - 1), 0);
    assert_refused(path, "cut off after 2 pictures");
    save(film.data + film.offset[1], film.size - film.offset[1]);
    assert_refused(path, "no H.264 keyframe");
    assert_int_equal(truncate(path, (1ll << 30) + 1), 0);
    assert_refused(path, "larger than 1 GiB");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_refused(path, "not a regular file");
    film_free(&film);
}

static void a_picture_too_large_for_a_frame_is_refused(void **state)
{
    (void)state;
    struct film film;
    film_make(&film, "fake", 64, 64, 2, 2);
    size_t size = film.size + 3000000;
    uint8_t *data = malloc(size);
    assert_non_null(data);
    memset(data, 0x55, size);
    memcpy(data, film.data, film.size);
    save(data, size);
    assert_refused(path, "3000000 are the most");
    save(data, size - film.offset[2] + film.offset[1]); /* exactly that many in picture 1 */
    struct source *s;
    assert_int_equal(open_path(&s, path, 30), 0);
    source_close(s);
    free(data);
    film_free(&film);
}

static void a_file_without_a_path_is_refused(void **state)
{
    (void)state;
    assert_refused(NULL, "file:PATH");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_film_plays_over_and_over),
        TEST(a_film_of_the_fake_encoder_does_too),
        TEST(pictures_are_due_at_the_exact_rate_over_the_loop),
        TEST(films_of_other_codecs_play_from_ivf),
        TEST(ivf_plays_at_its_own_rate),
        TEST(pictures_before_the_first_keyframe_are_not_played),
        TEST(every_keyframe_is_sent_with_parameter_sets),
        TEST(a_new_size_in_the_film_is_told),
        TEST(the_figures_are_those_of_what_was_played),
        TEST(a_request_is_granted_by_the_next_keyframe_of_the_film),
        TEST(names_are_utf8_and_fit),
        TEST(what_cannot_be_played_is_said),
        TEST(a_picture_too_large_for_a_frame_is_refused),
        TEST(a_file_without_a_path_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
