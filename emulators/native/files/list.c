/*
 * A directory's names in the order of a layer, with their types: one call instead of an object for each name. What was
 * listed last is kept until it is taken or the next is listed.
 */
#define _GNU_SOURCE
#include "files.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
	char *text;
	size_t size, capacity;
	const char **sorted;
	size_t count;
} listing;

static char letter_of(mode_t mode) {
	switch (mode & S_IFMT) {
	case S_IFREG: return 'f';
	case S_IFDIR: return 'd';
	case S_IFLNK: return 'l';
	case S_IFCHR: return 'c';
	case S_IFBLK: return 'b';
	case S_IFIFO: return 'p';
	default: return 's';
	}
}

/* Some file systems do not say the type in the directory. */
static char type_of(int directory, const struct dirent *entry) {
	struct statx facts;
	if (entry->d_type != DT_UNKNOWN) return letter_of(DTTOIF(entry->d_type));
	return statx(directory, entry->d_name, AT_SYMLINK_NOFOLLOW, STATX_TYPE, &facts) < 0 ? '\0' : letter_of(facts.stx_mode);
}

static int add(char type, const char *name) {
	size_t length = strlen(name) + 2;
	if (listing.size + length > listing.capacity) {
		size_t capacity = 2 * listing.capacity + 65536;
		char *text = realloc(listing.text, capacity);
		if (!text) return -1;
		listing.text = text;
		listing.capacity = capacity;
	}
	listing.text[listing.size] = type;
	memcpy(listing.text + listing.size + 1, name, length - 1);
	listing.size += length;
	listing.count++;
	return 0;
}

static int read_names(DIR *directory) {
	for (struct dirent *entry;;) {
		errno = 0;
		if (!(entry = readdir(directory))) return errno ? -1 : 0;
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
		char type = type_of(dirfd(directory), entry);
		if (type == '\0' || add(type, entry->d_name) < 0) return -1;
	}
}

static int by_name(const void *a, const void *b) {
	return strcmp(*(const char *const *)a + 1, *(const char *const *)b + 1); /* as unsigned bytes */
}

static int sort_names(void) {
	listing.sorted = malloc((listing.count + 1) * sizeof *listing.sorted);
	if (!listing.sorted) return -1;
	const char *at = listing.text;
	for (size_t n = 0; n < listing.count; n++, at += strlen(at) + 1) listing.sorted[n] = at;
	qsort(listing.sorted, listing.count, sizeof *listing.sorted, by_name);
	return 0;
}

static void forget(void) {
	free(listing.text);
	free(listing.sorted);
	memset(&listing, 0, sizeof listing);
}

int64_t list_directory(int directory) {
	forget();
	int own = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* with a position of its own */
	DIR *opened = own < 0 ? NULL : fdopendir(own);
	if (!opened) {
		if (own >= 0) close(own);
		return -1;
	}
	int failed = read_names(opened) < 0 || sort_names() < 0, error = errno;
	closedir(opened);
	if (failed) forget();
	errno = error;
	return failed ? -1 : (int64_t)listing.size;
}

void take_listing(uint8_t *out) {
	for (size_t n = 0; n < listing.count; n++) {
		size_t length = strlen(listing.sorted[n]) + 1;
		memcpy(out, listing.sorted[n], length);
		out += length;
	}
	forget();
}
