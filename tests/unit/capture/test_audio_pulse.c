/* Sound capture against a PulseAudio of the test's own: a null sink whose monitor is recorded, and
 * sources that sing; and against PipeWire's server for the same protocol. */
#include "capture/audio.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#ifdef AMPHI_PULSE

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SPEAKERS_HZ = 440, VOICE_HZ = 1000, OTHER_HZ = 2000 };
/* How many blocks may pass before a wanted change is heard. */
#define PATIENCE 1000

static struct {
    pid_t pid; /* 0: there is none to test with */
    char folder[64];
} server;

/* PipeWire's services end with the shell, and the shell with the test. */
static const char pipewire_script[] =
    "setpriv --pdeathsig KILL pipewire & "
    "until [ -S \"$XDG_RUNTIME_DIR/pipewire-0\" ]; do sleep 0.05; done; "
    "setpriv --pdeathsig KILL wireplumber & "
    "setpriv --pdeathsig KILL pipewire-pulse & wait";

/* --- a server --- */

static pid_t spawn(char *const argv[])
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* it does not outlive a test that dies */
    int null = open("/dev/null", O_RDWR);
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    execvp(argv[0], argv);
    _exit(127);
}

static void pactl(const char *verb, const char *what, const char *arg1, const char *arg2)
{
    char *argv[] = {"pactl", (char *)verb, (char *)what, (char *)arg1, (char *)arg2, NULL};
    int status;
    assert_int_equal(waitpid(spawn(argv), &status, 0) > 0, 1);
    if (status != 0)
        fail_msg("pactl %s %s failed", verb, what);
}

static bool is_up(void)
{
    struct audio_input inputs[4];
    char error[256];
    return audio_list(inputs, 4, error, sizeof(error)) > 0;
}

static void wait_until_up(void)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    for (int i = 0; i < 500 && !is_up(); i++) {
        if (waitpid(server.pid, NULL, WNOHANG) == server.pid) {
            server.pid = 0;
            return; /* it is not installed */
        }
        nanosleep(&pause, NULL);
    }
}

static void start_server(void)
{
    char socket[160];
    snprintf(socket, sizeof(socket),
             "module-native-protocol-unix socket=%s/native auth-anonymous=1", server.folder);
    char *argv[] = {"pulseaudio",
                    "-n",
                    "--daemonize=no",
                    "--exit-idle-time=-1",
                    "--use-pid-file=no",
                    "--realtime=no",
                    "--high-priority=no",
                    "-L",
                    socket,
                    "-L",
                    "module-null-sink sink_name=speakers",
                    "-L",
                    "module-sine sink=speakers frequency=440",
                    "-L",
                    "module-sine-source source_name=voice frequency=1000",
                    NULL};
    server.pid = spawn(argv);
    wait_until_up();
    if (server.pid)
        pactl("set-default-source", "voice", NULL, NULL);
}

static void start_pipewire(void)
{
    char *argv[] = {"dbus-run-session",      "--", "setpriv", "--pdeathsig", "KILL", "sh", "-c",
                    (char *)pipewire_script, NULL};
    server.pid = spawn(argv);
    wait_until_up();
}

