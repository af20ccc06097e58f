/* test_gcc_paths.c - the bandwidth estimate on whole paths: one bottleneck, a virtual clock, seeds.
 *
 * The sender is gcc_flow.c: 30 frames a second that vary by 30 %, a keyframe of five frames' size
 * every ten seconds, trains 5 ms apart. A row that fails prints its seed.
 */
#include "tests/sim/gcc_flow.h"
#include "tests/sim/tcp_flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MS INT64_C(1000)
#define SECOND INT64_C(1000000)
#define TCP_FLOW 3

static struct bottleneck link;
static struct gcc_flow flows[2];
static unsigned n_flows;
static struct tcp_flow tcp;
static bool has_tcp;
static int64_t now;
static double estimate_sum, estimate_least, estimate_most; /* of flow 0, since forget() */
static unsigned estimate_count;

static void begin(uint64_t rate_bps, int64_t delay_us, uint64_t seed)
{
    print_message("%.1f Mbit/s, %lld ms, seed %llu\n", (double)rate_bps / 1e6,
                  (long long)(delay_us / MS), (unsigned long long)seed);
    bottleneck_init(&link, rate_bps, delay_us, 300 * MS, seed);
    link.jitter_us = 2 * MS;
    now = SECOND;
    n_flows = 0;
    has_tcp = false;
}

static struct gcc_flow_config flow_config(uint64_t seed)
{
    return (struct gcc_flow_config){
        .flow = n_flows,
        .seed = seed,
        .min_bps = 100000,
        .max_bps = 20000000,
        .variation = 0.3,
        .keyframe_us = 10 * SECOND,
        .keyframe_size = 5,
        .feedback_us = 100 * MS,
        .back_us = link.delay_us,
        .clock_offset_us = 123456789,
        .clock_drift = 5e-5,
        .gcc = {.start_bps = 1000000, .min_bps = 50000, .max_bps = 50000000},
    };
}

static void add_flow(const struct gcc_flow_config *config)
{
    gcc_flow_init(&flows[n_flows++], config, now);
}

static void add_default_flow(uint64_t seed)
{
    const struct gcc_flow_config config = flow_config(seed);
    add_flow(&config);
}

static void forget(void)
{
    bottleneck_forget(&link);
    estimate_sum = estimate_most = 0;
    estimate_least = 1e12;
    estimate_count = 0;
}

static void step(void)
{
    struct bottleneck_packet p;
    now += MS;
    while (bottleneck_receive(&link, &p, now)) {
        if (p.flow == TCP_FLOW)
            tcp_flow_on_arrival(&tcp, &p);
        else
            gcc_flow_on_arrival(&flows[p.flow], &p);
    }
    for (unsigned i = 0; i < n_flows; i++)
        gcc_flow_step(&flows[i], &link, now);
    if (has_tcp)
        tcp_flow_step(&tcp, &link, now);
    double estimate = (double)gcc_estimate_bps(&flows[0].gcc);
    estimate_sum += estimate;
    estimate_count++;
    estimate_least = estimate < estimate_least ? estimate : estimate_least;
    estimate_most = estimate > estimate_most ? estimate : estimate_most;
}

static void run(int64_t us)
{
    for (int64_t end = now + us; now < end;)
        step();
}

static double mean_estimate(void)
{
    return estimate_sum / estimate_count;
}

static double share(unsigned flow, int64_t us)
{
    return (double)link.served_bytes[flow] * 8e6 / (double)link.rate_bps / (double)us;
}

