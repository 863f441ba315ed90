/*
 * The control groups of the command. Their files are opened while the host's paths are there, and written to by the
 * process that becomes the command: launcher and pid 1 stay outside, so no limit counts or ends them.
 */
#define _GNU_SOURCE
#include "sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { MOST_GROUPS = 32 };
static int groups[MOST_GROUPS];
static int group_count;

/* A file cgroup.procs. The kernel asks what whoever opened it may do. */
int op_group(void) {
	const char *path = word();
	if (group_count == MOST_GROUPS) { errno = E2BIG; return -1; }
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) return -1;
	groups[group_count++] = fd;
	return 0;
}

void close_groups(void) {
	while (group_count > 0) close(groups[--group_count]);
}

int op_join(void) {
	for (int i = 0; i < group_count; i++) if (write(groups[i], "0", 1) < 0) return -1;
	close_groups();
	return 0;
}
