/** `build --check` and `build --plan` of the built program: they answer on stdout, and make nothing. */
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { describeWithRoot } from '../support/requires.ts';

async function context(cli: Cli, files: Readonly<Record<string, string | Buffer>>): Promise<string> {
  for (const [name, content] of Object.entries(files)) await cli.scratch.write(`context/${name}`, content);
  return cli.scratch.path('context');
}

/** The header of a program for arm64 that nobody runs. */
const ARM64 = Buffer.concat([
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]),
  Buffer.alloc(8),
  Buffer.from([2, 0, 183, 0]),
  Buffer.alloc(100),
]);

describeWithRoot('build --check', () => {
  it('says where and why, exits 1, and makes no store', async () => {
    await using cli = await openCli();
    const folder = await context(cli, {
      Dockerfile: 'FROM base as a\nCOPY lib.so.1 /lib/\nCOPY secret /x\n',
      '.dockerignore': 'secret\n',
      secret: 'x',
      'lib.so.1': ARM64,
    });
    const { status, stdout, stderr } = await cli.call([
      'build',
      '--check',
      '--platform',
      'linux/amd64',
      folder,
    ]);
    expect(status).toBe(1);
    expect(stdout).toContain(`warning[FromAsCasing] ${folder}/Dockerfile:1:1: `);
    expect(stdout).toContain('lib.so.1 is a program for arm64, and is copied for linux/amd64');
    expect(stdout).toContain('  3 | COPY secret /x\n    |      ^^^^^^\n');
    expect(stderr).toContain('as dockerfile: 3 findings\n');
    expect(existsSync(cli.root)).toBe(false);
  });

  it('exits 0 when there is nothing, as JSON too', async () => {
    await using cli = await openCli();
    const folder = await context(cli, { Dockerfile: 'FROM base\n' });
    const { status, stdout } = await cli.call(['build', '--check', '--json', folder]);
    expect({ status, answer: JSON.parse(stdout) as unknown }).toMatchObject({
      status: 0,
      answer: { dialect: 'dockerfile', findings: [] },
    });
  });

  it('fails a build where the file says error=true', async () => {
    await using cli = await openCli();
    const folder = await context(cli, { Dockerfile: '# check=error=true\nFROM scratch AS A\n' });
    const { status, stdout, stderr } = await cli.call(['build', folder]);
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' });
    expect(stderr).toContain(
      'Dockerfile:2:1: the check option error=true makes this an error: StageNameCasing',
    );
  });
});

