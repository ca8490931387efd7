/* What tf-auth removes by itself. */

#include "device.h"
#include "log.h"
#include "routes.h"
#include "secret.h"
#include "token.h"
#include "user.h"

#define PAUSE_MS 60000

void
auth_background(struct svc *s)
{
	int64_t n;

	while (!app_stopping()) {
		/* In small changes, so that no log-in waits for long. */
		while (token_sweep(s, &n) == ERR_OK && n > 0 && !app_stopping())
			log_debug("removed %lld refresh tokens", (long long)n);
		while (
		    secret_purge(s, &n) == ERR_OK && n > 0 && !app_stopping())
			log_debug("removed %lld secrets", (long long)n);
		while (
		    device_sweep(s, &n) == ERR_OK && n > 0 && !app_stopping())
			log_debug(
			    "removed %lld sign-ins by device", (long long)n);
		while (user_sweep(s, &n) == ERR_OK && n > 0 && !app_stopping())
			log_info("removed %lld clients that have not signed in "
				 "for 90 days",
			    (long long)n);
		app_sleep_ms(PAUSE_MS);
	}
}
