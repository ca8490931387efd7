/* Messages by the pool alone, without a store. */

#include "publishing.h"

#include <criterion/criterion.h>
#include <stdio.h>

#include "log.h"

struct broker *pool;
struct fake_broker *other;

void
publishing_open(void)
{
	log_setup("unit", LOG_LVL_ERROR);
	fake = fake_broker_new();
}

void
publishing_close(void)
{
	broker_close(pool);
	fake_broker_free(fake);
	fake_broker_free(other);
}

struct broker_options
patient(void)
{
	return (struct broker_options){
	    .ca_file = "",
	    .name = "unit",
	    .connections = 4,
	    .connect_timeout_ms = PATIENT_MS,
	    .confirm_timeout_ms = PATIENT_MS,
	    .heartbeat_s = 30,
	};
}

void
open_pool(struct broker_options o)
{
	struct amqp_uri uri;
	const char *why;
	char text[128];
	size_t at;
	int n;

	n = snprintf(
	    text, sizeof(text), "amqp://127.0.0.1:%d/", fake_broker_port(fake));
	if (other != NULL)
		(void)snprintf(text + n, sizeof(text) - (size_t)n,
		    ";127.0.0.1:%d", fake_broker_port(other));
	cr_assert_eq(amqp_uri_parse(&uri, text, &why, &at), ERR_OK, "%s", why);
	o.uri = &uri;
	cr_assert_eq(broker_open(&pool, &o), ERR_OK);
}

void
given_pool(void)
{
	open_pool(patient());
}

void
given_pool_hasty_for_confirms(void)
{
	struct broker_options o = patient();

	o.confirm_timeout_ms = HASTY_MS;
	open_pool(o);
}

void
given_hasty_pool(void)
{
	struct broker_options o = patient();

	o.confirm_timeout_ms = o.connect_timeout_ms = HASTY_MS;
	open_pool(o);
}

enum err
publish(const char *queue, const char *id)
{
	struct broker_msg m = {
	    .queue = queue,
	    .body = "{}",
	    .len = 2,
	    .message_id = id,
	};

	return broker_publish(pool, &m);
}

void
expect_failure(const char *queue, const char *id, int64_t ms)
{
	int64_t start = clock_mono_ms();

	cr_expect_eq(publish(queue, id), ERR_BROKER);
	cr_expect_lt(clock_mono_ms() - start, ms, "it took %lld ms",
	    (long long)(clock_mono_ms() - start));
}

static void *
publish_once(void *arg)
{
	struct publisher *p = arg;

	p->result = publish(p->queue, p->id);
	atomic_store(&p->done, true);
	return NULL;
}

void
begin_publish(struct publisher *p, const char *queue, const char *id)
{
	p->queue = queue;
	p->id = id;
	atomic_init(&p->done, false);
	cr_assert_eq(pthread_create(&p->thread, NULL, publish_once, p), 0);
}

enum err
end_publish(struct publisher *p)
{
	(void)pthread_join(p->thread, NULL);
	return p->result;
}
