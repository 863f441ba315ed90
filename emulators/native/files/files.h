#ifndef FILES_H
#define FILES_H
#include <stdint.h>

/* Called by src/sys/directory-listing.ts; nothing here is for two threads at once. */

/* The bytes that take_listing writes: for each name its type ('f', 'd', 'l', 'c', 'b', 'p', 's'), itself and a NUL; -1 when it cannot be read. */
int64_t list_directory(int directory);
void take_listing(uint8_t *out);

struct packing {
	int32_t names; /* in: bytes of the listing; out: bytes of it that are done */
	int32_t room; /* in: bytes at `out`; out: bytes written */
	int32_t entries; /* out */
	int32_t stopped; /* out: why there is more: 0 there is none, 1 no room, 2 what comes is not plain */
};

/* Writes what of the listing may be programs; returns how many bytes that is. There is room for all. */
int64_t find_programs(int directory, const uint8_t *names, int64_t size, uint8_t *out);

int open_quietly(int directory, const char *name);

void pack_files(int directory, const char *prefix, const uint8_t *names, uint8_t *out, struct packing *packing);

#endif
