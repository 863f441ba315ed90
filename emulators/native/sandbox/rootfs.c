/* Operations that make what the command sees: mounts, files, names. */
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

int op_mount(void) {
	char *source = word(), *target = word(), *type = word();
	unsigned long flags = number();
	char *data = word();
	return mount(*source ? source : NULL, target, *type ? type : NULL, flags, *data ? data : NULL);
}

/*
 * The attributes are added to what the mount has: a remount would have to name those too that a user namespace may
 * not take away.
 */
int op_restrict(void) {
	char *target = word();
	unsigned long flags = number();
	struct mount_attr add = { .attr_set = 0 };
	if (flags & MS_RDONLY) add.attr_set |= MOUNT_ATTR_RDONLY;
	if (flags & MS_NOSUID) add.attr_set |= MOUNT_ATTR_NOSUID;
	if (flags & MS_NODEV) add.attr_set |= MOUNT_ATTR_NODEV;
	if (flags & MS_NOEXEC) add.attr_set |= MOUNT_ATTR_NOEXEC;
	if (syscall(SYS_mount_setattr, AT_FDCWD, target, AT_RECURSIVE, &add, sizeof add) == 0) return 0;
	if (errno != ENOSYS) return -1;
	return mount(NULL, target, NULL, MS_BIND | MS_REMOUNT | flags, NULL);
}

int op_mkdir(void) {
	char *path = word();
	mode_t mode = (mode_t)number();
	return mkdir(path, mode);
}

int op_touch(void) {
	int fd = open(word(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	return fd < 0 ? -1 : close(fd);
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
