/* provision_data in strict mode: thirteen shapes, row by row. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "job_fields.h"

#define URL "\"http://a.bc/x\""
#define ATTACHMENT "[{\"agent\":\"a\",\"device\":\"d\"}]"
#define NO_SHAPE                                                               \
	"{\"provision_data\":{\"_schema\":[\"Invalid provision data "          \
	"schema.\"]}}"

static struct arena *arena;
static struct faults faults;
static struct job_new job;

static void
setup(void)
{
	arena = arena_new();
}

static void
teardown(void)
{
	arena_free(arena);
}

TestSuite(provision, .init = setup, .fini = teardown);

static enum err
read_text(const char *body)
{
	struct js_fault where;
	struct js_doc doc;

	faults_init(&faults, arena);
	cr_assert_eq(js_scan(&doc, arena, body, strlen(body), &where), ERR_OK,
	    "%s", body);
	return job_fields_read(&doc, true, false, &faults, &job);
}

static void
expect_kept(const char *posted, const char *kept)
{
	char body[1024], part[1024];

	(void)snprintf(body, sizeof(body),
	    "{\"job_queue\":\"q\",\"provision_data\":%s}", posted);
	(void)snprintf(part, sizeof(part),
	    "{\"job_queue\":\"q\",\"provision_data\":%s,", kept);
	if (read_text(body) == ERR_OK)
		cr_expect_eq(strncmp(job.body, part, strlen(part)), 0,
		    "%s kept as %s", posted, job.body);
	else
		cr_expect(false, "%s: %s", posted, faults_json(&faults));
}

static void
expect_fault(const char *posted, const char *json)
{
	char body[1024];

	(void)snprintf(body, sizeof(body),
	    "{\"job_queue\":\"q\",\"provision_data\":%s}", posted);
	if (read_text(body) == ERR_INVALID)
		cr_expect_str_eq(faults_json(&faults), json, "%s", posted);
	else
		cr_expect(false, "%s is accepted", posted);
}

/* The members that make an object of each shape and of no other before it. */
#define CM3 "\"url\":" URL
#define MAAS "\"distro\":\"d\""
#define MULTI "\"jobs\":[{}]"
#define MUXPI "\"use_attachment\":\"a\""
#define NOPROVISION "\"skip\":true"
#define OEM_AUTOINSTALL "\"token_file\":\"t\""
#define IOT_CUSTOM "\"provision_plan\":{},\"url\":" URL
#define IOT_PRESET "\"preset\":\"p\",\"preset_kwargs\":{},\"url\":" URL
#define KVM_AUTOINSTALL "\"url\":" URL ",\"robot_tasks\":[\"t\"]"
#define KVM_GENERIC                                                            \
	KVM_AUTOINSTALL ",\"live_image\":true,\"wait_until_ssh\":false"
#define KVM_OEM_2204 "\"alloem_url\":" URL ",\"robot_tasks\":[]"
#define KVM_PRESET "\"preset\":\"p\""

static const char *const minimal[] = {CM3, "", MAAS, MULTI, MUXPI,
    CM3 ",\"media\":\"sd\"", NOPROVISION, OEM_AUTOINSTALL, IOT_CUSTOM,
    "\"provision_plan\":{},\"urls\":[" URL "]",
    "\"provision_plan\":{},\"attachments\":" ATTACHMENT,
    "\"provision_plan\":{},\"attachments\":[],\"url\":" URL, IOT_PRESET,
    KVM_AUTOINSTALL, KVM_GENERIC, KVM_OEM_2204, KVM_PRESET};

#define N(rows) (sizeof(rows) / sizeof((rows)[0]))

Test(provision, takes_the_least_of_each_shape_as_it_is)
{
	char object[512];
	size_t i;

	for (i = 0; i < N(minimal); i++) {
		(void)snprintf(object, sizeof(object), "{ %s }", minimal[i]);
		expect_kept(object, object);
	}
	expect_kept("null", "null");
}

Test(provision, takes_no_unknown_field_in_any_shape)
{
	static const char *const unknown[] = {"zzz", "type", "Url"};
	char object[512];
	size_t i, k;

	for (i = 0; i < N(minimal); i++)
		for (k = 0; k < N(unknown); k++) {
			(void)snprintf(object, sizeof(object), "{%s%s\"%s\":1}",
			    minimal[i], minimal[i][0] == '\0' ? "" : ",",
			    unknown[k]);
			expect_fault(object, NO_SHAPE);
		}
}

