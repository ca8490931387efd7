/*
 * The shapes of provision_data, one for each kind of device connector, in the
 * order in which today's API tries them.  A name has the same type in every shape
 * that knows it, so an object that fits several is kept in the same form by
 * each.
 */

#include "provision.h"

#include <string.h>

#include "field.h"

#define NEEDED .required = true
#define URL(...) FIELD("url", shape_url, __VA_ARGS__)
#define ATTACHMENTS(...)                                                       \
	FIELD("attachments", shape_list, .each = &provision_attachment,        \
	    __VA_ARGS__)
#define ROBOT_TASKS(...)                                                       \
	FIELD("robot_tasks", shape_list, .each = &a_string, __VA_ARGS__)

static const struct shape_field attachment_fields[] = {
    FIELD("agent", shape_string, NEEDED),
    FIELD("device", shape_string),
};
static const struct shape attachment = {SHAPE_OF(attachment_fields)};
static const struct shape attachment_open = {
    SHAPE_OF(attachment_fields), .open = true};

const struct shape_field provision_attachment =
    FIELD(NULL, shape_object, .shape = &attachment);
const struct shape_field provision_attachment_open =
    FIELD(NULL, shape_object, .shape = &attachment_open);

static const struct shape_field a_string = FIELD(NULL, shape_string);
static const struct shape_field a_url = FIELD(NULL, shape_url);
static const struct shape_field an_object = FIELD(NULL, shape_any_object);

static const char *
media_check(const char *s, size_t len)
{
	return (len == 2 && memcmp(s, "sd", 2) == 0) ||
		       (len == 3 && memcmp(s, "usb", 3) == 0)
		   ? NULL
		   : "Must be one of: sd, usb.";
}

static bool
has_image(const struct js_doc *in)
{
	return js_find(in, "url") != NULL ||
	       js_find(in, "use_attachment") != NULL;
}

static bool
is_given(const struct js_doc *in, const char *key)
{
	const struct js_member *m = js_find(in, key);
	struct js_span rest;
	struct js_member e;

	if (m == NULL || m->kind != JS_ARRAY)
		return m != NULL;
	rest = m->value;
	return js_element(&rest, &e);
}

static bool
has_one_source(const struct js_doc *in)
{
	return is_given(in, "url") + is_given(in, "urls") +
		   is_given(in, "attachments") ==
	       1;
}

/* cm3 and oem_script are the same. */
static const struct shape_field url_fields[] = {
    URL(NEEDED),
};

static const struct shape_field maas_fields[] = {
    FIELD("distro", shape_string),
    FIELD("kernel", shape_string),
    FIELD("user_data", shape_string),
    FIELD("disks", shape_list, .each = &an_object),
    FIELD("ephemeral", shape_bool),
};

static const struct shape_field multi_fields[] = {
    FIELD("jobs", shape_list, NEEDED, .each = &an_object, .min = 1),
};

static const struct shape_field muxpi_fields[] = {
    URL(),
    FIELD("use_attachment", shape_string),
    ATTACHMENTS(),
    FIELD("create_user", shape_bool),
    FIELD("boot_check_url", shape_string),
    FIELD("media", shape_string, .check = media_check),
};

/* An object without skip fits maas, so what skip defaults to never counts. */
static const struct shape_field noprovision_fields[] = {
    FIELD("skip", shape_bool),
};

static const struct shape_field oem_autoinstall_fields[] = {
    URL(),
    ATTACHMENTS(),
    FIELD("token_file", shape_string),
    FIELD("user_data", shape_string),
    FIELD("redeploy_cfg", shape_string),
    FIELD("authorized_keys", shape_string),
    FIELD("control_host_iso_url", shape_string),
    FIELD("control_host_iso_type", shape_string),
    FIELD("update_user_data", shape_bool),
};

#define IOT_BASE                                                               \
	FIELD("provisioning_timeout", shape_int), URL(),                       \
	    FIELD("urls", shape_list, .each = &a_url, .min = 1),               \
	    ATTACHMENTS(.max = 1), FIELD("agent_ssh_access", shape_bool)

static const struct shape_field iot_custom_fields[] = {
    FIELD("provision_plan", shape_any_object, NEEDED),
    FIELD("ubuntu_sso_email", shape_email),
    IOT_BASE,
};

static const struct shape_field iot_preset_fields[] = {
    FIELD("preset", shape_string, NEEDED),
    FIELD("preset_kwargs", shape_any_object),
    IOT_BASE,
};

