/** Transfers killed with SIGKILL: nothing that was there is lost, what had come is used, and nothing stays behind. */
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { diffIdOfDigest } from '../../src/oci/digest.ts';
import { formatImageConfig } from '../../src/oci/image-config.ts';
import { buildManifest } from '../../src/oci/manifest.ts';
import { MEDIA_TYPES } from '../../src/oci/media-types.ts';
import { parsePlatform } from '../../src/oci/platform.ts';
import { pushImage } from '../../src/transfer/push.ts';
import { openCli, type Cli } from '../support/cli.ts';
import { captureCliState, diffHostState, type HostState } from '../support/host-state.ts';
import { describeWith } from '../support/requires.ts';
import { DockerRegistry } from '../system/docker-registry.ts';
import { SlowLine } from '../system/slow-line.ts';
import { layerTar, MemoryContent } from '../transfer/memory-content.ts';

const MB = 1 << 20;

async function pushSample(name: string, megabytes: number): Promise<void> {
  const content = new MemoryContent();
  const layers = [2 * MB, megabytes * MB].map((size) =>
    content.add(layerTar({ file: randomBytes(size).toString('latin1') }), MEDIA_TYPES.ociLayer),
  );
  const config = formatImageConfig({
    ...parsePlatform('linux/amd64'),
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => diffIdOfDigest(digest)) },
  });
  const { bytes, descriptor } = buildManifest({ config: content.add(config, MEDIA_TYPES.ociConfig), layers });
  content.add(bytes, descriptor.mediaType);
  await pushImage(content, { root: descriptor, name }, { environment: {} });
}

/** The reaper takes a moment. */
async function expectAsBefore(cli: Cli, before: HostState): Promise<void> {
  const deadline = Date.now() + 5000;
  while (Date.now() < deadline && diffHostState(before, captureCliState(cli)).length > 0) await sleep(50);
  expect(diffHostState(before, captureCliState(cli))).toEqual([]);
}

describeWith(['root', 'command:docker-registry'], 'killed transfers', () => {
  it('of a pull bring it further each time', async () => {
    await using cli = await openCli();
    await using registry = await DockerRegistry.start(cli.scratch.directory);
    await pushSample(`${registry.host}/app:1`, 8);
    await using line = await SlowLine.to(registry.host, 4 * MB);
    const name = `${line.host}/app:1`;
    await cli.run(['images']);
    const before = captureCliState(cli);
    for (const when of [/layer sha256:\S+ \d\.\d MB/, 'going on with', 'going on with']) {
      const { signal } = await cli.call(['pull', name], { interrupt: { signal: 'SIGKILL', when } });
      expect(signal).toBe('SIGKILL');
      expect(await cli.run(['images', '--json'])).toBe('[]');
      await expectAsBefore(cli, before);
    }
    await cli.run(['pull', name]);
    expect(await cli.run(['verify', name])).toMatch(/ ok$/);
    expect(readdirSync(`${cli.root}/partials`)).toEqual([]);
    await expectAsBefore(cli, before);
  });

  it('of anything else leave the images as they were, and nothing beside them', async () => {
    await using cli = await openCli();
    await using registry = await DockerRegistry.start(cli.scratch.directory);
    await pushSample(`${registry.host}/app:1`, 8);
    const name = `${registry.host}/app:1`;
    await cli.run(['pull', name]);
    await mkdir(cli.scratch.path('out'));
    const archive = cli.scratch.path('out/app.tar');
    const before = captureCliState(cli);
    const commands = [['push', name, `${registry.host}/other:1`], ['save', '-o', archive, name], ['prune']];
    for (const [index, command] of commands.entries()) {
      await cli.call(command, { timeoutMs: 300 + 100 * index });
      await expectAsBefore(cli, before);
      expect(await cli.run(['verify', name])).toMatch(/ ok$/);
      await cli.run(command);
      expect(readdirSync(cli.scratch.path('out'))).toEqual(existsSync(archive) ? ['app.tar'] : []);
    }
    expect(await cli.run(['prune'])).toMatch(/^removed 0 nameless images, 0 blobs and 0 snapshots/);
  });
});
