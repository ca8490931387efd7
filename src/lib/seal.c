/*
 * A sealed value is base64 of: 8 bytes that name the key, 24 bytes nonce, the
 * encrypted value with its tag.  Owner and path are associated data.
 */

#include "seal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_LEN ((size_t)crypto_aead_xchacha20poly1305_ietf_KEYBYTES)
#define NONCE_LEN ((size_t)crypto_aead_xchacha20poly1305_ietf_NPUBBYTES)
#define TAG_LEN ((size_t)crypto_aead_xchacha20poly1305_ietf_ABYTES)
#define NAME_LEN ((size_t)8)
#define HEAD_LEN (NAME_LEN + NONCE_LEN)
#define MASTER_MIN ((size_t)32)
#define MASTER_MAX ((size_t)3072)
#define FILE_MAX ((size_t)8192)

struct key {
	unsigned char key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
	unsigned char name[8];
};

struct seal {
	struct key keys[2]; /* the one that seals, and a former one */
	size_t n;
};

/* From a master key of any length to one of ours, and its name. */
static void
derive(struct key *k, const unsigned char *master, size_t len)
{
	static const unsigned char use[] = "testflinger secrets 1";
	static const unsigned char name[] = "testflinger key name 1";
	crypto_generichash_state st;
	unsigned char full[crypto_generichash_BYTES_MIN];

	(void)crypto_generichash_init(&st, NULL, 0, sizeof(k->key));
	(void)crypto_generichash_update(&st, use, sizeof(use));
	(void)crypto_generichash_update(&st, master, len);
	(void)crypto_generichash_final(&st, k->key, sizeof(k->key));
	sodium_memzero(&st, sizeof(st));
	(void)crypto_generichash(
	    full, sizeof(full), name, sizeof(name), k->key, sizeof(k->key));
	memcpy(k->name, full, sizeof(k->name));
}

/* The key joins those of s; NULL: it is only judged. */
static enum err
add_key(struct seal *s, const char *text, size_t len)
{
	unsigned char master[MASTER_MAX];
	size_t n = 0;
	bool good;

	good = sodium_base642bin(master, sizeof(master), text, len, " \t\r\n",
		   &n, NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
	       n >= MASTER_MIN;
	if (good && s != NULL)
		derive(&s->keys[s->n++], master, n);
	sodium_memzero(master, sizeof(master));
	return good ? ERR_OK : ERR_INVALID;
}

/* The file's text.  Whoever else may read it could open every secret. */
static const char *
read_key_file(const char *path, char text[FILE_MAX], size_t *len)
{
	struct stat st;
	const char *why = NULL;
	ssize_t n = -1;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1 || fstat(fd, &st) == -1)
		why = strerror(errno);
	else if ((st.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)) != 0)
		why = "others may read or write it";
	else if ((n = read(fd, text, FILE_MAX)) == -1)
		why = strerror(errno);
	if (fd != -1)
		(void)close(fd);
	*len = n > 0 ? (size_t)n : 0;
	return why;
}

static enum err
add_file(struct seal *s, const struct conf *c, enum conf_id id,
    struct conf_fault *fault)
{
	char text[FILE_MAX], words[512];
	const char *why;
	enum err e;
	size_t len;

	why = read_key_file(conf_str(c, id), text, &len);
	if (why != NULL) {
		(void)snprintf(words, sizeof(words), "cannot be used: %s", why);
		return conf_refuse(c, id, fault, words,
		    "name a file of mode 0640 or less that the responders "
		    "may read");
	}
	e = add_key(s, text, len);
	sodium_memzero(text, sizeof(text));
	if (e == ERR_OK)
		return ERR_OK;
	return conf_refuse(c, id, fault, "names a file without a key in it",
	    "make one: head -c 32 /dev/urandom | base64 >FILE");
}

/* The key that stands in the configuration, if one does. */
static enum err
add_text(struct seal *s, const struct conf *c, enum conf_id id,
    struct conf_fault *fault)
{
	const char *key = conf_str(c, id);

	if (key[0] == '\0' || add_key(s, key, strlen(key)) == ERR_OK)
		return ERR_OK;
	return conf_refuse(c, id, fault, "is no base64 of 32 bytes or more",
	    "make one: head -c 32 /dev/urandom | base64");
}

/* That one, else the one in a file. */
static enum err
add_either(struct seal *s, const struct conf *c, enum conf_id text,
    enum conf_id file, struct conf_fault *fault)
{
	if (conf_str(c, text)[0] == '\0' && conf_str(c, file)[0] != '\0')
		return add_file(s, c, file, fault);
	return add_text(s, c, text, fault);
}

enum err
seal_check(const struct conf *c, struct conf_fault *fault)
{
	enum err e = add_text(NULL, c, CONF_SECRETS_MASTER_KEY, fault);

	return e != ERR_OK
		   ? e
		   : add_text(NULL, c, CONF_SECRETS_MASTER_KEY_OLD, fault);
}

