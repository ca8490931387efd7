/* The names of a job's files, and the directories they are in. */

#include "blob_name.h"

#include <stdio.h>

#define LOGS_OF(type)                                                          \
	"log." type ".setup", "log." type ".provision",                        \
	    "log." type ".firmware_update", "log." type ".test",               \
	    "log." type ".allocate", "log." type ".reserve",                   \
	    "log." type ".cleanup"

static const char *const names[BLOB__MAX] = {
    [BLOB_RESULT] = "result.json",
    [BLOB_ARTIFACT] = "artifact.tar.gz",
    [BLOB_ATTACHMENTS] = "attachments.tar.gz",
    [BLOB_LOG] = LOGS_OF("output"),
    LOGS_OF("serial"),
};

const char *
blob_name_text(enum blob_name name)
{
	return names[name];
}

void
blob_name_shard(const struct id *id, char out[BLOB_SHARD_LEN])
{
	out[0] = id->text[0];
	out[1] = id->text[1];
	out[2] = '\0';
}

void
blob_name_dir(const struct id *id, char out[BLOB_DIR_LEN])
{
	(void)snprintf(out, BLOB_DIR_LEN, "%.2s/%s", id->text, id->text);
}

void
blob_name_path(
    const struct id *id, enum blob_name name, char out[BLOB_PATH_LEN])
{
	(void)snprintf(
	    out, BLOB_PATH_LEN, "%.2s/%s/%s", id->text, id->text, names[name]);
}
