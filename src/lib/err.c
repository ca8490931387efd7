/* The table of err.h as texts and statuses. */

#include "err.h"

const char *
err_text(enum err e)
{
	static const char *const texts[] = {
#define ERR_ROW(name, status, text) [ERR_##name] = (text),
	    ERR_TABLE(ERR_ROW)
#undef ERR_ROW
	};

	return (unsigned)e < ERR__MAX ? texts[e] : "unknown error";
}

int
err_status(enum err e)
{
	static const int statuses[] = {
#define ERR_ROW(name, status, text) [ERR_##name] = (status),
	    ERR_TABLE(ERR_ROW)
#undef ERR_ROW
	};

	return (unsigned)e < ERR__MAX ? statuses[e] : 500;
}
