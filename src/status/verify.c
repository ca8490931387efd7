/* What tf-status does beside requests: it looks at the whole store. */

#include "routes.h"

void
status_background(struct svc *s)
{
	int64_t pause_s = conf_int(s->conf, CONF_STORE_CHECK);
	bool first;

	/* A store that was restored is written to again from a start on.  What
	 * is found is logged and kept by the store itself. */
	for (first = true; !app_stopping(); first = false) {
		if (first || pause_s > 0)
			(void)db_verify(s->db, first);
		app_sleep_ms((int)(pause_s > 0 ? pause_s : 3600) * 1000);
	}
}
