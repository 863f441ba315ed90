/*
 * Plain files of one directory as the tar entries that src/layer/tar-writer.ts would write, byte for byte: regular files
 * and symlinks with one name and no attributes whose facts fit a ustar header. The first of another kind ends it.
 */
#define _GNU_SOURCE
#include "files.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { BLOCK = 512, NAME = 100, PREFIX = 155, LONGEST_NAME = 255 };
enum { MAX_OCTAL_7 = 07777777, LARGEST_FILE = 256 << 10 };
#define MAX_OCTAL_11 077777777777LL
enum { ALL_DONE, NO_ROOM, NOT_PLAIN };

static void write_octal(uint8_t *field, int digits, uint64_t value) {
	for (int at = digits - 1; at >= 0; at--, value >>= 3) field[at] = (uint8_t)('0' + (value & 7));
}

static int is_ascii(const char *text) {
	for (; *text; text++)
		if ((unsigned char)*text > 0x7f) return 0;
	return 1;
}

/* Cut at a slash into ustar's two fields when it is too long for one. */
static int write_path(uint8_t *block, const char *path, size_t length) {
	const char *name = path;
	if (length > NAME) {
		if (length > NAME + 1 + PREFIX) return -1;
		const char *slash = strchr(path + length - NAME - 1, '/');
		if (!slash || slash == path || slash - path > PREFIX || !slash[1]) return -1;
		memcpy(block + 345, path, (size_t)(slash - path));
		name = slash + 1;
	}
	memcpy(block, name, (size_t)(path + length - name));
	return 0;
}

static int write_header(uint8_t *block, const char *path, size_t length, const struct statx *facts) {
	int is_link = S_ISLNK(facts->stx_mode);
	memset(block, 0, BLOCK);
	if (write_path(block, path, length) < 0) return -1;
	write_octal(block + 100, 7, facts->stx_mode & 07777);
	write_octal(block + 108, 7, facts->stx_uid);
	write_octal(block + 116, 7, facts->stx_gid);
	write_octal(block + 124, 11, is_link ? 0 : facts->stx_size);
	write_octal(block + 136, 11, (uint64_t)facts->stx_mtime.tv_sec);
	block[156] = is_link ? '2' : '0';
	memcpy(block + 257, "ustar\00000", 8);
	write_octal(block + 329, 7, 0);
	write_octal(block + 337, 7, 0);
	return 0;
}

/* The sum counts its own field as spaces. */
static void write_checksum(uint8_t *block) {
	unsigned sum = 8 * ' ';
	for (int at = 0; at < BLOCK; at++) sum += block[at];
	write_octal(block + 148, 6, sum);
	block[155] = ' ';
}

/* Attributes that no layer has: what the kernel and overlayfs keep for themselves. */
static int has_attributes(int file) {
	char names[1024];
	ssize_t size = flistxattr(file, names, sizeof names);
	if (size < 0) return errno != ENOTSUP;
	for (const char *name = names; name < names + size; name += strlen(name) + 1)
		if (strcmp(name, "security.selinux") != 0 && strncmp(name, "trusted.", 8) != 0) return 1;
	return 0;
}

static int read_whole(int file, uint8_t *out, size_t size) {
	for (size_t done = 0; done < size;) {
		ssize_t count = read(file, out + done, size - done);
		if (count <= 0) return -1;
		done += (size_t)count;
	}
	return 0;
}

static int write_content(int directory, const char *name, uint8_t *out, size_t size) {
	int file = open_quietly(directory, name);
	if (file < 0) return -1;
	int failed = has_attributes(file) || read_whole(file, out, size) < 0;
	close(file);
	return failed ? -1 : 0;
}

static int write_target(int directory, const char *name, uint8_t *block) {
	char target[NAME + 2];
	ssize_t length = readlinkat(directory, name, target, sizeof target - 1);
	if (length < 0 || length > NAME) return -1;
	target[length] = '\0';
	if (!is_ascii(target)) return -1;
	memcpy(block + 157, target, (size_t)length);
	return 0;
}

static int is_plain(const struct statx *facts) {
	return (S_ISREG(facts->stx_mode) || S_ISLNK(facts->stx_mode)) && facts->stx_nlink == 1 &&
		facts->stx_size <= LARGEST_FILE && facts->stx_uid <= MAX_OCTAL_7 && facts->stx_gid <= MAX_OCTAL_7 &&
		facts->stx_mtime.tv_sec >= 0 && facts->stx_mtime.tv_sec <= MAX_OCTAL_11;
}

/* The bytes of the entry; 0 when there is no room, -1 when it is not plain. */
static int64_t pack_one(int directory, const char *path, const char *name, struct packing *packing, uint8_t *out) {
	struct statx facts;
	if (statx(directory, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, &facts) < 0 || !is_plain(&facts)) return -1;
	size_t size = S_ISREG(facts.stx_mode) ? (size_t)facts.stx_size : 0;
	size_t whole = BLOCK + (size + BLOCK - 1) / BLOCK * BLOCK;
	if ((int64_t)whole > packing->room) return 0;
	if (write_header(out, path, strlen(path), &facts) < 0) return -1;
	if (S_ISREG(facts.stx_mode)) {
		if (write_content(directory, name, out + BLOCK, size) < 0) return -1;
		memset(out + BLOCK + size, 0, whole - BLOCK - size);
	} else if (write_target(directory, name, out) < 0) {
		return -1;
	}
	write_checksum(out);
	return (int64_t)whole;
}

/* `prefix` is the directory's path with a slash at its end, or nothing. */
void pack_files(int directory, const char *prefix, const uint8_t *names, uint8_t *out, struct packing *packing) {
	const char *begin = (const char *)names, *at = begin, *end = begin + packing->names;
	uint8_t *first = out;
	char path[NAME + 1 + PREFIX + LONGEST_NAME + 1];
	size_t length = strlen(prefix);
	packing->entries = 0;
	packing->stopped = ALL_DONE;
	int is_short = length <= NAME + 1 + PREFIX && is_ascii(prefix);
	if (is_short) memcpy(path, prefix, length);
	while (at < end) {
		int64_t size = -1;
		if (is_short && (*at == 'f' || *at == 'l') && is_ascii(at + 1) && strlen(at + 1) <= LONGEST_NAME) {
			strcpy(path + length, at + 1);
			size = pack_one(directory, path, at + 1, packing, out);
		}
		if (size <= 0) {
			packing->stopped = size == 0 ? NO_ROOM : NOT_PLAIN;
			break;
		}
		out += size;
		packing->room -= (int32_t)size;
		packing->entries++;
		at += strlen(at) + 1;
	}
	packing->names = (int32_t)(at - begin);
	packing->room = (int32_t)(out - first);
}
