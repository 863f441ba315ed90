/* Recognises foreign programs and scripts by the rules of fs/binfmt_misc.c and fs/binfmt_script.c. */
#include "program.h"
#include <errno.h>
#include <string.h>

static int hex_digit(char c) {
	if (c >= '0' && c <= '9') return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int parse_hex(const char *text, unsigned char *to) {
	for (size_t i = 0; text[2 * i]; i++) {
		int high = hex_digit(text[2 * i]), low = high < 0 ? -1 : hex_digit(text[2 * i + 1]);
		if (low < 0) return -1;
		to[i] = (unsigned char)(high << 4 | low);
	}
	return 0;
}

int parse_machine(struct machine *machine, const char *magic, const char *mask, const char *emulator) {
	size_t digits = strlen(magic);
	errno = EINVAL;
	if (digits == 0 || digits > 2 * HEAD || strlen(mask) != digits) return -1;
	if (parse_hex(magic, machine->magic) < 0 || parse_hex(mask, machine->mask) < 0) return -1;
	machine->size = digits / 2;
	machine->emulator = emulator;
	return 0;
}

bool matches(const struct machine *machine, const unsigned char head[HEAD]) {
	for (size_t i = 0; i < machine->size; i++) {
		if ((head[i] ^ machine->magic[i]) & machine->mask[i]) return false;
	}
	return true;
}

static bool is_blank(char c) { return c == ' ' || c == '\t'; }

static const char *skip_blanks(const char *from, const char *end) {
	while (from < end && is_blank(*from)) from++;
	return from;
}

static const char *word_end(const char *from, const char *end) {
	while (from < end && *from && !is_blank(*from)) from++;
	return from;
}

static void copy(char *to, const char *from, const char *end) {
	size_t size = strnlen(from, (size_t)(end - from));
	memcpy(to, from, size);
	to[size] = '\0';
}

bool parse_hashbang(const unsigned char head[HEAD], struct hashbang *line) {
	const char *text = (const char *)head, *limit = text + HEAD - 1;
	if (text[0] != '#' || text[1] != '!') return false;
	const char *end = memchr(text, '\n', HEAD);
	if (!end) { /* a line that is longer: good as long as the interpreter's name is whole */
		const char *name = skip_blanks(text + 2, limit);
		if (name == limit || word_end(name, limit) == limit) return false;
		end = limit;
	}
	while (is_blank(end[-1])) end--;
	const char *name = skip_blanks(text + 2, end);
	if (name >= end || *name == '\0') return false;
	const char *name_end = word_end(name, end);
	copy(line->interpreter, name, name_end);
	const char *argument = name_end < end && *name_end ? skip_blanks(name_end, end) : end;
	line->has_argument = argument < end;
	copy(line->argument, argument, end);
	return true;
}
