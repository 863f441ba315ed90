/** Build events to lines on stderr. stdout is for the answer alone. */
import { unreachable } from '../errors.ts';
import type { BuildEvent, Reporter, StepName } from '../events.ts';
import { onStderr as chalk } from './colours.ts';
import { terminalText } from './terminal-text.ts';

export type ProgressMode = 'auto' | 'tty' | 'plain' | 'json' | 'quiet';

export interface ReporterOptions {
  readonly debug: boolean;
  /** Where lines go; stderr. */
  readonly write?: (text: string) => void;
}

/** `auto` and `tty` are lines with colours where stderr is a terminal; `quiet` shows warnings only. */
export function createReporter(mode: ProgressMode, options: ReporterOptions): Reporter {
  const write = options.write ?? ((text: string): void => void process.stderr.write(text));
  if (mode === 'json') return jsonReporter(write, options);
  if (mode === 'quiet') {
    return (event) => {
      if (event.type === 'warning') write(`${formatWarning(event)}\n`);
    };
  }
  return lineReporter(write, options);
}

function jsonReporter(write: (text: string) => void, { debug }: ReporterOptions): Reporter {
  return (event) => {
    if (event.type === 'debug' && !debug) return;
    const shown = event.type === 'step-output' ? { ...event, data: event.data.toString('utf8') } : event;
    write(`${JSON.stringify({ time: new Date().toISOString(), ...shown })}\n`);
  };
}

/** What steps print, by line; a last line without its end waits until the step is over. */
function stepOutputs(write: (text: string) => void): {
  push: (event: Extract<BuildEvent, { type: 'step-output' }>) => void;
  flush: (step: StepName) => void;
} {
  const outputs = new Map<string, LineSplitter>();
  return {
    push: ({ step, stream, data }) => {
      const key = `${prefix(step)} ${stream}`;
      const splitter =
        outputs.get(key) ?? new LineSplitter((line) => write(`${chalk.dim(prefix(step))} ${line}\n`));
      outputs.set(key, splitter);
      splitter.push(data);
    },
    flush: (step) => {
      for (const [key, splitter] of outputs) {
        if (!key.startsWith(prefix(step))) continue;
        splitter.end();
        outputs.delete(key);
      }
    },
  };
}

function lineReporter(write: (text: string) => void, { debug }: ReporterOptions): Reporter {
  const outputs = stepOutputs(write);
  return (event) => {
    switch (event.type) {
      case 'stage-started':
        write(`${stageText(event)}\n`);
        break;
      case 'step-started':
        write(`${chalk.cyan(prefix(event.step))} ${chalk.bold(firstLine(event.text))}\n`);
        break;
      case 'step-cached':
        write(`${chalk.cyan(prefix(event.step))} ${chalk.dim(cachedText(event))}\n`);
        break;
      case 'step-output':
        outputs.push(event);
        break;
      case 'step-finished':
        outputs.flush(event.step);
        write(
          `${chalk.cyan(prefix(event.step))} ${chalk.dim(`done in ${seconds(event.milliseconds)}${layerText(event)}`)}\n`,
        );
        break;
      case 'step-usage': // with --log-rusage it is part of the next one
      case 'step-exported': // how many have is said at the end
        break;
      case 'usage':
        write(`${chalk.dim(usageText(event))}\n`);
        break;
      case 'step-failed':
        outputs.flush(event.step);
        break;
      case 'info':
        write(`${terminalText(event.text)}\n`);
        break;
      case 'transfer':
        if (event.bytes === event.total)
          write(`${event.what} ${event.digest.slice(0, 19)} ${formatBytes(event.total)}\n`);
        break;
      case 'warning':
        write(`${formatWarning(event)}\n`);
        break;
      case 'debug':
        if (debug) write(`${chalk.dim(terminalText(event.text))}\n`);
        break;
      default:
        unreachable(event);
    }
  };
}

function formatWarning({ text, location }: Extract<BuildEvent, { type: 'warning' }>): string {
  const place = location === undefined ? '' : `${location.file}:${location.line}:${location.column}: `;
  return `${chalk.yellow('warning:')} ${terminalText(place + text)}`;
}

const stageText = ({ platform, stage, text }: Extract<BuildEvent, { type: 'stage-started' }>): string =>
  `${chalk.cyan(`[${platform} ${stage}]`)} ${chalk.bold(terminalText(text))}`;

const prefix = ({ platform, stage, index, total }: StepName): string =>
  `[${platform} ${stage} ${index}/${total}]`;

const cachedText = ({ text, from }: Extract<BuildEvent, { type: 'step-cached' }>): string =>
  `cached ${firstLine(text)}${from === undefined ? '' : ` (${from})`}`;

const firstLine = (text: string): string => {
  const [line = '', ...rest] = text.trim().split('\n');
  return terminalText(rest.length === 0 ? line : `${line} …`);
};

const seconds = (milliseconds: number): string =>
  `${(milliseconds / 1000).toFixed(milliseconds < 9995 ? 2 : 1)}s`;

function layerText({ layerBytes }: Extract<BuildEvent, { type: 'step-finished' }>): string {
  return layerBytes === undefined ? '' : `, layer ${formatBytes(layerBytes)}`;
}

/** In buildah's form, which there are readers for; the largest process is said behind it. */
function usageText({ step, usage, milliseconds }: Extract<BuildEvent, { type: 'usage' }>): string {
  const { userMs, systemMs, readBytes, writtenBytes, peakBytes } = usage;
  const times = `${seconds(systemMs)}(system) ${seconds(userMs)}(user) ${seconds(milliseconds)}(elapsed)`;
  const place = step === undefined ? '[build]' : prefix(step);
  return `${place} ${times} ${formatBytes(readBytes)} input ${formatBytes(writtenBytes)} output, ${formatBytes(peakBytes)} peak`;
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  for (; value >= 1000 && unit < UNITS.length - 1; unit += 1) value /= 1000;
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit] ?? ''}`;
}

/** A line this long is shown in pieces: what a step prints must not fill our memory. */
const LONGEST_LINE = 65_536;

/** Bytes to lines; a carriage return starts the line over, as progress bars of steps do. */
class LineSplitter {
  #rest = '';
  readonly #line: (line: string) => void;
  readonly #decoder = new TextDecoder();

  constructor(line: (line: string) => void) {
    this.#line = line;
  }

  push(data: Buffer): void {
    const lines = (this.#rest + this.#decoder.decode(data, { stream: true })).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) this.#line(visible(line));
    if (this.#rest.length <= LONGEST_LINE) return;
    this.#line(visible(this.#rest));
    this.#rest = '';
  }

  end(): void {
    const rest = this.#rest + this.#decoder.decode();
    if (rest !== '') this.#line(visible(rest));
    this.#rest = '';
  }
}

/** What follows the last carriage return, as the reader's terminal may see it. */
const visible = (line: string): string => terminalText(line.replace(/\r+$/, '').split('\r').at(-1) ?? '');
