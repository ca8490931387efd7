#ifndef PHASE_H
#define PHASE_H

#include <stddef.h>

/* The phases of a job, in the order in which an agent runs them. */

enum phase {
	PHASE_SETUP,
	PHASE_PROVISION,
	PHASE_FIRMWARE_UPDATE,
	PHASE_TEST,
	PHASE_ALLOCATE,
	PHASE_RESERVE,
	PHASE_CLEANUP,
	PHASE__MAX
};

#define PHASE_UNKNOWN                                                          \
	"Must be one of: setup, provision, firmware_update, test, allocate, "  \
	"reserve, cleanup."

/* A constant, ended by NUL. */
const char *phase_name(enum phase p);

/* The phase called by the len bytes at name; PHASE__MAX: none is. */
enum phase phase_of(const char *name, size_t len);

#endif /* !PHASE_H */
