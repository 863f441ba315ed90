/** The place of the store. */
import { ok, type Check, type Finding } from './check.ts';
import type { HostFacts } from '../facts/host-facts.ts';

export const STORE_CHECKS: readonly Check[] = [
  { id: 'store', title: 'store', run: place },
  { id: 'store-space', title: 'room in the store', run: room },
];

const OPTION_FAULTS: Readonly<Record<string, Pick<Finding, 'state' | 'why'>>> = {
  noexec: { state: 'fail', why: 'programs of an image cannot be started from there' },
  ro: { state: 'fail', why: 'nothing can be stored' },
  nosuid: { state: 'warn', why: 'sudo and su do not work in steps' },
  nodev: {
    state: 'info',
    why: 'device nodes in images do not work in steps; /dev of a step is not affected',
  },
};

function place({ store }: HostFacts): readonly Finding[] {
  const { directory, existing, mount, writable } = store;
  const where = `${directory} on ${mount?.type ?? 'an unknown file system'}`;
  if (!writable) {
    const found = `${directory}: ${existing} is not writable`;
    return [{ state: 'fail', found, why: 'nothing can be stored', fix: 'choose another place with --root' }];
  }
  const faults = (mount?.options ?? []).flatMap((option): Finding[] => {
    const fault = OPTION_FAULTS[option];
    return fault === undefined
      ? []
      : [{ ...fault, found: `${where} mounted ${option}`, fix: 'choose another place with --root' }];
  });
  return faults.length > 0 ? faults : ok(where);
}

const GIB = 2 ** 30;
const FEW_BYTES = 2 * GIB;
const TOO_FEW_BYTES = GIB / 4;
const FEW_INODES = 50_000;

function room({ store: { freeBytes, freeInodes } }: HostFacts): readonly Finding[] {
  const found = `${(freeBytes / GIB).toFixed(1)} GiB free${freeInodes === undefined ? '' : `, ${freeInodes} inodes`}`;
  const fix = 'arch-build prune, or choose another place with --root';
  if (freeBytes < TOO_FEW_BYTES) return [{ state: 'fail', found, why: 'a base image does not fit', fix }];
  if (freeBytes < FEW_BYTES) return [{ state: 'warn', found, why: 'a larger image may not fit', fix }];
  if (freeInodes !== undefined && freeInodes < FEW_INODES) {
    return [{ state: 'warn', found, why: 'a base image has tens of thousands of files', fix }];
  }
  return ok(found);
}
