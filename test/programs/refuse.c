/* refuse seccomp|user-namespaces|tracing PROGRAM [WORD]...: runs it as on a kernel, or a container, without that. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define REFUSE(error) BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define UNLESS(value, skip) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skip)

static struct sock_filter seccomp[] = {
	LOAD(nr), UNLESS(SYS_seccomp, 1), REFUSE(ENOSYS),
	UNLESS(SYS_prctl, 3), LOAD(args[0]), UNLESS(PR_SET_SECCOMP, 1), REFUSE(EINVAL), ALLOW,
};
static struct sock_filter user_namespaces[] = {
	LOAD(nr), UNLESS(SYS_clone, 3), LOAD(args[0]),
	BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_NEWUSER, 0, 1), REFUSE(EPERM), ALLOW,
};
static struct sock_filter tracing[] = { LOAD(nr), UNLESS(SYS_ptrace, 1), REFUSE(EPERM), ALLOW };

#define ROW(name, code) { name, { sizeof code / sizeof *code, code } }
static const struct { const char *name; struct sock_fprog program; } rows[] = {
	ROW("seccomp", seccomp), ROW("user-namespaces", user_namespaces), ROW("tracing", tracing),
};

int main(int argc, char **argv) {
	for (size_t i = 0; argc > 2 && i < sizeof rows / sizeof *rows; i++) {
		if (strcmp(argv[1], rows[i].name) != 0) continue;
		if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &rows[i].program) < 0) perror("seccomp");
		else execvp(argv[2], argv + 2);
	}
	return 125;
}
