/* Filters of system calls (kernel's userspace-api/seccomp_filter.rst), and the words to write them in. */
#ifndef FILTER_H
#define FILTER_H

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF(value, then, otherwise) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, then, otherwise)
#define UNLESS(value, skip) IF(value, 0, skip)
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, what)

/* For this process and all that come of it. 0, or -1 with errno set. */
int install_filter(struct sock_filter *code, size_t length);

#endif
