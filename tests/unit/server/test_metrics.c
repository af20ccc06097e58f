#include "server/metrics.h"

#include "tests/unit/server/handmade_stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

static struct handmade made;

static char *text_of(void)
{
    handmade_init(&made);
    char *text = metrics_text(&made.stats);
    assert_non_null(text);
    return text;
}

static void assert_line(const char *text, const char *line)
{
    char whole[520];
    snprintf(whole, sizeof(whole), "\n%s\n", line);
    if (!strstr(text, whole))
        fail_msg("no line %s", line);
}

static void values_stand_under_their_names(void **state)
{
    (void)state;
    char *text = text_of();
    assert_line(text, "amphi_uptime_seconds 12.5");
    assert_line(text, "amphi_process_resident_memory_bytes 2");
    assert_line(text, "amphi_worker_packets_sent_total{worker=\"0\"} 101");
    assert_line(text, "amphi_worker_mailbox_high_water{worker=\"0\"} 110");
    assert_line(text, "amphi_worker_tcp_connections{worker=\"0\"} 111");
    assert_line(text, "amphi_worker_tcp_refused_total{worker=\"0\"} 112");
    assert_line(text, "amphi_worker_send_blocked_total{worker=\"0\"} 113");
    assert_line(text, "amphi_worker_handshakes_deferred_total{worker=\"0\"} 116");
    assert_line(text, "amphi_joins_refused_total 602");
    assert_line(text, "amphi_http_connections_refused_total 604");
    assert_line(text, "amphi_http_address_refused_total 605");
    assert_line(text, "amphi_http_connections 603");
    assert_line(text, "amphi_rooms 1");
    assert_line(text, "amphi_denied_total{what=\"watch\",why=\"token-used\"} 803");
    assert_line(text, "amphi_denied_total{what=\"publish\",why=\"no-right\"} 804");
    assert_line(text, "amphi_rooms_opened_total 701");
    assert_line(text, "amphi_rooms_ended_idle_total 702");
    assert_line(text, "amphi_room_viewers{room=\"CALM-FOX-007\"} 3");
    assert_line(text,
                "amphi_stream_frames_encoded_total{room=\"CALM-FOX-007\",track=\"video0\"} 404");
    assert_line(text,
                "amphi_stream_joins_from_cache_total{room=\"CALM-FOX-007\",track=\"video0\"} 201");
    assert_line(text,
                "amphi_stream_encode_seconds_count{room=\"CALM-FOX-007\",track=\"video0\"} 100");
    assert_line(text, "amphi_publishers 1");
    const char *labels = "room=\"CALM-FOX-007\",track=\"video1\",layer=\"1\"";
    static const struct {
        const char *name;
        const char *value;
    } rows[] = {{"packets_total", "921"},
                {"packets_lost_total", "925"},
                {"packets_recovered_total", "924"},
                {"keyframes_total", "929"},
                {"bitrate_bps", "931"},
                {"height", "360"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[256];
        snprintf(line, sizeof(line), "amphi_ingest_%s{%s} %s", rows[i].name, labels, rows[i].value);
        assert_line(text, line);
    }
    free(text);
}

static void histograms_never_fall(void **state)
{
    (void)state;
    char *text = text_of();
    unsigned long last = 0, buckets = 0;
    for (char *at = text; (at = strstr(at, "amphi_stream_encode_seconds_bucket{")); buckets++) {
        at = strstr(at, "} ");
        unsigned long n = strtoul(at + 2, NULL, 10);
        assert_true(n >= last);
        last = n;
    }
    assert_true(buckets > 10);
    assert_int_equal(last, 100);
    free(text);
}

/* 300 us were measured, 7000 us too: a bucket holds what is at most its bound and nothing above. */
static void buckets_are_exact(void **state)
{
    (void)state;
    char *text = text_of();
    const char *labels = "room=\"CALM-FOX-007\",track=\"video0\"";
    static const struct {
        const char *name, *bound;
        int count;
    } rows[] = {{"convert", "0.000255", 0},
                {"convert", "0.000511", 100},
                {"encode", "0.004095", 0},
                {"encode", "0.008191", 100}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char line[512];
        snprintf(line, sizeof(line), "amphi_stream_%s_seconds_bucket{%s,le=\"%s\"} %d",
                 rows[i].name, labels, rows[i].bound, rows[i].count);
        assert_line(text, line);
    }
    free(text);
}

/* Each sample belongs to the family declared last, and no family is declared twice. */
static void every_sample_follows_its_type(void **state)
{
    (void)state;
    char *text = text_of(), *rest = text, family[128] = "", seen[8192] = "";
    for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (!*line || strncmp(line, "# HELP", 6) == 0)
            continue;
        if (sscanf(line, "# TYPE %127s", family) == 1) {
            char mark[160];
            snprintf(mark, sizeof(mark), "|%s|", family);
            assert_null(strstr(seen, mark));
            strcat(seen, mark);
        } else if (strncmp(line, family, strlen(family)) != 0) {
            fail_msg("%s stands under %s", line, family);
        }
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_stand_under_their_names),
        cmocka_unit_test(histograms_never_fall),
        cmocka_unit_test(buckets_are_exact),
        cmocka_unit_test(every_sample_follows_its_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
