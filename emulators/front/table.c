/*
 * The table of twins: lines as src/emulation/twins/ writes them. A program is known by the facts of its file, not by its
 * path: one that a step has replaced has other facts.
 *
 *   arch-build-twins 1
 *   guard FACTS PATH       a file whose change switches all twins off; FACTS may be `absent`
 *   twin FACTS NAME        a program, and the name of its twin
 *
 * FACTS are five decimal numbers, with commas between those of a guard: inode, size, times of change of content and of inode in nanoseconds, mode.
 */
#include <asm/stat.h>
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "system.h"
#include "table.h"
#include "text.h"

#define FIRST_LINE "arch-build-twins 1\n"
#define LARGEST_TABLE (1 << 20)
#define SET_IDS 06000

struct facts {
	long inode, size, modified, changed, mode;
};

#define NANOSECONDS 1000000000L

static void facts_of(const struct stat *status, struct facts *facts)
{
	facts->inode = (long)status->st_ino;
	facts->size = status->st_size;
	facts->modified = (long)status->st_mtime * NANOSECONDS + (long)status->st_mtime_nsec;
	facts->changed = (long)status->st_ctime * NANOSECONDS + (long)status->st_ctime_nsec;
	facts->mode = status->st_mode;
}

static int is_same(const struct facts *a, const struct facts *b)
{
	return a->inode == b->inode && a->size == b->size && a->modified == b->modified &&
	       a->changed == b->changed && a->mode == b->mode;
}

/* Each reader returns what follows what it has read, NULL when something else stands there. */

static const char *read_number(const char *text, long *value)
{
	int negative = *text == '-';
	text += negative;
	if (*text < '0' || *text > '9')
		return 0;
	unsigned long digits = 0;
	for (; *text >= '0' && *text <= '9'; text++)
		digits = digits * 10 + (unsigned long)(*text - '0');
	*value = negative ? -(long)digits : (long)digits;
	return *text == ' ' || *text == ',' ? text + 1 : 0;
}

static const char *read_facts(const char *text, struct facts *facts)
{
	long *fields[] = {&facts->inode, &facts->size, &facts->modified, &facts->changed, &facts->mode};
	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]) && text != 0; i++)
		text = read_number(text, fields[i]);
	return text;
}

/* The last word of a line, as a string of its own. */
static const char *read_name(const char *text, char *name, long room)
{
	while (room > 1 && *text != 0 && *text != '\n') {
		*name++ = *text++;
		room--;
	}
	*name = 0;
	return *text == '\n' ? text + 1 : 0;
}

/* Whether a file is as the guard has it. */
static int holds(const char *line, const char **next)
{
	struct facts expected;
	struct stat status;
	char path[TWIN_NAME];
	const char *absent = after(line, "absent ");
	const char *rest = absent != 0 ? absent : read_facts(line, &expected);
	*next = rest == 0 ? 0 : read_name(rest, path, sizeof(path));
	if (*next == 0)
		return 0;
	long failure = call3(__NR_stat, (long)path, (long)&status, 0);
	if (absent != 0 || failure != 0)
		return absent != 0 && failure != 0;
	struct facts facts;
	facts_of(&status, &facts);
	return is_same(&facts, &expected);
}

static int search(const char *line, const struct facts *program, char name[TWIN_NAME])
{
	line = after(line, FIRST_LINE);
	while (line != 0 && *line != 0) {
		struct facts facts;
		const char *rest = after(line, "guard ");
		if (rest != 0) {
			if (!holds(rest, &line))
				return 0;
			continue;
		}
		rest = after(line, "twin ");
		if (rest == 0 || (rest = read_facts(rest, &facts)) == 0)
			return 0;
		line = read_name(rest, name, TWIN_NAME);
		if (line != 0 && is_same(&facts, program))
			return 1;
	}
	return 0;
}

int find_twin(int program, char name[TWIN_NAME])
{
	struct stat status;
	struct facts facts;
	if (call3(__NR_fstat, program, (long)&status, 0) != 0 || (status.st_mode & SET_IDS) != 0)
		return 0;
	facts_of(&status, &facts);
	long file = call3(__NR_open, (long)TWINS "/table", O_RDONLY | O_CLOEXEC, 0);
	if (file < 0)
		return 0;
	int found = 0;
	if (call3(__NR_fstat, file, (long)&status, 0) == 0 && status.st_size > 0 && status.st_size < LARGEST_TABLE) {
		/* One more byte than the file has: what follows it in its last page is zero. */
		long room = status.st_size + 1;
		long text = call6(__NR_mmap, 0, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (!failed(text)) {
			if (call3(__NR_read, file, text, status.st_size) == status.st_size)
				found = search((const char *)text, &facts, name);
			call3(__NR_munmap, text, room, 0);
		}
	}
	call3(__NR_close, file, 0, 0);
	return found;
}
