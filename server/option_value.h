/* option_value.h - the values that options of every kind are made of. NULL, or the reason why a
 * value is refused; then nothing is written. No state; any thread.
 */
#pragma once

#include <stddef.h>

const char *option_number(const char *text, long min, long max, long *out);
const char *option_text(char *out, size_t room, const char *value);
