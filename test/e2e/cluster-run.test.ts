/** A cluster image on hosts of two architectures, by the system's ssh: what arrives, and what happens again. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openCli, type CallOptions, type Cli, type Outcome } from '../support/cli.ts';
import { keepArchitecture } from '../support/registry-tree.ts';
import { openRemoteHosts, type RemoteHosts } from '../support/remote-hosts.ts';
import { describeWith } from '../support/requires.ts';
import { DockerRegistry } from '../system/docker-registry.ts';
import { build, cachedSteps } from './projects.ts';

const PLATFORMS = ['--platform', 'linux/amd64,linux/arm64'];
const V2 = ['--dialect', 'kubefile-v2'];

const KUBEFILE = `FROM scratch
COPY common .
COPY --chmod=755 \${ARCH}/bin bin
COPY \${ARCH}/registry registry
ENV Version=v1.19
CMD tool "one word"
CMD cat etc/config.yml >>/var/lib/launched
`;
const INIT = 'echo "$HostIP $RegistryURL $(uname -m) $*" >>/var/lib/init.log\n';
const TOOL = (name: string): string => `#!/bin/sh\necho "${name} tool: $1" >>/var/lib/launched\n`;
const FILES = {
  'common/scripts/init.sh': INIT,
  'common/etc/config.yml.tmpl':
    'version: {{ .Version }}\nregistry: {{ .RegistryURL }}\nhost: {{ .HostIP }}\n',
  'amd64/bin/tool': TOOL('amd64'),
  'arm64/bin/tool': TOOL('arm64'),
  // the image's own program, which is the host's in disguise
  'amd64/bin/registry': '#!/bin/sh\necho "$0" >/var/lib/registry-program\nexec docker-registry "$@"\n',
};

/** Its last command waits for a file, and says so. */
const WAITING = `FROM scratch
COPY scripts scripts
CMD echo once >>/var/lib/once
CMD echo waiting; while [ ! -e /var/lib/go ]; do sleep 0.05; done; echo end >>/var/lib/once
`;
const REFUSING = { 'scripts/init.sh': 'case $HostIP in *.11) echo "no disk" >&2; exit 7;; esac\n' };

/** `both:1` of two platforms in `cluster:1` of two platforms, each with its half. */
async function buildCluster(cli: Cli): Promise<void> {
  const small = {
    kubefile: 'FROM scratch\nCOPY ${ARCH}/f .\n',
    files: { 'amd64/f': 'a\n', 'arm64/f': 'b\n' },
  };
  await build(cli, 'both:1', { ...small, folder: 'small', platforms: PLATFORMS });
  await using registry = await DockerRegistry.start(cli.scratch.path('origin'));
  await cli.run(['push', '--insecure', registry.host, 'both:1', `${registry.host}/team/both:1`]);
  for (const architecture of ['amd64', 'arm64']) {
    const directory = cli.scratch.path('context', architecture);
    mkdirSync(directory, { recursive: true });
    keepArchitecture(registry.storage, join(directory, 'registry'), architecture);
  }
  await build(cli, 'cluster:1', { kubefile: KUBEFILE, files: FILES, platforms: PLATFORMS, args: V2 });
}

const NEEDED = ['root', 'overlay', 'command:sshd', 'command:ssh', 'command:docker-registry'] as const;

