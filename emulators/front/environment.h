#ifndef ENVIRONMENT_H
#define ENVIRONMENT_H

/* Whether nothing in the environment asks a loader or a C library for what only the foreign rootfs has. */
int is_plain(char **environment);

#endif
