/* fake_whip.h - an HTTP server on a thread that says what it was told to, one reply a request, and
 * keeps what it was asked. A request for which there is no reply is never answered. */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#define FAKE_WHIP_MAX 32

struct fake_whip {
    int listener;
    uint16_t port;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under lock */
    char *replies[FAKE_WHIP_MAX]; /* owned */
    unsigned n_replies, n_served;
    char *asked[FAKE_WHIP_MAX]; /* owned: requests with their bodies */
    unsigned n_asked;
};

static inline char *fake_whip_read(int fd)
{
    size_t n = 0, room = 1 << 17, wanted = SIZE_MAX;
    char *text = calloc(1, room);
    while (n + 1 < room && n < wanted) {
        ssize_t got = recv(fd, text + n, room - 1 - n, 0);
        if (got <= 0)
            break;
        n += (size_t)got;
        const char *end = strstr(text, "\r\n\r\n");
        const char *length = strstr(text, "Content-Length: ");
        if (end)
            wanted = (size_t)(end + 4 - text) +
                     (length && length < end ? (size_t)atoll(length + 16) : 0);
    }
    return text;
}

static inline void *fake_whip_run(void *arg)
{
    struct fake_whip *f = arg;
    for (;;) {
        int fd = accept(f->listener, NULL, NULL);
        if (fd < 0)
            return NULL;
        char *text = fake_whip_read(fd);
        pthread_mutex_lock(&f->lock);
        if (!text[0] || f->n_asked == FAKE_WHIP_MAX) {
            free(text);
            text = NULL;
        } else {
            f->asked[f->n_asked++] = text;
        }
        const char *reply = text && f->n_served < f->n_replies ? f->replies[f->n_served++] : NULL;
        pthread_cond_broadcast(&f->changed);
        pthread_mutex_unlock(&f->lock);
        if (reply)
            (void)send(fd, reply, strlen(reply), MSG_NOSIGNAL);
        close(fd);
    }
}

static inline void fake_whip_start(struct fake_whip *f)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof(at);
    *f = (struct fake_whip){.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(f->listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(f->listener, 8), 0);
    assert_int_equal(getsockname(f->listener, (struct sockaddr *)&at, &size), 0);
    f->port = ntohs(at.sin_port);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    assert_int_equal(pthread_create(&f->thread, NULL, fake_whip_run, f), 0);
}

static inline void fake_whip_stop(struct fake_whip *f)
{
    shutdown(f->listener, SHUT_RDWR);
    pthread_join(f->thread, NULL);
    close(f->listener);
    for (unsigned i = 0; i < f->n_replies; i++)
        free(f->replies[i]);
    for (unsigned i = 0; i < f->n_asked; i++)
        free(f->asked[i]);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
}

/* The next request without a reply gets this. `head`: the status line's rest and header fields,
 * each ended by CRLF. */
static inline void fake_whip_says(struct fake_whip *f, const char *head, const char *body)
{
    size_t size = strlen(head) + strlen(body) + 200;
    char *text = malloc(size);
    snprintf(text, size, "HTTP/1.1 %sContent-Length: %zu\r\nConnection: close\r\n\r\n%s", head,
             strlen(body), body);
    pthread_mutex_lock(&f->lock);
    assert_true(f->n_replies < FAKE_WHIP_MAX);
    f->replies[f->n_replies++] = text;
    pthread_mutex_unlock(&f->lock);
}

/* Waits for the i-th request, from 0. */
static inline const char *fake_whip_asked(struct fake_whip *f, unsigned i)
{
    pthread_mutex_lock(&f->lock);
    while (f->n_asked <= i)
        pthread_cond_wait(&f->changed, &f->lock);
    const char *text = f->asked[i];
    pthread_mutex_unlock(&f->lock);
    return text;
}
