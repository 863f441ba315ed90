/** A name of a container image where it was read, and what could not be read as one. */
import type { YamlError } from '../yaml/documents.ts';

/** Lines count from 1; 0 is a file as a whole. */
export interface Place {
  /** Path in the rootfs or on the host; for charts with the template in it. */
  readonly file: string;
  readonly line: number;
}

export interface ImageMention {
  /** As it was written. */
  readonly text: string;
  readonly place: Place;
}

/** Something that should name images and does not, or cannot be read. */
export interface FindProblem {
  readonly place: Place;
  readonly message: string;
}

export interface Findings {
  readonly mentions: readonly ImageMention[];
  readonly problems: readonly FindProblem[];
}

/** Undefined for what can be a name. */
export const templateProblem = (text: string, place: Place): FindProblem | undefined =>
  /\{\{|\$[({]/.test(text)
    ? { place, message: `${JSON.stringify(text)} is a template, not a name` }
    : undefined;

/** A file that was to be YAML. */
export const yamlProblem = ({ line, message }: YamlError, file: string): FindProblem => ({
  place: { file, line },
  message: `no YAML: ${message}`,
});

export const formatPlace = ({ file, line }: Place): string => (line === 0 ? file : `${file}:${line}`);

/** One after the other. */
export const mergeFindings = (parts: readonly Findings[]): Findings => ({
  mentions: parts.flatMap(({ mentions }) => mentions),
  problems: parts.flatMap(({ problems }) => problems),
});