static const struct shape_field kvm_autoinstall_fields[] = {
    URL(NEEDED),
    ROBOT_TASKS(NEEDED),
    FIELD("robot_retries", shape_int),
    FIELD("autoinstall_storage_layout", shape_string),
    FIELD("ubuntu_sso_email", shape_email),
    FIELD("autoinstall_base_user_data", shape_string),
    FIELD("autoinstall_oem", shape_bool),
    FIELD("cmdline_append", shape_string),
    FIELD("provisioning_timeout", shape_int),
};

static const struct shape_field kvm_generic_fields[] = {
    URL(NEEDED),
    ROBOT_TASKS(NEEDED),
    FIELD("robot_retries", shape_int),
    FIELD("live_image", shape_bool, NEEDED),
    FIELD("wait_until_ssh", shape_bool, NEEDED),
    FIELD("provisioning_timeout", shape_int),
};

static const struct shape_field kvm_oem_2204_fields[] = {
    FIELD("alloem_url", shape_url, NEEDED),
    ROBOT_TASKS(NEEDED),
    FIELD("robot_retries", shape_int),
    URL(),
    FIELD("oem", shape_string),
    FIELD("provisioning_timeout", shape_int),
};

static const struct shape_field kvm_preset_fields[] = {
    FIELD("preset", shape_string, NEEDED),
    FIELD("alloem_url", shape_url),
    URL(),
    ROBOT_TASKS(),
    FIELD("autoinstall_base_user_data", shape_string),
    FIELD("autoinstall_oem", shape_bool),
    FIELD("autoinstall_storage_layout", shape_string),
    FIELD("cmdline_append", shape_string),
    FIELD("live_image", shape_bool),
    FIELD("wait_until_ssh", shape_bool),
    FIELD("oem", shape_string),
    FIELD("ubuntu_sso_email", shape_email),
    FIELD("provisioning_timeout", shape_int),
};

static const struct shape shapes[] = {
    {SHAPE_OF(url_fields)}, /* cm3 */
    {SHAPE_OF(maas_fields)},
    {SHAPE_OF(multi_fields)},
    {SHAPE_OF(muxpi_fields), .rule = has_image},
    {SHAPE_OF(noprovision_fields)},
    {SHAPE_OF(oem_autoinstall_fields)},
    {SHAPE_OF(url_fields)}, /* oem_script */
    {SHAPE_OF(iot_custom_fields), .rule = has_one_source},
    {SHAPE_OF(iot_preset_fields), .rule = has_one_source},
    {SHAPE_OF(kvm_autoinstall_fields)},
    {SHAPE_OF(kvm_generic_fields)},
    {SHAPE_OF(kvm_oem_2204_fields)},
    {SHAPE_OF(kvm_preset_fields)},
};

/* "Invalid data type: skip", in the words of the language that clients know it
 * from: text without quotes, True for true. */
static void
wrong_type(struct shaping *s, const struct js_member *m,
    const struct fault_path *whole)
{
	const char *value = m->value.p;
	size_t len = m->value.len;

	if (m->kind == JS_STRING)
		value = js_string(s->arena, m, &len);
	else if (m->kind == JS_BOOL)
		value = *value == 't' ? "True" : "False";
	if (m->kind == JS_BOOL)
		len = strlen(value);
	if (value != NULL)
		value = arena_printf(
		    s->arena, "Invalid data type: %.*s", (int)len, value);
	if (value != NULL && s->faults != NULL)
		faults_bare(s->faults, whole, value);
	s->out->failed = s->out->failed || value == NULL;
}

bool
provision_read(struct shaping *s, const struct shape_field *field,
    const struct js_member *m, const struct fault_path *at)
{
	const struct fault_path whole = {.up = at, .key = "_schema"};
	struct shaping trial = *s;
	size_t from = s->out->len, i;
	struct js_doc in;

	(void)field;
	if (m->kind == JS_NULL)
		return shape_as_is(s, m);
	if (m->kind != JS_OBJECT) {
		wrong_type(s, m, &whole);
		return false;
	}
	if (!shape_scan(s, &in, m))
		return false;
	trial.faults = NULL;
	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if (shape_members(&trial, &shapes[i], &in, at))
			return true;
		shape_undo(s, from);
	}
	return shape_fault(s, &whole, "Invalid provision data schema.");
}
