import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ARCHITECTURES, architectureByName } from '../../src/emulation/architecture.ts';
import {
  formatEntry,
  lineOf,
  matchesEntry,
  parseEntry,
  type BinfmtEntry,
} from '../../src/emulation/binfmt-entry.ts';
import { elfHeader } from '../../src/emulation/probe.ts';

const BASE = { name: 'qemu-x', magic: '7f45', mask: 'ffff', interpreter: '/usr/bin/qemu', flags: 'POCF' };
const refusal: unknown = expect.objectContaining({ code: 'BINFMT' });

describe('formatEntry', () => {
  it('writes what the kernel reads', () => {
    expect(formatEntry(BASE)).toBe(String.raw`:qemu-x:M:0:\x7f\x45:\xff\xff:/usr/bin/qemu:POCF`);
  });

  it.each([
    ['a colon in the path', { interpreter: '/a:b' }, String.raw`|qemu-x|M|0|\x7f\x45|\xff\xff|/a:b|POCF`],
    ['a colon in the name', { name: 'a:b' }, String.raw`|a:b|M|0|\x7f\x45|\xff\xff|/usr/bin/qemu|POCF`],
    ['colon and bar', { name: 'a:b', interpreter: '/a|b' }, String.raw`!a:b!M!0!\x7f\x45!\xff\xff!/a|b!POCF`],
    ['no flags', { flags: '' }, String.raw`:qemu-x:M:0:\x7f\x45:\xff\xff:/usr/bin/qemu:`],
    ['letters that are not ASCII', { interpreter: '/é' }, String.raw`:qemu-x:M:0:\x7f\x45:\xff\xff:/é:POCF`],
  ])('copes with %s', (_, change, line) => {
    expect(formatEntry({ ...BASE, ...change })).toBe(line);
  });

  it.each([
    ['an empty name', { name: '' }],
    ['a name with a slash', { name: 'a/b' }],
    ['the name .', { name: '.' }],
    ['the name ..', { name: '..' }],
    ['the name register', { name: 'register' }],
    ['the name status', { name: 'status' }],
    ['a name with a line break', { name: 'a\nb' }],
    ['a relative path', { interpreter: 'qemu' }],
    ['an empty path', { interpreter: '' }],
    ['a NUL in the path', { interpreter: '/a\0b' }],
    ['magic and mask of different length', { mask: 'ff' }],
    ['an odd number of digits', { magic: '7f4', mask: 'fff' }],
    ['an empty magic', { magic: '', mask: '' }],
    ['something else than hex', { magic: '7fzz' }],
    ['flags with a delimiter', { flags: 'F:' }],
    ['every delimiter in the path', { interpreter: '/:|!%&+,;@~\u0001' }],
  ])('refuses %s', (_, change) => {
    expect(() => formatEntry({ ...BASE, ...change })).toThrow(refusal);
  });

  it('accepts 1920 bytes and refuses one more', () => {
    const room = 1920 - Buffer.byteLength(formatEntry({ ...BASE, interpreter: '/' }));
    expect(Buffer.byteLength(formatEntry({ ...BASE, interpreter: `/${'a'.repeat(room)}` }))).toBe(1920);
    expect(() => formatEntry({ ...BASE, interpreter: `/${'a'.repeat(room + 1)}` })).toThrow(refusal);
    expect(() => formatEntry({ ...BASE, interpreter: `/${'é'.repeat(room / 2 + 1)}` })).toThrow(refusal);
  });
});

describe('parseEntry', () => {
  const text = (change: Record<string, string> = {}): string => {
    const words = { state: 'enabled', interpreter: '/usr/bin/qemu', flags: 'POCF', ...change };
    return `${words.state}\ninterpreter ${words.interpreter}\nflags: ${words.flags}\noffset 0\nmagic 7f45\nmask ffff\n`;
  };

  it('reads an entry with a mask', () => {
    expect(parseEntry('q', text())).toEqual({
      name: 'q',
      enabled: true,
      interpreter: '/usr/bin/qemu',
      flags: 'POCF',
      match: {
        kind: 'magic',
        offset: 0,
        magic: Buffer.from('7f45', 'hex'),
        mask: Buffer.from('ffff', 'hex'),
      },
    });
  });

  it.each([
    ['a disabled one', { state: 'disabled' }, { enabled: false }],
    ['flags nobody knows yet', { flags: 'POCFTLZ' }, { flags: 'POCFTLZ' }],
    ['no flags', { flags: '' }, { flags: '' }],
    ['a blank after the flags', { flags: 'F ' }, { flags: 'F' }],
    ['a path with blanks', { interpreter: '/a b/c' }, { interpreter: '/a b/c' }],
    ['a path with a line break', { interpreter: '/a\nflags-like' }, { interpreter: '/a\nflags-like' }],
  ])('reads %s', (_, change, expected) => {
    expect(parseEntry('q', text(change))).toMatchObject(expected);
  });

  it('reads an entry by file name extension', () => {
    const entry = parseEntry('j', 'enabled\ninterpreter /usr/bin/jexec\nflags: \nextension .jar\n');
    expect(entry.match).toEqual({ kind: 'extension', extension: 'jar' });
    expect(matchesEntry(entry, Buffer.from('.jar'))).toBe(false);
  });

  it('reads an entry without a mask and with an offset', () => {
    const entry = parseEntry('m', 'enabled\ninterpreter /x\nflags: F\noffset 4\nmagic 41\n');
    expect(entry.match).toEqual({ kind: 'magic', offset: 4, magic: Buffer.from('A'), mask: undefined });
    expect(matchesEntry(entry, Buffer.from('....A'))).toBe(true);
    expect(matchesEntry(entry, Buffer.from('....B'))).toBe(false);
  });

  it('keeps an entry of a kind it does not know, which matches nothing', () => {
    const entry = parseEntry('b', 'enabled\ninterpreter /x\nflags: \nbpf prog 7\n');
    expect(entry.match.kind).toBe('unknown');
    expect(matchesEntry(entry, Buffer.alloc(64))).toBe(false);
  });

  it.each(['', 'enabled\n', 'what\ninterpreter /x\nflags: \n', 'enabled\nflags: F\ninterpreter /x\n'])(
    'refuses %j',
    (bad) => {
      expect(() => parseEntry('q', bad)).toThrow(refusal);
    },
  );

  it('takes no long time for long texts', () => {
    const started = performance.now();
    expect(() => parseEntry('q', `enabled\ninterpreter ${'\nflags: !'.repeat(50_000)}`)).toThrow(refusal);
    expect(performance.now() - started).toBeLessThan(2000);
  });
});

