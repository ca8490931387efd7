/* Phases and their names. */

#include "phase.h"

#include <string.h>

static const char *const names[PHASE__MAX] = {
    [PHASE_SETUP] = "setup",
    [PHASE_PROVISION] = "provision",
    [PHASE_FIRMWARE_UPDATE] = "firmware_update",
    [PHASE_TEST] = "test",
    [PHASE_ALLOCATE] = "allocate",
    [PHASE_RESERVE] = "reserve",
    [PHASE_CLEANUP] = "cleanup",
};

const char *
phase_name(enum phase p)
{
	return names[p];
}

enum phase
phase_of(const char *name, size_t len)
{
	enum phase p;

	for (p = PHASE_SETUP; p < PHASE__MAX; p++)
		if (strlen(names[p]) == len && memcmp(names[p], name, len) == 0)
			break;
	return p;
}
