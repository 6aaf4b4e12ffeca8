/* How a program on the emulated board speaks and ends; see startup.c. */
#ifndef SEMIHOSTING_H
#define SEMIHOSTING_H

#include <stdint.h>

void print_text(const char* text);
void exit_program(uint32_t code);

#endif
