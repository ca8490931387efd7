/* Secrets that can be typed. */

#include "rand_text.h"

#include <errno.h>
#include <sodium.h>
#include <sys/random.h>

#include "log.h"

enum err
rand_text(char *out, size_t n)
{
	static const char signs[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "abcdefghijklmnopqrstuvwxyz0123456789";
	const unsigned n_signs = sizeof(signs) - 1;
	unsigned char bytes[128];
	size_t i, done = 0;

	while (done < n) {
		if (getrandom(bytes, sizeof(bytes), 0) !=
		    (ssize_t)sizeof(bytes)) {
			if (errno == EINTR)
				continue;
			log_errno("no random bytes");
			return ERR_IO;
		}
		/* 248 is four times the signs: what lies above would favour some. */
		for (i = 0; i < sizeof(bytes) && done < n; i++)
			if (bytes[i] < 4 * n_signs)
				out[done++] = signs[bytes[i] % n_signs];
	}
	out[done] = '\0';
	sodium_memzero(bytes, sizeof(bytes));
	return ERR_OK;
}
