/** Semantic versions, as Masterminds/semver reads and compares them. */
import { formatValue } from '../format.ts';
import { FunctionError } from '../template-error.ts';
import { GoObject, type Value } from '../value.ts';
import { text, type FunctionTable } from './arguments.ts';

export const VERSIONS: FunctionTable = {
  semver: (value) => versionObject(requireVersion(text(value))),
  semverCompare: (constraint, value) => satisfies(text(constraint), text(value)),
};

interface Version {
  readonly numbers: readonly [number, number, number];
  readonly prerelease: string;
  readonly metadata: string;
  readonly original: string;
}

const VERSION = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:\+([0-9A-Za-z.-]+))?$/;

function requireVersion(value: string): Version {
  const match = VERSION.exec(value.trim());
  if (match === null) throw new FunctionError('Invalid Semantic Version');
  const [, major = '0', minor = '0', patch = '0', prerelease = '', metadata = ''] = match;
  return { numbers: [Number(major), Number(minor), Number(patch)], prerelease, metadata, original: value };
}

function versionObject(version: Version): GoObject {
  const [major, minor, patch] = version.numbers;
  const { prerelease, metadata, original } = version;
  const whole = `${major}.${minor}.${patch}${prerelease === '' ? '' : `-${prerelease}`}${metadata === '' ? '' : `+${metadata}`}`;
  const versionOf = (value: Value | undefined): Version =>
    requireVersion(value instanceof GoObject ? formatValue(value) : text(value));
  return new GoObject('*semver.Version', {
    fields: {
      Major: BigInt(major),
      Minor: BigInt(minor),
      Patch: BigInt(patch),
      Prerelease: prerelease,
      Metadata: metadata,
      Original: original,
    },
    methods: {
      String: () => whole,
      Compare: (other) => BigInt(compareVersions(version, versionOf(other))),
      LessThan: (other) => compareVersions(version, versionOf(other)) < 0,
      GreaterThan: (other) => compareVersions(version, versionOf(other)) > 0,
      Equal: (other) => compareVersions(version, versionOf(other)) === 0,
    },
  });
}

function compareVersions(one: Version, other: Version): number {
  for (const index of [0, 1, 2] as const) {
    const difference = one.numbers[index] - other.numbers[index];
    if (difference !== 0) return Math.sign(difference);
  }
  return comparePrereleases(one.prerelease, other.prerelease);
}

/** None is later than any. */
function comparePrereleases(one: string, other: string): number {
  if (one === other) return 0;
  if (one === '' || other === '') return one === '' ? 1 : -1;
  const [left, right] = [one.split('.'), other.split('.')];
  for (let index = 0; index < Math.max(left.length, right.length); index++) {
    const [a, b] = [left[index], right[index]];
    if (a === undefined || b === undefined) return a === undefined ? -1 : 1;
    if (a === b) continue;
    const [isNumber, otherIsNumber] = [/^\d+$/.test(a), /^\d+$/.test(b)];
    if (isNumber && otherIsNumber) return Math.sign(Number(a) - Number(b));
    if (isNumber !== otherIsNumber) return isNumber ? -1 : 1;
    return a < b ? -1 : 1;
  }
  return 0;
}

/** Throws FunctionError for what is no constraint or no version. */
export function satisfies(constraint: string, value: string): boolean {
  const version = requireVersion(value);
  return constraint.split('||').some((group) => terms(group).every((term) => holds(term, version)));
}

interface Term {
  readonly operator: string;
  readonly version: Version;
  /** How many numbers were given, wildcards left out. */
  readonly given: number;
}

const TERM =
  /\s*(=|!=|>=|=>|<=|=<|>|<|~>|~|\^)?\s*(v?(?:\d+|[xX*])(?:\.(?:\d+|[xX*]))?(?:\.(?:\d+|[xX*]))?(?:-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?)\s*,?/y;

function terms(group: string): Term[] {
  const ranged = group.replace(/(\S+)\s+-\s+(\S+)/g, '>=$1 <=$2').trim();
  if (ranged === '') throw new FunctionError(`improper constraint: ${group}`);
  const found: Term[] = [];
  TERM.lastIndex = 0;
  while (TERM.lastIndex < ranged.length) {
    const match = TERM.exec(ranged);
    if (match === null) throw new FunctionError(`improper constraint: ${group.trim()}`);
    const [, operator = '=', text_ = ''] = match;
    const numbers = text_.replace(/^v/, '').split(/[-+]/, 1)[0]?.split('.') ?? [];
    const wildcard = numbers.findIndex((each) => /^[xX*]$/.test(each));
    const given = wildcard < 0 ? numbers.length : wildcard;
    const plain = given === 0 ? '0' : text_.replace(/\.[xX*]/g, '');
    found.push({ operator, version: requireVersion(plain), given });
  }
  return found;
}

/** A prerelease is only meant by a constraint that has one too. */
function holds({ operator, version: wanted, given }: Term, version: Version): boolean {
  if (version.prerelease !== '' && wanted.prerelease === '') return operator === '!=';
  const order = compareVersions(version, wanted);
  const isWithin = (count: number): boolean =>
    version.numbers.slice(0, count).every((each, index) => each === wanted.numbers[index]);
  switch (operator) {
    case '=':
      return given < 3 ? isWithin(given) : order === 0;
    case '!=':
      return given < 3 ? !isWithin(given) : order !== 0;
    case '>':
      return given < 3 ? order > 0 && !isWithin(given) : order > 0;
    case '<':
      return order < 0;
    case '>=':
    case '=>':
      return order >= 0;
    case '<=':
    case '=<':
      return order <= 0 || (given < 3 && isWithin(given));
    case '~':
    case '~>':
      return order >= 0 && isWithin(Math.min(given, 2));
    default:
      return order >= 0 && isWithin(caretDepth(wanted, given));
  }
}

/** `^` holds on to the first number that is not 0. */
function caretDepth({ numbers }: Version, given: number): number {
  const first = numbers.findIndex((each) => each !== 0);
  return Math.min(first < 0 ? given : first + 1, given);
}