describeWith(NEEDED, 'a cluster image on hosts', () => {
  let cli: Cli;
  let hosts: RemoteHosts;

  beforeAll(async () => {
    [cli, hosts] = await Promise.all([openCli(), openRemoteHosts(['x86_64', 'aarch64', 'aarch64'])]);
    await buildCluster(cli);
    const project = { platforms: PLATFORMS, args: V2 };
    const init = { 'scripts/init.sh': INIT };
    await build(cli, 'waiting:1', { ...project, kubefile: WAITING, files: init, folder: 'waiting' });
    const refusing = 'FROM scratch\nCOPY scripts scripts\nCMD true\n';
    await build(cli, 'refusing:1', { ...project, kubefile: refusing, files: REFUSING, folder: 'refusing' });
  });

  afterAll(async () => {
    await hosts[Symbol.asyncDispose]();
    await cli[Symbol.asyncDispose]();
  });

  const run = (cluster: string, image: string, options: CallOptions = {}): Promise<Outcome> => {
    const [master = '', ...nodes] = hosts.addresses;
    const words = [
      '-m',
      master,
      '-n',
      nodes.join(','),
      '--cluster',
      cluster,
      '--ssh-config',
      hosts.sshConfig,
    ];
    return cli.call(['run', ...words, image], { through: hosts.through, ...options });
  };

  it('brings each its own tree, and the first master the registry of all', async () => {
    const { status, stderr } = await run('first', 'cluster:1');
    expect(status, stderr).toBe(0);
    const [master = '', node = ''] = hosts.addresses;
    const rootfs = '/var/lib/sealer/data/first/rootfs';
    expect(await hosts.on(node, `cat ${rootfs}/bin/tool`)).toBe(TOOL('arm64'));
    expect(await hosts.on(master, `cat ${rootfs}/bin/tool /var/lib/registry-program`)).toBe(
      `${TOOL('amd64')}${rootfs}/bin/registry\n`,
    );
    const said = 'sea.hub:5000 x86_64 /var/lib/docker sea.hub 5000';
    expect(await hosts.on(master, 'cat /var/lib/init.log')).toBe(`${master} ${said}\n`);
    expect(await hosts.on(node, 'cat /var/lib/init.log')).toContain(`${node} sea.hub:5000 aarch64`);
    const config = `version: v1.19\nregistry: sea.hub:5000\nhost: ${master}\n`;
    expect(await hosts.on(master, 'cat /var/lib/launched')).toBe(`amd64 tool: one word\n${config}`);
  });

  it('answers each host for every platform', async () => {
    const [, node = ''] = hosts.addresses;
    const accept = 'application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json';
    const script = `
      const get = (path) => fetch('http://sea.hub:5000/v2/team/both/' + path, { headers: { accept: '${accept}' } });
      const { manifests } = await (await get('manifests/1')).json();
      for (const { digest, platform } of manifests) {
        const { layers } = await (await get('manifests/' + digest)).json();
        console.log(platform.architecture, (await get('blobs/' + layers[0].digest)).status);
      }`;
    const command = `${process.execPath} --input-type=module -e '${script.replaceAll("'", `'\\''`)}'`;
    expect(await hosts.on(node, command)).toBe('amd64 200\narm64 200\n');
  });

  it('does nothing again, and sends again only what is new', async () => {
    const again = await run('first', 'cluster:1');
    expect([again.status, cachedSteps(again.stderr).length]).toEqual([0, 12]);
    expect(again.stderr.match(/\d\] done in/g)).toHaveLength(1); // whether the registry still runs
    const context = { kubefile: `${KUBEFILE}CMD echo more >>/var/lib/launched\n`, files: FILES };
    await build(cli, 'cluster:2', { ...context, platforms: PLATFORMS, args: V2 });
    const { status, stderr } = await run('first', 'cluster:2');
    expect(status, stderr).toBe(0);
    expect(stderr.match(/it has this tree already/g)).toHaveLength(3);
    expect(stderr).toContain('sending 9 of 16 files'); // links, and no blob
    expect(await hosts.on(hosts.addresses[0] ?? '', 'tail -n 1 /var/lib/launched')).toBe('more\n');
  });

  it.each(['SIGKILL', 'SIGINT'] as const)(
    'goes on where %s has ended it, which ended the command',
    async (signal) => {
      const [master = ''] = hosts.addresses;
      await hosts.on(master, 'rm -f /var/lib/go /var/lib/once /var/lib/init.log');
      const name = signal.toLowerCase();
      const killed = await run(name, 'waiting:1', { interrupt: { signal, when: '] waiting\n' } });
      expect(killed.signal ?? killed.status).toBe(signal === 'SIGKILL' ? 'SIGKILL' : 130);
      await hosts.on(
        master,
        'for try in $(seq 100); do pgrep -f var/lib/g[o] || exit 0; sleep 0.1; done; exit 1',
      );
      await hosts.on(master, 'touch /var/lib/go');
      const { status, stderr } = await run(name, 'waiting:1');
      expect(status, stderr).toBe(0);
      expect(await hosts.on(master, 'cat /var/lib/once; wc -l </var/lib/init.log')).toBe('once\nend\n1\n');
    },
  );

  it('names the host, the step and what was said when one fails; the others finish the phase', async () => {
    const { status, stderr } = await run('refusing', 'refusing:1');
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /error\[REMOTE\] 1 of 3 hosts failed\n {2}10\.77\.0\.11: init\.sh [^\n]*: ended with status 7\n {4}no disk\n/,
    );
    const done = '/var/lib/sealer/data/refusing/arch-build/done';
    expect(await hosts.on('10.77.0.12', `wc -l <${done}`)).toBe('2\n');
  });

  it('does not replace a tree that it has not made', async () => {
    const [master = ''] = hosts.addresses;
    const data = '/var/lib/sealer/data/theirs/rootfs/registry/data';
    await hosts.on(master, `mkdir -p ${data}`);
    const { status, stderr } = await run('theirs', 'refusing:1');
    expect([status, stderr]).toEqual([1, expect.stringContaining('not made by arch-build')]);
    await hosts.on(master, `[ -d ${data} ]`);
  });

  it('is planned without touching a host, and asks only for what it is not told', async () => {
    const words = ['cluster', 'plan', '-m', '10.77.0.10', '-n', '10.77.0.11', '--json', 'cluster:1'];
    const options = { through: hosts.through };
    const asked = await cli.run([...words, '--ssh-config', hosts.sshConfig], options);
    const platforms = ['10.77.0.10=linux/amd64', '10.77.0.11=arm64'].flatMap((each) => ['--platform', each]);
    expect(JSON.parse(await cli.run([...words, ...platforms]))).toEqual(JSON.parse(asked));
  });

  it('is refused for a host it cannot reach, or does not know', async () => {
    const options = { through: hosts.through };
    const gone = ['cluster', 'plan', '-m', '10.77.0.99', '--ssh-config', hosts.sshConfig, 'cluster:1'];
    const unknown = ['cluster', 'plan', '-m', '10.77.0.10', '--ssh-config', '/dev/null', 'cluster:1'];
    const [first, second] = [await cli.call(gone, options), await cli.call(unknown, options)];
    expect([first.status, first.stderr]).toEqual([1, expect.stringContaining('cannot reach 10.77.0.99: ')]);
    expect([second.status, second.stderr]).toEqual([1, expect.stringContaining('--host-keys new')]);
  });
});