describeWithRoot('build --plan', () => {
  const FILES = {
    Dockerfile:
      'FROM scratch AS a\nARG V=1\nCOPY file /v$V/\nFROM scratch AS unused\nFROM elsewhere/base\nRUN true\nCOPY --from=a /v1/file /x\n',
    file: 'x',
  };

  it('shows stages, why they are needed, and what is known of each step', async () => {
    await using cli = await openCli();
    const folder = await context(cli, FILES);
    const text = await cli.run(['build', '--plan', '--platform', 'linux/arm64', folder]);
    expect(text).toContain('stage 0 a: needed by 2\n');
    expect(text).toContain('stage 1 unused: left out, nothing needs it\n');
    expect(text).toContain('from     elsewhere/base for linux/arm64: to be fetched from its registry\n');
    expect(text).toContain('miss     3: COPY file /v$V/\n');
    expect(text).toContain('= COPY file /v1/\n');
    expect(text).toContain('no key: elsewhere/base has to be fetched first\n');
    expect(text).toContain('exec "/bin/sh" "-c" "true"\n');
    expect(await readdir(join(cli.root, 'snapshots')).catch(() => [])).toEqual([]);
  });

  it('has the keys of the build, which then hit', async () => {
    await using cli = await openCli();
    const folder = await context(cli, FILES);
    const plan = ['build', '--plan', '--json', '--target', 'a', '--source-date-epoch', '0', folder];
    const stepsOf = async (): Promise<{ cache: string; key: string }[]> => {
      const answer = JSON.parse(await cli.run(plan)) as {
        platforms: { stages: { steps: { cache: string; key: string }[] }[] }[];
      };
      return answer.platforms[0]!.stages[0]!.steps;
    };
    const before = await stepsOf();
    await cli.run(['build', '--target', 'a', '--source-date-epoch', '0', folder]);
    const after = await stepsOf();
    expect(before.map(({ cache }) => cache)).toEqual(['miss', 'miss']);
    expect(after.map(({ cache }) => cache)).toEqual(['hit', 'hit']);
    expect(after.map(({ key }) => key)).toEqual(before.map(({ key }) => key));
  });

  it('plans a cluster image on a base that is not there', async () => {
    await using cli = await openCli();
    const text =
      'FROM rootfs:1\nCNI calico local://calico.sh\nAPP u https://example.org/x.yaml\nLAUNCH calico u of-the-base\n';
    const folder = await context(cli, { Kubefile: text, 'calico.sh': 'true\n' });
    const answer = await cli.run(['build', '--plan', folder]);
    expect(answer).toContain('as kubefile/v2\n');
    expect(answer).toContain('= COPY calico.sh /application/apps/calico/\n');
    expect(answer).toContain('unknown  4: LAUNCH calico u of-the-base\n');
  });

  const CLUSTER = {
    Kubefile: 'FROM scratch\nCOPY . .\n',
    'manifests/imageList': 'nginx:1\nno name\n',
    'manifests/app.yaml': 'kind: Pod\nspec:\n  containers:\n    - image: nginx:1\n    - image: redis:7\n',
    'imageListWithAuth.yaml':
      '- registry: r.example\n  username: me\n  password: hidden-word\n  images: [r.example/own:1]\n',
    'more.txt': 'busybox:1\n',
  };

  it('says what comes after the steps: gathering, outputs, tags, caches', async () => {
    await using cli = await openCli();
    const folder = await context(cli, CLUSTER);
    const more = ['--image-list', join(folder, 'more.txt'), '--image-source', 'mirror.example'];
    const results = ['-t', 'a:1', '-o', `type=oci,dest=${folder}.tar`, '--audit', 'warn'];
    const caches = [
      '--cache-from',
      'r.example/cache',
      '--cache-to',
      `type=local,dest=${folder}-cache,mode=max`,
    ];
    const plan = ['build', '--plan', ...more, ...results, ...caches];
    const text = await cli.run([...plan, folder]);
    const afterwards = text.slice(text.indexOf('\nafter the last step\n')).trimEnd().split('\n').slice(2);
    expect(afterwards.map((line) => line.trim())).toEqual([
      'gather   the container images that the result names: lists, YAML, charts and applications',
      `list: ${folder}/more.txt`,
      'source: mirror.example',
      'the context and the lists name 4 images; bases and steps may bring more',
      `docker.io/library/busybox:1 (${folder}/more.txt:1)`,
      'docker.io/library/nginx:1 (manifests/imageList:1, manifests/app.yaml:4)',
      'docker.io/library/redis:7 (manifests/app.yaml:5)',
      expect.stringMatching(/^r\.example\/own:1 \(.*imageListWithAuth\.yaml/),
      expect.stringMatching(/^manifests\/imageList:2: /),
      'audit    warn for programs of other machines in the result',
      `output   oci ${folder}.tar`,
      'tag      docker.io/library/a:1',
      expect.stringMatching(/^cache    from registry r\.example\/cache/),
      `cache    to local ${folder}-cache:latest, mode max`,
    ]);
    const json = await cli.run([...plan, '--json', folder]);
    expect(json).not.toContain('hidden-word');
    expect(JSON.parse(json)).toMatchObject({
      gather: {
        listsOnly: false,
        sources: ['mirror.example'],
        images: [{}, {}, {}, { name: 'r.example/own:1', private: true }],
        problems: [{ file: 'manifests/imageList', line: 2 }],
      },
      outputs: [{ type: 'oci', dest: `${folder}.tar` }],
      caches: { to: [{ mode: 'max' }] },
    });
  });

  it('says so where nothing is gathered, by leaving it out', async () => {
    await using cli = await openCli();
    const folder = await context(cli, { ...CLUSTER, Dockerfile: CLUSTER.Kubefile });
    for (const more of [
      ['--gather', 'none'],
      ['-f', join(folder, 'Dockerfile')],
    ]) {
      const answer = await cli.run(['build', '--plan', '--json', ...more, folder]);
      expect(JSON.parse(answer)).not.toHaveProperty('gather');
    }
    expect(await cli.run(['build', '--plan', '--gather', 'list', folder])).toContain(
      'lists of images only\n',
    );
  });

  it('fails where the build would', async () => {
    await using cli = await openCli();
    const folder = await context(cli, { Dockerfile: 'FROM scratch\nCOPY missing /x\n' });
    const { status, stderr } = await cli.call(['build', '--plan', folder]);
    expect(status).toBe(1);
    expect(stderr).toContain('Dockerfile:2:1: "/missing": not found');
  });
});
