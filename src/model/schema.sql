-- The state store.  Times are milliseconds since 1970-01-01 UTC; flags are 0 or 1;
-- JSON columns hold text as it goes over the wire.  What is a file instead
-- of a row, and why, is told in docs/STORE.md.

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
