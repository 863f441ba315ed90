/** The text a template makes, with the line of the template that each part of it comes from. */
export class Output {
  #text = '';
  /** Where in the text a part begins, and the template's line. */
  readonly #marks: { readonly at: number; readonly line: number }[] = [];

  get text(): string {
    return this.#text;
  }

  write(text: string, line: number): void {
    if (text === '') return;
    this.#marks.push({ at: this.#text.length, line });
    this.#text += text;
  }

  /** The template's line behind a line of the text; both count from 1. */
  templateLine(line: number): number {
    let start = 0;
    for (let seen = 1; seen < line; seen++) start = this.#text.indexOf('\n', start) + 1;
    const next = this.#text.indexOf('\n', start);
    const end = next < 0 ? this.#text.length : next;
    const mark = this.#marks.findLast(({ at }) => at < end || at === start);
    if (mark === undefined) return 1;
    return mark.at >= start ? mark.line : mark.line + count(this.#text.slice(mark.at, start));
  }
}

const count = (text: string): number => text.split('\n').length - 1;
