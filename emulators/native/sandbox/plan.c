/* The plan: NUL-terminated words, each operation its name and its operands. And the outcome, a line. */
#include "sandbox.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *plan, *plan_end, *cursor;
int operation_index;

void say(const char *kind, int value) {
	char line[160];
	int n = snprintf(line, sizeof line, "%s %d\n", kind, value);
	if (n > 0 && write(STATUS_FD, line, (size_t)n) < 0) _exit(FAILED);
}

void fail(const char *name) {
	int error = errno;
	char line[160];
	int n = snprintf(line, sizeof line, "fail %d %s %d\n", operation_index, name, error);
	if (n > 0 && write(STATUS_FD, line, (size_t)n) < 0) _exit(FAILED);
	_exit(FAILED);
}

void read_plan(void) {
	size_t size = 0, room = 65536;
	plan = malloc(room);
	for (;;) {
		if (!plan) fail("memory");
		ssize_t n = read(PLAN_FD, plan + size, room - size);
		if (n < 0) fail("plan");
		if (n == 0) break;
		size += (size_t)n;
		if (size == room) plan = realloc(plan, room *= 2);
	}
	if (size == 0 || plan[size - 1] != '\0') { errno = EINVAL; fail("plan"); }
	close(PLAN_FD);
	cursor = plan;
	plan_end = plan + size;
}

int plan_has_more(void) { return cursor < plan_end; }

char *word(void) {
	if (cursor >= plan_end) { errno = EINVAL; fail("plan"); }
	char *here = cursor;
	cursor += strlen(cursor) + 1;
	return here;
}

unsigned long number(void) { return strtoul(word(), NULL, 0); }

char **words(void) {
	size_t count = number();
	char **list = calloc(count + 1, sizeof *list);
	if (!list) fail("memory");
	for (size_t i = 0; i < count; i++) list[i] = word();
	return list;
}
