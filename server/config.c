#include "server/config_options.h"
#include "server/option_value.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_FILE_MAX 65536
#define DRAIN_S 60

static int refuse(char *error, size_t size, const char *option, const char *why)
{
    snprintf(error, size, "--%s %s", option, why);
    return -EINVAL;
}

static int apply(struct config *c, const struct option *o, const char *value, char *error,
                 size_t size)
{
    const char *why = o->set(c, value);
    return why ? refuse(error, size, o->name, why) : 0;
}

/* --- the JSON file --- */

static int apply_scalar(struct config *c, const struct option *o, const json_t *value, char *error,
                        size_t size)
{
    char number[32];
    if (!o->value) {
        if (!json_is_boolean(value))
            return refuse(error, size, o->name, "must be true or false in the file");
        return json_is_true(value) ? apply(c, o, "", error, size) : 0;
    }
    if (json_is_string(value))
        return apply(c, o, json_string_value(value), error, size);
    if (json_is_integer(value)) {
        snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(value));
        return apply(c, o, number, error, size);
    }
    return refuse(error, size, o->name, "must be a text or a whole number in the file");
}

static int apply_json(struct config *c, json_t *root, char *error, size_t size)
{
    const char *key;
    json_t *value;
    json_object_foreach(root, key, value)
    {
        const struct option *o = config_find_option(key, strlen(key));
        if (!o) {
            snprintf(error, size, "--config: the file has the unknown key \"%.40s\"", key);
            return -EINVAL;
        }
        bool many = json_is_array(value) && config_option_repeats(o);
        size_t n = many ? json_array_size(value) : 1;
        for (size_t i = 0; i < n; i++) {
            int err = apply_scalar(c, o, many ? json_array_get(value, i) : value, error, size);
            if (err)
                return err;
        }
    }
    return 0;
}

static int read_file(struct config *c, const char *path, char *error, size_t size)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        snprintf(error, size, "--config: cannot read %.200s: %s", path, strerror(errno));
        return -EINVAL;
    }
    static char text[CONFIG_FILE_MAX + 1];
    size_t n = fread(text, 1, sizeof(text), f);
    int failed = ferror(f) ? errno : 0;
    fclose(f);
    if (failed || n > CONFIG_FILE_MAX) {
        snprintf(error, size, "--config: cannot read %.200s: %s", path,
                 failed ? strerror(failed) : "it is larger than 64 KiB");
        return -EINVAL;
    }
    json_error_t where;
    json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &where);
    int err = -EINVAL;
    if (!root)
        snprintf(error, size, "--config: %.200s line %d: %s", path, where.line, where.text);
    else if (!json_is_object(root))
        snprintf(error, size, "--config: %.200s does not hold a JSON object", path);
    else
        err = apply_json(c, root, error, size);
    json_decref(root);
    return err;
}

/* --- the command line --- */

struct argument {
    const char *name;
    size_t name_size;
    const char *value;
};

/* Takes the option at argv[*i]; false with a sentence if it is none. */
static bool next_argument(int argc, char *const *argv, int *i, struct argument *out, char *error,
                          size_t size)
{
    const char *arg = argv[*i];
    if (strncmp(arg, "--", 2) != 0 || !arg[2]) {
        snprintf(error, size, "unexpected argument \"%.60s\" (amphi --help shows the options)",
                 arg);
        return false;
    }
    size_t n = strcspn(arg + 2, "=");
    const struct option *o = config_find_option(arg + 2, n);
    bool is_config = n == 6 && memcmp(arg + 2, "config", 6) == 0;
    if (!o && !is_config) {
        snprintf(error, size, "unknown option %.60s (amphi --help shows the options)", arg);
        return false;
    }
    *out = (struct argument){.name = arg + 2, .name_size = n, .value = ""};
    bool wants = is_config || o->value;
    if (arg[2 + n] == '=') {
        out->value = arg + 3 + n;
    } else if (wants) {
        if (*i + 1 >= argc) {
            snprintf(error, size, "%.60s needs a value", arg);
            return false;
        }
        out->value = argv[++*i];
    }
    if (!wants && *out->value) {
        snprintf(error, size, "--%.*s takes no value", (int)n, arg + 2);
        return false;
    }
    return true;
}

static bool is_command(int argc, char *const *argv, const char *word)
{
    return argc > 1 && strcmp(argv[1], word) == 0;
}

static bool is_word(int argc, char *const *argv, const char *word)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], word) == 0)
            return true;
    }
    return false;
}

/* The file first and the rest after it, so that the command line wins whatever the order. */
static int apply_arguments(struct config *c, int argc, char *const *argv, bool files, char *error,
                           size_t size)
{
    bool sources_reset = false;
    bool command = is_command(argc, argv, "serve") || is_command(argc, argv, "publish");
    for (int i = command ? 2 : 1; i < argc; i++) {
        struct argument a;
        if (!next_argument(argc, argv, &i, &a, error, size))
            return -EINVAL;
        const struct option *o = config_find_option(a.name, a.name_size);
        if (!o == !files)
            continue;
        if (!files && config_option_repeats(o) && !sources_reset) {
            c->n_sources = 0;
            sources_reset = true;
        }
        int err = files ? read_file(c, a.value, error, size) : apply(c, o, a.value, error, size);
        if (err)
            return err;
    }
    return 0;
}

