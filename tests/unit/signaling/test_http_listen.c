#include "signaling/http_listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static char error[256];

static int connect_to(uint16_t port)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void what_is_accepted_answers_without_delay(void **state)
{
    (void)state;
    int fd = http_listen_open("127.0.0.1", 0, error, sizeof(error));
    assert_true(fd >= 0);
    assert_int_equal(http_listen_accept(fd), -EAGAIN);
    int peer = connect_to(http_listen_port(fd));
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&waiting, 1, 5000), 1);
    int client = http_listen_accept(fd);
    assert_true(client >= 0);
    int on = 0;
    socklen_t size = sizeof(on);
    assert_int_equal(getsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, &size), 0);
    assert_true(on);
    close(client);
    close(peer);
    close(fd);
}

static void a_taken_port_and_a_bad_address_are_said(void **state)
{
    (void)state;
    int fd = http_listen_open("127.0.0.1", 0, error, sizeof(error));
    assert_true(fd >= 0);
    uint16_t port = http_listen_port(fd);
    assert_int_equal(http_listen_open("127.0.0.1", port, error, sizeof(error)), -EADDRINUSE);
    assert_non_null(strstr(error, "taken"));
    assert_int_equal(http_listen_open("localhost", port, error, sizeof(error)), -EINVAL);
    assert_non_null(strstr(error, "localhost"));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_accepted_answers_without_delay),
        cmocka_unit_test(a_taken_port_and_a_bad_address_are_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
