/** Files that the progress of a build is written to. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import type { BuildEvent, Reporter } from '../events.ts';

export interface LogFile extends Disposable {
  readonly write: (text: string) => void;
}

/** What the file had before is gone. The caller disposes it. Throws IO, as `write` does. */
export function openLogFile(path: string): LogFile {
  const file = orIoError(path, () => openSync(resolve(path), 'w'));
  return {
    write: (text) => {
      const bytes = Buffer.from(stripVTControlCharacters(text));
      for (let done = 0; done < bytes.length;) done += orIoError(path, () => writeSync(file, bytes, done));
    },
    [Symbol.dispose]: () => closeSync(file),
  };
}

/** As buildah calls them: `build.log_linux_arm64`. */
export const splitName = (path: string, platform: string): string =>
  `${path}_${platform.replace(/[^\w.-]+/g, '_')}`;

/** Every platform's events go to its own reporter, and what is about none of them to all. */
export function splitReporter(reporters: ReadonlyMap<string, Reporter>): Reporter {
  return (event) => {
    const own = reporters.get(platformOf(event) ?? '');
    for (const report of own === undefined ? reporters.values() : [own]) report(event);
  };
}

function platformOf(event: BuildEvent): string | undefined {
  if ('platform' in event) return event.platform;
  return 'step' in event ? event.step.platform : undefined;
}

function orIoError<Value>(path: string, work: () => Value): Value {
  try {
    return work();
  } catch (cause) {
    throw new ArchBuildError('IO', `cannot write ${path}: ${systemErrorCode(cause) ?? 'unknown reason'}`, {
      cause,
    });
  }
}
