/* Only what counts for files: file system ids, groups and effective capabilities, read from /proc/TID/status. */
#define _GNU_SOURCE
#include "credentials.h"
#include <grp.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One's own files in /proc, and those of the process, stay open whoever we are. */
static const uint64_t ALWAYS = 1ULL << CAP_SYS_PTRACE;

/* "real effective saved filesystem" */
static unsigned long fourth_number(const char *text) {
	unsigned long value = 0;
	for (int i = 0; i < 4; i++) value = strtoul(text, (char **)&text, 10);
	return value;
}

static void read_groups(char *text, struct credentials *credentials) {
	credentials->count = 0;
	for (char *next = strtok(text, " \n\t"); next && credentials->count < MOST_GROUPS; next = strtok(NULL, " \n\t")) {
		credentials->groups[credentials->count++] = (gid_t)strtoul(next, NULL, 10);
	}
}

static int read_status(pid_t tid, struct credentials *credentials) {
	char path[64], *line = NULL;
	size_t room = 0;
	int found = 0;
	snprintf(path, sizeof path, "/proc/%d/status", tid);
	FILE *stream = fopen(path, "re");
	while (stream && found < 4 && getline(&line, &room, stream) > 0) {
		found++;
		if (strncmp(line, "Uid:", 4) == 0) credentials->uid = (uid_t)fourth_number(line + 4);
		else if (strncmp(line, "Gid:", 4) == 0) credentials->gid = (gid_t)fourth_number(line + 4);
		else if (strncmp(line, "Groups:", 7) == 0) read_groups(line + 7, credentials);
		else if (strncmp(line, "CapEff:", 7) == 0) credentials->effective = strtoull(line + 7, NULL, 16);
		else found--;
	}
	if (stream) fclose(stream);
	free(line);
	return found == 4 ? 0 : -1;
}

static uint64_t capabilities(uint64_t *permitted) {
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 } };
	syscall(SYS_capget, &header, data);
	*permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	return data[0].effective | (uint64_t)data[1].effective << 32;
}

static void set_effective(uint64_t effective) {
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	uint64_t permitted;
	capabilities(&permitted);
	effective &= permitted;
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)effective, .permitted = (uint32_t)permitted },
		{ .effective = (uint32_t)(effective >> 32), .permitted = (uint32_t)(permitted >> 32) },
	};
	syscall(SYS_capset, &header, data);
}

static void set_ids(const struct credentials *credentials) {
	setgroups(credentials->count, credentials->groups); /* refused where only one id is mapped: nobody has others */
	setfsgid(credentials->gid);
	setfsuid(credentials->uid);
}

bool take_credentials(pid_t tid, struct credentials *own) {
	static struct credentials wanted;
	uint64_t all;
	bool known = read_status(tid, &wanted) == 0;
	if (known && wanted.uid == 0 && wanted.effective >> CAP_DAC_OVERRIDE & 1) return false;
	own->effective = capabilities(&all);
	own->uid = geteuid();
	own->gid = getegid();
	int count = getgroups(MOST_GROUPS, own->groups);
	own->count = count < 0 ? 0 : (size_t)count;
	if (!known) wanted = (struct credentials){ .uid = (uid_t)-2, .gid = (gid_t)-2 }; /* gone: nobody */
	set_ids(&wanted);
	set_effective(wanted.effective | ALWAYS);
	return true;
}

void give_back_credentials(const struct credentials *own) {
	set_effective(own->effective); /* first: changing ids needs them */
	set_ids(own);
	set_effective(own->effective); /* leaving the user may have changed them */
}
