/**
 * SQL functions that settle admissions, forget subjects and sweep. Records are locked in the order of (space, bot, subject) and
 * then chunks, as in the functions that decide, so there are no deadlocks. For the same reason tables are locked for writing before
 * they are read: a REINDEX between the two would wait for a function that waits for it.
 *
 * @param s The schema, quoted.
 */
export function settling(s: string): string {
  return `
-- The time of a bot, which never goes back: the server's clock plus all that it was ever put back by.
-- bot, whether to store the time -> time, clock.
CREATE FUNCTION ${s}.time_of(p_bot int8, p_note boolean) RETURNS int8[] LANGUAGE plpgsql VOLATILE AS $f$
DECLARE
  was ${s}.clocks;
  clock int8;
BEGIN
  -- Reads the row before the clock, so that a time stored by another worker is never ahead of the clock.
  SELECT * INTO was FROM ${s}.clocks WHERE bot = p_bot;
  clock := floor(extract(epoch FROM clock_timestamp()) * 1000)::int8;
  IF was.bot IS NULL THEN
    IF p_note THEN
      INSERT INTO ${s}.clocks (bot, high, skew) VALUES (p_bot, clock, 0) ON CONFLICT DO NOTHING;
    END IF;
    RETURN ARRAY[clock, clock];
  END IF;
  IF clock < was.high THEN
    IF p_note THEN
      UPDATE ${s}.clocks SET high = clock, skew = skew + (was.high - clock) WHERE bot = p_bot AND high = was.high;
    END IF;
    RETURN ARRAY[was.high + was.skew, clock];
  END IF;
  IF p_note AND clock > was.high + 1000 THEN
    UPDATE ${s}.clocks SET high = clock WHERE bot = p_bot AND high = was.high;
  END IF;
  RETURN ARRAY[clock + was.skew, clock];
END $f$;

-- layout, state, tag -> where the cells of a slot begin in a record, fixed or in a section; 0 if it has none.
CREATE FUNCTION ${s}.cells_at(layout int4, state int8[], tag int8) RETURNS int4 LANGUAGE plpgsql STABLE AS $f$
DECLARE
  l ${s}.layouts;
  p int4 := 1;
  n int4;
BEGIN
  SELECT * INTO l FROM ${s}.layouts WHERE id = layout;
  IF l.id IS NULL THEN RETURN 0; END IF;
  FOR i IN 1 .. cardinality(l.tags) LOOP
    IF l.tags[i] = tag THEN RETURN p; END IF;
    p := p + l.widths[i];
  END LOOP;
  n := ${s}.section_at(state[p :], tag);
  RETURN CASE WHEN n = 0 THEN 0 ELSE p - 1 + n + 3 END;
END $f$;

-- layout -> how many fixed cells it has.
CREATE FUNCTION ${s}.fixed_cells(layout int4) RETURNS int4 LANGUAGE sql STABLE AS $f$
  SELECT coalesce((SELECT sum(w)::int4 FROM unnest(l.widths) w), 0) FROM ${s}.layouts l WHERE l.id = layout
$f$;

-- Settles admissions.
-- p_bot, p_now: the bot and its time (-1: the server's), p_ops: operations of ten numbers each, in the order of their locks
--   1 bucket:   1, space, subject, tag, ms, 2^-19 ms            shortens the time until it is full
--   2 log:      2, space, subject, tag, units, charged at
--   3 counters: 3, space, subject, tag, thousandths, charged at, per
--   4 fixed:    4, space, subject, tag, thousandths, charged at, per
--   5 claim:    5, space, subject, tag, token, serial, to       to: 1 held, 2 paid
--   6 sequence: 6, slot, subject, chunk, number in it, serial, to, taken at, whether leased
-- -> how many operations changed something.
CREATE FUNCTION ${s}.settle(p_bot int8, p_now int8, p_ops int8[]) RETURNS int4 LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $f$
DECLARE
  now int8 := CASE WHEN p_now < 0 THEN (${s}.time_of(p_bot, false))[1] ELSE p_now END;
  w int4;
  done int4 := 0;
  r ${s}.records;
  c ${s}.chunks;
  p int4;
  n int4;
  v int8[];
  st int4;
  b int4;
  late boolean;
  dirty boolean := false;
BEGIN
  LOCK TABLE ${s}.records, ${s}.chunks IN ROW EXCLUSIVE MODE;
  FOR a IN 1 .. cardinality(p_ops) / 10 LOOP
    w := (a - 1) * 10;
    IF p_ops[w + 1] < 6 THEN
      SELECT * INTO r FROM ${s}.records
        WHERE space = p_ops[w + 2] AND bot = p_bot AND subject = p_ops[w + 3] FOR UPDATE;
      CONTINUE WHEN NOT FOUND;
      p := ${s}.cells_at(r.layout, r.state, p_ops[w + 4]);
      CONTINUE WHEN p = 0;
      CASE p_ops[w + 1]
        WHEN 1 THEN
          CONTINUE WHEN r.state[p] = 0;
          r.state[p] := greatest(1, r.state[p] - ((p_ops[w + 5] << 19) + p_ops[w + 6]));
        WHEN 3 THEN
          -- Charges before the previous span no longer count.
          CONTINUE WHEN p_ops[w + 6] >= r.state[p] + p_ops[w + 7] OR p_ops[w + 6] < r.state[p] - p_ops[w + 7];
          IF p_ops[w + 6] >= r.state[p] THEN p := p + 1; ELSE p := p + 2; END IF;
          r.state[p] := greatest(0, r.state[p] - p_ops[w + 5]);
        WHEN 4 THEN
          CONTINUE WHEN p_ops[w + 6] < r.state[p] OR p_ops[w + 6] >= r.state[p] + p_ops[w + 7];
          r.state[p + 1] := greatest(0, r.state[p + 1] - p_ops[w + 5]);
        ELSE
          n := ${s}.fixed_cells(r.layout);
          v := ${s}.section(r.state[n + 1 :], p_ops[w + 4]);
          IF p_ops[w + 1] = 2 THEN
            v := ${s}.log_less(v, p_ops[w + 5], p_ops[w + 6]);
          ELSE
            p := ${s}.claim_at(v, p_ops[w + 5], now);
            CONTINUE WHEN p = 0 OR (v[p + 4] & 7) = 4;
            late := (v[p + 4] & 7) = 3 AND v[p + 2] <= now;
            CONTINUE WHEN CASE WHEN late THEN p_ops[w + 7] <> 1 ELSE v[p + 3] <> p_ops[w + 6] END;
            v[p + 4] := p_ops[w + 7];
          END IF;
          r.state := r.state[1 : n] || ${s}.with_section(r.state[n + 1 :], p_ops[w + 4], r.expires, v, -1);
      END CASE;
      UPDATE ${s}.records SET state = r.state WHERE space = r.space AND bot = r.bot AND subject = r.subject;
      done := done + 1;
    ELSE
      IF c.slot IS NULL OR c.slot <> p_ops[w + 2] OR c.subject <> p_ops[w + 3] OR c.number <> p_ops[w + 4] THEN
        IF dirty THEN
          UPDATE ${s}.chunks SET bits = c.bits, running = c.running
            WHERE slot = c.slot AND bot = c.bot AND subject = c.subject AND number = c.number;
          dirty := false;
        END IF;
        SELECT * INTO c FROM ${s}.chunks
          WHERE slot = p_ops[w + 2] AND bot = p_bot AND subject = p_ops[w + 3] AND number = p_ops[w + 4]
          FOR UPDATE;
        CONTINUE WHEN NOT FOUND;
      END IF;
      CONTINUE WHEN c.lapses <= now;
      b := get_byte(c.bits, (p_ops[w + 5] >> 2)::int4);
      n := ((p_ops[w + 5] & 3) * 2)::int4;
      st := (b >> n) & 3;
      IF st = 1 THEN
        -- A bitmap has no serials: a claim taken before this chunk was created does not settle this one.
        CONTINUE WHEN p_ops[w + 9] <> 0 OR c.created > p_ops[w + 8] OR p_ops[w + 7] = 1;
      ELSIF st = 3 THEN
        p := 0;
        FOR i IN 1 .. coalesce(cardinality(c.running), 0) - 2 BY 3 LOOP
          IF c.running[i] = p_ops[w + 5] THEN p := i; EXIT; END IF;
        END LOOP;
        late := p = 0 OR c.running[p + 1] <= now;
        CONTINUE WHEN CASE WHEN late THEN p_ops[w + 7] = 2 ELSE c.running[p + 2] <> p_ops[w + 6] END;
        IF p > 0 THEN c.running := c.running[: p - 1] || c.running[p + 3 :]; END IF;
      ELSE
        CONTINUE;
      END IF;
      c.bits := set_byte(c.bits, (p_ops[w + 5] >> 2)::int4, (b & ~(3 << n)) | (p_ops[w + 7]::int4 << n));
      dirty := true;
      done := done + 1;
    END IF;
  END LOOP;
  IF dirty THEN
    UPDATE ${s}.chunks SET bits = c.bits, running = c.running
      WHERE slot = c.slot AND bot = c.bot AND subject = c.subject AND number = c.number;
  END IF;
  RETURN done;
END $f$;

-- Forgets a subject. p_names: the names of a slot's tags (NULL: everything), p_chunks: what the names of its claims begin with.
CREATE FUNCTION ${s}.forget(p_bot int8, p_subject int8, p_names text[], p_chunks text) RETURNS void
LANGUAGE plpgsql VOLATILE AS $f$
DECLARE
  gone int8[];
  l ${s}.layouts;
  r ${s}.records;
  n int4;
  p int4;
  tag int8;
  sections int8[];
BEGIN
  LOCK TABLE ${s}.records, ${s}.chunks IN ROW EXCLUSIVE MODE;
  IF p_names IS NULL THEN
    DELETE FROM ${s}.records USING ${s}.names
      WHERE starts_with(names.name, '["space",') AND space = names.id AND bot = p_bot AND subject = p_subject;
  ELSE
    SELECT coalesce(array_agg(id::int8), '{}') INTO gone FROM ${s}.names WHERE name = ANY (p_names);
    FOR r IN SELECT records.* FROM ${s}.records JOIN ${s}.names ON names.id = space
        WHERE starts_with(names.name, '["space",') AND bot = p_bot AND subject = p_subject
        ORDER BY space FOR UPDATE OF records
    LOOP
      SELECT * INTO l FROM ${s}.layouts WHERE id = r.layout;
      p := 1;
      FOR i IN 1 .. coalesce(cardinality(l.tags), 0) LOOP
        n := p + l.widths[i];
        WHILE p < n LOOP
          IF l.tags[i] = ANY (gone) THEN r.state[p] := 0; END IF;
          p := p + 1;
        END LOOP;
      END LOOP;
      sections := r.state[p :];
      FOREACH tag IN ARRAY gone LOOP
        sections := ${s}.with_section(sections, tag, 0, NULL, -1);
      END LOOP;
      UPDATE ${s}.records SET state = r.state[: p - 1] || sections
        WHERE space = r.space AND bot = r.bot AND subject = r.subject;
    END LOOP;
  END IF;
  DELETE FROM ${s}.chunks USING ${s}.names
    WHERE starts_with(names.name, p_chunks) AND slot = names.id AND bot = p_bot AND subject = p_subject;
END $f$;

-- Deletes what has lapsed from p_pages pages of each table, beginning with page p_from. One worker at a time does so.
-- p_now: NULL for the server's clock -> rows of records, chunks, marks and values deleted, and pages of the longest
-- table; NULL if another worker is doing it.
CREATE FUNCTION ${s}.sweep(p_now float8, p_from int8, p_pages int8) RETURNS int8[] LANGUAGE plpgsql VOLATILE
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off AS $f$
DECLARE
  now float8 := coalesce(p_now, extract(epoch FROM clock_timestamp()) * 1000);
  first tid := format('(%s,0)', p_from)::tid;
  after tid := format('(%s,0)', p_from + p_pages)::tid;
  gone int8[];
  n int8;
BEGIN
  IF NOT pg_try_advisory_xact_lock(hashtextextended('grammy-sentinel sweep ${s}', 0)) THEN RETURN NULL; END IF;
  DELETE FROM ${s}.records WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM ${s}.records WHERE ctid >= first AND ctid < after AND expires <= now FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS n = ROW_COUNT;
  gone := gone || n;
  DELETE FROM ${s}.chunks WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM ${s}.chunks WHERE ctid >= first AND ctid < after AND lapses <= now FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS n = ROW_COUNT;
  gone := gone || n;
  DELETE FROM ${s}.marks WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM ${s}.marks WHERE ctid >= first AND ctid < after AND until <= now FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS n = ROW_COUNT;
  gone := gone || n;
  DELETE FROM ${s}.values WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM ${s}.values WHERE ctid >= first AND ctid < after AND until <= now FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS n = ROW_COUNT;
  gone := gone || n;
  SELECT max(pg_relation_size(t)) / current_setting('block_size')::int8 INTO n
    FROM unnest(ARRAY['${s}.records', '${s}.chunks', '${s}.marks', '${s}.values']::regclass[]) t;
  RETURN gone || n;
END $f$;

-- Deletes the records of a bot that could not be read: pairs of space and subject, and pairs of slot and subject for chunks.
CREATE FUNCTION ${s}.drop_records(p_bot int8, p_spaces int8[], p_subjects int8[], p_slots int8[], p_owners int8[])
RETURNS int4 LANGUAGE sql VOLATILE AS $f$
  WITH gone AS (
    DELETE FROM ${s}.records USING unnest(p_spaces, p_subjects) AS w(wanted, who)
      WHERE space = wanted AND bot = p_bot AND subject = who RETURNING 1
  ), lost AS (
    DELETE FROM ${s}.chunks USING unnest(p_slots, p_owners) AS w(wanted, who)
      WHERE slot = wanted AND bot = p_bot AND subject = who RETURNING 1
  )
  SELECT ((SELECT count(*) FROM gone) + (SELECT count(*) FROM lost))::int4
$f$;
`
}
