/* turn_server.h - coturn on loopback with one user, for one test.
 *
 * Life: turn_server_start, which waits until it answers; turn_server_stop. Without the program
 * (Debian's package coturn) start returns false after saying so.
 */
#pragma once

#include "rtp/session/address.h"

#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TURN_SERVER_USER "amphi"
#define TURN_SERVER_PASSWORD "relay-secret"
#define TURN_SERVER_TRIES 100 /* of 100 ms */

struct turn_server {
    pid_t pid;
    struct address address;
    char directory[64];
};

static inline bool turn_server_is_installed(void)
{
    return access("/usr/bin/turnserver", X_OK) == 0;
}

static inline int turn_server_socket(struct address *local)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && address_parse(local, "127.0.0.1", 0);
    ok = ok && bind(fd, &local->sa, address_size(local)) == 0;
    socklen_t size = sizeof(local->in);
    ok = ok && getsockname(fd, &local->sa, &size) == 0;
    assert(ok);
    return fd;
}

static inline void turn_server_exec(const struct turn_server *t, const char *quota)
{
    char port[40], users[128], log[128], pid_file[128], quota_option[40];
    snprintf(port, sizeof(port), "--listening-port=%u", address_port(&t->address));
    snprintf(users, sizeof(users), "--userdb=%s/users", t->directory);
    snprintf(log, sizeof(log), "--log-file=%s/log", t->directory);
    snprintf(pid_file, sizeof(pid_file), "--pidfile=%s/pid", t->directory);
    snprintf(quota_option, sizeof(quota_option), "--user-quota=%s", quota);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int out = open("/dev/null", O_WRONLY);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    execl("/usr/bin/turnserver", "turnserver", "-n", port, users, log, pid_file, quota_option,
          "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--lt-cred-mech", "--realm=test",
          "--user=" TURN_SERVER_USER ":" TURN_SERVER_PASSWORD, "--allow-loopback-peers", "--no-cli",
          "--no-tls", "--no-dtls", "--simple-log", (char *)NULL);
    _exit(127);
}

/* Whether it answers a STUN binding request. */
static inline bool turn_server_answers(const struct turn_server *t)
{
    static const uint8_t request[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3};
    uint8_t answer[512];
    struct address local;
    int fd = turn_server_socket(&local);
    ssize_t n = sendto(fd, request, sizeof(request), 0, &t->address.sa, address_size(&t->address));
    struct pollfd p = {.fd = fd, .events = POLLIN};
    bool ok = n > 0 && poll(&p, 1, 100) == 1 && recv(fd, answer, sizeof(answer), 0) >= 20;
    close(fd);
    if (!ok)
        usleep(20000); /* it was refused at once: nobody listens yet */
    return ok;
}

static inline bool turn_server_start(struct turn_server *t, const char *quota)
{
    if (!turn_server_is_installed()) {
        fprintf(stderr, "SKIPPED: /usr/bin/turnserver is not there (Debian package coturn)\n");
        return false;
    }
    snprintf(t->directory, sizeof(t->directory), "/tmp/amphi-turn-XXXXXX");
    if (!mkdtemp(t->directory))
        abort();
    close(turn_server_socket(&t->address)); /* a port that was free just now */
    t->pid = fork();
    if (t->pid == 0)
        turn_server_exec(t, quota);
    int tries = 0;
    while (!turn_server_answers(t) && tries < TURN_SERVER_TRIES)
        tries++;
    assert(tries < TURN_SERVER_TRIES);
    return true;
}

static inline void turn_server_stop(struct turn_server *t)
{
    static const char *const files[] = {"users", "log", "pid"};
    kill(t->pid, SIGKILL);
    waitpid(t->pid, NULL, 0);
    for (int i = 0; i < 3; i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s/%s", t->directory, files[i]);
        unlink(path);
    }
    rmdir(t->directory);
}