describe('lineOf', () => {
  const shown = (rest: string, flags = 'POCF', name = 'q'): string | undefined =>
    lineOf(parseEntry(name, `disabled\ninterpreter /usr/bin/qemu\nflags: ${flags}\n${rest}`));

  it.each([
    [
      'magic and mask',
      'offset 0\nmagic 7f45\nmask fffe\n',
      String.raw`:q:M:0:\x7f\x45:\xff\xfe:/usr/bin/qemu:POCF`,
    ],
    ['no mask', 'offset 4\nmagic 41\n', String.raw`:q:M:4:\x41::/usr/bin/qemu:POCF`],
    ['an extension', 'extension .jar\n', ':q:E::jar::/usr/bin/qemu:POCF'],
    ['an extension with a colon', 'extension .a:b\n', '|q|E||a:b||/usr/bin/qemu|POCF'],
  ])('gives back what registers %s', (_, rest, line) => {
    expect(shown(rest)).toBe(line);
  });

  it('keeps flags of newer kernels and odd names, and knows no line for kinds it does not know', () => {
    expect(shown('extension .jar\n', 'FTL', '-n é:1')).toBe('|-n é:1|E||jar||/usr/bin/qemu|FTL');
    expect(shown('bpf\nprog 7\n', 'B')).toBeUndefined();
  });

  it('is what formatEntry wrote', () => {
    const line = formatEntry(BASE);
    const text = `enabled\ninterpreter ${BASE.interpreter}\nflags: ${BASE.flags}\noffset 0\nmagic ${BASE.magic}\nmask ${BASE.mask}\n`;
    expect(lineOf(parseEntry(BASE.name, text))).toBe(line);
  });
});

describe('matchesEntry', () => {
  const entryOf = (arch: string): BinfmtEntry => {
    const { magic, mask } = architectureByName(arch)!;
    const match = {
      kind: 'magic',
      offset: 0,
      magic: Buffer.from(magic, 'hex'),
      mask: Buffer.from(mask, 'hex'),
    } as const;
    return { name: arch, enabled: true, interpreter: '/q', flags: 'F', match };
  };
  const entries = ARCHITECTURES.filter(({ arch }) => arch !== 'i486').map(({ arch }) => entryOf(arch));

  it.each(ARCHITECTURES.map((row) => [row.arch, row] as const).filter(([arch]) => arch !== 'i486'))(
    'gives programs of %s to that entry alone, whatever their type and OSABI',
    (arch, row) => {
      for (const type of [2, 3] as const) {
        for (const osabi of [0, 3]) {
          const header = elfHeader(row, { type, osabi });
          expect(entries.filter((entry) => matchesEntry(entry, header)).map(({ name }) => name)).toEqual([
            arch,
          ]);
        }
      }
    },
  );

  it('takes relocatable objects and core files for no program', () => {
    for (const type of [1, 4]) {
      const header = elfHeader(architectureByName('aarch64')!);
      header.writeUInt16LE(type, 16);
      expect(matchesEntry(entryOf('aarch64'), header)).toBe(false);
    }
  });

  it('pads a short file with zeros and sees 256 bytes only', () => {
    const zeros = (offset: number): BinfmtEntry => ({
      ...entryOf('arm'),
      match: { kind: 'magic', offset, magic: Buffer.from([0, 0]), mask: undefined },
    });
    expect(matchesEntry(zeros(0), Buffer.alloc(0))).toBe(true);
    expect(matchesEntry(zeros(1), Buffer.from('ab'))).toBe(false);
    expect(matchesEntry(zeros(300), Buffer.alloc(400, 1))).toBe(true);
  });

  it('reads back every line that it formats, as the kernel would show it', () => {
    const hex = fc
      .uint8Array({ minLength: 1, maxLength: 40 })
      .map((bytes) => Buffer.from(bytes).toString('hex'));
    fc.assert(
      fc.property(hex, fc.stringMatching(/^\/[a-zA-Z0-9:|._ -]{1,60}$/), (magic, interpreter) => {
        const line = formatEntry({ ...BASE, magic, mask: magic, interpreter });
        const [, name, kind, offset, magicText, , path, flags] = line.split(line[0]!);
        expect([name, kind, offset, path, flags]).toEqual(['qemu-x', 'M', '0', interpreter, 'POCF']);
        expect(magicText!.replaceAll('\\x', '')).toBe(magic);
      }),
    );
  });
});
