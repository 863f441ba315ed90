/*
 * hostile PROGRAM [jail]: a program of this machine that starts PROGRAM in all the wrong ways. Each has to fail with
 * the kernel's errno, and to leave every register but the result as it was. `jail` has no emulator inside.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct words { long result, rdi, rsi, rdx, r10, r8, r9, rbx; };

static struct words call(long number, const void *a, const void *b, const void *c, long d, long e) {
	struct words out;
	register long r10 asm("r10") = d;
	register long r8 asm("r8") = e;
	register long r9 asm("r9") = 0x99;
	const void *rdi = a, *rsi = b, *rdx = c;
	long result = number, rbx = 0xbb;
	asm volatile("syscall" : "+a"(result), "+D"(rdi), "+S"(rsi), "+d"(rdx), "+r"(r10), "+r"(r8), "+r"(r9), "+b"(rbx)
		: : "rcx", "r11", "memory");
	out = (struct words){ result, (long)rdi, (long)rsi, (long)rdx, r10, r8, r9, rbx };
	return out;
}

static int failures;

static void expect(const char *name, int error, struct words got, const void *a, const void *b, const void *c) {
	int kept = got.rdi == (long)a && got.rsi == (long)b && got.rdx == (long)c && got.r9 == 0x99 && got.rbx == 0xbb;
	if (got.result == -error && kept) return;
	printf("%s: %s instead of %s, registers %s\n", name, strerror((int)-got.result), strerror(error), kept ? "kept" : "lost");
	failures++;
}

static void execve_fails(const char *name, int error, const void *path, const void *argv, const void *envp) {
	expect(name, error, call(SYS_execve, path, argv, envp, 10, 8), path, argv, envp);
}

static void write_file(const char *path, const void *text, size_t size) {
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	if (fd < 0 || write(fd, text, size) != (ssize_t)size) exit(110);
	close(fd);
}

static const void *const bad = (void *)(uintptr_t)16;
static const void *const kernel = (void *)(uintptr_t)0xffff800000000000ul;
static char *no_words[] = { NULL }, *one_word[] = { "x", NULL };

static void pointers(const char *program) {
	char *bad_word[] = { "x", (char *)bad, NULL };
	execve_fails("path nowhere", EFAULT, bad, one_word, no_words);
	execve_fails("path in the kernel", EFAULT, kernel, one_word, no_words);
	execve_fails("argv nowhere", EFAULT, program, bad, no_words);
	execve_fails("word nowhere", EFAULT, program, bad_word, no_words);
	execve_fails("envp nowhere", EFAULT, program, one_word, bad);
}

static void files(const char *program) {
	static char longest[5000];
	memset(longest, 'x', sizeof longest - 1);
	write_file("/tmp/empty", "", 0);
	write_file("/tmp/short", "\177ELF", 4);
	write_file("/tmp/blank", "#! \t \n", 6);
	write_file("/tmp/loop", "#!/tmp/loop\n", 12);
	write_file("/tmp/script", "#!/bin/report\n", 14);
	write_file("/tmp/gone", "#!/no/such\n", 11);
	write_file("/tmp/locked", "#!/bin/report\n", 14);
	chmod("/tmp/locked", 0644);
	execve_fails("no file", ENOENT, "/no/such", one_word, no_words);
	execve_fails("no name", ENOENT, "", one_word, no_words);
	execve_fails("directory", EACCES, "/tmp", one_word, no_words);
	execve_fails("slash behind", ENOTDIR, "/bin/report/", one_word, no_words);
	execve_fails("long name", ENAMETOOLONG, longest, one_word, no_words);
	execve_fails("empty", ENOEXEC, "/tmp/empty", one_word, no_words);
	execve_fails("short", ENOEXEC, "/tmp/short", one_word, no_words);
	execve_fails("blank", ENOEXEC, "/tmp/blank", one_word, no_words);
	execve_fails("loop", ELOOP, "/tmp/loop", one_word, no_words);
	execve_fails("interpreter gone", ENOENT, "/tmp/gone", one_word, no_words);
	execve_fails("not executable", EACCES, "/tmp/locked", one_word, no_words);
	int fd = open("/tmp/script", O_RDONLY | O_CLOEXEC);
	expect("script that closes", ENOENT, call(SYS_execveat, (void *)(long)fd, "", one_word, (long)no_words, AT_EMPTY_PATH),
		(void *)(long)fd, "", one_word);
	expect("bad descriptor", EBADF, call(SYS_execveat, (void *)77, program + 1, one_word, 0, 0), (void *)77, program + 1, one_word);
}

static void too_much(const char *program) {
	enum { COUNT = 1000000 };
	char **words = calloc(COUNT + 1, sizeof *words);
	for (int i = 0; i < COUNT; i++) words[i] = "0123456789";
	execve_fails("too many words", E2BIG, program, words, no_words);
	words[200000] = NULL;
	words[199999] = (char *)bad;
	execve_fails("bad word after many", EFAULT, program, words, no_words);
	memset(words, 0x11, (COUNT + 1) * sizeof *words);
	execve_fails("list without end", E2BIG, program, words, no_words);
}

/* What a program writes below its stack pointer is not ours once it has given it up; the 128 bytes there are its own. */
static void red_zone(const char *program) {
	unsigned long before = 0, after = 0;
	char *bad_word[] = { "x", (char *)bad, NULL };
	asm volatile("movq $0x5a5a5a5a, -120(%%rsp)\n\tmovq -120(%%rsp), %1\n\tsyscall\n\tmovq -120(%%rsp), %0"
		: "=&b"(after), "=&r"(before) : "a"(SYS_execve), "D"(program), "S"(bad_word), "d"(no_words) : "rcx", "r11", "memory");
	if (before == after) return;
	puts("red zone: lost");
	failures++;
}

/* Inside a chroot there is no emulator: the rewritten call itself fails. */
static void in_chroot(const char *jail) {
	if (chroot(jail) < 0 || chdir("/") < 0) exit(109);
	execve_fails("no emulator", ENOENT, "/report", one_word, no_words);
}

int main(int argc, char **argv) {
	setvbuf(stdout, NULL, _IONBF, 0);
	if (argc < 2) return 2;
	pointers(argv[1]);
	files(argv[1]);
	too_much(argv[1]);
	red_zone(argv[1]);
	if (argc > 2) in_chroot(argv[2]);
	printf("%d failures\n", failures);
	return failures != 0;
}
