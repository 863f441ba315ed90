#ifndef TABLE_H
#define TABLE_H

/* Where a step has its twins; where there are none, as in a rootfs inside the rootfs, the table is not found. */
#define TWINS "/dev/twins"

#define TWIN_NAME 256

/* Writes the name of the twin of the open program. False when it has none, or the rootfs is not as it was. */
int find_twin(int program, char name[TWIN_NAME]);

#endif
