/* amphi_load.c - amphi-load: many viewers of one room, from one process. See README.md. */
#include "tests/load/load_run.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { STATUS_BAD = 1, STATUS_REFUSED = 2 };

static void on_signal(int signal)
{
    (void)signal;
    load_run_interrupt();
}

int main(int argc, char **argv)
{
    static struct load_run run;
    struct load_options options;
    char error[300];
    if (load_options_read(&options, argc, argv, error, sizeof(error)) != 0) {
        fprintf(stderr, "amphi-load: %s\n", error);
        return STATUS_REFUSED;
    }
    if (options.help) {
        fputs(load_options_help(), stdout);
        return 0;
    }
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    signal(SIGPIPE, SIG_IGN);
    if (load_run(&run, &options, error, sizeof(error)) != 0) {
        fprintf(stderr, "amphi-load: %s\n", error);
        return STATUS_BAD;
    }
    if (strcmp(options.json, "-") != 0)
        load_run_print(&run);
    if (options.json[0] != '\0' && load_run_write_json(&run, options.json) != 0) {
        fprintf(stderr, "amphi-load: cannot write %s\n", options.json);
        return STATUS_BAD;
    }
    return load_run_is_good(&run) ? 0 : STATUS_BAD;
}
