/** A line to a server that is slow, counts what goes over it, and can be cut. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Transform } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

const TICK_MS = 10;

export class SlowLine implements AsyncDisposable {
  /** Bytes to the server and from it. */
  up = 0;
  down = 0;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(target: string, bytesPerSecond: number) {
    const [name, port] = target.split(':');
    this.#server = createServer((client) => {
      const upstream = connect(Number(port), name);
      this.#sockets.add(client).add(upstream);
      client.on('error', () => undefined).on('close', () => upstream.destroy());
      upstream.on('error', () => client.destroy()); // an orderly end comes after all that is still on the line
      client.pipe(this.#throttle(bytesPerSecond, (count) => (this.up += count))).pipe(upstream);
      upstream.pipe(this.#throttle(bytesPerSecond, (count) => (this.down += count))).pipe(client);
    });
  }

  static async to(target: string, bytesPerSecond: number): Promise<SlowLine> {
    const line = new SlowLine(target, bytesPerSecond);
    line.#server.listen(0, '127.0.0.1');
    await once(line.#server, 'listening');
    return line;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves once so many bytes have gone in a direction. */
  async passed(direction: 'up' | 'down', bytes: number): Promise<void> {
    while (this[direction] < bytes) await sleep(TICK_MS);
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #throttle(bytesPerSecond: number, count: (bytes: number) => void): Transform {
    return new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        count(chunk.length);
        setTimeout(() => done(null, chunk), (chunk.length / bytesPerSecond) * 1000);
      },
    });
  }
}