Test(provision, misses_each_required_field)
{
	static const char *const objects[] = {
	    "{\"create_user\":true}", /* muxpi without an image */
	    "{\"provision_plan\":{}}",
	    "{\"url\":" URL ",\"agent_ssh_access\":true}",
	    "{\"preset_kwargs\":{},\"url\":" URL "}",
	    "{\"preset\":\"p\",\"preset_kwargs\":{}}",
	    "{\"robot_tasks\":[]}",
	    "{\"url\":" URL ",\"autoinstall_oem\":true}",
	    "{" KVM_AUTOINSTALL ",\"live_image\":true}",
	    "{" KVM_AUTOINSTALL ",\"wait_until_ssh\":true}",
	    "{\"robot_tasks\":[],\"live_image\":true,\"wait_until_ssh\":true}",
	    "{\"url\":" URL ",\"live_image\":true,\"wait_until_ssh\":true}",
	    "{\"alloem_url\":" URL "}",
	    "{\"oem\":\"o\"}",
	};
	size_t i;

	for (i = 0; i < N(objects); i++)
		expect_fault(objects[i], NO_SHAPE);
}

Test(provision, wants_exactly_one_source_of_iot)
{
	static const char *const sources[] = {
	    "\"url\":" URL ",\"urls\":[" URL "]",
	    "\"url\":" URL ",\"attachments\":" ATTACHMENT,
	    "\"urls\":[" URL "],\"attachments\":" ATTACHMENT,
	    "\"attachments\":[]",
	    "\"urls\":[]",
	    "\"url\":\"\"",
	    "\"attachments\":[{\"agent\":\"a\"},{\"agent\":\"b\"}]",
	};
	char object[512];
	size_t i;

	for (i = 0; i < N(sources); i++) {
		(void)snprintf(object, sizeof(object),
		    "{\"provision_plan\":{},%s}", sources[i]);
		expect_fault(object, NO_SHAPE);
		(void)snprintf(object, sizeof(object),
		    "{\"preset\":\"p\",\"preset_kwargs\":{},%s}", sources[i]);
		expect_fault(object, NO_SHAPE);
	}
}

struct row {
	const char *with; /* members */
	const char *field, *good, *kept, *bad;
};

/* Good values by type, and what is none. */
#define S "\"s\"", "\"s\"", "5"
#define B "\"Yes\"", "true", "\"maybe\""
#define I " -7.9", "-7", "\"x\""
#define U "\"ftp://localhost/\"", "\"ftp://localhost/\"", "\"http://host\""
#define E "\"me@a.bc\"", "\"me@a.bc\"", "\"me\""
#define LS "[\"a\" , \"\"]", "[\"a\" , \"\"]", "[\"a\",null]"
#define O "{\"a\":1.10}", "{\"a\":1.10}", "[]"
#define A ATTACHMENT, ATTACHMENT, "[{\"device\":\"d\"}]"

