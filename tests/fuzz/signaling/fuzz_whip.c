/* fuzz_whip.c - WHIP and WHEP sessions and the JSON around them, fed with bodies. The input is
 * parts that a zero byte divides; each is a request, told by its first letter. No seat is lost. */
#include "signaling/message_http.h"
#include "signaling/session_whip.h"

#include "tests/unit/signaling/fake_backend.h"

#include <assert.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct run {
    struct fake fake;
    struct session_resource whip;
    struct session_whep whep;
};

static const char *const if_match[] = {NULL, "*", "\"tag\"", "\"other\""};

static struct session_request request_of(const char *type, const char *tag, const char *body,
                                         size_t size)
{
    return (struct session_request){.content_type = type,
                                    .if_match = tag,
                                    .bearer = FAKE_SECRET,
                                    .body = body,
                                    .body_size = size,
                                    .stream = -1,
                                    .token = "token",
                                    .tag = "tag"};
}

static void check(const struct session_answer *answer)
{
    assert(answer->status >= 200 && answer->status < 600);
    assert(answer->sdp_size < sizeof(answer->sdp));
    assert(answer->status < 400 || answer->detail[0] != '\0');
    if (answer->status == 201)
        assert(answer->sdp_size > 0 && memcmp(answer->sdp, "v=0\r\n", 5) == 0);
}

static void publish(struct run *r, const char *body, size_t size)
{
    struct session_answer answer;
    struct session_request request = request_of("application/sdp", NULL, body, size);
    if (r->whip.id != 0) {
        session_whip_delete(&r->whip, &answer);
        check(&answer);
    }
    session_whip_post(&r->whip, &answer, &r->fake.backend, FAKE_ROOM, &request);
    assert((answer.status == 201) == (r->whip.id != 0));
    check(&answer);
}

static void watch(struct run *r, const char *body, size_t size)
{
    struct session_answer answer;
    struct session_request request = request_of("application/sdp", NULL, body, size);
    if (r->whep.resource.id != 0) {
        session_whep_delete(&r->whep, &answer);
        check(&answer);
    }
    session_whep_post(&r->whep, &answer, &r->fake.backend, FAKE_ROOM, &request);
    assert((answer.status == 201 || answer.sdp_size > 0) == (r->whep.resource.id != 0));
    check(&answer);
}

static void patch(struct run *r, bool publishes, const char *type, unsigned tag, const char *body,
                  size_t size)
{
    struct session_answer answer;
    struct session_request request = request_of(type, if_match[tag % 4], body, size);
    if (publishes && r->whip.id != 0)
        session_resource_patch(&r->whip, &answer, &request);
    else if (!publishes && r->whep.resource.id != 0)
        session_whep_patch(&r->whep, &answer, &request);
    else
        return;
    check(&answer);
}

static void read_json(struct run *r, const char *body, size_t size)
{
    struct message_room_wish wish;
    struct backend_token_wish token;
    struct session_whep_layer layer;
    struct session_answer answer;
    unsigned events;
    if (!message_read_room_wish(&wish, body, size, true))
        message_room_wish_finish(&wish);
    if (!message_read_token_wish(&token, body, size))
        assert(token.lasts_s >= MESSAGE_TOKEN_LASTS_MIN_S &&
               token.lasts_s <= MESSAGE_TOKEN_LASTS_MAX_S && token.max_layer >= 0 &&
               token.max_layer < BACKEND_LAYERS_MAX);
    if (!message_read_events(&events, body, size))
        assert(events <= MESSAGE_EVENTS_ALL);
    if (message_read_layer(&layer, body, size) || r->whep.resource.id == 0)
        return;
    session_whep_select(&r->whep, &answer, &layer);
    check(&answer);
    free(message_layers(&r->whep, &r->fake.room));
}

static void run_part(struct run *r, const char *part, size_t size)
{
    static const char fragment[] = "application/trickle-ice-sdpfrag";
    char kind = part[0];
    part++;
    size--;
    if (kind == 'p')
        publish(r, part, size);
    else if (kind == 'w')
        watch(r, part, size);
    else if (kind >= '0' && kind <= '3')
        patch(r, true, fragment, (unsigned)(kind - '0'), part, size);
    else if (kind >= '4' && kind <= '7')
        patch(r, false, fragment, (unsigned)(kind - '0'), part, size);
    else if (kind == 'a')
        patch(r, false, "application/sdp", 0, part, size);
    else if (kind == 'j')
        read_json(r, part, size);
    else if (kind == 't')
        session_whep_tick(&r->whep, INT64_MAX);
}

static void take_candidate(void *arg, uint32_t id, const char *text)
{
    (void)arg;
    assert(id != 0 && strlen(text) < BACKEND_CANDIDATE_MAX);
}

static void use_agents(struct fake *fake)
{
    fake_use_agents(fake);
    fake->backend.candidate = take_candidate; /* the fake keeps only so many */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct run r;
    memset(&r, 0, sizeof(r));
    fake_init(&r.fake, 2);
    fake_use_publishing(&r.fake);
    if (size > 0 && data[0] % 2)
        use_agents(&r.fake);
    const char *at = (const char *)data, *end = at + size;
    while (at < end) {
        const char *stop = memchr(at, 0, (size_t)(end - at));
        size_t n = (size_t)((stop ? stop : end) - at);
        if (n > 0)
            run_part(&r, at, n);
        at += n + 1;
    }
    unsigned open = (r.whip.id != 0) + (r.whep.resource.id != 0);
    assert(r.fake.reserved == r.fake.left + r.fake.n_publish_ends + open);
    return 0;
}
