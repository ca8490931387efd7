/* Opening and closing of the services, in one order. */

#include "svc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth.h"
#include "log.h"
#include "uri.h"

#define READERS_MIN 2
#define READERS_MAX 8
#define KEY_LEN_MIN 32

static int
sync_dir(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc;

	/* What we may not read we cannot sync, and some file systems sync no directory. */
	if (fd == -1)
		return errno == EACCES ? 0 : -1;
	rc = fsync(fd);
	if (rc == -1 && (errno == EINVAL || errno == EROFS))
		rc = 0;
	(void)close(fd);
	return rc;
}

/* The names of path and of all directories above it are on disk.  Whoever made them may have
 * died before that, or was no process of ours, so each does it at its start. */
static int
sync_path(const char *path)
{
	char part[4096];
	char *slash;

	(void)snprintf(part, sizeof(part), "%s", path);
	while ((slash = strrchr(part, '/')) != NULL) {
		slash[slash == part] = '\0';
		if (sync_dir(part) == -1)
			return -1;
		if (slash == part)
			break;
	}
	return 0;
}

/* As mkdir -p, and durable. */
static int
make_path(const char *path)
{
	char part[4096];
	size_t n;

	for (n = 1; n <= strlen(path); n++) {
		if (path[n] != '/' && path[n] != '\0')
			continue;
		if (n >= sizeof(part)) {
			errno = ENAMETOOLONG;
			return -1;
		}
		memcpy(part, path, n);
		part[n] = '\0';
		if (mkdir(part, 0750) == -1 && errno != EEXIST)
			return -1;
	}
	return sync_path(path);
}

/* A reader serves one lookup at a time; a few for each processor will do. */
static unsigned
reader_count(void)
{
	long n = 2 * sysconf(_SC_NPROCESSORS_ONLN);

	if (n < READERS_MIN)
		return READERS_MIN;
	return n > READERS_MAX ? READERS_MAX : (unsigned)n;
}

static enum err
open_db(struct svc *s, const struct db_schema *schema)
{
	const char *uri = conf_str(s->conf, CONF_STATE_URI);
	char own[4200];
	struct db_options o = {
	    .schema = schema,
	    .readers = reader_count(),
	    .wait_ms = (unsigned)conf_int(s->conf, CONF_STORE_WAIT_MS),
	};

	(void)snprintf(own, sizeof(own), "sqlite:%s/state.db",
	    conf_str(s->conf, CONF_DATA_PATH));
	o.uri = uri[0] != '\0' ? uri : own;
	/* Jobs are served after a store is made. */
	o.expected = blob_any(conf_str(s->conf, CONF_DATA_PATH));
	return db_open(&s->db, &o);
}

static enum err
open_broker(struct svc *s, const struct amqp_uri *uri, const char *name)
{
	struct broker_options o = {
	    .uri = uri,
	    .ca_file = conf_str(s->conf, CONF_AMQP_CA_FILE),
	    .name = name,
	    .connections = (unsigned)conf_int(s->conf, CONF_AMQP_CONNECTIONS),
	    .connect_timeout_ms =
		(unsigned)conf_int(s->conf, CONF_AMQP_CONNECT_TIMEOUT_MS),
	    .confirm_timeout_ms =
		(unsigned)conf_int(s->conf, CONF_AMQP_CONFIRM_TIMEOUT_MS),
	    .heartbeat_s = (unsigned)conf_int(s->conf, CONF_AMQP_HEARTBEAT),
	};

	return broker_open(&s->broker, &o);
}

/* Without the map each sign of life is written into the store. */
static void
open_seen(struct svc *s, const char *path)
{
	/* Agents, that they asked for work, and about as many jobs that they have in hand. */
	uint64_t n = 3 * (uint64_t)conf_int(s->conf, CONF_MAX_AGENTS) +
		     (uint64_t)conf_int(s->conf, CONF_MAX_QUEUES);
	char file[4200];

	(void)snprintf(file, sizeof(file), "%s/seen", path);
	if (seen_open(&s->seen, file, n) != ERR_OK)
		s->seen = NULL;
}

static enum err
open_seal(struct svc *s)
{
	struct conf_fault fault;
	enum err e = seal_open(&s->seal, s->conf, &fault);

	if (e == ERR_INVALID)
		log_error("%s", fault.text);
	return e;
}

static enum err
open_all(struct svc *s, const struct db_schema *schema, unsigned needs,
    const char *name)
{
	const char *path = conf_str(s->conf, CONF_DATA_PATH);
	struct amqp_uri *uri;
	const char *why;
	size_t offset;
	enum err e;

	if ((needs & (SVC_DB | SVC_BLOB)) != 0 && make_path(path) == -1) {
		log_errno("cannot make DATA_PATH %s", path);
		return ERR_IO;
	}
	if ((needs & SVC_BLOB) != 0 &&
	    (e = blob_open(&s->blob, path)) != ERR_OK)
		return e;
	if ((needs & SVC_DB) != 0 && (e = open_db(s, schema)) != ERR_OK)
		return e;
	/* Without it they look at the store. */
	if ((needs & SVC_DB) != 0 && wake_open(&s->wake, path) != ERR_OK)
		log_warn("held requests are answered up to a second later");
	if ((needs & SVC_SEEN) != 0)
		open_seen(s, path);
	if ((e = jwt_keys_open(&s->jwt, s->conf)) != ERR_OK)
		return e;
	if ((needs & SVC_OIDC) != 0 &&
	    (e = oidc_open(&s->oidc, s->conf)) != ERR_OK)
		return e;
	if ((needs & SVC_SEAL) != 0 && (e = open_seal(s)) != ERR_OK)
		return e;
	uri = malloc(sizeof(*uri));
	if (uri == NULL)
		return ERR_NOMEM;
	e = amqp_uri_parse(
	    uri, conf_str(s->conf, CONF_AMQP_URI), &why, &offset);
	s->has_broker = e == ERR_OK && uri->n > 0;
	if (s->has_broker && (needs & SVC_BROKER) != 0)
		e = open_broker(s, uri, name);
	free(uri);
	return e;
}

