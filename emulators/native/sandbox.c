/*
 * sandbox: carries out a plan of system calls, one step of a build or one `run`.
 *
 * Why a program of our own: after pivot_root there is no mount(8), no shell and no libc of the host left to
 * start, thirty mount(8) processes would cost more than the step itself, and Node cannot fork. It decides
 * nothing: the plan is a list of operations written by src/sys/sandbox.ts, each of them one system call or two.
 *
 *   fd 3  the plan: NUL-terminated words, each operation its name and a fixed number of operands
 *         (`env` and `exec` start with a count)
 *   fd 4  the outcome, its first line: "fail INDEX NAME ERRNO", "exit STATUS", "signal NUMBER"
 *   argv  the parent's process id
 *
 * Processes: the launcher (this process) mounts what needs the host's root, then `enter` clones the new
 * namespaces, in which `init` (pid 1) waits for the command and reaps orphans. Each dies with its parent, and
 * pid 1's death kills everything in its namespace: whoever dies first, nothing is left behind.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PLAN_FD = 3, STATUS_FD = 4, FAILED = 125 };

static char *plan, *plan_end, *cursor;
static int operation_index;
static pid_t forward_to;
static char **environment;

/* ---- the outcome ---- */

static void say(const char *format, const char *name, int a, int b) {
	char line[160];
	int n = snprintf(line, sizeof line, format, name, a, b);
	if (n > 0 && write(STATUS_FD, line, (size_t)n) < 0) _exit(FAILED);
}

static void fail(const char *name) {
	int error = errno;
	char line[160];
	int n = snprintf(line, sizeof line, "fail %d %s %d\n", operation_index, name, error);
	if (n > 0 && write(STATUS_FD, line, (size_t)n) < 0) _exit(FAILED);
	_exit(FAILED);
}

/* ---- the plan ---- */

static void read_plan(void) {
	size_t size = 0, room = 65536;
	plan = malloc(room);
	for (;;) {
		if (!plan) fail("memory");
		ssize_t n = read(PLAN_FD, plan + size, room - size);
		if (n < 0) fail("plan");
		if (n == 0) break;
		size += (size_t)n;
		if (size == room) plan = realloc(plan, room *= 2);
	}
	if (size == 0 || plan[size - 1] != '\0') { errno = EINVAL; fail("plan"); }
	close(PLAN_FD);
	cursor = plan;
	plan_end = plan + size;
}

static char *word(void) {
	if (cursor >= plan_end) { errno = EINVAL; fail("plan"); }
	char *here = cursor;
	cursor += strlen(cursor) + 1;
	return here;
}

static unsigned long number(void) { return strtoul(word(), NULL, 0); }

static char **words(void) {
	size_t count = number();
	char **list = calloc(count + 1, sizeof *list);
	if (!list) fail("memory");
	for (size_t i = 0; i < count; i++) list[i] = word();
	return list;
}

/* ---- processes ---- */

static void forward(int signal_number) {
	if (forward_to > 0) kill(forward_to, signal_number);
}

static void forward_signals(pid_t to) {
	static const int forwarded[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH };
	forward_to = to;
	for (size_t i = 0; i < sizeof forwarded / sizeof *forwarded; i++) signal(forwarded[i], forward);
}

static void default_signals(void) {
	for (int i = 1; i < NSIG; i++) signal(i, SIG_DFL);
}

