/* Which files of a directory are programs by their first bytes, or cannot be looked at: names as take_listing has them. */
#define _GNU_SOURCE
#include "files.h"
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SMALLEST = 64 }; /* no ELF header is shorter */

static int may_be_program(int directory, const char *name) {
	struct statx facts;
	char head[4];
	if (statx(directory, name, AT_SYMLINK_NOFOLLOW, STATX_TYPE | STATX_SIZE, &facts) < 0) return 1;
	if (!S_ISREG(facts.stx_mode) || facts.stx_size < SMALLEST) return 0;
	int file = open_quietly(directory, name);
	if (file < 0) return 1;
	ssize_t size = read(file, head, sizeof head);
	close(file);
	return size < (ssize_t)sizeof head || memcmp(head, "\177ELF", sizeof head) == 0;
}

int64_t find_programs(int directory, const uint8_t *names, int64_t size, uint8_t *out) {
	uint8_t *first = out;
	for (const char *at = (const char *)names, *end = at + size; at < end; at += strlen(at) + 1) {
		if (*at != 'f' || !may_be_program(directory, at + 1)) continue;
		size_t length = strlen(at) + 1;
		memcpy(out, at, length);
		out += length;
	}
	return out - first;
}
