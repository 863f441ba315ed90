/**
 * The conformance cases of buildah: Dockerfiles and build contexts which buildah and docker are to build alike. They
 * come out of Debian's source package; nothing of them is kept here.
 */
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { debianSource } from '../debian-data.ts';
import { goRows, goText, type GoValue } from '../go-literal.ts';
import { runContextHook } from './context-hooks.ts';

export interface BuildahCase {
  /** Unique: the second case of one name has `-2` behind it. */
  readonly name: string;
  readonly buildArgs: readonly string[];
  /** Their table says that the build fails. */
  readonly shouldFail: boolean;
  /** Writes the context into a directory that does not exist yet; the path of the Dockerfile in it. */
  readonly arrange: (context: string) => string;
}

/** Their table of 1.39 has every case of the older ones. */
export async function readBuildahCases(): Promise<BuildahCase[]> {
  const source = await debianSource('golang-github-containers-buildah', 'trixie');
  const folder = join(source, 'orig/tests/conformance');
  const { text, hooks } = setHooksAside(readFileSync(join(folder, 'conformance_test.go'), 'utf8'));
  const rows = goRows(text, /^var internalTestCases = \[\]testCase(?=\{)/m, {
    names: { 'syscall.S_ISUID': 0o4000, 'syscall.S_ISGID': 0o2000, 'syscall.S_ISVTX': 0o1000 },
    calls: { 'fmt.Sprintf': printOctal, selinuxMountFlag: () => '' },
  });
  const seen = new Map<string, number>();
  return rows.map((row) => {
    const name = goText(row['name']).replaceAll(' ', '-');
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    const hook = row['tweakContextDir'] === undefined ? undefined : hooks[Number(row['tweakContextDir'])];
    return {
      name: count === 1 ? name : `${name}-${String(count)}`,
      buildArgs: Object.entries((row['buildArgs'] ?? {}) as Record<string, string>).map(
        ([key, value]) => `${key}=${value}`,
      ),
      shouldFail: row['shouldFailAt'] !== undefined,
      arrange: (context) => arrange({ row, hook, testdata: join(folder, 'testdata') }, context),
    };
  });
}

/** The hooks are code, which no literal holds: a number stands for each. */
function setHooksAside(source: string): { text: string; hooks: string[] } {
  const hooks: string[] = [];
  const text = source.replace(
    /^(\t\ttweakContextDir: +)func\([^\n]*\{\n([^]*?)^\t\t\},$/gm,
    (_all, key: string, body: string) => `${key}${String(hooks.push(body) - 1)},`,
  );
  return { text, hooks };
}

/** Only octal numbers occur. */
function printOctal(format: GoValue | undefined, ...values: GoValue[]): string {
  return goText(format).replace(/%o/g, () => Number(values.shift()).toString(8));
}

interface Source {
  readonly row: { [key: string]: GoValue };
  readonly hook: string | undefined;
  readonly testdata: string;
}

function arrange({ row, hook, testdata }: Source, context: string): string {
  const folder = row['contextDir'] === undefined ? undefined : goText(row['contextDir']);
  const file = row['dockerfile'] === undefined ? 'Dockerfile' : goText(row['dockerfile']);
  if (folder !== undefined)
    cpSync(join(testdata, folder), context, { recursive: true, verbatimSymlinks: true });
  else mkdirSync(context);
  const dockerfile = join(context, folder === undefined ? basename(file) : file);
  const inline = row['dockerfileContents'];
  if (inline !== undefined) writeFileSync(dockerfile, goText(inline));
  else if (!existsSync(dockerfile)) cpSync(join(testdata, file), dockerfile);
  writeFileSync(dockerfile, offline(readFileSync(dockerfile, 'utf8')));
  setModes(context);
  if (hook !== undefined) runContextHook(hook, context);
  return dockerfile;
}

/** Neither another frontend nor a certain image of busybox can be fetched. */
function offline(dockerfile: string): string {
  return dockerfile.replace(/^# *syntax *=.*\n/gm, '').replace(/^(FROM \S+?)@sha256:\w+/gm, '$1');
}

/** The same on every machine, whatever umask unpacked the data; not 0755, which builders make up for themselves. */
function setModes(path: string): void {
  const status = lstatSync(path);
  if (status.isSymbolicLink()) return;
  chmodSync(path, status.isDirectory() || (status.mode & 0o100) !== 0 ? 0o775 : 0o664);
  if (status.isDirectory()) for (const name of readdirSync(path)) setModes(join(path, name));
}
