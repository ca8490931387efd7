/* Services on an empty directory. */

#include "fixture.h"

#include <criterion/criterion.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_broker.h"
#include "job_fields.h"
#include "schema.h"

void
fixture_mkdir(char dir[64])
{
	const char *tmp = getenv("TMPDIR");
	int n = snprintf(dir, 64, "%s/tf-unit.XXXXXX",
	    tmp != NULL && *tmp != '\0' ? tmp : "/tmp");

	cr_assert(n > 0 && n < 64, "TMPDIR is too long: %s", tmp);
	cr_assert_not_null(mkdtemp(dir));
}

static int
remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

void
fixture_rmdir(const char *dir)
{
	(void)nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

void
fixture_open(struct fixture *f, const char *more)
{
	struct conf_fault fault;
	char text[2048];
	int n;

	fixture_mkdir(f->dir);
	n = snprintf(text, sizeof(text),
	    "DATA_PATH = '%s'\nAMQP_URI = ''\nLOG_LEVEL = 'error'\n%s", f->dir,
	    more);
	cr_assert_eq(conf_parse(&f->conf, "test.conf", text, (size_t)n, &fault),
	    ERR_OK, "%s", fault.text);
	cr_assert_eq(svc_open(&f->svc, f->conf, &model_schema,
			 SVC_DB | SVC_BLOB | SVC_BROKER, "unit"),
	    ERR_OK);
	f->worker.svc = &f->svc;
	f->arena = arena_new();
	f->texts = arena_new();
	cr_assert_not_null(f->arena);
	cr_assert_not_null(f->texts);
}

void
fixture_open_broker(struct fixture *f, const struct fake_broker *fake,
    int confirm_ms, const char *more)
{
	char text[512];

	(void)snprintf(text, sizeof(text),
	    "AMQP_URI = 'amqp://127.0.0.1:%d'\n"
	    "AMQP_CONNECT_TIMEOUT_MS = %d\nAMQP_CONFIRM_TIMEOUT_MS = %d\n"
	    "STORE_WAIT_MS = %d\n%s",
	    fake_broker_port(fake), PATIENT_MS, confirm_ms, PATIENT_MS, more);
	fixture_open(f, text);
}

void
fixture_close(struct fixture *f)
{
	arena_free(f->arena);
	svc_close(&f->svc);
	arena_free(f->texts);
	conf_free(f->conf);
	fixture_rmdir(f->dir);
}

enum job_verdict
fixture_submit(struct fixture *f, const char *body, struct id *id)
{
	struct js_fault where;
	struct faults faults;
	struct job_new job;
	struct js_doc doc;
	const struct auth_caller anonymous = {.roles = ROLE_CONTRIBUTOR};
	struct job_refusal more;
	enum job_verdict v;

	faults_init(&faults, f->arena);
	cr_assert_eq(
	    js_scan(&doc, f->arena, body, strlen(body), &where), ERR_OK);
	cr_assert_eq(job_fields_read(&doc, f->svc.strict, false, &faults, &job),
	    ERR_OK, "%s", faults_any(&faults) ? faults_json(&faults) : "");
	v = job_submit(&f->svc, f->arena, &job, &anonymous, "", &more);
	*id = job.id;
	return v;
}

struct id
fixture_given(struct fixture *f, const char *queue)
{
	struct id id;
	char body[64];

	(void)snprintf(body, sizeof(body), "{\"job_queue\":\"%s\"}", queue);
	cr_assert_eq(fixture_submit(f, body, &id), JOB_OK);
	return id;
}

struct job
fixture_job(struct fixture *f, const struct id *id)
{
	struct job job;

	cr_assert_eq(job_read(&f->svc, f->arena, id, &job), ERR_OK);
	return job;
}

enum err
fixture_take(
    struct fixture *f, const char *queue, const char *agent, struct job *out)
{
	const struct handout_ask ask = {&queue, 1, agent, NULL, NULL};
	enum err e = handout_take(&f->svc, f->arena, &ask, out);

	return e == ERR_OK ? handout_note_sign(&f->svc, &out->id) : e;
}

static enum err
sql_change(struct db_conn *c, void *arg)
{
	return db_exec(c, NULL, arg, "");
}

/* The store knows a statement by the address of its text: what is made in the same place would be
 * the same one. */
static char *
own_text(struct fixture *f, const char *sql)
{
	char *own = arena_printf(f->texts, "%s", sql);

	cr_assert_not_null(own);
	return own;
}

void
fixture_sql(struct fixture *f, const char *sql)
{
	cr_assert_eq(db_write(f->svc.db, sql_change, own_text(f, sql)), ERR_OK);
}

int64_t
fixture_number(struct fixture *f, const char *query)
{
	struct db_conn *c = db_read(f->svc.db);
	struct db_stmt *s;
	int64_t n;

	cr_assert_eq(db_query(c, &s, own_text(f, query), ""), ERR_OK);
	n = db_is_null(s, 0) ? -1 : db_int(s, 0);
	db_end(s);
	db_read_end(f->svc.db, c);
	return n;
}
