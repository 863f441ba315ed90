/*
 * The front of an emulator: runs first whenever the kernel starts the emulator for a foreign program, and starts the
 * program's native twin instead where it has one. Whatever is not as expected, it returns, and the emulator runs.
 *
 * What the kernel hands over is binfmt_misc's with the flags P and O (admin-guide/binfmt-misc.rst): the arguments are
 * INTERPRETER PROGRAM ARGV0 ARGUMENTS…, and the program is open as AT_EXECFD.
 */
#include <linux/fcntl.h>
#include <linux/auxvec.h>
#include <linux/mman.h>

#include "environment.h"
#include "system.h"
#include "table.h"
#include "text.h"

#define LIBRARIES TWINS "/lib"
/* Every name in it is the loader: what is started is called so in /proc/PID/comm. */
#define LOADERS TWINS "/start/"
#define PROGRAMS TWINS "/bin/"

/* What goes in front of the arguments: LOADER --inhibit-cache --argv0 ARGV0 --library-path LIBRARIES TWIN. */
#define ADDED 7

static long auxiliary(char **after_environment, unsigned long type, long otherwise)
{
	for (long *entry = (long *)after_environment; entry[0] != AT_NULL; entry += 2)
		if ((unsigned long)entry[0] == type)
			return entry[1];
	return otherwise;
}

/*
 * The emulator has a /proc/cpuinfo, a /proc/self/maps and more of its own (qemu's linux-user/syscall.c), and who names
 * them, a shell in its script too, is to see those. Some programs say with their version what machine they are for,
 * and with --block-size `ls` counts in long double, which is not the same on all.
 */
static int asks_for_machine(char **arguments)
{
	for (; *arguments != 0; arguments++)
		if (contains(*arguments, "/proc/") || equals(*arguments, "--version") || after(*arguments, "--bl") != 0)
			return 1;
	return 0;
}

/* Returns only when the twin could not be started. */
static void start(const char *name, char **argv, long argc, char **environment)
{
	long count = ADDED + (argc - 3) + 1;
	long room = count * (long)sizeof(char *);
	long place = call6(__NR_mmap, 0, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (failed(place))
		return;
	const char **given = (const char **)place;
	char loader[sizeof(LOADERS) + TWIN_NAME], twin[sizeof(PROGRAMS) + TWIN_NAME];
	append(append(loader, LOADERS), name);
	append(append(twin, PROGRAMS), name);
	const char *added[ADDED];
	added[0] = loader;
	added[1] = "--inhibit-cache";
	added[2] = "--argv0";
	added[3] = argv[2];
	added[4] = "--library-path";
	added[5] = LIBRARIES;
	added[6] = twin;
	for (long i = 0; i < ADDED; i++)
		given[i] = added[i];
	for (long i = 3; i < argc; i++)
		given[ADDED + i - 3] = argv[i];
	given[count - 1] = 0;
	call3(__NR_execve, (long)loader, place, (long)environment);
	call3(__NR_munmap, place, room, 0);
}

/* `stack` as at the entry of a process: argc, argv, NULL, environment, NULL, auxiliary vector. */
void front(long *stack)
{
	long argc = stack[0];
	char **argv = (char **)(stack + 1);
	char **environment = argv + argc + 1;
	char **end = environment;
	while (*end != 0)
		end++;
	long program = auxiliary(end + 1, AT_EXECFD, -1);
	if (argc < 3 || program < 0 || auxiliary(end + 1, AT_SECURE, 1) != 0)
		return;
	if (!is_plain(environment) || asks_for_machine(argv + 3))
		return;
	char name[TWIN_NAME];
	if (!find_twin((int)program, name))
		return;
	call3(__NR_fcntl, program, F_SETFD, FD_CLOEXEC);
	start(name, argv, argc, environment);
	call3(__NR_fcntl, program, F_SETFD, 0);
}
