/*
 * The keys of the configuration.  No include guard: each includer
 * defines CONF_ENUM(name, type, fallback, min, max, choices, doc) as it needs
 * it. docs/man/testflinger.conf.5 shows the same table; a test compares them.
 */
CONF_ENUM(DATA_PATH, CONF_STR, "'" TF_DATA_PATH "'", 1, 4000, NULL,
    "Directory of the state store and of the files of all jobs. "
    "Made at start if it is missing.")
CONF_ENUM(STATE_URI, CONF_STR, "''", 0, 4000, NULL,
    "The state store: sqlite:PATH. Empty: the file state.db in DATA_PATH. "
    "Never on a network file system.")
CONF_ENUM(AMQP_URI, CONF_STR, "'amqp://guest:guest@localhost:5672//'", 0, 4000,
    NULL,
    "The RabbitMQ broker: amqp or amqps, several separated by semicolons are "
    "tried in turn. Empty: no broker, jobs are taken over HTTP only.")
CONF_ENUM(AMQP_CA_FILE, CONF_STR, "'/etc/ssl/certs/ca-certificates.crt'", 0,
    4000, NULL, "Certificates that an amqps broker is verified against.")
CONF_ENUM(AMQP_CONNECTIONS, CONF_INT, "32", 1, 256, NULL,
    "The most connections that one responder keeps to the broker.")
CONF_ENUM(AMQP_CONNECT_TIMEOUT_MS, CONF_INT, "800", 50, 60000, NULL,
    "The time for a connection to the broker, log-in included, in "
    "milliseconds.")
CONF_ENUM(AMQP_CONFIRM_TIMEOUT_MS, CONF_INT, "1000", 10, 60000, NULL,
    "How long a submission waits for the broker's confirm, in milliseconds. "
    "After that it is answered all the same and the message is sent later.")
CONF_ENUM(AMQP_HEARTBEAT, CONF_INT, "30", 2, 600, NULL,
    "Seconds between heartbeats on idle connections to the broker.")
CONF_ENUM(AMQP_UNCLAIMED_QUEUES, CONF_WORDS, "''", 0, 0, NULL,
    "Queues whose AMQP consumers do not claim their jobs; * for all. Their "
    "messages are neither removed nor sent again.")
CONF_ENUM(ANONYMOUS_ROLES, CONF_WORDS, "'contributor agent'", 0, 0,
    "contributor agent",
    "The roles of a caller without a token. Empty: a token is required.")
CONF_ENUM(JOB_FIELDS, CONF_CHOICE, "'open'", 0, 0, "open strict",
    "open: unknown fields of a job are kept and passed along. "
    "strict: unknown fields are refused and the types of all are checked.")
CONF_ENUM(MAX_QUEUES, CONF_INT, "10000", 1, 10000000, NULL,
    "The most distinct queues that jobs may name.")
CONF_ENUM(MAX_AGENTS, CONF_INT, "10000", 1, 10000000, NULL,
    "The most distinct agents that may register.")
CONF_ENUM(JOB_BODY_MAX, CONF_INT, "16777215", 1024, 67108864, NULL,
    "The largest job accepted, in bytes.")
CONF_ENUM(RESULT_BODY_MAX, CONF_INT, "16777215", 1024, 1073741824, NULL,
    "The largest result accepted, in bytes.")
CONF_ENUM(DISPATCH_WAIT, CONF_INT, "20", 0, 3600, NULL,
    "Seconds that GET /v1/job waits for a job when an agent, known by its "
    "cookie, does not say how long. Its own time-out is 30. 0: it does not "
    "wait.")
CONF_ENUM(DISPATCH_WAIT_MAX, CONF_INT, "50", 0, 3600, NULL,
    "The most seconds that GET /v1/job waits for a job, however long it is "
    "asked to. 0: it never waits.")
CONF_ENUM(DISPATCH_HOLDS_MAX, CONF_INT, "10000", 0, 100000, NULL,
    "The most requests for a job that one process lets wait. Those beyond "
    "are answered at once.")
CONF_ENUM(STORE_WAIT_MS, CONF_INT, "5000", 100, 60000, NULL,
    "How long a change waits for the store before it is refused with 503, "
    "in milliseconds.")
CONF_ENUM(STORE_CHECK, CONF_INT, "3600", 0, 604800, NULL,
    "Seconds between two looks at the whole store for damage. 0: only at the "
    "start.")
CONF_ENUM(WORKERS, CONF_INT, "0", 0, 1024, NULL,
    "Threads of each responder. 0: the responder's own choice.")
CONF_ENUM(DISK_FREE_MIN, CONF_INT, "16777216", 0, 1099511627776, NULL,
    "Below this many free bytes under DATA_PATH the server calls itself not "
    "ready.")
CONF_ENUM(LOG_LEVEL, CONF_CHOICE, "'info'", 0, 0, "error warn info debug",
    "The most talkative level that is logged.")
CONF_ENUM(LOG_BODY_MAX, CONF_INT, "67108864", 1024, 1073741824, NULL,
    "The largest log fragment accepted, in bytes of its request.")
CONF_ENUM(ARTIFACT_MAX, CONF_INT, "0", 0, 1125899906842624, NULL,
    "The largest artifact or attachment archive accepted, in bytes. 0: any.")
