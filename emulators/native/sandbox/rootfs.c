/* Operations that make what the command sees besides mounts: files, names, the root itself. */
#define _GNU_SOURCE
#include "sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int op_unshare(void) { return unshare((int)number()); }

int op_mkdir(void) {
	char *path = word();
	mode_t mode = (mode_t)number();
	return mkdir(path, mode);
}

int op_touch(void) {
	int fd = open(word(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	return fd < 0 ? -1 : close(fd);
}

static int digit(char c) { return c <= '9' ? c - '0' : c - 'a' + 10; }

/* A new file with its whole content, in hex: words cannot hold every byte. */
int op_file(void) {
	char *path = word();
	mode_t mode = (mode_t)number();
	uid_t uid = (uid_t)number();
	gid_t gid = (gid_t)number();
	char *content = word(), *end = content;
	for (char *at = content; at[0] && at[1]; at += 2) *end++ = (char)(digit(at[0]) << 4 | digit(at[1]));
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0) return -1;
	while (content < end) {
		ssize_t n = write(fd, content, (size_t)(end - content));
		if (n < 0) return -1;
		content += n;
	}
	if (fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0) return -1;
	return close(fd);
}

int op_symlink(void) {
	char *target = word(), *path = word();
	return symlink(target, path);
}

/* One write: binfmt_misc takes a registration in one piece or not at all. */
int op_write(void) {
	char *path = word(), *text = word();
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) return -1;
	ssize_t n = write(fd, text, strlen(text));
	int error = errno;
	close(fd);
	errno = error;
	return n < 0 ? -1 : 0;
}

int op_chdir(void) { return chdir(word()); }

int op_workdir(void) {
	static char path[65536];
	if (chdir(word()) < 0) return -1;
	if (!getcwd(path, sizeof path)) return -1;
	if (path[0] == '/') return 0;
	errno = ENOENT; /* a directory outside our root: "(unreachable)/..." */
	return -1;
}

int op_pivot(void) {
	if (chdir(word()) < 0) return -1;
	if (syscall(SYS_pivot_root, ".", ".") < 0) return -1;
	if (umount2(".", MNT_DETACH) < 0) return -1;
	return chdir("/");
}

int op_hostname(void) {
	char *name = word();
	return sethostname(name, strlen(name));
}

int op_loopback(void) {
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0) return -1;
	int result = ioctl(fd, SIOCSIFFLAGS, &request);
	close(fd);
	return result;
}
