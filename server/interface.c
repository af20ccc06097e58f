#include "server/interface.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- what was chosen the last time --- */

static bool has_word(int argc, char **argv, const char *word)
{
    size_t n = strlen(word);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], word, n) == 0 && (argv[i][n] == '\0' || argv[i][n] == '='))
            return true;
    }
    return false;
}

/* There is something to be done at it only where a room is shown from here. */
static void look_at_terminal(struct interface *i, int argc, char **argv)
{
    bool shows = has_word(argc, argv, "publish") || has_word(argc, argv, "--source") ||
                 has_word(argc, argv, "--room") || has_word(argc, argv, "--config");
    i->wanted = shows && tui_host_is_possible() && !has_word(argc, argv, "--no-tui");
    /* whoever has a file of options has said there what he wants */
    i->keeps = i->wanted && !has_word(argc, argv, "--no-settings") &&
               !has_word(argc, argv, "--config") && settings_path(i->path, sizeof(i->path));
    if (i->keeps)
        (void)settings_load(&i->settings, i->path);
    if (has_word(argc, argv, "--encoder"))
        i->settings.codec[0] = '\0'; /* it is of the codec that is said, or the default one */
}

/* What was kept stands before the arguments, which win. */
static int read_with_settings(struct config *c, int argc, char **argv, struct settings *kept,
                              char *error, size_t error_size)
{
    struct {
        const char *name;
        char *value;
    } rows[] = {{"--quality", kept->quality},
                {"--fps", kept->fps},
                {"--codec", kept->codec},
                {"--rate-control", kept->rate_control},
                {"--to", kept->to}};
    char **all = calloc((size_t)argc + 12, sizeof(*all));
    if (!all)
        return -1;
    bool publishes = argc > 1 && strcmp(argv[1], "publish") == 0;
    int named = argc > 1 && (publishes || strcmp(argv[1], "serve") == 0) ? 2 : 1, n = 0;
    for (int i = 0; i < named; i++)
        all[n++] = argv[i];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!rows[i].value[0] || (rows[i].value == kept->to && !publishes))
            continue;
        all[n++] = (char *)rows[i].name;
        all[n++] = rows[i].value;
    }
    for (int i = named; i < argc; i++)
        all[n++] = argv[i];
    int err = config_read(c, n, all, getenv("PORT"), error, error_size);
    free(all);
    return err;
}

int interface_read(struct interface *i, struct config *c, int argc, char **argv, char *error,
                   size_t error_size)
{
    look_at_terminal(i, argc, argv);
    int err = -1;
    if (i->keeps)
        err = read_with_settings(c, argc, argv, &i->settings, error, error_size);
    if (err)
        err = config_read(c, argc, argv, getenv("PORT"), error, error_size);
    i->wanted = !err && i->wanted && !c->no_tui && (c->publishes || c->n_sources > 0 || c->room[0]);
    return err;
}

/* --- life --- */

void interface_open(struct interface *i, struct server *s, struct publish_host *publish)
{
    char error[512];
    if (i->wanted && tui_host_create(&i->host, s, publish, &i->settings, error, sizeof(error)) != 0)
        fprintf(stderr, "amphi: %s\n", error);
}

void interface_close(struct interface *i, const struct config *config)
{
    if (!i->host)
        return;
    tui_host_destroy(i->host, &i->settings);
    if (config->publishes)
        snprintf(i->settings.to, sizeof(i->settings.to), "%s", config->to);
    int err = i->keeps ? settings_save(&i->settings, i->path) : 0;
    if (err)
        fprintf(stderr, "amphi: %s cannot be kept: %s\n", i->path, strerror(-err));
}
