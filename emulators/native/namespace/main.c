/*
 * namespace: starts a program as root of a user namespace of its own, in place of itself.
 *
 *   namespace UID_MAP GID_MAP PROGRAM [ARGUMENT…]
 *
 * Why a program of our own: Node has threads, so it cannot enter a user namespace, and a supervisor that waits for
 * a child would stand between the terminal, signals, kill -9 and the one that is meant by them. Here the process
 * stays the same: its number, its terminal, its streams.
 *
 * A map is what newuidmap(1) and newgidmap(1) take after the process number ("0 1000 1 1 100000 65536"). One range
 * of one id, the caller's own, needs no privilege and is written directly (user_namespaces(7)); the same is done
 * when newuidmap or newgidmap refuse.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HOST_INCAPABLE = 3, MOST_WORDS = 256 };

static void fail(const char *what, const char *hint) {
	fprintf(stderr, "error[HOST_INCAPABLE]: %s: %s\nhint: %s\n", what, strerror(errno), hint);
	_exit(HOST_INCAPABLE);
}

static int is_single(const char *map) {
	int inside, outside, count, rest;
	return sscanf(map, "%d %d %d%n", &inside, &outside, &count, &rest) == 3 && count == 1 && map[rest] == '\0';
}

static int run_mapper(const char *program, const char *process, char *map) {
	pid_t child = fork();
	if (child < 0) return -1;
	if (child == 0) {
		char *words[MOST_WORDS + 3] = { (char *)program, (char *)process };
		size_t count = 2;
		for (char *word = strtok(map, " "); word && count < MOST_WORDS + 2; word = strtok(NULL, " ")) words[count++] = word;
		execvp(program, words);
		_exit(127);
	}
	int status;
	while (waitpid(child, &status, 0) < 0) if (errno != EINTR) return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* A process that stays in the old namespace lets the setuid helpers write our maps, once we are in the new one. */
static pid_t start_mapper(char *uid_map, char *gid_map, int *gate) {
	int ends[2];
	char process[16];
	snprintf(process, sizeof process, "%d", getpid());
	if (pipe2(ends, O_CLOEXEC) < 0) fail("pipe", "try again");
	pid_t mapper = fork();
	if (mapper < 0) fail("fork", "try again");
	if (mapper == 0) {
		char go;
		close(ends[1]);
		if (read(ends[0], &go, 1) != 1) _exit(1);
		_exit(run_mapper("newuidmap", process, uid_map) < 0 || run_mapper("newgidmap", process, gid_map) < 0);
	}
	close(ends[0]);
	*gate = ends[1];
	return mapper;
}

static int mapped_by(pid_t mapper, int gate) {
	int status;
	if (write(gate, "", 1) < 0) return 0;
	close(gate);
	while (waitpid(mapper, &status, 0) < 0) if (errno != EINTR) return 0;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int write_file(const char *path, const char *text) {
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) return -1;
	ssize_t n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -1 : 0;
}

static void map_own_id(uid_t uid, gid_t gid) {
	char map[64];
	const char *hint = "run it as root, or see `arch-build doctor`";
	if (write_file("/proc/self/setgroups", "deny") < 0 && errno != ENOENT) fail("cannot give up setgroups", hint);
	snprintf(map, sizeof map, "0 %u 1", uid);
	if (write_file("/proc/self/uid_map", map) < 0) fail("cannot map the user id", hint);
	snprintf(map, sizeof map, "0 %u 1", gid);
	if (write_file("/proc/self/gid_map", map) < 0) fail("cannot map the group id", hint);
}

int main(int argc, char **argv) {
	if (argc < 4) return 2;
	uid_t uid = geteuid();
	gid_t gid = getegid();
	signal(SIGPIPE, SIG_DFL); /* Node ignores it, and ignored it would stay */
	int gate = -1;
	pid_t mapper = is_single(argv[1]) ? 0 : start_mapper(argv[1], argv[2], &gate);
	if (unshare(CLONE_NEWUSER) < 0) {
		fail("user namespaces are forbidden here", "run it as root, or see `arch-build doctor` for the switch that forbids them");
	}
	if (mapper == 0 || !mapped_by(mapper, gate)) map_own_id(uid, gid);
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0) fail("cannot become root of the namespace", "see `arch-build doctor`");
	if (setgroups(0, NULL) < 0 && errno != EPERM) fail("cannot drop groups", "see `arch-build doctor`");
	execv(argv[3], argv + 3);
	fail(argv[3], "install arch-build again");
}
