/* What kind of program a file is, from its first bytes, as the kernel sees it. */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

enum { HEAD = 256 }; /* what the kernel looks at; a shorter file is padded with zeros */

struct machine {
	unsigned char magic[HEAD], mask[HEAD];
	size_t size;
	const char *emulator; /* its path inside the step */
};

/* Hexadecimal. Returns -1 with EINVAL for anything else. */
int parse_machine(struct machine *machine, const char *magic, const char *mask, const char *emulator);
bool matches(const struct machine *machine, const unsigned char head[HEAD]);

struct hashbang { char interpreter[HEAD], argument[HEAD]; bool has_argument; };

/* False for what the kernel would not take for a script. */
bool parse_hashbang(const unsigned char head[HEAD], struct hashbang *line);

#endif
