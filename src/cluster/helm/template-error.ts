/** What is wrong with a template, with its name and line. */
export class TemplateError extends Error {
  readonly template: string;
  readonly line: number;

  constructor(message: string, { template, line }: { readonly template: string; readonly line: number }) {
    super(message);
    this.template = template;
    this.line = line;
  }
}

/** Thrown by functions; whoever calls them knows where. */
export class FunctionError extends Error {}
