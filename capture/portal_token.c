#include "capture/portal_token.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool portal_token_is_name(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    size_t n = strspn(name, allowed);
    return n > 0 && n <= 64 && name[n] == '\0';
}

/* The folder, absolute as the XDG specification demands. */
static int folder(char *out, size_t size)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int n;
    if (state && state[0] == '/')
        n = snprintf(out, size, "%s/amphi", state);
    else if (home && home[0] == '/')
        n = snprintf(out, size, "%s/.local/state/amphi", home);
    else
        return -ENOENT;
    return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int file_name(char *out, size_t size, const char *name, const char *ending)
{
    char path[PATH_MAX];
    assert(portal_token_is_name(name));
    int r = folder(path, sizeof(path));
    if (r < 0)
        return r;
    int n = snprintf(out, size, "%s/portal-%s%s", path, name, ending);
    return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

static int make_folders(void)
{
    char path[PATH_MAX];
    int r = folder(path, sizeof(path));
    for (char *slash = path; r == 0 && slash;) {
        slash = strchr(slash + 1, '/');
        if (slash)
            *slash = '\0';
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return -errno;
        if (slash)
            *slash = '/';
    }
    return r;
}

int portal_token_load(const char *name, char *out, size_t out_size)
{
    char path[PATH_MAX];
    int r = file_name(path, sizeof(path), name, "");
    if (r < 0)
        return r;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, out, out_size);
    r = n < 0 ? -errno : 0;
    close(fd);
    if (r == 0 && (n == 0 || (size_t)n == out_size || memchr(out, 0, (size_t)n)))
        r = -EBADMSG;
    if (r == 0)
        out[n] = '\0';
    return r;
}

static int write_all(int fd, const char *text)
{
    size_t size = strlen(text);
    ssize_t n = write(fd, text, size);
    if (n < 0)
        return -errno;
    if ((size_t)n != size)
        return -ENOSPC;
    return fsync(fd) < 0 ? -errno : 0;
}

int portal_token_save(const char *name, const char *token)
{
    char path[PATH_MAX], beside[PATH_MAX];
    int r = file_name(path, sizeof(path), name, "");
    if (r == 0)
        r = file_name(beside, sizeof(beside), name, ".XXXXXX");
    if (r < 0)
        return r;
    if (!token)
        return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
    if (strlen(token) == 0 || strlen(token) >= PORTAL_TOKEN_MAX)
        return -EINVAL;
    r = make_folders();
    if (r < 0)
        return r;
    int fd = mkostemp(beside, O_CLOEXEC); /* for the user alone */
    if (fd < 0)
        return -errno;
    r = write_all(fd, token);
    close(fd);
    if (r == 0 && rename(beside, path) < 0)
        r = -errno;
    if (r < 0)
        unlink(beside);
    return r;
}
