import { expect, it } from 'vitest';
import { describe as describeContent, type Descriptor } from '../../src/oci/descriptor.ts';
import { encodedOf } from '../../src/oci/digest.ts';
import { MEDIA_TYPES } from '../../src/oci/media-types.ts';
import { verifyLayout, type LayoutFacts } from '../../src/oci/verify-layout.ts';

const manifest = describeContent(Buffer.from('manifest'), MEDIA_TYPES.ociManifest);
const other = describeContent(Buffer.from('other'), MEDIA_TYPES.ociManifest);
const named = (name: string, of: Descriptor = manifest): Descriptor => ({
  ...of,
  annotations: { 'org.opencontainers.image.ref.name': name },
});
const blobPath = ({ digest }: Descriptor): string => `blobs/sha256/${encodedOf(digest)}`;

const GOOD: LayoutFacts = {
  files: ['oci-layout', 'index.json', blobPath(manifest)],
  reached: new Set([manifest.digest]),
  entries: [named('v1')],
  named: new Set(),
};

it.each<[string, Partial<LayoutFacts>, string[]]>([
  ['a good layout', {}, []],
  ['the files of a docker archive', { files: ['manifest.json', 'a.json'], named: new Set(['a.json']) }, []],
  ['a blob no image needs', { files: [...GOOD.files, blobPath(other)] }, ['warning layout-unreferenced']],
  ['a file no format has', { files: [...GOOD.files, 'README'] }, ['warning layout-file']],
  ['a blob without a digest', { files: ['blobs/sha256/abc.tmp'] }, ['error layout-blob-name']],
  ['a digest nobody has', { files: [`blobs/md5/${'0'.repeat(32)}`] }, ['error layout-blob-name']],
  ['an entry without a name', { entries: [manifest] }, ['warning layout-name']],
  ['a full name', { entries: [named('docker.io/library/app:v1')] }, []],
  ['one name for two images', { entries: [named('v1'), named('v1', other)] }, ['error layout-name']],
  ['a name that is none', { entries: [named('../v1')] }, ['error layout-name']],
  ['no index.json', { entries: undefined }, []],
])('%s', (_name, change, expected) => {
  const findings = verifyLayout({ ...GOOD, ...change }, 'layout');
  expect(findings.map(({ severity, code }) => `${severity} ${code}`)).toEqual(expected);
});
