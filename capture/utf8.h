/* utf8.h - names that strangers chose, made fit to be printed and sent: pure, any thread. */
#pragma once

#include <stddef.h>

/* Copies `size` bytes that ought to be UTF-8 into `out` (at most `out_size` - 1 and a 0), cut
 * between characters. Control characters become spaces; what is no UTF-8 becomes U+FFFD. */
void utf8_copy(char *out, size_t out_size, const char *text, size_t size);
/* The same for ISO 8859-1. */
void utf8_from_latin1(char *out, size_t out_size, const char *text, size_t size);
