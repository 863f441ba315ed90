/*
 * Copies a directory of the step's root into one that is mounted elsewhere, with owners, modes, times and extended
 * attributes. Hard links become files of their own; no symlink is followed.
 */
#define _GNU_SOURCE
#include "sandbox.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

static int copy_attributes(int from, int to) {
	static char names[65536], value[65536];
	ssize_t size = flistxattr(from, names, sizeof names);
	for (char *name = names; size > 0 && name < names + size; name += strlen(name) + 1) {
		ssize_t length = fgetxattr(from, name, value, sizeof value);
		if (length < 0 || fsetxattr(to, name, value, (size_t)length, 0) == 0) continue;
		if (errno != ENOTSUP && errno != EPERM) return -1;
	}
	return 0;
}

/* Owner before mode: a change of owner takes set-id bits away. Times last. */
static int copy_facts(int from, int to, const struct stat *facts) {
	const struct timespec times[2] = { facts->st_atim, facts->st_mtim };
	if (fchown(to, facts->st_uid, facts->st_gid) < 0 || fchmod(to, facts->st_mode & 07777) < 0) return -1;
	return copy_attributes(from, to) < 0 ? -1 : futimens(to, times);
}

static int copy_content(int from, int to) {
	static char buffer[1 << 17];
	ssize_t size;
	while ((size = read(from, buffer, sizeof buffer)) > 0) {
		for (ssize_t done = 0, n; done < size; done += n) {
			n = write(to, buffer + done, (size_t)(size - done));
			if (n < 0) return -1;
		}
	}
	return (int)size;
}

static int close_both(int from, int to, int result) {
	int error = errno;
	if (from >= 0) close(from);
	if (to >= 0) close(to);
	errno = error;
	return result;
}

static int copy_file(int from, int to, const char *name, const struct stat *facts) {
	int source = openat(from, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	int made = source < 0 ? -1 : openat(to, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int failed = made < 0 || copy_content(source, made) < 0 || copy_facts(source, made, facts) < 0;
	return close_both(source, made, failed ? -1 : 0);
}

static int copy_special(int from, int to, const char *name, const struct stat *facts) {
	char target[4096];
	const struct timespec times[2] = { facts->st_atim, facts->st_mtim };
	if (S_ISLNK(facts->st_mode)) {
		ssize_t length = readlinkat(from, name, target, sizeof target - 1);
		if (length < 0) return -1;
		target[length] = '\0';
		if (symlinkat(target, to, name) < 0) return -1;
	} else {
		if (mknodat(to, name, facts->st_mode, facts->st_rdev) < 0) return -1;
		if (fchmodat(to, name, facts->st_mode & 07777, 0) < 0) return -1;
	}
	if (fchownat(to, name, facts->st_uid, facts->st_gid, AT_SYMLINK_NOFOLLOW) < 0) return -1;
	return utimensat(to, name, times, AT_SYMLINK_NOFOLLOW);
}

static int copy_entries(int from, int to);

static int copy_directory(int from, int to, const char *name) {
	struct stat facts;
	int source = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (source < 0 || mkdirat(to, name, 0700) < 0) return close_both(source, -1, -1);
	int made = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	int failed = made < 0 || copy_entries(source, made) < 0 || fstat(source, &facts) < 0 || copy_facts(source, made, &facts) < 0;
	return close_both(source, made, failed ? -1 : 0);
}

static int copy_entry(int from, int to, const char *name) {
	struct stat facts;
	if (fstatat(from, name, &facts, AT_SYMLINK_NOFOLLOW) < 0) return -1;
	if (S_ISDIR(facts.st_mode)) return copy_directory(from, to, name);
	if (S_ISREG(facts.st_mode)) return copy_file(from, to, name, &facts);
	return copy_special(from, to, name, &facts);
}

static int copy_entries(int from, int to) {
	int own = fcntl(from, F_DUPFD_CLOEXEC, 0), result = 0;
	DIR *list = own < 0 ? NULL : fdopendir(own);
	if (!list) return close_both(own, -1, -1);
	for (struct dirent *entry; result == 0;) {
		errno = 0;
		if (!(entry = readdir(list))) { result = errno ? -1 : 0; break; }
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
		result = copy_entry(from, to, entry->d_name);
	}
	int error = errno;
	closedir(list);
	errno = error;
	return result;
}

/* Both are directories that are there; the second gets the attributes of the first. */
int op_copy(void) {
	char *source = word(), *target = word();
	struct stat facts;
	int from = open_inside(source), to = open_inside(target);
	int failed = from < 0 || to < 0 || copy_entries(from, to) < 0 || fstat(from, &facts) < 0 || copy_facts(from, to, &facts) < 0;
	return close_both(from, to, failed ? -1 : 0);
}
