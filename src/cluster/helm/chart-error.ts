/** What is wrong with a chart, with the file. */
export class ChartError extends Error {
  readonly file: string;
  /** 0 when it is about the file as a whole. */
  readonly line: number;

  constructor(message: string, file: string, line = 0) {
    super(message);
    this.file = file;
    this.line = line;
  }
}
