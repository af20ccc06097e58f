#include "server/log.h"

#include <glib.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct log_settings {
    _Atomic int level;
    bool json;
};

static struct log_settings settings;

static enum log_level level_of(GLogLevelFlags flags)
{
    if (flags & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
        return LOG_LEVEL_ERROR;
    if (flags & G_LOG_LEVEL_WARNING)
        return LOG_LEVEL_WARNING;
    return flags & (G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO) ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
}

static const char *field(const GLogField *fields, gsize n, const char *key)
{
    for (gsize i = 0; i < n; i++) {
        if (strcmp(fields[i].key, key) == 0 && fields[i].length < 0)
            return fields[i].value;
    }
    return "";
}

static void write_json(const char *when, const char *level, const char *domain, const char *text)
{
    json_t *line = json_pack("{s:s, s:s, s:s, s:s}", "time", when, "level", level, "domain", domain,
                             "message", text);
    char *out = line ? json_dumps(line, JSON_COMPACT) : NULL;
    if (out)
        fprintf(stderr, "%s\n", out);
    free(out);
    json_decref(line);
}

static pthread_mutex_t divert_lock = PTHREAD_MUTEX_INITIALIZER;
/* under that lock */
static void (*divert_line)(void *arg, const char *text);
static void *divert_arg;

/* True: it is not to be written as well. */
static bool divert(const char *level, const char *when, const char *domain, const char *text)
{
    char line[400];
    pthread_mutex_lock(&divert_lock);
    bool diverted = divert_line != NULL;
    if (diverted) {
        snprintf(line, sizeof(line), "%.8s %s %s: %s", when + 11, level, domain, text);
        divert_line(divert_arg, line);
    }
    pthread_mutex_unlock(&divert_lock);
    return diverted && isatty(STDERR_FILENO);
}

void log_divert(void (*line)(void *arg, const char *text), void *arg)
{
    pthread_mutex_lock(&divert_lock);
    divert_line = line;
    divert_arg = arg;
    pthread_mutex_unlock(&divert_lock);
}

static GLogWriterOutput writer(GLogLevelFlags flags, const GLogField *fields, gsize n, gpointer arg)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    const struct log_settings *s = arg;
    enum log_level level = level_of(flags);
    if ((int)level > atomic_load_explicit(&s->level, memory_order_relaxed))
        return G_LOG_WRITER_HANDLED;

    struct timespec now;
    struct tm tm;
    char date[32], when[48];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &tm);
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(when, sizeof(when), "%s.%03ldZ", date, now.tv_nsec / 1000000);
    const char *domain = field(fields, n, "GLIB_DOMAIN"), *text = field(fields, n, "MESSAGE");
    if (divert(names[level], when, domain, text))
        return G_LOG_WRITER_HANDLED;
    if (s->json)
        write_json(when, names[level], domain, text);
    else
        fprintf(stderr, "%s %-7s %s: %s\n", when, names[level], domain, text);
    return G_LOG_WRITER_HANDLED;
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&settings.level, (int)level, memory_order_relaxed);
}

void log_init(enum log_level level, bool json)
{
    settings.json = json;
    log_set_level(level);
    g_log_set_writer_func(writer, &settings, NULL);
}
