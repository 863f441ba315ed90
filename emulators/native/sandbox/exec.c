/*
 * Has a foreign program started by its emulator: the registers of the stopped execve get another path and another
 * argv, written below the stack of the process. What it sees of that, when the call fails, is the errno.
 *
 * What we cannot find, read or understand goes on as it is: the kernel has the right errno for it.
 */
#define _GNU_SOURCE
#include "exec.h"
#ifdef __x86_64__
#include "start.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

enum {
	RED_ZONE = 128, /* below the stack pointer, and in use */
	ON_STACK = 768, /* goroutines and clones with a stack of their own have about as much left */
};

struct pending {
	pid_t tid;
	bool entered; /* its next stop is the exit of the exec */
	registers saved, prepared;
};

/* Only those between the entry and the exit of an exec: a handful at any time. */
static struct pending *list;
static size_t size, room;

static struct pending *pending_of(pid_t tid) {
	for (size_t i = 0; i < size; i++) if (list[i].tid == tid) return &list[i];
	return NULL;
}

bool exec_is_pending(pid_t tid) { return pending_of(tid) != NULL; }

void exec_is_over(pid_t tid) {
	struct pending *found = pending_of(tid);
	if (found) *found = list[--size];
}

static int remember(pid_t tid, bool entered, const registers *saved, const registers *prepared) {
	exec_is_over(tid);
	if (size == room) {
		struct pending *more = realloc(list, (room + 16) * sizeof *list);
		if (!more) return -1;
		list = more;
		room += 16;
	}
	list[size++] = (struct pending){ tid, entered, *saved, *prepared };
	return 0;
}

void exec_failed(pid_t tid) {
	struct pending *found = pending_of(tid);
	registers now;
	if (!found || !found->entered) return;
	if (read_registers(tid, &now) == 0) {
		found->saved.rax = now.rax;
		write_registers(tid, &found->saved);
	}
	exec_is_over(tid);
}

/* The words of the new argv, then the list that points to them and to what is left of the old one. */
struct block { char *bytes; size_t size, list_at; bool wide; };

static size_t block_size(const struct start *start, size_t argc, struct block *block) {
	size_t text = 0, left = argc > start->replaced ? argc - start->replaced : 0;
	for (size_t i = 0; i < start->count; i++) if (start->words[i]) text += strlen(start->words[i]) + 1;
	block->list_at = (text + 15) & ~(size_t)15;
	block->size = block->list_at + (start->count + left + 1) * (block->wide ? 8 : 4);
	return block->size;
}

static void put_pointer(struct block *block, size_t index, uint64_t value) {
	size_t width = block->wide ? 8 : 4;
	memcpy(block->bytes + block->list_at + index * width, &value, width); /* little-endian, as this processor is */
}

static void fill(struct block *block, uint64_t base, const struct start *start, const uint64_t *argv, size_t argc) {
	size_t at = 0, index = 0;
	for (; index < start->count; index++) {
		const char *text = start->words[index];
		if (!text) { put_pointer(block, index, argv[0]); continue; }
		put_pointer(block, index, base + at);
		memcpy(block->bytes + at, text, strlen(text) + 1);
		at += strlen(text) + 1;
	}
	for (size_t i = start->replaced; i < argc; i++) put_pointer(block, index++, argv[i]);
	put_pointer(block, index, 0);
}

struct request {
	pid_t tid;
	registers regs;
	struct exec_call call;
	int *event;
};

/*
 * On the stack, or, when it is long, in memory the process maps for us. After a vfork that memory stays with the
 * parent: a few pages for each program that was given thousands of arguments.
 */
static enum next place(struct request *request, const struct start *start, const uint64_t *argv, size_t argc) {
	struct block block = { .wide = request->call.wide };
	registers prepared = request->regs;
	size_t bytes = block_size(start, argc, &block);
	uint64_t base = (prepared.rsp - RED_ZONE - bytes) & ~(uint64_t)15;
	enum next next = GO_ON;
	block.bytes = calloc(1, bytes);
	if (!block.bytes) return GO_ON;
	fill(&block, base, start, argv, argc);
	bool mapped = bytes > ON_STACK || write_memory(request->tid, base, block.bytes, bytes) < 0;
	if (mapped) {
		if (remote_mmap(request->tid, &request->regs, block.wide, bytes, &base, request->event) < 0) next = HANDLE;
		else if (base) fill(&block, base, start, argv, argc);
		if (next == GO_ON && base && write_memory(request->tid, base, block.bytes, bytes) < 0) base = 0;
	}
	free(block.bytes);
	if (next == HANDLE) return next;
	if (base) encode_execve(&prepared, &request->call, base, base + block.list_at);
	else encode_refusal(&prepared, ENOMEM);
	if (base && remember(request->tid, !mapped, &request->regs, &prepared) < 0) prepared = request->regs;
	if (mapped && base) encode_restart(&prepared); /* the borrowed call has used this stop up */
	write_registers(request->tid, &prepared);
	return mapped ? GO_ON : TO_EXIT;
}

static enum next rewrite(struct request *request, struct start *start) {
	size_t argc = 0;
	uint64_t *argv = NULL;
	if (request->call.argv) {
		argv = read_list(request->tid, request->call.argv, request->call.wide, &argc);
		if (!argv) return GO_ON;
	}
	if (argc == 0) name_nothing(start);
	/* the first word of the list becomes the path: the emulator's */
	enum next next = place(request, start, argv, argc);
	free(argv);
	return next;
}

/* The emulator has to open the program by its descriptor, so that must outlive the exec. The call begins anew then. */
static enum next keep_open(struct request *request, int fd) {
	registers again = request->regs;
	if (remote_keep_open(request->tid, &request->regs, request->call.wide, fd, request->event) < 0) return HANDLE;
	encode_restart(&again);
	write_registers(request->tid, &again);
	return GO_ON;
}

static enum next refuse(struct request *request) {
	registers regs = request->regs;
	encode_refusal(&regs, EACCES);
	write_registers(request->tid, &regs);
	return GO_ON;
}

/* After a borrowed call the same exec stops once more, prepared. */
static bool is_prepared(const struct request *request) {
	struct pending *found = pending_of(request->tid);
	if (!found) return false;
	struct exec_call wanted = decode_exec(&found->prepared, request->call.wide ? EXECVE_64 : EXECVE_32);
	found->entered = wanted.path == request->call.path && wanted.argv == request->call.argv &&
		found->prepared.rsp == request->regs.rsp && found->prepared.rip == request->regs.rip;
	return found->entered;
}

enum next exec_begins(pid_t tid, enum exec_kind kind, int *event) {
	static char path[LONGEST_PATH];
	static struct start start;
	struct request request = { .tid = tid, .event = event };
	struct view view;
	if (read_registers(tid, &request.regs) < 0) return GO_ON;
	request.call = decode_exec(&request.regs, kind);
	if (is_prepared(&request)) return TO_EXIT;
	exec_is_over(tid); /* a signal handler took it elsewhere */
	if (read_string(tid, request.call.path, path, sizeof path) < 0 || open_view(&view, tid) < 0) return GO_ON;
	enum start_kind found = find_start(&view, &request.call, path, &start);
	close_view(&view);
	switch (found) {
	case AS_IT_IS: return GO_ON;
	case UNREADABLE: return refuse(&request);
	case CLOSES_ON_EXEC: return keep_open(&request, start.descriptor);
	case BY_EMULATOR: return rewrite(&request, &start);
	}
	return GO_ON;
}
#endif
