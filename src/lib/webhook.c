/* One PUT to an address that was compared with the one allowed. */

#include "webhook.h"

#include <string.h>
#include <strings.h>

#include "uri.h"

#define TOTAL_MS 3000

bool
webhook_same_origin(const char *a, const char *b)
{
	size_t n = uri_origin(a), scheme = strcspn(a, ":");

	return n > 0 && n == uri_origin(b) && strncasecmp(a, b, scheme) == 0 &&
	       memcmp(a + scheme, b + scheme, n - scheme) == 0;
}

enum fetch_result
webhook_put(struct arena *a, const char *url, const char *bearer,
    const char *json, size_t len, struct fetch_answer *out)
{
	struct fetch f = {
	    .name = "the webhook",
	    .url = url,
	    .method = "PUT",
	    .type = "application/json",
	    .body = json,
	    .len = len,
	    .timeout_ms = TOTAL_MS,
	};

	if (bearer[0] != '\0' &&
	    (f.authorization = arena_printf(a, "Bearer %s", bearer)) == NULL)
		return FETCH_NO_MEMORY;
	return fetch(a, &f, out);
}
