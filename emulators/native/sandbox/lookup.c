/*
 * The walk along a path, done by hand: the kernel would resolve /proc/self as ours and absolute links from our root.
 * Links of a process directory in /proc (fd/3, exe, root) are followed by the kernel, which knows where they lead.
 */
#define _GNU_SOURCE
#include "lookup.h"
#include "credentials.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

enum { MOST_LINKS = 40, PROC_ROOT_INODE = 1 };

static int open_path(int directory, const char *path, int flags) {
	return openat(directory, path, O_PATH | O_CLOEXEC | flags);
}

static int open_of(pid_t tid, const char *what) {
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/%s", tid, what);
	return open_path(AT_FDCWD, path, 0);
}

int open_view(struct view *view, pid_t tid) {
	view->tid = tid;
	view->root = open_of(tid, "root");
	return view->root < 0 ? -1 : 0;
}

void close_view(struct view *view) { close(view->root); }

int find_descriptor(const struct view *view, int fd) {
	char name[32];
	snprintf(name, sizeof name, "fd/%d", fd);
	return open_of(view->tid, name);
}

/* One of the lines of a file in /proc/TID that begin with the key; "" without. */
static void read_line(pid_t tid, const char *file, const char *key, char *line, size_t room) {
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/%s", tid, file);
	FILE *stream = fopen(path, "re");
	size_t length = strlen(key);
	bool found = false;
	while (stream && !found && fgets(line, (int)room, stream)) found = strncmp(line, key, length) == 0;
	if (stream) fclose(stream);
	if (found) memmove(line, line + length, strlen(line + length) + 1);
	else line[0] = '\0';
}

bool closes_on_exec(const struct view *view, int fd) {
	char name[32], line[64];
	snprintf(name, sizeof name, "fdinfo/%d", fd);
	read_line(view->tid, name, "flags:", line, sizeof line);
	return strtoul(line, NULL, 8) & O_CLOEXEC;
}

/* As its own pid namespace numbers it, which is the one whose /proc it sees. */
static long own_number(pid_t tid, const char *key) {
	char line[256];
	read_line(tid, "status", key, line, sizeof line);
	char *last = strrchr(line, '\t');
	return last ? atol(last + 1) : 0;
}

