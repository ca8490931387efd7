#ifndef API_H
#define API_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Requests to a running instance over HTTP, and what a case expects of the
 * answers.  The instance is the one whose address stands in TF_URL.  What is
 * returned lives as long as the process, which is as long as the case; any
 * thread may call, but only the case's own thread may expect.
 */

struct answer {
	int status; /* 0: there was none, and body tells why */
	const char *headers; /* lines "Name: value", each ended by CRLF */
	const char *body; /* ended by NUL */
	size_t len;
	const char *what; /* the request, for messages */
};

/* From now on talk to the instance whose address stands in this variable of
 * the environment. */
void use_instance(const char *variable);

/* As printf. */
const char *fmt(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* stem and something that no other case, suite or run has used. */
const char *unique(const char *stem);

/* A random UUID in canonical form. */
const char *new_id(void);

/* n times c. */
const char *repeat(char c, size_t n);

/* Send a request.  headers: "Name: value" lines separated by newlines, or
 * NULL; body: NULL for none. */
const struct answer *call(const char *method, const char *path,
    const char *headers, const char *body);
const struct answer *call_bytes(const char *method, const char *path,
    const char *headers, const void *body, size_t len);

/* GET, and POST of JSON. */
const struct answer *get(const char *path);
const struct answer *post(const char *path, const char *json);

/* The bytes as they are, for requests that no HTTP library would send.  cut:
 * the stream ends after them, as if the client had gone. */
const struct answer *send_raw(const void *bytes, size_t len, bool cut);

/* The value of a header, or NULL. */
const char *header(const struct answer *a, const char *name);

/* The member of the JSON object in the body: a string as it is, another
 * value as compact JSON; NULL if it is not there. */
const char *member(const struct answer *a, const char *key);

/* The id of a new job made of this body, which must be accepted. */
const char *given_job(const char *json);

/* The id of a new ordinary job on queue: one with a section of test data. */
const char *given_ordinary_job(const char *queue);

/* A registered agent that serves queue. */
void given_agent(const char *name, const char *queue);

/* GET /v1/job for one queue, as that agent. */
const struct answer *take(const char *agent, const char *queue);

/* What the answer must be; each names the line of the case that failed. */
#define expect_status(a, status)                                               \
	api_expect_status(__FILE__, __LINE__, a, status)
/* Plain text, byte for byte. */
#define expect_text(a, status, text)                                           \
	api_expect_text(__FILE__, __LINE__, a, status, text)
/* A value equal to this one, called JSON. */
#define expect_json(a, status, json)                                           \
	api_expect_json(__FILE__, __LINE__, a, status, json)
/* JSON, byte for byte. */
#define expect_bytes(a, status, text)                                          \
	api_expect_bytes(__FILE__, __LINE__, a, status, text)
/* These bytes somewhere in the body. */
#define expect_part(a, text) api_expect_part(__FILE__, __LINE__, a, text)
/* An error without detail. */
#define expect_message(a, status, message)                                     \
	api_expect_message(__FILE__, __LINE__, a, status, message)
/* 422 with exactly these faults, the JSON below detail.json. */
#define expect_faults(a, json) api_expect_faults(__FILE__, __LINE__, a, json)
/* That member of the body, in the form member() gives. */
#define expect_member(a, key, value)                                           \
	api_expect_member(__FILE__, __LINE__, a, key, value)
#define expect_header(a, name, value)                                          \
	api_expect_header(__FILE__, __LINE__, a, name, value)

void api_expect_status(
    const char *file, int line, const struct answer *a, int status);
void api_expect_text(const char *file, int line, const struct answer *a,
    int status, const char *text);
void api_expect_json(const char *file, int line, const struct answer *a,
    int status, const char *json);
void api_expect_bytes(const char *file, int line, const struct answer *a,
    int status, const char *text);
void api_expect_part(
    const char *file, int line, const struct answer *a, const char *text);
void api_expect_message(const char *file, int line, const struct answer *a,
    int status, const char *message);
void api_expect_faults(
    const char *file, int line, const struct answer *a, const char *json);
void api_expect_member(const char *file, int line, const struct answer *a,
    const char *key, const char *value);
void api_expect_header(const char *file, int line, const struct answer *a,
    const char *name, const char *value);

#endif /* !API_H */
