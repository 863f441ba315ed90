/*
 * The `no-memory-limits` operation: whoever limits the memory of processes is told that it is done, and nothing is.
 *
 * Emulators answer their programs so (qemu's linux-user/syscall.c), because such a limit would be their own: with less
 * than they map for themselves they do not start. A shell that runs natively asks the kernel.
 */
#include "sandbox.h"

#ifdef __x86_64__
#include "filter.h"
#include <errno.h>
#include <linux/audit.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define LOW(argument) LOAD(args[argument])
#define HIGH(argument) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[argument]) + 4)

int op_no_memory_limits(void) {
	static struct sock_filter code[] = {
		LOAD(arch),
		UNLESS(AUDIT_ARCH_X86_64, 14),
		LOAD(nr),
		UNLESS(SYS_setrlimit, 2), LOW(0), BPF_STMT(BPF_JMP | BPF_JA, 6),
		UNLESS(SYS_prlimit64, 9),
		LOW(2), UNLESS(0, 2), HIGH(2), IF(0, 5, 0), /* without new ones it only asks */
		LOW(1),
		IF(RLIMIT_DATA, 2, 0), IF(RLIMIT_STACK, 1, 0), UNLESS(RLIMIT_AS, 1),
		ANSWER(SECCOMP_RET_ERRNO | 0),
		ANSWER(SECCOMP_RET_ALLOW),
	};
	/* A kernel without filters: limits are what they say. */
	return install_filter(code, sizeof code / sizeof *code) < 0 && errno != EINVAL ? -1 : 0;
}
#else
int op_no_memory_limits(void) { return 0; } /* and no emulator has a front */
#endif
