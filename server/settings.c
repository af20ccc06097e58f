#include "server/settings.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX 16384
#define PATH_ROOM 1024

bool settings_path(char *out, size_t size)
{
    const char *base = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
    int n = -1;
    if (base && base[0] == '/') /* a relative one is to be ignored (XDG Base Directory) */
        n = snprintf(out, size, "%s/amphi/settings.json", base);
    else if (home && home[0] == '/')
        n = snprintf(out, size, "%s/.config/amphi/settings.json", home);
    return n > 0 && (size_t)n < size;
}

/* --- reading --- */

/* Of visible ASCII: it becomes an argument. */
static void take_text(json_t *root, const char *key, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(root, key));
    if (!text || strlen(text) >= size)
        return;
    for (const char *p = text; *p; p++) {
        if (*p <= ' ' || *p > '~')
            return;
    }
    memcpy(out, text, strlen(text) + 1);
}

static int take(struct settings *out, const char *text, size_t size)
{
    json_t *root = json_loadb(text, size, JSON_REJECT_DUPLICATES, NULL);
    bool ok = json_is_object(root) &&
              json_integer_value(json_object_get(root, "version")) == SETTINGS_VERSION;
    if (ok) {
        take_text(root, "quality", out->quality, sizeof(out->quality));
        take_text(root, "fps", out->fps, sizeof(out->fps));
        take_text(root, "codec", out->codec, sizeof(out->codec));
        take_text(root, "rate-control", out->rate_control, sizeof(out->rate_control));
        take_text(root, "to", out->to, sizeof(out->to));
        out->hides_streams = json_is_true(json_object_get(root, "hides-streams"));
        out->shows_log = json_is_true(json_object_get(root, "shows-log"));
    }
    json_decref(root);
    return ok ? 0 : -EINVAL;
}

int settings_load(struct settings *out, const char *path)
{
    *out = (struct settings){.quality = ""};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    char *text = malloc(FILE_MAX);
    ssize_t n = text ? read(fd, text, FILE_MAX) : -1;
    int err = n < 0 ? -EIO : n == FILE_MAX ? -EINVAL : take(out, text, (size_t)n);
    free(text);
    close(fd);
    return err;
}

/* --- writing --- */

static int make_folder(const char *path)
{
    char folder[PATH_ROOM];
    size_t n = strlen(path);
    if (n >= sizeof(folder))
        return -ENAMETOOLONG;
    for (size_t i = 1; i < n; i++) {
        if (path[i] != '/')
            continue;
        memcpy(folder, path, i);
        folder[i] = '\0';
        if (mkdir(folder, 0700) != 0 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

static char *to_text(const struct settings *s)
{
    json_t *root = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:b, s:b}", "version",
                             SETTINGS_VERSION, "quality", s->quality, "fps", s->fps, "codec",
                             s->codec, "rate-control", s->rate_control, "to", s->to,
                             "hides-streams", s->hides_streams, "shows-log", s->shows_log);
    char *text = root ? json_dumps(root, JSON_INDENT(2)) : NULL;
    json_decref(root);
    return text;
}

static int write_all(int fd, const char *text)
{
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t n = write(fd, text, left);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            text += n;
            left -= (size_t)n;
        }
    }
    return fsync(fd) == 0 ? 0 : -errno;
}

/* Beside it first, so that there is always a whole one. */
static int replace(const char *path, const char *text)
{
    char beside[PATH_ROOM + 8];
    snprintf(beside, sizeof(beside), "%s.XXXXXX", path);
    int fd = mkostemp(beside, O_CLOEXEC); /* 0600 */
    if (fd < 0)
        return -errno;
    int err = write_all(fd, text);
    close(fd);
    if (!err && rename(beside, path) != 0)
        err = -errno;
    if (err)
        unlink(beside);
    return err;
}

int settings_save(const struct settings *s, const char *path)
{
    int err = make_folder(path);
    char *text = err ? NULL : to_text(s);
    if (!err)
        err = text ? replace(path, text) : -ENOMEM;
    free(text);
    return err;
}