CONF_ENUM(ATTACHMENT_TIMEOUT, CONF_INT, "86400", 1, 31536000, NULL,
    "Seconds after which a job whose attachments have not come is cancelled.")
CONF_ENUM(JOB_MAX_AGE, CONF_INT, "604800", 0, 3153600000, NULL,
    "Seconds after the end of a job, or the last upload under an id without "
    "one, until all of it is removed. 0: never.")
CONF_ENUM(AGENT_MAX_AGE, CONF_INT, "604800", 0, 3153600000, NULL,
    "Seconds after which an agent that has said nothing is forgotten. 0: "
    "never.")
CONF_ENUM(QUEUE_MAX_AGE, CONF_INT, "604800", 0, 3153600000, NULL,
    "Seconds after which a queue that no agent advertises any more is not "
    "listed. 0: never.")
CONF_ENUM(JWT_SIGNING_KEY, CONF_STR, "''", 0, 4096, NULL,
    "The key that access tokens are signed and verified with. Empty: there are "
    "no tokens.")
CONF_ENUM(JWT_SIGNING_KEY_OLD, CONF_STR, "''", 0, 4096, NULL,
    "A former key that tokens are still verified with. Empty: none.")
CONF_ENUM(JWT_LEEWAY, CONF_INT, "5", 0, 3600, NULL,
    "Seconds by which clocks may differ when a token is judged.")
CONF_ENUM(REFRESH_TOKEN_LIFE, CONF_INT, "518400", 60, 315360000, NULL,
    "Seconds for which a refresh token is good.")
CONF_ENUM(TOKEN_FAILURES_MAX, CONF_INT, "10", 1, 1000000, NULL,
    "Log-ins that may fail for one client from one address within a minute.")
CONF_ENUM(SECRETS_MASTER_KEY, CONF_STR, "''", 0, 4096, NULL,
    "The key that secrets are sealed with, in base64, at least 32 bytes. "
    "Empty: see SECRETS_MASTER_KEY_FILE.")
CONF_ENUM(SECRETS_MASTER_KEY_FILE, CONF_STR, "''", 0, 4000, NULL,
    "A file that holds the key for secrets. Empty, and SECRETS_MASTER_KEY too: "
    "there is no secrets store.")
CONF_ENUM(SECRETS_MASTER_KEY_OLD, CONF_STR, "''", 0, 4096, NULL,
    "A former SECRETS_MASTER_KEY, with which secrets are still opened. Empty: "
    "see SECRETS_MASTER_KEY_OLD_FILE.")
CONF_ENUM(SECRETS_MASTER_KEY_OLD_FILE, CONF_STR, "''", 0, 4000, NULL,
    "A file that holds the former key. Empty: none.")
CONF_ENUM(WEBHOOK_URL, CONF_STR, "''", 0, 4000, NULL,
    "The address whose scheme, host and port a job's webhook must have. Empty: "
    "no webhooks.")
CONF_ENUM(WEBHOOK_AUTH, CONF_STR, "''", 0, 4096, NULL,
    "The bearer token that webhooks are called with. Empty: none.")
CONF_ENUM(OIDC_PROVIDER_ISSUER, CONF_STR, "''", 0, 4000, NULL,
    "The issuer of the OpenID Connect provider that people sign in with. "
    "Empty, "
    "or OIDC_CLIENT_ID or WEB_SECRET_KEY empty: there is no sign-in by OIDC.")
CONF_ENUM(OIDC_CLIENT_ID, CONF_STR, "''", 0, 4000, NULL,
    "The id under which the provider knows this server.")
CONF_ENUM(OIDC_CLIENT_SECRET, CONF_STR, "''", 0, 4096, NULL,
    "The secret that goes with OIDC_CLIENT_ID. Empty: a public client.")
CONF_ENUM(WEB_SECRET_KEY, CONF_STR, "''", 0, 4096, NULL,
    "The key that cookies of browsers are signed with.")
CONF_ENUM(PUBLIC_URL, CONF_STR, "''", 0, 4000, NULL,
    "The address under which browsers reach this server, without a path. "
    "Empty: "
    "as each request names it.")
CONF_ENUM(OFFER_TIMEOUT, CONF_INT, "900", 1, 31536000, NULL,
    "Seconds after which a job that its agent has shown no sign of is offered "
    "to "
    "others.")
CONF_ENUM(RETURN_GRACE, CONF_INT, "600", 0, 31536000, NULL,
    "Seconds for which a job whose agent asks for work again may still get a "
    "result; then it ends.")
CONF_ENUM(AGENT_LOST_TIMEOUT, CONF_INT, "3600", 0, 31536000, NULL,
    "Seconds after which an agent that has said nothing, in a phase in which "
    "agents ask often, is lost. 0: never.")
CONF_ENUM(AGENT_LOST_TIMEOUT_QUIET, CONF_INT, "14400", 0, 31536000, NULL,
    "The same in phases in which agents are quiet: provision, reserve, before "
    "the first, and those that the server does not know. 0: never.")
CONF_ENUM(AGENT_LOST_POLICY, CONF_CHOICE, "'wait'", 0, 0, "wait fail retry",
    "What becomes of a job whose agent is lost, unless the job says so: it "
    "waits, fails, or runs once more as a new job.")
CONF_ENUM(EVENT_MAX_AGE, CONF_INT, "2592000", 0, 3153600000, NULL,
    "Seconds for which the journal is kept. 0: for ever.")
