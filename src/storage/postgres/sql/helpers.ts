/**
 * SQL functions used by the generated functions for everything out of the ordinary. A record is an array: the fixed cells of its
 * layout, then sections `tag, until, length, values…` for state of variable length, and for slots unknown to the plan that last
 * wrote the record.
 *
 * @param s The schema, quoted.
 */
export function helpers(s: string): string {
  return `
-- sections, tag -> where the section begins; 0 if there is none.
CREATE FUNCTION ${s}.section_at(sections int8[], tag int8) RETURNS int4 LANGUAGE plpgsql IMMUTABLE AS $f$
DECLARE
  p int4 := 1;
  n int4 := coalesce(cardinality(sections), 0);
BEGIN
  WHILE p + 2 <= n LOOP
    -- An invalid length: the rest cannot be read.
    IF sections[p + 2] IS NULL OR sections[p + 2] < 0 OR sections[p + 2] > n THEN RETURN 0; END IF;
    IF sections[p] = tag THEN RETURN p; END IF;
    p := p + 3 + sections[p + 2]::int4;
  END LOOP;
  RETURN 0;
END $f$;

-- sections, tag -> its values; NULL if it has none.
CREATE FUNCTION ${s}.section(sections int8[], tag int8) RETURNS int8[] LANGUAGE plpgsql IMMUTABLE AS $f$
DECLARE
  p int4 := ${s}.section_at(sections, tag);
BEGIN
  IF p = 0 OR sections[p + 2] = 0 THEN RETURN NULL; END IF;
  RETURN sections[p + 3 : p + 2 + sections[p + 2]::int4];
END $f$;

-- sections, tag, until, values (NULL: none), now -> sections with that section replaced, without the lapsed ones.
CREATE FUNCTION ${s}.with_section(sections int8[], tag int8, till int8, vals int8[], at int8) RETURNS int8[]
LANGUAGE plpgsql IMMUTABLE AS $f$
DECLARE
  p int4 := 1;
  n int4 := coalesce(cardinality(sections), 0);
  size int4;
  kept int8[];
BEGIN
  WHILE p + 2 <= n LOOP
    EXIT WHEN sections[p + 2] IS NULL OR sections[p + 2] < 0 OR sections[p + 2] > n;
    size := 3 + sections[p + 2]::int4;
    IF sections[p] <> tag AND sections[p + 1] > at THEN kept := kept || sections[p : p + size - 1]; END IF;
    p := p + size;
  END LOOP;
  IF cardinality(vals) > 0 THEN kept := kept || ARRAY[tag, till, cardinality(vals)::int8] || vals; END IF;
  RETURN kept;
END $f$;

-- sections, now -> whether all of them have lapsed.
CREATE FUNCTION ${s}.all_lapsed(sections int8[], now int8) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $f$
DECLARE
  p int4 := 1;
  n int4 := cardinality(sections);
BEGIN
  WHILE p + 2 <= n LOOP
    IF (sections[p + 1] <= now AND sections[p + 2] BETWEEN 0 AND n) IS NOT TRUE THEN RETURN false; END IF;
    p := p + 3 + sections[p + 2]::int4;
  END LOOP;
  RETURN true;
END $f$;

-- Converts a record from one layout to another. Cells that the other layout does not have go into sections, until the
-- record would have expired; a record of an unknown layout is ignored.
CREATE FUNCTION ${s}.moved(was int4, state int8[], expires int8, target int4) RETURNS int8[]
LANGUAGE plpgsql STABLE AS $f$
DECLARE
  old ${s}.layouts;
  new ${s}.layouts;
  fixed int8[] := '{}';
  sections int8[];
  p int4;
  i int4;
  j int4;
  width int4;
BEGIN
  SELECT * INTO STRICT new FROM ${s}.layouts WHERE id = target;
  SELECT * INTO old FROM ${s}.layouts WHERE id = was;
  IF old.id IS NOT NULL THEN
    SELECT coalesce(sum(w), 0) INTO p FROM unnest(old.widths) w;
    IF cardinality(state) >= p THEN sections := state[p + 1 :]; ELSE old := NULL; END IF;
  END IF;
  p := 1;
  FOR i IN 1 .. coalesce(cardinality(old.tags), 0) LOOP
    width := old.widths[i];
    IF NOT (old.tags[i] = ANY (new.tags)) THEN
      sections := sections || ARRAY[old.tags[i], expires, width::int8] || state[p : p + width - 1];
    END IF;
    p := p + width;
  END LOOP;
  FOR i IN 1 .. cardinality(new.tags) LOOP
    width := new.widths[i];
    j := coalesce(array_position(old.tags, new.tags[i]), 0);
    IF j > 0 THEN
      SELECT coalesce(sum(w), 0) + 1 INTO p FROM unnest(old.widths[: j - 1]) w;
      fixed := fixed || state[p : p + width - 1];
    ELSE
      j := ${s}.section_at(sections, new.tags[i]);
      IF j > 0 AND sections[j + 2] = width THEN
        fixed := fixed || sections[j + 3 : j + 2 + width];
        sections := ${s}.with_section(sections, new.tags[i], 0, NULL, -1);
      ELSE
        fixed := fixed || array_fill(0::int8, ARRAY[width]);
      END IF;
    END IF;
  END LOOP;
  RETURN fixed || sections;
END $f$;

-- Exact windows: runs of units charged at the same time, oldest first, each as time << 17 | units.

-- runs, n -> when the nth newest unit was charged; NULL if there are fewer.
CREATE FUNCTION ${s}.log_nth(runs int8[], n int8) RETURNS int8 LANGUAGE plpgsql IMMUTABLE AS $f$
DECLARE
  seen int8 := 0;
BEGIN
  FOR i IN REVERSE coalesce(cardinality(runs), 0) .. 1 LOOP
    seen := seen + (runs[i] & 131071);
    IF seen >= n THEN RETURN runs[i] >> 17; END IF;
  END LOOP;
  RETURN NULL;
END $f$;

-- runs, most, since -> units charged after since, among the newest most units.
CREATE FUNCTION ${s}.log_used(runs int8[], most int8, since int8) RETURNS int8 LANGUAGE plpgsql IMMUTABLE AS $f$
DECLARE
  seen int8 := 0;
BEGIN
  FOR i IN REVERSE coalesce(cardinality(runs), 0) .. 1 LOOP
    EXIT WHEN (runs[i] >> 17) <= since OR seen >= most;
    seen := seen + (runs[i] & 131071);
  END LOOP;
  RETURN least(seen, most);
END $f$;

-- runs, units, at, most -> runs with these units added, cut to the newest most units.
CREATE FUNCTION ${s}.log_add(runs int8[], units int8, at int8, most int8) RETURNS int8[]
LANGUAGE plpgsql IMMUTABLE AS $f$
DECLARE
  n int4 := coalesce(cardinality(runs), 0);
  -- The clock of another worker may be ahead: a new run is never older than the last one.
  now int8 := greatest(at, coalesce(runs[n] >> 17, at));
  seen int8 := 0;
  size int8;
BEGIN
  IF n > 0 AND runs[n] >> 17 = now AND (runs[n] & 131071) + units <= 131071 THEN
    runs[n] := runs[n] + units;
  ELSE
    runs := runs || ((now << 17) | units);
    n := n + 1;
  END IF;
  FOR i IN REVERSE n .. 1 LOOP
    size := runs[i] & 131071;
    IF seen + size >= most THEN
      runs[i] := ((runs[i] >> 17) << 17) | (most - seen);
      RETURN runs[i :];
    END IF;
    seen := seen + size;
  END LOOP;
  RETURN runs;
END $f$;

-- runs, units, at -> runs without so many of the units charged at that time.
CREATE FUNCTION ${s}.log_less(runs int8[], units int8, at int8) RETURNS int8[] LANGUAGE plpgsql IMMUTABLE AS $f$
DECLARE
  kept int8[];
  size int8;
BEGIN
  FOR i IN 1 .. coalesce(cardinality(runs), 0) LOOP
    size := runs[i] & 131071;
    IF runs[i] >> 17 = at AND units > 0 THEN
      IF size > units THEN kept := kept || (runs[i] - units); END IF;
      units := units - least(size, units);
    ELSE
      kept := kept || runs[i];
    END IF;
  END LOOP;
  RETURN kept;
END $f$;

-- used in this span, used in the previous span, room, length of a span, the part of the previous one in the window -> how long until a
-- charge fits. All but the times are in thousandths; the caller has checked that it does not fit now.
CREATE FUNCTION ${s}.counters_wait(used int8, before int8, room int8, per int8, covered int8) RETURNS int8
LANGUAGE plpgsql IMMUTABLE AS $f$
DECLARE
  low int8 := 0;
  high int8 := covered + per;
  middle int8;
  fits boolean;
BEGIN
  -- Room only grows while nothing is charged, so a binary search finds the millisecond.
  WHILE high - low > 1 LOOP
    middle := (low + high) / 2;
    IF middle < covered THEN
      fits := before * (covered - middle) + used * per <= room * per;
    ELSE
      fits := middle - covered >= per OR used * (per - (middle - covered)) <= room * per;
    END IF;
    IF fits THEN high := middle; ELSE low := middle; END IF;
  END LOOP;
  RETURN high;
END $f$;

-- Claims on digests that need more than an end: entries of token, until, lease until, serial, state | refuser << 3.

-- entries, token, now -> where the entry of the token begins; 0 if there is none or it has lapsed.
CREATE FUNCTION ${s}.claim_at(entries int8[], token int8, now int8) RETURNS int4 LANGUAGE plpgsql IMMUTABLE AS $f$
BEGIN
  FOR i IN 1 .. coalesce(cardinality(entries), 0) - 4 BY 5 LOOP
    IF entries[i] = token AND entries[i + 1] > now THEN RETURN i; END IF;
  END LOOP;
  RETURN 0;
END $f$;

-- sections, tag of the claim held, tag of the list, token, now -> until, lease until, serial, state | refuser << 3, whether it is
-- in the list; NULL if the token is free.
CREATE FUNCTION ${s}.claim_in(sections int8[], held int8, list int8, token int8, now int8) RETURNS int8[]
LANGUAGE plpgsql IMMUTABLE AS $f$
DECLARE
  p int4 := 1;
  n int4 := cardinality(sections);
  entries int8[] := ${s}.section(sections, list);
  i int4 := ${s}.claim_at(entries, token, now);
BEGIN
  IF i > 0 THEN RETURN entries[i + 1 : i + 4] || 1::int8; END IF;
  WHILE p + 2 <= n LOOP
    EXIT WHEN sections[p + 2] IS NULL OR sections[p + 2] < 0 OR sections[p + 2] > n;
    IF sections[p] = held AND sections[p + 1] > now AND sections[p + 3] = token THEN
      RETURN ARRAY[sections[p + 1], 0, 0, 1, 0];
    END IF;
    p := p + 3 + sections[p + 2]::int4;
  END LOOP;
  RETURN NULL;
END $f$;

-- entries, token, now -> entries without that of the token and the lapsed ones.
CREATE FUNCTION ${s}.claims_less(entries int8[], token int8, now int8) RETURNS int8[]
LANGUAGE plpgsql IMMUTABLE AS $f$
DECLARE
  kept int8[];
BEGIN
  FOR i IN 1 .. coalesce(cardinality(entries), 0) - 4 BY 5 LOOP
    IF entries[i] <> token AND entries[i + 1] > now THEN kept := kept || entries[i : i + 4]; END IF;
  END LOOP;
  RETURN kept;
END $f$;

-- entries -> when the last entry lapses.
CREATE FUNCTION ${s}.claims_until(entries int8[]) RETURNS int8 LANGUAGE plpgsql IMMUTABLE AS $f$
DECLARE
  latest int8 := 0;
BEGIN
  FOR i IN 1 .. coalesce(cardinality(entries), 0) - 4 BY 5 LOOP
    latest := greatest(latest, entries[i + 1]);
  END LOOP;
  RETURN latest;
END $f$;

-- Numbers whose updates are being handled: entries of number, until, serial.

-- entries, number -> its until; 0 if it has no entry.
CREATE FUNCTION ${s}.running_until(entries int8[], number int8) RETURNS int8 LANGUAGE plpgsql IMMUTABLE AS $f$
BEGIN
  FOR i IN 1 .. coalesce(cardinality(entries), 0) - 2 BY 3 LOOP
    IF entries[i] = number THEN RETURN entries[i + 1]; END IF;
  END LOOP;
  RETURN 0;
END $f$;

-- entries, number, now -> entries without that of the number; if there are many, also without the lapsed ones.
CREATE FUNCTION ${s}.running_less(entries int8[], number int8, now int8) RETURNS int8[]
LANGUAGE plpgsql IMMUTABLE AS $f$
DECLARE
  n int4 := coalesce(cardinality(entries), 0);
  kept int8[];
BEGIN
  -- Whether a number has an entry at all is found quickly.
  IF n < 900 AND coalesce(array_position(entries, number), 0) = 0 THEN RETURN entries; END IF;
  FOR i IN 1 .. n - 2 BY 3 LOOP
    IF entries[i] <> number AND (n < 900 OR entries[i + 1] > now) THEN kept := kept || entries[i : i + 2]; END IF;
  END LOOP;
  RETURN kept;
END $f$;

-- Updates the penalty after a refusal. A penalty is violations, counted until, level, banned until, forgotten at, noticed until (NULL:
-- none yet); then the rule (bans NULL: no penalty), how often to send a notice (0: never), whether the check itself refused,
-- and the time -> the penalty, and whether to send a notice.
CREATE FUNCTION ${s}.punished(
  penalty int8[], after int8, within int8, bans int8[], every int8, violated boolean, now int8
) RETURNS int8[] LANGUAGE plpgsql IMMUTABLE AS $f$
DECLARE
  p int8[] := coalesce(penalty[1:6], '{0,0,0,0,0,0}');
  ban int8;
  said int8 := 0;
BEGIN
  IF bans IS NOT NULL AND violated THEN
    IF p[5] <= now THEN p[3] := 0; END IF;
    IF p[2] <= now THEN
      p[1] := 0;
      p[2] := now + within;
    END IF;
    p[1] := p[1] + 1;
    IF p[1] >= after THEN
      ban := bans[least(p[3] + 1, cardinality(bans))];
      p[4] := now + ban;
      p[3] := p[3] + 1;
      p[1] := 0;
      p[2] := 0;
      -- The ladder is forgotten once the longest ban could have passed again without a new one.
      p[5] := p[4] + (SELECT max(b) FROM unnest(bans) b);
    END IF;
  END IF;
  IF every > 0 AND p[6] <= now THEN
    p[6] := now + every;
    said := 1;
  END IF;
  RETURN p || said;
END $f$;
`
}
