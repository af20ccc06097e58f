#include "rtp/session/ice_lite.h"
#include "rtp/wire/bytes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stun/stunagent.h>
#include <cmocka.h>

#define SECOND 1000000
#define PWD "abcdefghijklmnopqrstuvwx"

static const struct ice_local local = {.ufrag = "0123456789abcdef", .pwd = PWD};
static const uint8_t transaction[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

struct answer {
    enum ice_result result;
    uint8_t bytes[512];
    size_t size;
};

static struct address at(const char *ip, uint16_t port)
{
    struct address a;
    assert_true(address_parse(&a, ip, port));
    return a;
}

static struct answer ask(struct ice_lite *ice, const uint8_t *data, size_t size,
                         const struct address *from, int64_t now_us)
{
    struct answer a = {.size = sizeof(a.bytes)};
    uint8_t *exact = malloc(size ? size : 1); /* so that a sanitizer sees a read past the end */
    assert_non_null(exact);
    memcpy(exact, data, size);
    a.result = ice_lite_on_stun(ice, exact, size, from, a.bytes, &a.size, now_us);
    free(exact);
    return a;
}

/* A request with everything that can be wrong about one. */
struct request {
    const char *username, *pwd;
    bool nominate, controlled, no_integrity, no_fingerprint;
    uint16_t unknown_attribute; /* 0: none */
    uint64_t tie_breaker;
    StunMethod method;
};

static const struct request good = {
    .username = "0123456789abcdef:theirs", .pwd = PWD, .nominate = true, .tie_breaker = 99};

static size_t build(uint8_t *out, size_t room, const struct request *r)
{
    static const uint16_t none[] = {0};
    StunAgent agent;
    StunMessage m;
    stun_agent_init(&agent, none, STUN_COMPATIBILITY_RFC5389,
                    STUN_AGENT_USAGE_SHORT_TERM_CREDENTIALS |
                        (r->no_fingerprint ? 0 : STUN_AGENT_USAGE_USE_FINGERPRINT));
    assert_true(
        stun_agent_init_request(&agent, &m, out, room, r->method ? r->method : STUN_BINDING));
    memcpy(out + 8, transaction, 12);
    if (r->nominate)
        stun_message_append_flag(&m, STUN_ATTRIBUTE_USE_CANDIDATE);
    stun_message_append64(
        &m, r->controlled ? STUN_ATTRIBUTE_ICE_CONTROLLED : STUN_ATTRIBUTE_ICE_CONTROLLING,
        r->tie_breaker);
    stun_message_append32(&m, STUN_ATTRIBUTE_PRIORITY, 12345);
    if (r->unknown_attribute)
        stun_message_append32(&m, (StunAttribute)r->unknown_attribute, 1);
    if (r->username)
        stun_message_append_bytes(&m, STUN_ATTRIBUTE_USERNAME, r->username, strlen(r->username));
    size_t n =
        stun_agent_finish_message(&agent, &m, r->no_integrity ? NULL : (const uint8_t *)r->pwd,
                                  r->no_integrity ? 0 : strlen(r->pwd));
    assert_true(n > 0);
    return n;
}

static int error_code(const struct answer *a)
{
    if (a->size < 20 || get_u16(a->bytes) != 0x0111)
        return 0;
    for (size_t i = 20; i + 8 <= a->size; i += 4 + ((get_u16(a->bytes + i + 2) + 3u) & ~3u)) {
        if (get_u16(a->bytes + i) == STUN_ATTRIBUTE_ERROR_CODE)
            return a->bytes[i + 6] * 100 + a->bytes[i + 7];
    }
    return -1;
}

/* The XOR-MAPPED-ADDRESS of an answer. */
static struct address mapped(const struct answer *a)
{
    StunMessage m = {.buffer = (uint8_t *)a->bytes, .buffer_len = a->size};
    struct sockaddr_storage s;
    socklen_t size = sizeof(s);
    struct address out;
    assert_int_equal(stun_message_find_xor_addr(&m, STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS, &s, &size),
                     STUN_MESSAGE_RETURN_SUCCESS);
    address_from_sockaddr(&out, (struct sockaddr *)&s);
    return out;
}

static void test_answers_a_valid_check(void **state)
{
    (void)state;
    static const char *const ips[] = {"192.0.2.33", "2001:db8::33"};
    for (size_t i = 0; i < 2; i++) {
        struct ice_lite ice;
        struct address from = at(ips[i], 40000);
        uint8_t check[512];
        ice_lite_init(&ice, &local, "theirs", "", 5 * SECOND);
        size_t n = ice_lite_write_check(check, sizeof(check), "theirs", local.ufrag, local.pwd, 77,
                                        transaction);
        struct answer a = ask(&ice, check, n, &from, 6 * SECOND);
        assert_int_equal(a.result, ICE_SELECTED);
        assert_true(ice.selected && address_equal(&ice.remote, &from));
        assert_true(ice_lite_is_success(a.bytes, a.size, local.pwd, transaction));
        struct address seen = mapped(&a);
        assert_true(address_equal(&seen, &from));
        assert_int_equal(ice_lite_consent_deadline(&ice), 6 * SECOND + ICE_CONSENT_US);
        assert_int_equal(ice.checks, 1);
        assert_int_equal(ice.bad_checks, 0);

        a = ask(&ice, check, n, &from, 9 * SECOND); /* a repeated one is answered again */
        assert_int_equal(a.result, ICE_CHECKED);
        assert_true(ice_lite_is_success(a.bytes, a.size, local.pwd, transaction));
        assert_int_equal(ice_lite_consent_deadline(&ice), 9 * SECOND + ICE_CONSENT_US);
    }
}

static void test_success_is_checked_by_the_asker(void **state)
{
    (void)state;
    struct ice_lite ice;
    struct address from = at("192.0.2.33", 40000);
    uint8_t check[512], other[12] = {9};
    ice_lite_init(&ice, &local, "", "", 0);
    size_t n = ice_lite_write_check(check, sizeof(check), "theirs", local.ufrag, local.pwd, 77,
                                    transaction);
    struct answer a = ask(&ice, check, n, &from, 0);
    assert_false(ice_lite_is_success(a.bytes, a.size, "xbcdefghijklmnopqrstuvwx", transaction));
    assert_false(ice_lite_is_success(a.bytes, a.size, local.pwd, other));
    assert_false(ice_lite_is_success(check, n, local.pwd, transaction));
    for (size_t bit = 0; bit < a.size * 8; bit++) {
        a.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(ice_lite_is_success(a.bytes, a.size, local.pwd, transaction));
        a.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_true(ice_lite_is_success(a.bytes, a.size, local.pwd, transaction));
}

static void test_refuses_what_is_not_ours(void **state)
{
    (void)state;
    struct row {
        const char *what;
        struct request r;
        int code; /* 0: no answer at all */
    } rows[] = {
        {"wrong password", good, 401},
        {"wrong remote ufrag", good, 401},
        {"no remote ufrag", good, 401},
        {"longer remote ufrag", good, 401},
        {"wrong local ufrag", good, 0},
        {"shorter local ufrag", good, 0},
        {"no colon", good, 0},
        {"no username", good, 0},
        {"empty username", good, 0},
        {"no integrity", good, 0},
        {"no fingerprint", good, 0},
        {"not a binding", good, 0},
        {"unknown attribute", good, 420},
        {"wrong role", good, 487},
        {"wrong role, lowest tie breaker", good, 487},
        {"unknown attribute and wrong password", good, 401},
    };
    rows[0].r.pwd = "abcdefghijklmnopqrstuvwy";
    rows[1].r.username = "0123456789abcdef:theirz";
    rows[2].r.username = "0123456789abcdef:";
    rows[3].r.username = "0123456789abcdef:theirss";
    rows[4].r.username = "1123456789abcdef:theirs";
    rows[5].r.username = "0123456789abcde:theirs";
    rows[6].r.username = "0123456789abcdef";
    rows[7].r.username = NULL;
    rows[8].r.username = "";
    rows[9].r.no_integrity = true;
    rows[10].r.no_fingerprint = true;
    rows[11].r.method = STUN_ALLOCATE;
    rows[12].r.unknown_attribute = 0x7123;
    rows[13].r.controlled = true;
    rows[14].r.controlled = true;
    rows[14].r.tie_breaker = 0;
    rows[15].r.unknown_attribute = 0x7123;
    rows[15].r.pwd = "abcdefghijklmnopqrstuvwy";
    struct ice_lite ice;
    struct address from = at("192.0.2.33", 40000);
    ice_lite_init(&ice, &local, "theirs", "", 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t check[512];
        size_t n = build(check, sizeof(check), &rows[i].r);
        struct answer a = ask(&ice, check, n, &from, SECOND);
        if (a.result != ICE_IGNORED || error_code(&a) != rows[i].code)
            fail_msg("%s: result %d, code %d", rows[i].what, a.result, error_code(&a));
        assert_true(rows[i].code != 0 || a.size == 0);
        assert_true(a.size <= n);
        assert_false(ice.selected);
        assert_int_equal(ice.bad_checks, i + 1);
    }
    uint8_t check[512];
    size_t n = build(check, sizeof(check), &good);
    assert_int_equal(ask(&ice, check, n, &from, SECOND).result, ICE_SELECTED);
}

static void test_optional_unknown_attribute_is_fine(void **state)
{
    (void)state;
    struct ice_lite ice;
    struct address from = at("192.0.2.33", 40000);
    uint8_t check[512];
    struct request r = good;
    r.unknown_attribute = 0xc057; /* GOOG-NETWORK-INFO */
    ice_lite_init(&ice, &local, "theirs", "", 0);
    size_t n = build(check, sizeof(check), &r);
    assert_int_equal(ask(&ice, check, n, &from, 0).result, ICE_SELECTED);
}

static void test_unknown_remote_ufrag_takes_any(void **state)
{
    (void)state;
    struct ice_lite ice;
    struct address from = at("192.0.2.33", 40000);
    char username[600] = "0123456789abcdef:";
    uint8_t check[1024];
    ice_lite_init(&ice, &local, "", "", 0);
    struct request r = good;
    r.username = username;
    memset(username + 17, 'x', ICE_UFRAG_MAX);
    size_t n = build(check, sizeof(check), &r);
    struct answer a = ask(&ice, check, n, &from, 0);
    assert_int_equal(a.result, ICE_SELECTED);
    assert_true(a.size > 0);
    username[17 + ICE_UFRAG_MAX] = 'x'; /* one more than RFC 8839 allows */
    n = build(check, sizeof(check), &r);
    a = ask(&ice, check, n, &from, 0);
    assert_int_equal(a.result, ICE_IGNORED);
    assert_int_equal(a.size, 0);
}

static void test_every_flipped_bit_and_truncation(void **state)
{
    (void)state;
    struct ice_lite ice;
    struct address from = at("192.0.2.33", 40000);
    uint8_t check[512];
    size_t n = build(check, sizeof(check), &good);
    ice_lite_init(&ice, &local, "theirs", "", 0);
    for (size_t bit = 0; bit < n * 8; bit++) {
        check[bit / 8] ^= (uint8_t)(1 << bit % 8);
        struct answer a = ask(&ice, check, n, &from, 0);
        assert_int_equal(a.result, ICE_IGNORED);
        assert_int_equal(a.size, 0); /* FINGERPRINT says it is no STUN at all */
        check[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t size = 0; size < n; size++) {
        struct answer a = ask(&ice, check, size, &from, 0);
        assert_int_equal(a.result, ICE_IGNORED);
        assert_int_equal(a.size, 0);
    }
    check[n] = 0;
    assert_int_equal(ask(&ice, check, n + 1, &from, 0).result, ICE_IGNORED);
    assert_int_equal(ask(&ice, check, n + 4, &from, 0).result, ICE_IGNORED);
    assert_false(ice.selected);
    assert_int_equal(ice.bad_checks, n * 8 + n + 2);
}

static uint32_t crc32_of(const uint8_t *data, size_t size)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

/* MESSAGE-INTEGRITY that claims fewer bytes than it is compared over. */
static void test_short_integrity_attribute(void **state)
{
    (void)state;
    struct ice_lite ice;
    struct address from = at("192.0.2.33", 40000);
    uint8_t check[512];
    struct request r = good;
    r.no_integrity = true;
    r.no_fingerprint = true;
    size_t n = build(check, sizeof(check), &r);
    put_u16(check + 2, (uint16_t)(n + 12 - 20));
    put_u16(check + n, STUN_ATTRIBUTE_MESSAGE_INTEGRITY);
    put_u16(check + n + 2, 0);
    put_u16(check + n + 4, STUN_ATTRIBUTE_FINGERPRINT);
    put_u16(check + n + 6, 4);
    put_u32(check + n + 8, crc32_of(check, n + 4) ^ 0x5354554e);
    ice_lite_init(&ice, &local, "theirs", "", 0);
    struct answer a = ask(&ice, check, n + 12, &from, 0);
    assert_int_equal(a.result, ICE_IGNORED);
    assert_int_equal(a.size, 0);
}

static void test_address_changes_only_by_nomination(void **state)
{
    (void)state;
    struct ice_lite ice;
    struct address first = at("192.0.2.1", 1000), second = at("192.0.2.1", 1001);
    uint8_t plain[512], nominated[512], forged[512];
    struct request r = good;
    size_t n_nominated = build(nominated, sizeof(nominated), &r);
    r.pwd = "abcdefghijklmnopqrstuvwy";
    size_t n_forged = build(forged, sizeof(forged), &r);
    r = good;
    r.nominate = false;
    size_t n_plain = build(plain, sizeof(plain), &r);
    ice_lite_init(&ice, &local, "theirs", "", 0);

    assert_int_equal(ask(&ice, plain, n_plain, &first, 1 * SECOND).result, ICE_SELECTED);
    struct answer a = ask(&ice, plain, n_plain, &second, 2 * SECOND);
    assert_int_equal(a.result, ICE_CHECKED); /* answered, but media stays */
    assert_true(ice_lite_is_success(a.bytes, a.size, local.pwd, transaction));
    assert_true(address_equal(&ice.remote, &first));
    assert_int_equal(ice_lite_consent_deadline(&ice), 1 * SECOND + ICE_CONSENT_US);

    assert_int_equal(ask(&ice, forged, n_forged, &second, 3 * SECOND).result, ICE_IGNORED);
    assert_true(address_equal(&ice.remote, &first));

    assert_int_equal(ask(&ice, nominated, n_nominated, &second, 4 * SECOND).result, ICE_SELECTED);
    assert_true(address_equal(&ice.remote, &second));
    assert_int_equal(ice.address_changes, 1);

    int64_t silent = 4 * SECOND + ICE_SILENCE_US; /* a NAT that forgot: no new nomination comes */
    assert_int_equal(ask(&ice, plain, n_plain, &first, silent - 1).result, ICE_CHECKED);
    assert_true(address_equal(&ice.remote, &second));
    assert_int_equal(ask(&ice, plain, n_plain, &first, silent).result, ICE_SELECTED);
    assert_true(address_equal(&ice.remote, &first));
    assert_int_equal(ice.address_changes, 2);
}

/* RFC 8489 14.5: what stands behind MESSAGE-INTEGRITY is not signed and does not count. */
static void test_a_restart_changes_what_counts(void **state)
{
    (void)state;
    static const struct ice_local fresh = {.ufrag = "fedcba9876543210",
                                           .pwd = "zyxwvutsrqponmlkjihgfedc"};
    struct ice_lite ice;
    struct address first = at("192.0.2.1", 1000), second = at("198.51.100.7", 1001);
    uint8_t before[512], after[512], mixed[512];
    size_t n_before = build(before, sizeof(before), &good);
    struct request r = good;
    r.username = "fedcba9876543210:theirs";
    r.pwd = fresh.pwd;
    size_t n_mixed = build(mixed, sizeof(mixed), &r);
    r.username = "fedcba9876543210:news";
    size_t n_after = build(after, sizeof(after), &r);
    ice_lite_init(&ice, &local, "theirs", "", 0);
    assert_int_equal(ask(&ice, before, n_before, &first, SECOND).result, ICE_SELECTED);
    assert_int_equal(ask(&ice, after, n_after, &second, SECOND).result, ICE_IGNORED);

    ice_lite_restart(&ice, &fresh, "news", "0123456789012345678901");
    assert_true(ice.selected && address_equal(&ice.remote, &first));
    assert_int_equal(ask(&ice, before, n_before, &first, 2 * SECOND).result, ICE_IGNORED);
    assert_int_equal(ask(&ice, mixed, n_mixed, &second, 2 * SECOND).result, ICE_IGNORED);
    assert_true(address_equal(&ice.remote, &first));
    assert_int_equal(ask(&ice, after, n_after, &second, 3 * SECOND).result, ICE_SELECTED);
    assert_true(address_equal(&ice.remote, &second));
}

static void test_unsigned_nomination_is_ignored(void **state)
{
    (void)state;
    struct ice_lite ice;
    struct address first = at("192.0.2.1", 1000), second = at("192.0.2.1", 1001);
    uint8_t check[512];
    struct request r = good;
    r.nominate = false;
    r.no_fingerprint = true;
    size_t n = build(check, sizeof(check), &r);
    for (int added = 0; added <= 1; added++) {
        size_t size = n;
        if (added) {
            put_u16(check + size, STUN_ATTRIBUTE_USE_CANDIDATE);
            put_u16(check + size + 2, 0);
            size += 4;
        }
        put_u16(check + 2, (uint16_t)(size + 8 - 20));
        put_u16(check + size, STUN_ATTRIBUTE_FINGERPRINT);
        put_u16(check + size + 2, 4);
        put_u32(check + size + 4, crc32_of(check, size) ^ 0x5354554e);
        size += 8;
        ice_lite_init(&ice, &local, "theirs", "", 0);
        assert_int_equal(ask(&ice, check, size, &first, 0).result, ICE_SELECTED);
        assert_int_equal(ask(&ice, check, size, &second, 0).result, ICE_CHECKED);
        assert_true(address_equal(&ice.remote, &first));
    }
}

static void test_consent_counts_valid_checks_only(void **state)
{
    (void)state;
    struct ice_lite ice;
    struct address from = at("192.0.2.1", 1000);
    uint8_t check[512];
    ice_lite_init(&ice, &local, "theirs", "", 3 * SECOND);
    assert_int_equal(ice_lite_consent_deadline(&ice), 3 * SECOND + ICE_CONSENT_US);
    size_t n = build(check, sizeof(check), &good);
    ask(&ice, check, n, &from, 4 * SECOND);
    check[n - 1] ^= 1;
    ask(&ice, check, n, &from, 20 * SECOND);
    assert_int_equal(ice_lite_consent_deadline(&ice), 4 * SECOND + ICE_CONSENT_US);
}

static const struct ice_local theirs = {.ufrag = "theirs", .pwd = "zyxwvutsrqponmlkjihgfedc"};

/* Checks and moves to `to`. */
static void move(struct ice_lite *ice, const struct address *to, int64_t now_us)
{
    uint8_t check[512];
    size_t n = build(check, sizeof(check), &good);
    assert_int_equal(ask(ice, check, n, to, now_us).result, ICE_SELECTED);
}

static size_t next_proof(struct ice_lite *ice, uint8_t out[512], uint8_t first_byte)
{
    const uint8_t random[ICE_TRANSACTION_SIZE] = {first_byte, 2, 3};
    return ice_lite_next_proof(ice, out, 512, random);
}

static void test_a_new_address_has_to_answer(void **state)
{
    (void)state;
    struct ice_lite ice;
    struct address first = at("192.0.2.1", 1000), second = at("192.0.2.2", 2000);
    uint8_t proof[512], answer[512];
    ice_lite_init(&ice, &local, theirs.ufrag, theirs.pwd, 0);
    move(&ice, &first, SECOND);
    assert_true(ice.proved); /* DTLS will show */
    assert_int_equal(next_proof(&ice, proof, 1), 0);

    move(&ice, &second, 2 * SECOND);
    assert_false(ice.proved);
    size_t n = next_proof(&ice, proof, 1);
    assert_true(n > 0);
    assert_int_equal(next_proof(&ice, proof, 1), 0); /* one at a time */
    size_t size = ice_lite_answer(&theirs, proof, n, &second, answer, sizeof(answer));
    assert_true(size > 0);
    assert_int_equal(ask(&ice, answer, size, &first, 2 * SECOND).result, ICE_IGNORED);
    answer[9] ^= 1; /* another transaction */
    assert_int_equal(ask(&ice, answer, size, &second, 2 * SECOND).result, ICE_IGNORED);
    assert_false(ice.proved);
    answer[9] ^= 1;
    assert_int_equal(ask(&ice, answer, size, &second, 2 * SECOND).result, ICE_PROVED);
    assert_true(ice.proved);
    assert_int_equal(ice_lite_proof_timeout(&ice), INT64_MAX);
    assert_int_equal(ask(&ice, answer, size, &second, 2 * SECOND).result, ICE_IGNORED);

    move(&ice, &first, 3 * SECOND);
    assert_false(ice.proved); /* only the last one is remembered */
    move(&ice, &second, 4 * SECOND);
    assert_true(ice.proved);
    assert_int_equal(next_proof(&ice, proof, 1), 0);
}

/* We have several addresses, and the peer another one of them for the same place of its own. */
static void test_another_way_to_the_same_place_needs_no_answer(void **state)
{
    (void)state;
    struct ice_lite ice;
    struct address first = at("192.0.2.1", 1000), second = first;
    first.path = ADDRESS_PATH_UDP;
    second.path = ADDRESS_PATH_UDP | 1;
    ice_lite_init(&ice, &local, theirs.ufrag, theirs.pwd, 0);
    move(&ice, &first, SECOND);
    move(&ice, &second, 2 * SECOND);
    assert_true(ice.proved);
    assert_int_equal(ice.remote.path, second.path);
    move(&ice, &first, 3 * SECOND);
    assert_true(ice.proved);
}

/* An answer to what was asked of another address proves nothing. */
static void test_a_proof_is_for_one_address(void **state)
{
    (void)state;
    struct ice_lite ice;
    struct address first = at("192.0.2.1", 1000), second = at("192.0.2.2", 2000);
    struct address third = at("192.0.2.3", 3000);
    uint8_t proof[512], answer[512];
    ice_lite_init(&ice, &local, theirs.ufrag, theirs.pwd, 0);
    move(&ice, &first, SECOND);
    move(&ice, &second, SECOND);
    size_t n = next_proof(&ice, proof, 1);
    size_t size = ice_lite_answer(&theirs, proof, n, &second, answer, sizeof(answer));
    move(&ice, &third, SECOND);
    assert_int_equal(ask(&ice, answer, size, &third, SECOND).result, ICE_IGNORED);
    assert_true(next_proof(&ice, proof, 2) > 0);
    assert_int_equal(ask(&ice, answer, size, &third, SECOND).result, ICE_IGNORED);
    assert_false(ice.proved);
}

/* For each of the peer's checks an unproved address gets at most three datagrams. */
static void test_proofs_are_bounded(void **state)
{
    (void)state;
    struct ice_lite ice;
    struct address first = at("192.0.2.1", 1000), second = at("192.0.2.2", 2000);
    uint8_t one[512], two[512], check[512];
    int64_t now = SECOND;
    ice_lite_init(&ice, &local, theirs.ufrag, theirs.pwd, 0);
    move(&ice, &first, now);
    move(&ice, &second, now);
    size_t n = next_proof(&ice, one, 1);
    assert_int_equal(ice_lite_proof_timeout(&ice), now + ICE_PROOF_AGAIN_US);
    ice_lite_on_timeout(&ice, now + ICE_PROOF_AGAIN_US - 1);
    assert_int_equal(next_proof(&ice, two, 2), 0);
    now += ICE_PROOF_AGAIN_US;
    ice_lite_on_timeout(&ice, now);
    assert_int_equal(next_proof(&ice, two, 2), n);
    assert_memory_equal(one, two, n); /* the same transaction: a late answer counts too */
    assert_int_equal(ice_lite_proof_timeout(&ice), INT64_MAX);
    ice_lite_on_timeout(&ice, now + 100 * SECOND);
    assert_int_equal(next_proof(&ice, two, 3), 0);

    size_t size = build(check, sizeof(check), &good);
    assert_int_equal(ask(&ice, check, size, &second, now).result, ICE_CHECKED);
    assert_int_equal(next_proof(&ice, two, 4), n);
    assert_true(n <= size + 32);
}

static void test_a_connection_needs_no_proof(void **state)
{
    (void)state;
    struct ice_lite ice;
    struct address udp = at("192.0.2.1", 1000), tcp = at("192.0.2.1", 2000);
    tcp.path = 7;
    ice_lite_init(&ice, &local, theirs.ufrag, theirs.pwd, 0);
    move(&ice, &udp, SECOND);
    ice_lite_on_handshake(&ice);
    move(&ice, &tcp, SECOND);
    assert_true(ice.proved);
    move(&ice, &udp, SECOND);
    assert_true(ice.proved);
}

/* Its first check comes under a third party's address, the handshake is done elsewhere, and then it
 * wants the media where that began. */
static void test_a_first_address_that_did_not_shake_hands_is_not_proved(void **state)
{
    (void)state;
    struct address victim = at("192.0.2.1", 1000), own = at("192.0.2.2", 2000);
    for (int tcp = 0; tcp < 2; tcp++) {
        struct ice_lite ice;
        own.path = tcp ? 7 : victim.path;
        ice_lite_init(&ice, &local, theirs.ufrag, theirs.pwd, 0);
        move(&ice, &victim, SECOND);
        move(&ice, &own, SECOND);
        ice_lite_on_handshake(&ice);
        move(&ice, &victim, SECOND);
        assert_false(ice.proved);
        ice_lite_on_handshake(&ice); /* its last message too may have come under that address */
        assert_false(ice.proved);
        move(&ice, &own, SECOND);
        assert_int_equal(ice.proved, tcp);
        move(&ice, &victim, SECOND);
        assert_false(ice.proved);
    }
}

/* Whatever the request, the answer stays under three times its size. */
static void test_answers_do_not_amplify(void **state)
{
    (void)state;
    static const char ufrag[] = "abcd";
    struct ice_local small = local;
    snprintf(small.ufrag, sizeof(small.ufrag), "%s", ufrag);
    struct ice_lite ice;
    struct address from = at("2001:db8::1", 65535);
    for (unsigned variant = 0; variant < 4; variant++) {
        uint8_t check[512];
        struct request r = {.username = "abcd:", .pwd = variant & 1 ? "wrong" : PWD};
        r.unknown_attribute = variant & 2 ? 0x0042 : 0;
        ice_lite_init(&ice, &small, "", "", 0);
        size_t n = build(check, sizeof(check), &r);
        struct answer a = ask(&ice, check, n, &from, 0);
        assert_true(a.size > 0 && a.size <= 3 * n);
    }
}

static void test_peeks_the_local_ufrag(void **state)
{
    (void)state;
    static const struct {
        const char *username, *ufrag;
    } rows[] = {
        {"0123456789abcdef:theirs", "0123456789abcdef"},
        {"a:b", "a"},
        {"a:", "a"},
        {"a:b:c", "a"},
        {":b", NULL},
        {"ab", NULL},
        {"0123456789abcdefg:theirs", NULL},
        {"", NULL},
        {NULL, NULL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        uint8_t check[512];
        char ufrag[ICE_LOCAL_UFRAG_SIZE + 1];
        struct request r = good;
        r.username = rows[i].username;
        size_t n = build(check, sizeof(check), &r);
        assert_int_equal(ice_lite_peek_ufrag(check, n, ufrag), rows[i].ufrag != NULL);
        if (rows[i].ufrag)
            assert_string_equal(ufrag, rows[i].ufrag);
        for (size_t size = 0; size < n; size++)
            assert_false(ice_lite_peek_ufrag(check, size, ufrag));
    }
}

/* RFC 5769 2.1; it says ICE-CONTROLLED, so a lite agent answers 487, but only if it is authentic.
 */
static void test_rfc5769_request(void **state)
{
    (void)state;
    uint8_t request[] =
        "\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
        "\x80\x22\x00\x10STUN test client"
        "\x00\x24\x00\x04\x6e\x00\x01\xff"
        "\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36"
        "\x00\x06\x00\x09\x65\x76\x74\x6a\x3a\x68\x36\x76\x59\x20\x20\x20"
        "\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5"
        "\x71\xa2"
        "\x80\x28\x00\x04\xe5\x7a\x3b\xcf";
    struct ice_local vector = {.ufrag = "evtj", .pwd = "VOkJxbRl1RmTxUk/WvJxBt"};
    struct address from = at("192.0.2.1", 32853);
    struct ice_lite ice;
    ice_lite_init(&ice, &vector, "h6vY", "", 0);
    struct answer a = ask(&ice, request, sizeof(request) - 1, &from, 0);
    assert_int_equal(error_code(&a), 487);
    vector.pwd[0] = 'v';
    ice_lite_init(&ice, &vector, "h6vY", "", 0);
    a = ask(&ice, request, sizeof(request) - 1, &from, 0);
    assert_int_equal(error_code(&a), 401);
}

/* RFC 5769 2.2. */
static void test_rfc5769_response(void **state)
{
    (void)state;
    static const uint8_t response[] =
        "\x01\x01\x00\x3c\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae"
        "\x80\x22\x00\x0btest vector\x20"
        "\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43"
        "\x00\x08\x00\x14\x2b\x91\xf5\x99\xfd\x9e\x90\xc3\x8c\x74\x89\xf9\x2a\xf9\xba\x53\xf0\x6b"
        "\xe7\xd7"
        "\x80\x28\x00\x04\xc0\x7d\x4c\x96";
    static const uint8_t id[12] = {0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34,
                                   0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae};
    assert_true(ice_lite_is_success(response, sizeof(response) - 1, "VOkJxbRl1RmTxUk/WvJxBt", id));
    assert_false(ice_lite_is_success(response, sizeof(response) - 1, "VOkJxbRl1RmTxUk/WvJxBT", id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers_a_valid_check),
        cmocka_unit_test(test_success_is_checked_by_the_asker),
        cmocka_unit_test(test_refuses_what_is_not_ours),
        cmocka_unit_test(test_optional_unknown_attribute_is_fine),
        cmocka_unit_test(test_unknown_remote_ufrag_takes_any),
        cmocka_unit_test(test_every_flipped_bit_and_truncation),
        cmocka_unit_test(test_short_integrity_attribute),
        cmocka_unit_test(test_address_changes_only_by_nomination),
        cmocka_unit_test(test_a_restart_changes_what_counts),
        cmocka_unit_test(test_unsigned_nomination_is_ignored),
        cmocka_unit_test(test_consent_counts_valid_checks_only),
        cmocka_unit_test(test_a_new_address_has_to_answer),
        cmocka_unit_test(test_another_way_to_the_same_place_needs_no_answer),
        cmocka_unit_test(test_a_proof_is_for_one_address),
        cmocka_unit_test(test_proofs_are_bounded),
        cmocka_unit_test(test_a_connection_needs_no_proof),
        cmocka_unit_test(test_a_first_address_that_did_not_shake_hands_is_not_proved),
        cmocka_unit_test(test_answers_do_not_amplify),
        cmocka_unit_test(test_peeks_the_local_ufrag),
        cmocka_unit_test(test_rfc5769_request),
        cmocka_unit_test(test_rfc5769_response),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
