import { SentinelError } from '../../core/errors.js'

/** The database to migrate: a `Link`. */
interface MigratedLink {
  write(deed: () => void): void
  exec(sql: string): void
  get<Row>(sql: string): Row | undefined
  run(sql: string, value: number): void
}

/** The steps of the schema, one per version. A published step is never changed. */
export const STEPS: readonly string[] = [
  `CREATE TABLE sentinel_marks (
     bot INTEGER NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL,
     since REAL NOT NULL, until REAL, reason TEXT, value TEXT,
     PRIMARY KEY (bot, key, name)
   ) WITHOUT ROWID;
   CREATE INDEX sentinel_marks_by_name ON sentinel_marks (bot, name, key);
   CREATE INDEX sentinel_marks_by_end ON sentinel_marks (until) WHERE until IS NOT NULL;
   CREATE TABLE sentinel_users (
     bot INTEGER NOT NULL, key TEXT NOT NULL,
     first_seen REAL NOT NULL, last_seen REAL NOT NULL, counts TEXT NOT NULL, data TEXT NOT NULL,
     PRIMARY KEY (bot, key)
   ) WITHOUT ROWID;
   CREATE TABLE sentinel_values (
     space TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, until REAL,
     PRIMARY KEY (space, key)
   ) WITHOUT ROWID;
   CREATE INDEX sentinel_values_by_end ON sentinel_values (until) WHERE until IS NOT NULL;
   CREATE TABLE sentinel_places (id INTEGER PRIMARY KEY, plan TEXT NOT NULL, slot TEXT NOT NULL, UNIQUE (plan, slot));
   CREATE TABLE sentinel_records (
     place INTEGER NOT NULL, bot INTEGER NOT NULL, key TEXT NOT NULL,
     form TEXT, cells BLOB, penalty BLOB, until REAL NOT NULL,
     PRIMARY KEY (place, bot, key)
   ) WITHOUT ROWID;
   CREATE INDEX sentinel_records_by_end ON sentinel_records (until);
   CREATE TABLE sentinel_claims (
     place INTEGER NOT NULL, bot INTEGER NOT NULL, key TEXT NOT NULL, token REAL NOT NULL,
     state INTEGER NOT NULL, until REAL, lease_until REAL, serial REAL NOT NULL, refuser TEXT,
     PRIMARY KEY (place, bot, key, token)
   ) WITHOUT ROWID;
   CREATE INDEX sentinel_claims_by_end ON sentinel_claims (until) WHERE until IS NOT NULL;
   CREATE TABLE sentinel_sequences (
     place INTEGER NOT NULL, bot INTEGER NOT NULL, key TEXT NOT NULL, part REAL NOT NULL, until REAL NOT NULL,
     PRIMARY KEY (place, bot, key, part)
   ) WITHOUT ROWID;
   CREATE INDEX sentinel_sequences_by_end ON sentinel_sequences (until);
   CREATE TABLE sentinel_changes (id INTEGER PRIMARY KEY AUTOINCREMENT, change TEXT NOT NULL);`,
  // Each form of a limit has a row of its own, and so have penalties, so that plans with different forms do not affect each other.
  // The table is copied, since renaming one makes SQLite read the whole schema, which fails if some view is broken.
  `CREATE TABLE sentinel_records_before AS SELECT * FROM sentinel_records;
   DROP TABLE sentinel_records;
   CREATE TABLE sentinel_records (
     place INTEGER NOT NULL, bot INTEGER NOT NULL, key TEXT NOT NULL, form TEXT NOT NULL,
     cells BLOB NOT NULL, until REAL NOT NULL,
     PRIMARY KEY (place, bot, key, form)
   ) WITHOUT ROWID;
   INSERT INTO sentinel_records SELECT place, bot, key, form, cells, until
     FROM sentinel_records_before WHERE form IS NOT NULL AND cells IS NOT NULL;
   INSERT INTO sentinel_records SELECT place, bot, key, 'penalty', penalty, until
     FROM sentinel_records_before WHERE penalty IS NOT NULL;
   DROP TABLE sentinel_records_before;
   CREATE INDEX sentinel_records_by_end ON sentinel_records (until);
   CREATE TABLE sentinel_clock (id INTEGER PRIMARY KEY CHECK (id = 1), high REAL NOT NULL, skew REAL NOT NULL);
   ALTER TABLE sentinel_changes ADD COLUMN at REAL NOT NULL DEFAULT 0;`,
]

/**
 * Brings the tables up to date. Their version is kept in a table rather than in `PRAGMA user_version`, which the owner of a
 * shared database may use for their own tables.
 *
 * @throws SentinelError `storage.failed` if the tables were made by a later version of this package.
 */
export function migrate(link: MigratedLink): void {
  link.write(() => {
    link.exec(
      'CREATE TABLE IF NOT EXISTS sentinel_meta (name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID',
    )
    const { value: version } = link.get<{ value: number }>(
      `SELECT value FROM sentinel_meta WHERE name = 'version'`,
    ) ?? { value: 0 }
    if (version > STEPS.length) {
      throw new SentinelError(
        'storage.failed',
        `sqlite: the tables are of version ${version}, but this package knows ${STEPS.length} at most. Update grammy-sentinel.`,
      )
    }
    for (const step of STEPS.slice(version)) link.exec(step)
    link.run(`INSERT OR REPLACE INTO sentinel_meta (name, value) VALUES ('version', ?)`, STEPS.length)
  })
}
