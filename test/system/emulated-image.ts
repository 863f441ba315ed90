/** An image of test programs for arm64 and armhf, compiled on the spot, and the steps that run them. */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, linkSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ownIdentity } from '../../src/sys/identity.ts';
import { kernelSurface } from '../../src/sys/kernel-surface.ts';
import { runSandbox, type Outcome, type SandboxOptions } from '../../src/sys/sandbox.ts';
import type { Isolation } from '../../src/sys/step-emulators.ts';
import { stepPlan, type StepPlanOptions } from '../../src/sys/step-plan.ts';
import { busyboxRootfs } from '../e2e/bases.ts';
import type { Scratch } from '../support/scratch.ts';

const PROGRAMS = join(import.meta.dirname, '../programs');
const ARM64_LIBRARIES = '/usr/aarch64-linux-gnu/lib';

const ARM64 = ['aarch64-linux-gnu-gcc', '-O2'];
const NARROW = ['gcc', '-m32', '-O1', '-static', '-nostdlib', '-fno-pie', '-no-pie', '-fno-stack-protector'];
/** Path in the image, source, compiler. */
const COMPILED: readonly (readonly [path: string, source: string, command: readonly string[]])[] = [
  ['bin/report', 'report.c', [...ARM64, '-static']],
  ['bin/report-pie', 'report.c', [...ARM64, '-static-pie']],
  ['bin/report-dynamic', 'report.c', ARM64],
  ['bin/report-32', 'report.c', ['arm-linux-gnueabihf-gcc', '-O2', '-static']],
  ['bin/ways', 'ways.c', [...ARM64, '-static', '-pthread']],
  ['bin/ways-native', 'ways.c', ['gcc', '-O2', '-static', '-pthread']],
  ['bin/narrow', 'narrow.c', NARROW],
  ['bin/narrow-many', 'narrow.c', [...NARROW, '-DMANY=5000']],
  ['bin/hostile', 'hostile.c', ['gcc', '-O2', '-static']],
];

const SCRIPTS: Readonly<Record<string, string>> = {
  'bin/script': '#!/bin/report\n',
  'bin/script-argument': '#! /bin/report  one argument \t\n',
  'bin/script-script': '#!/bin/script-argument outer\n',
  'bin/script-relative': '#!bin/report\n',
  'bin/script-shell': '#!/bin/sh\necho "$0 $1"\n',
  'bin/script-gone': '#!/no/such\n',
  'bin/script-no-end': '#!/bin/report end',
};

/** Returns the directory of the root file system. */
export async function makeImage(scratch: Scratch): Promise<string> {
  const image = scratch.path('image');
  mkdirSync(image);
  execFileSync('tar', ['-C', image, '-xf', await busyboxRootfs()]);
  for (const [path, source, [compiler = '', ...flags]] of COMPILED) {
    execFileSync(compiler, [...flags, '-o', join(image, path), join(PROGRAMS, source)]);
  }
  for (const [path, text] of Object.entries(SCRIPTS)) writeFileSync(join(image, path), text, { mode: 0o755 });
  mkdirSync(join(image, 'lib'), { recursive: true });
  for (const name of ['ld-linux-aarch64.so.1', 'libc.so.6']) {
    copyFileSync(join(ARM64_LIBRARIES, name), join(image, 'lib', name));
    chmodSync(join(image, 'lib', name), 0o755);
  }
  for (const [name, mode] of [
    ['report-setuid', 0o4755],
    ['report-unreadable', 0o711],
    ['-report', 0o755],
  ] as const) {
    copyFileSync(join(image, 'bin/report'), join(image, 'bin', name));
    chmodSync(join(image, 'bin', name), mode);
  }
  mkdirSync(join(image, 'jail'));
  linkSync(join(image, 'bin/report'), join(image, 'jail/report'));
  chmodSync(image, 0o755);
  return image;
}

export interface Step extends SandboxOptions {
  readonly argv: readonly string[];
  readonly isolation: Isolation;
  readonly uid?: number;
  readonly environment?: readonly string[];
  /** Path on the host. */
  readonly console?: string;
}

export interface Ran {
  readonly outcome: Outcome;
  readonly text: string;
  /** What the step's layer would be. */
  readonly upper: string;
}

let steps = 0;

/** Runs one step on the image, as RUN does. */
export async function runStep(scratch: Scratch, image: string, step: Step): Promise<Ran> {
  const directory = scratch.path(`step-${(steps += 1)}`);
  const chunks: Buffer[] = [];
  const { argv, isolation, uid = 0, environment = [], console: terminal, ...options } = step;
  const plan = stepPlan({
    ...prepareDirectory(directory, image),
    isolation,
    terminal,
    user: { uid, gid: uid, groups: [] },
    environment: ['PATH=/bin', ...environment],
    argv,
  });
  const outcome = await runSandbox(plan, {
    ...(step.terminal === undefined ? { onOutput: (_stream, data) => void chunks.push(data) } : {}),
    ...options,
  });
  return { outcome, text: Buffer.concat(chunks).toString(), upper: join(directory, 'upper') };
}

type Prepared = Omit<StepPlanOptions, 'isolation' | 'user' | 'environment' | 'argv' | 'terminal'>;

function prepareDirectory(directory: string, image: string): Prepared {
  for (const name of ['upper', 'work', 'merged', 'l', 'stubs']) {
    mkdirSync(join(directory, name), { recursive: true });
  }
  for (const name of ['dev', 'proc', 'sys', 'tmp']) mkdirSync(join(directory, 'stubs', name));
  chmodSync(join(directory, 'upper'), 0o755);
  symlinkSync(join(directory, 'stubs'), join(directory, 'l/0'));
  symlinkSync(image, join(directory, 'l/1'));
  return {
    scratch: directory,
    lowerCount: 2,
    network: 'none',
    hostname: 'test',
    binds: [],
    pipes: [],
    mounts: [],
    ...kernelSurface(),
    volatile: true,
    ids: ownIdentity(),
    workdir: '/',
  };
}
