import { describe, expect, it } from 'vitest';
import {
  familyOf,
  isConfigType,
  isForeignLayerType,
  isIndexType,
  isLayerType,
  isManifestType,
  isSchema1Type,
  layerCompression,
  MEDIA_TYPES,
} from '../../src/oci/media-types.ts';

const roles = { isIndexType, isManifestType, isConfigType, isLayerType, isSchema1Type };
const all = Object.values(MEDIA_TYPES);

describe('media types', () => {
  it.each([
    ['isIndexType', ['ociIndex', 'dockerIndex']],
    ['isManifestType', ['ociManifest', 'dockerManifest']],
    ['isConfigType', ['ociConfig', 'dockerConfig']],
    ['isSchema1Type', ['dockerSchema1', 'dockerSchema1Signed']],
    [
      'isLayerType',
      [
        ...['ociLayer', 'ociLayerGzip', 'ociLayerZstd'],
        ...['ociForeignLayer', 'ociForeignLayerGzip', 'ociForeignLayerZstd'],
        ...[
          'dockerLayer',
          'dockerLayerGzip',
          'dockerLayerZstd',
          'dockerForeignLayer',
          'dockerForeignLayerGzip',
        ],
      ],
    ],
  ] as const)('%s is true of exactly %j', (role, keys) => {
    expect(all.filter(roles[role])).toEqual(keys.map((key) => MEDIA_TYPES[key]));
  });

  it.each([
    ['ociLayer', 'none'],
    ['ociLayerGzip', 'gzip'],
    ['ociLayerZstd', 'zstd'],
    ['ociForeignLayerZstd', 'zstd'],
    ['dockerLayer', 'none'],
    ['dockerLayerGzip', 'gzip'],
    ['dockerForeignLayerGzip', 'gzip'],
    ['ociConfig', undefined],
  ] as const)('%s is packed with %s', (key, compression) => {
    expect(layerCompression(MEDIA_TYPES[key])).toBe(compression);
  });

  it('knows the family of each, and no other type', () => {
    for (const type of all) expect(familyOf(type)).toBe(type.includes('docker') ? 'docker' : 'oci');
    for (const type of [
      '',
      'text/plain',
      '__proto__',
      'constructor',
      'application/vnd.oci.image.index.v2+json',
    ]) {
      expect([familyOf(type), layerCompression(type), isForeignLayerType(type), isLayerType(type)]).toEqual([
        undefined,
        undefined,
        false,
        false,
      ]);
    }
  });

  it('calls layers foreign that live elsewhere', () => {
    expect(all.filter(isForeignLayerType).every((type) => /foreign|nondistributable/.test(type))).toBe(true);
    expect(all.filter(isForeignLayerType)).toHaveLength(5);
  });
});
