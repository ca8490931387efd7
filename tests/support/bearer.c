/* Tokens of signed.h as headers. */

#include "bearer.h"

#include <stdlib.h>
#include <time.h>

#include "api.h"
#include "signed.h"

const char *
bearer_of(const char *claims, const char *key)
{
	return fmt("Authorization: Bearer %s",
	    token_signed(key, "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", claims));
}

const char *
bearer_with(const char *permissions)
{
	return fmt("Authorization: Bearer %s",
	    token_for(getenv("TF_JWT_KEY"), permissions, time(NULL)));
}

const char *
bearer(const char *role, const char *client_id)
{
	if (role == NULL)
		return bearer_with(fmt("{\"client_id\":\"%s\"}", client_id));
	return bearer_with(
	    fmt("{\"client_id\":\"%s\",\"role\":\"%s\"}", client_id, role));
}
