/* JWS in compact form, with the one-shot HMAC and padded base64 of libcrypto. */

#include "signed.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOKENS 9
#define TOKEN_MAX 16384

/* Append n bytes in base64url without padding. */
static void
put(char *token, const void *p, size_t n)
{
	char *out = token + strlen(token), *s;

	if (strlen(token) + n * 4 / 3 + 8 > TOKEN_MAX)
		abort();
	(void)EVP_EncodeBlock((unsigned char *)out, p, (int)n);
	out[strcspn(out, "=")] = '\0';
	for (s = out; *s != '\0'; s++)
		*s = *s == '+' ? '-' : *s == '/' ? '_' : *s;
}

const char *
token_signed(const char *key, const char *header, const char *payload)
{
	static char tokens[TOKENS][TOKEN_MAX];
	static unsigned next;
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	char *token = tokens[next++ % TOKENS];

	token[0] = '\0';
	put(token, header, strlen(header));
	(void)strcat(token, ".");
	put(token, payload, strlen(payload));
	if (HMAC(EVP_sha256(), key, (int)strlen(key),
		(const unsigned char *)token, strlen(token), mac, &n) == NULL)
		abort();
	(void)strcat(token, ".");
	put(token, mac, n);
	return token;
}

const char *
token_for(const char *key, const char *permissions, int64_t now_s)
{
	char payload[4096];

	(void)snprintf(payload, sizeof(payload),
	    "{\"exp\": %lld, \"iat\": %lld, \"sub\": \"access_token\", "
	    "\"permissions\": %s}",
	    (long long)now_s + 600, (long long)now_s, permissions);
	return token_signed(
	    key, "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", payload);
}
