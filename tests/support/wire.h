#ifndef WIRE_H
#define WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* AMQP 0-9-1 on the wire, as a server has it: frames written and read (section 2.3.5, 4.2). */

#define WIRE_FRAME_MAX 131072
#define WIRE_FRAME_EXTRA 8 /* type, channel, size; and the end */
#define WIRE_FRAME_END 0xce

enum wire_frame {
	WIRE_METHOD = 1,
	WIRE_HEADER = 2,
	WIRE_BODY = 3,
	WIRE_HEARTBEAT = 8
};

/* A test that cannot go on is aborted, with a word of what failed. */
void wire_must(bool ok, const char *what);

/* As realloc(), and never NULL. */
void *wire_grow(void *p, size_t n);

struct wire_bytes {
	uint8_t *p;
	size_t len;
};

void wire_add(struct wire_bytes *b, const void *p, size_t n);

/* v as an integer of n bytes in network order. */
void wire_add_int(struct wire_bytes *b, uint64_t v, int n);

/* Take n bytes off the front. */
void wire_drop(struct wire_bytes *b, size_t n);

void wire_clear(struct wire_bytes *b);

/* A frame: what is added between the two is its payload.  at: as wire_begin() returned. */
size_t wire_begin(
    struct wire_bytes *out, enum wire_frame type, unsigned channel);
void wire_end(struct wire_bytes *out, size_t at);

/* Add a method with arguments as types tells: '1', '2', '4' int, so many
 * bytes; '8' uint64_t; 's' and 'S' a short and a long string; 't' no table. */
void wire_say(struct wire_bytes *out, unsigned channel, unsigned class,
    unsigned method, const char *types, ...);

/* What is left of a frame to be read; beyond its end all is 0. */
struct wire_reader {
	const uint8_t *p;
	size_t left;
};

uint64_t wire_int(struct wire_reader *r, size_t n);
void wire_skip(struct wire_reader *r, size_t n);

/* The next n bytes as a string, cut if need be. */
void wire_text(struct wire_reader *r, size_t n, char out[256]);
void wire_short_string(struct wire_reader *r, char out[256]);

/* A table as "name=value;", for values that are strings. */
void wire_table(struct wire_reader *r, char *out, size_t room);

#endif /* !WIRE_H */
