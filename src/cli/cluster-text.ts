/** The plan of a cluster for people. Pure; what it shows comes from files, so no control character gets through. */
import { PHASES, type ClusterPlan, type HostPlan } from '../cluster/host-plan.ts';
import { terminalText } from './terminal-text.ts';

/** Ends with a newline. */
export function formatClusterPlan({ image, registry, hosts }: ClusterPlan): string {
  const lines = [
    `${image.name} ${image.digest}`,
    registry === undefined
      ? 'no registry: the image has no container images'
      : `registry ${registry.url} on ${registry.host}, stored in ${registry.storage}`,
    ...hosts.flatMap(hostLines),
  ];
  return `${lines.map(terminalText).join('\n')}\n`;
}

function hostLines({ address, role, platform, directories, environment, steps }: HostPlan): string[] {
  const settings = Object.entries(environment).map(([key, value]) => `${key}=${value}`);
  return [
    '',
    `${address} ${role} ${platform} ${directories.rootfs}`,
    ...(settings.length === 0 ? [] : [`  environment ${settings.join(' ')}`]),
    ...steps.flatMap((step) => {
      const head = `  ${String(PHASES.indexOf(step.phase) + 1)} ${step.phase.padEnd(WIDTH)} ${step.text}`;
      if (step.action !== 'run') return [head];
      return [head, ...step.command.split('\n').map((line) => `${' '.repeat(WIDTH + 5)}| ${line}`)];
    }),
  ];
}

const WIDTH = Math.max(...PHASES.map((phase) => phase.length));
