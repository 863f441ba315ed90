/* Decides whether a program has to be started by an emulator, and with which words. */
#ifndef START_H
#define START_H

#include "exec.h"
#include "lookup.h"

enum { MOST_SCRIPTS = 5, MOST_WORDS = 4 + 2 * MOST_SCRIPTS + 1 };

enum start_kind {
	AS_IT_IS, /* native, or the kernel has an errno for it */
	BY_EMULATOR,
	CLOSES_ON_EXEC, /* foreign, and known only by a descriptor that must be kept open first */
	UNREADABLE, /* foreign, and not to be opened by the user who may execute it */
};

struct start {
	/* Instead of the first `replaced` words of argv; NULL stands for argv[0]. */
	const char *words[MOST_WORDS];
	size_t count, replaced;
	int descriptor;
	/* What the words point to. */
	char program[LONGEST_PATH], script[LONGEST_PATH];
	struct hashbang lines[MOST_SCRIPTS];
};

enum start_kind find_start(const struct view *view, const struct exec_call *call, const char *path, struct start *start);
/* For a call without argv[0]. */
void name_nothing(struct start *start);

#endif
