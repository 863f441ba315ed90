/* ways WAY PROGRAM [WORD]...: the ways there are to start a program. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static int failed(const char *what) {
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	return 111;
}

static int wait_for(pid_t child) {
	int status;
	if (child < 0 || waitpid(child, &status, 0) != child) return failed("wait");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int by_descriptor(char **argv) {
	fexecve(open(argv[0], O_RDONLY | O_CLOEXEC), argv, environ);
	return failed("fexecve");
}

static int by_name_of_descriptor(char **argv) {
	char name[64];
	snprintf(name, sizeof name, "/proc/self/fd/%d", open(argv[0], O_RDONLY | O_CLOEXEC));
	execv(name, argv);
	return failed("execv");
}

static int from_memory(char **argv) {
	char buffer[65536];
	int from = open(argv[0], O_RDONLY), to = memfd_create("program", MFD_CLOEXEC);
	for (ssize_t n; (n = read(from, buffer, sizeof buffer)) > 0;) if (write(to, buffer, (size_t)n) != n) return failed("write");
	fexecve(to, argv, environ);
	return failed("fexecve");
}

static int after_vfork(char **argv) {
	pid_t child = vfork();
	if (child == 0) {
		execv(argv[0], argv);
		_exit(112);
	}
	return wait_for(child);
}

static int spawned(char **argv) {
	pid_t child;
	errno = posix_spawn(&child, argv[0], NULL, NULL, argv, environ);
	return errno ? failed("posix_spawn") : wait_for(child);
}

static void *execute(void *argv) {
	execv(((char **)argv)[0], argv);
	exit(failed("execv"));
}

static void *sleep_on(void *nothing) {
	for (;;) pause();
	return nothing;
}

static int in_thread(char **argv) {
	pthread_t thread;
	for (int i = 0; i < 3; i++) pthread_create(&thread, NULL, sleep_on, NULL);
	pthread_create(&thread, NULL, execute, argv);
	pthread_join(thread, NULL);
	return failed("thread");
}

static int as_itself(char **argv) {
	(void)argv;
	execv("/proc/self/exe", (char *[]){ "itself", "again", "/proc/self/exe", NULL });
	return failed("execv");
}

static int again(char **argv) {
	char exe[4096] = "";
	if (readlink(argv[0], exe, sizeof exe - 1) < 0) return failed("readlink");
	printf("again as %s\n", exe);
	return 0;
}

static int with_another_name(char **argv) {
	execv(argv[0], (char *[]){ "another name", "word", NULL });
	return failed("execv");
}

static int with_empty_name(char **argv) {
	execv(argv[0], (char *[]){ "", "word", NULL });
	return failed("execv");
}

static int with_many_words(char **argv) {
	enum { COUNT = 60000 };
	static char *words[COUNT + 1];
	words[0] = argv[0];
	for (int i = 1; i < COUNT; i++) words[i] = "0123456789";
	words[COUNT - 1] = "end";
	execv(argv[0], words);
	return failed("execv");
}

static int in_its_directory(char **argv) {
	if (chdir("/bin") < 0) return failed("chdir");
	execv(argv[0], argv);
	return failed("execv");
}

static int leaves_a_daemon(char **argv) {
	(void)argv;
	if (fork() == 0) {
		setsid();
		for (;;) pause();
	}
	puts("left behind");
	return 0;
}

static int stopped_and_continued(char **argv) {
	int status;
	pid_t child = fork();
	if (child == 0) {
		raise(SIGSTOP);
		execv(argv[0], (char *[]){ argv[0], "exit", "7", NULL });
		_exit(112);
	}
	if (waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status)) return failed("not stopped");
	printf("stopped by %d\n", WSTOPSIG(status));
	kill(child, SIGCONT);
	return wait_for(child);
}

static int as_another_user(char **argv) {
	if (setgid(1000) < 0 || setuid(1000) < 0) return failed("setuid");
	execv(argv[0], argv);
	printf("refused: %s\n", strerror(errno));
	return 0;
}

static int many_at_once(char **argv) {
	enum { COUNT = 24 };
	pid_t children[COUNT];
	int sum = 0;
	for (int i = 0; i < COUNT; i++) {
		if ((children[i] = fork()) == 0) {
			execv(argv[0], (char *[]){ argv[0], "exit", "3", NULL });
			_exit(112);
		}
	}
	for (int i = 0; i < COUNT; i++) sum += wait_for(children[i]);
	printf("%d children, sum %d\n", COUNT, sum);
	return 0;
}

static const struct { const char *name; int (*run)(char **argv); } ways[] = {
	{ "descriptor", by_descriptor }, { "descriptor-name", by_name_of_descriptor }, { "memory", from_memory },
	{ "vfork", after_vfork }, { "spawn", spawned }, { "thread", in_thread }, { "itself", as_itself },
	{ "again", again }, { "name", with_another_name }, { "empty-name", with_empty_name },
	{ "many-words", with_many_words }, { "directory", in_its_directory }, { "daemon", leaves_a_daemon },
	{ "stop", stopped_and_continued }, { "user", as_another_user }, { "many", many_at_once },
};

int main(int argc, char **argv) {
	setvbuf(stdout, NULL, _IONBF, 0);
	for (size_t i = 0; argc > 2 && i < sizeof ways / sizeof *ways; i++) {
		if (strcmp(argv[1], ways[i].name) == 0) return ways[i].run(argv + 2);
	}
	return 2;
}
