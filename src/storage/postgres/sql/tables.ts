/**
 * The tables. Volatile ones are UNLOGGED: they cost no write-ahead log and are empty after a crash of the server. Everything that
 * must survive a crash (marks, users, values, and the names behind numbers) is logged.
 *
 * @param s The schema, quoted.
 */
export function tables(s: string): string {
  return `
-- The names behind the numbers in records: scopes of plans, and slots of checks. Never changed.
CREATE TABLE ${s}.names (
  id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL UNIQUE
);

-- Texts are stored under a digest that is keyed by a secret of this schema.
CREATE TABLE ${s}.secrets (name text PRIMARY KEY, value text NOT NULL);
INSERT INTO ${s}.secrets VALUES ('digest', gen_random_uuid()::text || gen_random_uuid()::text);

-- The order of the fixed cells of a record: for each slot, its tag and number of cells.
CREATE TABLE ${s}.layouts (
  id int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tags int8[] NOT NULL,
  widths int4[] NOT NULL,
  UNIQUE (tags, widths)
);

-- Functions created for plans, and when they were last requested.
CREATE TABLE ${s}.plans (
  function text PRIMARY KEY,
  plan text NOT NULL,
  used_at timestamptz NOT NULL DEFAULT now()
);

-- The volatile state of one subject in one scope. Rows are updated in place and nothing but the key is indexed, so that
-- updates stay on their page.
CREATE UNLOGGED TABLE ${s}.records (
  space int4 NOT NULL,
  bot int8 NOT NULL,
  subject int8 NOT NULL,
  layout int4 NOT NULL,
  expires int8 NOT NULL,
  state int8[] NOT NULL,
  PRIMARY KEY (space, bot, subject)
) WITH (fillfactor = 40, autovacuum_vacuum_scale_factor = 0.1);

-- Claims on consecutive numbers: two bits a number, 4,096 to a row.
CREATE UNLOGGED TABLE ${s}.chunks (
  slot int4 NOT NULL,
  bot int8 NOT NULL,
  subject int8 NOT NULL,
  number int8 NOT NULL,
  lapses int8 NOT NULL,
  created int8 NOT NULL,
  bits bytea NOT NULL,
  running int8[],
  PRIMARY KEY (slot, bot, subject, number)
) WITH (fillfactor = 30);

-- The highest time seen by each bot, and by how much the clock was put back in total.
CREATE UNLOGGED TABLE ${s}.clocks (
  bot int8 PRIMARY KEY,
  high int8 NOT NULL,
  skew int8 NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE ${s}.marks (
  bot int8 NOT NULL,
  subject int8 NOT NULL,
  name text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  since float8 NOT NULL,
  until float8,
  reason text,
  value text,
  -- The value, if it is a limit that can be counted.
  amount int8,
  per int8,
  burst int8,
  PRIMARY KEY (bot, subject, name, key)
);
CREATE INDEX marks_by_name ON ${s}.marks (bot, name, key);

CREATE TABLE ${s}.users (
  bot int8 NOT NULL,
  key text COLLATE "C" NOT NULL,
  first_seen float8 NOT NULL,
  last_seen float8 NOT NULL,
  PRIMARY KEY (bot, key)
) WITH (fillfactor = 80);

CREATE TABLE ${s}.user_counts (
  bot int8 NOT NULL,
  key text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  total float8 NOT NULL,
  PRIMARY KEY (bot, key, name),
  FOREIGN KEY (bot, key) REFERENCES ${s}.users ON DELETE CASCADE
) WITH (fillfactor = 80);

CREATE TABLE ${s}.user_data (
  bot int8 NOT NULL,
  key text COLLATE "C" NOT NULL,
  name text COLLATE "C" NOT NULL,
  value text NOT NULL,
  PRIMARY KEY (bot, key, name),
  FOREIGN KEY (bot, key) REFERENCES ${s}.users ON DELETE CASCADE
);

CREATE TABLE ${s}.values (
  space text COLLATE "C" NOT NULL,
  key text COLLATE "C" NOT NULL,
  value text NOT NULL,
  until float8,
  PRIMARY KEY (space, key)
);
CREATE INDEX values_by_until ON ${s}.values (until) WHERE until IS NOT NULL;

-- Many values of different length in one array.
CREATE TYPE ${s}.list AS (v int8[]);
`
}
