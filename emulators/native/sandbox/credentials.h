/* Puts on the credentials that a traced process opens files with. */
#ifndef CREDENTIALS_H
#define CREDENTIALS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { MOST_GROUPS = 1024 };

struct credentials {
	uid_t uid;
	gid_t gid;
	size_t count;
	gid_t groups[MOST_GROUPS];
	uint64_t effective; /* capabilities */
};

/* False when the process can do all that we can, so that nothing is to be put on. `own` is what to give back. */
bool take_credentials(pid_t tid, struct credentials *own);
void give_back_credentials(const struct credentials *own);

#endif
