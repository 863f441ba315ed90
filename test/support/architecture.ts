/**
 * The rules of the house as data, and the check of a source tree against them.
 *
 * Only imports, names and sizes are looked at; every kind of import counts (static, type-only, `import()`, import
 * types, `require`), because each of them ties one room to another.
 */
import { dirname, join, normalize } from 'node:path/posix';
import ts from 'typescript';

/** Source text by path below `src/`, such as `oci/digest.ts`. */
export type SourceTree = ReadonlyMap<string, string>;

export interface Violation {
  readonly rule: Rule;
  /** The file that breaks it, and how. */
  readonly what: string;
}

export type Rule =
  | 'files live in a room'
  | 'no barrels'
  | 'no utils'
  | 'files have at most 300 lines'
  | 'own modules are imported by relative path with .ts'
  | 'a file imports from its own folder and folders below'
  | 'no import cycles'
  | 'each third-party package has one home'
  | 'oci and kubefile are pure'
  | 'only sys starts processes'
  | 'only cli prints';

const MAX_LINES = 300;

/** From the top of the picture to its bottom; rooms of one row do not see each other. */
const ROWS: readonly (readonly string[])[] = [
  ['main.ts'],
  ['cli'],
  ['kit', 'deploy'],
  ['build'],
  ['cluster'],
  ['transfer', 'layer', 'emulation'],
  ['store'],
  ['sys'],
  ['oci', 'kubefile'],
  ['errors.ts', 'events.ts'],
];

/** What moves images packs and unpacks layers. The two files at the bottom are one room. */
const SIDEWAYS = new Set(['transfer -> layer', 'events.ts -> errors.ts']);

const HOMES: Readonly<Record<string, string>> = {
  commander: 'cli',
  chalk: 'cli',
  koffi: 'sys',
  '@koromix/koffi-linux-x64': 'sys',
  execa: 'sys',
  'node-pty': 'sys',
  undici: 'transfer',
  'smol-toml': 'transfer',
  tar: 'transfer',
  yaml: 'cluster',
};

const PURE_ROOMS = new Set(['oci', 'kubefile']);
const PURE_BUILTINS = new Set(['node:crypto', 'node:path/posix']);
const PROCESS_BUILTINS = new Set(['node:child_process', 'node:cluster', 'node:worker_threads']);
const PRINTING_ROOMS = new Set(['cli', 'main.ts']);

/** Every broken rule, in the order of files. */
export function checkArchitecture(tree: SourceTree): readonly Violation[] {
  const files = [...tree].map(([path, text]) => parseFile(path, text));
  return [...files.flatMap((file) => checkFile(file, tree)), ...checkCycles(files)];
}

interface SourceFile {
  readonly path: string;
  readonly room: string;
  readonly lines: number;
  readonly imports: readonly string[];
  /** `console` and the process's own streams, as written. */
  readonly prints: readonly string[];
}

function parseFile(path: string, text: string): SourceFile {
  const imports: string[] = [];
  const prints: string[] = [];
  const visit = (node: ts.Node): void => {
    const specifier = importedBy(node);
    if (specifier !== undefined) imports.push(specifier);
    const print = printedBy(node);
    if (print !== undefined) prints.push(print);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true));
  return { path, room: roomOf(path), lines: text.trimEnd().split('\n').length, imports, prints };
}

function roomOf(path: string): string {
  return path.split('/', 1)[0] ?? path;
}

function importedBy(node: ts.Node): string | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return textOf(node.moduleSpecifier);
  if (ts.isImportTypeNode(node))
    return textOf(ts.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined);
  if (ts.isCallExpression(node) && loadsModule(node.expression)) return textOf(node.arguments[0]);
  return undefined;
}

/** `import(…)`, `require(…)`, `require.resolve(…)` and `createRequire(…)(…)`. */
function loadsModule(callee: ts.Expression): boolean {
  if (callee.kind === ts.SyntaxKind.ImportKeyword) return true;
  const text = ts.isCallExpression(callee) ? callee.expression.getText() : callee.getText();
  return ts.isCallExpression(callee) ? text === 'createRequire' : /^require(\.resolve)?$/.test(text);
}

