/** Our reading and writing of layers without mounts, against real overlay mounts. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { joinBytePath, ROOT, toBytePath, type BytePath } from '../../src/layer/byte-path.ts';
import { commitUpper } from '../../src/layer/commit.ts';
import { LayerWriter } from '../../src/layer/layer-writer.ts';
import { MergedTree, readLink } from '../../src/layer/merged-tree.ts';
import { permissionsOf } from '../../src/layer/tree-node.ts';
import { describeWith } from '../support/requires.ts';
import { openScratch } from '../support/scratch.ts';
import { dir, file, makeTree, OLD, opaque, symlink, whiteout, type Item } from '../support/tree-spec.ts';

type Items = Record<string, Item>;

const NAMES = ['a', 'b', 'c'];
const name = fc.constantFrom(...NAMES);

const leaf: fc.Arbitrary<Item> = fc.oneof(
  fc
    .record({ size: fc.nat(9), mode: fc.constantFrom(0o644, 0o4755, 0o600) })
    .map(({ size, mode }) => file('x'.repeat(size), { mode })),
  fc.constantFrom('a', '/b', '../c/a').map((target) => symlink(target)),
  fc.constant(whiteout),
);

/** One layer: a table whose keys never go through anything but directories. */
const layer: fc.Arbitrary<Items> = fc
  .array(
    fc.record({
      path: fc.array(name, { minLength: 1, maxLength: 3 }),
      item: fc.oneof(
        { weight: 3, arbitrary: leaf },
        { weight: 1, arbitrary: fc.constantFrom(dir({ mode: 0o711 }), opaque()) },
      ),
    }),
    { maxLength: 8 },
  )
  .map((rows) => {
    const items: Items = {};
    for (const { path, item } of rows) {
      const parents = path.slice(0, -1).map((_, depth) => path.slice(0, depth + 1).join('/'));
      if (parents.some((parent) => items[parent] !== undefined && items[parent].type !== 'dir')) continue;
      for (const parent of parents) items[parent] ??= dir();
      items[path.join('/')] ??= item;
    }
    return items;
  });

const stack = fc.array(layer, { minLength: 1, maxLength: 5 });

const LIST =
  'find . -mindepth 1 -printf \'%P|%y|%m|%U:%G|%l\\n\' | sort; find . -type f -exec sh -c \'for f; do echo "$f=$(cat "$f")"; done\' - {} + | sort';

/** What the kernel shows of the layers, topmost first, after `script` ran in the mount. */
function mounted(
  scratch: string,
  layers: readonly string[],
  options: { upper?: string; script?: string } = {},
): string {
  const common = 'redirect_dir=off,metacopy=off,index=off';
  const upper = options.upper === undefined ? '' : `,upperdir=${options.upper},workdir=${scratch}/work`;
  mkdirSync(`${scratch}/empty`, { recursive: true });
  mkdirSync(`${scratch}/merged`, { recursive: true });
  mkdirSync(`${scratch}/work`, { recursive: true });
  const lowers = [...layers, `${scratch}/empty`].join(':');
  const script = `set -e; mount -t overlay overlay -o lowerdir=${lowers},${common}${upper} ${scratch}/merged; cd ${scratch}/merged; ${options.script ?? ':'}\n${LIST}`;
  const result = spawnSync('unshare', ['--mount', 'sh', '-c', script], {
    encoding: 'utf8',
    env: { PATH: process.env.PATH, LC_ALL: 'C' },
  });
  if (result.status !== 0) throw new Error(`overlay: ${result.stderr}`);
  return result.stdout;
}

const TYPE_LETTERS: Readonly<Record<string, string>> = {
  file: 'f',
  directory: 'd',
  symlink: 'l',
  fifo: 'p',
  char: 'c',
  block: 'b',
  socket: 's',
};

/** The same listing from our tree. */
function listed(tree: MergedTree): string {
  const lines: string[] = [];
  const contents: string[] = [];
  const visit = (at: BytePath): void => {
    for (const entry of tree.list(at)) {
      const path = joinBytePath(at, entry);
      const node = tree.lookup(path)!;
      const target = node.type === 'symlink' ? readLink(node) : '';
      const mode = node.type === 'symlink' ? '777' : permissionsOf(node.stat).toString(8);
      lines.push(
        `${path}|${TYPE_LETTERS[node.type] ?? ''}|${mode}|${node.stat.uid}:${node.stat.gid}|${target}`,
      );
      if (node.type === 'file') contents.push(`./${path}=${tree.readFile(path, 1000).toString()}`);
      if (node.type === 'directory') visit(path);
    }
  };
  visit(ROOT);
  return [...lines.sort(), ...contents.sort()].map((line) => `${line}\n`).join('');
}

