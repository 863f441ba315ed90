/** What hosts get of an image, as data. */
import { describe, expect, it } from 'vitest';
import { formatClusterPlan } from '../../src/cli/cluster-text.ts';
import { planCluster, PLAN_DEFAULTS, type Host, type ImageFacts } from '../../src/cluster/host-plan.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { parsePlatform } from '../../src/oci/platform.ts';

const [AMD, ARM] = [parsePlatform('linux/amd64'), parsePlatform('linux/arm64')];
const HOSTS: readonly Host[] = [
  { address: '192.168.1.1', role: 'master', platform: AMD },
  { address: '192.168.1.2', role: 'node', platform: ARM },
];
const SCRIPTS = ['init-registry.sh', 'init.sh'];
const IMAGE: ImageFacts = {
  name: 'docker.io/library/kubernetes-multi-arch:v1.19.8',
  digest: digestOf('index'),
  platforms: [
    { platform: AMD, digest: digestOf('amd'), scripts: SCRIPTS, registryProgram: undefined },
    { platform: ARM, digest: digestOf('arm'), scripts: SCRIPTS, registryProgram: 'bin/registry' },
  ],
  hasRegistry: true,
  runtime: undefined,
  environment: { PodCIDR: '100.64.0.0/10' },
  launch: [
    { directory: '', command: 'kubectl apply -f manifests/dashboard.yaml', environment: {} },
    { directory: 'application/apps/nginx', command: 'bash a.sh', environment: { A: "it's" } },
  ],
};
const OPTIONS = { ...PLAN_DEFAULTS, environment: {} };
const withScripts = (...scripts: string[]): ImageFacts => ({
  ...IMAGE,
  platforms: IMAGE.platforms.map((facts) => ({ ...facts, scripts })),
});

const ROOTFS = '/var/lib/sealer/data/my-cluster/rootfs';

const EXPECTED = `${IMAGE.name} ${IMAGE.digest}
registry sea.hub:5000 on 192.168.1.1, stored in /var/lib/sealer/data/my-cluster/registry

192.168.1.1 master linux/amd64 ${ROOTFS}
  environment PodCIDR=100.64.0.0/10 RegistryDomain=sea.hub RegistryPort=5000 RegistryURL=sea.hub:5000 HostIP=192.168.1.1
  1 rootfs   send the tree of linux/amd64
  2 hosts    sea.hub is 192.168.1.1
             | lines=$(grep -v '[[:space:]]sea\\.hub # arch-build$' /etc/hosts || true)
             | printf '%s\\n' "$lines" '192.168.1.1 sea.hub # arch-build' >/etc/hosts
  3 init     init.sh /var/lib/docker sea.hub 5000
             | cd ${ROOTFS}/scripts && chmod +x * && bash init.sh /var/lib/docker sea.hub 5000
  4 registry send the container images of linux/amd64, linux/arm64
  4 registry init-registry.sh 5000 ${ROOTFS}/registry sea.hub
             | cd ${ROOTFS}/scripts && chmod +x * && bash init-registry.sh 5000 ${ROOTFS}/registry sea.hub
  5 launch   kubectl apply -f manifests/dashboard.yaml
             | export PATH=${ROOTFS}/bin:"$PATH"
             | cd ${ROOTFS} || exit
             | kubectl apply -f manifests/dashboard.yaml
  5 launch   bash a.sh
             | export A='it'\\''s'
             | export PATH=${ROOTFS}/bin:"$PATH"
             | cd ${ROOTFS}/application/apps/nginx || exit
             | bash a.sh

192.168.1.2 node linux/arm64 ${ROOTFS}
  environment PodCIDR=100.64.0.0/10 RegistryDomain=sea.hub RegistryPort=5000 RegistryURL=sea.hub:5000 HostIP=192.168.1.2
  1 rootfs   send the tree of linux/arm64
  2 hosts    sea.hub is 192.168.1.1
             | lines=$(grep -v '[[:space:]]sea\\.hub # arch-build$' /etc/hosts || true)
             | printf '%s\\n' "$lines" '192.168.1.1 sea.hub # arch-build' >/etc/hosts
  3 init     init.sh /var/lib/docker sea.hub 5000
             | cd ${ROOTFS}/scripts && chmod +x * && bash init.sh /var/lib/docker sea.hub 5000
`;

describe('the plan of a cluster', () => {
  it('of the design’s two hosts is this', () => {
    expect(formatClusterPlan(planCluster(IMAGE, HOSTS, OPTIONS))).toBe(EXPECTED);
  });

  it('has a digest that tells whether anything is different', () => {
    const digest = (image: ImageFacts, environment = {}): string =>
      planCluster(image, HOSTS, { ...OPTIONS, environment }).digest;
    expect(digest({ ...IMAGE })).toBe(digest(IMAGE));
    const others = [digest(withScripts()), digest({ ...IMAGE, launch: [] }), digest(IMAGE, { A: 'b' })];
    expect(new Set([digest(IMAGE), ...others]).size).toBe(4);
  });

  it('calls the scripts of later images one by one, after their runtime', () => {
    const steps = (image: ImageFacts): string[] =>
      planCluster(image, HOSTS.slice(0, 1), OPTIONS).hosts.flatMap((host) =>
        host.steps.filter(({ phase }) => phase === 'init').map(({ text }) => text),
      );
    const later = withScripts('containerd.sh', 'docker.sh', 'init-kube.sh');
    expect(steps(later)).toEqual(['docker.sh', 'init-kube.sh']);
    expect(steps({ ...later, runtime: 'containerd' })).toEqual(['containerd.sh', 'init-kube.sh']);
    expect(steps(withScripts())).toEqual([]);
  });

  it.each([
    ['the program of the image', ARM, 'start bin/registry on port 5000'],
    ['a program of the host', AMD, 'start the host’s registry program on port 5000'],
  ])('starts %s where no script does', (_, platform, text) => {
    const hosts = [{ address: '10.0.0.1', role: 'master' as const, platform }];
    const [host] = planCluster(withScripts(), hosts, OPTIONS).hosts;
    expect(host?.steps.find(({ phase, action }) => phase === 'registry' && action === 'run')?.text).toContain(
      text,
    );
  });

  it('has no registry without container images', () => {
    const image = { ...withScripts('init.sh'), hasRegistry: false };
    const { registry, hosts } = planCluster(image, HOSTS, OPTIONS);
    expect(registry).toBeUndefined();
    expect(hosts[0]?.environment).toEqual({ PodCIDR: '100.64.0.0/10', HostIP: '192.168.1.1' });
    expect(hosts.flatMap(({ steps }) => steps.map(({ phase }) => phase))).not.toContain('hosts');
  });

  it('is refused with all hosts the image is not for', () => {
    const riscv = parsePlatform('linux/riscv64');
    const hosts = [...HOSTS, { address: '192.168.1.3', role: 'node' as const, platform: riscv }];
    expect(() => planCluster(IMAGE, hosts, OPTIONS)).toThrow(
      expect.objectContaining({ code: 'PLATFORM_NOT_FOUND', items: ['192.168.1.3 is linux/riscv64'] }),
    );
    expect(() => planCluster(IMAGE, HOSTS.slice(1), OPTIONS)).toThrow('a cluster needs a master');
  });
});
