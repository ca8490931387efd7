/* The words of AGENT_LOST_POLICY and of a job's agent_lost_policy. */

#include "lost_policy.h"

#include <string.h>

static const char *const words[] = {
    [LOST_WAIT] = "wait", [LOST_FAIL] = "fail", [LOST_RETRY] = "retry"};

#define N_WORDS (sizeof(words) / sizeof(words[0]))

const char *
lost_policy_word(const char *s, size_t len)
{
	size_t i;

	for (i = 0; i < N_WORDS; i++)
		if (strlen(words[i]) == len && memcmp(words[i], s, len) == 0)
			return words[i];
	return NULL;
}

enum lost_policy
lost_policy_of(const char *word)
{
	size_t i;

	for (i = 0; i < N_WORDS; i++)
		if (strcmp(words[i], word) == 0)
			return (enum lost_policy)i;
	return LOST_WAIT;
}
