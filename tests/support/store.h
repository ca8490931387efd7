#ifndef STORE_H
#define STORE_H

#include <stdbool.h>

#include "db.h"

/* A store of one small table in a directory of its own, and what becomes of its files by another
 * hand than the server's. */

/* It is state.db in store_dir; NULL while it is closed. */
extern struct db *store;
extern char store_dir[64], store_uri[128];

/* t: a text key k and a number n. */
extern const struct db_schema store_schema;

/* Of each suite: open the store, empty, and remove it. */
void store_setup(void);
void store_teardown(void);

/* Open it, once more if it is open, as another process does. */
struct db *store_open(unsigned wait_ms);

/* Changes: a row for the key at arg with 1, and one more in it. */
enum err store_add(struct db_conn *c, void *arg);
enum err store_bump(struct db_conn *c, void *arg);

extern char key_a[], key_b[], key_x[];

/* The number of the key, -1 without a row. */
int64_t store_get(struct db *d, const char *k);

/* All that is committed into the file itself at path, and its size. */
long store_settle(const char *path);

/* Fill the store with some pages, close it, and copy its file to good. */
void store_of_pages(char path[160], char good[160]);
void store_copy(const char *from, const char *to);

/* Remove the file state.db<suffix>; false if there is none. */
bool store_remove(const char *suffix);

#endif /* !STORE_H */
