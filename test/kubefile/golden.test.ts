/**
 * Every folder of fixtures/kubefiles holds a file and the instructions it means; every folder of
 * fixtures/kubefiles-invalid a file and exactly what its author reads about it. `UPDATE_GOLDEN=1` writes them anew.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { formatDiagnostic } from '../../src/cli/diagnostic.ts';
import { ArchBuildError } from '../../src/errors.ts';
import { parseKubefile } from '../../src/kubefile/parse.ts';
import { selectStages } from '../../src/kubefile/select-stages.ts';

const FIXTURES = fileURLToPath(new URL('../../fixtures', import.meta.url));

const casesOf = (folder: string): string[] => readdirSync(join(FIXTURES, folder)).sort();

/** The file's name takes part in the choice of the dialect. */
function readCase(folder: string, name: string): { file: string; text: string } {
  const [file, ...more] = readdirSync(join(FIXTURES, folder, name)).filter((entry) => /file/i.test(entry));
  if (file === undefined || more.length > 0)
    throw new Error(`${name} has to have one Kubefile or Dockerfile`);
  return { file, text: readFileSync(join(FIXTURES, folder, name, file), 'utf8') };
}

function expectGolden(path: string, actual: string): void {
  if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, actual);
  expect(actual).toBe(readFileSync(path, 'utf8'));
}

describe('valid files', () => {
  it.each(casesOf('kubefiles'))('%s means its instructions', (name) => {
    const { file, text } = readCase('kubefiles', name);
    const { text: _text, ...kubefile } = parseKubefile(text, { file });
    expect(selectStages({ ...kubefile, text }).length).toBeGreaterThan(0);
    expectGolden(
      join(FIXTURES, 'kubefiles', name, 'instructions.json'),
      `${JSON.stringify(kubefile, null, 2)}\n`,
    );
  });
});

describe('invalid files', () => {
  it('are at least forty', () => expect(casesOf('kubefiles-invalid').length).toBeGreaterThanOrEqual(40));

  it.each(casesOf('kubefiles-invalid'))('%s has its diagnostic', (name) => {
    const { file, text } = readCase('kubefiles-invalid', name);
    expectGolden(join(FIXTURES, 'kubefiles-invalid', name, 'error.txt'), `${diagnosticOf(text, file)}\n`);
  });
});

function diagnosticOf(text: string, file: string): string {
  try {
    selectStages(parseKubefile(text, { file }));
  } catch (error) {
    if (!(error instanceof ArchBuildError)) throw error;
    expect(error.location, 'every error has a place').toBeDefined();
    return formatDiagnostic(error);
  }
  throw new Error('no error');
}
