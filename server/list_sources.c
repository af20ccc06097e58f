#include "server/list_sources.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { STATUS_REFUSED = 2 };

/* --- a table --- */

static int widest_source(const struct sources_entry *list, int n)
{
    int widest = 0;
    for (int i = 0; i < n; i++) {
        int width = (int)strlen(list[i].source);
        widest = width > widest ? width : widest;
    }
    return widest;
}

static void print_entry(const struct sources_entry *e, int widest, FILE *out)
{
    char size[32] = "";
    if (e->width)
        snprintf(size, sizeof(size), "%dx%d", e->width, e->height);
    fprintf(out, "  %-*s  %-9s  %s%s%s%s\n", widest, e->source, size, e->name,
            e->app[0] && e->name[0] ? " - " : "", e->app, e->focused ? " (focused)" : "");
}

static void print_table(const struct sources_entry *list, int n, FILE *out)
{
    int widest = widest_source(list, n);
    for (int audio = 0; audio < 2; audio++) {
        fputs(audio ? "--audio\n" : "--source\n", out);
        for (int i = 0; i < n; i++) {
            if ((list[i].kind == SOURCES_AUDIO) == audio)
                print_entry(&list[i], widest, out);
        }
    }
}

/* --- JSON --- */

static json_t *entry_json(const struct sources_entry *e)
{
    json_t *o = json_object();
    json_object_set_new(o, "source", json_string(e->source));
    json_object_set_new(o, "kind", json_string(sources_kind_name(e->kind)));
    json_object_set_new(o, "name", json_string(e->name));
    if (e->kind == SOURCES_WINDOW) {
        json_object_set_new(o, "app", json_string(e->app));
        json_object_set_new(o, "focused", json_boolean(e->focused));
    }
    if (e->width) {
        json_object_set_new(o, "width", json_integer(e->width));
        json_object_set_new(o, "height", json_integer(e->height));
    }
    return o;
}

static json_t *list_json(const struct sources_entry *list, int n)
{
    json_t *root = json_object(), *sources = json_array(), *audio = json_array();
    for (int i = 0; i < n; i++)
        json_array_append_new(list[i].kind == SOURCES_AUDIO ? audio : sources,
                              entry_json(&list[i]));
    json_object_set_new(root, "sources", sources);
    json_object_set_new(root, "audio", audio);
    return root;
}

static void print_json(const struct sources_entry *list, int n, FILE *out)
{
    json_t *root = list_json(list, n);
    json_dumpf(root, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(root);
}

int list_sources(int argc, char *const *argv, FILE *out, FILE *err)
{
    bool json = false;
    for (int i = 0; i < argc; i++) {
        json = strcmp(argv[i], "--json") == 0;
        if (!json) {
            fprintf(err, "amphi: sources knows no \"%s\": only --json\n", argv[i]);
            return STATUS_REFUSED;
        }
    }
    char notes[1024];
    struct sources_entry *list = calloc(SOURCES_MAX, sizeof(*list));
    if (!list) {
        fputs("amphi: out of memory\n", err);
        return STATUS_REFUSED;
    }
    int n = sources_list(list, SOURCES_MAX, notes, sizeof(notes));
    if (json)
        print_json(list, n, out);
    else
        print_table(list, n, out);
    fputs(notes, err);
    free(list);
    return 0;
}

char *list_sources_json(const struct sources_entry *list, int n)
{
    json_t *root = list_json(list, n);
    char *text = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    return text;
}
