/* What tf-agent does beside requests. */

#include "advert.h"
#include "agent.h"
#include "log.h"
#include "routes.h"

#define PAUSE_MS 60000

void
agent_background(struct svc *s)
{
	bool last;

	do {
		app_sleep_ms(PAUSE_MS);
		/* Once more at the end, for the time until the next start. */
		last = app_stopping();
		if (agent_write_times(s) != ERR_OK ||
		    agent_forget_silent(s) != ERR_OK ||
		    advert_tidy(s) != ERR_OK)
			log_warn("the times of agents and queues could not be "
				 "written down; the next minute tries again");
	} while (!last);
}
