#ifndef BROKER_BREAKER_H
#define BROKER_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

#include "amqp_uri.h"
#include "broker_types.h"

/*
 * A circuit breaker: whether the broker is worth a try.  Its owner tells it what was seen
 * at which address, and it logs each change of state once.  One thread at a time.
 */

struct broker_breaker {
	enum broker_state state;
	int64_t
	    retry_ms; /* while BROKER_DOWN: the next try, by the monotonic clock */
	int64_t backoff_ms;
};

/* BROKER_UNKNOWN. */
void broker_breaker_init(struct broker_breaker *k);

/* Whether requests may go to the broker. */
bool broker_breaker_lets(const struct broker_breaker *k);

/* It cannot be reached, or was lost, and why.  The first try comes after a moment, or at
 * once. */
void broker_breaker_down(struct broker_breaker *k, const struct amqp_addr *addr,
    const char *why, bool at_once);

/* A try has failed: the next comes after twice as long as this one, up to a limit. */
void broker_breaker_back_off(struct broker_breaker *k);

/* It says that it takes no messages. */
void broker_breaker_blocked(
    struct broker_breaker *k, const struct amqp_addr *addr);

/* It answers, or takes messages again. */
void broker_breaker_up(struct broker_breaker *k, const struct amqp_addr *addr);

#endif /* !BROKER_BREAKER_H */
