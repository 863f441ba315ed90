/** The helpers for other people's tools: an image made by one is read by all, and the host sees nothing of it. */
import { expect, it } from 'vitest';
import { openForeignTools, runTool } from '../support/foreign-tools.ts';
import { captureHostState, diffHostState } from '../support/host-state.ts';
import { describeWith } from '../support/requires.ts';

const TOOLS = ['command:skopeo', 'command:umoci', 'command:buildah', 'command:podman'] as const;

describeWith(['root', ...TOOLS], 'foreign tools', () => {
  it('take an image from one to the next and leave the host as it was', async () => {
    const before = captureHostState({ directory: '/nonexistent' });
    let directory: string;
    {
      await using tools = await openForeignTools();
      directory = tools.scratch.directory;
      const layout = tools.scratch.path('layout');
      await tools.umoci(['init', '--layout', layout]);
      await tools.umoci(['new', '--image', `${layout}:made`]);
      const file = await tools.scratch.write('hello', 'hello\n');
      await tools.umoci(['insert', '--image', `${layout}:made`, file, '/hello']);

      const inspected: unknown = JSON.parse(
        await tools.skopeo(['inspect', '--config', `oci:${layout}:made`]),
      );
      expect(inspected).toMatchObject({ rootfs: { type: 'layers' } });

      const container = (await tools.buildah(['from', '--quiet', `oci:${layout}:made`])).trim();
      const rootfs = (await tools.buildah(['mount', container])).trim();
      expect(await runTool('cat', [`${rootfs}/hello`])).toBe('hello\n');
      await tools.buildah(['umount', container]);

      const archive = tools.scratch.path('archive.tar');
      await tools.skopeo(['copy', `oci:${layout}:made`, `docker-archive:${archive}:local/made:v1`]);
      await tools.podman(['load', '--input', archive]);
      expect(await tools.podman(['images', '--format', '{{.Repository}}:{{.Tag}}'])).toContain(
        'local/made:v1',
      );
    }
    expect(diffHostState(before, captureHostState({ directory }))).toEqual([]);
  });

  it('say what they did not like', async () => {
    await using tools = await openForeignTools();
    await expect(tools.skopeo(['inspect', 'oci:/nonexistent:tag'])).rejects.toThrow(
      /skopeo .*: exit status 1\n.*nonexistent/s,
    );
  });
});
