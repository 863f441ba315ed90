/* Operations that make the command what it is: terminal, credentials, environment, and its start. */
#define _GNU_SOURCE
#include "sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static char **environment;

int op_umask(void) { umask((mode_t)number()); return 0; }

static int has_terminal;

int op_terminal(void) {
	has_terminal = 1;
	if (setsid() < 0) return -1;
	return ioctl(0, TIOCSCTTY, 0);
}

int op_raise(void) {
	int resource = (int)number();
	rlim_t hard = number();
	struct rlimit limit;
	if (getrlimit(resource, &limit) < 0) return -1;
	if (limit.rlim_max >= hard) return 0;
	limit.rlim_max = hard;
	return setrlimit(resource, &limit);
}

int op_limit(void) {
	int resource = (int)number();
	struct rlimit limit;
	limit.rlim_cur = number();
	limit.rlim_max = number();
	return setrlimit(resource, &limit);
}

/* Capabilities the command may ever have; what it has when it runs as root. */
int op_capabilities(void) {
	unsigned long long keep = strtoull(word(), NULL, 0);
	for (int capability = 0; capability < 64; capability++) {
		if (keep >> capability & 1) continue;
		if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) {
			if (errno == EINVAL) break; /* past the last one this kernel knows */
			return -1;
		}
	}
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];
	if (syscall(SYS_capget, &header, data) < 0) return -1;
	for (int i = 0; i < 2; i++) {
		__u32 mask = (__u32)(keep >> (32 * i));
		data[i].permitted &= mask;
		data[i].effective &= mask;
		data[i].inheritable = 0;
	}
	return (int)syscall(SYS_capset, &header, data);
}

/* From here on set-id bits and file capabilities of programs give nothing. */
int op_no_new_privileges(void) { return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); }

/*
 * Streams that were made for the command belong to its user, who may open them by name (/dev/stderr). Files are
 * left alone: they are the host's.
 */
static void give_streams(uid_t uid) {
	for (int fd = 0; fd <= 2; fd++) {
		struct statfs where;
		if (fstatfs(fd, &where) < 0) continue;
		if (where.f_type != PIPEFS_MAGIC && !(has_terminal && where.f_type == DEVPTS_SUPER_MAGIC)) continue;
		if (fchown(fd, uid, (gid_t)-1) < 0) return; /* the command can still write to what it has */
	}
}

/* Where a single id is mapped nobody may change groups, and there are none to change to. See user_namespaces(7). */
static int groups_are_denied(void) {
	char answer = 'a';
	int error = errno, fd = open("/proc/self/setgroups", O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, &answer, 1) < 0) answer = 'a';
	if (fd >= 0) close(fd);
	errno = error;
	return answer == 'd';
}

/* Groups are written as "1,2,3" or "". */
int op_ids(void) {
	uid_t uid = (uid_t)number();
	gid_t gid = (gid_t)number();
	char *list = word();
	gid_t groups[1024];
	size_t count = 0;
	for (char *next = strtok(list, ","); next && count < 1024; next = strtok(NULL, ",")) {
		groups[count++] = (gid_t)strtoul(next, NULL, 10);
	}
	give_streams(uid);
	if ((setgroups(count, groups) < 0 && !groups_are_denied()) || setresgid(gid, gid, gid) < 0) return -1;
	return setresuid(uid, uid, uid);
}

int op_environment(void) { environment = words(); return 0; }

static char *in_path(const char *directory, size_t length, const char *name) {
	char *path = malloc(length + strlen(name) + 2);
	if (!path) fail("memory");
	memcpy(path, directory, length);
	path[length] = '/';
	strcpy(path + length + (length > 0), name);
	return path;
}

/* Unlike execvp: no shell for a file the kernel cannot run, so that a missing emulator says so. */
int op_exec(void) {
	char **argv = words();
	if (!argv[0]) { errno = EINVAL; return -1; }
	/* Changing ids has closed our memory to a tracer that is capable in the new user namespace only. */
	if (is_traced) prctl(PR_SET_DUMPABLE, 1);
	if (strchr(argv[0], '/')) return execve(argv[0], argv, environment);
	const char *path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	for (char **e = environment; e && *e; e++) if (strncmp(*e, "PATH=", 5) == 0) path = *e + 5;
	int denied = 0;
	for (;;) {
		size_t length = strcspn(path, ":");
		execve(length ? in_path(path, length, argv[0]) : argv[0], argv, environment);
		if (errno == EACCES) denied = 1;
		else if (errno != ENOENT && errno != ENOTDIR) return -1;
		if (path[length] == '\0') break;
		path += length + 1;
	}
	errno = denied ? EACCES : ENOENT;
	return -1;
}
