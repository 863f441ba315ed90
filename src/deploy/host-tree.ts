/** The tree one host gets: its platform's, without the registry, with the templates rendered for it. */
import { renderTemplate } from '../cluster/env-template.ts';
import type { HostPlan } from '../cluster/host-plan.ts';
import { formatBytePath, type BytePath } from '../layer/byte-path.ts';
import type { MergedTree } from '../layer/merged-tree.ts';
import type { TarItem } from '../layer/write-layer.ts';
import { REGISTRY } from './registry-files.ts';
import { filesOf } from './tree-tar.ts';

const TEMPLATES = /^(?:etc|charts|manifests)\/[^]*\.tmpl$/;
const TEMPLATE_LIMIT = 4 << 20;

/** Throws CLUSTER for a template that cannot be rendered. */
export function hostFiles(tree: MergedTree, { environment }: Pick<HostPlan, 'environment'>): TarItem[] {
  const files = [...filesOf(tree, (path) => path === REGISTRY)];
  const rendered = files.flatMap((file) => {
    if (file.header.type !== 'file' || !TEMPLATES.test(file.header.path)) return [];
    const path = file.header.path as BytePath;
    const text = tree.readFile(path, TEMPLATE_LIMIT).toString('utf8');
    const content = Buffer.from(renderTemplate(formatBytePath(path), text, environment));
    const header = { ...file.header, path: path.slice(0, -'.tmpl'.length), size: content.length };
    return [{ header, source: content }];
  });
  const names = new Set(rendered.map(({ header }) => header.path));
  return [...files.filter(({ header }) => !names.has(header.path)), ...rendered];
}
