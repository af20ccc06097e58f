#include "capture/capture_x11_alive.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <xcb/xcb.h>

/* A socket, or -errno. Linux's abstract names begin with a NUL; libxcb tries them first. */
static int connect_to(const char *path, bool is_abstract)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t size = strlen(path), at = is_abstract ? 1 : 0;
    if (size + at >= sizeof(to.sun_path))
        return -ENAMETOOLONG;
    memcpy(to.sun_path + at, path, size);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + at + size);
    if (connect(fd, (const struct sockaddr *)&to, length) == 0)
        return fd;
    int err = errno;
    close(fd);
    return -err;
}

/* Little-endian, and a version that no server speaks: one that lives refuses it, and whoever was
 * refused is no client, with whose end some servers begin anew. */
static bool answers(int fd)
{
    static const uint8_t hello[12] = {'l'};
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return send(fd, hello, sizeof(hello), MSG_NOSIGNAL) != sizeof(hello) ||
           poll(&p, 1, X11_ALIVE_PATIENCE_MS) != 0;
}

bool x11_is_alive(void)
{
    char *host, path[64];
    int display;
    if (!xcb_parse_display(NULL, &host, &display, NULL))
        return true;
    bool is_local = host[0] == '\0' || strcmp(host, "unix") == 0;
    free(host);
    if (!is_local)
        return true;
    snprintf(path, sizeof(path), "/tmp/.X11-unix/X%d", display);
    int fd = connect_to(path, true);
    if (fd < 0 && fd != -EAGAIN)
        fd = connect_to(path, false);
    if (fd < 0)
        return fd != -EAGAIN; /* so many wait already for a server that takes none */
    bool yes = answers(fd);
    close(fd);
    return yes;
}
