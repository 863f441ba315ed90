/**
 * The files people come with, by the command line they come with: `build --emulate aarch64 -f Kubefile -t x .` in the
 * folder of a cluster image, an application, or a Dockerfile that copies qemu out of an image. All of them are planned;
 * those that fetch nothing are built, and the result is looked at under the emulator.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Cli, Outcome } from '../support/cli.ts';
import { describeWithRoot } from '../support/requires.ts';
import { openBusyboxCli } from './bases.ts';
import { STACK_TRACE, writeFiles, type Files } from './projects.ts';

interface Example {
  readonly name: string;
  readonly kubefile: string;
  readonly files?: Files;
  readonly dialect: 'kubefile/v1' | 'kubefile/v2';
  /** Only for what is built: a command in the image, and what it prints. */
  readonly shows?: readonly [command: string, output: string];
  /** Further words of the build. */
  readonly args?: readonly string[];
}

const QEMU = 'multiarch/qemu-user-static:x86_64-aarch64';

const EXAMPLES: readonly Example[] = [
  {
    name: 'qemu out of an image',
    kubefile: `FROM ${QEMU} as qemu\nFROM arm64v8/ubuntu\nCOPY --from=qemu /usr/bin/qemu-aarch64-static /usr/bin\n`,
    files: { 'qemu/usr/bin/qemu-aarch64-static': 'the emulator\n' },
    args: ['--build-context', `${QEMU}=qemu`],
    dialect: 'kubefile/v2',
    shows: ['uname -m && cat /usr/bin/qemu-aarch64-static', 'aarch64\nthe emulator'],
  },
  {
    name: 'qemu out of an image, into a builder',
    kubefile: `FROM ${QEMU} as qemu
FROM arm64v8/golang:alpine AS builder
COPY --from=qemu /usr/bin/qemu-aarch64-static /usr/bin
RUN apk add upx make git
RUN make
`,
    dialect: 'kubefile/v2',
  },
  {
    name: 'a Go builder and a small image',
    kubefile: `FROM golang:alpine as builder
ADD . /go/src/example.org/proxy/
RUN cd /go/src/example.org/proxy/ \\
  && go get -v \\
  && CGO_ENABLED=0 GOOS=linux go build -a -installsuffix cgo -o app .

FROM alpine
MAINTAINER somebody <somebody@example.org>
COPY --from=builder /go/src/example.org/proxy/app /bin/app
ENTRYPOINT ["/bin/app"]
EXPOSE 80
`,
    dialect: 'kubefile/v2',
  },
  {
    name: 'the multi-arch design',
    kubefile: `FROM kubernetes:v1.19.8
COPY dashboard.yaml manifests
COPY \${ARCH}/helm bin # the program of this platform
COPY my-mysql charts
CMD helm install my-mysql bitnami/mysql --version 8.8.26
CMD kubectl apply -f manifests/dashboard.yaml
`,
    files: {
      'dashboard.yaml': 'kind: Service\n',
      'amd64/helm': 'amd64\n',
      'arm64/helm': 'arm64\n',
      'my-mysql/values.yaml': 'a: b\n',
    },
    dialect: 'kubefile/v1',
    shows: ['cat bin/helm && ls charts manifests', 'arm64\ncharts:\nmy-mysql\n\nmanifests:\ndashboard.yaml'],
  },
  {
    name: 'every form of COPY of the first sealer',
    kubefile: `FROM kubernetes:v1.19.8
COPY d srv/whole
COPY d/* srv/spread
COPY a.txt srv/c.txt
COPY a.txt srv/a.txt
COPY ./x .
`,
    files: { 'd/one': '1', 'd/sub/two': '2', 'a.txt': 'a', x: 'x' },
    dialect: 'kubefile/v1',
    shows: [
      'find srv x -type f | sort',
      'srv/a.txt\nsrv/c.txt/a.txt\nsrv/spread/one\nsrv/spread/sub/two\nsrv/whole/d/one\nsrv/whole/d/sub/two\nx',
    ],
  },
  {
    name: 'ARG pairs, a directory made by RUN and filled by COPY, JSON in CMD',
    kubefile: `FROM kubernetes:v1.19.8
ARG Version=3.7,Mode=lite
RUN mkdir -p srv/zookeeper && echo 'a   b' $Version > srv/zookeeper/note
COPY zookeeper.yaml srv/zookeeper
CMD ["kubectl apply -f a", "kubectl apply -f b"]
CMD kubectl patch sc local -p '{"metadata": {"annotations": {"default": "true"}}}'
`,
    files: { 'zookeeper.yaml': 'kind: StatefulSet\n' },
    dialect: 'kubefile/v1',
    shows: ['cat srv/zookeeper/note srv/zookeeper/zookeeper.yaml', 'a   b 3.7\nkind: StatefulSet'],
  },
  {
    name: 'a network add-on that is fetched',
    kubefile: `FROM kubernetes:v1.19.8
RUN wget https://example.org/cni-plugins-linux-amd64.tgz && tar -zxf cni-plugins-linux-amd64.tgz -C cni
COPY kube-flannel.yml manifests/
CMD kubectl apply -f manifests/kube-flannel.yml
`,
    files: { 'kube-flannel.yml': 'kind: DaemonSet\n' },
    dialect: 'kubefile/v1',
  },
  {
    name: 'the base of clusters',
    kubefile: `FROM scratch
LABEL "cluster.alpha.sealer.io/cluster-runtime-type"="kubernetes"
LABEL "cluster.alpha.sealer.io/container-runtime-type"="docker"
COPY rootfs .
COPY \${ARCH} .
COPY imageList manifests/
CNI calico local://calico.sh
LAUNCH ["calico"]
`,
    files: {
      'rootfs/scripts/init.sh': '#!/bin/sh\n',
      'arm64/bin/kubelet': '#!/bin/sh\n',
      imageList: '# none yet\n',
      'calico.sh': '#!/bin/sh\n',
    },
    dialect: 'kubefile/v2',
    shows: ['', ''],
  },
  {
    name: 'applications with commands and environment',
    kubefile: `FROM kubernetes:v1.22.15
APP nginx local://nginx/deployment.yaml local://nginx/service.yaml
APPENV nginx replicas=3
APPCMDS nginx ["kubectl apply -f deployment.yaml"]
CSI local local://csi.yaml
KUBEVERSION >=1.20.0, <1.26.0
LAUNCH nginx
`,
    files: {
      'nginx/deployment.yaml': 'kind: A\n',
      'nginx/service.yaml': 'kind: B\n',
      'csi.yaml': 'kind: C\n',
    },
    dialect: 'kubefile/v2',
    shows: ['cat application/apps/*/*.yaml', 'kind: C\nkind: A\nkind: B'],
  },
  {
    name: 'commands for the cluster',
    kubefile:
      'from kubernetes:v1.22.15\ncopy . manifests/\ncmds ["kubectl apply -f manifests", "kubectl get nodes"]\n',
    files: { 'strimzi.yaml': 'kind: Kafka\n' },
    dialect: 'kubefile/v2',
    shows: ['ls manifests', 'Kubefile\nstrimzi.yaml'],
  },
];