#define assert_between(x, low, high)                                                               \
    do {                                                                                           \
        double got_ = (x);                                                                         \
        if (got_ < (low) || got_ > (high))                                                         \
            fail_msg("%s is %.3f, not %.3f to %.3f", #x, got_, (double)(low), (double)(high));     \
    } while (0)

static void test_the_estimate_finds_the_bottleneck(void **state)
{
    (void)state;
    static const double rates[] = {1e6, 2.5e6, 8e6};
    static const int64_t delays[] = {5 * MS, 25 * MS, 100 * MS};
    for (uint64_t i = 0; i < 27; i++) {
        double rate = rates[i % 3];
        begin((uint64_t)rate, delays[i / 3 % 3], i);
        add_default_flow(i);
        run(10 * SECOND);
        forget();
        run(20 * SECOND);
        assert_between(mean_estimate() / rate, 0.85, 1.05);
        assert_between(estimate_least / rate, 0.78, 1);
        assert_between(estimate_most / rate, 0.85, 1.2);
        assert_between(bottleneck_wait_ms(&link, 0, 0.95), 0, 100);
        assert_between(bottleneck_wait_ms(&link, 0, 0.5), 0, 40);
        assert_int_equal(flows[0].gcc.counters.bad_feedbacks, 0);
    }
}

static void test_the_estimate_rises_fast_at_the_start(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        begin(20000000, 25 * MS, seed);
        add_default_flow(seed);
        run(2 * SECOND);
        assert_between((double)gcc_estimate_bps(&flows[0].gcc) / 20e6, 0.5, 1.1);
    }
}

static void test_a_drop_is_followed_and_so_is_its_end(void **state)
{
    (void)state;
    static const double rates[] = {1e6, 2.5e6, 8e6};
    for (uint64_t i = 0; i < 12; i++) {
        double rate = rates[i % 3];
        begin((uint64_t)rate, 25 * MS, i);
        add_default_flow(i);
        run(15 * SECOND);
        link.rate_bps = (uint64_t)(0.3 * rate);
        run(2 * SECOND);
        assert_between((double)gcc_estimate_bps(&flows[0].gcc) / rate / 0.3, 0.5, 1.05);
        forget();
        run(500 * MS);
        assert_between(bottleneck_wait_ms(&link, 0, 0.5), 0, 150);
        run(12 * SECOND);
        link.rate_bps = (uint64_t)rate;
        run(15 * SECOND);
        assert_between((double)gcc_estimate_bps(&flows[0].gcc) / rate, 0.8, 1.15);
    }
}

static void test_two_viewers_share(void **state)
{
    (void)state;
    static const double rates[] = {1e6, 2.5e6, 8e6};
    for (uint64_t i = 0; i < 9; i++) {
        begin((uint64_t)rates[i % 3], 25 * MS, i);
        add_default_flow(i);
        run(10 * SECOND); /* the other comes later */
        add_default_flow(i + 100);
        run(40 * SECOND);
        forget();
        run(60 * SECOND);
        assert_between(share(0, 60 * SECOND), 0.3, 0.7);
        assert_between(share(1, 60 * SECOND), 0.3, 0.7);
        assert_between(share(0, 60 * SECOND) + share(1, 60 * SECOND), 0.8, 1);
        assert_between(bottleneck_wait_ms(&link, 0, 0.95), 0, 150);
    }
}

static void test_tcp_does_not_starve_it(void **state)
{
    (void)state;
    static const double rates[] = {1e6, 2.5e6, 8e6};
    for (uint64_t i = 0; i < 9; i++) {
        begin((uint64_t)rates[i % 3], 25 * MS, i);
        add_default_flow(i);
        run(10 * SECOND);
        tcp_flow_init(&tcp, TCP_FLOW, 25 * MS, now);
        has_tcp = true;
        run(5 * SECOND);
        forget();
        run(60 * SECOND);
        assert_between(share(0, 60 * SECOND), 0.2, 0.6);
        assert_between(share(TCP_FLOW, 60 * SECOND), 0.35, 0.8); /* nor the other way round */
    }
}

