#define _GNU_SOURCE
#include "filter.h"
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int install_filter(struct sock_filter *code, size_t length) {
	struct sock_fprog program = { (unsigned short)length, code };
	/* Before Linux 5.16 a filter costs speculation, and emulators a lot of speed, unless it says that it need not. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program) == 0) return 0;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
}