enum err
svc_open(struct svc *s, const struct conf *conf, const struct db_schema *schema,
    unsigned needs, const char *name)
{
	enum err e;

	*s = (struct svc){.conf = conf};
	s->has_secrets = seal_wanted(conf);
	s->strict = strcmp(conf_str(conf, CONF_JOB_FIELDS), "strict") == 0;
	e = open_all(s, schema, needs, name);
	if (e != ERR_OK)
		svc_close(s);
	return e;
}

void
svc_close(struct svc *s)
{
	broker_close(s->broker);
	if (s->db != NULL)
		db_close(s->db);
	if (s->blob != NULL)
		blob_close(s->blob);
	oidc_free(s->oidc);
	seal_free(s->seal);
	seen_close(s->seen);
	wake_close(s->wake);
	jwt_keys_free(s->jwt);
	*s = (struct svc){.conf = s->conf};
}

/* Keys that are shorter than what they are used for can be guessed (RFC 7518, section
 * 3.2). */
static enum err
check_keys(const struct conf *conf, struct conf_fault *f)
{
	static const enum conf_id keys[] = {CONF_JWT_SIGNING_KEY,
	    CONF_JWT_SIGNING_KEY_OLD, CONF_WEB_SECRET_KEY};
	size_t i, len;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		len = strlen(conf_str(conf, keys[i]));
		if (len > 0 && len < KEY_LEN_MIN)
			return conf_refuse(conf, keys[i], f,
			    "is shorter than 32 bytes",
			    "make one: openssl rand -hex 32");
	}
	return ERR_OK;
}

/* Sign-in by OIDC, if there is any. */
static enum err
check_oidc(const struct conf *conf, struct conf_fault *f)
{
	const char *issuer = conf_str(conf, CONF_OIDC_PROVIDER_ISSUER);
	const char *public = conf_str(conf, CONF_PUBLIC_URL);
	size_t n = uri_origin(public);

	if (issuer[0] != '\0' && uri_origin(issuer) == 0)
		return conf_refuse(conf, CONF_OIDC_PROVIDER_ISSUER, f,
		    "is no http or https address",
		    "write OIDC_PROVIDER_ISSUER = 'https://host/', or leave "
		    "it empty for no sign-in by OIDC");
	if (public[0] != '\0' &&
	    (n == 0 || strlen(public) > n + (public[n] == '/')))
		return conf_refuse(conf, CONF_PUBLIC_URL, f,
		    "is no http or https address without a path",
		    "write PUBLIC_URL = 'https://host', or leave it empty");
	if (auth_has_oidc(conf) &&
	    conf_str(conf, CONF_JWT_SIGNING_KEY)[0] == '\0')
		return conf_refuse(conf, CONF_JWT_SIGNING_KEY, f,
		    "is empty, but sign-in by OIDC gives tokens",
		    "make one: openssl rand -hex 32");
	return ERR_OK;
}

enum err
svc_check(const struct conf *conf, struct conf_fault *f)
{
	const char *state = conf_str(conf, CONF_STATE_URI), *why;
	const char *webhook = conf_str(conf, CONF_WEBHOOK_URL);
	struct amqp_uri *uri;
	char words[256];
	size_t offset;
	enum err e;

	if (conf_str(conf, CONF_DATA_PATH)[0] != '/')
		return conf_refuse(conf, CONF_DATA_PATH, f,
		    "is not an absolute path",
		    "write it with its leading slash");
	if (state[0] != '\0' && strncmp(state, "sqlite:/", 8) != 0)
		return conf_refuse(conf, CONF_STATE_URI, f,
		    "is not sqlite: and an absolute path",
		    "write STATE_URI = 'sqlite:/path/to/state.db' or leave it "
		    "empty");
	if (webhook[0] != '\0' && uri_origin(webhook) == 0)
		return conf_refuse(conf, CONF_WEBHOOK_URL, f,
		    "is no http or https address",
		    "write WEBHOOK_URL = 'https://host:port/', or leave it "
		    "empty for no webhooks");
	if ((e = check_keys(conf, f)) != ERR_OK ||
	    (e = seal_check(conf, f)) != ERR_OK ||
	    (e = check_oidc(conf, f)) != ERR_OK)
		return e;
	uri = malloc(sizeof(*uri));
	if (uri == NULL)
		return conf_refuse(
		    conf, CONF_AMQP_URI, f, "out of memory", "free some");
	e = amqp_uri_parse(uri, conf_str(conf, CONF_AMQP_URI), &why, &offset);
	free(uri);
	if (e == ERR_OK)
		return ERR_OK;
	(void)snprintf(words, sizeof(words), "%s at column %zu of the address",
	    why, offset + 1);
	return conf_refuse(conf, CONF_AMQP_URI, f, words,
	    "write amqp://user:password@host:5672/vhost, or leave it empty for "
	    "no broker");
}
