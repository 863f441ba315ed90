/** buildah's words for what happens in a build. */
import { phraseOf, warningOf } from './phrases.mjs';

export class Speaker {
  /** What ran: for the list of intermediate images. */
  steps = [];
  #stages;
  #quiet;
  #seen = new Set();
  #error = [];
  #failed;

  constructor(stages, quiet) {
    this.#stages = stages;
    this.#quiet = quiet;
  }

  /** A line of arch-build's: an event, or something for people. */
  hear(line) {
    const event = parseEvent(line);
    if (event === undefined) {
      this.#error.push(line);
      process.stderr.write(`${line}\n`);
    } else this.#say(event);
  }

  #say({ type, step, text, data, stream }) {
    if (type === 'step-started' || type === 'step-cached') this.#step(step, text, type === 'step-cached');
    if (type === 'step-failed') this.#failed = step;
    if (type === 'warning') process.stderr.write(`${text}\n${warningOf(text)}`);
    if (this.#quiet) return;
    if (type === 'step-output') process[stream].write(data);
    if (type === 'info' && text.startsWith('pulling '))
      process.stderr.write(`Trying to pull ${text.split(' ')[1]}...\n`);
  }

  #step({ stage, index, total, platform }, text, cached) {
    const number = this.#numberOf(stage);
    const from = this.#stages[number];
    const last = number === this.#stages.length - 1 && index === total;
    const took = cached ? true : /^(?:RUN|COPY|ADD|WORKDIR)\b/i.test(text) ? false : undefined;
    this.steps.push({ stage: `${platform} ${stage}`, base: from?.image ?? '', text, cached: took, last });
    if (this.#quiet) return;
    const part = this.#stages.length > 1 ? `[${number + 1}/${this.#stages.length}] ` : '';
    const prefix = `${this.#platformPrefix(platform)}${part}`;
    if (!this.#seen.has(`${platform} ${stage}`) && from !== undefined)
      console.log(`${prefix}STEP 1/${total + 1}: ${from.line}`);
    this.#seen.add(`${platform} ${stage}`);
    console.log(`${prefix}STEP ${index + 1}/${total + 1}: ${text}`);
    if (cached) console.log('--> Using cache');
  }

  #platformPrefix(platform) {
    this.#several ??= process.argv.some(
      (word) => word.startsWith('--all-platforms') || /^(?:--platform=)?\w+\/\w+.*,/.test(word),
    );
    return this.#several ? `[${platform}] ` : '';
  }
  #several;

  /** What COMMIT is said of. Says the FROM of stages that have no step, too. */
  platforms(built) {
    for (const { platform } of built)
      for (const [number, { line, name }] of this.#stages.entries())
        if (
          !this.#quiet &&
          !this.steps.some(({ stage }) => this.#numberOf(stage.split(' ')[1]) === number) &&
          number === this.#stages.length - 1
        )
          console.log(
            `${this.#platformPrefix(platform)}${this.#stages.length > 1 ? `[${number + 1}/${this.#stages.length}] ` : ''}STEP 1/1: ${line}`,
            name && '',
          );
    return built.map(({ platform }) => this.#platformPrefix(platform));
  }

  /** Stages are called by their name where they have one. */
  #numberOf(stage) {
    const named = this.#stages.findIndex(({ name }) => name.toLowerCase() === stage.toLowerCase());
    return named < 0 ? Number(stage) : named;
  }

  /** The exit status, after the error in buildah's words. */
  fail(status, signal) {
    const text = this.#error.join('\n');
    const exited = /exited with status (\d+)/.exec(text)?.[1];
    const source = /^ +\d+ \| (.*)$/m.exec(text)?.[1];
    const phrase = exited === undefined ? phraseOf(text) : `exit status ${exited}`;
    const where = source === undefined ? '' : `building at STEP ${JSON.stringify(source.trim())}: `;
    process.stderr.write(`Error: ${where.replaceAll('\\"', '"')}${phrase}\n`);
    if (signal !== null) return 128;
    return status === 1 && exited !== undefined ? Number(exited) : 125;
  }
}

function parseEvent(line) {
  try {
    const event = JSON.parse(line);
    return typeof event === 'object' ? event : undefined;
  } catch {
    return undefined;
  }
}
