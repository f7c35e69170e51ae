/* main.c – the program `leann`: finds the command and runs it.
 *
 * SPDX-License-Identifier: MIT */
#include "core/leann.h"

int main(void) { return 0; }
