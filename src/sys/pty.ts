/**
 * A pseudo-terminal for one command. node-pty's own `spawn` loses the end of the output, so only its system calls
 * are used: we hold the slave open until the command has ended and everything it wrote has been read.
 */
import { closeSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { ReadStream } from 'node:tty';
import { ArchBuildError, systemErrorCode } from '../errors.ts';
import { libc } from './libc.ts';

interface PtyBinding {
  open(columns: number, rows: number): { master: number; slave: number; pty: string };
  resize(fd: number, columns: number, rows: number): void;
}

export interface PseudoTerminal extends AsyncDisposable {
  /** The descriptor the command gets as its three streams. */
  readonly slave: number;
  write(data: Buffer): void;
  /** Nothing more is written: from here on the command finds the end of its input, whenever it looks. */
  end(): void;
  resize(columns: number, rows: number): void;
}

const QUIET_MS = 20;
const RETRY_MS = 10;

/** How a terminal is told of the end of input. */
const END = Buffer.from([4]);
const END_AGAIN_MS = 100;

/** Disposing reads what is left, then closes both ends. Throws TOOL_MISSING where node-pty is not installed. */
export function openPseudoTerminal(
  size: { readonly columns: number; readonly rows: number },
  onData: (data: Buffer) => void,
): PseudoTerminal {
  const binding = loadBinding();
  const { master, slave } = binding.open(size.columns, size.rows);
  let lastData = 0;
  const input = new Input(master);
  const reader = new ReadStream(master);
  const ended = new Promise<void>((resolve) => {
    reader.once('close', () => resolve());
    reader.on('error', () => resolve()); // EIO: the last slave was closed and nothing is left
  });
  reader.on('data', (data: Buffer) => {
    lastData = performance.now();
    onData(data);
  });
  return {
    slave,
    write: (data) => input.push(data),
    end: () => input.end(),
    resize: (columns, rows) => binding.resize(master, columns, rows),
    [Symbol.asyncDispose]: async () => {
      do await sleep(QUIET_MS);
      while (performance.now() - lastData < QUIET_MS);
      input.stop();
      closeSync(slave);
      await Promise.race([ended, sleep(500, undefined, { ref: false })]);
      reader.destroy();
    },
  };
}

/** c_oflag of struct termios, and what is more than enough for the whole of it. */
const OUTPUT_FLAGS = 4;
const TERMIOS_SIZE = 128;
const OPOST = 1;

/**
 * Our own terminal as a pipe: keys are not interpreted, output is passed on as it is (Node's raw mode alone goes on
 * making CR LF of LF, which the program's own terminal has done already). Nothing where `stream` is no terminal.
 */
export function openRawMode(stream: NodeJS.ReadStream & { readonly fd: 0 }): Disposable {
  if (!stream.isTTY) return { [Symbol.dispose]: () => undefined };
  stream.setRawMode(true);
  const termios = Buffer.alloc(TERMIOS_SIZE);
  if (libc().tcgetattr(stream.fd, termios) === 0) {
    termios.writeUInt32LE((termios.readUInt32LE(OUTPUT_FLAGS) & ~OPOST) >>> 0, OUTPUT_FLAGS);
    libc().tcsetattr(stream.fd, 0, termios);
  }
  return { [Symbol.dispose]: () => void stream.setRawMode(false) };
}

/** What is typed, in order: a terminal whose program does not read takes no more than a few kilobytes at once. */
class Input {
  readonly #descriptor: number;
  readonly #waiting: Buffer[] = [];
  #retry: NodeJS.Timeout | undefined;
  #end: NodeJS.Timeout | undefined;

  constructor(descriptor: number) {
    this.#descriptor = descriptor;
  }

  push(data: Buffer): void {
    this.#waiting.push(data);
    if (this.#retry === undefined) this.#drain();
  }

  /**
   * Said again and again, as once may be lost: the kernel makes a NUL of it when a shell goes from lines to keys
   * before it has read it, and after half a line it ends no more than the line.
   */
  end(): void {
    this.push(END);
    this.#end ??= setInterval(() => {
      if (this.#waiting.length === 0) this.push(END);
    }, END_AGAIN_MS);
  }

  stop(): void {
    clearInterval(this.#end);
    clearTimeout(this.#retry);
    this.#waiting.length = 0;
  }

  #drain(): void {
    this.#retry = undefined;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      const rest = next.subarray(this.#write(next));
      if (rest.length === 0) continue;
      this.#waiting.unshift(rest);
      this.#retry = setTimeout(() => this.#drain(), RETRY_MS);
      return;
    }
  }

  #write(data: Buffer): number {
    try {
      return writeSync(this.#descriptor, data);
    } catch (error) {
      if (systemErrorCode(error) === 'EAGAIN') return 0;
      throw error;
    }
  }
}

function loadBinding(): PtyBinding {
  const require = createRequire(import.meta.url);
  try {
    const utils = require('node-pty/lib/utils.js') as {
      loadNativeModule(name: string): { module: PtyBinding };
    };
    return utils.loadNativeModule('pty').module;
  } catch (cause) {
    throw new ArchBuildError('TOOL_MISSING', 'node-pty is not installed, so there is no terminal to give', {
      hint: 'run without -t, or install a C++ compiler, make and python3 and run `npm install` again',
      cause,
    });
  }
}
