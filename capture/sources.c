#include "capture/sources.h"

#include "capture/audio.h"
#include "capture/capture.h"
#include "capture/capture_backends.h"
#include "capture/utf8.h"

#include <stdio.h>
#include <string.h>

#define AUDIO_INPUTS_MAX 64

static void add_note(char *notes, size_t size, const char *note)
{
    size_t n = strlen(notes);
    if (note[0] && !strstr(notes, note)) /* the display is asked for screens and for windows */
        snprintf(notes + n, size - n, "%s\n", note);
}

static int add(struct sources_entry *out, int n, int max, const char *source, const char *name)
{
    if (n == max)
        return n;
    out[n] = (struct sources_entry){.kind = SOURCES_AUDIO};
    snprintf(out[n].source, sizeof(out[n].source), "%s", source);
    utf8_copy(out[n].name, sizeof(out[n].name), name, strlen(name));
    return n + 1;
}

static int list_audio(struct sources_entry *out, int max, char *notes, size_t notes_size)
{
    struct audio_input inputs[AUDIO_INPUTS_MAX];
    char why[256] = "";
    int n = 0, found = audio_list(inputs, AUDIO_INPUTS_MAX, why, sizeof(why));
    bool has_input = false, has_monitor = false;
    for (int i = 0; i < found; i++) {
        has_input |= !inputs[i].is_monitor;
        has_monitor |= inputs[i].is_monitor;
    }
    if (found < 0)
        add_note(notes, notes_size, why);
    if (has_input)
        n = add(out, n, max, "default", "Default input");
    if (has_monitor)
        n = add(out, n, max, "monitor", "What the default output plays");
    for (int i = 0; i < found; i++)
        n = add(out, n, max, inputs[i].arg, inputs[i].name);
    return add(out, n, max, "tone", "Test tone");
}

const char *sources_kind_name(enum sources_kind kind)
{
    switch (kind) {
    case SOURCES_SCREEN:
        return "screen";
    case SOURCES_WINDOW:
        return "window";
    case SOURCES_CAMERA:
        return "camera";
    case SOURCES_PORTAL:
        return "portal";
    case SOURCES_PATTERN:
        return "pattern";
    case SOURCES_AUDIO:
        return "audio";
    }
    return "";
}

int sources_list(struct sources_entry *out, int max, char *notes, size_t notes_size)
{
    int n = 0;
    notes[0] = '\0';
    for (const struct capture_ops *const *ops = capture_backends(); *ops && n < max; ops++) {
        char why[256] = "";
        int found = (*ops)->list ? (*ops)->list(out + n, max - n, why, sizeof(why)) : 0;
        add_note(notes, notes_size, why);
        n += found > 0 ? found : 0;
    }
    return n + list_audio(out + n, max - n, notes, notes_size);
}