const WORDS = ['--emulate', 'aarch64', '-f', 'Kubefile', '-t', 'x', '.'];

let cli: Cli;
beforeAll(async () => {
  cli = await openBusyboxCli();
  for (const name of ['arm64v8/ubuntu', 'kubernetes:v1.19.8', 'kubernetes:v1.22.15'])
    await cli.run(['tag', 'busybox', name]);
  for (const [index, { kubefile, files }] of EXAMPLES.entries())
    await writeFiles(folderOf(index), { Kubefile: kubefile, ...files });
});
afterAll(() => cli[Symbol.asyncDispose]());

const folderOf = (index: number): string => cli.scratch.path(String(index));

const call = async (index: number, ...more: string[]): Promise<Outcome> =>
  cli.call(['build', ...more, ...WORDS], { cwd: folderOf(index) });

/** What has to be in a plan: each stage, and each line that begins an instruction that makes a layer. */
const layerLines = (kubefile: string): string[] =>
  kubefile
    .split('\n')
    .flatMap((line, index) => (/^(?:RUN|COPY|ADD|APP|CNI|CSI) /i.test(line) ? [`${index + 1}: `] : []));

describeWithRoot('files of the classic flow', () => {
  it.each(EXAMPLES.map((example, index) => ({ ...example, index })))(
    'parse, plan, and are built where nothing is fetched: $name',
    async ({ index, kubefile, dialect, shows, args = [] }) => {
      const plan = await call(index, '--plan', ...args);
      expect([plan.status, plan.stderr]).toEqual([0, expect.not.stringMatching(STACK_TRACE) as unknown]);
      expect(plan.stdout).toContain(`as ${dialect}\n`);
      expect(plan.stdout).toContain('linux/arm64\n');
      for (const line of layerLines(kubefile)) expect(plan.stdout).toContain(line);
      if (shows === undefined) return;
      const { status, stdout, stderr } = await call(index, '--pull', 'never', ...args);
      expect({ status, stderr }).toEqual({
        status: 0,
        stderr: expect.not.stringMatching(/error/) as unknown,
      });
      expect(stdout).toMatch(/^sha256:[0-9a-f]{64}\n$/);
      const [command, output] = shows;
      if (command !== '') expect(await cli.run(['run', 'x', 'sh', '-c', command])).toBe(output);
    },
  );

  it('take qemu out of an image that is there for this machine alone, and say so', async () => {
    const [example] = EXAMPLES;
    await cli.scratch.write('image/usr/bin/qemu-aarch64-static', 'the emulator\n');
    await cli.scratch.write('image/Dockerfile', 'FROM scratch\nCOPY usr usr\n');
    await cli.run(['build', '-q', '-t', QEMU, '--platform', 'linux/amd64', cli.scratch.path('image')]);
    const build = async (kubefile: string, ...more: string[]): Promise<Outcome> => {
      await writeFiles(cli.scratch.path('qemu'), { Kubefile: kubefile });
      return cli.call(['build', ...more, '--pull', 'never', ...WORDS], { cwd: cli.scratch.path('qemu') });
    };
    const direct = `FROM arm64v8/ubuntu\nCOPY --from=${QEMU} /usr/bin/qemu-aarch64-static /usr/bin\n`;
    for (const kubefile of [example?.kubefile ?? '', direct]) {
      const plan = await build(kubefile, '--plan');
      expect([plan.status, plan.stderr]).toEqual([0, expect.stringContaining(TAKEN) as unknown]);
      const built = await build(kubefile);
      expect([built.status, built.stderr]).toEqual([0, expect.stringContaining(TAKEN) as unknown]);
      expect(await cli.run(['run', 'x', 'sh', '-c', 'uname -m; cat /usr/bin/qemu*'])).toBe(
        'aarch64\nthe emulator',
      );
    }
    const meant = await build((example?.kubefile ?? '').replace('FROM ', 'FROM --platform=linux/amd64 '));
    expect([meant.status, meant.stderr]).toEqual([0, expect.not.stringContaining('is taken') as unknown]);
    const stoodOn = await build(`FROM ${QEMU}\nCOPY Kubefile /\n`);
    expect([stoodOn.status, stoodOn.stderr]).toEqual([
      1,
      expect.stringMatching(/not available for linux\/arm64[^]*linux\/amd64.*FROM --platform/) as unknown,
    ]);
  });
});

const TAKEN = `${QEMU} is not there for linux/arm64: linux/amd64 is taken, because it is only copied from`;
