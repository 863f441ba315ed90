/* Text without a C library. */
#include "text.h"

const char *after(const char *text, const char *beginning)
{
	while (*beginning != 0)
		if (*text++ != *beginning++)
			return 0;
	return text;
}

int equals(const char *a, const char *b)
{
	const char *rest = after(a, b);
	return rest != 0 && *rest == 0;
}

static const char *end_of(const char *text)
{
	while (*text != 0)
		text++;
	return text;
}

int ends_with(const char *text, const char *end)
{
	long room = end_of(text) - text;
	long length = end_of(end) - end;
	return room >= length && equals(end_of(text) - length, end);
}

int contains(const char *text, const char *part)
{
	for (; *text != 0; text++)
		if (after(text, part) != 0)
			return 1;
	return 0;
}

char *append(char *to, const char *text)
{
	while ((*to = *text++) != 0)
		to++;
	return to;
}
