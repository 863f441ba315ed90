/*
 * The processes of a sandbox: the launcher, which writes the id maps from outside, and pid 1, which reaps orphans.
 * Each dies with its parent.
 */
#define _GNU_SOURCE
#include "sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t forward_to;

static void forward(int signal_number) {
	if (forward_to > 0) kill(forward_to, signal_number);
}

void forward_signals(pid_t to) {
	static const int forwarded[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH };
	forward_to = to;
	for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++) signal(forwarded[i], forward);
}

void default_signals(void) {
	for (int i = 1; i < NSIG; i++) signal(i, SIG_DFL);
}

void die_with_parent(void) {
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) fail("pdeathsig");
}

/* The parent's part of `enter`: writes the maps from outside, then waits for pid 1 and leaves with its status. */
static void write_map(pid_t child, const char *file, const char *map) {
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/%s", child, file);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, map, strlen(map)) < 0) fail(file);
	close(fd);
}

static void leave_with(pid_t child) {
	int status;
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR) _exit(FAILED);
	}
	if (WIFSIGNALED(status)) say("signal", WTERMSIG(status));
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

int op_enter(void) {
	unsigned long flags = number();
	char *uid_map = word(), *gid_map = word();
	int gate[2];
	if (pipe2(gate, O_CLOEXEC) < 0) return -1;
	pid_t child = (pid_t)syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, NULL);
	if (child < 0) return -1;
	if (child > 0) {
		close(gate[0]);
		if (flags & CLONE_NEWUSER) {
			write_map(child, "uid_map", uid_map);
			write_map(child, "gid_map", gid_map);
		}
		forward_signals(child);
		if (write(gate[1], "", 1) < 0) fail("enter");
		leave_with(child);
	}
	close(gate[1]);
	default_signals();
	die_with_parent();
	char go;
	if (read(gate[0], &go, 1) != 1) _exit(FAILED); /* the launcher died or failed: it has said why */
	if (flags & CLONE_NEWUSER) {
		if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) return -1;
		die_with_parent(); /* changing ids cleared it */
	}
	/* The launcher holds the other end as long as it lives: had it died before the line above, nobody would tell us. */
	struct pollfd launcher = { .fd = gate[0], .events = POLLIN };
	if (poll(&launcher, 1, 0) < 0 || launcher.revents & POLLHUP) _exit(FAILED);
	close(gate[0]);
	return 0;
}

void become_supervisor(pid_t command) {
	prctl(PR_SET_DUMPABLE, 0); /* /proc/1/fd and /proc/1/root stay closed to the step */
	forward_signals(command);
	close_groups();
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) for (int fd = 0; fd < 3; fd++) dup2(null, fd);
}

/* Of all processes that pid 1 has waited for. */
static void say_usage(void) {
	struct rusage used;
	char line[160];
	if (getrusage(RUSAGE_CHILDREN, &used) < 0) return;
	int n = snprintf(line, sizeof line, "usage %lld %lld %ld %ld %ld\n",
		used.ru_utime.tv_sec * 1000000LL + used.ru_utime.tv_usec,
		used.ru_stime.tv_sec * 1000000LL + used.ru_stime.tv_usec,
		used.ru_maxrss, used.ru_inblock, used.ru_oublock);
	if (n > 0 && write(STATUS_FD, line, (size_t)n) < 0) _exit(FAILED);
}

void leave_as_command(int status) {
	if (WIFSIGNALED(status)) say("signal", WTERMSIG(status));
	else say("exit", WEXITSTATUS(status));
	say_usage();
	_exit(0);
}

/* From here on pid 1 only waits: the rest of the plan runs in its child. */
int op_init(void) {
	pid_t child = fork();
	if (child < 0) return -1;
	if (child == 0) {
		default_signals();
		return 0;
	}
	become_supervisor(child);
	for (;;) {
		int status;
		pid_t ended = wait(&status);
		if (ended < 0 && errno != EINTR) _exit(FAILED);
		if (ended == child) leave_as_command(status);
	}
}
