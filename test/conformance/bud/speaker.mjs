/** buildah's words for what happens in a build. */
import { Steps } from './intermediate.mjs';
import { phraseOf, usageOf, warningOf } from './phrases.mjs';
import { debug } from './program.mjs';

export class Speaker {
  #stages;
  #text;
  #options;
  #steps;
  /** Stages whose FROM was said. */
  #begun = new Set();
  /** How far the Dockerfile was read for here-documents. */
  #read = 0;
  #error = [];
  /** What is said of the last step's way into caches. */
  #exported = [];
  #files;

  /** `text` is that of the Dockerfile, whose `files` were named; `layers` says that steps are images. */
  constructor({ stages, text, options, layers, files }) {
    this.#files = files;
    this.#stages = stages;
    this.#text = text;
    this.#options = options;
    this.#steps = layers ? new Steps() : undefined;
  }

  /** Nothing is said, or the standard output is for an archive. */
  get #quiet() {
    const { quiet, q, output = [], o = [] } = this.#options;
    return quiet || q || [...output, ...o].includes('-');
  }

  /** A line of arch-build's: an event, or something for people. */
  hear(line) {
    const event = parseEvent(line);
    if (event !== undefined) return this.#say(event);
    this.#error.push(line);
  }

  #say({ type, step, text, data, stream, from, caches, ...more }) {
    if (type === 'warning') process.stderr.write(`${text}\n${warningOf(text)}`);
    if (type === 'debug') process.stderr.write(warningOf(text));
    if (type === 'stage-started') this.#learn(text);
    if (type === 'usage') console.log(usageOf(more));
    if (type === 'step-started' || type === 'step-cached')
      this.#step(step, text, { found: type === 'step-cached', from });
    if (this.#quiet) return;
    if (type === 'step-exported') this.#export(step, caches);
    if (type === 'step-output') process[stream].write(data);
    if (type === 'info') process.stderr.write(warningOf(text));
    if (type === 'info' && text.startsWith('pulling '))
      process.stderr.write(`Trying to pull ${text.split(' ')[1]}...\n`);
  }

  /** The stages of a Dockerfile that is not here to be read. */
  #learn(line) {
    if (this.#text === '') this.#stages.push({ line, image: line.split(' ').pop(), name: '', steps: 0 });
  }

  /** The last step is committed before it goes there. */
  #export(step, caches) {
    const line = `--> Pushing cache [${caches.join(' ')}]`;
    if (this.#isLast(step)) this.#exported.push(line);
    else console.log(line);
  }

  #isLast = ({ stage, index, total }) => this.#numberOf(stage) === this.#stages.length - 1 && index === total;

  /** `from`: the cache that had it, of those that are not the store's. */
  #step({ stage, index, total, platform }, text, { found, from }) {
    const number = this.#numberOf(stage);
    // buildah's ARG is another step for each value, though nothing of it is in the image
    const isHit = found && !/^ARG\b/i.test(text);
    const cached = isHit ? true : /^(?:RUN|COPY|ADD|WORKDIR)\b/i.test(text) ? false : undefined;
    const image = this.#steps?.add({
      stage: `${platform} ${stage}`,
      base: this.#stages[number]?.image ?? '',
      text: this.#withArguments(text),
      cached,
      pulled: from !== undefined,
      last: this.#isLast({ stage, index, total }),
    });
    if (found && /^(?:COPY|ADD)\b/i.test(text)) debug('Found a cache hit in the first iteration');
    if (this.#quiet) return;
    this.#begin(platform, number, total + 1);
    console.log(
      `${this.#prefix(platform, number)}STEP ${index + 1}/${total + 1}: ${text}${this.#documents(text)}`,
    );
    if (from !== undefined && image?.known === false) console.log(`--> Cache pulled from remote ${from}`);
    else if (isHit || image?.fresh === false) console.log(`--> Using cache ${image?.id ?? ''}`.trimEnd());
    if (found && image?.fresh === false) console.log(`--> ${image.id.slice(0, 12)}`);
  }

  /** An ARG is another step when it is given a value. */
  #withArguments(text) {
    const name = /^ARG\s+(\w+)/i.exec(text)?.[1];
    const given = (this.#options['build-arg'] ?? []).some((word) => word.split('=')[0] === name);
    return given ? `${text} (given)` : text;
  }

  #begin(platform, number, total) {
    const place = `${platform} ${number}`;
    const line = this.#stages[number]?.line;
    if (this.#begun.has(place) || line === undefined) return;
    this.#begun.add(place);
    // stages without a step are in no event
    for (const [before, { steps, used }] of this.#stages.slice(0, number).entries())
      if (steps === 0 && used) this.#begin(platform, before, 1);
    console.log(`${this.#prefix(platform, number)}STEP 1/${total}: ${line}`);
  }

  #prefix(platform, number) {
    const several = this.#options['all-platforms'] || (this.#options.platform ?? []).join(',').includes(',');
    const part = this.#stages.length > 1 ? `[${number + 1}/${this.#stages.length}] ` : '';
    return `${several ? `[${platform}] ` : ''}${part}`;
  }

  /** The end of a build that succeeded. */
  finish(platforms, name = '') {
    this.#steps?.keep();
    if (this.#quiet) return;
    const number = this.#stages.length - 1;
    for (const { platform } of platforms) {
      this.#begin(platform, number, 1);
      console.log(`${this.#prefix(platform, number)}COMMIT ${name}`.trimEnd());
    }
    for (const line of this.#exported) console.log(line);
  }

  /** The beginning of every here-document of a step, as buildah shows them. */
  #documents(text) {
    const lines = this.#text.split('\n');
    const from = lines.findIndex((line, index) => index >= this.#read && line.trim() === text);
    let at = (from < 0 ? lines.findIndex((line) => line.trim() === text) : from) + 1;
    if (at === 0) return '';
    this.#read = at;
    const shown = [...text.matchAll(/<<-?(["']?)(\w[\w.]*)\1/g)].map(([, , name]) => {
      const end = lines.findIndex((line, index) => index >= at && line.trim() === name);
      const body = lines.slice(at, end);
      at = end + 1;
      return ` (${(body[0] ?? '').trim()}${body.length > 1 ? '...' : ''})`;
    });
    return shown.join('');
  }

  /** Stages are called by their name where they have one. */
  #numberOf(stage) {
    const named = this.#stages.findIndex(({ name }) => name.toLowerCase() === stage.toLowerCase());
    return named < 0 ? Number(stage) : named;
  }

  /** The exit status, after the error in buildah's words. */
  fail(status, signal) {
    this.#steps?.keep();
    const text = this.#error.join('\n');
    const exited = /exited with status (\d+)/.exec(text)?.[1];
    const source = /^ +\d+ \| (.*)$/m.exec(text)?.[1];
    const { phrase, alone, code } =
      exited === undefined ? phraseOf(text, this.#files) : { phrase: `exit status ${exited}` };
    const shown = source?.trim().replace(/^\S+/, (keyword) => keyword.toUpperCase());
    const where = shown === undefined || alone ? '' : `building at STEP "${shown}": `;
    if (!alone) process.stderr.write(`${text}\n`);
    process.stderr.write(`Error: ${where}${phrase}\n`);
    if (signal !== null) return 128;
    return status === 1 && exited !== undefined ? Number(exited) : (code ?? 125);
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
