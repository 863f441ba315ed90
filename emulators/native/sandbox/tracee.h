/*
 * A traced process, stopped: its registers, its memory, and system calls it makes for us.
 *
 * Everything returns -1 when the process is gone or the address is bad; whoever is killed is reported by wait().
 */
#ifndef TRACEE_H
#define TRACEE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/user.h>

typedef struct user_regs_struct registers;

/* What the filter says about a call it stops (the data of SECCOMP_RET_TRACE). */
enum exec_kind { NOT_EXEC = 0, EXECVE_64 = 1, EXECVEAT_64 = 2, EXECVE_32 = 3, EXECVEAT_32 = 4 };

struct exec_call {
	bool wide; /* a call of the 64-bit ABI: pointers have 8 bytes */
	int directory; /* AT_FDCWD for execve */
	int flags;
	uint64_t path, argv, envp;
};

int read_registers(pid_t tid, registers *regs);
int write_registers(pid_t tid, const registers *regs);
/* Whether a syscall stop is at the entry of the call. */
bool at_entry(pid_t tid, const registers *regs);
/* For a stop at a syscall entry that no filter has told anything about. */
enum exec_kind exec_kind_at(pid_t tid, const registers *regs);

struct exec_call decode_exec(const registers *regs, enum exec_kind kind);
/* Makes an execve of the call, with the same environment. */
void encode_execve(registers *regs, const struct exec_call *call, uint64_t path, uint64_t argv);
/* Makes the stopped call one that does nothing but return this. */
void encode_refusal(registers *regs, int error);
/* Lets the call begin anew once the process runs: for a stop at its exit. */
void encode_restart(registers *regs);

/* Whole, or -1. */
int read_memory(pid_t tid, uint64_t address, void *to, size_t size);
int write_memory(pid_t tid, uint64_t address, const void *from, size_t size);
/* -1 also for one that does not fit. */
int read_string(pid_t tid, uint64_t address, char *to, size_t room);
/* The words of a list up to its NULL, which is not counted; to be freed. NULL when it is unreadable or endless. */
uint64_t *read_list(pid_t tid, uint64_t address, bool wide, size_t *count);

/*
 * Instead of the call it has stopped at the entry of; afterwards it stands at the exit of that call. On -1 it was
 * killed meanwhile, and `*event` is the status to be handled.
 */
int remote_mmap(pid_t tid, const registers *entry, bool wide, size_t size, uint64_t *address, int *event);
int remote_keep_open(pid_t tid, const registers *entry, bool wide, int fd, int *event);

#endif
