/* load_options.h - the command line of amphi-load, checked. */
#pragma once

#include "rtp/session/address.h"
#include "tests/load/impair.h"
#include "tests/load/joiner.h"

struct load_options {
    bool help;
    struct address server; /* of its HTTP port */
    char host[80];         /* for the Host header */
    char room[64];         /* "": the first one of the server's stats */
    char admin_token[256]; /* "": no figures of the server */
    enum joiner_signaling signaling;
    unsigned viewers, sample, threads;
    unsigned media_port; /* 0: the one the server names */
    double ramp_per_s;
    int64_t duration_us, baseline_us, join_timeout_us, feedback_us;
    struct impair_config impair;
    uint64_t seed;
    bool drop, no_gro, allow_remote, expect_no_loss, expect_no_freeze;
    char json[256]; /* "": none, "-": standard output */
    unsigned max_viewers;
    int64_t max_duration_us;
};

/* 0; -EINVAL with one line that names the option and the reason. */
int load_options_read(struct load_options *o, int argc, char *const *argv, char *error,
                      size_t error_size);
const char *load_options_help(void);
