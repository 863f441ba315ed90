/** The place of the store. */
import { advice, asRoot, ok, ourselves, type Check, type Finding, type Fix } from './check.ts';
import { otherPlace } from './kernel.ts';
import type { HostFacts } from '../facts/host-facts.ts';

export const STORE_CHECKS: readonly Check[] = [
  { id: 'store', title: 'store', run: place },
  { id: 'store-space', title: 'room in the store', run: room },
];

interface OptionFault extends Pick<Finding, 'state' | 'why'> {
  /** The mount option that undoes it. */
  readonly opposite: string;
}

const OPTION_FAULTS: Readonly<Record<string, OptionFault>> = {
  noexec: { state: 'fail', why: 'programs of an image cannot be started from there', opposite: 'exec' },
  ro: { state: 'fail', why: 'nothing can be stored', opposite: 'rw' },
  nosuid: { state: 'warn', why: 'sudo and su do not work in steps', opposite: 'suid' },
  nodev: {
    state: 'info',
    why: 'device nodes in images do not work in steps; /dev of a step is not affected',
    opposite: 'dev',
  },
};

const NETWORK = new Set([
  'nfs',
  'nfs4',
  'cifs',
  'smb3',
  '9p',
  'virtiofs',
  'ceph',
  'fuse.sshfs',
  'vboxsf',
  'drvfs',
]);

function place(facts: HostFacts): readonly Finding[] {
  const { directory, existing, mount, writable } = facts.store;
  const where = `${directory} on ${mount?.type ?? 'an unknown file system'}`;
  const faults = (mount?.options ?? []).flatMap((option): Finding[] => {
    const fault = OPTION_FAULTS[option];
    if (fault === undefined) return [];
    const { state, why = '', opposite } = fault;
    return [{ state, why, found: `${where} mounted ${option}`, fix: remounting(facts, opposite) }];
  });
  if (!writable && !faults.some(({ state }) => state === 'fail')) {
    const found = `${directory}: ${existing} is not writable`;
    return [
      { state: 'fail', found, why: 'nothing can be stored', fix: otherPlace(facts, 'it must belong to you') },
      ...faults,
    ];
  }
  if (NETWORK.has(mount?.type ?? '')) {
    const why = 'owners, attributes and locks of a network file system are not those of a local one';
    faults.push({ state: 'warn', found: where, why, fix: otherPlace(facts, 'a local disk') });
  }
  return faults.length > 0 ? faults : ok(where);
}

function remounting({ store: { mount, alternative } }: HostFacts, option: string): Fix {
  const note = `or choose another place with --root${alternative === undefined ? '' : `, such as ${alternative}`}`;
  if (mount === undefined) return advice(note);
  return asRoot(
    [['mount', '-o', option === 'rw' ? 'remount,rw' : `remount,bind,${option}`, mount.directory]],
    note,
  );
}

const GIB = 2 ** 30;
const FEW_BYTES = 2 * GIB;
const TOO_FEW_BYTES = GIB / 4;
const FEW_INODES = 50_000;
const TOO_FEW_INODES = 1000;

function room(facts: HostFacts): readonly Finding[] {
  const { freeBytes, freeInodes, alternative } = facts.store;
  const found = `${(freeBytes / GIB).toFixed(1)} GiB free${freeInodes === undefined ? '' : `, ${freeInodes} inodes`}`;
  const elsewhere =
    alternative === undefined ? 'or --root elsewhere' : `or another place, such as --root ${alternative}`;
  const fix: Fix = { ...ourselves(facts, ['prune'], elsewhere), by: 'person' };
  if (freeBytes < TOO_FEW_BYTES) return [{ state: 'fail', found, why: 'a base image does not fit', fix }];
  if (freeInodes !== undefined && freeInodes < TOO_FEW_INODES)
    return [{ state: 'fail', found, why: 'the files of a base image do not fit', fix }];
  if (freeBytes < FEW_BYTES) return [{ state: 'warn', found, why: 'a larger image may not fit', fix }];
  if (freeInodes !== undefined && freeInodes < FEW_INODES) {
    return [{ state: 'warn', found, why: 'a base image has tens of thousands of files', fix }];
  }
  return ok(found);
}
