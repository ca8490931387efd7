#ifndef LOST_POLICY_H
#define LOST_POLICY_H

#include <stddef.h>

/* What becomes of a job whose agent is lost. */

enum lost_policy { LOST_WAIT, LOST_FAIL, LOST_RETRY };

/* The word of AGENT_LOST_POLICY that the len bytes at s are; NULL: none. */
const char *lost_policy_word(const char *s, size_t len);

/* What such a word means; LOST_WAIT for any other. */
enum lost_policy lost_policy_of(const char *word);

#endif /* !LOST_POLICY_H */
