/* What happens when a traced process wants to start a program. */
#ifndef EXEC_H
#define EXEC_H

#include "program.h"
#include "tracee.h"

/* Which programs are foreign, in the order to try; kept for good. Returns -1 when an emulator is not there. */
int set_machines(struct machine *list, size_t count);

enum next {
	GO_ON, /* as any other stop */
	TO_EXIT, /* stop again at the exit of the call */
	HANDLE, /* it was killed meanwhile: see `event` */
};

/* At the entry of the call. */
enum next exec_begins(pid_t tid, enum exec_kind kind, int *event);
/* At the exit of a call: gives a failed exec its registers back. */
void exec_failed(pid_t tid);
/* The program runs, or the process is gone. */
void exec_is_over(pid_t tid);
bool exec_is_pending(pid_t tid);

#endif