/* What one option asks of another. */
static int check_together(const struct config *c, char *error, size_t size)
{
    if (!c->publishes && (c->to[0] || c->ca_file[0]))
        return refuse(error, size, c->to[0] ? "to" : "ca-file", "belongs to amphi publish");
    if (c->publishes && !c->to[0])
        return refuse(error, size, "to", "is needed: the URL to publish to");
    if (c->publishes && !c->ice_full)
        return refuse(error, size, "ice", "must be full to publish");
    bool has_room = c->publishes || c->n_sources > 0 || c->room[0];
    if (!has_room && (c->secret[0] || c->password[0]))
        return refuse(error, size, c->secret[0] ? "secret" : "password",
                      "needs --room or --source");
    size_t n = strlen(c->secret);
    if (!c->publishes && n > 0 && (n < CONFIG_SECRET_MIN || n > CONFIG_SECRET_MAX))
        return refuse(error, size, "secret", "must be 16 to 64 characters");
    if (c->n_turn > 0 && (!c->turn_user[0] || !c->turn_pass[0]))
        return refuse(error, size, "turn", "needs --turn-user and --turn-pass");
    if (!c->tls_cert[0] != !c->tls_key[0])
        return refuse(error, size, c->tls_cert[0] ? "tls-cert" : "tls-key",
                      "needs the other of --tls-cert and --tls-key");
    if (c->force_relay && !c->ice_full)
        return refuse(error, size, "force-relay", "needs --ice full");
    if (c->force_relay && c->n_turn == 0 && !c->publishes) /* a server elsewhere may name one */
        return refuse(error, size, "force-relay", "needs --turn");
    if (c->audio.kind[0] && c->n_sources == 0)
        return refuse(error, size, "audio", "needs --source");
    return 0;
}

int config_read(struct config *c, int argc, char *const *argv, const char *port_env, char *error,
                size_t error_size)
{
    *c = (struct config){
        .action = CONFIG_RUN,
        .listen_ip = "127.0.0.1",
        .listen_port = 8080,
        .udp_port = 8189,
        .coding = media_coding_default(),
        .max_viewers = 10000,
        .max_connections_per_address = 3000,
        .adapt = true,
        .max_rooms = 2000,
        .room_idle_s = 300,
        .log_level = 2,
    };
    if (is_word(argc, argv, "--help") || is_word(argc, argv, "--version")) {
        c->action = is_word(argc, argv, "--help") ? CONFIG_SHOW_HELP : CONFIG_SHOW_VERSION;
        return 0;
    }
    long port;
    if (port_env && *port_env) {
        if (option_number(port_env, 0, 65535, &port)) {
            snprintf(error, error_size, "PORT in the environment must be 0 to 65535");
            return -EINVAL;
        }
        c->listen_port = (uint16_t)port;
    }
    c->publishes = is_command(argc, argv, "publish");
    c->ice_full = c->publishes;
    if (c->publishes)
        c->udp_port = 0; /* agents have ports of their own; there may be a server, too */
    int err = apply_arguments(c, argc, argv, true, error, error_size);
    if (!err)
        err = apply_arguments(c, argc, argv, false, error, error_size);
    if (!err)
        err = check_together(c, error, error_size);
    if (!c->drain_said) /* a source ends with the program */
        c->drain_s = c->publishes || c->n_sources > 0 ? 0 : DRAIN_S;
    if (!c->open_rooms_said)
        c->open_rooms = !c->publishes && c->n_sources == 0;
    media_settle(&c->coding);
    return err;
}

const char *config_help(void)
{
    static char text[8192];
    size_t n =
        (size_t)snprintf(text, sizeof(text),
                         "amphi [serve] [options]   one presenter, every seat in the front "
                         "row\n"
                         "amphi publish --to URL    push a source to a server elsewhere (WHIP)\n"
                         "amphi sources [--json]    what --source and --audio accept here\n\n");
    const struct option *o;
    for (unsigned i = 0; (o = config_option(i)) != NULL && n < sizeof(text); i++) {
        char head[64];
        snprintf(head, sizeof(head), "--%s %s", o->name, o->value ? o->value : "");
        n += (size_t)snprintf(text + n, sizeof(text) - n, "  %-26s %s\n", head, o->help);
    }
    if (n < sizeof(text))
        snprintf(text + n, sizeof(text) - n, "  %-26s %s\n  %-26s %s\n", "--config FILE",
                 "the same options as a JSON object; the command line wins", "--version, --help",
                 "");
    return text;
}
