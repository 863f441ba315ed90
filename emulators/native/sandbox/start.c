/*
 * Follows a chain of scripts to the program that really runs. When that is foreign, the words become what the kernel
 * and binfmt_misc (with the flag P) would have made of them: emulator -0 NAME PROGRAM, the words of the scripts, the
 * rest of argv.
 */
#define _GNU_SOURCE
#include "start.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct machine *machines;
static size_t machine_count;
static struct { dev_t device; ino_t inode; } *emulators;

int set_machines(struct machine *given, size_t count) {
	struct stat info;
	machines = given;
	machine_count = count;
	emulators = calloc(count + 1, sizeof *emulators);
	if (!emulators) return -1;
	for (size_t i = 0; i < count; i++) {
		if (stat(given[i].emulator, &info) < 0) return -1;
		emulators[i].device = info.st_dev;
		emulators[i].inode = info.st_ino;
	}
	return 0;
}

static const struct machine *machine_of(const unsigned char head[HEAD]) {
	for (size_t i = 0; i < machine_count; i++) if (matches(&machines[i], head)) return &machines[i];
	return NULL;
}

static bool is_emulator(int file) {
	struct stat info;
	if (fstat(file, &info) < 0) return false;
	for (size_t i = 0; i < machine_count; i++) {
		if (emulators[i].device == info.st_dev && emulators[i].inode == info.st_ino) return true;
	}
	return false;
}

/* The fourth word of `emulator -0 NAME PROGRAM`: how the process itself was started. */
static bool program_of(int process, char program[LONGEST_PATH]) {
	static char text[4 * LONGEST_PATH];
	int fd = openat(process, "cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
	if (fd >= 0) close(fd);
	if (size <= 0) return false;
	text[size] = '\0';
	const char *word = text;
	for (int i = 0; i < 3; i++) {
		if (i == 1 && strcmp(word, "-0") != 0) return false;
		word += strlen(word) + 1;
		if (word >= text + size) return false;
	}
	if (strlen(word) >= LONGEST_PATH) return false;
	strcpy(program, word);
	return true;
}

struct file { int directory; const char *path; };

/*
 * An O_PATH descriptor. Inside an emulated process /proc/self/exe means its program, as it sees itself; `name` is
 * what the file is called then.
 */
static int find(const struct view *view, struct file *file, char name[LONGEST_PATH]) {
	int process;
	int found = find_file(view, file->directory, file->path, &process);
	if (process < 0) return found;
	if (found >= 0 && is_emulator(found) && program_of(process, name)) {
		close(found);
		close(process);
		*file = (struct file){ AT_FDCWD, name };
		found = find_file(view, AT_FDCWD, name, &process);
	}
	if (process >= 0) close(process);
	return found;
}

static bool read_head(int file, unsigned char head[HEAD]) {
	struct stat info;
	char link[64];
	memset(head, 0, HEAD);
	if (fstat(file, &info) < 0 || !S_ISREG(info.st_mode)) return false;
	snprintf(link, sizeof link, "/proc/self/fd/%d", file);
	int fd = open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) return false;
	ssize_t size = pread(fd, head, HEAD, 0);
	close(fd);
	return size > 0;
}

/* By descriptor, or by one of the names that descriptors have; -1 for any other path. */
static int descriptor_of(const struct exec_call *call, const char *path) {
	static const char *const folders[] = { "/proc/self/fd/", "/dev/fd/", "/proc/thread-self/fd/" };
	if (path[0] != '/' && call->directory != AT_FDCWD) return call->directory;
	for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
		size_t length = strlen(folders[i]);
		if (strncmp(path, folders[i], length) == 0) return atoi(path + length);
	}
	return -1;
}

static void add(struct start *start, const char *word) { start->words[start->count++] = word; }

void name_nothing(struct start *start) {
	for (size_t i = 0; i < start->count; i++) if (!start->words[i]) start->words[i] = "";
}

static void make_words(struct start *start, const struct machine *machine, int scripts) {
	start->count = 0;
	start->replaced = 1;
	add(start, machine->emulator);
	add(start, "-0");
	add(start, scripts > 0 ? start->lines[scripts - 1].interpreter : NULL);
	add(start, start->program);
	for (int i = scripts - 1; i >= 0; i--) {
		if (start->lines[i].has_argument) add(start, start->lines[i].argument);
		add(start, i > 0 ? start->lines[i - 1].interpreter : start->script);
	}
}

/* As the emulator can open it: not to be taken for an option, and the same after a chdir. */
static void name_program(const struct view *view, const struct exec_call *call, const char *path, char name[LONGEST_PATH]) {
	if (path[0] == '/' || call->directory == AT_FDCWD) absolute_path(view, path, name);
	else snprintf(name, LONGEST_PATH, "/proc/self/fd/%d%s%s", call->directory, path[0] ? "/" : "", path);
	if (name[0] != '-' || strlen(name) + 3 > LONGEST_PATH) return;
	memmove(name + 2, name, strlen(name) + 1);
	memcpy(name, "./", 2);
}

static void name_script(const struct exec_call *call, const char *path, char name[LONGEST_PATH]) {
	if (path[0] == '/' || call->directory == AT_FDCWD) strcpy(name, path);
	else snprintf(name, LONGEST_PATH, "/dev/fd/%d%s%s", call->directory, path[0] ? "/" : "", path);
}

static enum start_kind found_foreign(const struct view *view, const struct exec_call *call, struct file file, struct start *start) {
	start->descriptor = descriptor_of(call, file.path);
	if (!has_access(view, file.directory, file.path, X_OK)) return AS_IT_IS; /* and the kernel says EACCES */
	if (!has_access(view, file.directory, file.path, R_OK)) return UNREADABLE;
	name_program(view, call, file.path, start->program);
	return start->descriptor >= 0 && closes_on_exec(view, start->descriptor) ? CLOSES_ON_EXEC : BY_EMULATOR;
}

enum start_kind find_start(const struct view *view, const struct exec_call *given, const char *path, struct start *start) {
	static char name[LONGEST_PATH], by_descriptor[64];
	unsigned char head[HEAD];
	struct exec_call call = *given;
	struct file file = { call.directory, path };
	if (path[0] == '\0') {
		if (!(call.flags & AT_EMPTY_PATH) || call.directory < 0) return AS_IT_IS;
		snprintf(by_descriptor, sizeof by_descriptor, "/proc/self/fd/%d", call.directory);
		file = (struct file){ AT_FDCWD, by_descriptor };
	}
	for (int scripts = 0;; scripts++) {
		int fd = find(view, &file, name);
		bool readable = fd >= 0 && read_head(fd, head);
		if (fd >= 0) close(fd);
		if (!readable) return AS_IT_IS;
		if (file.path == name) call.directory = AT_FDCWD;
		const struct machine *machine = machine_of(head);
		if (machine) {
			enum start_kind kind = found_foreign(view, &call, file, start);
			make_words(start, machine, scripts);
			return kind;
		}
		if (scripts == MOST_SCRIPTS || !parse_hashbang(head, &start->lines[scripts])) return AS_IT_IS;
		if (!has_access(view, file.directory, file.path, X_OK)) return AS_IT_IS;
		if (scripts == 0) {
			int descriptor = descriptor_of(given, path);
			if (path[0] != '/' && descriptor >= 0 && closes_on_exec(view, descriptor)) return AS_IT_IS;
			name_script(given, path, start->script);
		}
		file = (struct file){ AT_FDCWD, start->lines[scripts].interpreter };
		call.directory = AT_FDCWD;
	}
}
