/** Images on their way: archives of ours and of others, and a registry on the loopback interface. */
import { mkdir } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openCli, type Cli } from '../support/cli.ts';
import { openForeignTools, runTool, type ForeignTools } from '../support/foreign-tools.ts';
import { describeWith } from '../support/requires.ts';
import { DockerRegistry } from '../system/docker-registry.ts';
import { busyboxRootfs } from './bases.ts';
import { build, tryBuild } from './projects.ts';
import { PROGRAM } from './terminal.ts';
import { closeVerified } from './verified.ts';

const PLATFORMS = ['linux/amd64', 'linux/arm64'];
const KUBEFILE = `FROM base-$TARGETARCH
RUN uname -m > /machine
COPY <<EOF /etc/greeting
hello
EOF
LABEL from=e2e
CMD ["cat", "/machine"]
`;

let cli: Cli;
let tools: ForeignTools;
let digest: string;

beforeAll(async () => {
  cli = await openCli();
  tools = await openForeignTools();
  for (const arch of ['amd64', 'arm64']) {
    await cli.run(['import', await busyboxRootfs(arch), `base-${arch}`, '--platform', `linux/${arch}`]);
  }
  const platforms = ['--platform', PLATFORMS.join(',')];
  ({ digest } = await build(cli, 'app:1', {
    kubefile: KUBEFILE,
    platforms,
    args: ['--dialect', 'dockerfile'],
  }));
});
afterAll(async () => {
  await closeVerified(cli);
  await tools[Symbol.asyncDispose]();
});

interface Listed {
  readonly name: string | null;
  readonly digest: string;
  readonly platforms: readonly {
    readonly platform: string;
    readonly config: string;
    readonly layers: number;
  }[];
}

const list = async (of: Cli): Promise<Listed[]> => JSON.parse(await of.run(['images', '--json'])) as Listed[];

describeWith(['root', 'private-binfmt'], 'save and load', () => {
  it('give the same digests in another store, and a program that runs there', async () => {
    const archive = cli.scratch.path('app.tar');
    await cli.run(['save', '-o', archive, 'app:1']);
    await using other = await openCli();
    expect(await other.run(['load', '-i', archive])).toBe(`docker.io/library/app:1 ${digest}`);
    const [here] = (await list(cli)).filter(({ name }) => name === 'docker.io/library/app:1');
    expect(await list(other)).toEqual([here]);
    await other.run(['verify', 'app:1']);
    expect(await other.run(['run', '--platform', 'linux/arm64', 'app:1'])).toBe('aarch64');
    await build(other, 'child', {
      kubefile: 'FROM app:1\nRUN cat /etc/greeting\n',
      args: ['--dialect', 'dockerfile'],
    });
  });

  it('write the same archive each time, from either store', async () => {
    const [first, second] = [cli.scratch.path('first.tar'), cli.scratch.path('second.tar')];
    await cli.run(['save', '-o', first, 'app:1']);
    await using other = await openCli();
    await other.run(['load', '-i', first]);
    await other.run(['save', '-o', second, 'app:1']);
    await runTool('cmp', [first, second]);
  });

  it('keep several names of one image, and several images', async () => {
    await cli.run(['tag', 'app:1', 'app:2', 'example.com/x/app:3']);
    const archive = cli.scratch.path('several.tar');
    await cli.run(['save', '-o', archive, 'app:1', 'app:2', 'example.com/x/app:3', 'base-amd64']);
    await using other = await openCli();
    await other.run(['load', '-i', archive]);
    expect((await list(other)).map(({ name }) => name).sort()).toEqual([
      'docker.io/library/app:1',
      'docker.io/library/app:2',
      'docker.io/library/base-amd64:latest',
      'example.com/x/app:3',
    ]);
  });

  it('work through pipes', async () => {
    await using other = await openCli();
    const command = '"$1" "$2" --root "$3" save -o - app:1 | "$1" "$2" --root "$4" load -i /dev/stdin';
    const out = await runTool('sh', ['-c', command, 'sh', process.execPath, PROGRAM, cli.root, other.root]);
    expect(out).toBe(`docker.io/library/app:1 ${digest}\n`);
  });

  it('refuse a damaged archive and keep nothing of it', async () => {
    const archive = cli.scratch.path('damaged.tar');
    await cli.run(['save', '-o', archive, 'app:1']);
    await runTool('sh', ['-c', 'printf X | dd of="$1" bs=1 seek=600000 conv=notrunc', 'sh', archive]);
    await using other = await openCli();
    const { status, stderr } = await other.call(['load', '-i', archive]);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(/^error\[DIGEST_MISMATCH\]/) as unknown,
    });
    expect(await list(other)).toEqual([]);
  });
});

