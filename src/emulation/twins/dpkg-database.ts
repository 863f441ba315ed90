/** What dpkg has written down about a root file system: its packages, and the files that came with them. */
import { readInRoot, resolveParent, type RootFiles } from './root-files.ts';

export interface InstalledPackage {
  readonly name: string;
  readonly version: string;
  /** Names of packages it cannot do without, alternatives included. */
  readonly depends: readonly string[];
}

export interface PackageFiles {
  /** Paths as dpkg's list has them. */
  readonly listed: readonly string[];
  /** By path with its directory resolved. */
  readonly md5: ReadonlyMap<string, string>;
}

const DATABASE = '/var/lib/dpkg';
const MAX_STATUS_BYTES = 64 << 20;
const MAX_LIST_BYTES = 16 << 20;

/** Names become parts of paths. */
const NAME = /^[a-z0-9][a-z0-9+.-]*$/;
const INSTALLED = 'install ok installed';

export class DpkgDatabase {
  readonly #root: RootFiles;
  readonly #debian: string;
  readonly #packages: ReadonlyMap<string, InstalledPackage>;
  readonly #files = new Map<string, PackageFiles | undefined>();
  #diverted: ReadonlySet<string> | undefined;

  private constructor(root: RootFiles, debian: string, packages: ReadonlyMap<string, InstalledPackage>) {
    this.#root = root;
    this.#debian = debian;
    this.#packages = packages;
  }

  /** `debian` is Debian's name of the machine. Undefined when packages are not dpkg's, or none is installed. */
  static read(root: RootFiles, debian: string): DpkgDatabase | undefined {
    const text = readInRoot(root, `${DATABASE}/status`, MAX_STATUS_BYTES)?.toString('utf8');
    const packages = text === undefined ? new Map<string, never>() : parseStatus(text, debian);
    return packages.size === 0 ? undefined : new DpkgDatabase(root, debian, packages);
  }

  /** One that is wholly installed, for the root's own machine. */
  installed(name: string): InstalledPackage | undefined {
    return this.#packages.get(name);
  }

  get names(): Iterable<string> {
    return this.#packages.keys();
  }

  /** These and all that they depend on, as far as it is installed. */
  withDependencies(names: readonly string[]): readonly InstalledPackage[] {
    const [found, pending] = [new Map<string, InstalledPackage>(), [...names]];
    for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
      const each = found.has(name) ? undefined : this.#packages.get(name);
      if (each === undefined) continue;
      found.set(name, each);
      pending.push(...each.depends);
    }
    return [...found.values()];
  }

  /** Undefined when dpkg has kept no list or no checksums of it. */
  filesOf({ name }: InstalledPackage): PackageFiles | undefined {
    if (!this.#files.has(name)) this.#files.set(name, this.#readFiles(name));
    return this.#files.get(name);
  }

  /** Somebody's diversion comes from or leads to the path, its directory resolved. */
  isDiverted(path: string): boolean {
    this.#diverted ??= this.#readDiversions();
    return this.#diverted.has(path);
  }

  #readFiles(name: string): PackageFiles | undefined {
    const [list, sums] = [this.#readInfo(name, 'list'), this.#readInfo(name, 'md5sums')];
    if (list === undefined || sums === undefined) return undefined;
    const md5 = new Map<string, string>();
    for (const line of sums.split('\n')) {
      const [, sum, path] = /^([0-9a-f]{32}) {2}(.+)$/.exec(line) ?? [];
      const place = path === undefined ? undefined : resolveParent(this.#root, `/${path}`);
      if (sum !== undefined && place !== undefined) md5.set(place, sum);
    }
    return { listed: list.split('\n').filter((path) => path.startsWith('/')), md5 };
  }

  #readInfo(name: string, kind: string): string | undefined {
    for (const stem of [`${name}:${this.#debian}`, name]) {
      const bytes = readInRoot(this.#root, `${DATABASE}/info/${stem}.${kind}`, MAX_LIST_BYTES);
      if (bytes !== undefined) return bytes.toString('utf8');
    }
    return undefined;
  }

  /** Three lines each: what is diverted, to where, by whom. Either place belongs to the diversion. */
  #readDiversions(): ReadonlySet<string> {
    const text = readInRoot(this.#root, `${DATABASE}/diversions`, MAX_LIST_BYTES)?.toString('utf8') ?? '';
    const places = text
      .split('\n')
      .filter((_, index) => index % 3 !== 2)
      .map((path) => resolveParent(this.#root, path));
    return new Set(places.filter((path) => path !== undefined));
  }
}

function parseStatus(text: string, debian: string): Map<string, InstalledPackage> {
  const packages = new Map<string, InstalledPackage>();
  for (const paragraph of text.split(/\n{2,}/)) {
    const fields = new Map<string, string>();
    for (const [, name = '', value = ''] of paragraph.matchAll(FIELD)) fields.set(name, value.trim());
    const field = (name: string): string => fields.get(name) ?? '';
    const [name, version] = [field('Package'), field('Version')];
    if (!isName(name) || version === '' || field('Status') !== INSTALLED) continue;
    if (field('Architecture') !== debian) continue;
    const relations = `${field('Pre-Depends')},${field('Depends')}`.split(/[,|]/);
    packages.set(name, { name, version, depends: relations.map(nameOf).filter(isName) });
  }
  return packages;
}

const FIELD = /^(Package|Version|Status|Architecture|Pre-Depends|Depends):(.*)$/gm;

/** Of `libc6:any (>= 2.34)`. */
const nameOf = (relation: string): string => /^\s*([^\s:(]*)/.exec(relation)?.[1] ?? '';
const isName = (name: string): boolean => NAME.test(name);