/* Media of one rate, below what the path takes. */
static void test_an_application_limit_does_not_drag_it_down(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        begin(8000000, 25 * MS, seed);
        struct gcc_flow_config config = flow_config(seed);
        config.min_bps = config.max_bps = 2000000;
        add_flow(&config);
        run(10 * SECOND);
        forget();
        run(60 * SECOND);
        assert_between(estimate_least / 8e6, 0.7, 1);
        assert_between(estimate_most / 8e6, 0.85, 1.1);
        assert_between(bottleneck_wait_ms(&link, 0, 0.95), 0, 20);
        assert_between((double)flows[0].padding_bytes / (double)flows[0].media_bytes, 0.001, 0.03);
    }
    begin(2500000, 25 * MS, 5); /* just below */
    struct gcc_flow_config config = flow_config(5);
    config.min_bps = config.max_bps = 2000000;
    add_flow(&config);
    run(10 * SECOND);
    forget();
    run(60 * SECOND);
    assert_between(estimate_least, 1950000, 2500000);
}

static void test_it_does_not_probe_for_more_than_is_of_use(void **state)
{
    (void)state;
    begin(20000000, 25 * MS, 1);
    struct gcc_flow_config config = flow_config(1);
    config.min_bps = config.max_bps = 1000000;
    add_flow(&config);
    gcc_set_wanted(&flows[0].gcc, 3000000);
    run(10 * SECOND);
    uint32_t probes = flows[0].gcc.counters.probes;
    run(50 * SECOND);
    assert_between((double)gcc_estimate_bps(&flows[0].gcc), 2700000, 3200000);
    assert_between(probes, 1, 4);
    assert_between(flows[0].gcc.counters.probes - probes, 0, 4);
}

static void test_without_padding_it_learns_from_media(void **state)
{
    (void)state;
    begin(2500000, 25 * MS, 3);
    struct gcc_flow_config config = flow_config(3);
    config.no_padding = true;
    add_flow(&config);
    run(30 * SECOND);
    assert_between((double)gcc_estimate_bps(&flows[0].gcc) / 2.5e6, 0.8, 1.1);
    assert_int_equal(flows[0].padding_bytes, 0);
}

static void test_random_loss_is_not_congestion(void **state)
{
    (void)state;
    static const struct {
        double loss, least;
    } rows[] = {{0.01, 0.85}, {0.02, 0.85}, {0.05, 0.85}, {0.10, 0.8}, {0.20, 0.5}};
    for (uint64_t i = 0; i < 10; i++) {
        begin(2500000, 25 * MS, i);
        link.loss = rows[i % 5].loss;
        add_default_flow(i);
        run(20 * SECOND);
        forget();
        run(40 * SECOND);
        assert_between(mean_estimate() / 2.5e6, rows[i % 5].least, 1.1);
        assert_between(bottleneck_wait_ms(&link, 0, 0.95), 0, 100);
    }
}

static void test_lost_feedback_and_jitter(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        begin(2500000, 25 * MS, seed);
        link.jitter_us = 20 * MS;
        struct gcc_flow_config config = flow_config(seed);
        config.back_loss = 0.1;
        add_flow(&config);
        run(10 * SECOND);
        forget();
        run(30 * SECOND);
        assert_between(mean_estimate() / 2.5e6, 0.8, 1.1);
    }
}

static void test_a_blackout_is_over_when_it_is_over(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        begin(8000000, 25 * MS, seed);
        add_default_flow(seed);
        run(10 * SECOND);
        link.loss = 1;
        run(3 * SECOND);
        assert_between((double)gcc_target_bps(&flows[0].gcc, now) / 8e6, 0, 0.6);
        link.loss = 0;
        run(SECOND);
        assert_between((double)gcc_target_bps(&flows[0].gcc, now) / 8e6, 0.5, 1.1);
        assert_int_equal(flows[0].gcc.counters.stalls, 1);
    }
}

static void test_receiver_reports_alone(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        begin(2500000, 25 * MS, seed);
        link.queue_us = 100 * MS;
        struct gcc_flow_config config = flow_config(seed);
        config.no_feedback = true;
        config.feedback_us = SECOND;
        add_flow(&config);
        run(20 * SECOND);
        forget();
        run(60 * SECOND);
        assert_between(mean_estimate() / 2.5e6, 0.7, 1.25);
        assert_between(share(0, 60 * SECOND), 0.7, 1.001);
    }
}

