-- The state store, version by version: a line "-- VERSION n" begins the step to
-- version n, and a store of an older version is brought up by the steps that it
-- has not seen.  Times are milliseconds since 1970-01-01 UTC; flags are 0 or 1;
-- JSON columns hold text as it goes over the wire.  What is a file instead
-- of a row, and why, is told in docs/STORE.md.

-- VERSION 1

-- One row for each job.
CREATE TABLE job (
  seq INTEGER PRIMARY KEY,      -- order of submission
  id TEXT NOT NULL UNIQUE,      -- UUID in canonical form
  queue TEXT NOT NULL,          -- job_queue
  priority INTEGER NOT NULL,    -- job_priority, 0 unless given
  state TEXT NOT NULL,          -- waiting, running, a phase, complete, cancelled, ...
  seed INTEGER NOT NULL,        -- 1: nothing is shown of it but a posted result
  ready INTEGER NOT NULL,       -- 0: waits for its attachments
  attachments TEXT,             -- attachments_status; NULL: it has none
  body TEXT NOT NULL,           -- JSON: the definition with job_id, as passed along
  agent TEXT,                   -- who took it over HTTP
  created_at INTEGER NOT NULL,
  started_at INTEGER,           -- when it was taken
  ended_at INTEGER,             -- when it became complete or cancelled
  status TEXT,                  -- JSON: exit codes by phase
  device_info TEXT,             -- JSON: as posted
  result_file INTEGER NOT NULL, -- 1: result.json holds the result, as posted
  publish_at INTEGER            -- the outbox: not NULL, not confirmed by the broker;
                                -- to be sent from then on unless its sender does
) STRICT;

-- Who is next: the best job of one queue is the first entry.
CREATE INDEX job_next ON job (queue, priority DESC, seq)
  WHERE state = 'waiting' AND ready = 1;

-- What the broker has not confirmed.
CREATE INDEX job_unpublished ON job (publish_at) WHERE publish_at IS NOT NULL;

-- exclude_agents: who may not take a job.
CREATE TABLE job_exclude (
  job INTEGER NOT NULL REFERENCES job (seq) ON DELETE CASCADE,
  agent TEXT NOT NULL,
  PRIMARY KEY (job, agent)
) STRICT, WITHOUT ROWID;