static bool same_file(int a, int b) {
	struct stat one, other;
	if (fstat(a, &one) < 0 || fstat(b, &other) < 0) return false;
	return one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

static bool on_proc(int fd) {
	struct statfs where;
	return fstatfs(fd, &where) == 0 && where.f_type == PROC_SUPER_MAGIC;
}

struct walk {
	const struct view *view;
	int here;
	char rest[2 * LONGEST_PATH];
	int links;
	int process;
};

static int step_to(struct walk *walk, int next) {
	if (next < 0) return -1;
	close(walk->here);
	walk->here = next;
	return 0;
}

/* The link's text takes the place of its name; an absolute one begins at the root. */
static int step_to_text(struct walk *walk, const char *text) {
	size_t length = strlen(text), rest = strlen(walk->rest);
	if (++walk->links > MOST_LINKS || length == 0 || length + rest + 2 > sizeof walk->rest) { errno = ELOOP; return -1; }
	memmove(walk->rest + length + 1, walk->rest, rest + 1);
	memcpy(walk->rest, text, length);
	walk->rest[length] = rest > 0 ? '/' : '\0';
	return text[0] == '/' ? step_to(walk, open_path(walk->view->root, ".", 0)) : 0;
}

static int step_to_self(struct walk *walk, const char *name) {
	char text[64];
	pid_t tid = walk->view->tid;
	long group = own_number(tid, "NStgid:"), thread = own_number(tid, "NSpid:");
	if (strcmp(name, "self") == 0) snprintf(text, sizeof text, "%ld", group);
	else snprintf(text, sizeof text, "%ld/task/%ld", group, thread);
	return step_to_text(walk, text);
}

static int step_over_link(struct walk *walk, int link, const char *name) {
	char text[LONGEST_PATH];
	struct stat directory;
	if (on_proc(link) && fstat(walk->here, &directory) == 0) {
		bool top = directory.st_ino == PROC_ROOT_INODE;
		if (top && (strcmp(name, "self") == 0 || strcmp(name, "thread-self") == 0)) return step_to_self(walk, name);
		if (!top) {
			int target = open_path(walk->here, name, 0);
			if (target >= 0 && strcmp(name, "exe") == 0 && walk->rest[0] == '\0') walk->process = dup(walk->here);
			return step_to(walk, target);
		}
	}
	ssize_t length = readlinkat(link, "", text, sizeof text - 1);
	if (length < 0) return -1;
	text[length] = '\0';
	return step_to_text(walk, text);
}

static int step_over(struct walk *walk, const char *name) {
	struct stat info;
	if (strcmp(name, "..") == 0 && same_file(walk->here, walk->view->root)) return 0;
	int next = open_path(walk->here, name, O_NOFOLLOW);
	if (next < 0 || fstat(next, &info) < 0 || !S_ISLNK(info.st_mode)) return step_to(walk, next);
	int result = step_over_link(walk, next, name);
	close(next);
	return result;
}

static int take_name(char *rest, char name[NAME_MAX + 1]) {
	size_t length = strcspn(rest, "/"), next = length + strspn(rest + length, "/");
	if (length > NAME_MAX) { errno = ENAMETOOLONG; return -1; }
	memcpy(name, rest, length);
	name[length] = '\0';
	bool slash_at_end = rest[length] == '/' && rest[next] == '\0';
	if (slash_at_end) strcpy(rest, "."); /* it has to be a directory */
	else memmove(rest, rest + next, strlen(rest + next) + 1);
	return 0;
}

int find_file(const struct view *view, int directory, const char *path, int *process) {
	struct walk walk = { .view = view, .process = -1 };
	char name[NAME_MAX + 1];
	*process = -1;
	if (strlen(path) >= LONGEST_PATH) { errno = ENAMETOOLONG; return -1; }
	if (path[0] == '/') walk.here = open_path(view->root, ".", 0);
	else walk.here = directory == AT_FDCWD ? open_of(view->tid, "cwd") : find_descriptor(view, directory);
	if (walk.here < 0) return -1;
	strcpy(walk.rest, path + strspn(path, "/"));
	while (walk.rest[0]) {
		char *rest = walk.rest;
		if (rest[0] == '/') memmove(rest, rest + strspn(rest, "/"), strlen(rest + strspn(rest, "/")) + 1);
		else if (take_name(rest, name) < 0 || step_over(&walk, name) < 0) { close(walk.here); return -1; }
	}
	*process = walk.process;
	return walk.here;
}

static ssize_t read_link_of(pid_t tid, const char *what, char text[LONGEST_PATH]) {
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/%s", tid, what);
	ssize_t length = readlink(path, text, LONGEST_PATH - 1);
	if (length >= 0) text[length] = '\0';
	return length;
}

/* Both links are told from our root; one that is not below the process' root cannot be said from inside. */
void absolute_path(const struct view *view, const char *path, char absolute[LONGEST_PATH]) {
	char root[LONGEST_PATH], cwd[LONGEST_PATH];
	strcpy(absolute, path);
	if (path[0] == '/' || read_link_of(view->tid, "root", root) < 0) return;
	if (read_link_of(view->tid, "cwd", cwd) < 0) return;
	size_t length = strcmp(root, "/") == 0 ? 0 : strlen(root);
	int there;
	if (strncmp(cwd, root, length) != 0 || (cwd[length] != '/' && cwd[length] != '\0')) return;
	size_t size = strlen(cwd + length);
	if (size + strlen(path) + 2 > LONGEST_PATH) return;
	int found = find_file(view, AT_FDCWD, cwd[length] ? cwd + length : "/", &there);
	int here = open_of(view->tid, "cwd");
	if (found >= 0 && here >= 0 && same_file(found, here)) { /* not deleted, not mounted over */
		if (size > 0 && cwd[length + size - 1] == '/') size--;
		memcpy(absolute, cwd + length, size);
		absolute[size] = '/';
		strcpy(absolute + size + 1, path);
	}
	if (found >= 0) close(found);
	if (here >= 0) close(here);
}

bool has_access(const struct view *view, int directory, const char *path, int mode) {
	char link[64];
	int process;
	struct credentials own;
	bool other = take_credentials(view->tid, &own);
	int file = find_file(view, directory, path, &process);
	if (process >= 0) close(process);
	snprintf(link, sizeof link, "/proc/self/fd/%d", file);
	bool allowed = file >= 0 && faccessat(AT_FDCWD, link, mode, AT_EACCESS) == 0;
	if (file >= 0) close(file);
	if (other) give_back_credentials(&own);
	return allowed;
}
