/*
 * A program of 32 bits for this machine, without libc: starts /bin/report by the old way into the kernel, with few
 * words, or, compiled with MANY, with thousands.
 */
#ifndef MANY
#define MANY 3
#endif

static long call(long number, const void *a, const void *b, const void *c) {
	long result;
	asm volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
	return result;
}

void _start(void) {
	enum { EXIT = 1, EXECVE = 11, ENOENT = 2 };
	static const char *words[MANY + 1], *nothing[1];
	for (int i = 0; i < MANY; i++) words[i] = "narrow";
	words[0] = "/bin/report";
	if (call(EXECVE, "/no/such", words, nothing) != -ENOENT) call(EXIT, (void *)1, 0, 0);
	call(EXECVE, "/bin/report", words, nothing);
	call(EXIT, (void *)2, 0, 0);
}
