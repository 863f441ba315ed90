/*
 * Mounts, and the places they are made at. Paths of the step's root are walked name by name and never through a
 * symlink: what is mounted there already may have been written by others.
 */
#define _GNU_SOURCE
#include "sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Opens one name; where nothing is, makes it first: nothing (0), a directory (S_IFDIR) or a file (S_IFREG). */
static int step_into(int at, const char *name, int is_last, mode_t missing) {
	int flags = O_PATH | O_NOFOLLOW | O_CLOEXEC | (is_last ? 0 : O_DIRECTORY);
	int found = openat(at, name, flags);
	if (found >= 0 || errno != ENOENT || !missing) return found;
	int made = is_last && missing == S_IFREG ? mknodat(at, name, S_IFREG | 0644, 0) : mkdirat(at, name, 0755);
	return made < 0 && errno != EEXIST ? -1 : openat(at, name, flags);
}

static int refuse_symlink(int fd) {
	struct stat facts;
	if (fd < 0 || fstat(fd, &facts) < 0 || !S_ISLNK(facts.st_mode)) return fd;
	close(fd);
	errno = ELOOP;
	return -1;
}

/* A descriptor (O_PATH) of what a relative path names. */
static int walk(char *path, mode_t missing) {
	int at = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (char *name = path, *next; at >= 0 && *name; name = next) {
		size_t length = strcspn(name, "/");
		char separator = name[length];
		next = name + length + (separator == '/');
		name[length] = '\0';
		int found = step_into(at, name, *next == '\0', missing);
		int error = errno;
		name[length] = separator;
		close(at);
		errno = error;
		at = found;
	}
	return refuse_symlink(at);
}

/* A path by which the kernel finds what was walked to. */
struct place {
	char path[32];
};

static const char *path_at(struct place *place, int fd) {
	snprintf(place->path, sizeof place->path, "/proc/self/fd/%d", fd);
	return place->path;
}

static const char *path_of(int fd) {
	static struct place place;
	return path_at(&place, fd);
}

static int close_keeping_errno(int fd, int result) {
	int error = errno;
	close(fd);
	errno = error;
	return result;
}

int op_mountpoint(void) {
	char *path = word();
	mode_t type = strcmp(word(), "file") == 0 ? S_IFREG : S_IFDIR;
	int fd = walk(path, type);
	return fd < 0 ? -1 : close(fd);
}

int open_inside(char *path) {
	int fd = walk(path, 0);
	return fd < 0 ? -1 : close_keeping_errno(fd, openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

/* What is there is seen no more: a directory is empty, anything else is /dev/null. What is not there needs no mask. */
int op_mask(void) {
	struct stat facts;
	int fd = walk(word(), 0);
	if (fd < 0) return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	int result = fstat(fd, &facts);
	if (result == 0 && S_ISDIR(facts.st_mode)) {
		unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
		result = mount("tmpfs", path_of(fd), "tmpfs", flags, "size=0,nr_inodes=1");
	} else if (result == 0) {
		result = mount("/dev/null", path_of(fd), NULL, MS_BIND, NULL);
	}
	return close_keeping_errno(fd, result);
}

/* What is bound from below the scratch directory may change under our eyes: others use it, too. */
static int bind_inside(char *source, const char *at, unsigned long flags) {
	struct place place;
	int fd = walk(source, 0);
	if (fd < 0) return -1;
	return close_keeping_errno(fd, mount(path_at(&place, fd), at, NULL, flags, NULL));
}

/* Absolute targets are the host's own: only its root is one. */
int op_mount(void) {
	char *source = word(), *target = word(), *type = word();
	unsigned long flags = number();
	char *data = word();
	int fd = *target == '/' ? open(target, O_PATH | O_CLOEXEC) : walk(target, 0);
	if (fd < 0) return -1;
	const char *at = *target == '/' ? target : path_of(fd);
	int is_inside = (flags & MS_BIND) && *source && *source != '/';
	int result = is_inside ? bind_inside(source, at, flags)
	                       : mount(*source ? source : NULL, at, *type ? type : NULL, flags, *data ? data : NULL);
	return close_keeping_errno(fd, result);
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
	int fd = walk(target, 0);
	if (fd < 0) return -1;
	int result = (int)syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &add, sizeof add);
	if (result < 0 && errno == ENOSYS) result = mount(NULL, path_of(fd), NULL, MS_BIND | MS_REMOUNT | flags, NULL);
	return close_keeping_errno(fd, result);
}