/** What cannot be read from the source counts as a package of that text, which has no home. */
function textOf(node: ts.Node | undefined): string | undefined {
  if (node === undefined) return undefined;
  return ts.isStringLiteralLike(node) ? node.text : node.getText();
}

function printedBy(node: ts.Node): string | undefined {
  if (!ts.isPropertyAccessExpression(node)) return undefined;
  const text = node.getText();
  return /^(console\.\w+|process\.(stdout|stderr))$/.test(text) ? text : undefined;
}

function checkFile(file: SourceFile, tree: SourceTree): Violation[] {
  return [
    ...checkName(file),
    ...checkPrinting(file),
    ...file.imports.flatMap((each) => checkImport(file, each, tree)),
  ];
}

function* checkName({ path, room, lines }: SourceFile): Generator<Violation> {
  if (rowOf(room) === undefined) yield { rule: 'files live in a room', what: path };
  if (/(^|\/)index\.ts$/.test(path)) yield { rule: 'no barrels', what: path };
  if (/(^|[/-])(utils?|helpers?|common|misc)(\.ts$|[/-])/.test(path)) yield { rule: 'no utils', what: path };
  if (lines > MAX_LINES) {
    yield { rule: 'files have at most 300 lines', what: `${path} has ${String(lines)}` };
  }
}

function checkPrinting({ path, room, prints }: SourceFile): Violation[] {
  if (PRINTING_ROOMS.has(room)) return [];
  return prints.map((print) => ({ rule: 'only cli prints', what: `${path} uses ${print}` }));
}

function checkImport(file: SourceFile, specifier: string, tree: SourceTree): Violation[] {
  const what = `${file.path} imports ${specifier}`;
  const broken = (rule: Rule, applies: boolean): Violation[] => (applies ? [{ rule, what }] : []);
  if (specifier.startsWith('node:')) {
    return [
      ...broken('oci and kubefile are pure', PURE_ROOMS.has(file.room) && !PURE_BUILTINS.has(specifier)),
      ...broken('only sys starts processes', PROCESS_BUILTINS.has(specifier) && file.room !== 'sys'),
    ];
  }
  if (!specifier.startsWith('.')) {
    return [
      ...broken('oci and kubefile are pure', PURE_ROOMS.has(file.room)),
      ...broken('each third-party package has one home', HOMES[packageOf(specifier)] !== file.room),
    ];
  }
  const target = resolve(file.path, specifier);
  if (!tree.has(target)) return broken('own modules are imported by relative path with .ts', true);
  return broken(
    'a file imports from its own folder and folders below',
    !mayImport(file.room, roomOf(target)),
  );
}

function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

function resolve(from: string, specifier: string): string {
  return normalize(join(dirname(from), specifier));
}

function rowOf(room: string): number | undefined {
  const row = ROWS.findIndex((rooms) => rooms.includes(room));
  return row === -1 ? undefined : row;
}

/** A file outside of the rooms has been named already. */
function mayImport(from: string, to: string): boolean {
  const above = rowOf(from);
  const below = rowOf(to);
  if (from === to || above === undefined || below === undefined) return true;
  return above < below || SIDEWAYS.has(`${from} -> ${to}`);
}

/** Each cycle once, from the file where the walk met it. */
function checkCycles(files: readonly SourceFile[]): Violation[] {
  const imports = new Map(
    files.map(({ path, imports: own }) => [
      path,
      own.filter((each) => each.startsWith('.')).map((each) => resolve(path, each)),
    ]),
  );
  const finished = new Set<string>();
  const cycles: Violation[] = [];
  const walk = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start !== -1) {
      cycles.push({ rule: 'no import cycles', what: [...trail.slice(start), path].join(' -> ') });
    }
    if (start !== -1 || finished.has(path)) return;
    for (const next of imports.get(path) ?? []) walk(next, [...trail, path]);
    finished.add(path);
  };
  for (const { path } of files) walk(path, []);
  return cycles;
}
