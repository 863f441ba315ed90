/** Dates: the clock stands still at the epoch, so that a chart renders the same in every build. All times are UTC. */
import { GoObject, type Value } from '../value.ts';
import { text, toInteger, withAliases, type FunctionTable } from './arguments.ts';

const MONTHS = 'January February March April May June July August September October November December'.split(
  ' ',
);
const DAYS = 'Sunday Monday Tuesday Wednesday Thursday Friday Saturday'.split(' ');

export const DATES: FunctionTable = withAliases(
  {
    now: () => timeObject(0),
    date: (layout, value) => format(text(layout), millisecondsOf(value)),
    dateInZone: (layout, value) => format(text(layout), millisecondsOf(value)),
    htmlDate: (value) => format('2006-01-02', millisecondsOf(value)),
    htmlDateInZone: (value) => format('2006-01-02', millisecondsOf(value)),
    dateModify: (change, value) => timeObject(millisecondsOf(value) + duration(text(change))),
    ago: () => '0s',
    toDate: (_, value) => timeObject(Date.parse(`${text(value)}Z`) || 0),
    unixEpoch: (value) => String(Math.floor(millisecondsOf(value) / 1000)),
    duration: (seconds) => durationText(typeof seconds === 'string' ? Number(toInteger(seconds)) : 0),
    durationRound: (value) => text(value),
  },
  {
    date_in_zone: 'dateInZone',
    date_modify: 'dateModify',
    mustDateModify: 'dateModify',
    mustToDate: 'toDate',
  },
);

function timeObject(milliseconds: number): GoObject {
  return new GoObject('time.Time', {
    fields: { milliseconds },
    methods: {
      String: () => format('2006-01-02 15:04:05 +0000 UTC', milliseconds),
      Format: (layout) => format(text(layout), milliseconds),
      Unix: () => BigInt(Math.floor(milliseconds / 1000)),
      UnixNano: () => BigInt(milliseconds) * 1_000_000n,
      Year: () => BigInt(new Date(milliseconds).getUTCFullYear()),
      UTC: () => timeObject(milliseconds),
    },
  });
}

function millisecondsOf(value: Value | undefined): number {
  if (value instanceof GoObject) return Number(value.fields.get('milliseconds') ?? 0);
  return typeof value === 'bigint' || typeof value === 'number' ? Number(value) * 1000 : 0;
}

/** The parts of Go's reference time, longest first. */
const PARTS: readonly (readonly [string, (date: Date) => string])[] = [
  ['January', (date) => MONTHS[date.getUTCMonth()] ?? ''],
  ['Monday', (date) => DAYS[date.getUTCDay()] ?? ''],
  ['2006', (date) => String(date.getUTCFullYear())],
  ['Z07:00', () => 'Z'],
  ['-07:00', () => '+00:00'],
  ['-0700', () => '+0000'],
  ['Jan', (date) => (MONTHS[date.getUTCMonth()] ?? '').slice(0, 3)],
  ['Mon', (date) => (DAYS[date.getUTCDay()] ?? '').slice(0, 3)],
  ['MST', () => 'UTC'],
  ['01', (date) => two(date.getUTCMonth() + 1)],
  ['02', (date) => two(date.getUTCDate())],
  ['03', (date) => two(date.getUTCHours() % 12 || 12)],
  ['04', (date) => two(date.getUTCMinutes())],
  ['05', (date) => two(date.getUTCSeconds())],
  ['06', (date) => two(date.getUTCFullYear() % 100)],
  ['15', (date) => two(date.getUTCHours())],
  ['PM', (date) => (date.getUTCHours() < 12 ? 'AM' : 'PM')],
  ['1', (date) => String(date.getUTCMonth() + 1)],
  ['2', (date) => String(date.getUTCDate())],
  ['3', (date) => String(date.getUTCHours() % 12 || 12)],
  ['4', (date) => String(date.getUTCMinutes())],
  ['5', (date) => String(date.getUTCSeconds())],
];
const PART = new RegExp(PARTS.map(([part]) => part.replace(/[-+]/g, '\\$&')).join('|'), 'g');

const two = (value: number): string => String(value).padStart(2, '0');

function format(layout: string, milliseconds: number): string {
  const date = new Date(milliseconds);
  return layout.replace(PART, (part) => PARTS.find(([each]) => each === part)?.[1](date) ?? part);
}

const UNITS: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1 };

function duration(value: string): number {
  const sign = value.startsWith('-') ? -1 : 1;
  const parts = [...value.matchAll(/(\d+(?:\.\d+)?)(ms|h|m|s)/g)];
  return sign * parts.reduce((sum, [, count, unit = '']) => sum + Number(count) * (UNITS[unit] ?? 0), 0);
}

function durationText(seconds: number): string {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  const rest = `${seconds % 60}s`;
  if (hours > 0) return `${hours}h${minutes}m${rest}`;
  return minutes > 0 ? `${minutes}m${rest}` : rest;
}
