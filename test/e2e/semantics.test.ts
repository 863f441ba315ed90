/** What small Kubefiles make, entry by entry: copying, layers, users, working directories, arguments. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Cli } from '../support/cli.ts';
import { runTool } from '../support/foreign-tools.ts';
import { describeWith } from '../support/requires.ts';
import { openBusyboxCli } from './bases.ts';
import { build, tryBuild, STACK_TRACE, writeFiles, type Files } from './projects.ts';
import { readSaved, type LayerEntries } from './saved-image.ts';
import { closeVerified } from './verified.ts';

let cli: Cli;

beforeAll(async () => {
  cli = await openBusyboxCli();
  const kubefile = `FROM busybox
RUN echo 'bin:x:1:1::/bin:' >> /etc/passwd && echo 'user:x:1000:1000::/home/user:/bin/sh' >> /etc/passwd \\
 && echo 'bin:x:1:' >> /etc/group && echo 'staff:x:50:user' >> /etc/group
RUN mkdir -p /t /real /d/sub && echo old > /t/f && echo one > /d/one && echo two > /d/sub/two && ln /d/one /d/hard \\
 && ln -s /real /lnk && ln -s ../../../../../../tmp /esc && ln -s /real/dangling /dang && chmod 2770 /t && chown 7:8 /t
`;
  await build(cli, 'base', { kubefile });
});
afterAll(() => closeVerified(cli));

interface Case {
  readonly name: string;
  /** Behind FROM, which is `base` unless it is written. */
  readonly text: string;
  readonly files?: Files;
  /** Run in the context before the build: what a table of files cannot say. */
  readonly prepare?: string;
  readonly args?: readonly string[];
  /** Layers above the base's. */
  readonly layers?: readonly LayerEntries[];
  readonly config?: object;
  /** Of the entries above the base's, those of RUN. */
  readonly history?: readonly string[];
  readonly error?: string | RegExp;
}

const BASE_LAYERS = 3;
const T = { 't/': 'dir 2770 7:8' };
const D = { 'd/': 'dir 0755 0:0' };

let count = 0;

async function check({ text, files = {}, prepare, args = [], ...expected }: Case): Promise<void> {
  const folder = `case-${String(++count)}`;
  const tag = `case:${String(count)}`;
  const fromScratch = /^FROM scratch/m.test(text);
  const kubefile = /^FROM/m.test(text) ? text : `FROM base\n${text}`;
  const context = cli.scratch.path(folder);
  await writeFiles(context, files);
  if (prepare !== undefined) await runTool('sh', ['-euc', `umask 022; ${prepare}`], { cwd: context });
  const outcome = await tryBuild(cli, tag, { kubefile, folder, args: ['--dialect', 'dockerfile', ...args] });
  if (expected.error !== undefined) {
    expect(outcome.stderr).toMatch(expected.error);
    expect(outcome.stderr).not.toMatch(STACK_TRACE);
    expect({ status: outcome.status, stdout: outcome.stdout }).toEqual({ status: 1, stdout: '' });
    return;
  }
  expect(outcome.status, outcome.stderr).toBe(0);
  const image = await readSaved(cli, tag);
  const { config, layers } = image;
  if (expected.layers !== undefined)
    expect(layers.slice(fromScratch ? 0 : BASE_LAYERS)).toEqual(expected.layers);
  if (expected.config !== undefined) expect(config.config).toMatchObject(expected.config);
  if (expected.history !== undefined) {
    const runs = config.history.flatMap(({ created_by: text = '' }) => (/^RUN /.test(text) ? [text] : []));
    expect(runs.slice(-expected.history.length)).toEqual(expected.history);
  }
  const filled = config.history.filter((entry) => entry.empty_layer !== true);
  expect([filled.length, config.rootfs.diff_ids.length]).toEqual([layers.length, layers.length]);
}

const FILES = { f: 'F', g: 'G', 'dir/a.txt': 'A', 'dir/b.md': 'B', 'dir/deep/c.txt': 'C' };
const file = (content: string): string => `file 0644 0:0 ${content}`;
const DIR = 'dir 0755 0:0';
const EMPTY = 'file 0644 0:0';
/** More than the 100 bytes a plain tar header has room for. */
const LONG_NAME = 'long-'.repeat(40);
const WHITEOUT = 'file 0000 0:0';
const DIR_TREE = {
  'a.txt': file('A'),
  'b.md': file('B'),
  'deep/': DIR,
  'deep/c.txt': file('C'),
};
const below = (prefix: string, entries: LayerEntries): LayerEntries => ({
  [prefix]: DIR,
  ...Object.fromEntries(Object.entries(entries).map(([path, entry]) => [prefix + path, entry])),
});

