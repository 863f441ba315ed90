/**
 * The functions with which buildah's conformance cases finish their build context, carried out here.
 *
 * They are straight-line Go: names bound to paths and contents, and calls that write files, modes, owners, attributes
 * and tar archives. A line that is none of these is an error, so that no context is silently another one.
 */
import { chmodSync, chownSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import * as tar from 'tar';
import { writeXattr } from '../../../src/sys/xattr.ts';
import { goExpression, goText, type GoBindings, type GoValue } from '../go-literal.ts';

type Call = NonNullable<GoBindings['calls']>[string];

/** `testDate` of their file; no time is compared. */
const TEST_DATE = 1_485_449_953;

const CONSTANTS: Readonly<Record<string, GoValue>> = {
  testDate: TEST_DATE,
  cISUID: 0o4000,
  cISGID: 0o2000,
  cISVTX: 0o1000,
  'syscall.S_ISUID': 0o4000,
  'syscall.S_ISGID': 0o2000,
  'syscall.S_ISVTX': 0o1000,
  'os.O_CREATE': 0o100,
  'os.O_WRONLY': 1,
  'tar.TypeReg': 'File',
  'tar.TypeDir': 'Directory',
  xattrPAXRecordNamespace: 'SCHILY.xattr.',
};

const BINDING = /^\s*(?!err\b|_\b|n\b)(\w+)(?:, err)? :?= /;
const CALL =
  /\b(?:os\.(?:Mkdir|WriteFile|Chown|Chtimes)|syscall\.Chmod|copier\.Lsetxattrs|tw\.WriteHeader|tw\.Write|io\.Copy)\(/;
const NOTHING =
  /^\s*(?:\}.*|\/\/.*|return .*|defer .*|if err != nil \{|if n != len\(content\) \{|if !\*\w+CanDoXattrs \{|t\.Skipf\(.*)?$/;

/** `body` is the text between the braces of the hook. */
export function runContextHook(body: string, context: string): void {
  const names: Record<string, GoValue> = { ...CONSTANTS, contextDir: context, t: null };
  const archive = new ArchiveWriter();
  const calls = { ...fileCalls(), ...archive.calls };
  let position = 0;
  while (position < body.length) {
    const lineEnd = endOfLine(body, position);
    const line = body.slice(position, lineEnd);
    const binding = BINDING.exec(line);
    const call = CALL.exec(line);
    const start = binding?.[0].length ?? call?.index;
    if (start === undefined) {
      if (!NOTHING.test(line)) throw new Error(`a context hook has the line ${JSON.stringify(line)}`);
      position = lineEnd + 1;
      continue;
    }
    const { value, end } = goExpression(body, position + start, { names, calls });
    if (binding !== null) names[binding[1]!] = value;
    position = endOfLine(body, end) + 1;
  }
  archive.close();
}

function endOfLine(text: string, position: number): number {
  const end = text.indexOf('\n', position);
  return end < 0 ? text.length : end;
}

function fileCalls(): Record<string, Call> {
  return {
    len: (text) => Buffer.byteLength(goText(text)),
    'filepath.Join': (...parts) => parts.map(goText).join('/'),
    'os.Mkdir': action((path, mode) => mkdirSync(goText(path), { mode: Number(mode) })),
    'os.WriteFile': action((path, content, mode) =>
      writeFileSync(goText(path), goText(content), { mode: Number(mode) }),
    ),
    'os.Chown': action((path, uid, gid) => chownSync(goText(path), Number(uid), Number(gid))),
    'os.Chtimes': action((path, atime, mtime) => utimesSync(goText(path), Number(atime), Number(mtime))),
    'syscall.Chmod': action((path, mode) => chmodSync(goText(path), Number(mode))),
    'copier.Lsetxattrs': action((path, attributes) => {
      for (const [name, value] of Object.entries(attributes as Record<string, string>)) {
        writeXattr(goText(path), name, Buffer.from(value));
      }
    }),
  };
}

/** A call for what it does. */
function action(run: (...args: (GoValue | undefined)[]) => unknown): Call {
  return (...args) => {
    run(...args);
    return null;
  };
}

/** `os.OpenFile` and `tar.NewWriter` give the path, which is all the writer needs of them. */
class ArchiveWriter {
  readonly calls: Record<string, Call> = {
    'os.OpenFile': (path) => {
      this.#path = goText(path);
      return this.#path;
    },
    'tar.NewWriter': (path) => path ?? null,
    'tw.WriteHeader': action((header) => this.#header(header as Record<string, GoValue>)),
    'tw.Write': action((content) => this.#blocks.push(padded(Buffer.from(goText(content))))),
    'io.Copy': action((_writer, content) => this.#blocks.push(padded(Buffer.from(goText(content))))),
  };
  #path: string | undefined;
  readonly #blocks: Buffer[] = [];

  #header(fields: Record<string, GoValue>): void {
    const records = fields['PAXRecords'];
    if (records !== undefined) {
      const body = Object.entries(records as Record<string, string>)
        .map(paxRecord)
        .join('');
      this.#block({ path: 'PaxHeaders/x', type: 'ExtendedHeader', size: body.length, mode: 0o644 });
      this.#blocks.push(padded(Buffer.from(body)));
    }
    const { Name: path, Uid: uid, Gid: gid, Mode: mode, Size: size, Typeflag: type } = fields;
    this.#block({
      path: goText(path),
      type: goText(type) as tar.types.EntryTypeName,
      uid: Number(uid),
      gid: Number(gid),
      mode: Number(mode),
      size: Number(size),
    });
  }

  #block(fields: tar.HeaderData): void {
    const block = Buffer.alloc(512);
    new tar.Header({ ...fields, mtime: new Date(TEST_DATE * 1000) }).encode(block, 0);
    this.#blocks.push(block);
  }

  close(): void {
    if (this.#path !== undefined) {
      writeFileSync(this.#path, Buffer.concat([...this.#blocks, Buffer.alloc(1024)]), { mode: 0o644 });
    }
  }
}

const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 511)]);

function paxRecord([key, value]: [string, string]): string {
  const rest = ` ${key}=${value}\n`;
  const length = rest.length + String(rest.length + 2).length;
  return `${String(length)}${rest}`;
}
