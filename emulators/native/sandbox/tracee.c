/* Registers, memory and borrowed system calls of a traced process. The only file that knows the processor. */
#define _GNU_SOURCE
#include "tracee.h"
#ifdef __x86_64__
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of the 32-bit ABI, whose numbers our headers do not have. */
enum { I386_EXECVE = 11, I386_FCNTL = 55, I386_MMAP2 = 192, I386_EXECVEAT = 358 };
enum { CALL_INSTRUCTION = 2 }; /* bytes of syscall, sysenter and int $0x80 alike */
enum { SYSCALL_STOP = SIGTRAP | 0x80 };

int read_registers(pid_t tid, registers *regs) { return ptrace(PTRACE_GETREGS, tid, NULL, regs) < 0 ? -1 : 0; }

int write_registers(pid_t tid, const registers *regs) {
	return ptrace(PTRACE_SETREGS, tid, NULL, regs) < 0 ? -1 : 0;
}

bool at_entry(pid_t tid, const registers *regs) {
	struct __ptrace_syscall_info info;
	long size = ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info);
	if (size > 0 && info.op == PTRACE_SYSCALL_INFO_ENTRY) return true;
	if (size > 0 && info.op == PTRACE_SYSCALL_INFO_EXIT) return false;
	return (int64_t)regs->rax == -ENOSYS; /* Linux before 5.3: what is there until the call has a result */
}

/* A 64-bit program may use int $0x80 too: before Linux 5.3 only the instruction tells. */
static bool is_wide(pid_t tid, const registers *regs) {
	struct __ptrace_syscall_info info;
	if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) > 0) return info.arch == AUDIT_ARCH_X86_64;
	unsigned char code[CALL_INSTRUCTION];
	if (regs->cs == 0x23) return false;
	return read_memory(tid, regs->rip - sizeof code, code, sizeof code) < 0 || code[0] == 0x0f;
}

enum exec_kind exec_kind_at(pid_t tid, const registers *regs) {
	bool wide = is_wide(tid, regs);
	if (regs->orig_rax == (wide ? SYS_execve : I386_EXECVE)) return wide ? EXECVE_64 : EXECVE_32;
	if (regs->orig_rax == (wide ? SYS_execveat : I386_EXECVEAT)) return wide ? EXECVEAT_64 : EXECVEAT_32;
	return NOT_EXEC;
}

struct exec_call decode_exec(const registers *regs, enum exec_kind kind) {
	bool wide = kind == EXECVE_64 || kind == EXECVEAT_64;
	uint64_t wide_words[] = { regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8 };
	uint64_t narrow_words[] = { (uint32_t)regs->rbx, (uint32_t)regs->rcx, (uint32_t)regs->rdx, (uint32_t)regs->rsi,
		(uint32_t)regs->rdi };
	uint64_t *words = wide ? wide_words : narrow_words;
	struct exec_call call = { .wide = wide, .directory = AT_FDCWD };
	if (kind == EXECVEAT_64 || kind == EXECVEAT_32) {
		call.directory = (int)words[0];
		call.flags = (int)words[4];
		words++;
	}
	call.path = words[0];
	call.argv = words[1];
	call.envp = words[2];
	return call;
}

static void set_call(registers *regs, bool wide, long number, const uint64_t words[6]) {
	regs->orig_rax = (unsigned long)number;
	if (wide) {
		regs->rdi = words[0], regs->rsi = words[1], regs->rdx = words[2];
		regs->r10 = words[3], regs->r8 = words[4], regs->r9 = words[5];
	} else {
		regs->rbx = words[0], regs->rcx = words[1], regs->rdx = words[2];
		regs->rsi = words[3], regs->rdi = words[4], regs->rbp = words[5];
	}
}

void encode_execve(registers *regs, const struct exec_call *call, uint64_t path, uint64_t argv) {
	regs->orig_rax = call->wide ? SYS_execve : I386_EXECVE;
	if (call->wide) regs->rdi = path, regs->rsi = argv, regs->rdx = call->envp;
	else regs->rbx = path, regs->rcx = argv, regs->rdx = call->envp;
}

void encode_refusal(registers *regs, int error) {
	regs->orig_rax = (unsigned long)-1;
	regs->rax = (unsigned long)(long)-error;
}

void encode_restart(registers *regs) {
	regs->rip -= CALL_INSTRUCTION;
	regs->rax = regs->orig_rax;
	regs->orig_rax = (unsigned long)-1; /* nothing for the kernel to restart by itself */
}

static int open_memory(pid_t tid, int flags) {
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/mem", tid);
	return open(path, flags | O_CLOEXEC);
}

