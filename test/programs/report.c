/* Says how it was started: one line. With "exit N" as first arguments, nothing but that status. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
	char exe[4096];
	if (argc > 2 && strcmp(argv[1], "exit") == 0) return atoi(argv[2]);
	if (argc > 100) return printf("%d words, the last %s\n", argc, argv[argc - 1]) < 0;
	printf("[%s]", argc > 0 ? argv[0] : "(none)");
	for (int i = 1; i < argc; i++) printf(" %s", argv[i]);
	ssize_t length = readlink("/proc/self/exe", exe, sizeof exe - 1);
	exe[length < 0 ? 0 : length] = '\0';
	printf(" uid %d euid %d bits %zu exe %s\n", (int)getuid(), (int)geteuid(), 8 * sizeof(void *), exe);
	return 0;
}