static void die_with_parent(void) {
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
	if (WIFSIGNALED(status)) say("%s %d\n", "signal", WTERMSIG(status), 0);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static int enter(void) {
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

/* From here on pid 1 only waits: the rest of the plan runs in its child. */
static int init(void) {
	pid_t child = fork();
	if (child < 0) return -1;
	if (child == 0) {
		default_signals();
		return 0;
	}
	prctl(PR_SET_DUMPABLE, 0); /* /proc/1/fd and /proc/1/root stay closed to the step */
	forward_signals(child);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC); /* hold none of the step's own streams open */
	if (null >= 0) for (int fd = 0; fd < 3; fd++) dup2(null, fd);
	for (;;) {
		int status;
		pid_t ended = wait(&status);
		if (ended < 0 && errno != EINTR) _exit(FAILED);
		if (ended != child) continue;
		if (WIFSIGNALED(status)) say("%s %d\n", "signal", WTERMSIG(status), 0);
		else say("%s %d\n", "exit", WEXITSTATUS(status), 0);
		_exit(0);
	}
}

static char *in_path(const char *directory, size_t length, const char *name) {
	char *path = malloc(length + strlen(name) + 2);
	if (!path) fail("memory");
	memcpy(path, directory, length);
	path[length] = '/';
	strcpy(path + length + (length > 0), name);
	return path;
}

/* Unlike execvp: no shell for a file the kernel cannot run, so that a missing emulator says so. */
static int execute(void) {
	char **argv = words();
	if (!argv[0]) { errno = EINVAL; return -1; }
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

/* ---- the operations ---- */

static int op_unshare(void) { return unshare((int)number()); }

/*
 * Paths of the step's root are walked name by name and never through a symlink: what is mounted there already may
 * have been written by others. `missing` says what is made where nothing is: nothing (0), directories (S_IFDIR), or
 * directories with a file at the end (S_IFREG). Returns a descriptor opened with O_PATH.
 */
static int walk(char *path, mode_t missing) {
	int at = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (char *name = path, *next; at >= 0 && *name; name = next) {
		size_t length = strcspn(name, "/");
		next = name + length + (name[length] == '/');
		char saved = name[length];
		name[length] = '\0';
		int is_last = *next == '\0', flags = O_PATH | O_NOFOLLOW | O_CLOEXEC | (is_last ? 0 : O_DIRECTORY);
		int found = openat(at, name, flags);
		if (found < 0 && errno == ENOENT && missing) {
			int made = is_last && missing == S_IFREG ? mknodat(at, name, S_IFREG | 0644, 0) : mkdirat(at, name, 0755);
			if (made == 0 || errno == EEXIST) found = openat(at, name, flags);
		}
		int error = errno;
		name[length] = saved;
		close(at);
		errno = error;
		at = found;
	}
	struct stat facts;
	if (at >= 0 && fstat(at, &facts) == 0 && S_ISLNK(facts.st_mode)) {
		close(at);
		errno = ELOOP;
		return -1;
	}
	return at;
}

/* A path by which the kernel finds what `walk` found. */
static const char *path_of(int fd) {
	static char path[32];
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return path;
}

static int op_mountpoint(void) {
	char *path = word();
	mode_t type = strcmp(word(), "file") == 0 ? S_IFREG : S_IFDIR;
	int fd = walk(path, type);
	return fd < 0 ? -1 : close(fd);
}

static int op_mount(void) {
	char *source = word(), *target = word(), *type = word();
	unsigned long flags = number();
	char *data = word();
	int fd = *target == '/' ? -1 : walk(target, 0);
	if (*target != '/' && fd < 0) return -1;
	int result = mount(*source ? source : NULL, fd < 0 ? target : path_of(fd), *type ? type : NULL, flags, *data ? data : NULL);
	int error = errno;
	if (fd >= 0) close(fd);
	errno = error;
	return result;
}

/*
 * The attributes are added to what the mount has: a remount would have to name those too that a user namespace may
 * not take away.
 */
static int op_restrict(void) {
	char *target = word();
	unsigned long flags = number();
	struct mount_attr add = { .attr_set = 0 };
	if (flags & MS_RDONLY) add.attr_set |= MOUNT_ATTR_RDONLY;
	if (flags & MS_NOSUID) add.attr_set |= MOUNT_ATTR_NOSUID;
	if (flags & MS_NODEV) add.attr_set |= MOUNT_ATTR_NODEV;
	if (flags & MS_NOEXEC) add.attr_set |= MOUNT_ATTR_NOEXEC;
	int fd = walk(target, 0);
	if (fd < 0) return -1;
	int result = (int)syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &add, sizeof add);
	if (result < 0 && errno == ENOSYS) result = mount(NULL, path_of(fd), NULL, MS_BIND | MS_REMOUNT | flags, NULL);
	int error = errno;
	close(fd);
	errno = error;
	return result;
}

static int op_mkdir(void) {
	char *path = word();
	mode_t mode = (mode_t)number();
	return mkdir(path, mode);
}

static int op_touch(void) {
	int fd = open(word(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	return fd < 0 ? -1 : close(fd);
}

static int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

/* A new file with its whole content, in hex: words cannot hold every byte. */
static int op_file(void) {
	char *path = word();
	mode_t mode = (mode_t)number();
	uid_t uid = (uid_t)number();
	gid_t gid = (gid_t)number();
	char *hex = word(), *end = hex;
	for (char *at = hex; at[0] && at[1]; at += 2) *end++ = (char)(digit(at[0]) << 4 | digit(at[1]));
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) return -1;
	while (hex < end) {
		ssize_t n = write(fd, hex, (size_t)(end - hex));
		if (n < 0) return -1;
		hex += n;
	}
	if (fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0) return -1;
	return close(fd);
}

static int op_symlink(void) {
	char *target = word(), *path = word();
	return symlink(target, path);
}

/* One write: binfmt_misc takes a registration in one piece or not at all. */
static int op_write(void) {
	char *path = word(), *text = word();
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) return -1;
	ssize_t n = write(fd, text, strlen(text));
	int error = errno;
	close(fd);
	errno = error;
	return n < 0 ? -1 : 0;
}

static int op_chdir(void) { return chdir(word()); }

static int op_workdir(void) {
	static char path[65536];
	if (chdir(word()) < 0) return -1;
	if (!getcwd(path, sizeof path)) return -1;
	if (path[0] == '/') return 0;
	errno = ENOENT; /* a directory outside our root: "(unreachable)/..." */
	return -1;
}

static int op_pivot(void) {
	if (chdir(word()) < 0) return -1;
	if (syscall(SYS_pivot_root, ".", ".") < 0) return -1;
	if (umount2(".", MNT_DETACH) < 0) return -1;
	return chdir("/");
}

static int op_hostname(void) {
	char *name = word();
	return sethostname(name, strlen(name));
}

static int op_loopback(void) {
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0) return -1;
	int result = ioctl(fd, SIOCSIFFLAGS, &request);
	close(fd);
	return result;
}

