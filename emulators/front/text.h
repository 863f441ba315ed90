/* Text without a C library. */
#ifndef TEXT_H
#define TEXT_H

/* What follows the beginning; NULL for a text that does not begin so. */
const char *after(const char *text, const char *beginning);
int equals(const char *a, const char *b);
int ends_with(const char *text, const char *end);
int contains(const char *text, const char *part);
/* Copies a text with its end; gives the place of the end. */
char *append(char *to, const char *text);

#endif
