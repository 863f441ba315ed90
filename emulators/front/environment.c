/* Variables that steer a loader or a C library: what they name is there for the foreign machine only. */
#include "environment.h"
#include "text.h"

/* ld.so(8), iconv(1), tzset(3), catopen(3), gettext(3): any value. */
static const char STEERING[][16] = {
	"LD_", "GLIBC_TUNABLES=", "GCONV_PATH=", "LOCPATH=", "MALLOC_", "OUTPUT_CHARSET=",
};

/* ls(1): as the option --block-size. */
static const char BLOCKS[][16] = {"LS_BLOCK_SIZE=", "BLOCK_SIZE=", "BLOCKSIZE="};

/* locale(7): a charset other than UTF-8 is a module that the C library loads. */
static const char LOCALE[][16] = {"LC_", "LANG=", "LANGUAGE="};
static const char PLAIN_ENDS[][8] = {".UTF-8", ".utf8"};

/* A catalogue of translations has a charset of its own: only the languages that need none. */
static const char MESSAGES[][16] = {"LC_ALL=", "LC_MESSAGES=", "LANG=", "LANGUAGE="};
static const char PLAIN[][16] = {"", "C", "POSIX", "C.UTF-8", "C.utf8", "en_US.UTF-8", "en_US.utf8"};

#define LENGTH(table) (sizeof(table) / sizeof((table)[0]))

static int names_messages(const char *variable)
{
	for (unsigned i = 0; i < LENGTH(MESSAGES); i++)
		if (after(variable, MESSAGES[i]) != 0)
			return 1;
	return 0;
}

static int is_plain_locale(const char *value, int is_of_messages)
{
	for (unsigned i = 0; i < LENGTH(PLAIN); i++)
		if (equals(value, PLAIN[i]))
			return 1;
	for (unsigned i = 0; i < LENGTH(PLAIN_ENDS) && !is_of_messages; i++)
		if (ends_with(value, PLAIN_ENDS[i]))
			return 1;
	return 0;
}

static const char *value_of(const char *variable)
{
	while (*variable != 0)
		if (*variable++ == '=')
			return variable;
	return variable;
}

static int is_plain_variable(const char *variable)
{
	for (unsigned i = 0; i < LENGTH(STEERING); i++)
		if (after(variable, STEERING[i]) != 0)
			return 0;
	for (unsigned i = 0; i < LENGTH(BLOCKS); i++)
		if (after(variable, BLOCKS[i]) != 0)
			return 0;
	for (unsigned i = 0; i < LENGTH(LOCALE); i++)
		if (after(variable, LOCALE[i]) != 0)
			return is_plain_locale(value_of(variable), names_messages(variable));
	return 1;
}

int is_plain(char **environment)
{
	for (; *environment != 0; environment++)
		if (!is_plain_variable(*environment))
			return 0;
	return 1;
}