static int op_umask(void) { umask((mode_t)number()); return 0; }

static int has_terminal;

static int op_terminal(void) {
	has_terminal = 1;
	if (setsid() < 0) return -1;
	return ioctl(0, TIOCSCTTY, 0);
}

/* Capabilities the command may ever have; what it has when it runs as root. */
static int op_capabilities(void) {
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
static int op_ids(void) {
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

static int op_environment(void) { environment = words(); return 0; }

static const struct { const char *name; int (*run)(void); } operations[] = {
	{ "unshare", op_unshare }, { "mount", op_mount }, { "mkdir", op_mkdir }, { "touch", op_touch },
	{ "symlink", op_symlink }, { "restrict", op_restrict },
	{ "mountpoint", op_mountpoint }, { "file", op_file }, { "write", op_write }, { "chdir", op_chdir }, { "workdir", op_workdir },
	{ "enter", enter }, { "pivot", op_pivot }, { "hostname", op_hostname }, { "loopback", op_loopback },
	{ "init", init }, { "umask", op_umask }, { "terminal", op_terminal }, { "ids", op_ids },
	{ "capabilities", op_capabilities }, { "environment", op_environment }, { "exec", execute },
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
	while (cursor < plan_end) run_next();
	errno = EINVAL; /* a plan ends with exec */
	fail("plan");
}