static const struct layer_stream three_layers[] = {
    {.live = true, .n_temporal = 2, .bps = {150000, 250000}, .keyframe_bytes = 8000},
    {.live = true, .n_temporal = 2, .bps = {500000, 800000}, .keyframe_bytes = 20000},
    {.live = true, .n_temporal = 2, .bps = {1600000, 2500000}, .keyframe_bytes = 50000},
};

/* Each viewer has the best layers its path takes, and stays with them. */
static void test_layers_fit_the_path(void **state)
{
    (void)state;
    static const struct {
        uint64_t rate_bps;
        enum layer_mode mode;
        uint8_t stream, temporal;
    } rows[] = {
        {20000000, LAYER_FULL, 2, 1}, {4000000, LAYER_FULL, 2, 1}, {2300000, LAYER_FULL, 2, 0},
        {1200000, LAYER_FULL, 1, 1},  {400000, LAYER_FULL, 0, 1},  {220000, LAYER_FULL, 0, 0},
        {120000, LAYER_SLIDES, 0, 0},
    };
    for (uint64_t i = 0; i < 2 * sizeof(rows) / sizeof(rows[0]); i++) {
        size_t row = i % (sizeof(rows) / sizeof(rows[0]));
        begin(rows[row].rate_bps, 25 * MS, i);
        struct gcc_flow_config config = flow_config(i);
        config.streams = three_layers;
        config.n_streams = 3;
        add_flow(&config);
        run(15 * SECOND);
        forget();
        uint32_t ups = flows[0].layer.ups;
        uint32_t slides = flows[0].slides;
        int64_t right = 0;
        for (int k = 0; k < 600; k++) {
            run(100 * MS);
            const struct layer_rung *r = &flows[0].layer.now;
            right += r->mode == rows[row].mode && r->stream == rows[row].stream &&
                     r->temporal == rows[row].temporal;
        }
        assert_between((double)right / 600, 0.85, 1);
        assert_between(flows[0].layer.ups - ups, 0, 3);
        if (rows[row].mode == LAYER_SLIDES)
            assert_between(flows[0].slides - slides, 6, 60);
        else
            assert_between(bottleneck_wait_ms(&link, 0, 0.5), 0, 100);
    }
}

static void test_layers_follow_a_drop_and_come_back(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        begin(4000000, 25 * MS, seed);
        struct gcc_flow_config config = flow_config(seed);
        config.streams = three_layers;
        config.n_streams = 3;
        add_flow(&config);
        run(15 * SECOND);
        assert_int_equal(flows[0].layer.now.stream, 2);
        link.rate_bps = 1200000;
        run(2 * SECOND);
        assert_in_range(flows[0].layer.now.stream, 0, 1);
        run(15 * SECOND);
        link.rate_bps = 4000000;
        run(20 * SECOND);
        assert_int_equal(flows[0].layer.now.stream, 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_estimate_finds_the_bottleneck),
        cmocka_unit_test(test_the_estimate_rises_fast_at_the_start),
        cmocka_unit_test(test_a_drop_is_followed_and_so_is_its_end),
        cmocka_unit_test(test_two_viewers_share),
        cmocka_unit_test(test_tcp_does_not_starve_it),
        cmocka_unit_test(test_an_application_limit_does_not_drag_it_down),
        cmocka_unit_test(test_it_does_not_probe_for_more_than_is_of_use),
        cmocka_unit_test(test_without_padding_it_learns_from_media),
        cmocka_unit_test(test_random_loss_is_not_congestion),
        cmocka_unit_test(test_lost_feedback_and_jitter),
        cmocka_unit_test(test_a_blackout_is_over_when_it_is_over),
        cmocka_unit_test(test_receiver_reports_alone),
        cmocka_unit_test(test_layers_fit_the_path),
        cmocka_unit_test(test_layers_follow_a_drop_and_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
