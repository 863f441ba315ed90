/* Finds files as a traced process sees them: its root, its working directory, its own /proc/self. */
#ifndef LOOKUP_H
#define LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { LONGEST_PATH = 4096 };

struct view {
	pid_t tid;
	int root;
};

int open_view(struct view *view, pid_t tid);
void close_view(struct view *view);

/*
 * An O_PATH descriptor, or -1. `*process` is the directory in /proc of the process whose `exe` the path turned out to
 * be, to be closed, else -1.
 */
int find_file(const struct view *view, int directory, const char *path, int *process);

/* The descriptor of the process, as O_PATH. */
int find_descriptor(const struct view *view, int fd);
bool closes_on_exec(const struct view *view, int fd);
/* Makes a relative path absolute where that is possible from inside. */
void absolute_path(const struct view *view, const char *path, char absolute[LONGEST_PATH]);

/* Whether the process itself could find the file, and execute it (X_OK) or read it (R_OK). */
bool has_access(const struct view *view, int directory, const char *path, int mode);

#endif
