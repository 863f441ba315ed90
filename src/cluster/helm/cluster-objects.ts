/** What templates are told of the chart, the release and the cluster. */
import type { Chart } from './chart.ts';
import { text } from './functions/arguments.ts';
import { formatValue } from './format.ts';
import type { Release } from './release.ts';
import { GoObject, isList, isMap, type Value } from './value.ts';

export function clusterObjects(chart: Chart, release: Release, isRoot: boolean): Record<string, Value> {
  return {
    Chart: chartObject(chart, isRoot),
    Capabilities: capabilities(release),
    Release: new Map<string, Value>([
      ['Name', release.name],
      ['Namespace', release.namespace],
      ['IsUpgrade', false],
      ['IsInstall', true],
      ['Revision', 1n],
      ['Service', 'Helm'],
    ]),
  };
}

/** Fields of Chart.yaml under the names of Go's struct, empty ones included. */
function chartObject({ metadata, name }: Chart, isRoot: boolean): GoObject {
  const field = (key: string): Value => {
    const value = metadata.get(key) ?? '';
    return isList(value) || isMap(value) ? value : formatValue(value);
  };
  const many = (key: string): Value => metadata.get(key) ?? [];
  const plain = [
    'Home',
    'Version',
    'Description',
    'Icon',
    'Condition',
    'Tags',
    'KubeVersion',
    'Type',
  ] as const;
  return new GoObject('chart.Metadata', {
    fields: {
      ...Object.fromEntries(plain.map((key) => [key, field(key.charAt(0).toLowerCase() + key.slice(1))])),
      Name: name,
      APIVersion: field('apiVersion'),
      AppVersion: field('appVersion'),
      Deprecated: metadata.get('deprecated') === true,
      Keywords: many('keywords'),
      Sources: many('sources'),
      Maintainers: many('maintainers'),
      Dependencies: many('dependencies'),
      Annotations: metadata.get('annotations') ?? new Map<string, Value>(),
      IsRoot: isRoot,
    },
  });
}

function capabilities({ kubeVersion }: Release): GoObject {
  const [, major = '1', minor = '31'] = /^v?(\d+)\.(\d+)/.exec(kubeVersion) ?? [];
  return new GoObject('chartutil.Capabilities', {
    fields: {
      KubeVersion: new GoObject('chartutil.KubeVersion', {
        fields: { Version: kubeVersion, Major: major, Minor: minor, GitVersion: kubeVersion },
        methods: { String: () => kubeVersion },
      }),
      HelmVersion: new GoObject('version.BuildInfo', {
        fields: { Version: 'v3.16.0', GitCommit: '', GitTreeState: '', GoVersion: '' },
      }),
      APIVersions: new GoObject('chartutil.VersionSet', {
        methods: { Has: (version) => API_VERSIONS.has(withoutKind(text(version))) },
      }),
    },
  });
}

/** `apps/v1/Deployment` is asked for, too. */
function withoutKind(version: string): string {
  const parts = version.split('/');
  const isKind = /^[A-Z]/.test(parts.at(-1) ?? '');
  return isKind ? parts.slice(0, -1).join('/') : version;
}

/** Those of a cluster on which nothing is installed. */
const API_VERSIONS: ReadonlySet<string> = new Set(
  (
    'v1 admissionregistration.k8s.io/v1 admissionregistration.k8s.io/v1beta1 apiextensions.k8s.io/v1 ' +
    'apiregistration.k8s.io/v1 apps/v1 authentication.k8s.io/v1 authorization.k8s.io/v1 autoscaling/v1 ' +
    'autoscaling/v2 batch/v1 certificates.k8s.io/v1 coordination.k8s.io/v1 discovery.k8s.io/v1 events.k8s.io/v1 ' +
    'flowcontrol.apiserver.k8s.io/v1 networking.k8s.io/v1 node.k8s.io/v1 policy/v1 rbac.authorization.k8s.io/v1 ' +
    'scheduling.k8s.io/v1 storage.k8s.io/v1'
  ).split(' '),
);
