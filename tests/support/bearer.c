/* A token by libcrypto alone, without the server's own code. */

#include "bearer.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api.h"

static const char *
base64url(const void *p, size_t len)
{
	char *text = malloc(len * 2 + 8);
	const char *kept;
	int i, n = EVP_EncodeBlock((unsigned char *)text, p, (int)len);

	for (i = 0; i < n; i++) {
		if (text[i] == '+')
			text[i] = '-';
		else if (text[i] == '/')
			text[i] = '_';
		else if (text[i] == '=')
			text[i] = '\0';
	}
	kept = fmt("%s", text);
	free(text);
	return kept;
}

const char *
bearer_of(const char *claims, const char *key)
{
	static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
	unsigned char mac[EVP_MAX_MD_SIZE];
	const char *text;
	unsigned n = 0;

	text = fmt("%s.%s", base64url(header, sizeof(header) - 1),
	    base64url(claims, strlen(claims)));
	(void)HMAC(EVP_sha256(), key, (int)strlen(key),
	    (const unsigned char *)text, strlen(text), mac, &n);
	return fmt("Authorization: Bearer %s.%s", text, base64url(mac, n));
}

const char *
bearer_with(const char *permissions)
{
	long long now = (long long)time(NULL);

	return bearer_of(
	    fmt("{\"exp\":%lld,\"iat\":%lld,\"sub\":\"access_token\","
		"\"permissions\":%s}",
		now + 600, now, permissions),
	    getenv("TF_JWT_KEY"));
}

const char *
bearer(const char *role, const char *client_id)
{
	if (role == NULL)
		return bearer_with(fmt("{\"client_id\":\"%s\"}", client_id));
	return bearer_with(
	    fmt("{\"client_id\":\"%s\",\"role\":\"%s\"}", client_id, role));
}
