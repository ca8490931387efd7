#ifndef BLOB_NAME_H
#define BLOB_NAME_H

#include "id.h"

/* The files of a job, and where they lie: DATA_PATH/jobs/<2 hex>/<uuid>/<name>. */

#define BLOB_LOGS 14

enum blob_name {
	BLOB_RESULT, /* result.json */
	BLOB_ARTIFACT, /* artifact.tar.gz */
	BLOB_ATTACHMENTS, /* attachments.tar.gz */
	BLOB_LOG, /* the first of BLOB_LOGS: log.output.setup, … .cleanup, then
		   * log.serial.… with the same phases */
	BLOB__MAX = BLOB_LOG + BLOB_LOGS
};

#define BLOB_SHARDS 256

/* Bytes of these paths with their NUL: "ab", "ab/<uuid>", "ab/<uuid>/<name>". */
#define BLOB_SHARD_LEN 3
#define BLOB_DIR_LEN (BLOB_SHARD_LEN + ID_LEN + 1)
#define BLOB_PATH_LEN (BLOB_DIR_LEN + 32)

/* The last part of the path, a constant. */
const char *blob_name_text(enum blob_name name);

/* The shard of a job, its directory, and one of its files, below DATA_PATH/jobs. */
void blob_name_shard(const struct id *id, char out[BLOB_SHARD_LEN]);
void blob_name_dir(const struct id *id, char out[BLOB_DIR_LEN]);
void blob_name_path(
    const struct id *id, enum blob_name name, char out[BLOB_PATH_LEN]);

#endif /* !BLOB_NAME_H */
