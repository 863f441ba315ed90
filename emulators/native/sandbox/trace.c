/*
 * The `trace` operation: pid 1 stays behind as `init` does, and starts the emulator of every foreign program that any
 * process of the sandbox executes. Nothing else is looked at: a filter stops execve and execveat, and only those.
 *
 * Why pid 1: nothing inside can kill it (`kill -9 -1` included), and no further process is to be seen. It keeps all
 * its capabilities, so that setuid programs of this machine stay setuid though they are traced.
 */
#define _GNU_SOURCE
#include "sandbox.h"
#include <errno.h>
#include <stdlib.h>

int is_traced;

#ifdef __x86_64__
#include "exec.h"
#include "filter.h"
#include <linux/audit.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { I386_EXECVE = 11, I386_EXECVEAT = 358, SYSCALL_STOP = SIGTRAP | 0x80 };

/* Without a filter every system call stops: much slower, and as good. */
static bool filtered;

static int stop_at_exec(void) {
	static struct sock_filter code[] = {
		LOAD(arch),
		UNLESS(AUDIT_ARCH_X86_64, 6),
		LOAD(nr),
		UNLESS(SYS_execve, 1), ANSWER(SECCOMP_RET_TRACE | EXECVE_64),
		UNLESS(SYS_execveat, 1), ANSWER(SECCOMP_RET_TRACE | EXECVEAT_64),
		ANSWER(SECCOMP_RET_ALLOW),
		UNLESS(AUDIT_ARCH_I386, 5),
		LOAD(nr),
		UNLESS(I386_EXECVE, 1), ANSWER(SECCOMP_RET_TRACE | EXECVE_32),
		UNLESS(I386_EXECVEAT, 1), ANSWER(SECCOMP_RET_TRACE | EXECVEAT_32),
		ANSWER(SECCOMP_RET_ALLOW),
	};
	return install_filter(code, sizeof code / sizeof *code);
}

static void resume(pid_t tid, int signal_number) {
	ptrace(filtered ? PTRACE_CONT : PTRACE_SYSCALL, tid, NULL, (void *)(long)signal_number); /* gone: wait() tells */
}

static void handle(pid_t command, pid_t tid, int status);

static void on_exec(pid_t command, pid_t tid, enum exec_kind kind) {
	int event = 0;
	switch (exec_begins(tid, kind, &event)) {
	case GO_ON: resume(tid, 0); break;
	case TO_EXIT: ptrace(PTRACE_SYSCALL, tid, NULL, NULL); break;
	case HANDLE: if (event) handle(command, tid, event); break;
	}
}

static void on_syscall(pid_t command, pid_t tid) {
	registers regs;
	if (read_registers(tid, &regs) < 0) return;
	if (at_entry(tid, &regs)) {
		enum exec_kind kind = filtered ? NOT_EXEC : exec_kind_at(tid, &regs);
		if (kind != NOT_EXEC) on_exec(command, tid, kind);
		else ptrace(PTRACE_SYSCALL, tid, NULL, NULL); /* before Linux 4.8 the filter came first */
		return;
	}
	/* An exec that succeeded has been seen; here it failed, or it is a call that was borrowed and has begun anew. */
	exec_failed(tid);
	resume(tid, 0);
}

static void on_stop(pid_t command, pid_t tid, int status) {
	unsigned long message = 0;
	int signal_number = WSTOPSIG(status);
	switch (status >> 16) {
	case 0:
		if (signal_number == SYSCALL_STOP) on_syscall(command, tid);
		else resume(tid, signal_number);
		break;
	case PTRACE_EVENT_SECCOMP:
		if (ptrace(PTRACE_GETEVENTMSG, tid, NULL, &message) < 0) message = NOT_EXEC;
		on_exec(command, tid, (enum exec_kind)message);
		break;
	case PTRACE_EVENT_EXEC: /* a thread that executes takes the number of its process */
		if (ptrace(PTRACE_GETEVENTMSG, tid, NULL, &message) == 0) exec_is_over((pid_t)message);
		exec_is_over(tid);
		resume(tid, 0);
		break;
	case PTRACE_EVENT_STOP:
		/* SIGTRAP: a new process, or one that goes on. Else it is stopped as a shell stops a job, and stays so. */
		if (signal_number == SIGTRAP) resume(tid, 0);
		else ptrace(PTRACE_LISTEN, tid, NULL, NULL);
		break;
	default:
		resume(tid, 0);
	}
}

static void handle(pid_t command, pid_t tid, int status) {
	if (WIFSTOPPED(status)) {
		on_stop(command, tid, status);
		return;
	}
	exec_is_over(tid);
	if (tid == command) leave_as_command(status);
}

static _Noreturn void supervise(pid_t command) {
	become_supervisor(command);
	for (;;) {
		int status;
		pid_t tid = waitpid(-1, &status, __WALL);
		if (tid > 0) handle(command, tid, status);
		else if (errno != EINTR) _exit(FAILED);
	}
}

/* The command waits at the gate, and has said whether it has the filter. */
static int seize(pid_t command, int gate) {
	const long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXEC | PTRACE_O_TRACEFORK |
		PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE;
	char with_filter;
	int status;
	if (read(gate, &with_filter, 1) != 1) _exit(FAILED);
	filtered = with_filter;
	if (ptrace(PTRACE_SEIZE, command, NULL, options | (filtered ? PTRACE_O_TRACESECCOMP : 0)) < 0) return -1;
	if (!filtered) {
		if (ptrace(PTRACE_INTERRUPT, command, NULL, NULL) < 0 || waitpid(command, &status, __WALL) < 0) return -1;
		resume(command, 0);
	}
	return write(gate, "", 1) == 1 ? close(gate) : -1;
}

/* The number of words, then for each machine: magic, mask, emulator. */
static int take_machines(void) {
	char **list = words();
	size_t count = 0;
	while (list[3 * count] && list[3 * count + 1] && list[3 * count + 2]) count++;
	struct machine *machines = calloc(count + 1, sizeof *machines);
	if (!machines) return -1;
	for (size_t i = 0; i < count; i++) {
		char **operands = list + 3 * i;
		if (parse_machine(&machines[i], operands[0], operands[1], operands[2]) < 0) return -1;
	}
	return set_machines(machines, count);
}

int op_trace(void) {
	int gate[2];
	if (take_machines() < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, gate) < 0) return -1;
	pid_t command = fork();
	if (command < 0) return -1;
	if (command > 0) {
		close(gate[1]);
		if (seize(command, gate[0]) < 0) return -1;
		supervise(command);
	}
	close(gate[0]);
	default_signals();
	char with_filter = stop_at_exec() == 0, go;
	if (write(gate[1], &with_filter, 1) != 1 || read(gate[1], &go, 1) != 1) _exit(FAILED);
	is_traced = 1;
	return close(gate[1]);
}
#else
int op_trace(void) {
	words();
	errno = ENOSYS; /* tracee.c knows the registers of x86_64 only */
	return -1;
}
#endif