const RUNS = { numRuns: Number(process.env['OVERLAY_RUNS'] ?? 60) };

describeWith(['root', 'overlay'], 'layers without mounts', () => {
  it('are read as overlayfs reads them', async () => {
    await fc.assert(
      fc.asyncProperty(stack, async (layers) => {
        await using scratch = await openScratch('overlay');
        const roots = layers.map((items, index) => makeTree(scratch.path(`l${index}`), items));
        expect(listed(new MergedTree(roots))).toBe(mounted(scratch.directory, roots));
      }),
      RUNS,
    );
  });

  it('are committed without losing a change', async () => {
    const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
    const command = fc.oneof(
      path.map((p) => `mkdir -p ${p}`),
      path.map((p) => `rm -rf ${p}`),
      path.map((p) => `printf new > ${p}`),
      path.map((p) => `chmod 700 ${p}`),
      path.map((p) => `touch -r / ${p}`),
      fc.tuple(path, path).map(([a, b]) => `mv ${a} ${b}`),
      fc.tuple(path, path).map(([a, b]) => `mv ${a} ${b} && mv ${b} ${a}`),
      fc.tuple(path, path).map(([a, b]) => `ln ${a} ${b}`),
      fc.tuple(path, path).map(([a, b]) => `rm -rf ${b}; cp -a ${a} ${b}`),
    );
    await fc.assert(
      fc.asyncProperty(stack, fc.array(command, { maxLength: 8 }), async (layers, commands) => {
        await using scratch = await openScratch('overlay');
        const roots = layers.map((items, index) => makeTree(scratch.path(`l${index}`), items));
        const upper = makeTree(scratch.path('upper'), {});
        const script = commands.map((line) => `{ ${line}; } 2>/dev/null || :`).join('\n');
        const seen = mounted(scratch.directory, roots, { upper, script: `:\n${script}` });
        const before = mounted(scratch.directory, roots);
        const { changed } = commitUpper(upper, new MergedTree(roots), { overlay: 'trusted' });
        expect(listed(new MergedTree([upper, ...roots]))).toBe(seen);
        expect(mounted(scratch.directory, [upper, ...roots])).toBe(seen);
        if (!changed) expect(seen).toBe(before);
      }),
      RUNS,
    );
  });

  it('are written as overlayfs would have', async () => {
    const path = fc.array(name, { minLength: 1, maxLength: 3 }).map((parts) => toBytePath(parts.join('/')));
    const attributes = { mode: 0o640, uid: 1, gid: 2, mtimeNs: OLD };
    const change = fc.oneof(
      path.map((p) => (writer: LayerWriter) => writer.writeFile(p, Buffer.from('w'), attributes)),
      path.map((p) => (writer: LayerWriter) => writer.makeDirectory(p, { ...attributes, mode: 0o750 })),
      path.map((p) => (writer: LayerWriter) => writer.makeSymlink(p, 'a', attributes)),
      path.map((p) => (writer: LayerWriter) => writer.remove(p)),
      fc.tuple(path, path).map(
        ([a, b]) =>
          (writer: LayerWriter) =>
            writer.makeHardLink(a, b),
      ),
    );
    await fc.assert(
      fc.asyncProperty(stack, fc.array(change, { minLength: 1, maxLength: 8 }), async (layers, changes) => {
        await using scratch = await openScratch('overlay');
        const roots = layers.map((items, index) => makeTree(scratch.path(`l${index}`), items));
        const target = makeTree(scratch.path('target'), {});
        const lower = new MergedTree(roots);
        const writer = new LayerWriter(target, lower);
        for (const apply of changes) {
          try {
            await apply(writer);
          } catch (error) {
            expect(error).toMatchObject({ code: 'COPY' });
          }
          expect(listed(writer.tree)).toBe(listed(new MergedTree([target, ...roots])));
        }
        const seen = mounted(scratch.directory, [target, ...roots]);
        expect(listed(writer.tree)).toBe(seen);
        commitUpper(target, lower, { overlay: 'trusted' });
        expect(mounted(scratch.directory, [target, ...roots])).toBe(seen);
      }),
      RUNS,
    );
  });
});