describeWith(['root', 'private-binfmt', 'command:podman', 'command:buildah'], 'the tools of others', () => {
  it('make docker archives that load', async () => {
    const [oci, docker] = [tools.scratch.path('one.tar'), tools.scratch.path('docker.tar')];
    await cli.run(['save', '-o', oci, '--platform', 'linux/arm64', 'app:1']);
    await tools.skopeo(['copy', '--quiet', `oci-archive:${oci}`, `docker-archive:${docker}:skopeo/app:1`]);
    await using other = await openCli();
    expect(await other.run(['load', '-i', docker])).toMatch(/^docker\.io\/skopeo\/app:1 sha256:/);
    await other.run(['verify', 'skopeo/app:1']);
    expect(await other.run(['run', 'skopeo/app:1'])).toBe('aarch64');
    await build(other, 'child', {
      kubefile: 'FROM skopeo/app:1\nRUN cat /machine\n',
      args: ['--dialect', 'dockerfile'],
    });
  });

  it('load the docker archive we make, and save one we load again', async () => {
    const docker = cli.scratch.path('docker.tar');
    await cli.run(['save', '--format', 'docker', '--platform', 'linux/amd64', '-o', docker, 'app:1']);
    expect(await tools.podman(['load', '-q', '-i', docker])).toContain('app:1');
    const again = tools.scratch.path('podman.tar');
    await tools.podman(['save', '-q', '--format', 'docker-archive', '-o', again, 'docker.io/library/app:1']);
    await using other = await openCli();
    await other.run(['load', '-i', again]);
    expect(await other.run(['run', 'app:1', 'cat', '/etc/greeting'])).toBe('hello');
  });

  it('refuse what they cannot hold only as we say: one platform', async () => {
    const { status, stderr } = await cli.call(['save', '--format', 'docker', '-o', '/dev/null', 'app:1']);
    expect(status).toBe(2);
    expect(stderr).toMatch(/linux\/amd64, linux\/arm64[^]*hint: choose one with --platform/);
  });
});

describeWith(['root', 'private-binfmt', 'command:docker-registry', 'command:skopeo'], 'a registry', () => {
  it('serves bases: pulled whole or for one platform, found again without it', async () => {
    const directory = tools.scratch.path('serve');
    await mkdir(directory);
    const archive = tools.scratch.path('push.tar');
    await cli.run(['save', '-o', archive, 'app:1']);
    await using other = await openCli();
    let name: string;
    {
      await using registry = await DockerRegistry.start(directory);
      name = `${registry.host}/team/app:1`;
      await tools.skopeo([
        'copy',
        '--all',
        '--preserve-digests',
        '--quiet',
        '--dest-tls-verify=false',
        `oci-archive:${archive}`,
        `docker://${name}`,
      ]);
      const project = {
        kubefile: `FROM ${name}\nRUN cat /machine > /from\n`,
        args: ['--dialect', 'dockerfile', '--pull', 'missing'],
      };
      await build(other, 'child', project);
      expect(
        (await list(other)).find((image) => image.name === name)?.platforms.map(({ platform }) => platform),
      ).toEqual(['linux/arm64']);
      expect(await other.run(['pull', name])).toContain(digest);
      expect((await list(other)).find((image) => image.name === name)?.platforms).toHaveLength(2);
      const missing = await tryBuild(other, 'x', { ...project, platforms: ['--platform', 'linux/s390x'] });
      expect(missing.status).toBe(1);
      expect(missing.stderr).toMatch(/linux\/s390x[^]*linux\/amd64, linux\/arm64/);
      expect((await other.call(['pull', `${registry.host}/team/nosuch:1`])).status).toBe(1);
    }
    await other.run(['verify', name]);
    expect(await other.run(['run', 'child', 'cat', '/from'])).toBe('aarch64');
    const gone = await other.call(['pull', name]);
    expect({ status: gone.status, stderr: gone.stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(/^error\[NETWORK\]/) as unknown,
    });
  });
});

describe('what is said about images', () => {
  it('is a table for people and JSON for programs', async () => {
    expect(await cli.run(['images'])).toMatch(/^NAME +TAG +PLATFORM +DIGEST +CREATED +SIZE\n/);
    const index = JSON.parse(await cli.run(['inspect', '--format', 'index', 'app:1'])) as {
      manifests: unknown[];
    };
    expect(index.manifests).toHaveLength(2);
    const steps = JSON.parse(await cli.run(['history', '--platform', 'linux/arm64', '--json', 'app:1'])) as {
      created_by: string;
      layer: string | null;
    }[];
    expect(steps.filter(({ layer }) => layer !== null)).toHaveLength(3);
  });
});
