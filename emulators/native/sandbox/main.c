/*
 * sandbox: carries out a plan of system calls, one step of a build or one `run`.
 *
 * Why a program of our own: after pivot_root there is no mount(8), no shell and no libc of the host left to
 * start, thirty mount(8) processes would cost more than the step itself, and Node cannot fork. It decides
 * nothing: the plan is a list of operations written by src/sys/sandbox.ts, each of them one system call or two.
 *
 *   fd 3  the plan: NUL-terminated words, each operation its name and a fixed number of operands
 *         (`env` and `exec` start with a count)
 *   fd 4  the outcome, its first line: "fail INDEX NAME ERRNO", "exit STATUS", "signal NUMBER"; behind the last two
 *         "usage USER SYSTEM PEAK READ WRITTEN" in microseconds, kilobytes and blocks of 512 bytes
 *   argv  the parent's process id
 *
 * Processes: the launcher (this process) mounts what needs the host's root, then `enter` clones the new
 * namespaces, in which `init` (pid 1) waits for the command and reaps orphans. Each dies with its parent, and
 * pid 1's death kills everything in its namespace: whoever dies first, nothing is left behind.
 */
#define _GNU_SOURCE
#include "sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct { const char *name; int (*run)(void); } operations[] = {
	{ "unshare", op_unshare }, { "mount", op_mount }, { "mkdir", op_mkdir }, { "touch", op_touch },
	{ "symlink", op_symlink }, { "restrict", op_restrict }, { "mountpoint", op_mountpoint },
	{ "file", op_file }, { "write", op_write }, { "chdir", op_chdir }, { "workdir", op_workdir },
	{ "enter", op_enter }, { "pivot", op_pivot }, { "hostname", op_hostname }, { "loopback", op_loopback },
	{ "init", op_init }, { "trace", op_trace }, { "umask", op_umask }, { "terminal", op_terminal }, { "ids", op_ids },
	{ "raise", op_raise }, { "limit", op_limit }, { "group", op_group }, { "join", op_join }, { "copy", op_copy },
	{ "mask", op_mask }, { "no-new-privileges", op_no_new_privileges },
	{ "no-memory-limits", op_no_memory_limits },
	{ "capabilities", op_capabilities }, { "environment", op_environment }, { "exec", op_exec },
};

static void run_next(void) {
	const char *name = word();
	for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
		if (strcmp(name, operations[i].name) != 0) continue;
		if (operations[i].run() < 0) fail(name);
		operation_index++;
		return;
	}
	errno = ENOSYS;
	fail(name);
}

int main(int argc, char **argv) {
	die_with_parent();
	if (argc != 2 || getppid() != atoi(argv[1])) _exit(FAILED); /* the parent was gone before the line above */
	for (int fd = PLAN_FD; fd <= STATUS_FD; fd++) {
		if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) _exit(FAILED);
	}
	syscall(SYS_close_range, STATUS_FD + 1, ~0U, 0);
	umask(0);
	read_plan();
	while (plan_has_more()) run_next();
	errno = EINVAL; /* a plan ends with exec */
	fail("plan");
}