static const struct row rows[] = {
    {"", "url", U},
    {"", "distro", S},
    {MAAS, "kernel", S},
    {MAAS, "user_data", S},
    {MAAS, "disks", "[{\"a\":1.0}]", "[{\"a\":1.0}]", "[1]"},
    {MAAS, "disks", "[]", "[]", "{}"},
    {MAAS, "ephemeral", B},
    {"", "jobs", "[{\"x\":[]}]", "[{\"x\":[]}]", "[]"},
    {"", "jobs", "[{},{}]", "[{},{}]", "[{},5]"},
    {MUXPI, "url", U},
    {"", "use_attachment", S},
    {MUXPI, "attachments", A},
    {MUXPI, "attachments", "[]", "[]", "[{\"agent\":\"a\",\"x\":1}]"},
    {MUXPI, "create_user", B},
    {MUXPI, "boot_check_url", S},
    {MUXPI, "media", "\"sd\"", "\"sd\"", "\"SD\""},
    {MUXPI, "media", "\"usb\"", "\"usb\"", "\"\""},
    {"", "skip", B},
    {OEM_AUTOINSTALL, "url", U},
    {OEM_AUTOINSTALL, "attachments", A},
    {"", "token_file", S},
    {OEM_AUTOINSTALL, "user_data", S},
    {OEM_AUTOINSTALL, "redeploy_cfg", S},
    {OEM_AUTOINSTALL, "authorized_keys", S},
    {OEM_AUTOINSTALL, "control_host_iso_url", S},
    {OEM_AUTOINSTALL, "control_host_iso_type", S},
    {OEM_AUTOINSTALL, "update_user_data", B},
    {"\"url\":" URL, "provision_plan", O},
    {IOT_CUSTOM, "ubuntu_sso_email", E},
    {IOT_CUSTOM, "provisioning_timeout", I},
    {IOT_CUSTOM, "agent_ssh_access", B},
    {"\"provision_plan\":{}", "url", U},
    {"\"provision_plan\":{}", "urls", "[" URL "]", "[" URL "]", "[\"x\"]"},
    {"\"provision_plan\":{}", "attachments", A},
    {"\"preset_kwargs\":{},\"url\":" URL, "preset", S},
    {"\"preset\":\"p\",\"url\":" URL, "preset_kwargs", O},
    {IOT_PRESET, "provisioning_timeout", I},
    {IOT_PRESET, "agent_ssh_access", B},
    {"\"robot_tasks\":[]", "url", U},
    {"\"url\":" URL, "robot_tasks", LS},
    {KVM_AUTOINSTALL, "robot_retries", I},
    {KVM_AUTOINSTALL, "autoinstall_storage_layout", S},
    {KVM_AUTOINSTALL, "ubuntu_sso_email", E},
    {KVM_AUTOINSTALL, "autoinstall_base_user_data", S},
    {KVM_AUTOINSTALL, "autoinstall_oem", B},
    {KVM_AUTOINSTALL, "cmdline_append", S},
    {KVM_AUTOINSTALL, "provisioning_timeout", I},
    {KVM_GENERIC, "robot_retries", I},
    {KVM_GENERIC, "provisioning_timeout", I},
    {KVM_AUTOINSTALL ",\"live_image\":true", "wait_until_ssh", B},
    {KVM_AUTOINSTALL ",\"wait_until_ssh\":true", "live_image", B},
    {"\"robot_tasks\":[]", "alloem_url", U},
    {"\"alloem_url\":" URL, "robot_tasks", LS},
    {KVM_OEM_2204, "robot_retries", I},
    {KVM_OEM_2204, "url", U},
    {KVM_OEM_2204, "oem", S},
    {KVM_OEM_2204, "provisioning_timeout", I},
    {"", "preset", S},
    {KVM_PRESET, "alloem_url", U},
    {KVM_PRESET, "url", U},
    {KVM_PRESET, "robot_tasks", LS},
    {KVM_PRESET, "autoinstall_base_user_data", S},
    {KVM_PRESET, "autoinstall_oem", B},
    {KVM_PRESET, "autoinstall_storage_layout", S},
    {KVM_PRESET, "cmdline_append", S},
    {KVM_PRESET, "live_image", B},
    {KVM_PRESET, "wait_until_ssh", B},
    {KVM_PRESET, "oem", S},
    {KVM_PRESET, "ubuntu_sso_email", E},
    {KVM_PRESET, "provisioning_timeout", I},
};

static const char *
object(const struct row *r, const char *value)
{
	static char text[512];

	(void)snprintf(text, sizeof(text), "{%s%s\"%s\":%s}", r->with,
	    r->with[0] == '\0' ? "" : ",", r->field, value);
	return text;
}

Test(provision, judges_each_field_of_each_shape)
{
	char kept[512];
	size_t i;

	for (i = 0; i < N(rows); i++) {
		(void)strcpy(kept, object(&rows[i], rows[i].kept));
		expect_kept(object(&rows[i], rows[i].good), kept);
		expect_fault(object(&rows[i], rows[i].bad), NO_SHAPE);
		expect_fault(object(&rows[i], "null"), NO_SHAPE);
	}
}

Test(provision, lets_the_last_of_repeated_keys_count)
{
	expect_kept("{\"url\":5,\"url\": " URL "}", "{\"url\":" URL "}");
	expect_fault("{\"url\":" URL ",\"url\":5}", NO_SHAPE);
	expect_kept("{\"use_attachment\":\"a\",\"attachments\":"
		    "[{\"agent\":1,\"agent\":\"a\"}, {\"agent\":\"b\"}]}",
	    "{\"use_attachment\":\"a\",\"attachments\":"
	    "[{\"agent\":\"a\"},{\"agent\":\"b\"}]}");
}

Test(provision, names_a_wrong_type_in_a_string)
{
	static const struct {
		const char *posted, *word;
	} wrong[] = {
	    {"\"skip\"", "skip"},
	    {"\"\"", ""},
	    {"[]", "[]"},
	    {"5", "5"},
	    {"-1.5", "-1.5"},
	    {"true", "True"},
	    {"false", "False"},
	};
	char json[128];
	size_t i;

	for (i = 0; i < N(wrong); i++) {
		(void)snprintf(json, sizeof(json),
		    "{\"provision_data\":{\"_schema\":"
		    "\"Invalid data type: %s\"}}",
		    wrong[i].word);
		expect_fault(wrong[i].posted, json);
	}
}
