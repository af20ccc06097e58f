/* test_ingest_allocations.c - what a publisher sends allocates nothing: packets in and out of
 * order, retransmissions, pictures, sound, reports and feedback. Its first packets may.
 */
#include "tests/unit/allocations.h"

#define STAGE_ENTER() (allocations_exempt = false)
#define STAGE_LEAVE() (allocations_exempt = true)
#include "tests/unit/forward/ingest_stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define SECOND INT64_C(1000000)

static struct ingest_config configure(void)
{
    const struct ingest_extensions ids = {.transport_cc = STAGE_TRANSPORT_ID, .mid = STAGE_MID_ID};
    return (struct ingest_config){.id = 1,
                                  .seed = 7,
                                  .cname = "test",
                                  .rtcp_ssrc = 99,
                                  .n_tracks = 2,
                                  .tracks = {{.stream_id = 1,
                                              .kind = FORWARDER_VIDEO,
                                              .mid = "0",
                                              .formats = {[PAYLOAD_H264] = {102, 103}},
                                              .nack = true,
                                              .transport_cc = true,
                                              .remb = true,
                                              .extensions = ids},
                                             {.stream_id = 2,
                                              .kind = FORWARDER_AUDIO,
                                              .mid = "1",
                                              .formats = {[PAYLOAD_OPUS] = {111, 0}},
                                              .extensions = ids}}};
}

static void media_allocates_nothing(void **state)
{
    (void)state;
    allocations_exempt = true;
    struct ingest_config config = configure();
    struct sim_path_config path = {.delay_us = 20000, .jitter_us = 5000, .loss = 0.03};
    struct ingest_stage *s = ingest_stage_new(&config, &path, 4);
    struct stage_flow v = {.codec = PAYLOAD_H264,
                           .ssrc = 100,
                           .rtx_ssrc = 200,
                           .payload_type = 102,
                           .rtx_payload_type = 103,
                           .mid = "0",
                           .every_us = 33333,
                           .unit_size = 8000};
    struct stage_flow a = {.codec = PAYLOAD_OPUS,
                           .ssrc = 300,
                           .payload_type = 111,
                           .mid = "1",
                           .every_us = 20000,
                           .unit_size = 120};
    const struct stage_flow *pv = ingest_stage_add(s, &v), *pa = ingest_stage_add(s, &a);
    ingest_stage_run(s, 3 * SECOND);
    uint64_t frames = pv->frames, sounds = pa->frames;
    allocations_begin();
    ingest_stage_run(s, 5 * SECOND);
    ingest_want_keyframe(s->in, 0, 0, 1);
    ingest_stage_run(s, 5 * SECOND);
    assert_int_equal(allocations_end(), 0);
    assert_true(pv->frames > frames + 280 && pa->frames > sounds + 400);
    assert_true(pv->resent > 20 && pv->keyframes >= 2);
    ingest_stage_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(media_allocates_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