describeWith(['root', 'private-binfmt'], 'ARG and ENV', () => {
  const cases: Case[] = [
    {
      name: 'a global ARG is unknown to a stage until it is declared there',
      text: 'ARG G=x\nFROM base\nRUN echo "[$G]" > /a\nARG G\nRUN echo "[$G]" > /b\n',
      layers: [{ a: file('[]') }, { b: file('[x]') }],
    },
    {
      name: 'the last of ARG and ENV wins, the config keeps ENV',
      text: 'ARG A=1\nENV A=2\nARG A=3\nRUN echo $A > /a\n',
      layers: [{ a: file('3') }],
      config: { Env: expect.arrayContaining(['A=2']) as unknown },
    },
    {
      name: '--build-arg beats ENV when ARG comes after it',
      text: 'ENV A=2\nARG A=3\nRUN echo $A > /a\n',
      args: ['--build-arg', 'A=9'],
      layers: [{ a: file('9') }],
      config: { Env: expect.arrayContaining(['A=2']) as unknown },
    },
    {
      name: 'what a stage has declared is there in those that begin with it, and in the history of its own alone',
      text: 'FROM base AS one\nARG A=1 TARGETARCH\nENV E=$A\nARG E=2\nFROM one AS two\nFROM two\nRUN echo "$A $E $TARGETARCH" > /a\nARG B=${A}3 E=4\nRUN echo $B $E > /b\n',
      args: ['--build-arg', 'A=9'],
      layers: [{ a: file('9 9 arm64') }, { b: file('93 4') }],
      config: { Env: expect.not.arrayContaining([expect.stringMatching(/^[AB]=/)]) as unknown },
      history: ['RUN /bin/sh -c echo "$A $E $TARGETARCH" > /a', 'RUN |2 B=93 E=4 /bin/sh -c echo $B $E > /b'],
    },
    {
      name: 'a proxy the build is given is there in both spellings, and goes before the image’s',
      text: 'ENV http_proxy=image NO_PROXY=own\nRUN echo "$HTTP_PROXY $http_proxy $NO_PROXY" > /a\n',
      args: ['--build-arg', 'HTTP_PROXY=given'],
      layers: [{ a: file('given given own') }],
      config: { Env: expect.arrayContaining(['http_proxy=image']) as unknown },
      history: ['RUN /bin/sh -c echo "$HTTP_PROXY $http_proxy $NO_PROXY" > /a'],
    },
    {
      name: 'an explicit default beats the automatic value',
      text: 'ARG TARGETARCH=zz\nRUN echo $TARGETARCH > /a\n',
      layers: [{ a: file('zz') }],
    },
    {
      name: 'automatic values are there where they are declared, and in FROM',
      text: 'FROM --platform=$TARGETPLATFORM base\nRUN echo "[$TARGETARCH]" > /a\nARG TARGETARCH TARGETVARIANT\nRUN echo "[$TARGETARCH,$TARGETVARIANT]" > /b\n',
      layers: [{ a: file('[]') }, { b: file('[arm64,]') }],
    },
    {
      name: 'an ARG before FROM names the base',
      text: 'ARG BASE=nothing\nFROM $BASE\n',
      args: ['--build-arg', 'BASE=base'],
      layers: [],
    },
    {
      name: 'all values of one ENV see the environment before it',
      text: 'ENV abc=hello\nENV abc=bye def=$abc\nENV ghi=$abc\n',
      layers: [],
      config: { Env: expect.arrayContaining(['abc=bye', 'def=hello', 'ghi=bye']) as unknown },
    },
    {
      name: 'scratch has a default PATH to build upon',
      text: 'FROM scratch\nENV PATH=$PATH:/x\n',
      layers: [],
      config: { Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/x'] },
    },
    { name: 'a required variable is missing', text: 'ENV A=${B:?set B}\n', error: /set B/ },
  ];
  it.each(cases)('$name', check);

  it('a --build-arg nobody declares is a warning', async () => {
    const { log } = await build(cli, 'unused', { kubefile: 'FROM base\n', args: ['--build-arg', 'NOPE=1'] });
    expect(log).toMatch(/warning: --build-arg NOPE is not used/);
  });
});

describeWith(['root', 'private-binfmt'], 'COPY', () => {
  const cases: Case[] = [
    { name: 'a file to a name', text: 'COPY f /x\n', layers: [{ x: file('F') }] },
    {
      name: 'a file into a folder',
      text: 'COPY f /x/y/\n',
      layers: [{ 'x/': DIR, 'x/y/': DIR, 'x/y/f': file('F') }],
    },
    {
      name: 'a directory: its contents, whatever its own mode',
      text: 'COPY dir /x\n',
      prepare: 'chmod 2770 dir',
      layers: [below('x/', DIR_TREE)],
    },
    { name: 'a directory with a slash, the same', text: 'COPY dir/ /x/\n', layers: [below('x/', DIR_TREE)] },
    { name: 'several files to what is no folder', text: 'COPY f g /x\n', error: /directory|slash|\/$/ },
    {
      name: 'a file onto an existing directory: into it',
      text: 'COPY f /t\n',
      layers: [{ ...T, 't/f': file('F') }],
    },
    { name: 'a directory onto an existing file', text: 'COPY dir /t/f\n', error: /\/t\/f/ },
    {
      name: 'a wildcard does not cross folders',
      text: 'COPY dir/*.txt /x/\n',
      layers: [{ 'x/': DIR, 'x/a.txt': file('A') }],
    },
    { name: 'a wildcard that matches nothing', text: 'COPY no*match /x/\n', layers: [] },
    { name: 'a name that is not there', text: 'COPY nope /x\n', error: /nope/ },
    {
      name: 'an excluded name',
      text: 'COPY f /x\n',
      files: { '.dockerignore': 'f\n' },
      error: /\.dockerignore/,
    },
    {
      name: 'a context without what is excluded',
      text: 'COPY . /x/\n',
      files: { '.dockerignore': 'dir\n!dir/deep\ng\nKubefile\n.dockerignore\n' },
      layers: [
        { 'x/': DIR, 'x/dir/': DIR, 'x/dir/deep/': DIR, 'x/dir/deep/c.txt': file('C'), 'x/f': file('F') },
      ],
    },
    {
      name: 'a source above the context: within it',
      text: 'COPY ../../f /x\nCOPY /g /y\n',
      layers: [{ x: file('F') }, { y: file('G') }],
    },
    {
      name: 'a named symlink is followed, others are kept',
      text: 'COPY link /x\nCOPY links /y/\n',
      prepare: 'ln -s f link; mkdir links; ln -s /etc/passwd links/abs; ln -s nowhere links/dangling',
      layers: [
        { x: file('F') },
        {
          'y/': DIR,
          'y/abs': 'symlink 0777 0:0 -> /etc/passwd',
          'y/dangling': 'symlink 0777 0:0 -> nowhere',
        },
      ],
    },
    {
      name: 'a symlink out of the context: within it',
      text: 'COPY out /x\n',
      prepare: 'ln -s ../../../../../../f out',
      layers: [{ x: file('F') }],
    },
    {
      name: 'a symlink to a host file that the context lacks',
      text: 'COPY out /x\n',
      prepare: 'ln -s /etc/hostname out',
      error: /out/,
    },
    {
      name: 'a destination through symlinks stays in the rootfs',
      text: 'COPY f /lnk/x\nCOPY f /esc/x\nCOPY f /dang\n',
      layers: [
        { 'real/': DIR, 'real/x': file('F') },
        { 'tmp/': 'dir 1777 0:0', 'tmp/x': file('F') },
        { 'real/': DIR, 'real/dangling': file('F') },
      ],
    },
    {
      name: 'hard links within one directory',
      text: 'COPY h /x/\n',
      prepare: 'mkdir h; echo 1 > h/one; ln h/one h/two',
      layers: [{ 'x/': DIR, 'x/one': file('1'), 'x/two': 'link 0644 0:0 -> x/one' }],
    },
    {
      name: 'a fifo',
      text: 'COPY special /x/\n',
      prepare: 'mkdir special; mkfifo special/fifo',
      layers: [{ 'x/': DIR, 'x/fifo': 'fifo 0644 0:0' }],
    },
    {
      name: 'owners: root from the context',
      text: 'COPY f /x\n',
      prepare: 'chown 12:34 f',
      layers: [{ x: file('F') }],
    },
    {
      name: '--chown by name, also for the folders made',
      text: 'COPY --chown=user f /x/y/\n',
      layers: [
        { 'x/': 'dir 0755 1000:1000', 'x/y/': 'dir 0755 1000:1000', 'x/y/f': 'file 0644 1000:1000 F' },
      ],
    },
    {
      name: '--chown with a group, by numbers on scratch',
      text: 'FROM scratch\nCOPY --chown=7:8 f /x\nCOPY --chown=9 f /y\n',
      layers: [{ x: 'file 0644 7:8 F' }, { y: 'file 0644 9:9 F' }],
    },
    {
      name: '--chown does not touch a folder that is there',
      text: 'COPY --chown=1:1 f /t/\n',
      layers: [{ ...T, 't/f': 'file 0644 1:1 F' }],
    },
    {
      name: '--chown and --chmod of variables that come to nothing, as if they were not there',
      text: 'FROM base AS one\nCOPY --chown=3:4 --chmod=600 f /from\nFROM base\nARG NONE\nCOPY --chown=$NONE --chmod=${NONE} f /x\nCOPY --from=one --chown=$NONE /from /y\n',
      files: FILES,
      layers: [{ x: file('F') }, { y: 'file 0600 3:4 F' }],
    },
    { name: '--chown of a name nobody has', text: 'COPY --chown=nosuch f /x\n', error: /nosuch/ },
    {
      name: '--chmod of files and folders, not of the destination',
      text: 'COPY --chmod=4711 dir /x\n',
      layers: [
        {
          'x/': DIR,
          'x/a.txt': 'file 4711 0:0 A',
          'x/b.md': 'file 4711 0:0 B',
          'x/deep/': 'dir 4711 0:0',
          'x/deep/c.txt': 'file 4711 0:0 C',
        },
      ],
    },
    {
      name: '--chmod with letters, from what each file has',
      text: 'ARG WHO=go\nCOPY --chmod=u=rwX,${WHO}=rX dir /x\nCOPY --chmod=a+x,u+s f <<EOF /y/\nE\nEOF\n',
      prepare: 'rm dir/b.md; chmod 700 dir/a.txt dir/deep; chmod 600 dir/deep/c.txt; chmod 640 f',
      layers: [
        { 'x/': DIR, 'x/a.txt': 'file 0755 0:0 A', 'x/deep/': DIR, 'x/deep/c.txt': file('C') },
        { 'y/': DIR, 'y/EOF': 'file 4755 0:0 E', 'y/f': 'file 4751 0:0 F' },
      ],
    },
    {
      name: '--link: a layer by itself, which replaces symlinks and hides nothing',
      text: 'COPY --link f /t/\nCOPY --link g /lnk/x\nCOPY --link --chown=7:8 dir /d\nRUN echo $(cat /t/f /lnk/x /d/one /d/a.txt) $(ls -d /real /d/sub /real/x) $(stat -c %a /t) > /seen\n',
      layers: [
        { 't/': DIR, 't/f': file('F') },
        { 'lnk/': DIR, 'lnk/x': file('G') },
        {
          'd/': 'dir 0755 7:8',
          'd/a.txt': 'file 0644 7:8 A',
          'd/b.md': 'file 0644 7:8 B',
          'd/deep/': 'dir 0755 7:8',
          'd/deep/c.txt': 'file 0644 7:8 C',
        },
        { seen: file('FGone A /d/sub /real 755') },
      ],
    },
    {
      name: '--link with an owner by name',
      text: 'COPY --link --chown=user f /x\n',
      error: /does not look at the image/,
    },
    { name: '--chmod that is no mode', text: 'COPY --chmod=9 f /x\n', error: /Kubefile:2:1.*octal/s },
    {
      name: '--chmod with a letter that is none',
      text: 'COPY --chmod=u+q f /x\n',
      error: /Kubefile:2:1.*u\+q is no mode/s,
    },
    {
      name: 'special mode bits of the context',
      text: 'COPY dir /x\n',
      prepare: 'chmod 4755 dir/a.txt; chmod 1777 dir/deep; rm dir/b.md',
      layers: [
        { 'x/': DIR, 'x/a.txt': 'file 4755 0:0 A', 'x/deep/': 'dir 1777 0:0', 'x/deep/c.txt': file('C') },
      ],
    },
    {
      name: 'names with blanks, in JSON',
      text: 'COPY ["a b", "/c d"]\n',
      files: { 'a b': 'AB' },
      layers: [{ 'c d': file('AB') }],
    },
    {
      name: 'from a stage: owners kept, its own symlinks followed inside',
      text: 'FROM base AS one\nRUN mkdir /o && echo s > /o/f && chown 5:6 /o/f && ln -s /o/f /abs\nFROM scratch\nCOPY --from=one /abs /x\nCOPY --from=0 /o /y\n',
      layers: [{ x: 'file 0644 5:6 s' }, { 'y/': DIR, 'y/f': 'file 0644 5:6 s' }],
    },
    {
      name: 'from an image of the store',
      text: 'FROM scratch\nCOPY --from=base /d/one /x\n',
      layers: [{ x: file('one') }],
    },
    {
      name: 'from a stage that comes later',
      text: 'FROM scratch AS a\nCOPY --from=b / /\nFROM base AS b\nFROM a\n',
      error: /before/,
    },
    {
      name: 'inline files, with and without expansion',
      text: 'ENV V=v\nCOPY <<EOF <<"RAW" /x/\n$V \\$V\nEOF\n$V\nRAW\n',
      layers: [{ 'x/': DIR, 'x/EOF': file('v $V'), 'x/RAW': file('$V') }],
    },
    {
      name: 'relative to the working directory',
      text: 'WORKDIR /w\nCOPY f g ./\n',
      layers: [{ 'w/': DIR }, { 'w/': DIR, 'w/f': file('F'), 'w/g': file('G') }],
    },
  ];
  it.each(cases)('$name', ({ files, ...rest }) => check({ ...rest, files: { ...FILES, ...files } }));
});

describeWith(['root', 'private-binfmt'], 'ADD', () => {
  const tarball =
    'mkdir in; echo T > in/t; chown -R 3:4 in; tar -C in -cf a.tar t; gzip -nk a.tar; xz -k a.tar; zstd -q a.tar; rm -r in';
  const unpacked = { 'o/': DIR, 'o/t': 'file 0644 3:4 T' };
  const cases: Case[] = [
    { name: 'unpacks a tar', text: 'ADD a.tar /o/\n', prepare: tarball, layers: [unpacked] },
    { name: 'unpacks gzip', text: 'ADD a.tar.gz /o/\n', prepare: tarball, layers: [unpacked] },
    { name: 'unpacks xz', text: 'ADD a.tar.xz /o/\n', prepare: tarball, layers: [unpacked] },
    { name: 'unpacks zstd', text: 'ADD a.tar.zst /o/\n', prepare: tarball, layers: [unpacked] },
    {
      name: '--unpack=false copies an archive',
      text: 'ADD --unpack=false a.tar /o/a\nRUN tar -tf /o/a > /seen\nADD --unpack a.tar /o/\n',
      prepare: tarball,
      layers: [
        { 'o/': DIR, 'o/a': expect.stringMatching(/^file 0644 0:0 t/) as string },
        { seen: file('t') },
        unpacked,
      ],
    },
    {
      name: 'finds archives by content, not by name',
      text: 'ADD a.txt /o/\n',
      prepare: `${tarball}; mv a.tar a.txt`,
      layers: [unpacked],
    },
    {
      name: 'copies what only has the name of one',
      text: 'ADD fake.tar.gz /o/\n',
      files: { 'fake.tar.gz': 'text' },
      layers: [{ 'o/': DIR, 'o/fake.tar.gz': file('text') }],
    },
    {
      name: 'keeps the ids of the archive below an owner',
      text: 'ADD --chown=7:8 a.tar /o/\n',
      prepare: tarball,
      layers: [{ 'o/': 'dir 0755 7:8', 'o/t': 'file 0644 3:4 T' }],
    },
    {
      name: 'keeps names that climb inside',
      text: 'ADD up.tar /o/\n',
      prepare: 'echo U > u; tar -P --transform "s,^u,../../up," -cf up.tar u',
      layers: [{ 'o/': DIR, 'o/up': file('U') }],
    },
    {
      name: 'copies plain files and folders like COPY',
      text: 'ADD f dir /o/\n',
      files: FILES,
      layers: [
        below('o/', {
          'a.txt': file('A'),
          'b.md': file('B'),
          'deep/': DIR,
          'deep/c.txt': file('C'),
          f: file('F'),
        }),
      ],
    },
  ];
  it.each(cases)('$name', check);
});

describeWith(['root', 'private-binfmt'], 'the layer of a RUN', () => {
  const cases: Case[] = [
    { name: 'a removed file', text: 'RUN rm /d/one\n', layers: [{ ...D, 'd/.wh.one': WHITEOUT }] },
    { name: 'a removed directory', text: 'RUN rm -r /d\n', layers: [{ '.wh.d': WHITEOUT }] },
    { name: 'a file made and removed again', text: 'RUN touch /d/x && rm /d/x\n', layers: [] },
    { name: 'nothing at all', text: 'RUN true\n', layers: [] },
    {
      name: 'no word: the shell gets an empty one',
      text: `SHELL ["/bin/busybox", "sh", "-c", "echo \\"$#$1\\" > /a", "sh"]\nRUN\n`,
      layers: [{ a: file('1') }],
    },
    {
      name: 'a rename there and back',
      text: 'RUN mv /d/one /d/x && mv /d/x /d/one\n',
      layers: [],
    },
    {
      name: 'a directory replaced by a file',
      text: 'RUN rm -r /d/sub && echo x > /d/sub\n',
      layers: [{ ...D, 'd/sub': file('x') }],
    },
    {
      name: 'a file replaced by a directory',
      text: 'RUN rm /t/f && mkdir /t/f && echo x > /t/f/x\n',
      layers: [{ ...T, 't/f/': 'dir 2755 0:8', 't/f/.wh..wh..opq': WHITEOUT, 't/f/x': 'file 0644 0:8 x' }],
    },
    {
      name: 'a renamed directory',
      text: 'RUN mv /d /e\n',
      layers: [
        {
          '.wh.d': WHITEOUT,
          'e/': DIR,
          'e/hard': file('one'),
          'e/one': 'link 0644 0:0 -> e/hard',
          'e/sub/': DIR,
          'e/sub/two': file('two'),
        },
      ],
    },
    {
      name: 'a new link to an old file',
      text: 'RUN ln /t/f /t/g\n',
      layers: [{ ...T, 't/f': file('old'), 't/g': 'link 0644 0:0 -> t/f' }],
    },
    { name: 'a mode alone', text: 'RUN chmod 600 /t/f\n', layers: [{ ...T, 't/f': 'file 0600 0:0 old' }] },
    {
      name: 'large ids and long names',
      text: `RUN mkdir /n && cd /n && touch ${LONG_NAME} ü && chown 3000000000:2097152 *\n`,
      layers: [
        {
          'n/': DIR,
          [`n/${LONG_NAME}`]: 'file 0644 3000000000:2097152',
          'n/ü': 'file 0644 3000000000:2097152',
        },
      ],
    },
    {
      name: 'a device in /dev stays out of the layer',
      text: 'RUN echo x > /dev/shm/x; touch /dev/y; mkdir -p /dev/z\n',
      layers: [],
    },
    { name: 'a file called like a whiteout is refused', text: 'RUN touch /d/.wh.one\n', error: /\.wh\.one/ },
    {
      name: 'what a volume holds is kept',
      text: 'VOLUME /v\nRUN mkdir -p /v && echo x > /v/x\n',
      layers: [{ 'v/': DIR, 'v/x': file('x') }],
    },
    {
      name: 'a heredoc is one script of the shell',
      text: 'RUN <<EOF\necho a > /a\necho b > /b\nEOF\n',
      layers: [{ a: file('a'), b: file('b') }],
    },
    {
      name: 'a heredoc with a program of its own leaves no trace',
      text: 'RUN <<EOF\n#!/bin/busybox sh\necho $0 > /a\nEOF\n',
      layers: [{ a: file('/dev/pipes/EOF') }],
    },
    { name: 'a heredoc as input', text: 'RUN cat <<EOF > /a\n$HOME\nEOF\n', layers: [{ a: file('/root') }] },
    {
      name: 'exec form needs no shell',
      text: 'RUN ["/bin/busybox", "touch", "/a b"]\n',
      layers: [{ 'a b': EMPTY }],
    },
    {
      name: 'another shell',
      text: 'SHELL ["/bin/busybox", "sh", "-xc"]\nRUN echo $0 > /a\n',
      layers: [{ a: file('sh') }],
    },
    {
      name: 'quotes and continuations reach the shell',
      text: 'RUN echo "a  b" \'c  $HOME\' \\\n  # comment\n  d > /a\n',
      layers: [{ a: file('a  b c  $HOME d') }],
    },
    {
      name: 'streams are opened by name, also as another user',
      text: 'USER user\nRUN echo x > /dev/stdout && echo y > /dev/stderr && echo z | tee /dev/stderr\n',
      layers: [],
    },
    {
      name: 'hosts and resolv.conf are not the image’s',
      text: 'RUN ! echo 1.2.3.4 mine >> /etc/hosts && test -e /etc/resolv.conf && grep -q localhost /etc/hosts\n',
      layers: [],
    },
    {
      name: 'without a network resolv.conf is not the image’s either, and stays what it was in there',
      text: 'COPY f /etc/resolv.conf\nRUN --network=none grep ^nameserver /etc/resolv.conf && ! echo x >> /etc/resolv.conf && touch /a\n',
      files: { f: 'F' },
      layers: [{ 'etc/': DIR, 'etc/resolv.conf': file('F') }, { a: EMPTY }],
    },
  ];
  it.each(cases)('$name', check);

  it('never reuses a base’s layer under another digest', async () => {
    const kubefile = 'FROM base\nRUN echo x > /x\n';
    await build(cli, 'child', { kubefile });
    const [parent, child] = [await readSaved(cli, 'base'), await readSaved(cli, 'child')];
    expect(child.config.rootfs.diff_ids.slice(0, BASE_LAYERS)).toEqual(parent.config.rootfs.diff_ids);
  });

  it('replaces a directory so that nothing of the old one shows', async () => {
    const kubefile = 'FROM base\nRUN rm -r /d && mkdir /d && echo new > /d/new\n';
    await build(cli, 'opaque', { kubefile });
    expect(await cli.run(['run', 'opaque', 'ls', '/d'])).toBe('new');
    const [layer] = (await readSaved(cli, 'opaque')).layers.slice(BASE_LAYERS);
    const marks = Object.keys(layer!).filter((path) => path.includes('.wh.'));
    expect([['d/.wh..wh..opq'], ['d/.wh.hard', 'd/.wh.one', 'd/.wh.sub']]).toContainEqual(marks.sort());
    expect(layer).toMatchObject({ 'd/': DIR, 'd/new': file('new') });
  });
});

describeWith(['root', 'private-binfmt'], 'USER and WORKDIR', () => {
  const id = (user: string): string => `USER ${user}\nRUN id > /tmp/id; echo $HOME >> /tmp/id\n`;
  const tmp = (owner: string, content: string): LayerEntries => ({
    'tmp/': 'dir 1777 0:0',
    'tmp/id': `file 0644 ${owner} ${content}`,
  });
  const cases: Case[] = [
    {
      name: 'a name: its groups and home',
      text: id('user'),
      layers: [tmp('1000:1000', 'uid=1000(user) gid=1000 groups=50(staff),1000\n/home/user')],
    },
    {
      name: 'a known number: the same',
      text: id('1000'),
      layers: [tmp('1000:1000', 'uid=1000(user) gid=1000 groups=50(staff),1000\n/home/user')],
    },
    {
      name: 'an unknown number: group 0',
      text: id('4242'),
      layers: [tmp('4242:0', 'uid=4242 gid=0(root) groups=0(root)\n/')],
    },
    {
      name: 'a group: no others but that one',
      text: id('user:bin'),
      layers: [tmp('1000:1', 'uid=1000(user) gid=1(daemon) groups=1(daemon)\n/home/user')],
    },
    {
      name: 'a name nobody has, as long as nothing runs',
      text: 'USER nosuch\n',
      layers: [],
      config: { User: 'nosuch' },
    },
    { name: 'a name nobody has', text: 'USER nosuch\nRUN true\n', error: /nosuch/ },
    {
      name: 'passwd that is a fifo',
      text: 'FROM base\nRUN rm /etc/passwd && mkfifo /etc/passwd\nUSER user\nRUN true\n',
      error: /passwd/,
    },
    {
      name: 'passwd that leads out',
      text: 'FROM base\nRUN rm /etc/passwd && ln -s ../../../../../etc/shadow /etc/passwd\nUSER user\nRUN true\n',
      error: /user/,
    },
    {
      name: 'folders that it makes belong to the user, those that are there to whom they did',
      text: 'WORKDIR /w/x\nUSER user\nWORKDIR y/z\n',
      layers: [
        { 'w/': DIR, 'w/x/': DIR },
        { 'w/': DIR, 'w/x/': DIR, 'w/x/y/': 'dir 0755 1000:1000', 'w/x/y/z/': 'dir 0755 1000:1000' },
      ],
      config: { WorkingDir: '/w/x/y/z' },
    },
    {
      name: 'of a lone number, known or not, to the group of that number, as --chown has it',
      text: 'RUN echo "other:x:70:1000::/:/bin/sh" >> /etc/passwd\nUSER 70\nWORKDIR /w\nUSER 4242\nWORKDIR /v\nUSER other\nWORKDIR /u\nUSER :50\nWORKDIR /t50\n',
      layers: [
        expect.objectContaining({}) as LayerEntries,
        { 'w/': 'dir 0755 70:70' },
        { 'v/': 'dir 0755 4242:4242' },
        { 'u/': 'dir 0755 70:1000' },
        { 't50/': 'dir 0755 0:50' },
      ],
    },
    {
      name: 'a variable that comes to nothing changes nothing',
      text: 'WORKDIR /d\nARG NONE\nWORKDIR $NONE\nWORKDIR "${NONE}"\nRUN pwd > /a\n',
      layers: [{ a: file('/d') }],
      config: { WorkingDir: '/d' },
    },
    {
      name: 'paths are cleaned, / is there',
      text: 'WORKDIR /d\nWORKDIR sub/../sub\nWORKDIR /\n',
      layers: [],
      config: { WorkingDir: '/' },
    },
    {
      name: 'a symlink is followed',
      text: 'WORKDIR /lnk/x\nRUN pwd > /a\n',
      layers: [{ 'real/': DIR, 'real/x/': DIR }, { a: file('/real/x') }],
    },
    { name: 'a file is no directory', text: 'WORKDIR /d/one/x\n', error: /\/d\/one/ },
    {
      name: 'a descriptor of ours leads nowhere',
      text: 'WORKDIR /proc/self/fd/7\nRUN pwd; cat /etc/shadow\n',
      error: /proc/,
    },
  ];
  it.each(cases)('$name', check);
});

describeWith(['root', 'private-binfmt'], 'config and history', () => {
  it('say what the Kubefile says, in its order', async () => {
    const kubefile = `FROM base
ARG V=val
LABEL a=1 b="two words"
EXPOSE 80 443/TCP 7000-7001
VOLUME /v
STOPSIGNAL 9
HEALTHCHECK --interval=5s --retries=2 CMD true
MAINTAINER me
RUN echo $V > /x
COPY f /f
WORKDIR /d
CMD ["a"]
ENTRYPOINT ["b", "c"]
`;
    await build(cli, 'all', {
      kubefile,
      files: FILES,
      folder: 'all',
      args: ['--dialect', 'dockerfile', '--label', 'c=3'],
    });
    const { config } = await readSaved(cli, 'all');
    expect(config).toMatchObject({ architecture: 'arm64', author: 'me' });
    expect(config.config).toMatchObject({
      Labels: { a: '1', b: 'two words', c: '3' },
      ExposedPorts: { '80/tcp': {}, '443/tcp': {}, '7000/tcp': {}, '7001/tcp': {} },
      Volumes: { '/v': {} },
      StopSignal: '9',
      Healthcheck: { Test: ['CMD-SHELL', 'true'], Interval: 5_000_000_000, Retries: 2 },
      WorkingDir: '/d',
      Cmd: ['a'],
      Entrypoint: ['b', 'c'],
    });
    const own = config.history.slice(3);
    expect(
      own.map(({ created_by: text, empty_layer: empty }) => `${empty === true ? 'empty' : 'layer'} ${text}`),
    ).toEqual([
      'empty ARG V=val',
      'empty LABEL a=1 b=two words',
      'empty EXPOSE 80 443/TCP 7000-7001',
      'empty VOLUME ["/v"]',
      'empty STOPSIGNAL 9',
      'empty HEALTHCHECK --interval=5s --retries=2 CMD true',
      'empty MAINTAINER me',
      'layer RUN |1 V=val /bin/sh -c echo $V > /x',
      'layer COPY f /f',
      'empty WORKDIR /d',
      'empty CMD ["a"]',
      'empty ENTRYPOINT ["b","c"]',
    ]);
  });

  const cases: Case[] = [
    {
      name: 'ENTRYPOINT clears an inherited CMD',
      text: 'FROM base AS a\nCMD ["x"]\nFROM a\nENTRYPOINT ["e"]\n',
      config: { Entrypoint: ['e'] },
    },
    {
      name: 'ENTRYPOINT keeps a CMD of the same stage',
      text: 'CMD ["x"]\nENTRYPOINT ["e"]\n',
      config: { Entrypoint: ['e'], Cmd: ['x'] },
    },
    { name: 'shell form', text: 'CMD echo hi\n', config: { Cmd: ['/bin/sh', '-c', 'echo hi'] } },
    {
      name: 'what is no JSON is shell form',
      text: "CMD ['a']\n",
      config: { Cmd: ['/bin/sh', '-c', "['a']"] },
    },
    {
      name: 'labels are inherited',
      text: 'FROM base AS a\nLABEL x=1\nFROM a\nLABEL y=2\n',
      config: { Labels: { x: '1', y: '2' } },
    },
  ];
  it.each(cases)('$name', check);

  it('run the triggers of a base once, in the child', async () => {
    await build(cli, 'trigger', {
      kubefile: 'FROM base\nONBUILD RUN echo first > /first\nONBUILD ENV T=1\n',
    });
    await build(cli, 'triggered', { kubefile: 'FROM trigger\nRUN echo $T > /second\n' });
    const { layers, config } = await readSaved(cli, 'triggered');
    expect(layers.slice(BASE_LAYERS)).toEqual([{ first: file('first') }, { second: file('1') }]);
    expect(config.config).not.toHaveProperty('OnBuild');
  });

  it('take the time from --source-date-epoch, for files and documents', async () => {
    const args = ['--source-date-epoch', '1000000000', '--no-cache'];
    await build(cli, 'epoch', {
      kubefile: 'FROM scratch\nCOPY f /x/\n',
      files: FILES,
      folder: 'epoch',
      args,
    });
    const { config } = await readSaved(cli, 'epoch');
    expect([config.created, ...config.history.map(({ created }) => created)]).toEqual([
      '2001-09-09T01:46:40.000Z',
      '2001-09-09T01:46:40.000Z',
    ]);
  });
});
