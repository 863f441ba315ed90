// The files that the invocations of twin-cases.mjs work on: the same bytes, modes and times each time.
import { spawnSync } from 'node:child_process';
import { gzipSync } from 'node:zlib';
import {
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

let state = 7;
function random() {
  state = (state + 0x6d2b79f5) | 0;
  let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
  return (mixed ^ (mixed >>> 14)) >>> 0;
}

const WORDS = 'alpha Beta gamma delta 10 9 1e3 -5 0x1f 3.14 2K 1G nan inf _x foo.bar ~ a-b Zeta É über'.split(
  ' ',
);
const pick = (list) => list[random() % list.length];
const lines = (count, make) => Array.from({ length: count }, (_, index) => `${make(index)}\n`).join('');

export function makeFixture(directory) {
  const at = (name) => join(directory, name);
  const write = (name, content) => writeFileSync(at(name), content);
  const text = lines(400, (index) => `${index} ${Array.from({ length: 9 }, () => pick(WORDS)).join(' ')}`);
  for (const name of ['d', 'd/e', 'd/e/f', 'd/empty', 'm1', 'm2']) mkdirSync(at(name));
  write('text', text);
  write(
    'text2',
    text
      .replace(/gamma/g, 'GAMMA')
      .replace(/^1.*\n/gm, '')
      .replace(/delta 10/g, 'delta\n10'),
  );
  write('text3', text.replace(/Beta/g, 'beta').replace(/^2\d .*\n/gm, 'two\n'));
  write(
    'sorted1',
    lines(50, (index) => `${String(index * 2).padStart(3, '0')} a${index}`),
  );
  write(
    'sorted2',
    lines(50, (index) => `${String(index * 3).padStart(3, '0')} b${index}`),
  );
  write(
    'utf8',
    'Größe naïve ÅÄÖ 日本語 한글 🙂 e\u0301\nÉCOLE école Straße STRASSE ΣΊΣΥΦΟΣ İi ıI\n\tTab\u00a0nbsp\u200bzero\n',
  );
  write('latin1', Buffer.from('Gr\xf6\xdfe \xe9cole \xff\xfe\x80 end\nplain\n', 'latin1'));
  write('bytes', Buffer.from(Array.from({ length: 1024 }, (_, index) => index & 255)));
  write('noise', Buffer.from(Array.from({ length: 70_001 }, () => random() & 255)));
  write('nul', 'one\0two\0three\0a b\0');
  write('crlf', 'one\r\ntwo\r\n\r\nthree');
  write('long', `${'x'.repeat(20_000)} ${'é'.repeat(3000)}\nshort\n`);
  write(
    'numbers',
    lines(60, (index) => `${(random() % 2000) - 1000} ${index % 7} ${pick(['1K', '2M', '3', '0.5G'])}`),
  );
  write('pairs', 'a b\nb c\nc d\nx y\nz\tz\nd e\n');
  write('cycle', 'a b\nb c\nc a\n');
  write('empty', '');
  write(
    'big',
    Buffer.concat(Array.from({ length: 60 }, (_, i) => Buffer.from(text + i + text.slice(i * 13)))),
  );
  write('zeros', Buffer.alloc(300_000));
  write('sparse', 'start');
  truncateSync(at('sparse'), 5 << 20);
  write('zipped.gz', gzipSync(Buffer.from(text)));
  write('broken.gz', gzipSync(Buffer.from(text)).subarray(0, 700));
  write('d/one', 'one\n');
  write('d/e/two', 'two\n');
  write('d/e/f/three with space', 'three\n');
  write('d/.hidden', 'h\n');
  write('d/ütf', 'ü\n');
  write(Buffer.from('d/new\nline').toString(), 'n\n');
  writeFileSync(Buffer.concat([Buffer.from(at('d/')), Buffer.from([0xff, 0xe9])]), 'bad\n');
  write('m1/a', 'a\n');
  write('m2/a', 'changed\n');
  write('m1/only', '1\n');
  write('m2/other', '2\n');
  for (const name of ['01', '02', 'x.sh', 'y_z']) {
    write(`d/empty/${name}`, `#!/bin/sh\necho ${name} "$@"\nexit ${name === '02' ? 3 : 0}\n`);
    chmodSync(at(`d/empty/${name}`), name === 'y_z' ? 0o644 : 0o755);
  }
  write('script.sh', SCRIPT);
  symlinkSync('text', at('link'));
  symlinkSync('nowhere', at('dangling'));
  symlinkSync('loop', at('loop'));
  symlinkSync('../d/e', at('d/to-e'));
  linkSync(at('text'), at('hard'));
  spawnSync('mkfifo', [at('fifo')]);
  spawnSync('mknod', [at('null'), 'c', '1', '3']);
  write('secret', 's\n');
  chmodSync(at('secret'), 0o000);
  write('suid', 's\n');
  chownSync(at('suid'), 12, 34);
  chmodSync(at('suid'), 0o6755);
  chmodSync(at('d/e/f'), 0o1777);
  write('control', CONTROL);
  const times = {
    text: 1e9,
    text2: 1.2e9 + 0.25,
    suid: 0,
    sorted1: -86400.5,
    sorted2: 4e9,
    utf8: 951_782_400,
  };
  const plain = [
    'text3',
    'latin1',
    'bytes',
    'noise',
    'nul',
    'crlf',
    'long',
    'numbers',
    'pairs',
    'cycle',
    'empty',
    'big',
  ];
  const more = [
    'zeros',
    'sparse',
    'zipped.gz',
    'broken.gz',
    'd/one',
    'd/e/two',
    'm1/a',
    'm2/a',
    'm1/only',
    'm2/other',
  ];
  const rest = [
    'd/e/f/three with space',
    'd/.hidden',
    'd/ütf',
    'd/new\nline',
    'fifo',
    'secret',
    'control',
    'script.sh',
  ];
  const last = [
    'd/empty/01',
    'd/empty/02',
    'd/empty/x.sh',
    'd/empty/y_z',
    'd/empty',
    'd/e/f',
    'd/e',
    'd',
    'm1',
    'm2',
  ];
  for (const name of [...plain, ...more, ...rest, ...last]) utimesSync(at(name), 1.5e9, 1.5e9);
  for (const [name, time] of Object.entries(times)) utimesSync(at(name), time, time);
  spawnSync('touch', ['-hd', '@1500000000', 'link', 'dangling', 'loop', 'd/to-e', 'null'], {
    cwd: directory,
  });
  spawnSync('touch', ['-d', '@1500000000', Buffer.from([0x64, 0x2f, 0xff, 0xe9]).toString('latin1')], {
    cwd: directory,
  });
}

/** Archives of what is there, made by the native programs: `run(name, args, options)` starts the twin of that name. */
export function addArchives(directory, run, port) {
  const options = { cwd: directory };
  const made = [
    ['bunzip2', 'text.bz2', ['-zc', 'text']],
    ['xz', 'text.xz', ['-c', 'text']],
    ['xz', 'text.lzma', ['--format=lzma', '-c', 'text']],
    ['zstd', 'text.zst', ['-qc', 'text']],
    ['lz4', 'text.lz4', ['-qc', 'text']],
    ['tar', 'all.tar', ['-cf', '-', '--sort=name', 'd', 'text', 'hard', 'link', 'suid', 'sparse']],
    ['tar', 'pax.tar', ['--format=pax', '-Scf', '-', '--sort=name', 'd', 'sparse', 'sorted1', 'sorted2']],
    ['zip', 'all.zip', ['-qrX', '-', 'd', 'text', 'utf8', 'noise']],
    ['zip', 'secret.zip', ['-qX', '-P', 'secret', '-', 'text']],
    ['cpio', 'all.cpio', ['-o', '-H', 'newc', '--quiet'], 'd\nd/one\ntext\nhard\nlink\n'],
    ['diff', 'change.diff', ['-u', '--label', 'text', '--label', 'text', 'text', 'text2']],
    ['diff', 'context.diff', ['-c', '--label', 'text', '--label', 'text', 'text', 'text3']],
    ['diff', 'ed.diff', ['-e', 'text', 'text2']],
    ['diff', 'tree.diff', ['-urN', '--no-dereference', 'm1', 'm2']],
  ];
  for (const [name, to, args, input] of made)
    writeFileSync(join(directory, to), run(name, args, { ...options, input: input ?? '' }).stdout);
  mkdirSync(join(directory, 'p/DEBIAN'), { recursive: true });
  writeFileSync(join(directory, 'p/DEBIAN/control'), CONTROL);
  writeFileSync(join(directory, 'p/file'), 'file\n');
  run('dpkg-deb', ['--root-owner-group', '-b', 'p', 'tiny.deb'], options);
  for (const scheme of ['copy', 'file', 'store'])
    writeFileSync(
      join(directory, `get-${scheme}`),
      ['text', 'nosuch', 'text.xz', 'zipped.gz', 'd']
        .map((name) => acquire(`${scheme}:/mnt/${name}`, name))
        .join(''),
    );
  const pages = ['text', 'nosuch', 'big', 'text?x=%20y'].map((name) =>
    acquire(`http://127.0.0.1:${port}/${name}`, name),
  );
  writeFileSync(join(directory, 'get-http'), CONFIGURATION + pages.join(''));
  writeFileSync(
    join(directory, 'get-gpgv'),
    acquire(
      'gpgv:/mnt/InRelease',
      'InRelease',
      'Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg\n',
    ) + acquire('gpgv:/mnt/text', 'text'),
  );
}

const acquire = (uri, name, more = '') =>
  `600 URI Acquire\nURI: ${uri}\nFilename: /mnt/got-${name.replace(/\W/g, '_')}\n${more}\n`;

/** A method tells no time and no process when it is told not to; this is how apt hands its settings over. */
const CONFIGURATION = `601 Configuration
Config-Item: APT::Architecture=arm64
Config-Item: Acquire::http::Pipeline-Depth=0
Config-Item: Acquire::http::Proxy=DIRECT

`;

const CONTROL = `Package: tiny
Version: 1.0-1
Architecture: all
Maintainer: Nobody <nobody@example.org>
Description: tiny
 Larger text.
`;

const SCRIPT = `#!/bin/sh
set -u
f() { local a=$1; shift; echo "f $a $# $*"; return 3; }
f 1 'b c' d || echo "status $?"
for i in 1 2 3; do case $i in 2) continue;; [3-9]) echo three;; *) echo "i=$i";; esac; done
x=abcdef.tar.gz; echo "\${x%.*} \${x%%.*} \${x#*c} \${x##*.} \${#x} \${y:-unset} \${x:+set}"
echo "$((7 / 2)) $((-7 % 3)) $((1 << 62)) $((0x7fffffffffffffff + 1)) $((010 + 0x10)) $((~0)) $((5 > 3 && 2))"
printf '%s|%5d|%-5s|%05.1f|%x|%o|%c|%b\\n' str 42 ab 3.14159 255 8 xyz 'a\\tb\\0101'
printf '%e %g %G %f %.20f\\n' 1234.5 0.0001 1e100 1e15 0.1
printf '%d\\n' 0xff 010 "'A" 99999999999999999999 abc; echo "status $?"
cat <<END | while read -r a b; do echo "[$a][$b]"; done
one two three
  lead   trail  
END
(exit 7); echo $?
sh -c 'kill -TERM $$'; echo $?
sh -c 'kill -USR1 $$'; echo $?
trap 'echo trapped' USR1; kill -USR1 $$
trap 'echo bye' EXIT
set -- *; echo "$# $1"
set -- d/*; printf '<%s>' "$@"; echo
echo text | { read -r v; echo "got $v"; }
[ -f text ] && [ ! -d text ] && [ text -nt suid ] && [ -x script.sh ] || echo no
unset IFS; IFS=:; v=a:b::c; set -- $v; echo $#
echo \`echo nested \\\`echo deep\\\`\`
umask; umask 027; umask; umask -S
type cat; command -v ls; hash
ulimit -n; ulimit -c; ulimit -f
echo $-; echo "$0"
cd d && pwd && cd - && cd e 2>/dev/null || echo "no e"
exec 3>out; echo three >&3; exec 3>&-; cat out
false | true; echo $?
! true; echo $?
nosuchcommand; echo $?
./text; echo $?
eval 'echo "evaluated"'
readonly r=1; (r=2) ; echo $?
echo "\\101\\n\\c hidden"
echo
test 1 -eq 1x; echo $?
`;