/* How much was there. /proc/PID/mem instead of process_vm_readv: writes grow the stack, as the process' own do. */
static ssize_t peek(pid_t tid, uint64_t address, void *to, size_t size) {
	struct iovec local = { to, size }, remote = { (void *)(uintptr_t)address, size };
	ssize_t n = process_vm_readv(tid, &local, 1, &remote, 1, 0);
	if (n >= 0 || errno != ENOSYS) return n;
	int fd = open_memory(tid, O_RDONLY);
	if (fd < 0) return -1;
	n = pread(fd, to, size, (off_t)address);
	close(fd);
	return n;
}

int read_memory(pid_t tid, uint64_t address, void *to, size_t size) {
	return peek(tid, address, to, size) == (ssize_t)size ? 0 : -1;
}

int write_memory(pid_t tid, uint64_t address, const void *from, size_t size) {
	int fd = open_memory(tid, O_RDWR);
	if (fd < 0) return -1;
	size_t done = 0;
	while (done < size) {
		ssize_t n = pwrite(fd, (const char *)from + done, size - done, (off_t)(address + done));
		if (n <= 0) break;
		done += (size_t)n;
	}
	close(fd);
	return done == size ? 0 : -1;
}

/* To the end of the page: the next one may not be there. */
static size_t in_page(uint64_t address, size_t most) {
	size_t left = 4096 - (size_t)(address & 4095);
	return left < most ? left : most;
}

int read_string(pid_t tid, uint64_t address, char *to, size_t room) {
	for (size_t size = 0; size < room;) {
		ssize_t n = peek(tid, address + size, to + size, in_page(address + size, room - size));
		if (n <= 0) return -1;
		if (memchr(to + size, '\0', (size_t)n)) return 0;
		size += (size_t)n;
	}
	return -1;
}

enum {
	LONGEST_LIST = 1 << 20, /* more than the kernel takes on any stack */
	PER_PAGE = 4096 / 4, /* there has to be room for that many at any time */
};

uint64_t *read_list(pid_t tid, uint64_t address, bool wide, size_t *count) {
	size_t width = wide ? 8 : 4, room = PER_PAGE, size = 0;
	uint64_t *list = malloc(room * sizeof *list);
	while (list) {
		char page[4096];
		size_t whole = in_page(address, sizeof page) / width * width;
		ssize_t n = peek(tid, address, page, whole ? whole : width); /* an odd list may cross the edge of a page */
		if (n < (ssize_t)width) break;
		for (size_t at = 0; at + width <= (size_t)n; at += width) {
			uint64_t value = 0;
			memcpy(&value, page + at, width);
			if (value == 0) { *count = size; return list; }
			list[size++] = value;
		}
		if (size > LONGEST_LIST) break;
		address += (uint64_t)n / width * width;
		if (room - size < PER_PAGE) {
			uint64_t *more = realloc(list, (room *= 2) * sizeof *list);
			if (!more) break;
			list = more;
		}
	}
	free(list);
	return NULL;
}

/* Only SIGKILL and an exec of another thread come in between: signals are delivered after the exit of a call. */
static int wait_for_exit(pid_t tid, int *event) {
	for (;;) {
		registers regs;
		if (ptrace(PTRACE_SYSCALL, tid, NULL, NULL) < 0 && errno != ESRCH) return -1;
		while (waitpid(tid, event, __WALL) < 0) if (errno != EINTR) { *event = 0; return -1; }
		if (!WIFSTOPPED(*event) || WSTOPSIG(*event) != SYSCALL_STOP) return -1;
		if (read_registers(tid, &regs) == 0 && !at_entry(tid, &regs)) return 0; /* before 4.8 the entry stops again */
	}
}

static int remote_call(pid_t tid, const registers *entry, bool wide, long number, const uint64_t words[6], int *event) {
	registers regs = *entry;
	set_call(&regs, wide, number, words);
	*event = 0;
	if (write_registers(tid, &regs) < 0) return -1;
	return wait_for_exit(tid, event);
}

int remote_mmap(pid_t tid, const registers *entry, bool wide, size_t size, uint64_t *address, int *event) {
	const uint64_t words[6] = { 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, (uint64_t)-1, 0 };
	registers regs;
	if (remote_call(tid, entry, wide, wide ? SYS_mmap : I386_MMAP2, words, event) < 0) return -1;
	if (read_registers(tid, &regs) < 0) return -1;
	int64_t result = wide ? (int64_t)regs.rax : (int32_t)regs.rax;
	*address = result < 0 && result > -4096 ? 0 : wide ? regs.rax : (uint32_t)regs.rax;
	return 0;
}

int remote_keep_open(pid_t tid, const registers *entry, bool wide, int fd, int *event) {
	const uint64_t words[6] = { (uint64_t)fd, F_SETFD, 0 };
	return remote_call(tid, entry, wide, wide ? SYS_fcntl : I386_FCNTL, words, event);
}
#endif