-- Every queue that a job has named; bounded by MAX_QUEUES.
CREATE TABLE queue (
  name TEXT PRIMARY KEY,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What agents tell of themselves; NULL where they have not.
CREATE TABLE agent (
  name TEXT PRIMARY KEY,
  state TEXT,
  comment TEXT,
  identifier TEXT,
  job_id TEXT,                  -- what it works on, "" for nothing
  location TEXT,
  provision_type TEXT,
  queues TEXT,                  -- JSON: list of names
  log TEXT,                     -- JSON: list of lines, the last ones
  updated_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- agent.queues, to be looked up by queue.
CREATE TABLE agent_queue (
  queue TEXT NOT NULL,
  agent TEXT NOT NULL REFERENCES agent (name) ON DELETE CASCADE,
  PRIMARY KEY (queue, agent)
) STRICT, WITHOUT ROWID;
CREATE INDEX agent_queue_agent ON agent_queue (agent);

-- VERSION 2

ALTER TABLE job ADD COLUMN client_id TEXT;  -- whose secrets it names; '': nobody's any more
ALTER TABLE job ADD COLUMN secrets INTEGER NOT NULL DEFAULT 0; -- 1: names some
ALTER TABLE job ADD COLUMN secrets_spent INTEGER NOT NULL DEFAULT 0;
                                -- 1: its ephemeral ones are gone

-- Who is next, and how many are before: also jobs that wait for attachments.
DROP INDEX job_next;
CREATE INDEX job_next ON job (queue, priority DESC, seq, ready, secrets)
  WHERE state = 'waiting';
-- The jobs of a queue in order.
CREATE INDEX job_queue ON job (queue, seq);
-- What may expire.
CREATE INDEX job_ended ON job (ended_at) WHERE ended_at IS NOT NULL;
-- What waits for attachments.
CREATE INDEX job_unready ON job (created_at) WHERE ready = 0;

CREATE TABLE job_tag (
  tag TEXT NOT NULL,
  job INTEGER NOT NULL REFERENCES job (seq) ON DELETE CASCADE,
  PRIMARY KEY (tag, job)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_tag_job ON job_tag (job);

-- One log of a job: the file log.<type>.<phase>; the job need not exist.
CREATE TABLE job_log (
  job TEXT NOT NULL,            -- UUID in canonical form
  type TEXT NOT NULL,           -- output or serial
  phase TEXT NOT NULL,
  size INTEGER NOT NULL,        -- bytes of the file that count
  last INTEGER NOT NULL,        -- the highest fragment number
  ordered INTEGER NOT NULL,     -- 1: the file has the fragments in their order
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (job, type, phase)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_log_updated ON job_log (updated_at);

-- Where each fragment stands in its file.
CREATE TABLE job_fragment (
  job TEXT NOT NULL,
  type TEXT NOT NULL,
  phase TEXT NOT NULL,
  number INTEGER NOT NULL,
  start INTEGER NOT NULL,       -- bytes from the start of the file
  length INTEGER NOT NULL,      -- bytes
  at INTEGER NOT NULL,          -- the agent's time stamp, microseconds
  PRIMARY KEY (job, type, phase, number, start)
) STRICT, WITHOUT ROWID;

-- What agents advertise of a queue.
ALTER TABLE queue ADD COLUMN description TEXT;  -- NULL: not advertised
ALTER TABLE queue ADD COLUMN advertised_at INTEGER;
ALTER TABLE queue ADD COLUMN images TEXT;       -- JSON: map of image to data
ALTER TABLE queue ADD COLUMN restricted INTEGER NOT NULL DEFAULT 0;

-- The last waits of a queue, in a ring of fixed size.
CREATE TABLE queue_wait (
  queue TEXT NOT NULL,
  slot INTEGER NOT NULL,
  seconds INTEGER NOT NULL,
  PRIMARY KEY (queue, slot)
) STRICT, WITHOUT ROWID;
CREATE TABLE queue_wait_next (
  queue TEXT PRIMARY KEY,
  n INTEGER NOT NULL            -- samples so far; the next goes to n modulo size
) STRICT, WITHOUT ROWID;

-- The last outcomes of an agent's provisioning.
CREATE TABLE provision_log (
  agent TEXT NOT NULL REFERENCES agent (name) ON DELETE CASCADE,
  seq INTEGER NOT NULL,
  job_id TEXT NOT NULL,
  exit_code INTEGER NOT NULL,
  detail TEXT,
  at INTEGER NOT NULL,
  PRIMARY KEY (agent, seq)
) STRICT, WITHOUT ROWID;
ALTER TABLE agent ADD COLUMN streak_type TEXT;  -- pass or fail
ALTER TABLE agent ADD COLUMN streak_count INTEGER;

-- Who may log in, and what for.
CREATE TABLE client (
  id TEXT PRIMARY KEY,
  secret_hash TEXT,             -- bcrypt; NULL: signs in elsewhere
  role TEXT NOT NULL,
  max_priority TEXT,            -- JSON: map of queue, or *, to a number
  max_reservation_time TEXT,    -- JSON: likewise, seconds
  email TEXT,
  sub TEXT UNIQUE,              -- of an OIDC user
  name TEXT,
  created_at INTEGER NOT NULL,
  last_login INTEGER
) STRICT, WITHOUT ROWID;

-- allowed_queues: who owns a restricted queue.
CREATE TABLE client_queue (
  queue TEXT NOT NULL,
  client TEXT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
  PRIMARY KEY (queue, client)
) STRICT, WITHOUT ROWID;
CREATE INDEX client_queue_client ON client_queue (client);

CREATE TABLE refresh_token (
  hash TEXT PRIMARY KEY,        -- SHA-256 of the token, in hexadecimal
  client TEXT NOT NULL REFERENCES client (id) ON DELETE CASCADE,
  issued_at INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL,
  revoked INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_token_client ON refresh_token (client);
CREATE INDEX refresh_token_used ON refresh_token (last_used_at);
CREATE INDEX refresh_token_expires ON refresh_token (expires_at);

-- What jobs are told at hand-out.
CREATE TABLE secret (
  client TEXT NOT NULL,
  path TEXT NOT NULL,
  value TEXT NOT NULL,          -- base64 of the sealed value
  ephemeral INTEGER NOT NULL,
  expires_at INTEGER,           -- NULL: never
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (client, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX secret_expires ON secret (expires_at) WHERE expires_at IS NOT NULL;

-- VERSION 3

-- Sign-ins by device that have begun.
CREATE TABLE device_code (
  request_id TEXT PRIMARY KEY,
  code TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX device_code_expires ON device_code (expires_at);

-- Who has not signed in for long.
CREATE INDEX client_last_login ON client (last_login) WHERE sub IS NOT NULL;

-- VERSION 4

-- The log of an agent, apart from its row: that is read and written far more often.
CREATE TABLE agent_log (
  agent TEXT PRIMARY KEY REFERENCES agent (name) ON DELETE CASCADE,
  lines TEXT NOT NULL           -- JSON: list of lines, the last ones
) STRICT, WITHOUT ROWID;
INSERT INTO agent_log (agent, lines)
  SELECT name, log FROM agent WHERE log IS NOT NULL;
UPDATE agent SET log = NULL WHERE log IS NOT NULL; -- not used any more

-- VERSION 5

-- The jobs of a client whose secrets may still be told.
CREATE INDEX job_client ON job (client_id)
  WHERE client_id IS NOT NULL AND ended_at IS NULL;

-- The hand-out in two stages: offered to an agent, then started at its first sign.
ALTER TABLE job ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0; -- offers and claims so far
ALTER TABLE job ADD COLUMN offered_at INTEGER;  -- to job.agent, last
ALTER TABLE job ADD COLUMN offered_to TEXT;     -- client id of the token; NULL: none
ALTER TABLE job ADD COLUMN offered_on TEXT;     -- the connection of the answer
ALTER TABLE job ADD COLUMN signed_at INTEGER;   -- first sign of job.agent
ALTER TABLE job ADD COLUMN returned_at INTEGER; -- it has asked for work again since
ALTER TABLE job ADD COLUMN reason TEXT;         -- why it ended, unless by its agent's word
ALTER TABLE job ADD COLUMN late INTEGER NOT NULL DEFAULT 0;
                                -- 1: ended for want of a word, which still counts

ALTER TABLE job ADD COLUMN deadline_at INTEGER; -- to be taken by then (queue_timeout)
ALTER TABLE job ADD COLUMN submit_key TEXT;     -- hash of client and Idempotency-Key
ALTER TABLE job ADD COLUMN submit_hash TEXT;    -- hash of what came with it
CREATE UNIQUE INDEX job_submit_key ON job (submit_key) WHERE submit_key IS NOT NULL;
CREATE INDEX job_deadline ON job (deadline_at)
  WHERE deadline_at IS NOT NULL AND state = 'waiting';

-- What an agent has in hand.
CREATE INDEX job_agent ON job (agent) WHERE agent IS NOT NULL AND ended_at IS NULL;
CREATE INDEX job_offered ON job (offered_at)
  WHERE offered_at IS NOT NULL AND signed_at IS NULL AND ended_at IS NULL;
CREATE INDEX job_returned ON job (returned_at)
  WHERE returned_at IS NOT NULL AND ended_at IS NULL;

-- What happened, in the order in which it did.
CREATE TABLE journal (
  n INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  kind TEXT NOT NULL,           -- job.offered, agent.state, ...
  subject TEXT NOT NULL,        -- a job's id, an agent's or queue's name, a client's id
  data TEXT,                    -- JSON: object with more of it
  agent TEXT,                   -- who: the agent's name on the request
  client TEXT,                  -- the client id of its token
  request_id TEXT               -- NULL: the server itself
) STRICT;
CREATE INDEX journal_subject ON journal (subject, n);

-- VERSION 6

-- Agents that fall silent while they have a job in hand.
ALTER TABLE job ADD COLUMN lost_at INTEGER;     -- its agent has been silent for too long
ALTER TABLE job ADD COLUMN lost_policy TEXT;    -- agent_lost_policy; NULL: the server's
ALTER TABLE job ADD COLUMN retry_of TEXT;       -- the job that it runs once more
ALTER TABLE job ADD COLUMN retried_as TEXT;     -- the job that runs it once more
ALTER TABLE job ADD COLUMN retries INTEGER NOT NULL DEFAULT 0; -- before it, over all of these

-- What agents are at.
CREATE INDEX job_started ON job (seq)
  WHERE signed_at IS NOT NULL AND ended_at IS NULL;

-- VERSION 7

-- Queues of the broker that may have messages of jobs that do not wait any more.
CREATE TABLE queue_trim (
  queue TEXT PRIMARY KEY,
  at INTEGER,                   -- when to look at it; NULL: once job head does not wait
  head TEXT                     -- the id of the waiting job whose message is the first;
                                -- NULL: not known; '': put off, whatever leaves
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_trim_due ON queue_trim (queue) WHERE at IS NOT NULL;
INSERT INTO queue_trim (queue, at) SELECT name, 0 FROM queue;

-- Whatever makes a job leave the waiting ones, its message is of no use any more.
CREATE TRIGGER job_left AFTER UPDATE OF state ON job
  WHEN OLD.state = 'waiting' AND NEW.state <> 'waiting'
BEGIN
  INSERT INTO queue_trim (queue, at) VALUES (NEW.queue, 0)
    ON CONFLICT (queue) DO UPDATE SET at = 0
    WHERE coalesce(at, 1) <> 0 AND coalesce(head, NEW.id) = NEW.id;
END;
-- Nor is one that has come too late.
CREATE TRIGGER job_sent_late AFTER UPDATE OF publish_at ON job
  WHEN OLD.publish_at IS NOT NULL AND NEW.publish_at IS NULL
    AND NEW.state <> 'waiting'
BEGIN
  INSERT INTO queue_trim (queue, at) VALUES (NEW.queue, 0)
    ON CONFLICT (queue) DO UPDATE SET at = 0
    WHERE coalesce(at, 1) <> 0 AND coalesce(head, NEW.id) = NEW.id;
END;

-- VERSION 8

-- What was handed out before version 5 has run ever since, as far as anybody knows.
UPDATE job SET attempt = 1, offered_at = coalesce(started_at, created_at),
  signed_at = coalesce(started_at, created_at)
  WHERE agent IS NOT NULL AND ended_at IS NULL AND offered_at IS NULL
    AND state <> 'waiting';

ALTER TABLE job ADD COLUMN artifact_file INTEGER NOT NULL DEFAULT 1;
                                -- 0: artifact.tar.gz, if there, is of a former run

-- VERSION 9

-- Who may not take a job, as one word: jobs of one word exclude the same agents.
ALTER TABLE job ADD COLUMN excludes TEXT NOT NULL DEFAULT '';
                                -- '': nobody; else a hash, or # and the seq of one of them
UPDATE job SET excludes = '#' || seq WHERE seq IN (SELECT job FROM job_exclude);

-- Versions that do not know of it insert jobs during the upgrade.
CREATE TRIGGER job_excludes AFTER INSERT ON job_exclude
  WHEN (SELECT excludes FROM job WHERE seq = NEW.job) = ''
BEGIN
  UPDATE job SET excludes = '#' || seq WHERE seq = NEW.job;
END;

-- The waiting jobs, each in one of two indexes: those that anybody may have, and apart from them
-- those that somebody may not.
DROP INDEX job_next;
CREATE INDEX job_plain ON job (queue, priority DESC, seq)
  WHERE state = 'waiting' AND ready = 1 AND secrets = 0 AND excludes = '';
CREATE INDEX job_special ON job (queue, ready, secrets, excludes, priority DESC, seq)
  WHERE state = 'waiting' AND (ready = 0 OR secrets <> 0 OR excludes <> '');

-- By which clock the times of offers, returns and queue_timeouts are: one row.
CREATE TABLE clock_base (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  boot TEXT NOT NULL,           -- the start of the host, as the kernel names it
  ahead INTEGER NOT NULL        -- of the wall clock to the monotonic one of that start
) STRICT;

-- The Idempotency-Key of the report that brought the last lines; NULL: it had none.
ALTER TABLE agent_log ADD COLUMN key TEXT;

-- VERSION 10

-- The job of each queue's job_plain that goes first: an agent that asks for many queues looks
-- at as many rows that lie side by side.
CREATE TABLE queue_front (
  queue TEXT PRIMARY KEY,
  priority INTEGER NOT NULL,
  seq INTEGER NOT NULL          -- of the job
) STRICT, WITHOUT ROWID;
INSERT OR IGNORE INTO queue_front (queue, priority, seq)
  SELECT queue, priority, seq FROM job
  WHERE state = 'waiting' AND ready = 1 AND secrets = 0 AND excludes = ''
  ORDER BY queue, priority DESC, seq;

CREATE TRIGGER job_front_new AFTER INSERT ON job
  WHEN NEW.state = 'waiting' AND NEW.ready = 1 AND NEW.secrets = 0 AND NEW.excludes = ''
BEGIN
  INSERT INTO queue_front (queue, priority, seq) VALUES (NEW.queue, NEW.priority, NEW.seq)
    ON CONFLICT (queue) DO UPDATE SET priority = excluded.priority, seq = excluded.seq
    WHERE excluded.priority > priority
      OR (excluded.priority = priority AND excluded.seq < seq);
END;
CREATE TRIGGER job_front_in
  AFTER UPDATE OF state, ready, secrets, excludes, queue, priority ON job
  WHEN NEW.state = 'waiting' AND NEW.ready = 1 AND NEW.secrets = 0 AND NEW.excludes = ''
BEGIN
  INSERT INTO queue_front (queue, priority, seq) VALUES (NEW.queue, NEW.priority, NEW.seq)
    ON CONFLICT (queue) DO UPDATE SET priority = excluded.priority, seq = excluded.seq
    WHERE excluded.priority > priority
      OR (excluded.priority = priority AND excluded.seq < seq);
END;
-- A job that goes from the front lets the next one come there.
CREATE TRIGGER job_front_out
  AFTER UPDATE OF state, ready, secrets, excludes, queue, priority ON job
  WHEN OLD.state = 'waiting'
    AND OLD.seq = (SELECT seq FROM queue_front WHERE queue = OLD.queue)
BEGIN
  DELETE FROM queue_front WHERE queue = OLD.queue;
  INSERT INTO queue_front (queue, priority, seq)
    SELECT queue, priority, seq FROM job
    WHERE state = 'waiting' AND ready = 1 AND secrets = 0 AND excludes = ''
      AND queue = OLD.queue
    ORDER BY priority DESC, seq LIMIT 1;
END;
CREATE TRIGGER job_front_gone AFTER DELETE ON job
  WHEN OLD.state = 'waiting'
    AND OLD.seq = (SELECT seq FROM queue_front WHERE queue = OLD.queue)
BEGIN
  DELETE FROM queue_front WHERE queue = OLD.queue;
  INSERT INTO queue_front (queue, priority, seq)
    SELECT queue, priority, seq FROM job
    WHERE state = 'waiting' AND ready = 1 AND secrets = 0 AND excludes = ''
      AND queue = OLD.queue
    ORDER BY priority DESC, seq LIMIT 1;
END;
