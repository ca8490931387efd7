#ifndef GATE_H
#define GATE_H

/*
 * A few places for many threads.  Who waits for a request holds a place, and
 * gives it to another before it waits for anything else (a commit, a confirm, a
 * slow client), so that only as many threads are awake as there is work, and a
 * request never wakes one while another is about to look.  Waiting threads are
 * served last in, first out: the busy ones stay the same few.
 */

struct gate;

/* n places, from 0; NULL without memory.  Free with gate_free() when no thread is
 * in it. */
struct gate *gate_new(unsigned n);
void gate_free(struct gate *g);

/* The place of this thread: the one it holds, else one it has waited for.  -1 after
 * gate_close(). */
int gate_enter(struct gate *g);

/* Give up the place of this thread, if it holds one. */
void gate_leave(void);

/* Let nobody in any more, and those go who wait. */
void gate_close(struct gate *g);

/*
 * Some work holds a thread for long: a hash, a call to somebody else.  Each kind takes a
 * share of the threads, so that all of them together leave some free.  How many threads
 * serve requests is told once, before they start; until then it is 64.
 */
void gate_set_threads(unsigned n);

/* One part-th of them, 1 at least. */
unsigned gate_share(unsigned part);

/* All but one part-th, 1 at least. */
unsigned gate_rest(unsigned part);

#endif /* !GATE_H */