static void end(pid_t pid)
{
    kill(-pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static void stop_server(void)
{
    if (server.pid > 0)
        end(server.pid);
    server.pid = 0;
}

static int remove_entry(const char *path, const struct stat *about, int type, struct FTW *where)
{
    (void)about;
    (void)type;
    (void)where;
    return remove(path);
}

static int setup(void **state)
{
    (void)state;
    snprintf(server.folder, sizeof(server.folder), "/tmp/amphi-pulse-XXXXXX");
    assert_non_null(mkdtemp(server.folder));
    static const char *const homes[] = {"HOME",
                                        "XDG_RUNTIME_DIR",
                                        "PULSE_RUNTIME_PATH",
                                        "PULSE_STATE_PATH",
                                        "XDG_CONFIG_HOME",
                                        "XDG_STATE_HOME"};
    for (size_t i = 0; i < sizeof(homes) / sizeof(homes[0]); i++)
        setenv(homes[i], server.folder, 1);
    char address[96];
    snprintf(address, sizeof(address), "unix:%s/native", server.folder);
    setenv("PULSE_SERVER", address, 1);
    start_server();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stop_server();
    nftw(server.folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    return 0;
}

/* --- what is heard --- */

static struct audio *listen_to(const char *kind, const char *arg)
{
    struct audio *a = NULL;
    char error[256] = "";
    const struct audio_config config = {.kind = kind, .arg = arg};
    if (audio_open(&a, &config, error, sizeof(error)) != 0)
        fail_msg("%s", error);
    assert_int_equal(audio_start(a), 0);
    return a;
}

/* What part of the power of a tenth of a second has this pitch. Blocks follow each other. */
static double share(struct audio *a, int hz, int64_t *late_us)
{
    double sine = 0, cosine = 0, all = 1;
    int64_t place = -1;
    for (int n = 0; n < 10; n++) {
        struct audio_block block;
        if (!audio_take(a, &block))
            fail_msg("it ended: %s", audio_end_reason(a));
        assert_true(place < 0 || block.place >= place + AUDIO_BLOCK_SAMPLES);
        place = block.place;
        for (int i = 0; i < AUDIO_BLOCK_SAMPLES; i++) {
            double phase = 2 * M_PI * hz * (n * AUDIO_BLOCK_SAMPLES + i) / AUDIO_RATE_HZ;
            sine += block.pcm[2 * i] * sin(phase);
            cosine += block.pcm[2 * i] * cos(phase);
            all += (double)block.pcm[2 * i] * block.pcm[2 * i];
        }
    }
    if (late_us)
        *late_us = audio_now_us() - audio_place_us(place + AUDIO_BLOCK_SAMPLES);
    return 2 * (sine * sine + cosine * cosine) / (10 * AUDIO_BLOCK_SAMPLES) / all;
}

static bool hears(struct audio *a, int hz)
{
    for (int i = 0; i < PATIENCE / 10; i++) {
        if (share(a, hz, NULL) > 0.3)
            return true;
    }
    return false;
}

static bool has_server(void)
{
    if (server.pid == 0)
        skip();
    return server.pid > 0;
}

static void expect_refused(const char *kind, const char *arg, const char *word)
{
    struct audio *a = NULL;
    char error[256] = "";
    const struct audio_config config = {.kind = kind, .arg = arg};
    assert_int_equal(audio_open(&a, &config, error, sizeof(error)), -ENODEV);
    assert_null(a);
    if (!strstr(error, word))
        fail_msg("%s", error);
}

static void expect_gone(struct audio *a, const char *reason)
{
    struct audio_block block;
    for (int i = 0; i < PATIENCE && audio_take(a, &block); i++)
        continue;
    assert_non_null(audio_end_reason(a));
    assert_string_equal(audio_end_reason(a), reason);
    assert_true(audio_may_return(a));
    audio_close(a);
}

/* --- tests --- */

static void each_kind_hears_what_it_names(void **state)
{
    static const struct {
        const char *kind, *arg, *name;
        int hz;
    } rows[] = {
        {"default", NULL, "Sine source at 1000 Hz", VOICE_HZ},
        {"pulse", "voice", "Sine source at 1000 Hz", VOICE_HZ},
        {"monitor", NULL, "Monitor of Null Output", SPEAKERS_HZ},
        {"pulse", "speakers.monitor", "Monitor of Null Output", SPEAKERS_HZ},
    };
    (void)state;
    if (!has_server())
        return;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct audio *a = listen_to(rows[i].kind, rows[i].arg);
        struct audio_info info;
        audio_info(a, &info);
        assert_string_equal(info.name, rows[i].name);
        assert_true(hears(a, rows[i].hz));
        audio_close(a);
    }
}

/* Of a monitor, the time is that at which the sound is heard, so it may lie ahead. */
static void sound_stands_at_the_time_it_was_taken(void **state)
{
    (void)state;
    if (!has_server())
        return;
    struct audio *a = listen_to("monitor", NULL);
    int64_t late_us = 0, least = INT64_MAX;
    for (int i = 0; i < 15; i++) {
        share(a, SPEAKERS_HZ, &late_us);
        if (i > 5 && late_us < least)
            least = late_us;
    }
    struct audio_stats stats;
    audio_stats(a, &stats);
    print_message("%d us behind, %u stretched\n", (int)least, (unsigned)stats.stretched);
    assert_in_range(least + 60000, 0, 160000);
    assert_true(stats.captured >= 150);
    audio_close(a);
}

static void inputs_are_listed(void **state)
{
    (void)state;
    if (!has_server())
        return;
    struct audio_input inputs[8];
    char error[256];
    assert_int_equal(audio_list(inputs, 8, error, sizeof(error)), 2);
    assert_string_equal(inputs[0].arg, "pulse:speakers.monitor");
    assert_true(inputs[0].is_monitor);
    assert_string_equal(inputs[1].arg, "pulse:voice");
    assert_string_equal(inputs[1].name, "Sine source at 1000 Hz");
    assert_false(inputs[1].is_monitor);
    assert_int_equal(audio_list(inputs, 1, error, sizeof(error)), 1);
}

static void a_monitor_follows_the_default_output(void **state)
{
    (void)state;
    if (!has_server())
        return;
    struct audio *a = listen_to("monitor", NULL);
    pactl("load-module", "module-null-sink", "sink_name=headphones", NULL);
    pactl("load-module", "module-sine", "sink=headphones", "frequency=2000");
    assert_true(hears(a, SPEAKERS_HZ));
    assert_true(share(a, OTHER_HZ, NULL) < 0.01);
    pactl("set-default-sink", "headphones", NULL, NULL); /* the other tone moves there, too */
    assert_true(hears(a, OTHER_HZ));
    audio_close(a);
}

static void the_default_input_is_followed(void **state)
{
    (void)state;
    if (!has_server())
        return;
    struct audio *a = listen_to("default", NULL);
    assert_true(hears(a, VOICE_HZ));
    pactl("load-module", "module-sine-source", "source_name=second", "frequency=2000");
    pactl("set-default-source", "second", NULL, NULL);
    assert_true(hears(a, OTHER_HZ));
    pactl("unload-module", "module-sine-source", NULL, NULL);
    audio_close(a);
}

static void an_input_that_is_unplugged_can_come_back(void **state)
{
    (void)state;
    if (!has_server())
        return;
    struct audio *a = listen_to("pulse", "voice");
    assert_true(hears(a, VOICE_HZ));
    pactl("unload-module", "module-sine-source", NULL, NULL);
    expect_gone(a, "the audio input went away");
    expect_refused("pulse", "voice", "no input \"voice\"");
    pactl("load-module", "module-sine-source", "source_name=voice", "frequency=1000");
    a = listen_to("pulse", "voice");
    assert_true(hears(a, VOICE_HZ));
    audio_close(a);
}

/* A monitor must never become a microphone, which is what is left here. */
static void an_output_that_vanishes_ends_its_monitor(void **state)
{
    (void)state;
    if (!has_server())
        return;
    struct audio *a = listen_to("pulse", "speakers.monitor");
    assert_true(hears(a, SPEAKERS_HZ));
    pactl("unload-module", "module-null-sink", NULL, NULL);
    expect_gone(a, "the audio input went away");
    expect_refused("monitor", NULL, "no output to listen to");
}

static void a_server_that_ends_is_named(void **state)
{
    (void)state;
    if (!has_server())
        return;
    struct audio *a = listen_to("default", NULL);
    assert_true(hears(a, VOICE_HZ));
    stop_server();
    expect_gone(a, "the sound server went away");
    expect_refused("default", NULL, "no sound server answers");
    struct audio_input inputs[1];
    char error[256] = "";
    assert_int_equal(audio_list(inputs, 1, error, sizeof(error)), -ENODEV);
    assert_non_null(strstr(error, "no sound server answers"));
}

static void stop_does_not_wait_for_sound(void **state)
{
    (void)state;
    if (!has_server())
        return;
    struct audio *a = listen_to("pulse", "voice");
    pactl("suspend-source", "voice", "1", NULL);
    audio_close(a);
}

/* Ten seconds of a tone for pacat. */
static void write_tone(const char *path)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    for (int i = 0; i < 10 * AUDIO_RATE_HZ; i++) {
        int16_t v = (int16_t)(8000 * sin(2 * M_PI * SPEAKERS_HZ * i / AUDIO_RATE_HZ));
        assert_int_equal(fwrite((const int16_t[]){v, v}, 2, 2, file), 2);
    }
    fclose(file);
}

/* The default output is known a moment after it was made. */
static void wait_for_monitor(void)
{
    const struct audio_config config = {.kind = "monitor"};
    const struct timespec pause = {.tv_nsec = 20000000};
    for (int i = 0; i < 500; i++) {
        struct audio *a = NULL;
        char error[256];
        struct audio_info info = {.name = ""};
        if (audio_open(&a, &config, error, sizeof(error)) == 0)
            audio_info(a, &info);
        audio_close(a);
        if (strstr(info.name, "speakers"))
            return;
        nanosleep(&pause, NULL);
    }
    fail_msg("the new output did not become the default one");
}

static void pipewire_serves_as_well(void **state)
{
    (void)state;
    stop_server();
    start_pipewire();
    if (!has_server())
        return;
    pactl("load-module", "module-null-sink", "sink_name=speakers", NULL);
    wait_for_monitor();
    char tone[96];
    snprintf(tone, sizeof(tone), "%s/tone", server.folder);
    write_tone(tone);
    char *argv[] = {"pacat", "--raw", "--rate=48000", "--channels=2", "--format=s16le", tone, NULL};
    pid_t player = spawn(argv);
    struct audio *a = listen_to("monitor", NULL);
    assert_true(hears(a, SPEAKERS_HZ));
    struct audio_stats stats;
    audio_stats(a, &stats);
    print_message("%u of %u stretched\n", (unsigned)stats.stretched, (unsigned)stats.captured);
    audio_close(a);
    end(player);
    a = listen_to("pulse", "speakers.monitor");
    pactl("unload-module", "module-null-sink", NULL, NULL);
    expect_gone(a, "the audio input went away");
    stop_server();
    expect_refused("monitor", NULL, "no sound server answers");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_kind_hears_what_it_names),
        TEST(sound_stands_at_the_time_it_was_taken),
        TEST(inputs_are_listed),
        TEST(a_monitor_follows_the_default_output),
        TEST(the_default_input_is_followed),
        TEST(an_input_that_is_unplugged_can_come_back),
        TEST(an_output_that_vanishes_ends_its_monitor),
        TEST(a_server_that_ends_is_named),
        TEST(stop_does_not_wait_for_sound),
        TEST(pipewire_serves_as_well),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void without_the_library_it_is_refused_in_words(void **state)
{
    (void)state;
    struct audio *a = NULL;
    char error[256];
    const struct audio_config config = {.kind = "default"};
    assert_true(audio_open(&a, &config, error, sizeof(error)) < 0);
    assert_int_equal(error[0], 't');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_library_it_is_refused_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
