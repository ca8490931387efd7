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
CONF_ENUM(JOB_BODY_MAX, CONF_INT, "1048576", 1024, 67108864, NULL,
    "The largest job accepted, in bytes.")
CONF_ENUM(RESULT_BODY_MAX, CONF_INT, "16777216", 1024, 1073741824, NULL,
    "The largest result accepted, in bytes.")
CONF_ENUM(STORE_WAIT_MS, CONF_INT, "5000", 100, 60000, NULL,
    "How long a change waits for the store before it is refused with 503, "
    "in milliseconds.")
CONF_ENUM(WORKERS, CONF_INT, "0", 0, 1024, NULL,
    "Threads of each responder. 0: the responder's own choice.")
CONF_ENUM(DISK_FREE_MIN, CONF_INT, "16777216", 0, 1099511627776, NULL,
    "Below this many free bytes under DATA_PATH the server calls itself not "
    "ready.")
CONF_ENUM(LOG_LEVEL, CONF_CHOICE, "'info'", 0, 0, "error warn info debug",
    "The most talkative level that is logged.")
