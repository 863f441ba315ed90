/**
 * Transfers on a terminal: one line each while they run, below what is finished, drawn again a few times a second.
 * Everything else that is printed goes above those lines.
 */
import { formatBytes } from './reporter.ts';

export interface TransferState {
  readonly what: string;
  readonly digest: string;
  readonly bytes: number;
  readonly total: number;
}

interface Running extends TransferState {
  readonly since: number;
  /** What was there when it began: an earlier run's. */
  readonly first: number;
}

const REDRAW_MS = 100;
/** More do not help anybody. */
const MOST_LINES = 8;
const BAR_WIDTH = 20;
const [CLEAR_LINE, UP] = ['\u001b[2K', '\u001b[1A'];

export class TransferProgress {
  readonly #write: (text: string) => void;
  readonly #columns: () => number;
  readonly #running = new Map<string, Running>();
  #drawn = 0;
  #last = 0;

  constructor(write: (text: string) => void, columns: () => number) {
    this.#write = write;
    this.#columns = columns;
  }

  /** Text with its line ending, above the lines of what is running. */
  print(text: string): void {
    this.#write(this.#cleared() + text);
    this.#draw();
  }

  /** A finished transfer is gone: who prints says so. */
  update(state: TransferState, now = performance.now()): void {
    const known = this.#running.get(state.digest);
    if (state.bytes >= state.total) {
      this.#running.delete(state.digest);
      return;
    }
    this.#running.set(state.digest, {
      ...state,
      since: known?.since ?? now,
      first: known?.first ?? state.bytes,
    });
    if (now - this.#last < REDRAW_MS) return;
    this.#last = now;
    this.#write(this.#cleared());
    this.#draw(now);
  }

  #cleared(): string {
    const text = `${UP}${CLEAR_LINE}`.repeat(this.#drawn);
    this.#drawn = 0;
    return text === '' ? '' : `\r${text}`;
  }

  #draw(now = performance.now()): void {
    const shown = [...this.#running.values()].slice(0, MOST_LINES);
    this.#write(shown.map((each) => `${lineOf(each, now).slice(0, this.#columns() - 1)}\n`).join(''));
    this.#drawn = shown.length;
  }
}

function lineOf({ what, digest, bytes, total, since, first }: Running, now: number): string {
  const filled = Math.floor((bytes / total) * BAR_WIDTH);
  const bar = `${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}`;
  const rate = ((bytes - first) * 1000) / Math.max(1, now - since);
  const left = rate > 0 ? `, ${duration((total - bytes) / rate)} left` : '';
  const amount = `${formatBytes(bytes)} of ${formatBytes(total)}`;
  return `${what} ${digest.slice(0, 19)} [${bar}] ${amount}, ${formatBytes(Math.round(rate))}/s${left}`;
}

const duration = (seconds: number): string =>
  seconds < 60 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