bool
seal_wanted(const struct conf *c)
{
	return conf_str(c, CONF_SECRETS_MASTER_KEY)[0] != '\0' ||
	       conf_str(c, CONF_SECRETS_MASTER_KEY_FILE)[0] != '\0';
}

enum err
seal_open(struct seal **out, const struct conf *c, struct conf_fault *fault)
{
	struct seal *s;
	enum err e;

	*out = NULL;
	if (!seal_wanted(c))
		return ERR_OK;
	if (sodium_init() == -1 || (s = sodium_malloc(sizeof(*s))) == NULL)
		return ERR_NOMEM;
	memset(s, 0, sizeof(*s));
	e = add_either(
	    s, c, CONF_SECRETS_MASTER_KEY, CONF_SECRETS_MASTER_KEY_FILE, fault);
	if (e == ERR_OK)
		e = add_either(s, c, CONF_SECRETS_MASTER_KEY_OLD,
		    CONF_SECRETS_MASTER_KEY_OLD_FILE, fault);
	if (e != ERR_OK) {
		sodium_free(s);
		return e;
	}
	(void)sodium_mprotect_readonly(s);
	*out = s;
	return ERR_OK;
}

void
seal_free(struct seal *s)
{
	sodium_free(s);
}

/* Owner and path, each behind its length, so that no two pairs look alike. */
static const char *
place(struct arena *a, const char *client, const char *path, size_t *len)
{
	uint64_t n = strlen(client);
	struct buf b;
	int i;

	buf_init(&b, a, n + strlen(path) + 16);
	for (i = 0; i < 8; i++)
		buf_char(&b, (char)(n >> (8 * i)));
	buf_add(&b, client, n);
	buf_str(&b, path);
	*len = b.len;
	return buf_ok(&b) ? b.p : NULL;
}

const char *
seal_close_value(const struct seal *s, struct arena *a, const char *client,
    const char *path, const char *value, size_t len)
{
	size_t ad_len, n = HEAD_LEN + len + TAG_LEN, text_len;
	const char *ad = place(a, client, path, &ad_len);
	unsigned char *box = arena_alloc(a, n);
	char *text;

	text_len = sodium_base64_encoded_len(n, sodium_base64_VARIANT_ORIGINAL);
	text = arena_alloc(a, text_len);
	if (ad == NULL || box == NULL || text == NULL)
		return NULL;
	memcpy(box, s->keys[0].name, NAME_LEN);
	randombytes_buf(box + NAME_LEN, NONCE_LEN);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(box + HEAD_LEN, NULL,
	    (const unsigned char *)value, len, (const unsigned char *)ad,
	    ad_len, NULL, box + NAME_LEN, s->keys[0].key);
	return sodium_bin2base64(
	    text, text_len, box, n, sodium_base64_VARIANT_ORIGINAL);
}

/* The sealed text as bytes; NULL if it is none. */
static unsigned char *
unwrap(struct arena *a, const char *text, size_t *len)
{
	size_t room = strlen(text) / 4 * 3 + 3;
	unsigned char *box = arena_alloc(a, room);

	if (box == NULL ||
	    sodium_base642bin(box, room, text, strlen(text), NULL, len, NULL,
		sodium_base64_VARIANT_ORIGINAL) != 0 ||
	    *len < HEAD_LEN + TAG_LEN)
		return NULL;
	return box;
}

enum err
seal_open_value(const struct seal *s, struct arena *a, const char *client,
    const char *path, const char *text, const char **value, size_t *len)
{
	unsigned char *box, *out;
	const char *ad;
	size_t ad_len, n, i;

	if ((box = unwrap(a, text, &n)) == NULL)
		return ERR_INVALID;
	ad = place(a, client, path, &ad_len);
	out = arena_alloc(a, n);
	if (ad == NULL || out == NULL)
		return ERR_NOMEM;
	for (i = 0; i < s->n; i++) {
		if (memcmp(box, s->keys[i].name, NAME_LEN) != 0 ||
		    crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL,
			box + HEAD_LEN, n - HEAD_LEN, (const unsigned char *)ad,
			ad_len, box + NAME_LEN, s->keys[i].key) != 0)
			continue;
		*len = n - HEAD_LEN - TAG_LEN;
		out[*len] = '\0';
		*value = (const char *)out;
		return ERR_OK;
	}
	return ERR_INVALID;
}

bool
seal_is_current(const struct seal *s, const char *text)
{
	unsigned char head[NAME_LEN + 1];
	size_t n;

	/* The name lies in the first twelve characters. */
	return strlen(text) >= 12 &&
	       sodium_base642bin(head, sizeof(head), text, 12, NULL, &n, NULL,
		   sodium_base64_VARIANT_ORIGINAL) == 0 &&
	       memcmp(head, s->keys[0].name, NAME_LEN) == 0;
}
