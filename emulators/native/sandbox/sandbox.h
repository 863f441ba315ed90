/*
 * What the parts of the sandbox helper share. An operation reads its operands with word(), number() and words(), and
 * returns 0, or -1 with errno set.
 */
#ifndef SANDBOX_H
#define SANDBOX_H

#include <stddef.h>
#include <sys/types.h>

enum { PLAN_FD = 3, STATUS_FD = 4, FAILED = 125 };

/* plan.c: what is to be done, and what came of it. Only the first line said counts. */
extern int operation_index;
void read_plan(void);
int plan_has_more(void);
char *word(void);
unsigned long number(void);
/* A count and as many words; the list ends with NULL. */
char **words(void);
void say(const char *kind, int number);
_Noreturn void fail(const char *name);

/* processes.c */
void die_with_parent(void);
void default_signals(void);
void forward_signals(pid_t to);
/* What pid 1 does when it stays behind: unseen by the step, holding none of its streams. */
void become_supervisor(pid_t command);
/* Says how the command ended and ends the sandbox with it. */
_Noreturn void leave_as_command(int status);
int op_enter(void);
int op_init(void);

/* mounts.c */
int op_mount(void);
int op_mask(void);
int op_mountpoint(void);
int op_restrict(void);

/* A directory, found as mount points are: by a relative path and through no symlink. */
int open_inside(char *path);

/* copy.c */
int op_copy(void);

/* groups.c */
int op_group(void);
int op_join(void);
void close_groups(void);

/* rootfs.c */
int op_unshare(void);
int op_file(void);
int op_mkdir(void);
int op_touch(void);
int op_symlink(void);
int op_write(void);
int op_chdir(void);
int op_workdir(void);
int op_pivot(void);
int op_hostname(void);
int op_loopback(void);

/* command.c */
int op_umask(void);
int op_terminal(void);
int op_raise(void);
int op_limit(void);
int op_capabilities(void);
int op_no_new_privileges(void);
int op_ids(void);
int op_environment(void);
int op_exec(void);

/* trace.c */
extern int is_traced;
int op_trace(void);

/* memory.c */
int op_no_memory_limits(void);

#endif
